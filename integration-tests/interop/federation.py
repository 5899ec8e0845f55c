"""Prosody and ejabberd both ways, proved by certificates (SASL EXTERNAL) and, where nobody trusts the other's CA, by dialback;
the same with Prosody over one bidirectional stream with acknowledgements; what comes back from domains that do not exist, refuse
connections or want no stanzas."""
import asyncio
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../runner"))
import certs  # noqa: E402
import checks  # noqa: E402
import clients  # noqa: E402
import meridian  # noqa: E402
import peers  # noqa: E402
from checks import say  # noqa: E402
from procs import C2S, Lab  # noqa: E402

WORLD, PROSODY, EJABBERD = "world.test", "prosody.test", "ejabberd.test"
# where: what error, and what its text speaks of
UNREACHABLE = (("x@nobody.prosody.test", "remote-server-not-found"), ("x@closed.test", "remote-server-timeout"),
               ("x@refused.test", "remote-server-not-found"), ("nobody@" + PROSODY, "service-unavailable"),
               ("nobody@" + EJABBERD, "service-unavailable"))


class Scene:
    """trusted: one CA for all; otherwise the node has a CA of its own, which the others do not know, and does not know theirs.
    bidi: Prosody has XEP-0288 and XEP-0198 on its streams; this ejabberd has neither; our node has four
    shards, so that streams move to the one that sends to their peer."""

    def __init__(self, lab, build, trusted, bidi):
        self.bidi = bidi
        self.lab = lab
        node_ip, prosody_ip, ejabberd_ip = (lab.ip(n) for n in (11, 20, 30))
        public = certs.Authority(lab, "public")
        own = public if trusted else certs.Authority(lab, "own")
        self.dns = peers.Dns(lab, lab.ip(2), {
            WORLD: ["_xmpp-server._tcp SRV 0 0 25269 host", "host A " + node_ip],
            PROSODY: ["_xmpp-server._tcp SRV 0 0 25269 host", "host A " + prosody_ip],
            EJABBERD: ["_xmpp-server._tcp SRV 0 0 25269 host", "host A " + ejabberd_ip],
            "closed.test": ["_xmpp-server._tcp SRV 0 0 25269 host", "host A " + lab.ip(99)],
            "refused.test": ["_xmpp-server._tcp SRV 0 0 0 ."]})
        ejabberd = peers.Ejabberd(lab, ejabberd_ip, EJABBERD, public, self.dns,
                                  [(prosody_ip, "host." + PROSODY), (node_ip, "host." + WORLD)], [("dave", "pw-dave")])
        prosody = peers.Prosody(lab, prosody_ip, PROSODY, public, self.dns, secure_auth=trusted,
                                modules=("s2s_bidi", "smacks") if bidi else ())
        prosody.adduser("carol", "pw-carol")
        self.node = meridian.Node(lab, build, WORLD, node_ip, own.issue(WORLD, WORLD, usage="serverAuth,clientAuth"), own.crt,
                                  dns=self.dns, s2s='expire_message = "3s"',
                                  shards=4 if bidi else 1).start()
        self.node.adduser("alice", "pw-alice")
        prosody.start()
        ejabberd.wait()
        self.places = {"alice": (WORLD, node_ip, own.crt), "carol": (PROSODY, prosody_ip, public.crt),
                       "dave": (EJABBERD, ejabberd_ip, public.crt)}

    async def login(self, name):
        domain, ip, ca = self.places[name]
        return await clients.Client("%s@%s/here" % (name, domain), "pw-" + name, (ip, C2S), ca).login()

    def proofs(self):
        """{(direction, peer): how it was proved} of all streams that are ready."""
        return {(r["direction"], r["remote"]): (r["auth"], r["secured"]) for r in self.node.ctl("s2s") if r["auth"]}

    def shared(self):
        """The streams with Prosody: (direction, both ways, acknowledged)."""
        return [(r["direction"], r["bidi"], r["acks"]) for r in self.node.ctl("s2s") if r["remote"] == PROSODY and r["auth"]]


async def talk(verdict, a, b, how):
    mark = "%s to %s" % (a.boundjid.user, b.boundjid.user)
    wanted = ["%s %d" % (mark, n) for n in range(10)]
    for body in wanted:
        a.send_message(mto=b.boundjid.bare, mbody=body, mtype="chat")
    await b.message(wanted[-1], 30)
    got = [m["body"] for m in b.inbox if m["body"].startswith(mark)]
    if not verdict.check(got == wanted, "%s: %s, 10 messages, once, in order" % (how, mark)):
        say("        came: %s" % got)


async def bounces(verdict, alice):
    for to, condition in UNREACHABLE:
        start = time.monotonic()
        alice.send_message(mto=to, mbody="to " + to, mtype="chat")
        m = await alice._wait(alice.inbox, "error from " + to, lambda m: m["type"] == "error" and m["from"] == to, 60)
        verdict.check(m["error"]["condition"] == condition, "%-22s comes back after %.1f s: %s (%s) \"%s\""
                      % (to, time.monotonic() - start, m["error"]["condition"], m["error"]["type"], m["error"]["text"]))


async def act(s, verdict, how):
    alice, carol, dave = [await s.login(n) for n in ("alice", "carol", "dave")]
    for other in (carol, dave):
        pairs = [(alice, other), (other, alice)]
        for a, b in pairs if s.bidi != "in" else reversed(pairs):
            await talk(verdict, a, b, how)
        await alice.befriend(other)
    for (direction, peer), (auth, secured) in sorted((await asyncio.to_thread(s.proofs)).items()):
        verdict.check(auth == how and secured, "stream %-3s %-14s proved by %s, TLS: %s" % (direction, peer, auth, secured))
    both = {(d, p) for d in ("in", "out") for p in ((EJABBERD,) if s.bidi else (PROSODY, EJABBERD))}
    verdict.check(both <= set(await asyncio.to_thread(s.proofs)), "streams both ways with %s" % ("ejabberd" if s.bidi else "both"))
    if s.bidi:
        shared = await asyncio.to_thread(s.shared)
        # Prosody offers acknowledgements only behind SASL, and keeps the stream on which it asked us about our key.
        wanted = [[(s.bidi, True, how == "external")]] + [[("out", True, False), ("in", True, False)]] * (how == "dialback")
        verdict.check(shared in wanted, "streams with Prosody, both ways, acknowledged: %s" % shared)
    for c in (carol, dave):
        c.send_message(mto="nobody@" + WORLD, mbody="lost?", mtype="chat")
        m = await c._wait(c.inbox, "error", lambda m: m["type"] == "error" and m["from"] == "nobody@" + WORLD, 30)
        verdict.check(m["error"]["condition"] == "service-unavailable", "%s writes to nobody here: %s"
                      % (c.boundjid.bare, m["error"]["condition"]))
    if how == "external" and not s.bidi:
        await bounces(verdict, alice)
    await asyncio.gather(*(c.logout() for c in (alice, carol, dave)))


def run(build, how, bidi):
    say("proved by %s%s" % (how, ", bidirectional stream opened by %s" % ("us" if bidi == "out" else "Prosody") if bidi else ""))
    lab, verdict = Lab("federation"), checks.Verdict()
    scene = None
    try:
        scene = Scene(lab, build, how == "external", bidi)
        clients.run(act(scene, verdict, how))
    except (TimeoutError, meridian.Failed) as e:
        verdict.check(False, str(e))
        for proc in lab.procs:
            say("--- end of %s\n%s" % (proc.log, proc.tail(30)))
    if scene:
        verdict.stop(scene.node)
    return verdict.end("federation (%s%s)" % (how, ", bidi " + bidi if bidi else ""), lab)


if __name__ == "__main__":
    o = checks.options(__doc__)
    sys.exit(max([run(o.build, how, bidi) for bidi in (None, "out", "in") for how in ("external", "dialback")]))

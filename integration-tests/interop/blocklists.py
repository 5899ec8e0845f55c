"""A block list at Prosody's pubsub component: a domain is blocked by a publish and freed by a retract while the node runs; what the
list said holds over a restart of the node while nobody can be asked; lists come and go by reload."""
import asyncio
import hashlib
import json
import os
import subprocess
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

WORLD, PROSODY, SPAM, RTBL, LIST = "world.test", "prosody.test", "spam.test", "rtbl.prosody.test", "spam_source_domains"
LISTS = """[[s2s.rtbl]]
service = "%s"
node = "%s"
""" % (RTBL, LIST)
SAVED_S = 6  # the node has written by then what a list said
PUBSUB, OWNER = "http://jabber.org/protocol/pubsub", "http://jabber.org/protocol/pubsub#owner"


class Lister(peers.Prosody):
    CONF = peers.Prosody.CONF + """
VirtualHost "spam.test"
  ssl = {{ certificate = "{crt_spam}"; key = "{key_spam}"; cafile = "{ca}"; }}
Component "rtbl.prosody.test" "pubsub"
  ssl = {{ certificate = "{crt_rtbl}"; key = "{key_rtbl}"; cafile = "{ca}"; }}
  admins = {{ "carol@prosody.test" }}
  autocreate_on_publish = true
"""

    def adduser_at(self, name, domain, password):
        subprocess.run(["prosodyctl", "--config", self.config, "register", name, domain, password], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Scene:
    def __init__(self, lab, build):
        self.lab = lab
        self.node_ip, self.prosody_ip = lab.ip(11), lab.ip(20)
        self.ca = certs.Authority(lab, "public")
        there = ["_xmpp-server._tcp SRV 0 0 25269 host", "host A " + self.prosody_ip]
        dns = peers.Dns(lab, lab.ip(2), {
            WORLD: ["_xmpp-server._tcp SRV 0 0 25269 host", "host A " + self.node_ip],
            PROSODY: there + ["_xmpp-server._tcp.rtbl SRV 0 0 25269 host"], SPAM: there})
        crt_spam, key_spam = self.ca.issue(SPAM, SPAM)
        crt_rtbl, key_rtbl = self.ca.issue(RTBL, RTBL)
        self.prosody = Lister(lab, self.prosody_ip, PROSODY, self.ca, dns, crt_spam=crt_spam, key_spam=key_spam,
                              crt_rtbl=crt_rtbl, key_rtbl=key_rtbl)
        self.prosody.adduser("carol", "pw-carol")
        self.prosody.adduser_at("mallory", SPAM, "pw-mallory")
        self.node = meridian.Node(lab, build, WORLD, self.node_ip, self.ca.issue(WORLD, WORLD, usage="serverAuth,clientAuth"),
                                  self.ca.crt, dns=dns, shards=2, extra=LISTS).start()
        self.node.adduser("alice", "pw-alice")

    async def login(self, name, domain, ip):
        return await clients.Client("%s@%s/here" % (name, domain), "pw-" + name, (ip, C2S), self.ca.crt).login()

    def reload(self, has_list):
        """Signals are admin/reload.py's."""
        with open(self.node.config) as f:
            text = f.read().replace(LISTS, "")
        with open(self.node.config, "w") as f:
            f.write(text + (LISTS if has_list else ""))
        return [c["option"] for c in self.node.ctl("reload")["changed"]]

    def row(self):
        return self.node.ctl("s2s", "lists")[0]

    def explain(self):
        """meridianctl says by its exit code that the domain is not reached."""
        p = subprocess.run([*self.node.ctl_line("--json", "s2s", "explain", SPAM).split()], capture_output=True, text=True, timeout=30)
        return json.loads(p.stdout)

    async def until(self, what, accept, seconds=60):
        """Until the row of the list is so; how long that took."""
        start = time.monotonic()
        while time.monotonic() < start + seconds:
            row = await asyncio.to_thread(self.row)
            if accept(row):
                return time.monotonic() - start
            await asyncio.sleep(0.05)
        raise TimeoutError("%s: not within %d s: %s" % (what, seconds, row))

    async def items(self, n):
        return await self.until("%d items" % n, lambda r: r["items"] == n and r["state"] == "following")


async def ask(client, kind, ns, payload):
    iq = client.make_iq(ito=RTBL, itype=kind)
    iq.append(clients.slixmpp.xmlstream.ET.fromstring("<pubsub xmlns='%s'>%s</pubsub>" % (ns, payload)))
    return await iq.send(timeout=15)


async def publish(carol, item):
    await ask(carol, "set", PUBSUB, "<publish node='%s'><item id='%s'><x xmlns='urn:x'/></item></publish>" % (LIST, item))


async def retract(carol, item):
    await ask(carol, "set", PUBSUB, "<retract node='%s' notify='true'><item id='%s'/></retract>" % (LIST, item))


async def passes(a, b, body):
    a.send_message(mto=b.boundjid.bare, mbody=body, mtype="chat")
    await b.message(body, 30)
    return True


async def comes_back(a, to, body):
    """The error that a message gets: its condition and text."""
    a.send_message(mto=to, mbody=body, mtype="chat")
    m = await a._wait(a.inbox, "error from " + to, lambda m: m["type"] == "error" and m["from"] == to and m not in a.seen, 60)
    a.seen.append(m)
    return m["error"]["condition"], m["error"]["text"]


async def free(verdict, alice, mallory, when):
    verdict.check(await passes(mallory, alice, "to us " + when) and await passes(alice, mallory, "from us " + when),
                  "%s: messages of %s pass both ways" % (when, SPAM))


async def blocked(s, verdict, alice, mallory, when):
    condition, text = await comes_back(alice, mallory.boundjid.bare, "x")
    verdict.check(condition == "not-allowed" and "the list '%s' of %s names it" % (LIST, RTBL) in text,
                  "%s: to %s comes back: %s \"%s\"" % (when, SPAM, condition, text))
    if not mallory.ended.is_set():
        condition, text = await comes_back(mallory, alice.boundjid.bare, "y")
        verdict.check(condition in ("remote-server-timeout", "remote-server-not-found", "service-unavailable", "not-allowed"),
                      "%s: from %s comes back: %s \"%s\"" % (when, SPAM, condition, text))
        verdict.check(not [m for m in alice.inbox if m["body"] == "y"], "%s: nothing of it arrives" % when)
    report = await asyncio.to_thread(s.explain)
    verdict.check(report.get("cause") == "policy-listed" and LIST in report.get("verdict", ""),
                  "%s: explained: %s" % (when, report.get("verdict")))


async def act(s, verdict):
    await s.until("away", lambda r: r["state"] == "away")
    row = await asyncio.to_thread(s.row)
    verdict.check(row["items"] == 0 and "age_s" not in row, "without the service: %s, %s" % (row["state"], row["why"]))
    await asyncio.to_thread(s.prosody.start)
    carol, mallory = await s.login("carol", PROSODY, s.prosody_ip), await s.login("mallory", SPAM, s.prosody_ip)
    alice = await s.login("alice", WORLD, s.node_ip)
    alice.seen, mallory.seen = [], []
    await publish(carol, "elsewhere.test")
    took = await s.items(1)
    verdict.check(True, "the service is up: its list is followed after %.1f s" % took)
    await free(verdict, alice, mallory, "not listed")

    await publish(carol, hashlib.sha256(SPAM.encode()).hexdigest())
    verdict.check(True, "a hash was published: it is on our list after %.1f s" % await s.items(2))
    await blocked(s, verdict, alice, mallory, "published")
    await retract(carol, hashlib.sha256(SPAM.encode()).hexdigest())
    verdict.check(True, "it was retracted: it is gone after %.1f s" % await s.items(1))
    await free(verdict, alice, mallory, "retracted")

    await publish(carol, SPAM)
    await s.items(2)
    await s.until("written", lambda r: r["age_s"] > SAVED_S, 20)
    await asyncio.gather(alice.logout(), carol.logout(), mallory.logout())
    await asyncio.to_thread(s.prosody.proc.stop)
    verdict.stop(s.node)
    await asyncio.to_thread(s.node.start)
    row = await asyncio.to_thread(s.row)
    verdict.check(row["items"] == 2 and row["age_s"] >= 0, "after a restart, the service down: %s items, %s" % (row["items"], row["state"]))
    alice = await s.login("alice", WORLD, s.node_ip)
    alice.seen = []
    await blocked(s, verdict, alice, mallory, "restarted")

    await asyncio.to_thread(s.prosody.start)
    carol, mallory = await s.login("carol", PROSODY, s.prosody_ip), await s.login("mallory", SPAM, s.prosody_ip)
    mallory.seen = []
    verdict.check(True, "the service is back: its list is followed after %.1f s" % await s.items(2))
    await ask(carol, "set", OWNER, "<purge node='%s'/>" % LIST)
    verdict.check(True, "it was purged: empty after %.1f s" % await s.items(0))
    await free(verdict, alice, mallory, "purged")

    await publish(carol, SPAM)
    await s.items(1)
    changed = await asyncio.to_thread(s.reload, False)
    verdict.check(await asyncio.to_thread(s.node.ctl, "s2s", "lists") == [] and changed,
                  "a reload without the list: %s" % changed)
    await free(verdict, alice, mallory, "not followed")
    await asyncio.to_thread(s.reload, True)
    verdict.check(True, "a reload with it: followed after %.1f s" % await s.items(1))
    await blocked(s, verdict, alice, mallory, "reloaded")
    await asyncio.gather(alice.logout(), carol.logout(), mallory.logout())


def run(build):
    lab, verdict, scene = Lab("blocklists"), checks.Verdict(), None
    try:
        scene = Scene(lab, build)
        clients.run(act(scene, verdict))
    except (TimeoutError, meridian.Failed, clients.slixmpp.exceptions.XMPPError) as e:
        verdict.check(False, "%s: %s" % (type(e).__name__, e))
        for proc in lab.procs:
            say("--- end of %s\n%s" % (proc.log, proc.tail(30)))
    if scene:
        verdict.stop(scene.node)
    return verdict.end("blocklists", lab)


if __name__ == "__main__":
    sys.exit(run(checks.options(__doc__).build))

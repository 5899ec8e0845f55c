"""slixmpp with stream management against a real node: its stanzas are acknowledged, its connection is cut again and again while somebody
writes to it, it resumes each time and has missed nothing; then a second device gets carbons."""
import asyncio
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../runner"))
import certs  # noqa: E402
import checks  # noqa: E402
import clients  # noqa: E402
import meridian  # noqa: E402
from procs import C2S, Lab  # noqa: E402

DOMAIN = "one.test"
CUTS, FLOW = 8, 40


def client(node, ca, user, resource, *plugins):
    c = clients.Client("%s@%s/%s" % (user, DOMAIN, resource), "pw-" + user, (node.ip, C2S), ca)
    for p in plugins:
        c.register_plugin(p)
    return c


async def acknowledged(c, peer, verdict):
    acked = []
    c.add_event_handler("stanza_acked", lambda s: asyncio.ensure_future(c._note(acked, s)))
    for n in range(FLOW):
        c.send_message(mto=peer.boundjid.bare, mbody="acked %d" % n, mtype="chat")
    await peer.message("acked %d" % (FLOW - 1))
    c["xep_0198"].request_ack()  # not before: it overtakes what slixmpp still has in its queue
    await c._wait(acked, "acknowledgement", lambda s: s.name == "message" and s["body"] == "acked %d" % (FLOW - 1), 15)
    verdict.check(True, "%d messages of a client were acknowledged" % FLOW)


async def cut_and_resume(c, peer, node, verdict):
    resumed = []
    c.add_event_handler("session_resumed", lambda s: asyncio.ensure_future(c._note(resumed, s)))
    for cut in range(CUTS):
        c.ended.clear()
        for n in range(FLOW):
            peer.send_message(mto=c.boundjid.bare, mbody="cut %d/%d" % (cut, n), mtype="chat")
            if n == FLOW // 2:
                await asyncio.sleep(0)  # what was sent leaves while the connection goes
                c.abort()
        await peer.barrier()
        await asyncio.wait_for(c.ended.wait(), 10)
        c.connect(c.address, use_ssl=False, force_starttls=True)
        await c._wait(resumed, "resumption %d" % (cut + 1), lambda s: len(resumed) > cut, 15)
        c.ended.clear()
        await c.message("cut %d/%d" % (cut, FLOW - 1))
        await c.barrier()
    got = [m["body"] for m in c.inbox if m["body"].startswith("cut")]
    want = ["cut %d/%d" % (cut, n) for cut in range(CUTS) for n in range(FLOW)]
    verdict.check(got == want, "%d cuts, %d messages: all, once, in order%s"
                  % (CUTS, len(want), "" if got == want else ": %d came" % len(got)))
    gone = [p for p in peer.presences if p["type"] == "unavailable"]
    verdict.check(not gone, "nobody saw it leave")
    verdict.check(node.ctl("status")["counters"]["sm_resumed"] == CUTS, "the node counts %d resumptions" % CUTS)
    for n in range(FLOW):  # and the counts still agree
        c.send_message(mto=peer.boundjid.bare, mbody="after %d" % n, mtype="chat")
    await peer.message("after %d" % (FLOW - 1))
    got = [m["body"] for m in peer.inbox if m["body"].startswith("after")]
    verdict.check(got == ["after %d" % n for n in range(FLOW)], "what it sends after that arrives, once, in order")


async def carbons(c, peer, second, verdict):
    copies = []
    for kind in ("carbon_received", "carbon_sent"):
        second.add_event_handler(kind, lambda m, k=kind: asyncio.ensure_future(second._note(copies, (k, m[k]["body"]))))
    await second["xep_0280"].enable()
    peer.send_message(mto=c.boundjid.full, mbody="to one device", mtype="chat")
    c.send_message(mto=peer.boundjid.bare, mbody="from one device", mtype="chat")
    for want in (("carbon_received", "to one device"), ("carbon_sent", "from one device")):
        await second._wait(copies, "%s %r" % want, lambda x, w=want: x == w, 15)
    verdict.check(True, "a second device gets a copy of what the first gets and sends")


async def act(node, ca, verdict):
    alice = await client(node, ca, "alice", "phone", "xep_0198").login()
    bob = await client(node, ca, "bob", "desk").login()
    await bob.befriend(alice)
    await acknowledged(alice, bob, verdict)
    await cut_and_resume(alice, bob, node, verdict)
    second = await client(node, ca, "alice", "laptop", "xep_0280", "xep_0198").login()
    await carbons(alice, bob, second, verdict)
    for c in (alice, bob, second):
        await c.logout()


def main():
    options = checks.options(__doc__)
    lab, verdict = Lab("resumption"), checks.Verdict()
    authority = certs.Authority(lab, "public")
    node = meridian.Node(lab, options.build, DOMAIN, lab.ip(10), authority.issue(DOMAIN, DOMAIN), authority.crt).start()
    for user in ("alice", "bob"):
        node.adduser(user, "pw-" + user)
    try:
        clients.run(act(node, authority.crt, verdict))
    except (TimeoutError, asyncio.TimeoutError, meridian.Failed) as e:
        verdict.check(False, "%s\n%s" % (e, node.proc.tail()))
    verdict.stop(node)
    return verdict.end("resumption", lab)


if __name__ == "__main__":
    sys.exit(main())

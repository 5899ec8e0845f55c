"""A client of nbxmpp, the library of Gajim (Python on GLib and GnuTLS), against a real node: gajim-client.py is driven by lines. Login over
STARTTLS with a certificate it checks and refuses, wrong password, roster and subscriptions both ways with slixmpp, presence, chat; its
connection is torn while both sides write, and it resumes; offline messages."""
import os
import re
import sys

import foreign
import lines
from foreign import ALICE, BOB, FLOW

import certs

JID = ALICE + "/gajim"
PROGRAM = ["/usr/bin/python3", os.path.join(os.path.dirname(os.path.abspath(__file__)), "gajim-client.py")]
CUTS = 3


async def refusals(rig):
    client = await lines.Driven.start(rig, PROGRAM, JID, password="wrong")
    line = await client.says("down .*")
    rig.check(line == "down not-authorized", "a wrong password is told as such: %s" % line)
    client = await lines.Driven.start(rig, PROGRAM, JID, ca=certs.Authority(rig.lab, "stranger").crt)
    line = await client.says("down .*")
    rig.check(line == "down bad certificate", "it refuses a certificate of another CA: %s" % line)


async def resume(rig, client, bob):
    """What either side says while the connection is torn arrives, once, in order."""
    his, hers, since = [], [], len(bob.inbox)
    for cut in range(CUTS):
        before = len(client.lines)
        for n in range(FLOW):
            his.append("to it %d/%d" % (cut, n))
            bob.send_message(mto=ALICE, mbody=his[-1], mtype="chat")
            hers.append("of it %d/%d" % (cut, n))
            client.command("say %s %s" % (BOB, hers[-1]))
        client.command("cut")
        await client.says("cut", after=before)
        his.append("to nobody there %d" % cut)
        bob.send_message(mto=ALICE, mbody=his[-1], mtype="chat")
        await bob.barrier()
        client.command("connect")
        await client.says("resumed", after=before)
        await client.says("message %s %s" % (BOB, re.escape(his[-1])))
    await foreign.bob_got(rig, bob, hers, since)
    got = [m for m in client.messages() if m in his]
    rig.check(got == his, "torn and resumed %d times, it has missed nothing and got nothing twice" % CUTS)
    resumed = rig.node.ctl("status")["counters"]["sm_resumed"]
    rig.check(resumed == CUTS and not [p for p in bob.presences if p["type"] == "unavailable"], "the node counts %d, nobody saw it leave" % resumed)


async def act(rig):
    await refusals(rig)
    client = await lines.Driven.start(rig, PROGRAM, JID)
    await client.says("up " + JID)
    await client.says("roster 0")
    rig.node.proc.wait_log("c2s.authenticated jid=%s mechanism=SCRAM-SHA-512" % ALICE, 5)
    rig.check(True, "nbxmpp logs in over STARTTLS, with a certificate it has checked")
    bob = await rig.slix(BOB, "desk")
    await lines.befriend(rig, client, bob)
    await lines.presence(rig, client, bob)
    await lines.chat(rig, client, bob)
    await resume(rig, client, bob)
    await lines.leave(rig, client, bob)
    await lines.away_and_back(rig, PROGRAM, JID, bob)
    await bob.logout()


if __name__ == "__main__":
    sys.exit(foreign.run("gajim", __doc__, ("unshare", "/usr/lib/python3/dist-packages/nbxmpp/client.py"), act))

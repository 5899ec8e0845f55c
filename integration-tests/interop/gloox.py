"""A client of gloox (C++, GnuTLS) against a real node: gloox-client.cpp is compiled and driven by lines. Login over STARTTLS with a
certificate it checks and refuses, wrong password, roster and subscriptions both ways with slixmpp, presence, chat, offline messages."""
import os
import subprocess
import sys

import foreign
import lines
from foreign import ALICE, BOB

import certs

TLS_FAILED, AUTH_FAILED, NOT_AUTHORIZED = 13, 16, 7  # of gloox/gloox.h: ConnectionError, AuthenticationError
JID = ALICE + "/g"


def compiled(lab):
    program = lab.path("gloox-client")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gloox-client.cpp")
    subprocess.run(["c++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-o", program, source, "-lgloox"], check=True)
    return [program]


async def refusals(rig, program):
    client = await lines.Driven.start(rig, program, JID, password="wrong")
    line = await client.says("down .*")
    rig.check(line == "down %d %d" % (AUTH_FAILED, NOT_AUTHORIZED), "a wrong password is told as such: %s" % line)
    # gloox 1.0.24 forgets the CAs it is given and trusts the machine's.
    client = await lines.Driven.start(rig, program, JID, ca=certs.Authority(rig.lab, "stranger").crt)
    line = await client.says("down .*")
    rig.check(line == "down %d 0" % TLS_FAILED, "it refuses a certificate of another CA: %s" % line)


async def act(rig):
    program = compiled(rig.lab)
    await refusals(rig, program)
    client = await lines.Driven.start(rig, program, JID)
    await client.says("tls 0 TLS1.2")
    await client.says("up " + JID)
    await client.says("roster 0")
    rig.node.proc.wait_log("c2s.authenticated jid=%s mechanism=SCRAM-SHA-1-PLUS" % ALICE, 5)
    rig.check(True, "gloox logs in over STARTTLS, with a certificate it has checked, bound to the channel by tls-unique")
    bob = await rig.slix(BOB, "desk")
    await lines.befriend(rig, client, bob)
    await lines.presence(rig, client, bob)
    await lines.chat(rig, client, bob)
    await lines.leave(rig, client, bob)
    await lines.away_and_back(rig, program, JID, bob)
    await bob.logout()


if __name__ == "__main__":
    sys.exit(foreign.run("gloox", __doc__, ("c++", "unshare", "/usr/include/gloox/client.h"), act))

"""A client of gloox (C++, GnuTLS) against a real node: gloox-client.cpp is compiled and driven by lines. Login over STARTTLS with a
certificate it checks and refuses, wrong password, roster and subscriptions both ways with slixmpp, presence, chat, offline messages."""
import asyncio
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../runner"))
import certs  # noqa: E402
import checks  # noqa: E402
import clients  # noqa: E402
import meridian  # noqa: E402
from procs import C2S, Failed, Lab  # noqa: E402

DOMAIN = "one.test"
ALICE, BOB = "alice@" + DOMAIN, "bob@" + DOMAIN
FLOW = 50
STRANGE = "zażółć 漢字 <&> \"'"
TLS_FAILED, AUTH_FAILED, NOT_AUTHORIZED = 13, 16, 7  # of gloox/gloox.h: ConnectionError, AuthenticationError
DND, BOTH = 3, 8  # Presence::PresenceType; SubscriptionType

# gloox 1.0.24 forgets the CAs it is given and trusts the machine's: in a mount namespace of its own these are ours.
TRUST = 'mount --bind "$1" /etc/ssl/certs/ca-certificates.crt && shift && exec "$@"'


class Gloox:
    """One gloox-client; lines: what it has said so far."""

    @classmethod
    async def start(cls, program, jid, password, node, ca):
        self = cls()
        self.lines, self.news = [], asyncio.Condition()
        self.proc = await asyncio.create_subprocess_exec("unshare", "--mount", "sh", "-c", TRUST, "sh", ca, program, jid, password,
                                                         node.ip, str(C2S), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.reader = asyncio.ensure_future(self._read())
        return self

    async def _read(self):
        async for line in self.proc.stdout:
            async with self.news:
                self.lines.append(line.decode().rstrip("\n"))
                self.news.notify_all()

    def command(self, line):
        self.proc.stdin.write((line + "\n").encode())

    async def says(self, pattern, seconds=15):
        """The first line, so far or to come, that the pattern fits as a whole."""
        async def seek():
            async with self.news:
                while True:
                    for line in self.lines:
                        if re.fullmatch(pattern, line):
                            return line
                    await self.news.wait()
        try:
            return await asyncio.wait_for(seek(), seconds)
        except asyncio.TimeoutError:
            raise TimeoutError("gloox does not say %r within %d s; it said %s" % (pattern, seconds, self.lines[-10:]))

    async def quit(self):
        self.command("quit")
        await asyncio.wait_for(self.proc.wait(), 10)
        await self.reader


async def refusals(program, node, ca, stranger, verdict):
    g = await Gloox.start(program, ALICE + "/g", "wrong", node, ca)
    line = await g.says("down .*")
    verdict.check(line == "down %d %d" % (AUTH_FAILED, NOT_AUTHORIZED), "a wrong password is told as such: %s" % line)
    g = await Gloox.start(program, ALICE + "/g", "pw-alice", node, stranger)
    line = await g.says("down .*")
    verdict.check(line == "down %d 0" % TLS_FAILED, "it refuses a certificate of another CA: %s" % line)


async def befriend(g, bob, verdict):
    g.command("add " + BOB)
    await bob.presence("subscribe", ALICE)
    bob.send_presence_subscription(pto=ALICE, ptype="subscribed")
    bob.send_presence_subscription(pto=ALICE, ptype="subscribe")
    await g.says("asked " + BOB)
    g.command("allow " + BOB)
    await bob.presence("subscribed", ALICE)
    await g.says("item %s %d" % (BOB, BOTH))
    await bob.available(ALICE)
    verdict.check(True, "subscribed both ways; pushes tell gloox so")


async def presence(g, bob, verdict):
    g.command("show away gone fishing")
    p = await bob._wait(bob.presences, "away", lambda p: p["from"].bare == ALICE and p["show"] == "away", 15)
    verdict.check(p["status"] == "gone fishing", "slixmpp sees it away: %r" % p["status"])
    bob.send_presence(pshow="dnd", pstatus="counting stars")
    await g.says("presence %s %d counting stars" % (BOB, DND))
    verdict.check(True, "it sees slixmpp's dnd and its text")


async def chat(g, bob, verdict):
    for n in range(FLOW):
        g.command("say %s %d %s" % (BOB, n, STRANGE))
        bob.send_message(mto=ALICE, mbody="%d %s" % (n, STRANGE), mtype="chat")
    await bob.message("%d %s" % (FLOW - 1, STRANGE))
    await g.says("message %s %d %s" % (BOB, FLOW - 1, re.escape(STRANGE)))
    want = ["%d %s" % (n, STRANGE) for n in range(FLOW)]
    verdict.check([m["body"] for m in bob.inbox] == want, "%d messages of gloox arrive, once, in order" % FLOW)
    got = [line for line in g.lines if line.startswith("message")]
    verdict.check(got == ["message %s %s" % (BOB, w) for w in want], "%d messages to gloox arrive, once, in order" % FLOW)


async def away_and_back(program, node, ca, bob, verdict):
    for n in range(3):
        bob.send_message(mto=ALICE, mbody="kept %d" % n, mtype="chat")
    await bob.barrier()
    g = await Gloox.start(program, ALICE + "/g", "pw-alice", node, ca)
    await g.says("roster 1")
    await g.says("message %s kept 2" % BOB)
    verdict.check([line for line in g.lines if line.startswith("message")] == ["message %s kept %d" % (BOB, n) for n in range(3)],
                  "back again, it has its roster and what was kept for it")
    await g.quit()


async def act(program, node, ca, stranger, verdict):
    await refusals(program, node, ca, stranger, verdict)
    g = await Gloox.start(program, ALICE + "/g", "pw-alice", node, ca)
    await g.says("tls 0 TLS1.2")
    await g.says("up %s/g" % ALICE)
    await g.says("roster 0")
    node.proc.wait_log("c2s.authenticated jid=%s mechanism=SCRAM-SHA-1-PLUS" % ALICE, 5)
    verdict.check(True, "gloox logs in over STARTTLS, with a certificate it has checked, bound to the channel by tls-unique")
    bob = await clients.Client(BOB + "/desk", "pw-bob", (node.ip, C2S), ca).login()
    await befriend(g, bob, verdict)
    await presence(g, bob, verdict)
    await chat(g, bob, verdict)
    await g.quit()
    await bob.presence("unavailable", ALICE)
    verdict.check(True, "it leaves, and is seen to leave")
    await away_and_back(program, node, ca, bob, verdict)
    await bob.logout()


def main():
    options = checks.options(__doc__)
    if not shutil.which("c++") or not os.path.exists("/usr/include/gloox/client.h"):
        checks.say("skipped: no gloox here (scripts/install test)")
        return 0
    lab, verdict = Lab("gloox"), checks.Verdict()
    program = lab.path("gloox-client")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gloox-client.cpp")
    subprocess.run(["c++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-o", program, source, "-lgloox"], check=True)
    authority, stranger = certs.Authority(lab, "public"), certs.Authority(lab, "stranger")
    node = meridian.Node(lab, options.build, DOMAIN, lab.ip(10), authority.issue(DOMAIN, DOMAIN), authority.crt).start()
    for user in ("alice", "bob"):
        node.adduser(user, "pw-" + user)
    try:
        clients.run(act(program, node, authority.crt, stranger.crt, verdict))
    except (TimeoutError, asyncio.TimeoutError, Failed) as e:
        verdict.check(False, "%s\n%s" % (e, node.proc.tail()))
    verdict.stop(node)
    return verdict.end("gloox", lab)


if __name__ == "__main__":
    sys.exit(main())

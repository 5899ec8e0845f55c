"""A foreign client that is driven by lines, and what each of them has to do. Commands on its standard input, what happens on its output:
    add JID | allow JID | show away|dnd|available TEXT | say JID TEXT | quit
    up JID | down WHY | roster N | item JID both | asked JID | presence JID dnd TEXT | message JID TEXT"""
import asyncio
import re
import subprocess

from foreign import ALICE, BOB, FLOW, PASSWORD, STRANGE, bob_agrees, bob_got, bob_sees_away
from procs import C2S

# For libraries that trust the CAs of the machine only: in a mount namespace of its own these are ours.
TRUST = 'mount --bind "$1" /etc/ssl/certs/ca-certificates.crt && shift && exec "$@"'


class Driven:
    """One such client, argv: its program; lines: what it has said so far."""

    @classmethod
    async def start(cls, rig, argv, jid, password=PASSWORD, ca=None):
        self = cls()
        self.lines, self.news = [], asyncio.Condition()
        self.proc = await asyncio.create_subprocess_exec("unshare", "--mount", "sh", "-c", TRUST, "sh", ca or rig.authority.crt, *argv, jid, password,
                                                         rig.node.ip, str(C2S), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.reader = asyncio.ensure_future(self._read())
        return self

    async def _read(self):
        async for line in self.proc.stdout:
            async with self.news:
                self.lines.append(line.decode().rstrip("\n"))
                self.news.notify_all()

    def command(self, line):
        self.proc.stdin.write((line + "\n").encode())

    async def says(self, pattern, seconds=15, after=0):
        """The first line, so far (from line `after`) or to come, that the pattern fits as a whole."""
        async def seek():
            async with self.news:
                while True:
                    for line in self.lines[after:]:
                        if re.fullmatch(pattern, line):
                            return line
                    await self.news.wait()
        try:
            return await asyncio.wait_for(seek(), seconds)
        except asyncio.TimeoutError:
            raise TimeoutError("the client does not say %r within %d s; it said %s" % (pattern, seconds, self.lines[-10:]))

    def messages(self):
        return [line.split(" ", 2)[2] for line in self.lines if line.startswith("message %s " % BOB)]

    async def quit(self):
        self.command("quit")
        await asyncio.wait_for(self.proc.wait(), 10)
        await self.reader


async def befriend(rig, client, bob):
    client.command("add " + BOB)
    await bob_agrees(bob)
    await client.says("asked " + BOB)
    client.command("allow " + BOB)
    await bob.presence("subscribed", ALICE)
    await client.says("item %s both" % BOB)
    await bob.available(ALICE)
    rig.check(True, "subscribed both ways; pushes tell the client so")


async def presence(rig, client, bob):
    client.command("show away gone fishing")
    await bob_sees_away(bob, "gone fishing")
    bob.send_presence(pshow="dnd", pstatus="counting stars")
    await client.says("presence %s dnd counting stars" % BOB)
    rig.check(True, "slixmpp sees it away, it sees slixmpp's dnd, with their texts")


async def chat(rig, client, bob):
    wanted, since = ["%d %s" % (n, STRANGE) for n in range(FLOW)], len(bob.inbox)
    for text in wanted:
        client.command("say %s %s" % (BOB, text))
        bob.send_message(mto=ALICE, mbody=text, mtype="chat")
    await bob_got(rig, bob, wanted, since)
    await client.says("message %s %s" % (BOB, re.escape(wanted[-1])))
    rig.check(client.messages() == wanted, "%d messages to it arrive, once, in order" % FLOW)


async def leave(rig, client, bob):
    await client.quit()
    await bob.presence("unavailable", ALICE)
    rig.check(True, "it leaves, and is seen to leave")


async def away_and_back(rig, argv, jid, bob):
    kept = ["kept %d" % n for n in range(3)]
    for text in kept:
        bob.send_message(mto=ALICE, mbody=text, mtype="chat")
    await bob.barrier()
    client = await Driven.start(rig, argv, jid)
    await client.says("roster 1")
    await client.says("message %s %s" % (BOB, kept[-1]))
    rig.check(client.messages() == kept, "back again, it has its roster and what was kept for it")
    await client.quit()

"""SIGTERM of a region with clients: each gets <system-shutdown/> and the end of its stream, the exit code is 0 within 5 s, and
what was accepted for a client there is not lost: it waits for the region and comes when it is back."""
import asyncio
import signal
import sys
import threading

import world
import raw
from checks import options, say
from procs import C2S, C2S_TLS

CLIENTS = 6


class Listener(threading.Thread):
    """bob as a client by the book: online, reads, answers the end of the stream with its own. (slixmpp just closes, and may
    get again what came last.)"""

    def __init__(self, w):
        super().__init__(daemon=True)
        self.raw = raw.Raw((w.us.ip, C2S)).login("world.test", "bob", "pw-bob", w.ca, "desk")
        self.raw.send("<presence/>")
        self.inbox = []
        self.start()

    def run(self):
        while not self.raw.ended and not self.raw.eof:
            self.raw.pump(0.2)
            while self.raw.elements:
                el = self.raw.elements.pop(0)
                body = el.findtext("{jabber:client}body")
                if body:
                    self.inbox.append({"type": el.get("type"), "body": body, "id": el.get("id")})
        self.raw.try_send("</stream:stream>")


def endings(w):
    """Clients that speak by hand: STARTTLS and direct TLS, bound; one that only just authenticated; one that said nothing."""
    out = []
    for n in range(CLIENTS):
        direct = n % 2 == 1
        c = raw.Raw((w.us.ip, C2S_TLS if direct else C2S)).login("world.test", "bob", "pw-bob", w.ca, "raw%d" % n, direct)
        out.append(("bound, %s" % ("direct TLS" if direct else "STARTTLS"), c))
    c = raw.Raw((w.us.ip, C2S))
    c.secure("world.test", w.ca)
    c.plain("bob", "pw-bob")
    c.open("world.test").features()
    out.append(("authenticated", c))
    c = raw.Raw((w.us.ip, C2S))
    c.secure("world.test", w.ca)
    out.append(("not authenticated", c))
    return out


async def act(w, verdict):
    alice = await w.login("alice", "eu", "home")
    other = await w.login("bob", "us", "slixmpp")
    other.send_presence(ppriority=-1)
    await other.barrier()
    bob = await asyncio.to_thread(Listener, w)
    ear = world.Ear("bob", bob)
    flow = world.Flow("alice-bob", alice, "bob@world.test", [ear], pause=0.02)
    ends = await asyncio.to_thread(endings, w)
    while len(flow.accepted) < 50:
        await asyncio.sleep(0.01)
    say("SIGTERM of us")
    start = asyncio.get_running_loop().time()
    w.us.proc.signal(signal.SIGTERM)

    def close_all():
        for what, c in ends:
            error = c.wait_end(5)
            c.try_send("</stream:stream>")
            verdict.check(error == "system-shutdown" and c.ended, "client %-20s got %s, end tag %s" % (what, error, c.ended))
    await asyncio.to_thread(close_all)
    await asyncio.to_thread(bob.join, 5)
    await asyncio.wait({asyncio.ensure_future(other.ended.wait())}, timeout=5)
    verdict.check(other.ended.is_set(), "a slixmpp client left")
    verdict.check(bob.raw.error == "system-shutdown", "the client messages go to got %s" % bob.raw.error)
    code = await asyncio.to_thread(w.us.proc.proc.wait, 10)
    took = asyncio.get_running_loop().time() - start
    verdict.check(code == 0 and took <= 5, "exit code %d after %.1f s" % (code, took))
    verdict.logs(w.us.proc)
    gone = await w.see(w.eu, "bob@world.test", lambda a: not a["registry"], "bob is nowhere", 5)
    verdict.check(gone["registry"] == [], "eu: bob is nowhere")
    sent = flow.sent
    while flow.sent < sent + 30:
        await asyncio.sleep(0.01)
    say("us starts again")
    await asyncio.to_thread(w.us.start)
    ear.clients.append(await w.login("bob", "us", "again"))
    await world.settle([flow])
    flow.judge(verdict)
    await asyncio.gather(*(c.logout() for c in (alice, ear.clients[-1])))


if __name__ == "__main__":
    sys.exit(world.play("shutdown", act, options(__doc__)))

"""The database of a region dies (kill -9) under traffic and comes back: who is online goes on as if nothing was, what has to be
stored waits, and every message the server took reaches its reader once, or came back to its sender. Then it stays away for longer
than anybody waits: clear errors in time, from a node that answers all the while."""
import asyncio
import sys
import time

import world
from checks import options, say
from procs import Failed


async def quick(w, verdict, what):
    """The node answers its operator and its clients while the database is away."""
    start = time.monotonic()
    await asyncio.to_thread(w.eu.ctl, "status")
    verdict.check(time.monotonic() - start < 2, "%s: the node answers its operator (%.2f s)" % (what, time.monotonic() - start))


async def refused(awaitable):
    """The reason for which it failed, and how long that took."""
    start = time.monotonic()
    try:
        await awaitable
        return None, time.monotonic() - start
    except (Failed, TimeoutError) as e:
        return str(e), time.monotonic() - start


async def act(w, verdict):
    for who in ("carol", "dave"):
        w.eu.adduser(who, "pw-" + who)
    alice = await w.login("alice", "eu", "desk")
    dave = await w.login("dave", "eu", "desk")
    bob = await w.login("bob", "us", "desk")
    dave_ear, bob_ear = world.Ear("dave", dave), world.Ear("bob", bob)
    carol_ear = world.Ear("carol", None)
    carol_ear.clients = []
    online = [world.Flow("alice-dave", alice, "dave@world.test", [dave_ear]),
              world.Flow("bob-dave", bob, "dave@world.test", [dave_ear]),
              world.Flow("dave-bob", dave, "bob@world.test", [bob_ear])]
    stored = world.Flow("alice-carol", alice, "carol@world.test", [carol_ear])
    flows = online + [stored]

    async def while_they_talk(batches):
        marks = [f.sent + batches * f.batch for f in flows]
        while any(f.sent < m and not f.task.done() for f, m in zip(flows, marks)):
            await asyncio.sleep(0.02)

    for again in range(3):
        await while_they_talk(4)
        say("kill -9 of PostgreSQL")
        w.postgres.kill()
        await quick(w, verdict, "killed")
        await asyncio.to_thread(w.postgres.restart)
        say("PostgreSQL answers again")
    await while_they_talk(4)
    carol = await w.login("carol", "eu", "phone")
    carol_ear.clients.append(carol)
    await world.settle(flows)
    for f in online:
        f.judge(verdict)
    stored.judge(verdict, bounces_allowed=True)
    await carol.logout()

    say("PostgreSQL is away for longer than anybody waits")
    w.postgres.kill()
    alice.inbox.clear()
    m = alice.make_message(mto="carol@world.test", mbody="nobody can keep this", mtype="chat")
    start = time.monotonic()
    m.send()
    back = await alice._wait(alice.inbox, "error", lambda e: e["type"] == "error" and e["id"] == m["id"], 15)
    verdict.check(back is not None, "a message that cannot be stored comes back after %.1f s" % (time.monotonic() - start))
    dave.send_message(mto="alice@world.test", mbody="still here", mtype="chat")
    await alice.message("still here")
    verdict.check(True, "online users go on")
    why, took = await refused(asyncio.to_thread(w.eu.adduser, "erin", "pw-erin"))
    verdict.check(why is not None and took < 15, "adduser is refused after %.1f s: %s" % (took, (why or "")[-60:].strip()))
    client = world.clients.Client("carol@world.test/phone", "pw-carol", (w.eu.ip, world.C2S), w.ca)
    why, took = await refused(client.login(20))
    verdict.check(why is not None and took < 15, "a log-in is refused after %.1f s" % took)
    client.abort()
    await quick(w, verdict, "away")
    await asyncio.to_thread(w.postgres.restart)
    carol = await w.login("carol", "eu", "phone")
    alice.send_message(mto="carol@world.test", mbody="back again", mtype="chat")
    await carol.message("back again")
    verdict.check(True, "all is well when it is back")
    hogs = [] if world.is_sanitized(w.build) else [x for x in open(w.eu.proc.log) if "loop.hog" in x]
    verdict.check(not hogs, "no loop was held%s" % "".join(hogs[:3]))
    await asyncio.gather(*(c.logout() for c in (alice, bob, carol, dave)))


if __name__ == "__main__":
    sys.exit(world.play("postgres_gone", act, options(__doc__), postgres=True))

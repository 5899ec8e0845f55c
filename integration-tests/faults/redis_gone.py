"""The registry dies (kill -9), comes back empty; later it is wiped under traffic (FLUSHALL). Messages flow between alice at eu,
bob at us and alice's second device at us all the time: nothing is missing, doubled or out of order, and the rows come back."""
import asyncio
import sys

import world
from checks import options, say


def online(answer, *nodes):
    return sorted(r["node"] for r in answer["registry"]) == sorted(nodes)


async def rows_are_right(w, verdict):
    for node in w.nodes.values():
        alice = await w.see(node, "alice@world.test", lambda a: online(a, "eu/eu1", "us/us1"), "alice is at eu and us")
        bob = await w.see(node, "bob@world.test", lambda a: online(a, "us/us1"), "bob is at us")
        verdict.check(alice["home"] == "eu" and bob["home"] == "us", "%s: rows of alice (eu, us) and bob (us) are there"
                      % node.name)


async def act(w, verdict):
    alice = await w.login("alice", "eu", "home")
    roam = await w.login("alice", "us", "roam")
    bob = await w.login("bob", "us", "desk")
    await rows_are_right(w, verdict)
    home_ear, roam_ear, bob_ear = (world.Ear(n, c) for n, c in (("alice/home", alice), ("alice/roam", roam), ("bob", bob)))
    flows = [world.Flow("alice/home-bob", alice, "bob@world.test", [bob_ear]),
             world.Flow("alice/roam-bob", roam, "bob@world.test", [bob_ear]),
             world.Flow("bob-alice", bob, "alice@world.test", [home_ear, roam_ear]),
             world.Flow("bob-alice/roam", bob, roam.boundjid.full, [roam_ear])]

    async def while_they_talk(batches):
        marks = [f.sent + batches * f.batch for f in flows]
        while any(f.sent < m and not f.task.done() for f, m in zip(flows, marks)):
            await asyncio.sleep(0.02)

    await while_they_talk(3)
    say("kill -9 of Redis")
    w.redis.proc.kill()
    for node in w.nodes.values():
        await asyncio.to_thread(world.until, "%s notices" % node.name, lambda n=node: not n.ctl("status")["registry"])
    await while_they_talk(10)
    say("Redis starts again, empty: %s keys" % await asyncio.to_thread(lambda: (w.redis.restart(), w.redis.cli("dbsize"))[1]))
    await rows_are_right(w, verdict)
    await while_they_talk(3)
    for again in range(3):
        say("FLUSHALL")
        await asyncio.to_thread(w.redis.cli, "flushall")
        await while_they_talk(2)
    await rows_are_right(w, verdict)
    await while_they_talk(3)
    await world.settle(flows)
    for f in flows:
        f.judge(verdict)
    await asyncio.gather(*(c.logout() for c in (alice, roam, bob)))


if __name__ == "__main__":
    sys.exit(world.play("redis_gone", act, options(__doc__)))

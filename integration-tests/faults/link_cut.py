"""The link between the regions is reset again and again, then a black hole swallows it, while messages flow both ways between
alice at eu and bob at us and to alice's second device at us. After healing nothing is missing, doubled or out of order."""
import asyncio
import sys

import world
from checks import options, say

CUTS, HOLE_SECONDS = 4, 12  # longer than the 9 s after which a silent link is given up


async def act(w, verdict):
    alice = await w.login("alice", "eu", "home")
    roam = await w.login("alice", "us", "roam")
    bob = await w.login("bob", "us", "desk")
    ears = [world.Ear(n, c) for n, c in (("alice/home", alice), ("alice/roam", roam), ("bob", bob))]
    # patience: what alice's device at us sends and asks goes over the link to alice's anchor
    flows = [world.Flow("alice-bob", alice, "bob@world.test", [ears[2]], pause=0.02),
             world.Flow("bob-alice/home", bob, alice.boundjid.full, [ears[0]], pause=0.02),
             world.Flow("bob-alice", bob, "alice@world.test", ears[:2]),
             world.Flow("alice/roam-bob", roam, "bob@world.test", [ears[2]])]

    async def talk(*some, seconds=1.0):
        """All of these flows go on for a while and have a batch accepted meanwhile."""
        marks = [(f, len(f.accepted)) for f in some]
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end or any(len(f.accepted) <= n for f, n in marks):
            await asyncio.sleep(0.02)
            if any(f.task.done() for f in some):
                raise TimeoutError("a sender was disconnected")

    await talk(*flows)
    for n in range(CUTS):
        say("cut (RST)")
        await asyncio.to_thread(w.links, "cut")
        await talk(flows[0], flows[1], seconds=0.4)
        await asyncio.to_thread(w.links, "heal")
        await talk(*flows, seconds=0.3)
    say("black hole for %d s" % HOLE_SECONDS)
    await asyncio.to_thread(w.links, "hole")
    await talk(flows[0], flows[1], seconds=HOLE_SECONDS)
    await asyncio.to_thread(w.links, "heal")
    say("healed")
    await talk(*flows, seconds=0.5)
    say("half a hole: what us sends to eu's endpoint is swallowed, the other link works")
    await asyncio.to_thread(w.relays["eu"].hole)
    await talk(flows[0], seconds=2)
    await asyncio.to_thread(w.relays["eu"].heal)
    await talk(*flows, seconds=0.3)
    await world.settle(flows)
    for f in flows:
        f.judge(verdict)
    for node in w.nodes.values():
        link = (await asyncio.to_thread(node.ctl, "status"))["links"][0]
        verdict.check(link["reconnects"] >= CUTS, "%s: its link was built again %d times" % (node.name, link["reconnects"]))
    await asyncio.gather(*(c.logout() for c in (alice, roam, bob)))


if __name__ == "__main__":
    sys.exit(world.play("link_cut", act, options(__doc__)))

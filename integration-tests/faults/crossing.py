"""Both users away from home, alice at us and bob at eu: custody of what one link carries depends on what comes behind it on
the same link. Large messages fill the windows; all arrive and everything is acknowledged soon."""
import asyncio
import sys

import world
from checks import options

LARGE, BYTES, SOON = 300, 20000, 9  # seconds: before custody is taken as given (10 s)


async def act(w, verdict):
    alice = await w.login("alice", "us", "away")
    bob = await w.login("bob", "eu", "away")
    ears = world.Ear("alice", alice), world.Ear("bob", bob)
    flows = [world.Flow("alice-bob", alice, "bob@world.test", [ears[1]]),
             world.Flow("bob-alice", bob, "alice@world.test", [ears[0]])]
    body = "x" * BYTES
    for _ in range(LARGE):
        bob.send_message(mto="alice@world.test", mbody=body, mtype="normal")
    await asyncio.sleep(1)
    await world.settle(flows)
    for f in flows:
        f.judge(verdict)
    got = sum(m["body"] == body for m in alice.inbox)
    verdict.check(got == LARGE, "%d of %d messages of %d bytes arrived" % (got, LARGE, BYTES))
    await asyncio.wait_for(asyncio.gather(*(w.quiet(n) for n in w.nodes.values())), SOON)
    verdict.check(True, "both links have nothing unacknowledged")
    await asyncio.gather(alice.logout(), bob.logout())


if __name__ == "__main__":
    sys.exit(world.play("crossing", act, options(__doc__)))

"""Two nodes of one region on one PostgreSQL: an account made on one logs in at the other, messages, rosters and offline messages are
one thing; then PostgreSQL is killed and comes back, and then one of the nodes is killed: its users' accounts go on at the other."""
import asyncio
import sys

import world
from checks import options, say


async def act(w, verdict):
    eu2 = await asyncio.to_thread(w.add, "eu2", 13, "eu", store=w.postgres)
    await asyncio.to_thread(w.meet)
    verdict.check(w.postgres.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'meridian %'") == "3",
                  "both nodes are at the database, a connection for each shard")
    for n, node in ((1, w.eu), (2, eu2)):
        for who in ("dave", "erin", "frank"):
            await asyncio.to_thread(node.adduser, "%s%d" % (who, n), "pw-%s%d" % (who, n))
    # each logs in at the node that did not make it
    dave1, dave2 = await w.login("dave1", "eu2", "desk"), await w.login("dave2", "eu", "desk")
    bob = await w.login("bob", "us", "desk")
    verdict.check(True, "accounts made on one node log in at the other")
    await dave1.befriend(dave2)
    rosters = w.postgres.sql("SELECT owner, key FROM meridian.map_text WHERE tbl = 'roster' ORDER BY owner").split("\n")
    verdict.check(rosters == ["dave1@world.test|dave2@world.test", "dave2@world.test|dave1@world.test"],
                  "their rosters are in the database: %s" % " ".join(rosters))
    for n, (sender, other) in enumerate(((dave1, "frank2"), (dave2, "frank1"))):
        sender.send_message(mto="%s@world.test" % other, mbody="kept %d" % n, mtype="chat")
        await sender.barrier()
    # who is anchor does not matter: stored by one, read by the other
    for n, (who, at) in enumerate((("frank2", "eu"), ("frank1", "eu2"))):
        frank = await w.login(who, at, "phone")
        await frank.message("kept %d" % n)
        await frank.logout()
    verdict.check(True, "offline messages come at whatever node")

    ears = {c: world.Ear(name, c) for name, c in (("dave1", dave1), ("dave2", dave2), ("bob", bob))}
    flows = [world.Flow("dave1-dave2", dave1, "dave2@world.test", [ears[dave2]]),
             world.Flow("dave2-dave1", dave2, "dave1@world.test", [ears[dave1]]),
             world.Flow("bob-dave1", bob, "dave1@world.test", [ears[dave1]]),
             world.Flow("dave2-bob", dave2, "bob@world.test", [ears[bob]])]
    while any(f.sent < 30 for f in flows):
        await asyncio.sleep(0.02)
    say("kill -9 of PostgreSQL")
    w.postgres.kill()
    await asyncio.to_thread(w.postgres.restart)
    marks = [f.sent + 30 for f in flows]
    while any(f.sent < m for f, m in zip(flows, marks)):
        await asyncio.sleep(0.02)
    await world.settle(flows)
    for f in flows:
        f.judge(verdict)
    await dave2.logout()

    say("kill -9 of node eu")
    w.eu.proc.kill()
    w.nodes.pop("eu")
    await asyncio.to_thread(w.meet)
    for who in ("dave1", "dave2", "erin1", "erin2"):
        c = await w.login(who, "eu2", "again")
        bob.send_message(mto=who + "@world.test", mbody="to " + who, mtype="chat")
        await c.message("to " + who)
        await c.logout()
    verdict.check(True, "all accounts of the region go on at the node that is left")
    await asyncio.gather(bob.logout(), dave1.logout())


if __name__ == "__main__":
    sys.exit(world.play("region_shared", act, options(__doc__), postgres=True))

"""One account, a device in each region: messages to the bare address reach both, presence of each reaches the other and a contact,
roster changes are pushed to both, the devices talk to each other; when one leaves, the other goes on."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../faults"))
import world  # noqa: E402
from checks import options  # noqa: E402

ALICE, BOB = "alice@world.test", "bob@world.test"


async def presence_of(c, full, kind):
    await c._wait(c.presences, "%s presence of %s" % (kind, full), lambda p: str(p["from"]) == full and
                  (p["type"] == "unavailable") == (kind == "unavailable"), 15)


async def act(w, verdict):
    home = await w.login("alice", "eu", "home")
    away = await w.login("alice", "us", "away")
    bob = await w.login("bob", "us", "desk")
    devices = (home, away)
    for a, b in ((home, away), (away, home)):
        await presence_of(a, b.boundjid.full, "available")
    verdict.check(True, "the devices see each other")

    pushes = {c: [] for c in devices}
    for c in devices:
        c.add_event_handler("roster_update", lambda iq, c=c: c.news_of_roster(iq) if iq["type"] == "set" else None)
        c.news_of_roster = lambda iq, c=c: world.asyncio.ensure_future(c._note(pushes[c], iq))
    for by, name in ((home, "from home"), (away, "from away")):
        await by.update_roster(BOB, name=name)
        for c in devices:
            await c._wait(pushes[c], "push of %r" % name,
                          lambda iq, n=name: iq["roster"]["items"].get(BOB, {}).get("name") == n, 15)
    verdict.check(True, "a roster change of each device is pushed to both")

    await bob.befriend(home)
    for c in devices:
        await c.available(BOB)
        await presence_of(bob, c.boundjid.full, "available")
    verdict.check(True, "bob sees both devices, both see bob")

    for n in range(20):
        bob.send_message(mto=ALICE, mbody="to both %d" % n, mtype="chat")
    for c in devices:
        await c.message("to both 19")
        got = [m["body"] for m in c.inbox if m["body"].startswith("to both")]
        verdict.check(got == ["to both %d" % n for n in range(20)], "%s got all 20 messages to the bare address, once, in order"
                      % c.boundjid)
    home.send_message(mto=away.boundjid.full, mbody="across", mtype="chat")
    await away.message("across")
    away.send_message(mto=home.boundjid.full, mbody="back", mtype="chat")
    await home.message("back")
    verdict.check(True, "the devices talk to each other")
    for c in devices:
        await c.barrier(BOB + "/desk")
        await bob.barrier(c.boundjid.full)
    verdict.check(True, "requests go from each device to bob and back")

    await home.logout()
    await presence_of(away, "alice@world.test/home", "unavailable")
    await presence_of(bob, "alice@world.test/home", "unavailable")
    bob.send_message(mto=ALICE, mbody="still there?", mtype="chat")
    await away.message("still there?")
    await w.see(w.eu, ALICE, lambda a: [r["node"] for r in a["registry"]] == ["us/us1"], "alice is at us only")
    verdict.check(True, "the device at home left: bob and the other heard it, messages go to the other alone")
    await away.logout()
    bob.send_message(mto=ALICE, mbody="later", mtype="chat")
    await bob.barrier()
    again = await w.login("alice", "us", "again")
    await again.message("later")
    verdict.check(True, "a message to nobody waited, and came to a device in the other region")
    await again.logout()
    await bob.logout()


if __name__ == "__main__":
    sys.exit(world.play("two_devices", act, options(__doc__)))

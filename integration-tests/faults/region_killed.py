"""Region us is killed (kill -9) and started again while alice at eu writes to bob at us; bob's client logs in again. No accepted
message is missing; doubled are at most those that were under way at the kill, under their old id. Until then nobody routes to what
died: `meridianctl where` shows the truth, a message to the dead full address is stored for bob, and what is written to alice's dead
device at us reaches her other one."""
import asyncio
import sys

import world
from checks import options, say

ROUNDS = 3  # in the last one nothing is under way when us dies


async def act(w, verdict, is_small):
    alice = await w.login("alice", "eu", "home")
    bob = await w.login("bob", "us", "desk")
    roam = await w.login("alice", "us", "roam")
    ear = world.Ear("bob", bob)
    flow = world.Flow("alice-bob", alice, "bob@world.test", [ear], pause=0.02)
    for n in range(ROUNDS):
        dead = ear.clients[-1].boundjid.full
        mark = len(flow.accepted)
        while len(flow.accepted) < mark + 50:
            await asyncio.sleep(0.01)
        old = (await w.see(w.eu, "bob@world.test", lambda a: a["registry"], "bob is somewhere"))["registry"][0]["incarnation"]
        if n == ROUNDS - 1:
            flow.pausing = True
            await w.quiet(w.eu)
            say("kill -9 of us, nothing is under way")
            w.us.proc.kill()
            flow.pausing = False
        else:
            say("kill -9 of us")
            w.us.proc.kill()
            flow.doubt()
        gone = await w.see(w.eu, "bob@world.test", lambda a: not a["registry"], "bob is nowhere")
        verdict.check(gone["home"] == "us", "eu: bob (home %s) is nowhere once the lease of us is over" % gone["home"])
        if n == 0:
            alone = await w.see(w.eu, "alice@world.test", lambda a: len(a["sessions"]) == 1 and len(a["registry"]) == 1,
                                "only alice's session at eu is left")
            verdict.check(alone["sessions"][0]["jid"] == "alice@world.test/home" and alone["registry"][0]["node"] == "eu/eu1",
                          "eu: of alice only %s is left" % alone["sessions"][0]["jid"])
            alice.send_message(mto=roam.boundjid.full, mbody="to the dead device 0", mtype="chat")
            await alice.message("to the dead device 0")
            say("        a message to alice's dead device reached her other one")
        alice.send_message(mto=dead, mbody="dead%d 0" % n, mtype="chat")
        await alice.barrier()
        sent = flow.sent
        while flow.sent < sent + 50:
            await asyncio.sleep(0.01)
        say("us starts again")
        await asyncio.to_thread(w.us.start)
        while is_small and not (await asyncio.to_thread(w.us.ctl, "status"))["counters"]["stanzas_bounced"]:
            await asyncio.sleep(0.05)
        back = await w.login("bob", "us", "again%d" % n)
        ear.clients.append(back)
        now = await w.see(w.eu, "bob@world.test", lambda a: a["registry"], "bob is back")
        verdict.check(len(now["registry"]) == 1 and now["registry"][0]["incarnation"] > old,
                      "eu: bob is at one place, in a younger incarnation")
        here = await asyncio.to_thread(w.us.ctl, "where", "bob@world.test")
        verdict.check([s["jid"] for s in here["sessions"]] == [back.boundjid.full],
                      "us: bob's sessions are %s" % [s["jid"] for s in here["sessions"]])
        if not is_small:
            await back.message("dead%d 0" % n)
            say("        the message to the dead %s reached bob's new session" % dead)
    await world.settle([flow])
    flow.judge(verdict, bounces_allowed=is_small)
    if is_small:
        verdict.check(len(flow.back()) > 0, "%d messages found no room and came back" % len(flow.back()))
    await asyncio.gather(*(c.logout() for c in (alice, ear.clients[-1])))


if __name__ == "__main__":
    o = options(__doc__, offline=100000)
    is_small = o.offline < 1000  # bob comes back when his offline store is full: what found no room must come back
    sys.exit(world.play("region_killed", lambda w, verdict: act(w, verdict, is_small), o, offline=o.offline))

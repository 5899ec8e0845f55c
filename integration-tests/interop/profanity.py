"""profanity (libstrophe) in a terminal against a real node, typed at as its user does: login over STARTTLS with a certificate it checks,
roster and subscriptions both ways, presence, chat both ways with slixmpp, copies from and to a second device, a restart of the node."""
import asyncio
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../runner"))
import certs  # noqa: E402
import checks  # noqa: E402
import clients  # noqa: E402
import meridian  # noqa: E402
from procs import C2S, Failed, Lab  # noqa: E402
from terminal import Terminal  # noqa: E402

DOMAIN = "one.test"
ALICE, BOB = "alice@" + DOMAIN, "bob@" + DOMAIN
FLOW = 20
STRANGE = "zażółć 漢字 <&> \"'"


def slix(node, ca, jid, resource):
    return clients.Client("%s/%s" % (jid, resource), "pw-" + jid.split("@")[0], (node.ip, C2S), ca)


async def log_in(term, node, verdict):
    await term.see("Type '/help'")
    term.type("/reconnect 1")
    await term.see("econnect interval set to 1")
    term.type("/connect %s server %s port %d tls force" % (ALICE, node.ip, C2S))
    await term.see("Enter password:")
    term.type("pw-alice")
    await term.see("logged in successfully")
    verdict.check(True, "profanity logs in over STARTTLS, with a certificate it has checked")


async def befriend(term, bob, verdict):
    term.type("/roster add %s Bob" % BOB)
    await term.see("Roster item added: " + BOB)
    term.type("/sub request " + BOB)
    await bob.presence("subscribe", ALICE)
    bob.send_presence_subscription(pto=ALICE, ptype="subscribed")
    bob.send_presence_subscription(pto=ALICE, ptype="subscribe")
    await term.see("Received authorization request from " + BOB)
    term.type("/sub allow " + BOB)
    await bob.presence("subscribed", ALICE)
    await bob.available(ALICE)
    term.type("/win 1")
    term.type("/sub show " + BOB)
    await term.see("subscription status: both")
    await bob.get_roster()
    verdict.check(bob.client_roster[ALICE]["subscription"] == "both", "subscribed both ways, on either side")


async def presence(term, bob, verdict):
    term.type('/status set away "gone fishing"')
    away = await bob._wait(bob.presences, "away", lambda p: p["from"].bare == ALICE and p["show"] == "away", 15)
    verdict.check(away["status"] == "gone fishing", "slixmpp sees profanity away: %r" % away["status"])
    bob.send_presence(pshow="dnd", pstatus="counting stars")
    await term.see("dnd", "counting stars")
    verdict.check(True, "profanity shows slixmpp's dnd and its text")
    term.type("/status set online")
    await bob._wait(bob.presences, "presence after away", lambda p: p is not away and p["from"].bare == ALICE
                    and bob.presences.index(away) < bob.presences.index(p) and p["type"] == "available", 15)


async def chat(term, bob, verdict):
    term.type("/msg %s %s" % (BOB, STRANGE))
    await bob.message(STRANGE)
    bob.send_message(mto=ALICE, mbody="back: " + STRANGE, mtype="chat")
    await term.see("back: " + STRANGE)
    verdict.check(True, "a text of many scripts goes both ways unchanged")
    for n in range(FLOW):
        bob.send_message(mto=ALICE, mbody="to her %d." % n, mtype="chat")
        term.type("to him %d." % n)
    await bob.message("to him %d." % (FLOW - 1))
    got = [m["body"] for m in bob.inbox if m["body"].startswith("to him")]
    verdict.check(got == ["to him %d." % n for n in range(FLOW)], "%d lines of profanity arrive, once, in order" % FLOW)
    screen = await term.see(*["to her %d." % n for n in range(FLOW)])
    verdict.check(screen.count("to her") == FLOW, "%d messages of slixmpp stand on the screen, once, in order" % FLOW)


async def copies(term, node, ca, bob, verdict):
    laptop = await slix(node, ca, ALICE, "laptop").login()
    laptop.send_message(mto=BOB, mbody="typed on the laptop", mtype="chat")
    await bob.message("typed on the laptop")
    await term.see("typed on the laptop")
    bob.send_message(mto=laptop.boundjid.full, mbody="sent to the laptop", mtype="chat")
    await laptop.message("sent to the laptop")
    await term.see("sent to the laptop")
    verdict.check(True, "profanity shows what its user's second device sends and gets")
    await laptop.logout()


async def restart(term, node, ca, bob, verdict):
    verdict.stop(node)
    await asyncio.wait_for(bob.ended.wait(), 10)
    await term.see("[offline]")
    node.start()
    bob = await slix(node, ca, BOB, "again").login()
    await bob.available(ALICE)
    await term.see("[online]")
    bob.send_message(mto=ALICE, mbody="after the restart", mtype="chat")
    term.type("/win 2")
    await term.see("after the restart")
    term.type("still here")
    await bob.message("still here")
    verdict.check(True, "the node restarts, profanity comes back by itself, friends see each other and talk")
    return bob


async def act(term, node, ca, verdict):
    await log_in(term, node, verdict)
    bob = await slix(node, ca, BOB, "desk").login()
    await befriend(term, bob, verdict)
    await presence(term, bob, verdict)
    await chat(term, bob, verdict)
    await copies(term, node, ca, bob, verdict)
    bob = await restart(term, node, ca, bob, verdict)
    term.type("/quit")
    await bob.presence("unavailable", ALICE)
    await term.ended()
    verdict.check(True, "/quit: it leaves, and is seen to leave")
    await bob.logout()


def main():
    options = checks.options(__doc__)
    lost = [p for p in ("profanity", "tmux") if not shutil.which(p)]
    if lost:
        checks.say("skipped: no %s here (scripts/install test)" % " and ".join(lost))
        return 0
    lab, verdict = Lab("profanity"), checks.Verdict()
    authority = certs.Authority(lab, "public")
    node = meridian.Node(lab, options.build, DOMAIN, lab.ip(10), authority.issue(DOMAIN, DOMAIN), authority.crt).start()
    for user in ("alice", "bob"):
        node.adduser(user, "pw-" + user)
    home = lab.path("home", "x").rsplit("/", 1)[0]
    term = Terminal(lab, "profanity", ["profanity", "-l", "DEBUG", "-f", lab.path("profanity.log")], env={
        "HOME": home, "XDG_CONFIG_HOME": home + "/config", "XDG_DATA_HOME": home + "/data", "SSL_CERT_FILE": authority.crt})
    try:
        clients.run(act(term, node, authority.crt, verdict))
    except (TimeoutError, asyncio.TimeoutError, Failed) as e:
        verdict.check(False, "%s\n%s" % (e, node.proc.tail()))
    verdict.stop(node)
    return verdict.end("profanity", lab)


if __name__ == "__main__":
    sys.exit(main())

"""profanity (libstrophe) in a terminal against a real node, typed at as its user does: login over STARTTLS with a certificate it checks,
roster and subscriptions both ways, presence, chat both ways with slixmpp, copies from and to a second device, a restart of the node."""
import sys

import foreign
from foreign import ALICE, BOB, PASSWORD, STRANGE

from procs import C2S
from terminal import Terminal


async def log_in(rig, term):
    await term.see("Type '/help'")
    term.type("/reconnect 1")
    await term.see("econnect interval set to 1")
    term.type("/connect %s server %s port %d tls force" % (ALICE, rig.node.ip, C2S))
    await term.see("Enter password:")
    term.type(PASSWORD)
    await term.see("logged in successfully")
    rig.check(True, "profanity logs in over STARTTLS, with a certificate it has checked")


async def befriend(rig, term, bob):
    term.type("/roster add %s Bob" % BOB)
    await term.see("Roster item added: " + BOB)
    term.type("/sub request " + BOB)
    await foreign.bob_agrees(bob)
    await term.see("Received authorization request from " + BOB)
    term.type("/sub allow " + BOB)
    await bob.presence("subscribed", ALICE)
    await bob.available(ALICE)
    term.type("/win 1")
    term.type("/sub show " + BOB)
    await term.see("subscription status: both")
    await bob.get_roster()
    rig.check(bob.client_roster[ALICE]["subscription"] == "both", "subscribed both ways, on either side")


async def presence(rig, term, bob):
    term.type('/status set away "gone fishing"')
    away = await foreign.bob_sees_away(bob, "gone fishing")
    bob.send_presence(pshow="dnd", pstatus="counting stars")
    await term.see("dnd", "counting stars")
    rig.check(True, "slixmpp sees profanity away, profanity shows slixmpp's dnd, with their texts")
    term.type("/status set online")
    await bob._wait(bob.presences, "presence after away", lambda p: p is not away and p["from"].bare == ALICE
                    and bob.presences.index(away) < bob.presences.index(p) and p["type"] == "available", 15)


async def chat(rig, term, bob):
    term.type("/msg %s %s" % (BOB, STRANGE))
    await bob.message(STRANGE)
    await foreign.chat_in_terminal(rig, term, bob)


async def restart(rig, term, bob):
    await rig.stop(bob)
    await term.see("[offline]")
    bob = await rig.start_again()
    await bob.available(ALICE)
    await term.see("[online]")
    bob.send_message(mto=ALICE, mbody="after the restart", mtype="chat")
    term.type("/win 2")
    await term.see("after the restart")
    term.type("still here")
    await bob.message("still here")
    rig.check(True, "the node restarts, profanity comes back by itself, friends see each other and talk")
    return bob


async def act(rig):
    home = rig.lab.path("home", "x").rsplit("/", 1)[0]
    term = Terminal(rig.lab, "profanity", ["profanity", "-l", "DEBUG", "-f", rig.lab.path("profanity.log")], env={
        "HOME": home, "XDG_CONFIG_HOME": home + "/config", "XDG_DATA_HOME": home + "/data", "SSL_CERT_FILE": rig.authority.crt})
    await log_in(rig, term)
    bob = await rig.slix(BOB, "desk")
    await befriend(rig, term, bob)
    await presence(rig, term, bob)
    await chat(rig, term, bob)
    await rig.laptop(term.see, bob)
    bob = await restart(rig, term, bob)
    await foreign.quit_terminal(rig, term, bob)
    await bob.logout()


if __name__ == "__main__":
    sys.exit(foreign.run("profanity", __doc__, ("profanity", "tmux"), act))

"""mcabber (loudmouth) in a terminal against a real node, typed at as its user does: login over STARTTLS with a certificate it checks and
refuses, roster and subscriptions both ways, presence, chat both ways with slixmpp, copies from and to a second device, offline messages."""
import os
import sys

import foreign
from foreign import ALICE, BOB, PASSWORD, STRANGE

import certs
from procs import C2S
from terminal import Terminal

CONF = """set jid = {jid}
set password = {password}
set resource = mc
set disable_random_resource = 1
set server = {ip}
set port = {port}
set tls = 1
set ssl_ca = {ca}
set carbons = 1
set logging = 0
set lang = en
"""


def start(rig, name, ca):
    conf = rig.lab.write(name + "rc", CONF.format(jid=ALICE, password=PASSWORD, ip=rig.node.ip, port=C2S, ca=ca))
    os.chmod(conf, 0o600)  # it refuses to start where others may read its password
    return Terminal(rig.lab, name, ["mcabber", "-f", conf], env={"HOME": rig.lab.path(name, "home")})


async def refusal(rig):
    term = start(rig, "refusing", certs.Authority(rig.lab, "stranger").crt)
    await term.see("Certificate is not trusted", "Disconnected")
    rig.check(True, "mcabber refuses a certificate of another CA")
    term.type("/quit")
    await term.ended()


async def log_in(rig, name):
    term = start(rig, name, rig.authority.crt)
    await term.see("Connection established", "Carbons enabled")
    return term


async def befriend(rig, term, bob):
    term.type("/add %s Bob" % BOB)
    await foreign.bob_agrees(bob)
    await term.see("has allowed you to receive", "wants to subscribe", "Please use /event 1 accept")
    term.type("/event 1 accept")
    await bob.presence("subscribed", ALICE)
    await bob.available(ALICE)
    await bob.get_roster()
    rig.check(bob.client_roster[ALICE]["subscription"] == "both", "subscribed both ways, says slixmpp")


async def presence(rig, term, bob):
    term.type("/status away gone fishing")
    await foreign.bob_sees_away(bob, "gone fishing")
    bob.send_presence(pshow="dnd", pstatus="counting stars")
    await term.see("[d] Bob")
    rig.check(True, "slixmpp sees mcabber away, mcabber shows slixmpp's dnd")


async def chat(rig, term, bob):
    term.type("/say_to %s %s" % (BOB, STRANGE))  # and stays in that window
    await bob.message(STRANGE)
    term.type("/info")
    await term.see("Subscription: both", "Status message: counting stars")
    await foreign.chat_in_terminal(rig, term, bob)


async def away_and_back(rig, bob):
    for n in range(3):
        bob.send_message(mto=ALICE, mbody="kept %d" % n, mtype="chat")
    await bob.barrier()
    term = await log_in(rig, "back")
    await term.see("#[d] Bob")
    term.type("/roster unread_first")
    term.type("")  # opens its window
    screen = await term.see("<== kept 0", "<== kept 1", "<== kept 2")
    rig.check(screen.count("kept") == 3, "back again, it has its roster and what was kept for it")
    await foreign.quit_terminal(rig, term, bob)


async def act(rig):
    await refusal(rig)
    term = await log_in(rig, "mcabber")
    rig.node.proc.wait_log("c2s.authenticated jid=%s mechanism=PLAIN" % ALICE, 5)
    rig.check(True, "mcabber logs in over STARTTLS, with a certificate it has checked")
    bob = await rig.slix(BOB, "desk")
    await befriend(rig, term, bob)
    await presence(rig, term, bob)
    await chat(rig, term, bob)
    await rig.laptop(term.see, bob)
    await foreign.quit_terminal(rig, term, bob)
    bob.presences.clear()
    await away_and_back(rig, bob)
    await bob.logout()


if __name__ == "__main__":
    sys.exit(foreign.run("mcabber", __doc__, ("mcabber", "tmux"), act))

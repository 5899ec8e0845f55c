"""What the tests of foreign clients share: a node with two accounts, alice for the client in question and bob for slixmpp; what bob does and
sees; an end that says what went wrong."""
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

DOMAIN = "one.test"
ALICE, BOB = "alice@" + DOMAIN, "bob@" + DOMAIN
PASSWORD = "pw-alice"
FLOW, SCREEN = 50, 20  # messages each way; as many as stand on a screen
STRANGE = "zażółć 漢字 <&> \"'"


class Rig:
    """lab, verdict, authority and the node, started."""

    def __init__(self, name, build):
        self.lab, self.verdict = Lab(name), checks.Verdict()
        self.authority = certs.Authority(self.lab, "public")
        self.node = meridian.Node(self.lab, build, DOMAIN, self.lab.ip(10), self.authority.issue(DOMAIN, DOMAIN), self.authority.crt).start()
        for user in ("alice", "bob"):
            self.node.adduser(user, "pw-" + user)

    def check(self, truth, text):
        return self.verdict.check(truth, text)

    async def slix(self, jid, resource):
        """A client of slixmpp that has logged in."""
        return await clients.Client("%s/%s" % (jid, resource), "pw-" + jid.split("@")[0], (self.node.ip, C2S), self.authority.crt).login()

    async def laptop(self, sees, bob):
        """alice's second device talks with bob; sees: waits until the client in question shows a text."""
        laptop = await self.slix(ALICE, "laptop")
        laptop.send_message(mto=BOB, mbody="typed on the laptop", mtype="chat")
        await bob.message("typed on the laptop")
        await sees("typed on the laptop")
        bob.send_message(mto=laptop.boundjid.full, mbody="sent to the laptop", mtype="chat")
        await laptop.message("sent to the laptop")
        await sees("sent to the laptop")
        self.check(True, "it shows what its user's second device sends and gets")
        await laptop.logout()

    async def stop(self, bob):
        """The node stops, bob notices."""
        self.verdict.stop(self.node)
        await asyncio.wait_for(bob.ended.wait(), 10)

    async def start_again(self):
        """And starts. Returns bob, who is back."""
        self.node.start()
        return await self.slix(BOB, "again")


async def bob_agrees(bob):
    """bob is asked, lets alice see him, and asks her."""
    await bob.presence("subscribe", ALICE)
    bob.send_presence_subscription(pto=ALICE, ptype="subscribed")
    bob.send_presence_subscription(pto=ALICE, ptype="subscribe")


async def bob_sees_away(bob, text):
    away = await bob._wait(bob.presences, "away", lambda p: p["from"].bare == ALICE and p["show"] == "away", 15)
    if away["status"] != text:
        raise Failed("slixmpp sees %r beside away, not %r" % (away["status"], text))
    return away


async def bob_got(rig, bob, wanted, since=0):
    """All of these messages, once, in order, and nothing else since his inbox had so many."""
    await bob.message(wanted[-1])
    got = [m["body"] for m in bob.inbox[since:]]
    rig.check(got == wanted, "%d messages of it arrive, once, in order" % len(wanted))


async def chat_in_terminal(rig, term, bob):
    """Texts both ways with what is typed in the window that talks to bob."""
    bob.send_message(mto=ALICE, mbody="back: " + STRANGE, mtype="chat")
    await term.see("back: " + STRANGE)
    rig.check(True, "a text of many scripts goes both ways unchanged")
    since = len(bob.inbox)
    for n in range(SCREEN):
        bob.send_message(mto=ALICE, mbody="to her %d." % n, mtype="chat")
        term.type("to him %d." % n)
    await bob_got(rig, bob, ["to him %d." % n for n in range(SCREEN)], since)
    screen = await term.see(*["to her %d." % n for n in range(SCREEN)])
    rig.check(screen.count("to her") == SCREEN, "%d messages of slixmpp stand on the screen, once, in order" % SCREEN)


async def quit_terminal(rig, term, bob):
    term.type("/quit")
    await bob.presence("unavailable", ALICE)
    await term.ended()
    rig.check(True, "/quit: it leaves, and is seen to leave")


def run(name, doc, needs, act):
    """The main function of a script. needs: programs, and files that begin with a slash; act(rig): the case."""
    options = checks.options(doc)
    lost = [n for n in needs if not (os.path.exists(n) if n[0] == "/" else shutil.which(n))]
    if lost:
        checks.skip("no %s here (scripts/install test)" % " and ".join(lost))
    rig = Rig(name, options.build)
    try:
        clients.run(act(rig))
    except (TimeoutError, asyncio.TimeoutError, Failed) as e:
        rig.check(False, "%s\n%s" % (e, rig.node.proc.tail()))
    rig.verdict.stop(rig.node)
    return rig.verdict.end(name, rig.lab)

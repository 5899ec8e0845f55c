"""slixmpp uses what a real node offers beside messages: registration, version, time, last activity, vCards, blocking, contact
addresses; and is a component (XEP-0114) that a user talks to."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../runner"))
import asyncio  # noqa: E402
import certs  # noqa: E402
import checks  # noqa: E402
import clients  # noqa: E402
import meridian  # noqa: E402
import slixmpp  # noqa: E402
from procs import C2S, Lab  # noqa: E402
from slixmpp.exceptions import IqError  # noqa: E402

DOMAIN, MUC, COMPONENT_PORT = "one.test", "echo.one.test", 5347
EXTRA = """
[modules.register]
accounts = true
passwords = true
removal = true
[modules.contact]
abuse = ["mailto:abuse@one.test"]
[[listen.component]]
at = "{ip}:{port}"
[[component]]
domain = "{muc}"
secret = "a component's secret"
"""
PLUGINS = ("xep_0012", "xep_0054", "xep_0077", "xep_0092", "xep_0128", "xep_0191", "xep_0202")


class User(clients.Client):
    def __init__(self, node, ca, name, password):
        super().__init__("%s@%s/desk" % (name, DOMAIN), password, (node.ip, C2S), ca)
        for plugin in PLUGINS:
            self.register_plugin(plugin)


class Newcomer(User):
    """Makes its account before it logs in."""

    def __init__(self, node, ca, name, password):
        super().__init__(node, ca, name, password)
        self["xep_0077"].create_account = True
        self["xep_0077"].force_registration = True
        self._always_send_everything = True  # else slixmpp keeps requests back until it is logged in
        self.add_event_handler("register", self._register)

    async def _register(self, _):
        iq = self.Iq()
        iq["type"] = "set"
        iq["register"]["username"] = self.boundjid.user
        iq["register"]["password"] = self.password
        await iq.send(timeout=10)


class Echo(slixmpp.ComponentXMPP):
    def __init__(self, node):
        super().__init__(MUC, "a component's secret", node.ip, COMPONENT_PORT)
        self.up = asyncio.Event()
        self.add_event_handler("session_start", lambda e: self.up.set())
        self.add_event_handler("message", lambda m: m.reply("echo: " + m["body"]).send())


async def refused(verdict, what, condition, awaitable):
    try:
        await awaitable
        verdict.check(False, "%s was not refused" % what)
    except IqError as e:
        verdict.check(e.condition == condition, "%s is refused with %s" % (what, e.condition))


async def ask(alice, bob, verdict):
    version = await alice["xep_0092"].get_version(DOMAIN)
    verdict.check(version["software_version"]["name"] == "Meridian", "version: %s" % version["software_version"]["version"])
    time = await alice["xep_0202"].get_entity_time(DOMAIN)
    utc = time["entity_time"].xml.findtext("{urn:xmpp:time}utc")  # slixmpp's own reader takes no fractions of seconds
    verdict.check(utc.endswith("Z"), "time: %s" % utc)
    up = await alice["xep_0012"].get_last_activity(DOMAIN)
    verdict.check(0 <= up["last_activity"]["seconds"] < 600, "uptime: %d s" % up["last_activity"]["seconds"])
    await refused(verdict, "last activity of a stranger", "forbidden", alice["xep_0012"].get_last_activity(bob.boundjid.bare))
    info = await alice["xep_0030"].get_info(DOMAIN)
    have = set(info["disco_info"]["features"])
    want = {"jabber:iq:version", "urn:xmpp:time", "jabber:iq:last", "jabber:iq:private", "vcard-temp", "urn:xmpp:blocking",
            "jabber:iq:register", "http://jabber.org/protocol/caps"}
    verdict.check(want <= have, "disco: features (%s missing)" % (want - have or "none"))
    verdict.check("mailto:abuse@one.test" in str(info), "disco: contact addresses")
    items = await alice["xep_0030"].get_items(DOMAIN)
    verdict.check(MUC in [i[0] for i in items["disco_items"]["items"]], "disco: the component is an item")


async def keep(alice, bob, verdict):
    card = alice["xep_0054"].make_vcard()
    card["FN"] = "Alice"
    await alice["xep_0054"].publish_vcard(card)
    got = await bob["xep_0054"].get_vcard(alice.boundjid.bare)
    verdict.check(got["vcard_temp"]["FN"] == "Alice", "vCard: bob reads alice's")
    await refused(verdict, "a vCard that is not there", "service-unavailable", alice["xep_0054"].get_vcard(bob.boundjid.bare))


async def block(alice, bob, verdict):
    await alice.befriend(bob)
    await alice["xep_0191"].block(bob.boundjid.bare)
    listed = await alice["xep_0191"].get_blocked()
    verdict.check(bob.boundjid.bare in [str(j) for j in listed["blocklist"]["items"]], "blocking: bob is listed")
    await bob._wait(bob.presences, "alice going", lambda p: p["type"] == "unavailable" and p["from"].bare == alice.boundjid.bare, 10)
    bob.send_message(mto=alice.boundjid.bare, mbody="hear me?", mtype="chat")
    await bob._wait(bob.inbox, "error", lambda m: m["type"] == "error" and m["error"]["condition"] == "service-unavailable", 10)
    await alice["xep_0191"].unblock(bob.boundjid.bare)
    bob.send_message(mto=alice.boundjid.bare, mbody="and now?", mtype="chat")
    await alice.message("and now?")
    verdict.check([m["body"] for m in alice.inbox if m["type"] != "error"] == ["and now?"], "blocking: holds until it is lifted")


async def act(node, ca, verdict):
    alice = await User(node, ca, "alice", "pw-alice").login()
    bob = await Newcomer(node, ca, "bob", "a long password").login()
    verdict.check(True, "registration: bob made his account and logged in")
    await ask(alice, bob, verdict)
    await keep(alice, bob, verdict)
    await block(alice, bob, verdict)
    echo = Echo(node)
    echo.connect()
    await asyncio.wait_for(echo.up.wait(), 15)
    alice.send_message(mto="anybody@" + MUC, mbody="hello", mtype="chat")
    await alice.message("echo: hello")
    verdict.check(True, "component: a user talks to it")
    echo.disconnect(wait=1)
    await bob["xep_0077"].change_password("another long password")
    await bob.logout()
    bob = await User(node, ca, "bob", "another long password").login()
    verdict.check(True, "registration: bob changed his password and logged in with it")
    await bob["xep_0077"].cancel_registration()
    await asyncio.wait_for(bob.ended.wait(), 15)
    try:
        await User(node, ca, "bob", "another long password").login(5)
        verdict.check(False, "registration: bob is still there")
    except TimeoutError:
        verdict.check(True, "registration: bob removed his account, was closed and cannot come back")
    await alice.logout()


def main():
    options = checks.options(__doc__)
    lab, verdict = Lab("services"), checks.Verdict()
    authority = certs.Authority(lab, "public")
    ip = lab.ip(10)
    node = meridian.Node(lab, options.build, DOMAIN, ip, authority.issue(DOMAIN, DOMAIN), authority.crt, shards=2,
                         extra=EXTRA.format(ip=ip, port=COMPONENT_PORT, muc=MUC)).start()
    node.adduser("alice", "pw-alice")
    try:
        clients.run(act(node, authority.crt, verdict))
    except (TimeoutError, asyncio.TimeoutError, IqError, meridian.Failed) as e:
        verdict.check(False, "%r\n%s" % (e, node.proc.tail()))
    verdict.stop(node)
    return verdict.end("services", lab)


if __name__ == "__main__":
    sys.exit(main())

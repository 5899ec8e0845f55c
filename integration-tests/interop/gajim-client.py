"""An XMPP client on nbxmpp (the library of Gajim; GLib, GnuTLS), driven by lines as lines.py has them; gajim.py runs it.
    gajim-client.py JID PASSWORD IP PORT
More commands: cut (the connection is torn), connect (again). More lines: cut, resumed."""
import os
import sys

import gi

gi.require_version("Soup", "3.0")
from gi.repository import GLib  # noqa: E402
from nbxmpp.client import Client  # noqa: E402
from nbxmpp.const import ConnectionProtocol, ConnectionType  # noqa: E402
from nbxmpp.namespaces import Namespace  # noqa: E402
from nbxmpp.protocol import JID, Iq, Message, Presence  # noqa: E402
from nbxmpp.structs import StanzaHandler  # noqa: E402


class User:
    def __init__(self, jid, password, ip, port):
        jid = JID.from_string(jid)
        self.loop, self.quitting, self.input = GLib.MainLoop(), False, b""
        self.client = Client(log_context="user")
        self.client.set_domain(jid.domain)
        self.client.set_username(jid.localpart)
        self.client.set_resource(jid.resource)
        self.client.set_password(password)
        self.client.set_custom_host("%s:%s" % (ip, port), ConnectionProtocol.TCP, ConnectionType.START_TLS)
        for signal, handler in (("connected", self.on_connected), ("resume-successful", lambda *_: say("resumed")),
                                ("disconnected", self.on_disconnected), ("connection-failed", self.on_disconnected)):
            self.client.subscribe(signal, handler)
        for handler in (StanzaHandler("message", self.on_message), StanzaHandler("presence", self.on_presence),
                        StanzaHandler("iq", self.on_push, typ="set", ns=Namespace.ROSTER)):
            self.client.register_handler(handler)
        GLib.io_add_watch(sys.stdin.fileno(), GLib.PRIORITY_DEFAULT, GLib.IO_IN | GLib.IO_HUP, self.on_input)

    def run(self):
        self.client.connect()
        self.loop.run()

    def on_connected(self, *_):
        say("up", self.client.get_bound_jid())
        self.client.get_module("Roster").request_roster(callback=self.on_roster)

    def on_roster(self, task):
        say("roster", len(task.finish().items))
        self.client.send_stanza(Presence())

    def on_disconnected(self, *_):
        _domain, error, _text = self.client.get_error()
        if error or self.quitting:
            say("down", error)
            self.loop.quit()
        else:
            say("cut")

    def on_message(self, _client, stanza, properties):
        if properties.body:
            say("message", properties.jid.bare, properties.body)

    def on_presence(self, _client, stanza, properties):
        if properties.type.is_subscribe:
            say("asked", properties.jid.bare)
        elif properties.type.is_available:
            show = "available" if properties.show.is_online else properties.show.value
            say("presence", properties.jid.bare, show, properties.status)

    def on_push(self, _client, stanza, properties):
        item = properties.roster.item
        say("item", item.jid.bare, item.subscription)

    def on_input(self, fd, _condition):
        some = os.read(fd, 65536)
        *whole, self.input = (self.input + some).split(b"\n")
        if some and all(self.command(line.decode()) for line in whole):
            return True
        self.quitting = True
        self.client.disconnect()
        return False

    def command(self, line):
        word, _, rest = line.partition(" ")
        to, _, text = rest.partition(" ")
        if word == "add":
            self.client.get_module("Roster").set_item(to, "friend")
            self.client.get_module("BasePresence").subscribe(to)
        elif word == "allow":
            self.client.get_module("BasePresence").subscribed(to)
        elif word == "show":
            self.client.send_stanza(Presence(show=to if to != "available" else None, status=text))
        elif word == "say":
            self.client.send_stanza(Message(to=to, body=text, typ="chat"))
        elif word == "cut":
            self.client.disconnect(immediate=True)
        elif word == "connect":
            self.client.connect()
        else:
            return False
        return True


def say(*words):
    print(*words, flush=True)


if __name__ == "__main__":
    User(*sys.argv[1:]).run()

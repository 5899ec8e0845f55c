"""The other server, scripted: one function of a case plays each connection that comes to its address."""
import selectors
import socket
import struct
import threading
import time

import raw
from raw import NS_DIALBACK, NS_SASL, NS_SERVER, NS_STREAM, NS_STREAMS, NS_TLS

STARTTLS = "<starttls xmlns='%s'><required/></starttls>" % NS_TLS
EXTERNAL = "<mechanisms xmlns='%s'><mechanism>EXTERNAL</mechanism></mechanisms>" % NS_SASL
DIALBACK = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
SM = "<sm xmlns='urn:xmpp:sm:3'/>"
HOLD = 60  # seconds a silent peer keeps its connections; longer than any probe


class Peer:
    """One connection: c is the raw.Raw. domain: the peer's; local: whoever asked, of the header."""

    def __init__(self, sock, domain, context):
        self.sock, self.domain, self.context = sock, domain, context
        self.c = raw.Raw.accepted(sock, HOLD)
        self.local = ""

    def send(self, text):
        self.c.send(text)

    def asked(self):
        """Their header."""
        self.c.wait(lambda: self.c.header is not None, "header")
        self.local = self.c.header.get("from") or self.local
        return self

    def header(self, features=None, sender=None, version="1.0", ns=NS_SERVER, db=True):
        """Ours, with features if any."""
        self.send("<?xml version='1.0'?><stream:stream xmlns='%s' xmlns:stream='%s'%s id='%s' from='%s' to='%s'%s>"
                  % (ns, NS_STREAM, " xmlns:db='%s'" % NS_DIALBACK if db else "", "s%d" % id(self), sender or self.domain, self.local,
                     " version='%s'" % version if version else ""))
        if features is not None:
            self.send("<stream:features>%s</stream:features>" % features)
        return self

    def proceed(self):
        """As far as <proceed/>."""
        self.asked().header(STARTTLS)
        self.c.take("starttls")
        self.send("<proceed xmlns='%s'/>" % NS_TLS)
        return self

    def tls(self):
        self.c.sock = self.context.wrap_socket(self.c.sock, server_side=True)
        self.sock = self.c.sock
        self.c.fresh()
        return self

    def secure(self):
        """TLS, and their header behind it."""
        return self.proceed().tls().asked()

    def error(self, condition, text=""):
        self.send("<stream:error><%s xmlns='%s'/>%s</stream:error></stream:stream>"
                  % (condition, NS_STREAMS, "<text xmlns='%s'>%s</text>" % (NS_STREAMS, text) if text else ""))
        self.wait_close()

    # ---- authentication
    def accept(self, more=""):
        """EXTERNAL or dialback, as they like, and accept; more: features behind it. Ready for stanzas."""
        el = self.c.take("{%s}auth" % NS_SASL, "{%s}result" % NS_DIALBACK)
        if el.tag.endswith("auth"):
            self.c.fresh()
            self.send("<success xmlns='%s'/>" % NS_SASL)
            self.asked().header(DIALBACK + more)
        else:
            self.result("valid")
        return self

    def ready(self, more=""):
        return self.secure().header(EXTERNAL + DIALBACK + more).accept(more)

    def key(self):
        """Their dialback key."""
        return self.c.take("{%s}result" % NS_DIALBACK)

    def result(self, kind, condition="", sender=None, element="result", ident=""):
        body = "<error type='cancel'><%s xmlns='%s'/></error>" % (condition, raw.NS_STANZAS) if condition else ""
        self.send("<db:%s from='%s' to='%s' type='%s'%s>%s</db:%s>"
                  % (element, sender or self.domain, self.local, kind, " id='%s'" % ident if ident else "", body, element))

    def stanza(self):
        """The next stanza of theirs; acknowledgements are enabled if they ask for them."""
        while True:
            el = self.c.take("enable", "message", "iq", "presence")
            if not el.tag.endswith("enable"):
                return el
            self.send("<enabled xmlns='urn:xmpp:sm:3'/>")

    # ---- ends
    def wait_close(self):
        self.c.wait_end(HOLD)
        self.c.close()

    def hold(self):
        """Read what comes and say nothing; close when they do."""
        while not self.c.eof and not self.c.ended:
            self.c.pump(HOLD)

    def stall(self):
        """Not even read."""
        time.sleep(HOLD)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Host:
    """Listens for all cases; each connection is played in a thread of its own."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.full = []
        threading.Thread(target=self.run, daemon=True).start()

    def listen(self, address, play, domain, context):
        listener = socket.create_server(address)
        self.selector.register(listener, selectors.EVENT_READ, (play, domain, context))

    def black_hole(self, address):
        """Connections are neither taken nor refused: the backlog is full."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(0)
        self.full.append(listener)
        for _ in range(4):
            c = socket.socket()
            c.setblocking(False)
            c.connect_ex(address)
            self.full.append(c)

    def run(self):
        while True:
            for key, _ in self.selector.select(0.2):
                sock, _ = key.fileobj.accept()
                threading.Thread(target=self.serve, args=(sock,) + key.data, daemon=True).start()

    @staticmethod
    def serve(sock, play, domain, context):
        p = Peer(sock, domain, context)
        try:
            play(p)
        except (raw.Closed, TimeoutError, OSError, SyntaxError):
            pass  # they had enough of us: that is for their side to tell
        finally:
            p.c.close()

"""The healthy pair: alice and the foreign server that sends back what she says. One thread, an open loop: latency counts from when a
message was due, so what anybody holds up is in the figures."""
import selectors
import socket
import ssl
import time

import lab_peer
import raw
from procs import C2S_TLS, S2S
from raw import NS_DIALBACK, NS_SASL, NS_SERVER

SETTLE = 20  # seconds the last of a run may take


def prove(address, ca, domain, local, cert, source=None):
    """A stream to the node, proved by this certificate."""
    sock = socket.create_connection(address, 30, source_address=source and (source, 0))
    c = raw.Raw.accepted(sock, 30)
    extra = " xmlns:db='%s' from='%s'" % (NS_DIALBACK, domain)
    c.open(local, NS_SERVER, extra).features()
    c.starttls(ca, local, cert).open(local, NS_SERVER, extra).features()
    c.send("<auth xmlns='%s' mechanism='EXTERNAL'>=</auth>" % NS_SASL)
    c.take("success")
    c.open(local, NS_SERVER, extra).features()
    return c


def server_context(cert):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*cert)
    return context


def percentile(values, p):
    return sorted(values)[min(len(values) - 1, int(len(values) * p))]


class Pair:
    def __init__(self, node_ip, local, user, password, ca, domain, own_ip, cert):
        self.local, self.domain, self.number, self.h = local, domain, 0, 0
        self.due, self.took, self.wrong = {}, [], []
        listener = socket.create_server((own_ip, S2S))
        self.alice = raw.Raw((node_ip, C2S_TLS), 30).login(local, user, password, ca, "pair", direct=True)
        self.alice.send("<presence/>")
        self.out = prove((node_ip, S2S), ca, domain, local, cert)
        self.say()
        listener.settimeout(30)
        peer = lab_peer.Peer(listener.accept()[0], domain, server_context(cert))
        peer.c.seconds = 30
        self.inn = peer.ready(lab_peer.SM).c
        self.selector = selectors.DefaultSelector()
        for c, act in ((self.alice, self.at_alice), (self.out, self.at_out), (self.inn, self.at_in)):
            self.selector.register(c.sock, selectors.EVENT_READ, (c, act))
        self.finish()

    def say(self, due=None):
        """The next message, or every fifth time a ping."""
        n = self.number = self.number + 1
        self.due[n] = due or time.monotonic()
        if n % 5:
            text = "<message id='%d' type='chat' to='echo@%s'><body>%d</body></message>" % (n, self.domain, n)
        else:
            text = "<iq id='%d' type='get' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>" % (n, self.domain)
        self.send(self.alice, text)

    @staticmethod
    def send(c, text):
        c.sock.settimeout(30)
        c.send(text)

    def at_alice(self, el):
        kind = el.tag.split("}")[-1]
        if kind not in ("message", "iq") or not (el.get("id") or "").isdigit():
            return
        due = self.due.pop(int(el.get("id")), None)
        if due is None or el.get("type") == "error":
            self.wrong.append("%s %s: %s" % (kind, el.get("id"), "came twice" if due is None else raw.text_of(el)[:300]))
        else:
            self.took.append(time.monotonic() - due)

    def at_out(self, el):
        if el.tag.endswith("}error"):
            self.wrong.append("the stream to the node: %s" % raw.text_of(el)[:200])

    def at_in(self, el):
        kind = el.tag.split("}")[-1]
        if kind == "enable":
            self.send(self.inn, "<enabled xmlns='urn:xmpp:sm:3'/>")
        elif kind == "r":
            self.send(self.inn, "<a xmlns='urn:xmpp:sm:3' h='%d'/>" % self.h)
        elif kind in ("message", "iq"):
            self.h += 1
            name = "from='%s' to='%s' id='%s'" % (el.get("to"), el.get("from"), el.get("id"))
            self.send(self.out, "<message %s type='chat'><body>back</body></message>" % name if kind == "message" else
                      "<iq %s type='result'/>" % name)

    def turn(self, until):
        for key, _ in self.selector.select(max(0.0, until - time.monotonic())):
            c, act = key.data
            more = c.pump(0.001)
            while more and c.sock.pending():
                more = c.pump(0.001)
            if c.eof:
                self.selector.unregister(c.sock)
                self.wrong.append("a stream of the pair was closed: %s %s" % (c.error, c.error_text))
            elements, c.elements = c.elements, []
            for el in elements:
                act(el)

    def finish(self):
        end = time.monotonic() + SETTLE
        while self.due and time.monotonic() < end:
            self.turn(end)

    def run(self, seconds, rate):
        """(messages, lost, what went wrong, p50, p99, the worst), the times in ms."""
        self.took, self.wrong = [], []
        start = time.monotonic()
        for n in range(int(seconds * rate)):
            at = start + n / rate
            while time.monotonic() < at:
                self.turn(at)
            self.say(at)
        self.finish()
        lost, self.due = len(self.due), {}
        took = [t * 1000 for t in self.took] or [SETTLE * 1000.0]
        return int(seconds * rate), lost, self.wrong, percentile(took, 0.5), percentile(took, 0.99), max(took)


def play(pipe, *args):
    """A process of its own, so that the crowd's processors do not count: (seconds, rate) in, figures out."""
    try:
        pair = Pair(*args)
        pipe.send("ready")
        while True:
            pipe.send(pair.run(*pipe.recv()))
    except EOFError:
        pass
    except Exception as e:  # whatever it is, the script tells
        pipe.send("%s: %s" % (type(e).__name__, e))

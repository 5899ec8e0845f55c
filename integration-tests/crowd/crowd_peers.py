"""The crowd, each kind a process of its own: peers that stall at every step, one that floods, connections that never prove anything."""
import itertools
import selectors
import socket
import ssl
import threading
import time

import crowd_pair
import lab_peer
import raw
from procs import C2S_TLS, S2S

PER_SOURCE = 900   # connections of one address; the node allows 1,000
OPEN_A_TURN = 200  # connects between two looks at those that are there


# ---- peers that accept and then stall
def forever(_):
    threading.Event().wait()


def nothing(p):
    forever(p)


def before_tls(p):
    p.proceed()
    forever(p)


def no_features(p):
    p.secure().header()
    forever(p)


def after_sasl(p):
    p.secure().header(lab_peer.EXTERNAL)
    p.c.take("auth")
    p.send("<success xmlns='%s'/>" % raw.NS_SASL)
    forever(p)


def deaf_with_acks(p):
    p.ready(lab_peer.SM)
    p.c.take("enable")
    p.send("<enabled xmlns='urn:xmpp:sm:3' id='deaf' resume='true'/>")
    forever(p)


def deaf(p):
    p.ready()
    forever(p)


STALLS = (nothing, before_tls, no_features, after_sasl, deaf_with_acks, deaf)


def stalled(pipe, ips, cert):
    """One address for each way to stall; which domain is meant is in the header."""
    host, context = lab_peer.Host(), crowd_pair.server_context(cert)
    for ip, play in zip(ips, STALLS):
        host.listen((ip, S2S), play, "stalled.test", context)
    pipe.send("ready")
    forever(None)


# ---- who writes to them
def writer(pipe, node_ip, local, user, password, ca, domains, first, size):
    """At once so many to each, then one a second; what comes back is read and counted."""
    c = raw.Raw((node_ip, C2S_TLS), 30).login(local, user, password, ca, "writer", direct=True)
    body = "x" * size

    def write(domain):
        c.sock.settimeout(60)
        c.send("<message to='u@%s' type='chat'><body>%s</body></message>" % (domain, body))
    for _ in range(first):
        for domain in domains:
            write(domain)
    pipe.send("ready")
    for domain in itertools.cycle(domains):
        write(domain)
        c.pump(1.0 / len(domains))
        c.elements.clear()


# ---- who floods
def flooder(pipe, node_ip, local, ca, domain, cert, targets, source):
    """Proved by its certificate; sends as fast as it is read, to one who is there, one who is not, and the server, and reads
    nothing of the answers."""
    c = crowd_pair.prove((node_ip, S2S), ca, domain, local, cert, source)
    piece = "".join("<message from='f@%s' to='%s' type='chat'><body>%s</body></message>" % (domain, to, "x" * 100) for to in targets)
    piece += "<iq type='get' id='p' from='f@%s' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>" % (domain, local)
    piece = (piece * 30).encode()
    c.sock.settimeout(None)
    pipe.send("ready")
    sent, stanzas = 0, 30 * (len(targets) + 1)
    while True:
        c.sock.sendall(piece)
        sent += stanzas
        if pipe.poll():
            pipe.recv()
            pipe.send(sent)


def reader(pipe, node_ip, local, user, password, ca):
    """The one who is flooded, and reads it."""
    c = raw.Raw((node_ip, C2S_TLS), 30).login(local, user, password, ca, "flooded", direct=True)
    c.send("<presence/>")
    pipe.send(c.jid)
    c.sock.settimeout(None)
    while c.sock.recv(1 << 18):
        pass


# ---- the account that floods
def local_flooder(pipe, node_ip, local, user, password, ca, domains):
    """As fast as the node reads, to the peer of the healthy pair and to peers that stall in turn; what comes back is counted by its
    words."""
    c = raw.Raw((node_ip, C2S_TLS), 30).login(local, user, password, ca, "flood", direct=True)
    piece = "".join("<message to='%s' type='chat'><body>%s</body></message>" % (to, "x" * 1000) for to in domains).encode()
    sent, refused = 0, 0
    c.sock.settimeout(0.05)
    pipe.send("ready")
    left = memoryview(b"")
    while True:
        if not left:
            left = memoryview(piece)
            sent += len(domains)
        try:
            left = left[c.sock.send(left):]
        except (TimeoutError, ssl.SSLWantWriteError):
            pass
        if c.pump(0.001):
            refused += sum("as much waiting for this domain" in raw.text_of(el) for el in c.elements)
            c.elements.clear()
        c.sock.settimeout(0.05)
        if pipe.poll():
            pipe.recv()
            pipe.send((sent, refused))


# ---- connections that prove nothing
class HalfOpen:
    """A third says nothing, a third has said its header, a third is due to begin TLS. Who is ended comes again."""

    def __init__(self, address, sources, local):
        self.address, self.sources = address, sources
        header = ("<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='%s' from='half.test' to='%s' version='1.0'>"
                  % (raw.NS_STREAM, local))
        self.texts = itertools.cycle([b"", header.encode(), (header + "<starttls xmlns='%s'/>" % raw.NS_TLS).encode()])
        self.selector, self.free, self.open, self.ended = selectors.DefaultSelector(), [], 0, 0

    def connect(self, source):
        s = socket.socket()
        try:
            s.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
            s.bind((source, 0))
            s.settimeout(10)
            s.connect(self.address)
            s.setblocking(False)
            text = next(self.texts)
            if text:
                s.send(text)
            self.selector.register(s, selectors.EVENT_READ, source)
            self.open += 1
        except OSError:
            s.close()
            self.free.append(source)
            self.ended += 1

    def look(self, seconds):
        for key, _ in self.selector.select(seconds):
            try:
                data = key.fileobj.recv(65536)
            except OSError:
                data = b""
            if not data:
                self.selector.unregister(key.fileobj)
                key.fileobj.close()
                self.free.append(key.data)
                self.open -= 1
                self.ended += 1

    def keep(self, n, pipe):
        self.free = [s for s in self.sources for _ in range(PER_SOURCE)][:n]
        is_told = False
        while True:
            for _ in range(min(OPEN_A_TURN, len(self.free))):
                self.connect(self.free.pop(0))
            self.look(0.05)
            if not is_told and (not self.free or self.ended):
                pipe.send("ready")
                is_told = True
            if pipe.poll():
                pipe.recv()
                pipe.send((self.open, self.ended))


def half_open(pipe, address, sources, local, n):
    HalfOpen(address, sources, local).keep(n, pipe)


# ---- streams that are proved and silent
def idle(pipe, address, ca, local, pattern, cert, sources, n):
    held = []
    for i in range(n):
        held.append(crowd_pair.prove(address, ca, pattern % i, local, cert, sources[i // PER_SOURCE]))
    pipe.send("ready")
    while True:
        time.sleep(3600)

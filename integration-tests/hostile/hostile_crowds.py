"""Crowds against a real node: thousands of connections that say nothing, senders of a byte at a time, more connections than an address
may have, an account that floods. They are ended by the limits that have a name, the node gives back what they took, and the bystander
notices little: his pings are measured without and with them."""
import os
import resource
import selectors
import socket
import statistics
import sys
import threading
import time

import stage
import checks
from checks import options, say
from procs import C2S
from stage import DOMAIN

AUTH_S, PER_ADDRESS, STANZAS = 4, 600, 200
CONF = """[limits]
auth_timeout = "%ds"
connections_per_address = %d
[shaper.default]
max_rate = "1MiB"
max_stanzas = %d
""" % (AUTH_S, PER_ADDRESS, STANZAS)
HEADER = ("<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='%s' "
          "version='1.0'>" % DOMAIN).encode()
SLOW_MS = 50  # what the bystander's median may grow by; sanitizers are given ten times as much


class Crowd:
    """Connections from so many addresses; those that the node ended are counted."""

    def __init__(self, s, sources, each, port=C2S):
        self.selector, self.open, self.ended = selectors.DefaultSelector(), [], 0
        for n in range(sources):
            for _ in range(each):
                try:
                    sock = socket.create_connection((s.node.ip, port), 10, source_address=(s.lab.ip(100 + n), 0))
                except ConnectionResetError:  # refused before connect() looked
                    self.ended += 1
                    continue
                sock.setblocking(False)
                self.selector.register(sock, selectors.EVENT_READ)
                self.open.append(sock)

    def look(self, seconds, ended=None):
        """Read what comes for so long; stops when all are over, or so many."""
        end = time.monotonic() + seconds
        while self.open and self.ended != ended and time.monotonic() < end:
            for key, _ in self.selector.select(0.1):
                try:
                    data = key.fileobj.recv(65536)
                except BlockingIOError:
                    continue
                except OSError:
                    data = b""
                if not data:
                    self.drop(key.fileobj)
                    self.ended += 1
        return self.ended

    def drop(self, sock):
        self.selector.unregister(sock)
        self.open.remove(sock)
        sock.close()

    def close(self):
        for sock in list(self.open):
            self.drop(sock)


class Stage(stage.Stage):
    def pings(self, seconds):
        """The bystander's median and worst answer over this time, in ms."""
        at = len(self.bystander.took)
        time.sleep(seconds)  # the time that is measured over
        took = self.bystander.took[at:]
        return statistics.median(took) * 1000, max(took) * 1000, len(took)

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.node.proc.pid))


def judge(s, what, calm, busy):
    limit = calm[0] + SLOW_MS * (10 if checks.is_sanitized(s.build) else 1)
    s.verdict.check(busy[0] <= limit, "%s: the bystander's median is %.1f ms, worst %.0f ms of %d (calm: %.1f, %.0f); %.0f ms is allowed"
                    % (what, busy[0], busy[1], busy[2], calm[0], calm[1], limit))


def half_open(s, calm):
    """Nothing is said; after auth_timeout all are gone, and their descriptors."""
    before, kb = s.descriptors(), s.kilobytes()
    start = time.monotonic()
    crowd = Crowd(s, 5, PER_ADDRESS)
    n = len(crowd.open)
    s.verdict.check(s.descriptors() - before >= n * 9 // 10 or time.monotonic() - start > AUTH_S,
                    "%d connections that say nothing, in %.1f s" % (n, time.monotonic() - start))
    judge(s, "half open", calm, s.pings(1.5))
    ended = crowd.look(AUTH_S + 10)
    took = time.monotonic() - start
    s.verdict.check(ended == n and took < 2 * AUTH_S + 10, "all %d were ended by auth_timeout, after %.1f s" % (ended, took))
    crowd.close()
    checks.until("descriptors are given back", lambda: s.descriptors() <= before + 5, 10)
    say("       memory: %d -> %d KB" % (kb, s.kilobytes()))


def per_address(s):
    """As many as an address may have, and no more; another address is not concerned."""
    crowd = Crowd(s, 1, PER_ADDRESS + 50)
    ended = crowd.look(1.0)
    s.verdict.check(ended == 50, "of %d connections of an address %d were refused at once" % (PER_ADDRESS + 50, ended))
    other = Crowd(s, 2, 1)
    s.verdict.check(other.look(0.5) == 1, "the other address gets in")
    crowd.close()
    other.close()


def byte_by_byte(s, calm):
    """A byte every now and then does not buy time."""
    start = time.monotonic()
    crowd = Crowd(s, 3, 100)
    n, at, measured = len(crowd.open), 0, []
    meter = threading.Thread(target=lambda: measured.append(s.pings(2)))
    meter.start()
    while crowd.open and time.monotonic() < start + AUTH_S + 8:
        for sock in list(crowd.open):
            try:
                sock.send(HEADER[at % len(HEADER):at % len(HEADER) + 1])
            except OSError:
                pass
        at += 1
        crowd.look(0.05)
    meter.join()
    took = time.monotonic() - start
    s.verdict.check(crowd.ended == n and took < AUTH_S + 8, "all %d that send byte by byte were ended after %.1f s" % (crowd.ended, took))
    judge(s, "byte by byte", calm, measured[0])
    crowd.close()


def flood(s, calm):
    """One account sends all it can: it is read at its rate, loses nothing, and others measure no difference."""
    c = s.raw().login(DOMAIN, "mallory", "pw-mallory", s.ca)
    c.send("<presence/>")
    piece = b"".join(b"<message to='%s' type='chat'><body>%s</body></message>" % (c.jid.encode(), b"x" * 200) for _ in range(50))
    over, sent = threading.Event(), [0]

    def send():
        c2 = c.sock
        while not over.is_set():
            try:
                c2.sendall(piece)
                sent[0] += 50
            except OSError:
                return

    def of_mallory():
        return next(x for x in s.node.ctl("sessions", c.jid))["stanzas_in"]
    thread = threading.Thread(target=send, daemon=True)
    c.sock.settimeout(30)
    reader = threading.Thread(target=lambda: drain(c, over), daemon=True)
    thread.start()
    reader.start()
    time.sleep(1.5)  # the bucket is empty
    before, start = of_mallory(), time.monotonic()
    busy = s.pings(3)
    rate = (of_mallory() - before) / (time.monotonic() - start)
    judge(s, "flood", calm, busy)
    s.verdict.check(0.7 * STANZAS <= rate <= 1.3 * STANZAS, "the flooding account is read at %.0f stanzas a second of %d" % (rate, STANZAS))
    s.verdict.check(not c.error and not c.eof, "it is not closed for it %s" % c.error)
    over.set()
    c.close()


def drain(c, over):
    while not over.is_set() and not c.eof:
        c.pump(0.2)
        c.elements.clear()


def act(s):
    calm = s.pings(2)
    say("       calm: the bystander's median is %.1f ms, worst %.0f ms" % calm[:2])
    half_open(s, calm)
    per_address(s)
    byte_by_byte(s, calm)
    flood(s, calm)


if __name__ == "__main__":
    o = options(__doc__)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(20000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    sys.exit(stage.play("hostile_crowds", act, o.build, kind=Stage, extra=CONF))

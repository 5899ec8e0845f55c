"""A node is killed (kill -9) again and again while it writes many offline messages from SQLite to a client with stream management: in
the end none is lost, what the client had acknowledged does not come again, and what comes again has the stanza-id it had."""
import os
import sqlite3
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../runner"))
import certs  # noqa: E402
import checks  # noqa: E402
import meridian  # noqa: E402
import raw  # noqa: E402
from procs import C2S, Lab  # noqa: E402

DOMAIN = "one.test"
MESSAGES, KILLS = 600, 6
ACK_EVERY = 7
SURE = 0.5  # seconds: an acknowledgement that old has reached the disk
NS_SM = "urn:xmpp:sm:3"
STANZAS = ["{%s}%s" % (raw.NS_CLIENT, kind) for kind in ("message", "presence", "iq")]


class Reader:
    """bob: what he got, when he had acknowledged it."""

    def __init__(self, node, ca, seen):
        self.seen, self.h, self.acked = seen, 0, {}
        self.fresh = []  # got since the last acknowledgement
        self.got = 0
        self.raw = raw.Raw((node.ip, C2S)).login(DOMAIN, "bob", "pw", ca, "phone")
        self.raw.send("<enable xmlns='%s'/>" % NS_SM)
        self.raw.take("{%s}enabled" % NS_SM)
        self.raw.send("<presence/>")

    def acknowledge(self):
        self.raw.try_send("<a xmlns='%s' h='%d'/>" % (NS_SM, self.h))
        now = time.monotonic()
        self.acked.update((n, now) for n in self.fresh)
        self.fresh = []

    def _take(self, el):
        if el.tag == "{%s}r" % NS_SM:
            self.acknowledge()
        if el.tag not in STANZAS:
            return
        self.h += 1
        if el.tag != STANZAS[0]:
            return
        n, sid = int(el.get("id")), el.find("{urn:xmpp:sid:0}stanza-id").get("id")
        self.seen.setdefault(n, []).append(sid)
        self.fresh.append(n)
        self.got += 1
        if len(self.fresh) >= ACK_EVERY:
            self.acknowledge()

    def read(self, until, seconds):
        end = time.monotonic() + seconds
        while self.got < until and time.monotonic() < end and not self.raw.eof:
            self.raw.pump(0.05)
            while self.raw.elements and self.got < until:
                self._take(self.raw.elements.pop(0))


def fill(node, ca):
    alice = raw.Raw((node.ip, C2S)).login(DOMAIN, "alice", "pw", ca, "desk")
    for n in range(MESSAGES):
        alice.send("<message to='bob@%s' type='chat' id='%d'><body>%d</body></message>" % (DOMAIN, n, n))
    alice.ping(DOMAIN, 60)
    checks.until("all are stored", lambda: stored(node) == MESSAGES, 60)
    alice.close()


def stored(node):
    with sqlite3.connect("file:%s?mode=ro" % node.lab.path("%s.db" % node.name), uri=True) as db:
        return db.execute("SELECT count(*) FROM log").fetchone()[0]


def act(node, ca, verdict):
    fill(node, ca)
    seen, forbidden, wrong = {}, set(), 0
    for kill in range(KILLS):
        before = {n: len(ids) for n, ids in seen.items()}
        bob = Reader(node, ca, seen)
        bob.read(20 + 17 * kill, 20)
        if kill % 2:  # acknowledged long ago, and then killed in the middle
            bob.acknowledge()
            time.sleep(SURE)
            bob.read(bob.got + 10, 5)
        now = time.monotonic()
        node.proc.kill()
        wrong += sum(1 for n in forbidden if len(seen[n]) > before.get(n, 0))
        forbidden |= {n for n, at in bob.acked.items() if at < now - SURE}
        node.start()
        checks.say("  killed after %d messages" % bob.got)
    before = {n: len(seen[n]) for n in forbidden}
    bob = Reader(node, ca, seen)
    bob.read(MESSAGES, 20)
    bob.acknowledge()
    wrong += sum(1 for n in forbidden if len(seen[n]) > before[n])
    lost = [n for n in range(MESSAGES) if n not in seen]
    verdict.check(not lost, "none of %d is lost: %s" % (MESSAGES, lost[:10]))
    verdict.check(forbidden and not wrong, "none of %d that were acknowledged came again: %d" % (len(forbidden), wrong))
    twice = [n for n in seen if len(seen[n]) > 1]
    verdict.check(twice and all(len(set(seen[n])) == 1 for n in twice), "the %d that did have the same stanza-id" % len(twice))
    checks.until("the store is empty", lambda: stored(node) == 0, 20)
    verdict.check(True, "nothing is left in the store")
    bob.raw.close()


def main():
    options = checks.options(__doc__)
    lab, verdict = Lab("flush_killed"), checks.Verdict()
    authority = certs.Authority(lab, "public")
    node = meridian.Node(lab, options.build, DOMAIN, lab.ip(10), authority.issue(DOMAIN, DOMAIN), authority.crt).start()
    for user in ("alice", "bob"):
        node.adduser(user, "pw")
    try:
        act(node, authority.crt, verdict)
    except (TimeoutError, raw.Closed, meridian.Failed) as e:
        verdict.check(False, "%s\n%s" % (e, node.proc.tail()))
    verdict.stop(node)
    return verdict.end("flush_killed", lab)


if __name__ == "__main__":
    sys.exit(main())

"""A reader who takes nothing, a neighbour and a foreign server who write to him, both with stream management: they are told that all
was taken, and not before it is in the store. Then the node is killed (kill -9): all is there when he comes back. And once he has
acknowledged it, nothing of it is."""
import os
import sqlite3
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../runner"))
import certs  # noqa: E402
import checks  # noqa: E402
import meridian  # noqa: E402
import peers  # noqa: E402
import raw  # noqa: E402
from procs import C2S, S2S, Lab  # noqa: E402

NEAR, FAR = "one.test", "two.test"
MESSAGES = 40  # of each
NS_SM = "urn:xmpp:sm:3"
STANZAS = ["{%s}%s" % (raw.NS_CLIENT, kind) for kind in ("message", "presence", "iq")]


def managed(node, ca, domain, user, resource):
    client = raw.Raw((node.ip, C2S)).login(domain, user, "pw", ca, resource)
    client.send("<presence/><enable xmlns='%s' resume='true'/>" % NS_SM)
    client.take("{%s}enabled" % NS_SM)
    return client


def say(client, first):
    for n in range(first, first + MESSAGES):
        client.send("<message to='bob@%s/phone' type='chat' id='%d'><body>%d</body></message>" % (NEAR, n, n))


def told(client):
    """How many the server says that it has."""
    client.send("<r xmlns='%s'/>" % NS_SM)
    return int(client.take("{%s}a" % NS_SM, seconds=10).get("h"))


def got(client, seconds):
    client.pump(0.01)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        client.pump(0.1)
    return [int(el.get("id")) for el in client.elements if el.tag == "{%s}message" % raw.NS_CLIENT]


def acknowledge(client):
    """All it got since stream management is on."""
    h = sum(1 for el in client.elements if el.tag in STANZAS)
    client.send("<a xmlns='%s' h='%d'/>" % (NS_SM, h))


class Rows:
    """Of the spool, as an administrator finds them."""

    def __init__(self, lab, node, postgres):
        self.path, self.postgres = lab.path("%s.db" % node.name), postgres

    def __call__(self):
        if self.postgres:
            return int(self.postgres.sql("SELECT count(*) FROM meridian.kv WHERE tbl = 'spool'"))
        with sqlite3.connect("file:%s?mode=ro" % self.path, uri=True) as db:
            return db.execute("SELECT count(*) FROM kv WHERE tbl = 'spool'").fetchone()[0]


def both_write(near, far, ca, rows, check, first):
    """Two writers and the silent reader, until all is acknowledged."""
    bob = managed(near, ca, NEAR, "bob", "phone")
    carol = managed(near, ca, NEAR, "carol", "desk")
    alice = managed(far, ca, FAR, "alice", "desk")
    begin = time.monotonic()
    say(carol, first)
    say(alice, first + MESSAGES)
    checks.until("all are with the reader", lambda: len(got(bob, 0)) == 2 * MESSAGES, 20)
    check(told(carol) < MESSAGES and rows() == 0, "nobody has custody of them yet, and nothing is stored")
    waiting = far.ctl("s2s", "outbox", "list")
    check(waiting and waiting[0]["unacknowledged"] == MESSAGES, "nor are they acknowledged to %s" % FAR)
    checks.until("acknowledged to %s" % FAR, lambda: not far.ctl("s2s", "outbox", "list"), 10)
    far_s = time.monotonic() - begin
    check(rows() >= MESSAGES, "acknowledged to %s after %.1f s, %d are stored" % (FAR, far_s, rows()))
    checks.until("the neighbour is told", lambda: told(carol) == MESSAGES, 20)
    check(rows() == 2 * MESSAGES, "the neighbour was told after %.1f s, all are stored" % (time.monotonic() - begin))
    return bob, carol, alice


def act(near, far, ca, rows, verdict):
    check = verdict.check
    bob, *_ = both_write(near, far, ca, rows, check, 0)
    checks.say("kill -9")
    near.proc.kill()
    near.start()
    bob = managed(near, ca, NEAR, "bob", "desk")
    checks.until("the reader has all", lambda: len(set(got(bob, 0))) == 2 * MESSAGES, 20)
    again = got(bob, 1)
    order = [n for n in again if n < MESSAGES], [n for n in again if n >= MESSAGES]
    check(len(again) == 2 * MESSAGES and all(o == sorted(o) for o in order), "once, and in the order of each writer")
    acknowledge(bob)
    checks.until("the spool is empty", lambda: rows() == 0, 10)
    bob.close()

    bob, *_ = both_write(near, far, ca, rows, check, 1000)
    acknowledge(bob)
    checks.until("what he acknowledges leaves the store", lambda: rows() == 0, 10)
    checks.say("kill -9")
    near.proc.kill()
    near.start()
    bob = managed(near, ca, NEAR, "bob", "desk")
    check(not got(bob, 3), "nothing comes again")
    bob.close()


def run(lab, o, verdict, store, number):
    authority = certs.Authority(lab, "public-%d" % number)
    addresses = {NEAR: lab.ip(10 + number), FAR: lab.ip(20 + number)}
    overrides = [(d, "%s:%d" % (ip, S2S)) for d, ip in addresses.items()]
    near, far = (meridian.Node(lab, o.build, d, ip, authority.issue(d, d), authority.crt, shards=2, overrides=overrides, node="%s%d" % (d, number),
                               store=store if d == NEAR else "sqlite") for d, ip in addresses.items())
    for node, users in ((near, ("bob", "carol")), (far, ("alice",))):
        node.start()
        for user in users:
            node.adduser(user, "pw")
    try:
        act(near, far, authority.crt, Rows(lab, near, store if store != "sqlite" else None), verdict)
    except (TimeoutError, raw.Closed, meridian.Failed) as e:
        verdict.check(False, "%s\n%s" % (e, near.proc.tail()))
    verdict.stop(near)
    verdict.stop(far)


def main():
    o = checks.options(__doc__)
    lab, verdict = Lab("acknowledged"), checks.Verdict()
    checks.say("SQLite")
    run(lab, o, verdict, "sqlite", 0)
    checks.say("PostgreSQL")
    run(lab, o, verdict, peers.Postgres(lab, lab.ip(30)), 1)
    return verdict.end("acknowledged", lab)


if __name__ == "__main__":
    sys.exit(main())

"""What docs/operating.md says of databases, done: a backup of PostgreSQL while its node runs and its restore into an empty database,
all data moved to SQLite and back by meridianctl store copy, a backup of the SQLite file while its node runs. After each step the
accounts log in, the roster is there, and what was kept for an account is delivered."""
import asyncio
import os
import sqlite3
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../faults"))
import world  # noqa: E402
from checks import options, say, until  # noqa: E402
from meridian import program  # noqa: E402
from procs import Failed  # noqa: E402


def store_copy(w, source, target):
    p = subprocess.run([program(w.eu.build, "meridianctl"), "-c", w.eu.config, "store", "copy", source, target],
                       capture_output=True, text=True, timeout=120)
    if p.returncode != 0:
        raise Failed("store copy: exit code %d: %s" % (p.returncode, p.stderr))
    return p.stdout.strip()


def keep_in(node, uri):
    """Change [store] uri of a node that does not run."""
    with open(node.config) as f:
        lines = f.read().split("[store]\n")
    tail = lines[1].split("\n", 1)[1]
    with open(node.config, "w") as f:
        f.write('%s[store]\nuri = "%s"\n%s' % (lines[0], uri, tail))


class Case:
    def __init__(self, w, verdict):
        self.w, self.verdict, self.n = w, verdict, 0

    async def fill(self, stored):
        """A message for carol, who is not there, and a friend for alice. stored: asks the database for the message."""
        self.n += 1
        alice = await self.w.login("alice", "eu", "desk")
        await alice.update_roster("friend%d@world.test" % self.n, name="Friend %d" % self.n)
        alice.send_message(mto="carol@world.test", mbody="kept %d" % self.n, mtype="chat")
        await alice.logout()
        await asyncio.to_thread(until, "the message is stored", lambda: stored("%%kept %d%%" % self.n))

    async def hold(self, what):
        alice = await self.w.login("alice", "eu", "desk")
        friends = sorted(j for j in alice.client_roster.keys() if j.startswith("friend"))
        carol = await self.w.login("carol", "eu", "phone")
        await carol.message("kept %d" % self.n)
        kept = [m["body"] for m in carol.inbox]
        self.verdict.check(friends == ["friend%d@world.test" % i for i in range(1, self.n + 1)] and
                           kept == ["kept %d" % self.n], "%s: accounts, roster and message are there" % what)
        await asyncio.gather(alice.logout(), carol.logout())

    async def off_and_on(self, do):
        await asyncio.to_thread(self.w.eu.proc.stop)
        await asyncio.to_thread(do)
        await asyncio.to_thread(self.w.eu.start)
        await asyncio.to_thread(self.w.meet)


async def act(w, verdict):
    pg, case = w.postgres, Case(w, verdict)
    dump, moved, copy = pg.dir + "/meridian.dump", w.lab.path("moved.db"), w.lab.path("backup.db")
    await asyncio.to_thread(w.eu.adduser, "carol", "pw-carol")

    def in_pg(what):
        return pg.sql("SELECT count(*) FROM meridian.log_text WHERE tbl = 'offline' AND payload LIKE '%s'" % what) == "1"

    def in_file(path):
        def ask(what):
            with sqlite3.connect(path) as db:
                return db.execute("SELECT count(*) FROM log WHERE payload LIKE ?", (what,)).fetchone() == (1,)
        return ask

    await case.fill(in_pg)
    pg.run("pg_dump", "--format=custom", "--file=" + dump, *pg.here())
    say("pg_dump while the node runs: %d bytes" % os.path.getsize(dump))

    def restore():
        pg.run("dropdb", *pg.here()[:6], "meridian")
        pg.run("createdb", *pg.here()[:6], "--owner=meridian", "meridian")
        pg.run("pg_restore", "--exit-on-error", "--no-owner", "--role=meridian", *pg.here(), dump)
    await case.off_and_on(restore)
    await case.hold("restored by pg_restore")

    await case.fill(in_pg)

    def to_sqlite():
        say("to SQLite: " + store_copy(w, "rdbms:default", "sqlite:" + moved))
        keep_in(w.eu, "sqlite:" + moved)
    await case.off_and_on(to_sqlite)
    await case.hold("moved to SQLite")

    await case.fill(in_file(moved))
    with sqlite3.connect(moved) as a, sqlite3.connect(copy) as b:
        a.backup(b)  # what the .backup of the sqlite3 program does
    await case.off_and_on(lambda: keep_in(w.eu, "sqlite:" + copy))
    await case.hold("from the backup of the SQLite file")

    await case.fill(in_file(copy))

    def to_postgres():
        pg.run("dropdb", *pg.here()[:6], "meridian")
        pg.run("createdb", *pg.here()[:6], "--owner=meridian", "meridian")
        say("to PostgreSQL: " + store_copy(w, "sqlite:" + copy, "rdbms:default"))
        keep_in(w.eu, "rdbms:default")
        try:
            store_copy(w, "sqlite:" + copy, "rdbms:default")
            verdict.check(False, "a second copy is refused")
        except Failed as e:
            verdict.check("data already" in str(e), "a second copy is refused")
    await case.off_and_on(to_postgres)
    await case.hold("moved to PostgreSQL")


if __name__ == "__main__":
    sys.exit(world.play("database", act, options(__doc__), postgres=True))

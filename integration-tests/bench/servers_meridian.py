"""Meridian to be measured: one node, or two in two regions."""
import concurrent.futures
import json
import os
import socket

import meridian
import peers
from checks import until
from procs import C2S, Failed
from servers import DOMAIN, PASSWORD, ROUNDS, Server, clear, taskset

MERIDIAN = """
[c2s]
tls_required = false
sessions_max = 10000
[auth]
scram_iterations = %d
[modules.offline]
max = 100000
[limits]
connections_per_address = 0
[shaper.default]
max_rate = 0
max_stanzas = 0
""" % ROUNDS

ANY_NUMBER = "new_domains = 0\n"  # in [s2s]
LEAN = ""  # more lines that switch off what the scenarios do not need
LOCAL = "l"  # prefix of accounts that all live in region a


def node(ground, cores, ip=None, **more):
    n = meridian.Node(ground.lab, ground.build, DOMAIN, ip or ground.ip, ground.certificate, ground.authority.crt, dns=ground.dns,
                      log_level="warn", s2s=ANY_NUMBER, **more)
    n.before = taskset(cores)
    return n.start()


class Meridian(Server):
    kind = "meridian"

    def __init__(self, ground, setup, accounts, needs=(), shards=1, cores=(0,), shared=False):
        """shared: the generator runs on the same cores."""
        super().__init__(ground, setup, accounts, needs)
        self.shards, self.cores = shards, cores
        self.generator_cores = cores if shared else self.generator_cores

    @property
    def data(self):
        return self.ground.lab.path("meridian-%s.db" % DOMAIN)

    def node(self):
        return node(self.ground, self.cores, shards=self.shards, extra=MERIDIAN + (LEAN if self.setup == "lean" else ""))

    def launch(self):
        self.procs = [self.node().proc]

    def provision(self):
        one = self.node()
        self.procs = [one.proc]
        add_accounts(one, ["u%d" % n for n in range(self.accounts)])
        self.stop(kill=False)


class OnPostgres(Server):
    """One node whose data is in PostgreSQL, which runs on the generator's core."""
    kind = "postgresql"

    def start(self, kept=""):
        g = self.ground
        db = peers.Postgres(g.lab, g.lab.ip(4))
        os.sched_setaffinity(db.proc.pid, {1})  # its children come after that
        one = node(g, [0], extra=MERIDIAN, store=db)
        self.procs = [one.proc]
        add_accounts(one, ["u%d" % n for n in range(self.accounts)])
        return self


def add_accounts(one, names):
    """Accounts by the control socket, several requests under way: the time goes into their keys."""
    def add(name):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(one.control)
            s.sendall(json.dumps({"command": "adduser", "args": ["%s@%s" % (name, DOMAIN), PASSWORD]}).encode() + b"\n")
            answer = json.loads(s.makefile().readline())
        if not answer["ok"]:
            raise Failed("adduser %s: %s" % (name, answer["error"]))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(add, names))


class Regions(Server):
    """Two nodes in two regions, a Redis. Accounts u with even numbers live in region a, the others in b; all l in a."""
    kind = "regions"

    def __init__(self, ground, setup, accounts):
        super().__init__(ground, setup, accounts)
        self.ip_b = ground.lab.ip(11)
        self.address_b = "%s:%d" % (self.ip_b, C2S)

    def start(self, kept=""):
        g = self.ground
        redis = peers.Redis(g.lab, g.lab.ip(3), before=taskset([1]))
        nodes = [node(g, [0], ip, region=name, redis=redis, region_authority=g.regions, extra=MERIDIAN, beat="500ms", lease="5s")
                 for name, ip in (("a", g.ip), ("b", self.ip_b))]
        self.procs = [n.proc for n in nodes]
        for n, one in enumerate(nodes):
            add_accounts(one, ["u%d" % i for i in range(n, self.accounts, 2)])
        add_accounts(nodes[0], ["%s%d" % (LOCAL, i) for i in range(self.accounts)])
        for one in nodes:
            until("both regions see each other", lambda one=one: sum(m["live"] for m in one.ctl("status")["members"]) == 2)
        return self

    def stop(self, kill=True):
        super().stop(kill)
        for name in "ab":
            clear(self.ground.lab.path("meridian-%s.db" % name))

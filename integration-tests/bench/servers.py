"""What all measured servers stand on. A server is made anew for each run, on core 0, from a copy of data that was provisioned
once: accounts u0, u1, ... with one password. Nothing limits or shapes the generator at any of them, all write warnings only, all
have a P-256 certificate of one CA and SCRAM keys of 4096 rounds."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../runner"))
import certs  # noqa: E402
import meridian  # noqa: E402
import peers  # noqa: E402
from procs import C2S, S2S  # noqa: E402

DOMAIN, PEERS, PASSWORD, ROUNDS = "bench.test", "peer.test", "secret", 4096
PEER_DOMAINS = 1000  # p0.peer.test ... are the generator's, when it plays servers
ACCOUNTS, MANY, QUICK_ACCOUNTS = 2000, 18000, 400
GENERATOR = "generator." + PEERS
ARCHIVE = "[modules.mam]"  # the peers have theirs on in the usual set-up if Meridian has one
NEEDS = ("acks", "offline", "s2s")  # what only some scenarios need


def taskset(cores):
    return ["taskset", "-c", ",".join(map(str, cores))]


class Ground:
    """What all servers of a lab stand on: a CA, DNS, addresses, provisioned data by server."""

    def __init__(self, lab, build, quick):
        self.lab, self.build = lab, build
        self.accounts, self.many = (QUICK_ACCOUNTS, QUICK_ACCOUNTS) if quick else (ACCOUNTS, MANY)
        self.ip, self.generator = lab.ip(10), lab.ip(40)
        self.authority, self.regions = certs.Authority(lab, "public"), certs.Authority(lab, "regions")
        srv = ["_xmpp-server._tcp.p%d SRV 0 0 %d generator" % (n, S2S) for n in range(PEER_DOMAINS)]
        self.dns = peers.Dns(lab, lab.ip(2), {
            DOMAIN: ["_xmpp-server._tcp SRV 0 0 %d host" % S2S, "host A " + self.ip],
            PEERS: srv + ["generator A " + self.generator]}, before=taskset([1]))
        self.certificate = self.authority.issue(DOMAIN, DOMAIN, usage="serverAuth,clientAuth")
        self.peer_certificate = self.authority.issue(PEERS, "*." + PEERS, usage="serverAuth,clientAuth")
        self.archive = can(build, ARCHIVE)


def can(build, text):
    """Whether the documentation of the options, which the program prints, speaks of something."""
    docs = subprocess.run([meridian.program(build, "meridiand"), "--config-docs"], capture_output=True, text=True, check=True)
    return text in docs.stdout


class Server:
    """Base: provision once, start from the copy, kill. pids: whose CPU and memory count. is_apart: its set-ups must not share
    provisioned data."""
    is_apart = False

    def __init__(self, ground, setup, accounts, needs=()):
        """needs: of NEEDS, what a lean set-up must have."""
        self.ground, self.setup, self.accounts, self.needs = ground, setup, accounts, needs
        self.address, self.s2s = "%s:%d" % (ground.ip, C2S), "%s:%d" % (ground.ip, S2S)
        self.procs, self.generator_cores = [], (1,)

    @property
    def data(self):
        """What is provisioned, a path of a file or a directory."""
        raise NotImplementedError

    def template(self, name):
        setup = self.setup if self.is_apart or name else "all"
        return self.ground.lab.path("templates/%s-%s-%d%s" % (self.kind, setup, self.accounts, name))

    def start(self, kept=""):
        """kept: the name under which an earlier run may have kept its data."""
        template = self.template(kept) if kept and os.path.exists(self.template(kept)) else self.template("")
        if not os.path.exists(template):
            clear(self.data)
            self.provision()
            copy(self.data, template)
        copy(template, self.data)
        self.launch()
        return self

    def keep(self, name):
        """The data as it is now, for later runs that begin with what this one made."""
        if not os.path.exists(self.template(name)):
            self.stop(kill=False)
            copy(self.data, self.template(name))

    @property
    def pids(self):
        return [p.pid for p in self.procs]

    def stop(self, kill=True):
        """All that was started for it, also if starting failed. kill: the data is thrown away, nobody need end in order."""
        for p in [p for p in self.ground.lab.procs if p is not self.ground.dns.proc]:
            p.kill() if kill else p.stop()
            p.lab.procs.remove(p)  # its pid may soon be another's
            os.remove(p.log)       # the next of this name must not find it
        self.procs = []


class Nothing(Server):
    """For programs that bring their server with them."""

    def start(self, kept=""):
        return self


def copy(a, b):
    clear(b)
    (shutil.copytree if os.path.isdir(a) else shutil.copyfile)(a, b)


def clear(path):
    if os.path.isdir(path):
        shutil.rmtree(path)
    for p in (path, path + "-wal", path + "-shm"):
        if os.path.exists(p):
            os.remove(p)

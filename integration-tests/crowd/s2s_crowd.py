"""Does a healthy pair of domains notice the others? Its messages and pings beside peers that stall at every step while stanzas wait for
them, a peer that floods, and as many half-open connections as there may be, and beside a quiet run of the same length. Then memory per
idle server stream."""
import argparse
import multiprocessing
import os
import resource
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../runner"), os.path.join(HERE, "../s2s-lab")]
import certs  # noqa: E402
import checks  # noqa: E402
import crowd_pair  # noqa: E402
import crowd_peers  # noqa: E402
import meridian  # noqa: E402
from checks import say  # noqa: E402
from procs import S2S, Failed, Lab  # noqa: E402

DOMAIN, HEALTHY, FLOOD, NEW = "one.test", "healthy.test", "flood.test", "new.test"
WORST_MS = {True: 5000, False: 500}  # p99 beside the crowd; with sanitizers, and without
CONF = """[auth]
scram_iterations = 4096
"""
USERS = ("alice", "writer", "flooded", "pest")


class Crowd:
    def __init__(self, o):
        self.o, self.lab, self.verdict = o, Lab("s2s_crowd"), checks.Verdict()
        self.processes, self.pipes = [], {}
        authority = certs.Authority(self.lab, "public")
        self.ca, own = authority.crt, authority.issue(DOMAIN, DOMAIN)
        both = "serverAuth,clientAuth"
        self.cert = {n: authority.issue(n, n, usage=both) for n in (HEALTHY, FLOOD, NEW)}
        self.cert["stalled"] = authority.issue("stalled", "*.stalled.test", usage=both)
        self.cert["idle"] = authority.issue("idle", "*.idle.test", usage=both)
        self.stalled = ["s%d.stalled.test" % i for i in range(o.stalled)]
        kinds = len(crowd_peers.STALLS)
        self.stalls = [self.lab.ip(30 + i) for i in range(kinds)]
        where = [(d, "%s:%d" % (self.stalls[i % kinds], S2S)) for i, d in enumerate(self.stalled)]
        where += [(HEALTHY, "%s:%d" % (self.lab.ip(20), S2S)), (FLOOD, "%s:%d" % (self.stalls[-1], S2S)),
                  (NEW, "%s:%d" % (self.lab.ip(21), S2S))]
        self.node = meridian.Node(self.lab, o.build, DOMAIN, self.lab.ip(10), own, self.ca, overrides=where, extra=CONF)
        self.node.start()
        for user in USERS:
            self.node.adduser(user, "pw-" + user)
        self.address = (self.node.ip, S2S)
        self.sources = [self.lab.ip(100 + i) for i in range(100)]

    # ---- processes
    def start(self, name, act, *args, seconds=120):
        """Runs act(pipe, *args) in a process; returns what it says when it is ready."""
        ours, theirs = multiprocessing.Pipe()
        p = multiprocessing.Process(target=act, args=(theirs,) + args, daemon=True)
        p.start()
        theirs.close()
        self.processes.append(p)
        self.pipes[name] = ours
        return self.hear(name, seconds)

    def hear(self, name, seconds):
        try:
            if self.pipes[name].poll(seconds):
                return self.pipes[name].recv()
        except EOFError:
            pass
        raise Failed("the process %s does not answer" % name)

    def ask(self, name, question=None, seconds=60):
        self.pipes[name].send(question)
        return self.hear(name, seconds)

    def account(self, user):
        return self.node.ip, DOMAIN, user, "pw-" + user, self.ca

    def kilobytes(self):
        with open("/proc/%d/status" % self.node.proc.pid) as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.node.proc.pid))

    # ---- acts
    def pair(self, what):
        o = self.o
        got = self.ask("pair", (o.seconds, o.rate), o.seconds + crowd_pair.SETTLE + 60)
        if isinstance(got, str):
            raise Failed("the healthy pair: %s" % got)
        n, lost, wrong, p50, p99, worst = got
        self.verdict.check(not lost and not wrong, "%s: of %d messages and pings of the healthy pair %d were lost; wrong: %s"
                           % (what, n, lost, "; ".join(wrong[:3]) or "nothing"))
        say("       %s: p50 %.2f ms, p99 %.2f ms, worst %.1f ms; node RSS %d KB, %d descriptors"
            % (what, p50, p99, worst, self.kilobytes(), self.descriptors()))
        return p50, p99

    def gather(self):
        o = self.o
        if o.stalled:
            self.start("stalled", crowd_peers.stalled, self.stalls, self.cert["stalled"])
            self.start("writer", crowd_peers.writer, *self.account("writer"), self.stalled, o.first, 1000)
        if o.half_open:
            self.start("half-open", crowd_peers.half_open, self.address, self.sources[10:], DOMAIN, o.half_open)
        if not o.no_flood:
            flooded = self.start("reader", crowd_peers.reader, *self.account("flooded"))
            self.start("flooder", crowd_peers.flooder, self.node.ip, DOMAIN, self.ca, FLOOD, self.cert[FLOOD],
                       (flooded, "nobody@" + DOMAIN), self.sources[1])
        if not o.no_pest:
            self.pest()

    def pest(self):
        """A local account that floods the healthy peer and those that stall."""
        to = ["echo@" + HEALTHY] + ["u@" + d for d in self.stalled[:10]]
        self.start("pest", crowd_peers.local_flooder, *self.account("pest"), to)

    def newcomer(self):
        """A peer that was never seen gets in, and is reached, in the middle of it."""
        start = time.monotonic()
        said = self.start("new", crowd_pair.play, *self.account("alice"), NEW, self.lab.ip(21), self.cert[NEW])
        took = time.monotonic() - start
        self.verdict.check(said == "ready" and took < 30, "a new peer, both ways, beside the crowd: %s after %.2f s" % (said, took))

    def crowded(self):
        self.gather()
        sent, start = 0 if self.o.no_flood else self.ask("flooder"), time.monotonic()
        p50, p99 = self.pair("crowd")
        if not self.o.no_flood:
            say("       the flooding peer was read at %.0f stanzas a second"
                % ((self.ask("flooder") - sent) / (time.monotonic() - start)))
        if not self.o.no_pest:
            sent, refused = self.ask("pest")
            say("       the flooding account sent %d messages, %d came back for its budget" % (sent, refused))
        self.newcomer()
        if self.o.half_open:
            is_open, ended = self.ask("half-open")
            self.verdict.check(is_open or ended, "half-open connections: %d are there, %d were ended" % (is_open, ended))
        return p50, p99

    def idle(self):
        """Bytes a stream, each of a domain of its own."""
        n = self.o.idle
        settle = 4  # a silent stream gives its parser back after two seconds
        self.start("idle-few", crowd_peers.idle, self.address, self.ca, DOMAIN, "a%d.idle.test", self.cert["idle"], self.sources, n // 10)
        time.sleep(settle)
        before = self.kilobytes()
        self.start("idle", crowd_peers.idle, self.address, self.ca, DOMAIN, "b%d.idle.test", self.cert["idle"], self.sources[2:], n, seconds=300)
        time.sleep(settle)
        each = (self.kilobytes() - before) * 1024 / n
        say("       %d idle server streams: %.0f bytes of resident memory each" % (n, each))
        if not checks.is_sanitized(self.o.build):
            self.verdict.check(each < self.o.idle_bytes, "an idle server stream is below %d bytes" % self.o.idle_bytes)

    def act(self):
        said = self.start("pair", crowd_pair.play, *self.account("alice"), HEALTHY, self.lab.ip(20), self.cert[HEALTHY])
        if said != "ready":
            raise Failed("the healthy pair: %s" % said)
        if self.o.idle:
            self.idle()
        quiet = self.pair("quiet")
        busy = self.crowded()
        limit = WORST_MS[checks.is_sanitized(self.o.build)]
        self.verdict.check(busy[1] <= limit, "p99 beside the crowd is %.1f ms, %.1f times that of the quiet run (p50: %.1f times); %d ms is "
                           "allowed" % (busy[1], busy[1] / quiet[1], busy[0] / quiet[0], limit))

    def end(self):
        for p in self.processes:
            p.kill()
            p.join()
        self.verdict.check(self.node.proc.alive(), "the node lives")
        self.verdict.stop(self.node)
        return self.verdict.end("s2s_crowd", self.lab)


def options():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--build", required=True, help="build directory with bin/meridiand")
    p.add_argument("--stalled", type=int, default=300, help="peers that stall")
    p.add_argument("--first", type=int, default=20, help="messages to each of them at once")
    p.add_argument("--half-open", type=int, default=20000)
    p.add_argument("--no-flood", action="store_true")
    p.add_argument("--no-pest", action="store_true", help="no local account that floods")
    p.add_argument("--seconds", type=float, default=20, help="of each of the two runs")
    p.add_argument("--rate", type=float, default=50, help="messages and pings a second of the pair")
    p.add_argument("--idle", type=int, default=0, help="idle server streams whose memory is measured")
    p.add_argument("--idle-bytes", type=int, default=64 << 10, help="what one of them may take")
    o = p.parse_args()
    o.build = os.path.abspath(o.build)
    return o


def main():
    o = options()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    o.half_open = min(o.half_open, most - 100)
    crowd = Crowd(o)
    try:
        crowd.act()
    except Exception as e:  # whatever it is: the node's log tells
        crowd.verdict.wrong.append("%s: %s" % (type(e).__name__, e))
        say("%s\n%s" % (crowd.verdict.wrong[-1], crowd.node.proc.tail(30)))
    return crowd.end()


if __name__ == "__main__":
    sys.exit(main())

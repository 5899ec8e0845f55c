"""The stage of the hostile cases: one node, a bystander whose pings must go on, the memory of the node."""
import os
import sys
import threading
import time

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "../runner")]
import certs  # noqa: E402
import checks  # noqa: E402
import meridian  # noqa: E402
import raw  # noqa: E402
from checks import say  # noqa: E402
from procs import C2S, C2S_TLS, S2S, Lab  # noqa: E402, F401

DOMAIN = "one.test"


class Bystander(threading.Thread):
    """alice, logged in and pinging the server all the time."""

    def __init__(self, stage):
        super().__init__(daemon=True)
        self.raw = raw.Raw((stage.node.ip, C2S_TLS)).login(DOMAIN, "alice", "pw-alice", stage.ca, "bystander", direct=True)
        self.took, self.wrong, self.is_over = [], "", False
        self.start()

    def run(self):
        try:
            while not self.is_over:
                self.took.append(self.raw.ping(DOMAIN, 10, "p%d" % len(self.took)))
                time.sleep(0.02)  # the pace of the pings
        except (raw.Closed, TimeoutError, OSError) as e:
            self.wrong = str(e)


class Stage:
    """overrides: where other domains are, by the lab. extra: more lines of the configuration. before: a command that starts the
    node."""

    def __init__(self, name, build, s2s="", overrides=lambda lab: (), extra="", before=()):
        self.lab, self.name, self.build = Lab(name), name, build
        self.verdict = checks.Verdict()
        self.public = certs.Authority(self.lab, "public")
        self.ca = self.public.crt
        self.node = meridian.Node(self.lab, build, DOMAIN, self.lab.ip(10), self.public.issue(DOMAIN, DOMAIN), self.ca,
                                  overrides=overrides(self.lab), s2s=s2s, extra="[auth]\nscram_iterations = 4096\n" + extra)
        self.node.before = before
        self.node.start()
        for user in ("alice", "mallory"):
            self.node.adduser(user, "pw-" + user)
        self.bystander = Bystander(self)

    def raw(self, port=C2S):
        return raw.Raw((self.node.ip, port))

    def kilobytes(self):
        with open("/proc/%d/status" % self.node.proc.pid) as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))

    def table(self, cases):
        """cases: (what, what must come out, function of the stage that returns what came out)."""
        for what, expected, act in cases:
            try:
                got = act(self)
            except (raw.Closed, TimeoutError, OSError) as e:
                got = "%s: %s" % (type(e).__name__, e)
            self.verdict.check(got == expected, "%-46s %s%s" % (what, expected, "" if got == expected else ", came: %s" % got))

    def rounds(self, what, n, expected, act, bound_kb):
        """Memory before and after n rounds; a tenth of them first, so that pools have their size. Each must come out the same."""
        for _ in range(n // 10):
            act(self)
        before, start = self.kilobytes(), time.monotonic()
        for _ in range(n):
            got = act(self)
            if got != expected:
                self.verdict.check(False, "%s: %s expected, came: %s" % (what, expected, got))
                break
        after = self.kilobytes()
        text = "%-46s %d rounds in %.1f s: RSS %d -> %d KB" % (what, n, time.monotonic() - start, before, after)
        if checks.is_sanitized(self.build):
            say("       %s (a sanitizer keeps freed memory: not judged)" % text)
        else:
            self.verdict.check(after - before <= bound_kb, "%s, at most %d KB more" % (text, bound_kb))

    def end(self):
        """Verdict on the bystander, orderly stop, exit code."""
        b = self.bystander
        b.is_over = True
        b.join(15)
        worst = max(b.took, default=0)
        self.verdict.check(not b.wrong and b.took and worst < 5,
                           "bystander: %d pings, slowest %.0f ms %s" % (len(b.took), worst * 1000, b.wrong))
        b.raw.close()
        self.verdict.check(self.node.proc.alive(), "the node lives")
        self.verdict.stop(self.node)
        return self.verdict.end(self.name, self.lab)


def play(name, act, build, kind=Stage, **kw):
    stage = kind(name, build, **kw)
    try:
        act(stage)
    except Exception as e:  # whatever it is: the node's log tells
        stage.verdict.wrong.append("%s: %s" % (type(e).__name__, e))
        say("%s\n%s" % (stage.verdict.wrong[-1], stage.node.proc.tail(30)))
    return stage.end()

"""Runs the scenarios on Meridian, Prosody and ejabberd in turn, the server on core 0 and the generator on core 1, and keeps what
was measured as JSON lines; report.py makes docs/benchmarks.md of them. A server is started anew for each run. Needs root (port 53
of a private address, mount namespaces). Results of scenarios that are not run again stay. Exit code 1 if a run failed."""
import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import time

import machine
import report
import scenarios
import servers
from servers import meridian
from procs import Failed, Lab

DESCRIPTORS = 20000
LARGE_PAGES = "glibc.malloc.hugetlb=1"  # as in the unit of Meridian's package; all servers get it
GIVE_UP = 120  # seconds: none of the usual runs takes so long


def say(text=""):
    print(text, flush=True)


class Store:
    """One file of JSON lines for each scenario, begun anew when it is run again."""

    def __init__(self, out):
        self.out, self.begun = out, set()
        os.makedirs(out, exist_ok=True)

    def add(self, row):
        path = os.path.join(self.out, row["scenario"] + ".jsonl")
        with open(path, "a" if path in self.begun else "w") as f:
            f.write(json.dumps(row) + "\n")
        self.begun.add(path)


class Clock:
    """How long the rest will take: by what the same run took before, else by a guess."""
    GUESS = 6.0

    def __init__(self):
        self.took = {}

    def left(self, plan):
        known = list(self.took.values())
        guess = sum(known) / len(known) if known else self.GUESS
        seconds = int(sum(self.took.get(p[1:], guess) for p in plan))
        return "%d:%02d" % (seconds // 60, seconds % 60)


def last_json(text):
    """The generator's line."""
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            return json.loads(line)
    return None


def measure(ground, scenario, variant, options):
    """One run. Returns the generator's figures; ok is false if anything was wrong, with the reason in error."""
    server = scenario.server(ground, variant)
    try:
        server.start(scenario.name if scenario.keeps else "")
        limit = GIVE_UP + (options.hold if "{hold}" in scenario.args else 0) + scenario.patience
        p = subprocess.run(scenarios.generator(ground, scenario, server, options), capture_output=True, text=True, timeout=limit)
        got = last_json(p.stdout)
        if got is None:
            raise Failed("%s ended with code %s: %s" % (scenario.program, p.returncode, p.stderr.strip()[-500:]))
        got.setdefault("ok", p.returncode == 0)
        if not got["ok"]:
            got["server_log"] = "".join(p.tail(5) for p in server.procs)
        elif scenario.keeps:
            server.keep(scenario.name)
        return got
    except (Failed, subprocess.TimeoutExpired, TimeoutError) as e:
        return {"ok": False, "error": str(e)[:2000], "server_log": "".join(p.tail(5) for p in server.procs)}
    finally:
        server.stop()


def shown(scenario, got):
    if not got["ok"]:
        return "FAILED: %s %s" % (got.get("error"), got.get("server_log", "").strip())
    return ", ".join("%s %.*f %s" % (f.title, f.digits, got[f.key] * f.scale, f.unit) for f in scenario.figures
                     if got.get(f.key) is not None)


def plan_of(options):
    chosen = [s for s in scenarios.SCENARIOS if (s.name in options.only if options.only else not s.asked)
              and (not s.wants or servers.can(options.build, s.wants))]
    return [(n, s.name, v) for n in range(options.rounds) for s in chosen for v in s.variants
            if scenarios.is_other(v) and not (n and s.once) and (not options.servers or v[0] in options.servers)]


def run(options):
    plan, store, clock, failed = plan_of(options), Store(options.out), Clock(), []
    if not plan:
        raise Failed("nothing to run: no scenario or server of these names")
    machine.write(options.out, options.build)
    lab = Lab("bench")
    try:
        ground = servers.Ground(lab, options.build, options.quick)
        for i, (n, name, variant) in enumerate(plan):
            scenario, start = scenarios.BY_NAME[name], time.monotonic()
            got = measure(ground, scenario, variant, options)
            clock.took[name, variant] = took = time.monotonic() - start
            store.add({"scenario": name, "round": n, "server": variant[0], "setup": variant[1], "took": round(took, 1),
                       "quick": options.quick, "hold": options.hold, "figures": got})
            if not got["ok"]:
                failed.append((name, variant))
            say("[%3d/%d, %s left] %-16s %-8s %-11s %4.1f s  %s"
                % (i + 1, len(plan), clock.left(plan[i + 1:]), name, *variant, took, shown(scenario, got)))
    finally:
        lab.close()
    return failed


def names(text):
    return [t for t in text.split(",") if t]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=os.path.join(meridian.ROOT, "build/release"))
    parser.add_argument("--out", help="where the results are kept; build/bench, quick ones in build/bench-quick")
    parser.add_argument("--rounds", type=int, help="3; 1 if quick")
    parser.add_argument("--only", type=names, default=[], metavar="SCENARIO,...")
    parser.add_argument("--servers", type=names, default=[], metavar="SERVER,...", help="of meridian, prosody, ejabberd")
    parser.add_argument("--quick", action="store_true", help="one round of short runs: shows that all works, measures little")
    parser.add_argument("--hold", type=int, default=10, help="seconds that idle18000 holds its sessions")
    parser.add_argument("--list", action="store_true", help="list the scenarios")
    parser.add_argument("--report", metavar="FILE", help="docs/benchmarks.md; of a quick run beside its results")
    o = parser.parse_args()
    o.build = os.path.abspath(o.build)
    o.out = os.path.abspath(o.out or os.path.join(meridian.ROOT, "build/bench" + "-quick" * o.quick))
    o.report = o.report or os.path.join(o.out if o.quick else os.path.join(meridian.ROOT, "docs"), "benchmarks.md")
    unknown = set(o.only) - set(scenarios.BY_NAME) | set(o.servers) - set(scenarios.KINDS)
    if unknown:
        parser.error("unknown: %s" % ", ".join(sorted(unknown)))
    o.rounds = o.rounds or (1 if o.quick else 3)
    return o


def main():
    o = arguments()
    if o.list:
        for s in scenarios.SCENARIOS:
            say("%-14s %s: %s%s" % (s.name, s.group, s.title, " (only when asked for)" if s.asked else ""))
        return 0
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, DESCRIPTORS), hard))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.environ["GLIBC_TUNABLES"] = LARGE_PAGES
    start = time.monotonic()
    try:
        failed = run(o)
    except Failed as e:
        say("bench: failed: %s" % e)
        return 1
    report.write(o.out, o.report)
    say("bench: wrote %s" % o.report)
    seconds = time.monotonic() - start
    say("bench: %s in %d:%02d" % ("failed: " + ", ".join("%s (%s %s)" % (n, *v) for n, v in failed) if failed else "ok",
                                  seconds // 60, seconds % 60))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

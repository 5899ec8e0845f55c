#!/usr/bin/env python3
"""What a message and an idle session may cost: figures that do not depend on how busy the machine is.

    budget.py --build build/release              measure, compare with budget.json
    budget.py --build build/release --update     and write the measured figures there
    budget.py --build build/release --self-test  does it notice a figure that is too high, or far below?

Instructions are those of the server's turns, counted by callgrind over bench-sessions; bytes are heap in use.
Exit code: 0 within budget (or the self-test passed), 1 above it by more than the margin, 2 could not measure.
"""
import argparse
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
FILE = os.path.join(HERE, "budget.json")
MEMORY = ["--sessions", "1500", "--few", "250", "--active", "250", "--messages", "250"]
CALLS = ["--sessions", "200", "--few", "100", "--active", "100", "--messages", "500"]
# bench-sessions stops its meter five times: few sessions (awake, after idle), logins, all sessions (awake, after idle).
LOGINS, AWAKE, AFTER_IDLE = 3, 4, 5


class CannotMeasure(Exception):
    pass


def run(command, **more):
    """The JSON line that bench-sessions prints, whatever runs it."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)
    if done.returncode != 0:
        raise CannotMeasure("%s: exit code %d\n%s" % (command[0], done.returncode, done.stderr))
    return json.loads(done.stdout)


def bytes_per_session(program, mode):
    return run([program, mode] + MEMORY)["bytes_per_session"]


def collected(path):
    with open(path) as f:
        found = re.search(r"^summary: (\d+)", f.read(), re.M)
    if not found or int(found.group(1)) == 0:
        raise CannotMeasure("%s: nothing was collected" % path)
    return int(found.group(1))


def instructions(program):
    """Of a message, of one after idle, of a login."""
    if not shutil.which("valgrind"):
        raise CannotMeasure("valgrind is not installed: scripts/install test")
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out")
        said = run(["valgrind", "--tool=callgrind", "--toggle-collect=meter_server_turn*", "--dump-after=meter_stop*",
                    "--callgrind-out-file=" + out, program, "--tls"] + CALLS)
        parts = glob.glob(out + ".*")
        if len(parts) < AFTER_IDLE:
            raise CannotMeasure("callgrind wrote %d parts instead of %d" % (len(parts), AFTER_IDLE))
        return [round(collected("%s.%d" % (out, part)) / said[name]) for part, name in
                ((AWAKE, "messages"), (AFTER_IDLE, "messages_after_idle"), (LOGINS, "logins"))]


def measure(program):
    awake, after_idle, login = instructions(program)
    return {
        "instructions_per_message_tls": awake,
        "instructions_per_message_tls_after_idle": after_idle,
        "instructions_per_login_tls": login,
        "bytes_per_session_tls": bytes_per_session(program, "--tls"),
        "bytes_per_session_plain": bytes_per_session(program, "--plain"),
    }


def verdict(value, budget, margin):
    """One of "too high", "lower the budget", "ok"."""
    if value > budget * (1 + margin):
        return "too high"
    return "lower the budget" if value < budget * (1 - margin) else "ok"


def compare(figures, budget):
    """Print a line for each figure; True when none is too high."""
    verdicts = {}
    for name, value in figures.items():
        allowed = budget["figures"][name]
        verdicts[name] = verdict(value, allowed, budget["margin_percent"] / 100)
        print("%-42s %8d   budget %8d   %+6.1f %%   %s" % (name, value, allowed, 100 * value / allowed - 100, verdicts[name]))
    return "too high" not in verdicts.values()


def self_test(program):
    """A real figure against budgets that are wrong in both directions."""
    value = bytes_per_session(program, "--plain")
    figures = {"bytes_per_session_plain": value}

    def with_budget(allowed):
        return {"margin_percent": 10, "figures": {"bytes_per_session_plain": allowed}}

    ok = (not compare(figures, with_budget(value * 0.8)) and compare(figures, with_budget(value)) and
          compare(figures, with_budget(value * 1.05)) and compare(figures, with_budget(value * 1.3)) and
          verdict(value, value * 1.3, 0.1) == "lower the budget")
    print("self-test: %s" % ("passed" if ok else "FAILED"))
    return ok


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, help="a release build")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    o = parser.parse_args()
    program = os.path.join(os.path.abspath(o.build), "bin/bench-sessions")
    try:
        if o.self_test:
            return 0 if self_test(program) else 1
        figures = measure(program)
    except (CannotMeasure, OSError, ValueError) as e:
        print("budget.py: %s" % e, file=sys.stderr)
        return 2
    with open(FILE) as f:
        budget = json.load(f)
    if o.update:
        budget["figures"] = figures
        with open(FILE, "w") as f:
            f.write(json.dumps(budget, indent=2) + "\n")
    return 0 if compare(figures, budget) else 1


if __name__ == "__main__":
    sys.exit(main())

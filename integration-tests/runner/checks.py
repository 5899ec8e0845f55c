"""What every script over real nodes does at its ends: options, an orderly stop, sanitizer reports, the verdict."""
import argparse
import os
import subprocess
import sys
import time

from procs import Failed

REPORTS = ("ERROR: AddressSanitizer", "ThreadSanitizer", "LeakSanitizer", "runtime error:")


def say(text=""):
    print(text, flush=True)


def options(doc, **more):
    """--build and options of the script itself: name=default."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--build", required=True, help="build directory with bin/meridiand")
    for name, default in more.items():
        parser.add_argument("--" + name, type=type(default), default=default)
    got = parser.parse_args()
    got.build = os.path.abspath(got.build)
    return got


def skip(why):
    """Ends the script; CTest says that it was skipped."""
    say("skipped: %s" % why)
    sys.exit(77)


OWN_NETWORK = "MERIDIAN_OWN_NETWORK"  # set once we are in it


def in_own_network():
    """Starts the script anew in a network of its own, with nothing but loopback: well-known ports are free there. Ends it as
    skipped where the rights for that are missing."""
    if OWN_NETWORK not in os.environ:
        probe = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True)
        if probe.returncode != 0:
            skip(probe.stderr.strip())
        os.environ[OWN_NETWORK] = "yes"
        os.execvp("unshare", ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, *sys.argv])


def is_sanitized(build):
    """The build is several times slower, and its memory says nothing."""
    with open(os.path.join(build, "CMakeCache.txt")) as f:
        return any(line.startswith("MERIDIAN_SANITIZE:") and line.strip().partition("=")[2] for line in f)


class Verdict:
    """Collects what is wrong, so that one run shows all of it."""

    def __init__(self):
        self.wrong = []

    def check(self, truth, text):
        if not truth:
            self.wrong.append(text)
        say("  %s %s" % ("ok   " if truth else "WRONG", text))
        return truth

    def logs(self, proc):
        with open(proc.log, errors="replace") as f:
            text = f.read()
        for report in REPORTS:
            if report in text:
                at = text.index(report)
                self.wrong.append("%s in the log of %s" % (report, proc.name))
                say("--- %s\n%s\n---" % (proc.log, text[max(0, at - 500):at + 6000]))

    def stop(self, node, seconds=5.0):
        """SIGTERM: exit code 0 in time, no report of a sanitizer. Returns the seconds it took."""
        start = time.monotonic()
        code = node.proc.stop(seconds + 10)
        took = time.monotonic() - start
        self.check(code == 0 and took <= seconds, "%s stopped with exit code %s in %.1f s (0 in %.0f s is right)"
                   % (node.name, code, took, seconds))
        self.logs(node.proc)
        return took

    def end(self, name, lab):
        for w in self.wrong:
            say("%s: WRONG: %s" % (name, w))
        if self.wrong and os.environ.get("KEEP_LOGS"):
            lab.keep = True
            say("files are in %s" % lab.dir)
        lab.close()
        say("%s: %s" % (name, "failed" if self.wrong else "ok"))
        return 1 if self.wrong else 0


def until(what, accept, seconds=20, step=0.05):
    """Wait for a condition that is observed by asking. Returns what accept returned."""
    end = time.monotonic() + seconds
    while True:
        got = accept()
        if got:
            return got
        if time.monotonic() > end:
            raise Failed("not within %d s: %s" % (seconds, what))
        time.sleep(step)

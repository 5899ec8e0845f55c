"""Processes of a test: started in a temporary directory, watched until they answer, stopped by their pid."""
import atexit
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time


# Ports on the lab's private addresses: not the well-known ones, which a server of this machine may hold on all addresses.
C2S, C2S_TLS, S2S, REGION, REDIS, POSTGRES = 25222, 25223, 25269, 25280, 26379, 25432
DNS = 53  # resolv.conf cannot name another


class Failed(Exception):
    """Something a test needs did not come up or went away; the text says what and where its log is."""


class Lab:
    """A temporary directory, a private loopback network 127.A.B.0/24 and all processes of one run."""

    def __init__(self, name, keep=False):
        self.dir = tempfile.mkdtemp(prefix="meridian-%s-" % name)
        self.keep = keep
        self.procs = []
        self.net = self._pick_net()
        atexit.register(self.close)

    @staticmethod
    def _pick_net():
        """A /24 of the loopback range on which nobody listens on the first address."""
        rng = random.SystemRandom()
        while True:
            net = "127.%d.%d" % (rng.randint(64, 223), rng.randint(1, 254))
            try:
                for port in (C2S, DNS):
                    with socket.socket() as s:
                        s.bind((net + ".1", port))
                return net
            except PermissionError:
                raise Failed("port %d needs root" % DNS)
            except OSError:
                continue

    def ip(self, n):
        return "%s.%d" % (self.net, n)

    def path(self, *parts):
        path = os.path.join(self.dir, *parts)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def write(self, name, text):
        path = self.path(name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def start(self, name, argv, **kw):
        p = Proc(self, name, argv, **kw)
        self.procs.append(p)
        return p

    def close(self):
        for p in reversed(self.procs):
            p.stop()
        self.procs = []
        if self.dir and not self.keep:
            shutil.rmtree(self.dir, ignore_errors=True)
            self.dir = None


class Proc:
    """One process; its output goes to NAME.log in the lab's directory."""

    def __init__(self, lab, name, argv, env=None, cwd=None):
        self.lab, self.name, self.argv = lab, name, argv
        self.env = dict(os.environ, **(env or {}))
        self.cwd = cwd or lab.dir
        self.log = lab.path(name + ".log")
        self.proc = None
        self.launch()

    def launch(self):
        with open(self.log, "ab") as out:
            self.proc = subprocess.Popen(self.argv, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                         env=self.env, cwd=self.cwd, start_new_session=True)

    @property
    def pid(self):
        return self.proc.pid

    def alive(self):
        return self.proc.poll() is None

    def tail(self, lines=15):
        with open(self.log, errors="replace") as f:
            return "".join(f.readlines()[-lines:])

    def wait_port(self, ip, port, seconds=30):
        """Wait until a TCP port answers; the process must live."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not self.alive():
                raise Failed("%s ended with code %s while starting:\n%s" % (self.name, self.proc.returncode, self.tail()))
            with socket.socket() as s:
                s.settimeout(1)
                if s.connect_ex((ip, port)) == 0:
                    return self
            time.sleep(0.05)
        raise Failed("%s does not answer on %s:%d after %d s:\n%s" % (self.name, ip, port, seconds, self.tail()))

    def wait_log(self, text, seconds=30, after=0):
        """Wait until its log holds the text (from offset `after`); returns the offset behind it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with open(self.log, errors="replace") as f:
                f.seek(after)
                data = f.read()
            at = data.find(text)
            if at >= 0:
                return after + at + len(text)
            if not self.alive():
                break
            time.sleep(0.05)
        raise Failed("%s never said %r:\n%s" % (self.name, text, self.tail()))

    def signal(self, number):
        if self.alive():
            os.kill(self.pid, number)

    def _group(self, number):
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass

    def stop(self, seconds=10):
        """SIGTERM, then SIGKILL, to the process (and what it left in its group). Returns its exit code."""
        if self.alive():
            self.signal(signal.SIGTERM)
            try:
                self.proc.wait(seconds)
            except subprocess.TimeoutExpired:
                pass
        self._group(signal.SIGKILL)
        return self.proc.wait()

    def kill(self):
        """kill -9, as a crash does."""
        self._group(signal.SIGKILL)
        return self.proc.wait()

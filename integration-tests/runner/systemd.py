"""A machine with a systemd as PID 1, in namespaces of its own over the files of this one (machine-boot); its network is ours."""
import os
import shutil
import subprocess

from checks import until
from procs import Failed

BOOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "machine-boot")
SYSTEMD = "/lib/systemd/systemd"
PROBE = """set -e
mount --make-rprivate /
mount -t cgroup2 cgroup2 "$1"
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
"""
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class Unable(Exception):
    """This machine cannot have another one inside; the text says why."""


class Machine:
    """It runs from here to close(). Raises Unable where rights or the kernel are not enough."""

    def __init__(self, lab):
        lost = [p for p in (SYSTEMD, "unshare", "nsenter") if not shutil.which(p)]
        if lost:
            raise Unable("no %s here (scripts/install test)" % " and ".join(lost))
        probe = subprocess.run(["unshare", "--pid", "--fork", "--mount", "--ipc", "--uts", "sh", "-c", PROBE, "sh", lab.path("probe", "x").rsplit("/", 1)[0]],
                               capture_output=True, text=True)
        if probe.returncode != 0:
            raise Unable(probe.stderr.strip())
        self.folder = lab.path("machine", "x").rsplit("/", 1)[0]
        self.cgroup = os.path.basename(lab.dir)
        self.proc = lab.start("machine", ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--ipc", "--uts", BOOT, self.folder, self.cgroup])
        self.pid = until("PID 1 of the machine is systemd", self._find_pid)
        until("the machine's systemd is up", self._is_up)

    def _find_pid(self):
        if not self.proc.alive():
            self._sweep()
            raise Failed("the machine did not start:\n%s" % self.proc.tail())
        with open("/proc/%d/task/%d/children" % (self.proc.pid, self.proc.pid)) as f:
            pids = f.read().split()
        return pids and os.path.realpath("/proc/%s/exe" % pids[0]) == os.path.realpath(SYSTEMD) and pids[0]

    def _is_up(self):
        if not self.proc.alive():
            raise Failed("systemd ended with code %s:\n%s" % (self.proc.proc.returncode, self.proc.tail()))
        return self.run("systemctl", "is-active", "basic.target")[0] == 0

    def run(self, *argv, seconds=30, stdin=None):
        """A command inside. Returns its exit code and what it printed."""
        p = subprocess.run(["nsenter", "-t", self.pid, "--mount", "--pid", "--ipc", "--uts", "--cgroup",
                            "env", "-i", "PATH=" + PATH, "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", *argv],
                           input=stdin, capture_output=True, text=True, timeout=seconds)
        return p.returncode, p.stdout + p.stderr

    def must(self, *argv, **kw):
        code, out = self.run(*argv, **kw)
        if code != 0:
            raise Failed("in the machine, %s: exit code %d: %s" % (" ".join(argv), code, out))
        return out

    def path(self, path):
        """Of a file inside, as we reach it."""
        return "/proc/%s/root%s" % (self.pid, path)

    def show(self, unit, *properties):
        """Properties of a unit, as a dictionary."""
        out = self.must("systemctl", "show", "-p", ",".join(properties), unit)
        return dict(line.split("=", 1) for line in out.splitlines())

    def _sweep(self):
        """Removes the machine's cgroups, true if none is left."""
        script = 'mount -t cgroup2 cgroup2 "$1" && [ ! -d "$1/$2" ] || find "$1/$2" -depth -type d -exec rmdir {} +'
        return subprocess.run(["unshare", "--mount", "sh", "-c", script, "sh", self.folder, self.cgroup], capture_output=True).returncode == 0

    def close(self):
        """Ends all of it: systemd goes with the process that forked it, its own with their PID 1, then their empty cgroups."""
        self.proc.kill()
        until("the machine's cgroups are empty", self._sweep)

"""The Debian package on a machine with a systemd of its own: installed by dpkg with its maintainer scripts, made ready, enabled and started
as docs/operating.md says. The unit becomes active when the node says so, runs as hardened as it is written, reloads, comes back when it is
killed or hangs, stays down when its configuration is wrong, stops in time, is upgraded and removed."""
import asyncio
import os
import re
import resource
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../runner"))
import checks  # noqa: E402
import clients  # noqa: E402
import meridian  # noqa: E402
from checks import until  # noqa: E402
from procs import Failed, Lab  # noqa: E402
from systemd import Machine, Unable  # noqa: E402

UNIT = "meridian.service"
CONF = "/etc/meridian/meridian.toml"
DOMAIN = "new.test"
WATCHDOG, STOP = 4, 15  # seconds: a unit's minute is long for a test; TimeoutStopSec of the unit
EXPOSURE = 2.0  # of 10, as admin-package has it
WRONG_CONFIGURATION = 78


class Service:
    """The unit in the machine."""

    def __init__(self, machine):
        self.machine = machine

    def pid(self):
        return int(self.machine.show(UNIT, "MainPID")["MainPID"])

    def restarted(self, before):
        """Waits until another process than that one serves; returns its pid."""
        def other():
            now = self.machine.show(UNIT, "MainPID", "ActiveState")
            return now["ActiveState"] == "active" and now["MainPID"] not in ("0", str(before)) and int(now["MainPID"])
        return until("the unit runs again", other)

    def count(self, text):
        """The lines of the journal that have it."""
        return self.machine.must("journalctl", "-b", "--no-pager", "-o", "cat").count(text)

    def says(self, text):
        return until("the journal says %r" % text, lambda: self.count(text))

    def proc(self, pid, name):
        with open(self.machine.path("/proc/%d/%s" % (pid, name))) as f:
            return f.read()

    def edit(self, old, new):
        path = self.machine.path(CONF)
        with open(path) as f:
            text = f.read()
        if old not in text:
            raise Failed("no %r in %s:\n%s" % (old, CONF, text))
        with open(path, "w") as f:
            f.write(text.replace(old, new))


def install(service, package, sanitized, verdict):
    machine = service.machine
    shutil.copy(package, machine.path("/tmp/meridian.deb"))
    out = machine.must("dpkg", "-i", "/tmp/meridian.deb")
    verdict.check("next: meridiand --init /etc/meridian" in out, "installed by dpkg, which says what comes next")
    uid, state = machine.must("id", "-un", "meridian").strip(), machine.show(UNIT, "LoadState", "ActiveState")
    verdict.check(uid == "meridian" and state == {"LoadState": "loaded", "ActiveState": "inactive"},
                  "systemd knows the unit, nothing was started without a configuration: %s" % state)
    machine.must("meridiand", "--init", "/etc/meridian", "--domain", DOMAIN, "--system")
    drop_in = "[Service]\nWatchdogSec=%d\n" % WATCHDOG
    if sanitized:  # LeakSanitizer stops a process by ptrace, which the unit forbids
        drop_in += "Environment=ASAN_OPTIONS=detect_leaks=0\n"
    folder = machine.path("/etc/systemd/system/%s.d" % UNIT)
    os.makedirs(folder)
    with open(folder + "/test.conf", "w") as f:
        f.write(drop_in)
    machine.must("systemctl", "daemon-reload")


def start(service, verdict):
    """systemctl waits for READY=1 (Type=notify): once it returns, clients may come."""
    machine = service.machine
    machine.must("systemctl", "enable", "--now", UNIT)
    now = machine.show(UNIT, "Type", "ActiveState", "UnitFileState")
    verdict.check(now == {"Type": "notify", "ActiveState": "active", "UnitFileState": "enabled"}, "enabled, and active by the node's word: %s" % now)
    machine.must("meridianctl", "adduser", "you@" + DOMAIN, stdin="a password\n")
    users = machine.must("meridianctl", "users")
    verdict.check("you@" + DOMAIN in users, "meridianctl makes an account through /run/meridian: %s" % users.split())


async def log_in(service):
    ca = service.machine.path("/etc/meridian/%s.crt" % DOMAIN)
    you = await clients.Client("you@%s/here" % DOMAIN, "a password", ("127.0.0.1", 5222), ca).login()
    await you.barrier()
    return you


def hardened(service, verdict):
    """The options of the unit as the kernel shows them in the process."""
    pid = service.pid()
    status = dict(line.split(":\t", 1) for line in service.proc(pid, "status").splitlines() if ":\t" in line)
    caps = {k: int(status[k], 16) for k in ("CapEff", "CapPrm", "CapBnd", "CapAmb")}
    verdict.check(not any(caps.values()) and status["NoNewPrivs"] == "1" and status["Seccomp"] == "2",
                  "no capabilities, no new privileges, system calls are filtered: %s" % caps)
    verdict.check("0" not in status["Uid"].split(), "its user is not root: %s" % status["Uid"].split()[0])
    mounts = {f[4]: f for f in (line.split() for line in service.proc(pid, "mountinfo").splitlines())}
    read_only = {p: "ro" in mounts[p][5].split(",") for p in ("/", "/home", "/sys/fs/cgroup", "/var/lib/meridian", "/run/meridian", "/dev")}
    want = {"/": True, "/home": True, "/sys/fs/cgroup": True, "/dev": True, "/var/lib/meridian": False, "/run/meridian": False}
    verdict.check(read_only == want, "it may write to its own folders only: %s" % read_only)
    verdict.check("hidepid=invisible" in mounts["/proc"][-1] and "subset=pid" in mounts["/proc"][-1], "it sees its own processes: %s" % mounts["/proc"][-1])
    ours, its = (os.readlink(service.machine.path("/proc/%d/ns/user" % p)) for p in (1, pid))
    verdict.check(ours != its, "its user namespace is its own")
    files = re.search(r"^Max open files +(\d+) +(\d+)", service.proc(pid, "limits"), re.M)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    verdict.check(int(files.group(1)) == int(files.group(2)) >= min(most, 1048576), "open files: %s" % files.group(1))
    out = service.machine.must("systemd-analyze", "security", "--no-pager", UNIT)
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", out)
    verdict.check(level and float(level.group(1)) < EXPOSURE, "exposure level of the running unit: %s of 10" % (level and level.group(1)))


async def reload(service, verdict):
    you, before = await log_in(service), service.pid()
    service.edit("[general]", '[general]\nlog_level = "debug"')
    service.machine.must("systemctl", "reload", UNIT)
    service.says('option="[general] log_level"')
    service.says("conf.reloaded")
    await you.barrier()
    verdict.check(service.pid() == before, "systemctl reload: taken over, the same process, a client stays connected")
    service.edit('log_level = "debug"', 'log_level = "deaf"')
    service.machine.must("systemctl", "reload", UNIT)
    service.says("conf.refused")
    await you.barrier()
    verdict.check(service.pid() == before, "a wrong configuration is refused by name, and the node goes on")
    service.edit('log_level = "deaf"', 'log_level = "info"')
    return you


def comes_back(service, verdict):
    pid = service.pid()
    service.machine.must("kill", "-KILL", str(pid))
    pid = service.restarted(pid)
    verdict.check(True, "killed, it is started again")
    start = time.monotonic()
    service.machine.must("kill", "-STOP", str(pid))
    service.restarted(pid)
    service.says("Watchdog timeout")
    took = time.monotonic() - start
    verdict.check(took >= WATCHDOG / 2, "hanging, it is ended by the watchdog (%d s) and started again: %.1f s" % (WATCHDOG, took))
    n = service.machine.show(UNIT, "NRestarts")["NRestarts"]
    verdict.check(n == "2", "restarts that systemd counts: %s" % n)


def stays_down(service, verdict):
    service.edit("[general]", "[general]\nwrong = 1")
    code = service.machine.run("systemctl", "restart", UNIT)[0]
    now = service.machine.show(UNIT, "ActiveState", "ExecMainStatus")
    verdict.check(code != 0 and now == {"ActiveState": "failed", "ExecMainStatus": str(WRONG_CONFIGURATION)},
                  "with a wrong configuration it fails at once and is not tried again: %s" % now)
    service.edit("[general]\nwrong = 1", "[general]")
    service.machine.must("systemctl", "start", UNIT)


async def upgrade(service, verdict):
    pid = service.pid()
    service.machine.must("dpkg", "-i", "/tmp/meridian.deb")
    service.restarted(pid)
    you = await log_in(service)
    verdict.check(True, "another package: the node is restarted with it, the account is still there")
    return you


async def stop(service, you, verdict):
    good, before = "%s: Deactivated successfully" % UNIT, time.monotonic()
    had = service.count(good)
    await asyncio.to_thread(service.machine.must, "systemctl", "stop", UNIT)
    took = time.monotonic() - before
    await asyncio.wait_for(you.ended.wait(), 5)
    verdict.check(took < STOP and service.pid() == 0 and service.count(good) == had + 1,
                  "systemctl stop with a client connected, in order: %.1f s" % took)


def remove(service, verdict):
    service.machine.must("systemctl", "start", UNIT)
    pid = service.pid()
    service.machine.must("dpkg", "-r", "meridian")
    gone = not os.path.exists(service.machine.path("/proc/%d" % pid)) and not os.path.exists(service.machine.path("/usr/bin/meridiand"))
    kept = all(os.path.exists(service.machine.path(p)) for p in (CONF, "/var/lib/meridian/meridian.db"))
    verdict.check(gone and kept, "removed: the node is stopped, configuration and accounts are kept")


async def act(service, package, sanitized, verdict):
    install(service, package, sanitized, verdict)
    start(service, verdict)
    hardened(service, verdict)
    you = await reload(service, verdict)
    comes_back(service, verdict)
    await asyncio.wait_for(you.ended.wait(), 5)
    stays_down(service, verdict)
    you = await upgrade(service, verdict)
    await stop(service, you, verdict)
    remove(service, verdict)


def main():
    options = checks.options(__doc__)
    checks.in_own_network()
    lab, verdict = Lab("service"), checks.Verdict()
    try:
        machine = Machine(lab)
    except Unable as e:
        checks.skip(str(e))
    try:
        clients.run(act(Service(machine), meridian.package(lab, options.build), checks.is_sanitized(options.build), verdict))
    except (TimeoutError, asyncio.TimeoutError, Failed, OSError) as e:
        verdict.check(False, repr(e))
        checks.say(machine.run("journalctl", "-b", "--no-pager", "-n", "40")[1])
    machine.close()
    return verdict.end("service", lab)


if __name__ == "__main__":
    sys.exit(main())

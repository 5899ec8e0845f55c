"""What the figures were measured on: processor, kernel, versions. No names of hosts or places."""
import json
import os
import platform
import re
import subprocess

from servers import ARCHIVE, can, meridian

PACKAGES = ("prosody", "lua5.4", "lua-sec", "ejabberd", "erlang-base", "erlang-p1-tls", "libssl3", "libuv1", "libexpat1",
            "libsqlite3-0", "postgresql-15", "redis-server", "nsd", "gcc")


def first(pattern, path):
    with open(path) as f:
        m = re.search(pattern, f.read(), re.M)
    return m.group(1).strip() if m else "unknown"


def output(*argv, **kw):
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=True, **kw).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def packages():
    """One by one: an unknown name makes the command fail."""
    rows = (output("dpkg-query", "-W", "-f", "${Package} ${Version}", p).split() for p in PACKAGES)
    return dict(r for r in rows if len(r) == 2)


def describe(build):
    dirty = "" if not output("git", "status", "--porcelain", "-uno", "--", ":!docs", cwd=meridian.ROOT) else " with changes"
    return {"processor": first(r"model name\s*: (.*)", "/proc/cpuinfo"), "cores": os.cpu_count(),
            "hypervisor": "hypervisor" in first(r"flags\s*: (.*)", "/proc/cpuinfo").split(),
            "memory_mb": int(first(r"MemTotal:\s*(\d+)", "/proc/meminfo")) // 1024,
            "kernel": platform.release().split("-")[0], "system": first(r'PRETTY_NAME="(.*)"', "/etc/os-release"),
            "meridian": (output("git", "rev-parse", "--short=10", "HEAD", cwd=meridian.ROOT) or "of unknown version") + dirty,
            "archive": can(build, ARCHIVE), "packages": packages()}


def write(out, build):
    with open(os.path.join(out, "machine.json"), "w") as f:
        json.dump(describe(build), f, indent=1)

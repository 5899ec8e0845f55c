"""The Debian package: built from this build directory, installed by dpkg into a root of its own (with its maintainer scripts, told so by
DPKG_ROOT: users and systemd are the machine's and left alone), complete, and its programs run: --init, a node as systemd starts it, an
account, an orderly stop; then removed. The man pages are free of warnings, the unit of mistakes."""
import glob
import os
import re
import shutil
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../runner"))
import checks  # noqa: E402
import meridian  # noqa: E402
from procs import Failed, Lab  # noqa: E402

WANTED = ("usr/bin/meridiand", "usr/bin/meridianctl", "lib/systemd/system/meridian.service", "usr/share/man/man8/meridiand.8.gz",
          "usr/share/man/man8/meridianctl.8.gz", "usr/share/man/man5/meridian.toml.5.gz", "usr/share/doc/meridian/copyright",
          "usr/share/doc/meridian/metrics.md", "usr/share/doc/meridian/prometheus-rules.yml",
          "usr/share/bash-completion/completions/meridianctl", "usr/share/zsh/vendor-completions/_meridianctl", "etc/meridian")


def run(*argv, env=None):
    p = subprocess.run(argv, capture_output=True, text=True, env=dict(os.environ, **(env or {})), timeout=200)
    return p.returncode, p.stdout + p.stderr


def dpkg(root, *args):
    return run("dpkg", "--root=" + root, "--force-script-chrootless", "--force-depends", "--force-not-root", *args)


def install(lab, build, verdict):
    package = meridian.package(lab, build)
    fields = run("dpkg-deb", "-f", package)[1]
    verdict.check(all(d in fields for d in ("libssl3", "libuv1", "libsqlite3-0", "adduser")), "its dependencies: %s" %
                  re.search("^Depends: .*$", fields, re.M).group(0))
    root = lab.path("root")
    os.makedirs(os.path.join(root, "var/lib/dpkg/info"))
    os.makedirs(os.path.join(root, "var/lib/dpkg/updates"))
    open(os.path.join(root, "var/lib/dpkg/status"), "w").close()
    code, out = dpkg(root, "-i", package)
    verdict.check(code == 0 and "next: meridiand --init /etc/meridian" in out, "installed, and it says what comes next")
    lost = [w for w in WANTED if not os.path.exists(os.path.join(root, w))]
    verdict.check(not lost, "all is there%s" % (", except %s" % lost if lost else ""))
    verdict.check(not any(os.stat(p).st_mode & 0o022 for p in glob.glob(root + "/usr/bin/*")), "nobody else may write the programs")
    return root


def pages(root, verdict):
    for page in glob.glob(root + "/usr/share/man/man*/*.gz"):
        code, out = run("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page, env={"MANWIDTH": "100", "LC_ALL": "C.UTF-8"})
        warned = [line for line in out.splitlines() if "warning" in line]
        text = run("man", "-l", page, env={"MANWIDTH": "100", "LC_ALL": "C.UTF-8", "MANPAGER": "cat"})[1]
        verdict.check(code == 0 and not warned and len(text) > 1500, "%s: %d characters, no warnings %s"
                      % (os.path.basename(page), len(text), warned[:2] or ""))


def unit(root, verdict):
    path = os.path.join(root, "lib/systemd/system/meridian.service")
    if not shutil.which("systemd-analyze"):
        checks.say("  skipped: no systemd-analyze here")
        return
    out = run("systemd-analyze", "verify", "--man=no", path)[1]
    mine = [line for line in out.splitlines() if "meridian" in line and "is not executable" not in line]
    verdict.check(not mine, "systemd-analyze verify: nothing to say of the unit %s" % (mine or ""))
    code, out = run("systemd-analyze", "security", "--offline=true", "--no-pager", path)
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", out)
    verdict.check(level and float(level.group(1)) < 2.0, "exposure level: %s (of 10)" % (level.group(1) if level else out[-200:]))


def programs(lab, root, verdict):
    daemon, ctl = (os.path.join(root, "usr/bin", p) for p in ("meridiand", "meridianctl"))
    where, ip, domain = lab.path("node"), lab.ip(10), "new.test"
    code, out = run(daemon, "--init", where, "--domain", domain, "--listen", ip)
    verdict.check(code == 0 and "SELF-SIGNED" in out, "--init")
    conf = os.path.join(where, "meridian.toml")
    listen = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listen.bind(lab.path("notify.sock"))
    listen.settimeout(30)
    node = lab.start("meridiand", [daemon, "-c", conf], env={"NOTIFY_SOCKET": lab.path("notify.sock")})
    verdict.check(listen.recv(100) == b"READY=1", "the installed node says READY=1")
    code, out = run(ctl, "-c", conf, "adduser", "you@" + domain, "a password")
    verdict.check(code == 0, "the installed meridianctl makes an account %s" % out)
    code = node.stop()
    verdict.check(code == 0, "stopped with exit code %d" % code)
    code, out = run(daemon, "--init", where, "--domain", domain)
    verdict.check(code == 1 and "File exists" in out, "--init overwrites nothing")
    code, out = run(daemon, "--init", lab.path("system"), "--domain", domain, "--system")
    text = open(lab.path("system/meridian.toml")).read()
    verdict.check(code == 0 and "/var/lib/meridian/meridian.db" in text and "/run/meridian/control.sock" in text, "--init --system")


def main():
    options = checks.options(__doc__)
    lab, verdict = Lab("package"), checks.Verdict()
    if not shutil.which("dpkg-shlibdeps"):
        checks.skip("no dpkg-shlibdeps here (Debian package dpkg-dev)")
    try:
        root = install(lab, options.build, verdict)
        pages(root, verdict)
        unit(root, verdict)
        programs(lab, root, verdict)
        code, out = dpkg(root, "-r", "meridian")
        verdict.check(code == 0 and not os.path.exists(os.path.join(root, "usr/bin/meridiand")), "removed")
    except (Failed, OSError) as e:
        verdict.check(False, repr(e))
    return verdict.end("package", lab)


if __name__ == "__main__":
    sys.exit(main())

"""meridianctl import-users against a real node: passwords and ready keys, files with mistakes, a file given twice, 20,000
accounts at once; some of those imported log in."""
import base64
import hashlib
import hmac
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../runner"))
import certs  # noqa: E402
import checks  # noqa: E402
import clients  # noqa: E402
import meridian  # noqa: E402
from procs import C2S, Lab  # noqa: E402

DOMAIN = "one.test"
ITERATIONS = 4096
MANY, MANY_SECONDS, SANITIZED_SLOWER = 20000, 5, 8


def scram_key(digest, password, salt=b"0123456789abcdef", iterations=ITERATIONS):
    """The text form of RFC 5803, by RFC 5802 section 3."""
    name = {"sha1": "SCRAM-SHA-1", "sha256": "SCRAM-SHA-256"}[digest]
    salted = hashlib.pbkdf2_hmac(digest, password.encode(), salt, iterations)
    stored = hashlib.new(digest, hmac.digest(salted, b"Client Key", digest)).digest()
    server = hmac.digest(salted, b"Server Key", digest)
    return "%s$%d:%s$%s:%s" % (name, iterations, *(base64.b64encode(b).decode() for b in (salt, stored, server)))


def run(node, *args, stdin=None):
    """meridianctl; (exit code, output, error output)."""
    p = subprocess.run([meridian.program(node.build, "meridianctl"), "-c", node.config, *args], input=stdin,
                       capture_output=True, text=True, timeout=200)
    return p.returncode, p.stdout, p.stderr


async def logs_in(node, ca, name, password, mechanism):
    c = clients.Client("%s@%s/x" % (name, DOMAIN), password, (node.ip, C2S), ca, False)
    c["feature_mechanisms"].use_mech = mechanism
    await c.login()
    await c.logout()


def forms(lab, node, ca, verdict):
    sha1, sha256 = scram_key("sha1", "pw-key"), scram_key("sha256", "pw-key")
    path = lab.write("users.csv", "# people\n\npass@{d},pw,with,commas\nboth@{d},{b},{a}\nnew@{d},{b}\r\n".format(
        d=DOMAIN, a=sha1, b=sha256))
    result = node.ctl("import-users", path)
    verdict.check(result == {"made": 3, "existed": 0, "failed": 0, "failures": []}, "passwords and keys: %s" % result)
    for name, password, mechanism in (("pass", "pw,with,commas", "SCRAM-SHA-1"), ("both", "pw-key", "SCRAM-SHA-1"),
                                      ("both", "pw-key", "SCRAM-SHA-256"), ("new", "pw-key", "SCRAM-SHA-256"),
                                      ("new", "pw-key", "PLAIN")):
        clients.run(logs_in(node, ca, name, password, mechanism))
        verdict.check(True, "%s logs in by %s" % (name, mechanism))
    result = node.ctl("import-users", "-", stdin=open(path).read() + "late@%s,pw" % DOMAIN)
    verdict.check(result["existed"] == 3 and result["made"] == 1, "again, by standard input: %s" % result)


BAD = (("x@%s" % DOMAIN, "it is not JID,PASSWORD"),
       ("x@elsewhere.test,pw", "no account address of this node"),
       ("x@%s/r,pw" % DOMAIN, "no account address"),
       ("x@%s," % DOMAIN, "no usable password"),
       ("x@%s,SCRAM-SHA-256$10:a$b:c" % DOMAIN, "not of the form of RFC 5803"),
       ("x@%s,%s,%s" % (DOMAIN, scram_key("sha1", "a"), scram_key("sha1", "b")), "no usable password"),
       ("x@%s,%s" % (DOMAIN, "p" * 5000), "the line is too long"))


def mistakes(lab, node, verdict):
    path = lab.write("bad.csv", "".join("%s\n" % line for line, _ in BAD) + "good@%s,pw\n" % DOMAIN)
    code, out, err = run(node, "import-users", path)
    verdict.check(code == 1 and "made: 1\n" in out and "failed: %d\n" % len(BAD) in out, "exit code 1, the good line made: %s" % out)
    for i, (line, why) in enumerate(BAD):
        verdict.check(any(e.startswith("%s:%d: " % (path, i + 1)) and why in e for e in err.splitlines()),
                      "line %d is named, %s" % (i + 1, why))
    verdict.check("pw" not in err, "no password in what is said")
    code, _, err = run(node, "import-users", lab.path("absent.csv"))
    verdict.check(code == 66 and "absent.csv: No such file" in err, "exit code 66 without the file: %s" % err.strip())


def speed(lab, node, verdict):
    limit = MANY_SECONDS * (SANITIZED_SLOWER if checks.is_sanitized(node.build) else 1)
    key = scram_key("sha256", "pw-many") + "," + scram_key("sha1", "pw-many")
    path = lab.write("many.csv", "".join("u%d@%s,%s\n" % (i, DOMAIN, key) for i in range(MANY)))
    begun = time.monotonic()
    result = node.ctl("import-users", path)
    seconds = time.monotonic() - begun
    verdict.check(result["made"] == MANY and not result["failed"], "%d accounts with ready keys in %.1f s" % (MANY, seconds))
    verdict.check(seconds < limit, "that is under %d s" % limit)
    path = lab.write("hashed.csv", "".join("h%d@%s,pw-%d\n" % (i, DOMAIN, i) for i in range(200)))
    begun = time.monotonic()
    result = node.ctl("import-users", path)
    seconds = time.monotonic() - begun
    verdict.check(result["made"] == 200, "200 accounts with passwords in %.1f s (%.0f a second)" % (seconds, 200 / seconds))


def main():
    options = checks.options(__doc__)
    lab, verdict = Lab("accounts"), checks.Verdict()
    authority = certs.Authority(lab, "public")
    node = meridian.Node(lab, options.build, DOMAIN, lab.ip(10), authority.issue(DOMAIN, DOMAIN), authority.crt, shards=2,
                         log_level="warn").start()
    try:
        forms(lab, node, authority.crt, verdict)
        mistakes(lab, node, verdict)
        speed(lab, node, verdict)
        clients.run(logs_in(node, authority.crt, "u%d" % (MANY - 1), "pw-many", "SCRAM-SHA-256"))
        verdict.check(True, "the last of them logs in")
    except (TimeoutError, meridian.Failed, subprocess.TimeoutExpired) as e:
        verdict.check(False, "%s\n%s" % (e, node.proc.tail()))
    verdict.stop(node)
    node_gone = run(node, "status")
    verdict.check(node_gone[0] == 69, "exit code 69 without a node: %s" % node_gone[2].strip())
    return verdict.end("accounts", lab)


if __name__ == "__main__":
    sys.exit(main())

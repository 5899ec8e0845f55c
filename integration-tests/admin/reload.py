"""The configuration and the certificates of a running node taken over anew, by meridianctl and by SIGHUP: what applies now, what waits
for a restart, what is refused as a whole; a stream goes on over a new certificate. And what systemd is told meanwhile."""
import base64
import os
import select
import signal
import socket
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../runner"))
import certs  # noqa: E402
import checks  # noqa: E402
import clients  # noqa: E402
import meridian  # noqa: E402
import raw  # noqa: E402
from procs import C2S, C2S_TLS, Lab  # noqa: E402

DOMAIN = "one.test"
WATCHDOG_US = 400000  # what systemd would say in WATCHDOG_USEC


class Notify:
    """A stand-in for systemd's end of NOTIFY_SOCKET."""

    def __init__(self, lab):
        self.path = lab.path("notify.sock")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(20)

    def wait(self, state):
        """The next message that is not of the watchdog, or the next that is."""
        while True:
            got = self.socket.recv(4096).decode()
            if got.split("\n")[0] == state:
                return got
            if got != "WATCHDOG=1":
                raise meridian.Failed("told %r instead of %s" % (got, state))

    def drain(self):
        """Forget what has come."""
        while self.hears(0):
            self.socket.recv(4096)

    def hears(self, seconds):
        return bool(select.select([self.socket], [], [], seconds)[0])


def serial(node, ca):
    """Of the certificate that a new connection is shown."""
    context = ssl.create_default_context(cafile=ca)
    with socket.create_connection((node.ip, C2S_TLS), 10) as s, context.wrap_socket(s, server_hostname=DOMAIN) as t:
        return t.getpeercert()["serialNumber"]


def write(path, *changes):
    with open(path) as f:
        text = f.read()
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after)
    with open(path, "w") as f:
        f.write(text)


def refused(node):
    p = subprocess.run([meridian.program(node.build, "meridianctl"), "-c", node.good, "reload"], capture_output=True, text=True)
    return p.returncode, p.stderr


async def act(node, authority, verdict):
    check, ca = verdict.check, authority.crt
    a = await clients.Client("alice@%s/a" % DOMAIN, "pw", (node.ip, C2S), ca).login()
    b = await clients.Client("bob@%s/b" % DOMAIN, "pw", (node.ip, C2S), ca).login()
    before = serial(node, ca)
    report = node.ctl("reload")
    check(report["changed"] == [] and serial(node, ca) == before, "nothing changed: %s" % report)

    authority.issue(DOMAIN, DOMAIN)  # over the files in force
    check(serial(node, ca) == before, "new files alone do nothing")
    report = node.ctl("reload")
    after = serial(node, ca)
    check(after != before and report["certificates"][0]["days"] == 19, "a new certificate is in force: %s" % report["certificates"])
    a.send_message(mto=b.boundjid.full, mbody="over the old one", mtype="chat")
    await b.message("over the old one")
    check(not a.ended.is_set() and not b.ended.is_set(), "streams go on")
    await (await clients.Client("alice@%s/c" % DOMAIN, "pw", (node.ip, C2S), ca).login()).logout()
    check(True, "STARTTLS with the new one too")

    write(node.config, ('log_level = "info"', 'log_level = "debug"\nlog_format = "json"'), ("shards = 2", "shards = 3"),
          ("[control]", "[modules.offline]\nmax = 5\n[control]"), ("[s2s]", "[s2s]\nidle_timeout = \"1h\""))
    mark = os.path.getsize(node.proc.log)
    changed = {c["option"]: (c["before"], c["after"], c["applies"]) for c in node.ctl("reload")["changed"]}
    check(changed == {"[general] log_level": ('"info"', '"debug"', "now"), "[general] log_format": ('"text"', '"json"', "now"),
                      "[modules.offline] max": ("1000", "5", "now"), "[general] shards": ("2", "3", "restart"),
                      "[s2s] idle_timeout": ('"10m"', '"1h"', "now")}, "what changed: %s" % changed)
    node.proc.wait_log('"event":"conf.reloaded"', 10, mark)
    check(True, "the log speaks JSON at once")
    check([c["option"] for c in node.ctl("reload")["changed"]] == ["[general] shards"], "what waits for a restart is said again")
    await b.logout()
    for i in range(6):
        a.send_message(mto="bob@" + DOMAIN, mbody="kept %d" % i, mtype="chat")
    await a._wait(a.inbox, "a refusal of the sixth", lambda m: m["type"] == "error", 15)
    check(True, "the new limit of offline messages is in force")


def iterations(node, ca, user):
    """Of the keys that a login of this user is shown."""
    c = raw.Raw((node.ip, C2S))
    c.secure(DOMAIN, ca)
    c.send("<auth xmlns='%s' mechanism='SCRAM-SHA-256'>%s</auth>" % (raw.NS_SASL, raw.b64(b"n,,n=%s,r=nonce" % user.encode())))
    challenge = base64.b64decode(c.take("{%s}challenge" % raw.NS_SASL).text).decode()
    c.close()
    return int(dict(f.split("=", 1) for f in challenge.split(","))["i"])


def strangers(node, authority, verdict):
    """Names without an account are shown what new accounts have: also after a reload."""
    before = iterations(node, authority.crt, "nobody")
    write(node.config, ("[control]", "[auth]\nscram_iterations = 5000\n[control]"))
    node.ctl("reload")
    node.adduser("carol", "pw")
    shown = iterations(node, authority.crt, "nobody"), iterations(node, authority.crt, "carol")
    verdict.check(before == 10000 and shown == (5000, 5000), "scram_iterations are in force for all: %d, then %d and %d" %
                  (before, *shown))


def reached_for(node, domain):
    """Why a message to this domain came to nothing, noted at once."""
    node.ctl("send", "u@" + domain, "x")
    shown = checks.until("an outcome for " + domain, lambda: [s for s in [node.ctl("s2s", "show", domain)] if s["outcomes"]])[0]
    return shown["outcomes"][0]["cause"]


def policies(node, lab, verdict):
    """Rules and block list of federation, by reload; a broken list leaves all as it is."""
    check, path = verdict.check, lab.write("blocked.txt", "# spam\nspam.test\n")
    write(node.config, ("[control]", "[[s2s.host_policy]]\nhost = \"rude.test\"\npolicy = \"deny\"\n[control]"),
          ("[s2s]", "[s2s]\nblocklist_file = \"%s\"" % path))
    changed = {c["option"]: c["applies"] for c in node.ctl("reload")["changed"] if "s2s" in c["option"]}
    check(changed == {"[s2s] blocklist_file": "now", "[[s2s.host_policy]]#1": "now"}, "rules apply now: %s" % changed)
    causes = [reached_for(node, d) for d in ("rude.test", "spam.test")]
    check(causes == ["policy-ours"] * 2, "by rule and by block list: %s" % causes)
    lab.write("blocked.txt", "spam.test\nmore.test\nno domain\n")
    p = subprocess.run([meridian.program(node.build, "meridianctl"), "-c", node.config, "reload"], capture_output=True, text=True)
    check(p.returncode == 1 and "blocked.txt:3: 'no domain' is not a domain" in p.stderr, "a broken list: %s" % p.stderr.strip())
    lab.write("blocked.txt", "more.test\n")
    node.ctl("reload")
    write(node.config, ("[s2s]", "[s2s]\ncrl_file = \"%s\"" % path))
    p = subprocess.run([meridian.program(node.build, "meridianctl"), "-c", node.config, "reload"], capture_output=True, text=True)
    check(p.returncode == 1 and "blocked.txt: " in p.stderr, "no revocation list: %s" % p.stderr.strip())
    write(node.config, ("crl_file = \"%s\"\n" % path, ""))
    check(reached_for(node, "more.test") == "policy-ours", "the list is read anew")


def refusals(node, authority, verdict):
    check, before = verdict.check, serial(node, authority.crt)
    write(node.config, ('log_level = "debug"', 'log_levle = "trace"\nlog_level = "loud"'))
    code, why = refused(node)
    check(code == 1 and "nothing was changed" in why and 'did you mean "log_level"' in why and "must be one of" in why,
          "all errors at once: %s" % why.replace("\n", " | "))
    check(node.ctl_good("loglevel")[0]["level"] == "debug", "and the level is as it was")
    write(node.config, ('log_levle = "trace"\nlog_level = "loud"', 'log_level = "warn"'))
    with open(node.key, "r+") as f:
        f.write("-----BEGIN NONSENSE")
    code, why = refused(node)
    check(code == 1 and node.key in why, "a key that is none: %s" % why.replace("\n", " | "))
    check(node.ctl_good("loglevel")[0]["level"] == "debug" and serial(node, authority.crt) == before,
          "neither level nor certificate changed")


def sighup(node, authority, notify, verdict):
    mark = os.path.getsize(node.proc.log)
    node.proc.signal(signal.SIGHUP)
    notify.wait("RELOADING=1")
    notify.wait("READY=1")
    node.proc.wait_log("conf.refused", 10, mark)
    verdict.check(True, "SIGHUP with a broken key: refused, told to systemd, the node runs")
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", node.key], check=True)
    subprocess.run(["openssl", "req", "-x509", "-key", node.key, "-days", "2", "-subj", "/CN=short", "-addext",
                    "subjectAltName=DNS:" + DOMAIN, "-out", node.crt], check=True, stderr=subprocess.DEVNULL)
    mark = os.path.getsize(node.proc.log)
    node.proc.signal(signal.SIGHUP)
    notify.wait("RELOADING=1")
    notify.wait("READY=1")
    node.proc.wait_log("tls.certificate.expires", 10, mark)
    verdict.check(True, "SIGHUP: a certificate for two days is taken and complained of")
    notify.wait("WATCHDOG=1")
    notify.wait("WATCHDOG=1")
    verdict.check(True, "the watchdog hears of us")
    node.proc.signal(signal.SIGSTOP)
    checks.until("a node that stands still", lambda: open("/proc/%d/stat" % node.proc.pid).read().split()[2] == "T")
    notify.drain()
    heard = notify.hears(3 * WATCHDOG_US / 1e6)
    node.proc.signal(signal.SIGCONT)
    notify.wait("WATCHDOG=1")
    verdict.check(not heard, "the watchdog hears nothing while the node stands still, and hears again when it goes on")


def main():
    options = checks.options(__doc__)
    lab, verdict = Lab("reload"), checks.Verdict()
    authority = certs.Authority(lab, "public")
    notify = Notify(lab)
    crt, key = authority.issue(DOMAIN, DOMAIN)
    node = meridian.Node(lab, options.build, DOMAIN, lab.ip(10), (crt, key), authority.crt, shards=2)
    node.crt, node.key = crt, key
    node.good = lab.write("good.toml", open(node.config).read())  # for meridianctl while the other one is broken
    node.ctl_good = lambda *args: (setattr(node, "config", node.good), node.ctl(*args), setattr(node, "config", node.own))[1]
    node.own = node.config
    node.proc = lab.start(node.name, [meridian.program(options.build, "meridiand"), "-c", node.config],
                          env={"NOTIFY_SOCKET": notify.path, "WATCHDOG_USEC": str(WATCHDOG_US)})
    try:
        notify.wait("READY=1")
        verdict.check(True, "systemd is told READY=1")
        for name in ("alice", "bob"):
            node.adduser(name, "pw")
        clients.run(act(node, authority, verdict))
        strangers(node, authority, verdict)
        policies(node, lab, verdict)
        refusals(node, authority, verdict)
        sighup(node, authority, notify, verdict)
    except (TimeoutError, meridian.Failed) as e:
        verdict.check(False, "%s\n%s" % (e, node.proc.tail()))
    verdict.stop(node)
    notify.wait("STOPPING=1")
    verdict.check(True, "systemd is told STOPPING=1")
    return verdict.end("reload", lab)


if __name__ == "__main__":
    sys.exit(main())

"""Each scenario of loadgen, briefly, against a node: no error, figures that can be. Then servers that die or stand still: an
error, in time. Wrong use: exit code 2."""
import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../runner"))
import certs  # noqa: E402
import checks  # noqa: E402
import meridian  # noqa: E402
from procs import C2S, C2S_TLS, S2S, Lab  # noqa: E402

DOMAIN, ACCOUNTS, PEERS, PEER_PORT = "bench.test", 12, 6, 25270
SHORT = ["--seconds", "1", "--warmup", "0.3"]
# name: arguments, figures that must be greater than nothing, figures that must be so
CASES = {
    "pairs": (["pairs", "--pairs", "4", "--window", "3"] + SHORT, ["messages", "rate", "cpu_us_per_message", "rss"],
              {"missing": 0}),
    "pairs, two threads, counted": (["pairs", "--pairs", "5", "--messages", "500", "--threads", "2"],
                                    ["rate", "cpu_us_per_message"], {"messages": 500, "missing": 0}),
    "pairs, large": (["pairs", "--pairs", "2", "--messages", "60", "--size", "40000", "--window", "4"], ["rate"],
                     {"messages": 60}),
    "pairs, direct TLS, PLAIN": (["pairs", "--pairs", "2", "--messages", "50", "--mode", "direct", "--mech", "plain"], [],
                                 {"messages": 50}),
    "pairs, TLS 1.2, no presence": (["pairs", "--pairs", "2", "--messages", "50", "--tls12", "--no-presence"], [],
                                    {"messages": 50}),
    "rate": (["rate", "--pairs", "4", "--rate", "200"] + SHORT, ["messages", "p50", "p999", "max", "latencies"],
             {"missing": 0}),
    "rate, even": (["rate", "--pairs", "4", "--rate", "100", "--schedule", "even", "--threads", "2"] + SHORT, ["p50"],
                   {"latencies": 100, "missing": 0}),
    "login": (["login", "--count", "20", "--concurrency", "4"], ["rate", "cpu_us_per_login", "p50"],
              {"logins": 20, "resumed": 0}),
    "login, resumed": (["login", "--count", "20", "--concurrency", "4", "--resume"], ["cpu_us_per_login"],
                       {"logins": 20, "resumed": 20}),
    "login, resumed, TLS 1.2": (["login", "--count", "20", "--resume", "--tls12"], ["cpu_us_per_login"],
                                {"logins": 20, "resumed": 20}),
    "idle": (["idle", "--sessions", "20", "--hold", "0.5", "--keepalive", "0.2", "--settle", "0.2"],
             ["rss_before", "rss_idle", "rss_after_traffic", "hold_cpu_percent"], {"sessions": 20}),
    "offline": (["offline", "--users", "5", "--messages", "10"], ["cpu_us_per_stored", "cpu_us_per_login"],
                {"messages": 50, "missing": 0}),
    "s2s-cold": (["s2s-cold"], ["cpu_us", "p50"], {"reached": PEERS, "proved_by_certificate": PEERS, "missing": 0}),
    "s2s": (["s2s", "--window", "2"] + SHORT, ["stanzas_in", "stanzas_out", "cpu_us_per_stanza"],
            {"missing": 0, "proved_by_certificate": PEERS}),
    "s2s, in": (["s2s", "--direction", "in"] + SHORT, ["stanzas_in"], {"missing": 0, "stanzas_out": 0}),
    "s2s, out, dialback": (["s2s", "--direction", "out", "--dialback"] + SHORT, ["stanzas_out"],
                           {"missing": 0, "stanzas_in": 0, "proved_by_dialback": PEERS}),
    "s2s, both, dialback": (["s2s", "--dialback"] + SHORT, ["stanzas_in", "stanzas_out"],
                            {"missing": 0, "proved_by_dialback": PEERS}),
    "s2s, acks": (["s2s", "--window", "2", "--peer-acks"] + SHORT, ["stanzas_in", "stanzas_out"],
                  {"missing": 0, "acknowledging": 2 * PEERS, "proved_by_certificate": PEERS}),
    "s2s, acks, dialback": (["s2s", "--peer-acks", "--dialback"] + SHORT, ["stanzas_in", "stanzas_out"],
                            {"missing": 0, "acknowledging": 2 * PEERS, "proved_by_dialback": PEERS}),
    "s2s, rate": (["s2s", "--rate", "300"] + SHORT, ["latencies", "p50", "p99", "stanzas_in", "stanzas_out"], {"missing": 0}),
    "s2s, rate, in": (["s2s", "--rate", "200", "--direction", "in", "--schedule", "even"] + SHORT, ["p50"],
                      {"missing": 0, "latencies": 200, "stanzas_out": 0}),
    "s2s-idle": (["s2s-idle", "--traffic", "3", "--settle", "0.2", "--peer-acks"], ["rss_before", "rss_in", "rss_both"],
                 {"missing": 0, "acknowledging": 2 * PEERS, "proved_by_certificate": PEERS}),
    "presence": (["presence", "--roster", "10", "--count", "20", "--window", "2"], ["cpu_us_per_delivery"],
                 {"deliveries": 200}),
    "presence, once more": (["presence", "--roster", "11", "--count", "5"], ["cpu_us_per_delivery"], {"deliveries": 55}),
}


class Scene:
    def __init__(self, lab, build):
        self.lab, self.build = lab, build
        authority = certs.Authority(lab, "public")
        names = ["p%d.peer.test" % i for i in range(PEERS)]
        self.peer_crt, self.peer_key = authority.issue("peer", *names, usage="serverAuth,clientAuth")
        self.listen = "%s:%d" % (lab.ip(20), PEER_PORT)
        self.ca = authority.crt
        self.node = meridian.Node(
            lab, build, DOMAIN, lab.ip(10), authority.issue(DOMAIN, DOMAIN, usage="serverAuth,clientAuth"), authority.crt,
            store="mem", overrides=[(name, self.listen) for name in names],
            extra="[auth]\nscram_iterations = 4096\n").start()
        for i in range(ACCOUNTS):
            self.node.adduser("u%d" % i, "secret")

    def argv(self, args):
        port = C2S_TLS if "direct" in args else C2S
        more = ["--server", "%s:%d" % (self.node.ip, port), "--domain", DOMAIN, "--ca", self.ca, "--accounts", str(ACCOUNTS),
                "--pid", str(self.node.proc.pid), "--timeout", "20"]
        if args[0].startswith("s2s"):
            more += ["--peer-domains", str(PEERS), "--listen", self.listen, "--s2s-server", "%s:%d" % (self.node.ip, S2S),
                     "--cert", self.peer_crt, "--key", self.peer_key]
        return [meridian.program(self.build, "loadgen")] + args[:1] + more + args[1:]

    def start(self, args):
        return subprocess.Popen(self.argv(args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, args):
        return end(self.start(args))


def end(proc):
    """Exit code and the one line, decoded."""
    out, err = proc.communicate(timeout=100)
    lines = out.splitlines()
    return proc.returncode, json.loads(lines[0]) if len(lines) == 1 else {"ok": None, "error": "%s\n%s" % (out, err)}


def scenarios(scene, verdict):
    for name, (args, positive, exact) in CASES.items():
        code, got = scene.run(args)
        wrong = [k for k in positive if not (got.get(k) or 0) > 0] + [k for k, v in exact.items() if got.get(k) != v]
        verdict.check(code == 0 and got["ok"] is True and got["errors"] == 0 and not wrong,
                      "%s%s" % (name, ": %s %s" % (wrong, got) if wrong or got["ok"] is not True else ""))


def wrong_use(scene, verdict):
    for args in (["nothing"], ["pairs"], ["pairs", "--pairs", "0"], ["pairs", "--pairs", "2", "--size", "12"],
                 ["pairs", "--pairs", "2", "--no-such-option"], ["presence", "--roster", "12", "--count", "1"],
                 ["login", "--count", "1", "--threads", "2"]):
        p = subprocess.run(scene.argv(args), capture_output=True, text=True, timeout=20)
        verdict.check(p.returncode == 2 and not p.stdout and p.stderr.startswith("loadgen: "),
                      "wrong use: %s: %s" % (" ".join(args), p.stderr.strip()))
    code, got = scene.run(["pairs", "--pairs", "2", "--password", "wrong"])
    verdict.check(code == 1 and got["ok"] is False and "not-authorized" in got["error"], "a wrong password: %s" % got["error"])
    code, got = scene.run(["pairs", "--pairs", "2", "--ca", scene.peer_crt])
    verdict.check(code == 1 and got["ok"] is False and "certificate" in got["error"], "another CA: %s" % got["error"])


def gone(scene, verdict):
    """A server that stands still, then one that dies, both under load."""
    for what, number, says in (("stands still", signal.SIGSTOP, "nothing has moved"),
                               ("dies", signal.SIGKILL, "connection ended")):
        proc = scene.start(["pairs", "--pairs", "4", "--seconds", "60", "--timeout", "2"])
        proc.stderr.readline()  # "N clients are in"
        scene.node.proc.signal(number)
        code, got = end(proc)
        scene.node.proc.signal(signal.SIGCONT)
        verdict.check(code == 1 and got["ok"] is False and says in got["error"], "a server that %s: %s" % (what, got["error"]))


def main():
    options = checks.options(__doc__)
    lab, verdict = Lab("loadgen"), checks.Verdict()
    scene = Scene(lab, options.build)
    try:
        scenarios(scene, verdict)
        wrong_use(scene, verdict)
        verdict.stop(scene.node)
        scene.node.start()
        for i in range(ACCOUNTS):
            scene.node.adduser("u%d" % i, "secret")
        gone(scene, verdict)
    except (meridian.Failed, subprocess.TimeoutExpired) as e:
        verdict.check(False, "%s\n%s" % (e, scene.node.proc.tail()))
    return verdict.end("loadgen", lab)


if __name__ == "__main__":
    sys.exit(main())

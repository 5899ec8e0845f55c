"""The private HTTP port of a real node: what it refuses, health and readiness; every metric is documented and nothing else is there;
numbers that follow what clients do; and a real Prometheus that scrapes it, loads the alert rules of packaging/ and finds every metric
that they and the dashboard name."""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../runner"))
import certs  # noqa: E402
import checks  # noqa: E402
import clients  # noqa: E402
import meridian  # noqa: E402
from procs import C2S, Lab  # noqa: E402

DOMAIN = "one.test"
PORT, PROMETHEUS = 29205, 29090
PACKAGING = os.path.join(meridian.ROOT, "packaging")


def get(ip, port, path):
    try:
        with urllib.request.urlopen("http://%s:%d%s" % (ip, port, path), timeout=20) as r:
            return r.status, r.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


def raw(ip, data):
    with socket.create_connection((ip, PORT), 20) as s:
        s.sendall(data)
        got = b""
        while True:
            more = s.recv(65536)
            if not more:
                return got.decode()
            got += more


def numbers(node):
    """{series: value} of a scrape."""
    lines = get(node.ip, PORT, "/metrics")[1].splitlines()
    return {k: float(v) for k, v in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


def documented():
    with open(os.path.join(meridian.ROOT, "docs/metrics.md")) as f:
        return {m.group(1): m.group(2) for m in re.finditer(r"^\| `(\w+)` \| (\w+) \|", f.read(), re.M)}


def port(node, verdict):
    check = verdict.check
    check(get(node.ip, PORT, "/healthz") == (200, "ok\n"), "/healthz: ok")
    check(get(node.ip, PORT, "/readyz") == (200, "ready\n"), "/readyz: ready")
    check(get(node.ip, PORT, "/")[0] == 404, "/: 404")
    check(raw(node.ip, b"POST /metrics HTTP/1.1\r\nHost: a\r\n\r\n").startswith("HTTP/1.1 405 "), "POST: 405")
    check(raw(node.ip, b"nonsense\r\n\r\n").startswith("HTTP/1.1 400 "), "nonsense: 400")
    check(raw(node.ip, b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 3000).startswith("HTTP/1.1 431 "), "too many headers: 431")
    head = raw(node.ip, b"HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
    check("\r\nContent-Length: " in head and head.endswith("\r\n\r\n"), "HEAD: no body")
    idle = [socket.create_connection((node.ip, PORT)) for _ in range(20)]
    for s in idle:
        s.close()

    def healthy():
        try:
            return get(node.ip, PORT, "/healthz")[0] == 200
        except OSError:  # while the idle ones are not gone yet
            return False
    checks.until("/healthz after 20 idle connections", healthy)
    check(True, "idle connections do not close the port")
    names = dict(re.findall(r"^# TYPE (\w+) (\w+)$", get(node.ip, PORT, "/metrics")[1], re.M))
    check(names == documented(), "all %d metrics are documented with their types, and no others" % len(names))


async def act(node, ca, verdict):
    before = numbers(node)
    a = await clients.Client("alice@%s/a" % DOMAIN, "pw", (node.ip, C2S), ca).login()
    try:
        await clients.Client("alice@%s/a" % DOMAIN, "wrong", (node.ip, C2S), ca).login(10)
    except TimeoutError:
        pass
    for i in range(5):
        a.send_message(mto=a.boundjid.full, mbody="note %d" % i, mtype="chat")
        await a.message("note %d" % i)
    now = numbers(node)

    def grew(name, by, exact=True):
        delta = now[name] - before[name]
        verdict.check(delta == by if exact else delta >= by, "%s grew by %g (%s%g)" % (name, delta, "" if exact else "at least ", by))
    grew('meridian_c2s_logins_total{outcome="ok"}', 1)
    grew('meridian_c2s_logins_total{outcome="failed"}', 1, False)
    grew('meridian_stanzas_total{flow="from_clients",kind="message"}', 5)
    grew('meridian_stanzas_total{flow="to_clients",kind="message"}', 5)
    grew('meridian_stanzas_total{flow="from_clients",kind="presence"}', 1)
    grew('meridian_network_bytes_total{direction="in"}', 1000, False)
    grew('meridian_store_operations_total{kind="read"}', 1, False)
    verdict.check(now['meridian_c2s_connections{state="authenticated"}'] == 1 and now["meridian_users"] == 1, "one client, one user")
    verdict.check(now['meridian_s2s_rtbl_following{list="rtbl.test/spam"}'] == 0 and
                  now['meridian_s2s_rtbl_items{list="rtbl.test/spam"}'] == 0 and
                  now['meridian_s2s_rtbl_events_total{list="rtbl.test/spam",event="publish"}'] == 0, "one block list, not followed yet")
    verdict.check(now["meridian_resident_memory_bytes"] > 1e6 and now['meridian_loop_turn_seconds_count{shard="1"}'] > 0,
                  "memory and loops are measured")
    await a.logout()


def scraped(lab, node, verdict):
    """A real Prometheus with the rules of packaging/."""
    check = verdict.check
    if not shutil.which("prometheus"):
        checks.say("  skipped: no prometheus here (Debian package prometheus)")
        return
    rules = os.path.join(PACKAGING, "prometheus-rules.yml")
    p = subprocess.run(["promtool", "check", "rules", rules], capture_output=True, text=True)
    check(p.returncode == 0, "promtool takes the alert rules: %s" % (p.stdout + p.stderr).strip().splitlines()[-1])
    text = get(node.ip, PORT, "/metrics")[1]
    p = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    check(p.returncode == 0 and not p.stdout and not p.stderr, "promtool finds nothing wrong with the metrics: %s" % (p.stdout + p.stderr))
    config = lab.write("prometheus.yml", "global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%s]\nscrape_configs:\n"
                       "- job_name: meridian\n  static_configs: [{targets: ['%s:%d']}]\n" % (rules, node.ip, PORT))
    ip = lab.ip(20)
    prometheus = lab.start("prometheus", ["prometheus", "--config.file=" + config, "--storage.tsdb.path=" + lab.path("tsdb"),
                                          "--web.listen-address=%s:%d" % (ip, PROMETHEUS)])
    prometheus.wait_port(ip, PROMETHEUS)
    checks.until("Prometheus is ready", lambda: get(ip, PROMETHEUS, "/-/ready")[0] == 200, 60)

    def query(what):
        return json.loads(get(ip, PROMETHEUS, "/api/v1/" + what)[1])["data"]
    checks.until("a scrape", lambda: query("query?query=up")["result"] and query("query?query=up")["result"][0]["value"][1] == "1", 30)
    check(True, "Prometheus scrapes the node")
    have = set(query("label/__name__/values"))
    used = set()
    for name in ("prometheus-rules.yml", "grafana-dashboard.json"):
        with open(os.path.join(PACKAGING, name)) as f:
            used |= set(re.findall(r"meridian_\w+", f.read()))
    lost = used - have
    check(used and not lost, "rules and dashboard name %d series that there are%s" % (len(used), ", except %s" % lost if lost else ""))
    states = checks.until("rules evaluated", lambda: [r for g in query("rules")["groups"] for r in g["rules"] if r["health"] == "ok"], 30)
    broken = [r["name"] for g in query("rules")["groups"] for r in g["rules"] if r["health"] == "err"]
    check(states and not broken, "%d alert rules are evaluated, none breaks %s" % (len(states), broken or ""))


def main():
    options = checks.options(__doc__)
    lab, verdict = Lab("metrics"), checks.Verdict()
    authority = certs.Authority(lab, "public")
    node = meridian.Node(lab, options.build, DOMAIN, lab.ip(10), authority.issue(DOMAIN, DOMAIN), authority.crt, shards=2,
                         overrides=[("rtbl.test", "%s:1" % lab.ip(30))],
                         extra='[[s2s.rtbl]]\nservice = "rtbl.test"\nnode = "spam"\n'
                               '[metrics]\nlisten = "%s:%d"\n' % (lab.ip(10), PORT)).start()
    try:
        node.adduser("alice", "pw")
        port(node, verdict)
        clients.run(act(node, authority.crt, verdict))
        scraped(lab, node, verdict)
    except (TimeoutError, meridian.Failed, OSError) as e:
        verdict.check(False, "%r\n%s" % (e, node.proc.tail()))
    verdict.stop(node)
    return verdict.end("metrics", lab)


if __name__ == "__main__":
    sys.exit(main())

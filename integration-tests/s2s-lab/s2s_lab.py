"""A lab of broken servers: for each, the cause must be named rightly by `meridianctl s2s explain` (or, where it shows only once
something is sent, by the domain's record), and the sender's bounce must say it in words. Two nodes: one as it comes, one that
goes by certificates alone."""
import argparse
import concurrent.futures
import importlib.util
import json
import os
import subprocess
import sys
import time
import urllib.request

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "../runner")]
import cases  # noqa: E402
import certs  # noqa: E402
import checks  # noqa: E402
import lab_certs  # noqa: E402
import lab_dns  # noqa: E402
import lab_others  # noqa: E402
import lab_peer  # noqa: E402
import lab_report  # noqa: E402
import meridian  # noqa: E402
import raw  # noqa: E402
from checks import say  # noqa: E402
from procs import C2S_TLS, DNS, S2S, Failed, Lab  # noqa: E402

_spec = importlib.util.spec_from_file_location("gen_causes", os.path.join(meridian.ROOT, "tools", "gen-causes.py"))
gen_causes = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(gen_causes)

WORLD, STRICT = "world.test", "strict.test"
AT_ONCE = 12   # explanations; a node has 16 for each shard
FIRST_IP = 20  # of the cases; those before are ours
# messages wait for two attempts or three, then they come back
OPTIONS = """connect_timeout = "7s"
retry_min = "500ms"
retry_max = "2s"
expire_iq = "3s"
expire_message = "%ds"
ping_interval = "1s"
ack_timeout = "2s"
"""
EXPIRE = 11
NEW = 2        # domains a minute that may become known to the strict node
METRICS = 25205
TOP = 10  # domains that metrics name


class Stage:
    """DNS, peers and certificates of all cases; nodes are added by who tests them."""

    def __init__(self, lab, wanted):
        self.lab, self.cases = lab, wanted
        self.public = certs.Authority(lab, "public")
        made = lab_certs.Certs(lab, self.public, certs.Authority(lab, "foreign"))
        self.crl = made.revoke("%s-%s" % (c.cert, c.domain) for c in wanted if c.cert == "revoked")
        good = made.shared([c.domain for c in wanted if c.cert == "good"])
        host = lab_peer.Host()
        zones, wrong = {}, {}
        for n, c in enumerate(wanted):
            c.ip, c.spare = lab.ip(FIRST_IP + n), lab.ip(18)
            zones.update(c.records())
            if c.wrong:
                wrong[c.domain] = c.wrong
            if c.hole:
                host.black_hole((c.ip, S2S))
            elif c.listens and c.peer:
                host.listen((c.ip, S2S), c.peer, c.domain, good if c.cert == "good" else made.context(c.cert, c.domain))
            if c.tlsa:
                shown = made.shown(c.cert if c.tlsa == "right" else "other-name", c.domain)
                zones["_%d._tcp.host.%s" % (S2S, c.domain)] = [lab_dns.tlsa(shown)]
        self.zones = zones
        signed = [c.domain for c in wanted if c.tlsa in ("right", "wrong")]
        self.dns = lab_dns.Server((lab.ip(2), DNS), zones, wrong, signed)

    def add(self, domain, ip):
        self.zones.update({"_xmpp-server._tcp." + domain: [lab_dns.srv("host." + domain, S2S)], "host." + domain: [lab_dns.a(ip)]})


class Meridian:
    """The nodes, and what they say."""

    def __init__(self, stage, build):
        self.lab, self.build = stage.lab, build
        self.nodes = {}
        rules = "".join('[[s2s.host_policy]]\nhost = "%s"\n%s\n' % (c.domain, c.rule) for c in stage.cases + cases.INBOUND if c.rule)
        for domain, ip, more in ((WORLD, stage.lab.ip(10), ""), (STRICT, stage.lab.ip(11), "dialback = false\nnew_domains = %d\n" % NEW)):
            stage.add(domain, ip)
            self.nodes[domain] = meridian.Node(stage.lab, build, domain, ip, stage.public.issue(domain, domain), stage.public.crt,
                                               dns=stage.dns, node=domain.partition(".")[0], store="mem",
                                               s2s=OPTIONS % EXPIRE + more + 'crl_file = "%s"\n' % stage.crl,
                                               extra='[auth]\nscram_iterations = 4096\n[metrics]\nlisten = "%s:%d"\n%s'
                                               % (ip, METRICS, rules))
        for node in self.nodes.values():
            node.start()
            node.adduser("alice", "pw-alice")

    def node_of(self, case):
        return self.nodes[STRICT if case.strict else WORLD]

    def ctl(self, case, *args):
        """(exit code, what it printed)."""
        node = self.node_of(case)
        p = subprocess.run([meridian.program(self.build, "meridianctl"), "-c", node.config, "--json", "s2s", *args],
                           capture_output=True, text=True, timeout=60)
        return p.returncode, p.stdout, p.stderr

    def show(self, case):
        """The domain's record; {} if there is none."""
        code, out, _ = self.ctl(case, "show", case.domain)
        return json.loads(out) if code == 0 else {}

    def explain(self, case):
        code, out, err = self.ctl(case, "explain", case.domain)
        try:
            return code, json.loads(out)
        except ValueError:
            raise Failed("explain %s: exit code %d: %s%s" % (case.domain, code, out, err))


def explain_all(verdict, world, wanted, results):
    """Each case is explained live; returns how many rightly."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        reports = dict(zip(wanted, pool.map(world.explain, wanted)))
    right = 0
    for case in wanted:
        code, got = reports[case]
        results[case.name] = (got["cause"], None, False)
        ok = got["cause"] == case.cause and code == (0 if got["works"] else 1) and got["works"] == (got["cause"] == "none")
        right += ok
        verdict.check(ok, "%-12s %-20s %-52s %s%s" % (case.group, case.name, case.what[:52], got["cause"],
                                                      "" if ok else " (exit code %d), should be %s" % (code, case.cause)))
        if not ok or os.environ.get("SHOW"):
            say("        %s" % got["verdict"])
            for row in got["steps"]:
                say("          %(ms)5d %(took)5d %(step)-12s %(about)-40s %(outcome)s" % row)
    return right


class Alice:
    """Writes to everybody, once; what comes back is kept: {domain: (condition, text)}."""

    def __init__(self, connection):
        self.raw, self.back = connection, {}

    def write(self, wanted):
        for case in wanted:
            self.raw.send("<message to='u@%s' id='%s' type='chat'><body>%s</body></message>"
                          % (case.domain, case.name, "x" * (20000 if case.big else 20)))

    def wait(self, wanted, seconds):
        """Until all of them have come back, or the time is over."""
        end = time.monotonic() + seconds
        missing = {c.domain for c in wanted}
        while missing and time.monotonic() < end and not self.raw.eof:
            self.raw.pump(0.2)
            for el in self.raw.elements:
                error = el.find("{jabber:client}error")
                domain = el.get("from", "").partition("@")[2]
                if el.get("type") == "error" and error is not None:
                    text = error.findtext("{%s}text" % raw.NS_STANZAS) or ""
                    self.back[domain] = (raw.condition(error, raw.NS_STANZAS), text)
                    missing.discard(domain)
            del self.raw.elements[:]
        return missing


def texts_of():
    """What bounces must say: {cause: (condition, clause)}."""
    rows = gen_causes.read()
    return {name: (condition, clause) for name, _, _, condition, _, clause, _ in rows}


def is_told(texts, names, got):
    return any(got[0] == texts[n][0] and texts[n][1] in got[1] for n in names)


def bounce_all(verdict, world, wanted, ca, results):
    """A message to each: what cannot be reached comes back, with the cause in words; the record says the same."""
    texts, hopeless = texts_of(), [c for c in wanted if c.is_hopeless()]
    for domain, node in world.nodes.items():
        mine = [c for c in hopeless if world.node_of(c) is node]
        alice = Alice(raw.Raw((node.ip, C2S_TLS), 60).login(domain, "alice", "pw-alice", ca, "lab", direct=True))
        alice.write(mine)
        checks.until("metrics name domains for which something waits", lambda: waiting_in(node))
        n = len(waiting_in(node))
        verdict.check(1 <= n <= TOP, "%s: metrics name %d domains of %d, at most %d" % (domain, n, len(mine), TOP))
        missing = alice.wait(mine, EXPIRE + 25)
        alice.raw.close()
        for c in mine:
            names = c.names()
            got, known = alice.back.get(c.domain, ("nothing", "")), world.show(c).get("outcomes", [])
            ok = c.domain not in missing and is_told(texts, names, got)
            results[c.name] = (results[c.name][0], alice.back.get(c.domain), ok)
            noted = names[0] in cases.BOUNCED_ONLY or any(o["cause"] in names for o in known if o["direction"] == "out")
            verdict.check(ok and noted, "%-12s %-20s comes back: %s \"%s\"%s" % (
                c.group, c.name, got[0], got[1], "" if ok and noted else " should be %s; noted: %s"
                % ("/".join(names), [o["cause"] for o in known])))


def inbound_all(verdict, world, ca):
    """Peers that come to us and are wrong: the record of the domain they claim names it."""
    node = world.nodes[WORLD]
    for case in cases.INBOUND:
        case.ca, case.strict = ca, False
        c = raw.Raw((node.ip, S2S), 10)
        case.act(c, case, WORLD)
        while c.pump(0.3):
            pass  # it may answer before we go
        c.close()

        def noted():
            return [o["cause"] for o in world.show(case).get("outcomes", []) if o["direction"] == "in"]
        got = checks.until("%s has a record" % case.domain, noted, 10)
        verdict.check(got == [case.cause], "%-12s %-20s %-52s %s%s" % ("inbound", case.name, case.what, "/".join(got),
                                                                      "" if got == [case.cause] else ", should be " + case.cause))


def come(node, ca, domain, cert):
    """What the node says to EXTERNAL of that domain."""
    c = raw.Raw((node.ip, S2S), 10)
    c.secure(node.domain, ca, raw.NS_SERVER, cert, " from='%s'" % domain)
    c.send("<auth xmlns='%s' mechanism='EXTERNAL'>=</auth>" % raw.NS_SASL)
    el = c.take("{%s}success" % raw.NS_SASL, "{%s}failure" % raw.NS_SASL)
    c.close()
    return "success" if el.tag.endswith("success") else raw.condition(el, raw.NS_SASL)


def newcomers_all(verdict, world, stage):
    """Domains nobody has seen, all with good certificates: so many are let in, then one has to wait; whoever was seen comes and goes."""
    node, names = world.nodes[STRICT], ["new-%d.test" % n for n in range(NEW + 1)]
    certificates = {n: stage.public.issue(n, n, usage="serverAuth,clientAuth") for n in names}
    for name in names + names[:1]:
        wanted = "temporary-auth-failure" if name == names[NEW] else "success"
        got = come(node, stage.public.crt, name, certificates[name])
        verdict.check(got == wanted, "%-12s %-20s %-52s %s%s" % ("newcomers", name, "EXTERNAL; %d new domains a minute" % NEW, got,
                                                                "" if got == wanted else ", should be " + wanted))


def metrics(node):
    with urllib.request.urlopen("http://%s:%d/metrics" % (node.ip, METRICS), timeout=10) as r:
        return r.read().decode()


def waiting_in(node):
    return [line for line in metrics(node).splitlines() if line.startswith("meridian_s2s_domain_waiting_stanzas{")]


def counts_and_logs(verdict, world, wanted):
    """Each cause is counted. A domain that was never reached has one line in the log, however often it was tried."""
    for node in world.nodes.values():
        mine = [c for c in wanted if c.is_hopeless() and world.node_of(c) is node]
        text = metrics(node)
        uncounted = {n for c in mine for n in c.names()
                     if 'meridian_s2s_outcomes_total{direction="out",cause="%s"}' % n not in text and n not in cases.BOUNCED_ONLY}
        verdict.check(not uncounted, "%s: metrics count all causes %s" % (node.domain, uncounted or ""))
        with open(node.proc.log, errors="replace") as f:
            log = f.read()
        never = [c for c in mine if not c.later and c.cause not in cases.UNTRIED]
        lines = {c.name: log.count(" s2s.domain.down remote=%s " % c.domain) for c in never}
        again = [c for c in never if c.cause not in cases.FINAL]
        attempts = sum(world.show(c).get("attempts_failed", 0) for c in again)
        verdict.check(set(lines.values()) == {1} and attempts >= 2 * len(again), "%s: one line for each of %d domains, though %d of them were tried %d times %s"
                      % (node.domain, len(never), len(again), attempts, {k: v for k, v in lines.items() if v != 1} or ""))


def run(build, results):
    """Our own nodes. results: {case name: (cause named live, bounce, the bounce names it)} is filled."""
    lab, verdict = Lab("s2s-lab"), checks.Verdict()
    start = time.monotonic()
    world = None
    try:
        stage = Stage(lab, cases.CASES)
        world = Meridian(stage, build)
        say("the lab stands after %.1f s" % (time.monotonic() - start))
        right = explain_all(verdict, world, stage.cases, results)
        inbound_all(verdict, world, stage.public.crt)
        newcomers_all(verdict, world, stage)
        bounce_all(verdict, world, stage.cases, stage.public.crt, results)
        counts_and_logs(verdict, world, stage.cases)
        say("%d of %d named rightly, %.1f s" % (right, len(stage.cases), time.monotonic() - start))
    except (Failed, TimeoutError, OSError) as e:
        verdict.check(False, "%s: %s" % (type(e).__name__, e))
    for node in world.nodes.values() if world else ():
        verdict.stop(node)
    return verdict.end("s2s-lab", lab)


def run_other(name, seconds):
    """Another server: {case name: (bounce, lines of its log)}. Nothing is judged here."""
    lab = Lab("s2s-lab-" + name)
    try:
        stage = Stage(lab, cases.CASES)
        domain = name + ".test"
        server, log = lab_others.start(name, stage, lab.ip(10), domain)
        alice = Alice(lab_others.login(server, domain, stage.public.crt, "pw-alice"))
        hopeless = [c for c in stage.cases if c.is_hopeless() and not c.is_ours]
        alice.write(hopeless)
        missing = alice.wait(hopeless, seconds)
        say("%s: %d of %d came back" % (name, len(hopeless) - len(missing), len(hopeless)))
        return {c.name: (alice.back.get(c.domain), lab_others.log_of(log, c.domain)) for c in hopeless}
    finally:
        if os.environ.get("KEEP_LOGS"):
            lab.keep = True
            say("files are in %s" % lab.dir)
        lab.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", help="build directory with bin/meridiand")
    parser.add_argument("--server", choices=("prosody", "ejabberd"), help="another server instead, and print what it says")
    parser.add_argument("--seconds", type=int, default=150, help="how long to wait for what another server gives back")
    parser.add_argument("--report", metavar="FILE", help="all three, as a document")
    o = parser.parse_args()
    if o.server:
        lab_report.show(run_other(o.server, o.seconds))
        return 0
    if not o.build:
        parser.error("--build is needed")
    results = {}
    code = run(os.path.abspath(o.build), results)
    if o.report:
        others = {name: run_other(name, o.seconds) for name in ("prosody", "ejabberd")}
        with open(o.report, "w") as f:
            f.write(lab_report.document(cases.CASES, results, others, o.seconds))
    return code


if __name__ == "__main__":
    sys.exit(main())

"""What meridianctl s2s says and does without any other server: exit codes, a domain that is away, its outbox, help."""
import concurrent.futures
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../runner"), os.path.join(HERE, "../s2s-lab")]
import certs  # noqa: E402
import checks  # noqa: E402
import lab_dns  # noqa: E402
import meridian  # noqa: E402
from commands import run  # noqa: E402
from procs import DNS, S2S, Lab  # noqa: E402

DOMAIN, AWAY, SILENT = "one.test", "away.test", "silent.test"


def zones(lab):
    """AWAY has an address at which nobody listens."""
    return {"_xmpp-server._tcp." + AWAY: [lab_dns.srv("host." + AWAY, S2S)], "host." + AWAY: [lab_dns.a(lab.ip(99))]}


REFUSED = (  # arguments, what the refusal speaks of
    (("explain", DOMAIN), "a domain of this node"),
    (("explain", "a@" + AWAY), "not a domain"),
    (("explain", "a b"), "no domain"),
    (("show", "never.test"), "nothing is known"),
    (("probe", AWAY, "--from", "other.test"), "no domain of this node"),
    (("outbox", "burn"), "list, or drop"),
    (("outbox", "drop"), "which domain"),
)


def act(node, check):
    for args, word in REFUSED:
        code, out, err = run(node, "s2s", *args)
        check(code == 1 and word in err and not out, "s2s %s: exit code 1, \"%s\"" % (" ".join(args), err.strip()))
    for args in (("a", "b", "c", "d"), ("nonsense",), ("show",), ("show", AWAY, AWAY), ("outbox",)):
        code, out, err = run(node, "s2s", *args)
        check(code == 2 and ("usage" in err or "there is no" in err), "s2s %s: exit code 2, \"%s\"" % (" ".join(args), err.strip()))
    check(node.ctl("s2s") == [] and node.ctl("s2s", "list") == [] and node.ctl("s2s", "outbox", "list") == [], "no streams, nothing waits")

    code, out, _ = run(node, "s2s", "explain", AWAY)
    last = out.strip().splitlines()[-1]
    check(code == 1 and last.startswith("verdict: %s is not reached: nobody listens" % AWAY) and "on their side" in last,
          "explain ends with one sentence: %s" % last)
    code, out, _ = run(node, "s2s", "probe", "gone.test")
    check(code == 1 and "does not exist" in out and "record" not in out, "probe of a domain that does not exist: exit code 1")

    for n in range(3):
        node.ctl("send", "u@" + AWAY, "message %d" % n)
    shown = checks.until("a failed attempt", lambda: [s for s in [node.ctl("s2s", "show", AWAY)] if s["attempts_failed"]])[0]
    check((shown["cause"], shown["side"]) == ("address-refused", "theirs"), "show: %(cause)s, %(side)s, %(text)s" % shown)
    rows = node.ctl("s2s", "outbox", "list")
    check([(r["local"], r["remote"], r["waiting"], r["cause"]) for r in rows] == [(DOMAIN, AWAY, 3, "address-refused")],
          "outbox list: three wait")
    check(node.ctl("s2s", "retry", AWAY) == {"tried_for": 1} and node.ctl("s2s", "kick", AWAY) == {"closed": 0}, "retry, kick")
    code, _, err = run(node, "s2s", "outbox", "drop", AWAY)
    check(code == 1 and "3 stanzas wait" in err and "--yes" in err, "drop asks first: %s" % err.strip())
    check(node.ctl("s2s", "outbox", "drop", AWAY, "--yes") == {"given_back": 3}, "with --yes three go back")
    check(node.ctl("s2s", "outbox", "list") == [], "then nothing waits")

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        codes = list(pool.map(lambda n: run(node, "--json", "s2s", "probe", SILENT), range(20)))
    refused = [err for code, out, err in codes if "under way already" in out + err]
    ended = [out for _, out, _ in codes if '"cause": "dns-timeout"' in out]
    check(len(refused) == 4 and len(ended) == 16, "20 probes at once: 16 end, 4 are refused (%d, %d)" % (len(ended), len(refused)))

    code, out, _ = run(node, "help", "s2s", config=False)
    verbs = ("list", "show", "explain", "probe", "lists", "kick", "retry", "outbox")
    check(code == 0 and all("\n  %s " % v in out for v in verbs) and "--from" in out and "--yes" in out, "help s2s names all verbs")
    code, out, _ = run(node, "completion", "bash", config=False)
    check(code == 0 and " ".join(verbs) in out, "completion knows them")


def main():
    o = checks.options(__doc__)
    lab, verdict = Lab("admin-federation"), checks.Verdict()
    authority = certs.Authority(lab, "public")
    dns = lab_dns.Server((lab.ip(2), DNS), zones(lab), {SILENT: lambda packet, name, kind: None})
    node = meridian.Node(lab, o.build, DOMAIN, lab.ip(10), authority.issue(DOMAIN, DOMAIN), authority.crt, dns=dns, shards=2,
                         s2s='connect_timeout = "3s"').start()
    try:
        act(node, verdict.check)
    except (TimeoutError, meridian.Failed) as e:
        verdict.check(False, str(e))
    verdict.stop(node)
    return verdict.end("admin-federation", lab)


if __name__ == "__main__":
    sys.exit(main())

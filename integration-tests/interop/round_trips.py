"""Round trips before the first stanza to a peer is under way, from a cold start, DNS apart: a relay delays each server's port, and what
the delay adds to the time until the stanza is with its recipient, in round trips of that relay, less the half one that the stanza itself
takes."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../runner"))
import checks  # noqa: E402
from matrix import HEADS, NAMES as PEERS, publish  # noqa: E402
from neighbours import OTHERS, OURS, S2S_TLS, domain, play  # noqa: E402
from procs import S2S  # noqa: E402
from wan import Wan  # noqa: E402

WAYS = ("srv", "direct")
PAIRS = [(OURS, peer) for peer in OTHERS] + [(peer, OURS) for peer in OTHERS if peer != "meridian"]
NAMES = {**PEERS, OURS: "Meridian"}
MARKS = {(OURS, "meridian", "direct"): 3, (OURS, "meridian", "srv"): 6, (OURS, "ejabberd", "direct"): 4, (OURS, "ejabberd", "srv"): 7,
         (OURS, "prosody", "direct"): 5, (OURS, "prosody", "srv"): 8}  # ours may not become more


def relays(lab, delay):
    """via of Neighbours: every port of theirs behind a relay, at an address of its own."""
    wan, made, base = Wan(seed=1), {}, lab.ip(0).rpartition(".")[0]
    targets = {name: lab.ip(10 * n + 10) for n, name in enumerate((OURS,) + OTHERS)}

    def via(server, port):
        if port not in (S2S, S2S_TLS):
            return targets[server]
        if (server, port) not in made:
            ip = "%s.%d" % (base, 100 + len(made))
            wan.relay((ip, port), (targets[server], port), delay=delay, handshake=True)
            made[server, port] = ip
        return made[server, port]
    return via


def first(n, sender, receiver, way):
    """Seconds until the first stanza of a pair of domains has come."""
    a, b = n.login(sender), n.login(receiver, way)
    b.send("<presence/>")
    b.ping(domain(receiver, way))
    start = time.monotonic()
    a.send("<message to='user@%s' type='chat'><body>first from %s</body></message>" % (domain(receiver, way), sender))

    def came():
        return any(e.findtext("{jabber:client}body") == "first from " + sender for e in b.elements)
    b.wait(came, "message", 30)
    return time.monotonic() - start


def times(n, out):
    for sender, receiver in PAIRS:
        for way in WAYS:
            out[sender, receiver, way] = first(n, sender, receiver, way)


def judge(n, verdict, delay, base, table):
    """base: the times without delay, which are the servers' own."""
    late = {}
    times(n, late)
    for key, seconds in late.items():
        table[key] = (seconds - base[key]) / (2 * delay) - 0.5
        mark = MARKS.get(key)
        verdict.check(not mark or round(table[key]) <= mark, "%s to %s, %s: %.1f round trips and %.2f s of their own%s"
                      % (NAMES[key[0]], NAMES[key[1]], key[2], table[key], base[key], ", %d at most" % mark if mark else ""))


def rows(table):
    """Markdown."""
    out = ["| from | to | %s |" % " | ".join(HEADS[w] for w in WAYS), "|---|---|---|---|"]
    for sender, receiver in PAIRS:
        cells = ["%d" % round(table[sender, receiver, w]) if (sender, receiver, w) in table else "?" for w in WAYS]
        out.append("| %s | %s | %s |" % (NAMES[sender], NAMES[receiver], " | ".join(cells)))
    return "\n".join(out) + "\n"


def main():
    o = checks.options(__doc__ + " --delay: seconds, each way. --report: the document that gets the table.", delay=0.25, report="")
    base, table, modules = {}, {}, ("s2s_bidi", "smacks")
    code = play("no delay", o.build, "certificate", lambda n, verdict: times(n, base), lambda lab: relays(lab, 0), modules)
    code = code or play("round trips", o.build, "certificate", lambda n, verdict: judge(n, verdict, o.delay, base, table),
                        lambda lab: relays(lab, o.delay), modules)
    publish(o.report if code == 0 else "", "round-trips", rows(table))
    return code


if __name__ == "__main__":
    sys.exit(main())

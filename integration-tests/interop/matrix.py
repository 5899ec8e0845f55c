"""Who reaches whom: Prosody, ejabberd and Meridian with our node, both directions, each way of finding and proving; printed as a table.
A cell is an answer to a ping from one server's user to a domain of the other that can be found in one way only; what proved the
stream is what our node says of it."""
import argparse
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../runner"))
import checks  # noqa: E402
import raw  # noqa: E402
from checks import say  # noqa: E402
from neighbours import OTHERS, OURS, PROOFS, WAYS, Neighbours, domain  # noqa: E402
from procs import Failed, Lab  # noqa: E402

HEADS = {"srv": "SRV `_xmpp-server`", "direct": "SRV `_xmpps-server` (direct TLS)", "address": "A, port 5269",
         "override": "configured address"}
AUTH = {"certificate": "external", "dialback": "dialback", "DANE": "external"}
NONE = "–"  # what cannot be: the sender has no such thing


def is_possible(peer, direction, way, proof):
    """Prosody and ejabberd have no configured addresses for federation. What is not found by signed SRV records has no TLSA records
    (RFC 7673 section 3.1)."""
    if proof == "DANE" and direction == "to":
        return way in ("srv", "direct")
    return way != "override" or direction == "to" or peer == "meridian"


def ask(c, to, seconds=20):
    """"" if a ping is answered, otherwise what came instead."""
    ident = "to-" + to
    c.send("<iq type='get' id='%s' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>" % (ident, to))

    def answer():
        return next((e for e in c.elements if e.tag.endswith("}iq") and e.get("id") == ident), None)
    try:
        el = c.wait(answer, "answer to a ping", seconds)
    except (TimeoutError, raw.Closed) as e:
        return str(e)
    c.elements.remove(el)
    return "" if el.get("type") == "result" else raw.text_of(el)


def stream(node, direction, local, remote):
    """(how it was proved, whether by TLS) of that pair's stream; None."""
    return next(((r["auth"], r["secured"]) for r in node.ctl("s2s")
                 if (r["direction"], r["local"], r["remote"]) == (direction, local, remote) and r["auth"]), None)


def cell(n, peer, direction, way):
    """"" if it works as it should, else what is wrong."""
    a, b = (OURS, peer) if direction == "to" else (peer, OURS)
    bad = ask(n.login(a), domain(b, way))
    if bad:
        return bad
    pair = (domain(OURS, "home"), domain(peer, way)) if direction == "to" else (domain(OURS, way), domain(peer, "home"))
    got = stream(n.node, "out" if direction == "to" else "in", *pair)
    return "" if got == (AUTH[n.proof], True) else "the stream is %s" % (got,)


def run(build, proof, table):
    lab, verdict = Lab("matrix"), checks.Verdict()
    n = None
    try:
        n = Neighbours(lab, build, proof).start()
        for peer in OTHERS:
            for direction in ("to", "from"):
                for way in WAYS:
                    key = peer, direction, way, proof
                    bad = cell(n, *key[:3]) if is_possible(*key) else NONE
                    table[key] = {"": "yes", NONE: NONE}.get(bad, "no")
                    verdict.check(bad in ("", NONE), "%-11s %-4s %-8s found by %-8s %s" % (proof, direction, peer, way, bad or "works"))
    except (Failed, TimeoutError, raw.Closed, OSError) as e:
        verdict.check(False, "%s: %s" % (type(e).__name__, e))
    if verdict.wrong:
        for proc in lab.procs:
            say("--- end of %s\n%s" % (proc.log, proc.tail(30)))
    if n:
        n.stop(verdict)
    return verdict.end("matrix (%s)" % proof, lab)


def rows(table):
    """Markdown."""
    out = ["| peer | direction | proved by | %s |" % " | ".join(HEADS[w] for w in WAYS), "|---|---|---|%s" % ("---|" * len(WAYS))]
    names = {"prosody": "Prosody", "ejabberd": "ejabberd", "meridian": "Meridian"}
    for peer in OTHERS:
        for direction in ("to", "from"):
            for proof in PROOFS:
                cells = [table.get((peer, direction, way, proof), "?") for way in WAYS]
                out.append("| %s | %s it | %s | %s |" % (names[peer], direction, proof, " | ".join(cells)))
    return "\n".join(out) + "\n"


def put(path, mark, text):
    """Between the marks of that name in a document."""
    with open(path) as f:
        old = f.read()
    new, n = re.subn(r"(<!-- %s: [^\n]*-->\n).*?(<!-- end of %s -->)" % (mark, mark), lambda m: m.group(1) + text + m.group(2), old,
                     flags=re.S)
    if n != 1:
        raise SystemExit("%s has no marks for %s" % (path, mark))
    with open(path, "w") as f:
        f.write(new)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, help="build directory with bin/meridiand")
    parser.add_argument("--only", choices=PROOFS, action="append", help="that proof only")
    parser.add_argument("--report", metavar="FILE", help="put the table into this document")
    o = parser.parse_args()
    table = {}
    code = max(run(os.path.abspath(o.build), proof, table) for proof in o.only or PROOFS)
    say(rows(table))
    if o.report:
        put(o.report, "matrix", rows(table))
    return code


if __name__ == "__main__":
    sys.exit(main())

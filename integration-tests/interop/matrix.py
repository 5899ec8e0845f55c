"""Who reaches whom: Prosody, ejabberd and Meridian with our node, both directions, each way of finding and proving; printed as a table.
A cell is an answer to a ping from one server's user to a domain of the other that can be found in one way only; what proved the
stream is what our node says of it."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../runner"))
import checks  # noqa: E402
import raw  # noqa: E402
from checks import say  # noqa: E402
from neighbours import OTHERS, OURS, PROOFS, WAYS, domain, play  # noqa: E402

HEADS = {"srv": "SRV `_xmpp-server`", "direct": "SRV `_xmpps-server` (direct TLS)", "address": "A, port 5269",
         "override": "configured address"}
AUTH = {"certificate": "external", "dialback": "dialback", "DANE": "external"}
NAMES = {"prosody": "Prosody", "ejabberd": "ejabberd", "meridian": "Meridian"}
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


def again(n, peer, way):
    """The next connection there: its TLS session is "resumed" or "new"; else what is wrong."""
    remote, log = domain(peer, way), n.node.proc
    n.node.ctl("s2s", "kick", remote)
    checks.until("the stream to %s is closed" % remote, lambda: not stream(n.node, "out", domain(OURS, "home"), remote))
    with open(log.log) as f:
        at = len(f.read())
    bad = ask(n.login(OURS), remote)
    if bad:
        return bad
    with open(log.log) as f:
        ready = re.findall(r" s2s\.out\.ready .*?remote=%s .*?tls=(\w+)" % re.escape(remote), f.read()[at:])
    return {"yes": "new", "resumed": "resumed"}.get(ready[0] if len(ready) == 1 else None, "ready: %s" % ready)


def sessions(n, verdict, found):
    """TLS sessions of the second connection: ours are resumed, others as they like, and all of them work."""
    for peer in OTHERS:
        for way in ("srv", "direct"):
            found[peer, way] = again(n, peer, way)
            ok = ("resumed",) if peer == "meridian" else ("resumed", "new")
            verdict.check(found[peer, way] in ok, "second connection to %s, found by %s: TLS session %s" % (peer, way, found[peer, way]))


def cells(n, verdict, table, found):
    for peer in OTHERS:
        for direction in ("to", "from"):
            for way in WAYS:
                key = peer, direction, way, n.proof
                bad = cell(n, *key[:3]) if is_possible(*key) else NONE
                table[key] = {"": "yes", NONE: NONE}.get(bad, "no")
                verdict.check(bad in ("", NONE), "%-11s %-4s %-8s found by %-8s %s" % (n.proof, direction, peer, way, bad or "works"))
    if n.proof == "certificate":
        sessions(n, verdict, found)


def rows(table, found):
    """Markdown."""
    out = ["| peer | direction | proved by | %s |" % " | ".join(HEADS[w] for w in WAYS), "|---|---|---|%s" % ("---|" * len(WAYS))]
    for peer in OTHERS:
        for direction in ("to", "from"):
            for proof in PROOFS:
                cells = [table.get((peer, direction, way, proof), "?") for way in WAYS]
                out.append("| %s | %s it | %s | %s |" % (NAMES[peer], direction, proof, " | ".join(cells)))
    out += ["", "TLS session of our second connection, by STARTTLS and by direct TLS: " + "; ".join(
        "%s %s, %s" % (NAMES[p], *(found.get((p, w), "?") for w in ("srv", "direct"))) for p in OTHERS) + "."]
    return "\n".join(out) + "\n"


def publish(path, mark, text):
    """Print it, and put it between the marks of that name in a document, if one is given."""
    say(text)
    if not path:
        return
    with open(path) as f:
        old = f.read()
    new, n = re.subn(r"(<!-- %s: [^\n]*-->\n).*?(<!-- end of %s -->)" % (mark, mark), lambda m: m.group(1) + text + m.group(2), old,
                     flags=re.S)
    if n != 1:
        raise SystemExit("%s has no marks for %s" % (path, mark))
    with open(path, "w") as f:
        f.write(new)


def main():
    o = checks.options(__doc__ + " --only: one of %s. --report: the document that gets the table." % ", ".join(PROOFS), only="",
                       report="")
    table, found = {}, {}
    code = max(play("matrix", o.build, proof, lambda n, verdict: cells(n, verdict, table, found))
               for proof in PROOFS if o.only in ("", proof))
    publish(o.report if code == 0 and not o.only else "", "matrix", rows(table, found))
    return code


if __name__ == "__main__":
    sys.exit(main())

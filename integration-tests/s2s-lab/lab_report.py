"""What three servers say of the same broken peers, as a document."""
import time

import lab_others

HEAD = """# What servers say of broken servers

Written by `integration-tests/s2s-lab/s2s_lab.py --build BUILD --report docs/s2s-lab.md`; do not edit. %s, %d cases, of which what
is sent comes back in %d. Each server's user sends one message to each broken domain.

- **Meridian** must say the cause by its name: live (`meridianctl s2s explain`), in the domain's record, and by its clause in the bounce.
- What only our own configuration objects to (rules, a revocation list) is Meridian's alone: "–".
- **Prosody** and **ejabberd** have no names for causes; they are read kindly: a bounce or a log that has one of a few words
  (`lab_others.py`) has named it. Their logs are at the level "info". This version of ejabberd takes the addresses of hosts from a
  hosts file, so it has no say about those in DNS.

| | came back | the bounce names the cause | bounce or log names it |
|---|---|---|---|
"""


def cell(text, limit=110):
    text = " ".join(text.split()).replace("|", "\\\\|").replace("<", "&lt;")
    return text if len(text) <= limit else text[:limit - 1] + "…"


def bounce(got):
    return "%s: %s" % (got[0], got[1]) if got and got[1] else got[0] if got else "nothing"


def count(hopeless, of):
    """(came back, bounce names it, bounce or log names it)."""
    hopeless = [c for c in hopeless if not c.is_ours]
    back = sum(1 for c in hopeless if of[c.name][0])
    said = sum(1 for c in hopeless if of[c.name][0] and lab_others.is_named(c.names(), [bounce(of[c.name][0])]))
    any_ = sum(1 for c in hopeless if lab_others.is_named(c.names(), [bounce(of[c.name][0])] + of[c.name][1]))
    return back, said, any_


def document(cases, results, others, seconds):
    hopeless = [c for c in cases if c.is_hopeless()]
    told = sum(1 for c in hopeless if results[c.name][2])
    text = HEAD % (time.strftime("%Y-%m-%d"), len(cases), len(hopeless))
    text += "| Meridian | %d | %d | %d |\n" % (sum(1 for c in hopeless if results[c.name][1]), told, told)
    for name, of in (("Prosody", others["prosody"]), ("ejabberd", others["ejabberd"])):
        text += "| %s | %d | %d | %d |\n" % ((name,) + count(hopeless, of))
    right = sum(1 for c in cases if results[c.name][0] == c.cause)
    text += "\n\"nothing\": nothing came back within %d s; either it was lost, or the server gave it to whoever was there.\n" % seconds
    text += "\nMeridian named the cause live in %d of %d cases, those included in which nothing is wrong.\n" % (right, len(cases))
    group = None
    for c in cases:
        if c.group != group:
            group = c.group
            text += "\n## %s\n\n| case | Meridian, live | its bounce | Prosody's bounce | ejabberd's bounce |\n|---|---|---|---|---|\n" % group
        if not c.is_hopeless():
            text += "| %s | `%s` | | | |\n" % (cell(c.what), results[c.name][0])
            continue
        theirs = ["–" if c.is_ours else cell(bounce(others[name][c.name][0])) for name in ("prosody", "ejabberd")]
        text += "| %s | `%s` | %s | %s | %s |\n" % (cell(c.what), results[c.name][0], cell(bounce(results[c.name][1])), *theirs)
    return text


def show(of):
    for name, (got, log) in of.items():
        print("%-20s %s" % (name, bounce(got)))
        for line in log[-2:]:
            print("                     %s" % line[:200])

#!/usr/bin/env python3
"""Write docs/logs.md: every event the sources log, with its level and fields from there and its meaning from the file itself.

    gen-logs.py           take over what the sources say; a new event gets the meaning "?", one that is gone loses its line
    gen-logs.py --check   compare only

What an event means is written by hand into the last column of docs/logs.md and kept. Exit code: 0 done, or all well; 1 the file is not
current, an event has no meaning, or a log call cannot be read (each said on stdout); 2 wrong use.
"""
import difflib
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDERS = ("conf", "dns", "global-registry", "lib", "node", "s2s")
NOT_THE_NODE = re.compile(r"^(test|tests|simtest|sim|fuzz)-")
CALL = re.compile(r"(?<!define )\blog_(trace|debug|info|warn|error|at)\(")
SCOPE = re.compile(r"\b(\w+)->log = \(struct log_scope\)\{(.*?)\}", re.S)
STRING = r'"(?:[^"\\]|\\.)*"'
EVENT = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+$")
ROW = re.compile(r"^\| `([^`]+)` \|.*\| ([^|]*) \|$", re.M)
UNKNOWN = "?"
# Scopes that a call reaches by a pointer, or by a variable of another name than the one they were made with.
ELSEWHERE = {"l->log": ["local", "direction", "remote"], "&old->log": ["direction", "remote"], "&w->out->log": ["local", "remote"]}

HEAD = """# Log events

Every event a node may log. Names, levels and fields are those of the sources (`tools/gen-logs.py` takes them from there and a test holds
this file against them); what an event means is written here. A name, once given, keeps its meaning and its fields.

The category of an event is its first words, as many as you like: `meridianctl loglevel debug --category s2s.out`. A field that has no
value is left out. As text an event is one line, `TIME LEVEL EVENT field="value"`; as JSON (`[general] log_format`) an object
with `time`, `level`, `event` and the fields, all of them strings. `error`: somebody should look; `warn`: somebody may want to; `info`:
what happens to connections and accounts; `debug`: how; `trace`: nothing in a node that is built for use.
"""


class Unreadable(Exception):
    """A log call the tool cannot read; it must be written so that it can."""


def arguments(text, at):
    """The arguments of a call whose opening parenthesis is just before `at`."""
    parts, depth, start = [], 0, at
    for m in re.compile(STRING + r"|'(?:[^'\\]|\\.)'|/\*.*?\*/|[(){}\[\],]", re.S).finditer(text, at):
        token = m.group(0)
        if token in "({[":
            depth += 1
        elif depth == 0 and token in "),":
            parts.append(text[start:m.start()].strip())
            start = m.end()
            if token == ")":
                return parts
        elif token in ")}]":
            depth -= 1
    raise Unreadable("a call without an end")


def literals(expression):
    return [m.group(0)[1:-1] for m in re.finditer(STRING, expression)]


class Event:
    def __init__(self):
        self.levels, self.fields = [], []

    def add(self, levels, fields):
        self.levels += [x for x in levels if x not in self.levels]
        self.fields += [x for x in fields if x not in self.fields]


def scope_fields(expression, path, scopes):
    """Fields of `&x->log`: of the assignment to x->log in this file, else in the file of this folder whose name is most alike."""
    if expression in ELSEWHERE:
        return ELSEWHERE[expression]
    m = re.match(r"&(\w+)->log$", expression)
    if not m:
        if expression != "NULL":
            raise Unreadable("the scope %s" % expression)
        return []
    folder, name = os.path.split(path)
    fit = [(len(os.path.commonprefix([name, other])), other == name, keys) for (where, other, var), keys in scopes.items()
           if where == folder and var == m.group(1)]
    if not fit:
        raise Unreadable("no fields of the scope %s" % expression)
    return max(fit, key=lambda f: (f[1], f[0]))[2]


def read_call(kind, args, path, scopes):
    """(names, levels, fields) of one call."""
    levels = [kind]
    if kind == "at":
        levels = [x.lower() for x in re.findall(r"LOG_([A-Z]+)", args.pop(0))]
    names, keys = literals(args[1]), [literals(a) for a in args[2::2]]
    if not names or not all(EVENT.match(n) for n in names):
        raise Unreadable("%s is no name of an event" % args[1])
    if not levels or not all(len(k) == 1 for k in keys) or len(args) % 2:
        raise Unreadable("%s: a level or a field that is not written there" % names[0])
    return names, levels, scope_fields(args[0], path, scopes) + [k[0] for k in keys]


def sources():
    for folder in FOLDERS:
        for path in sorted(glob.glob(os.path.join(ROOT, folder, "**", "*.[ch]"), recursive=True)):
            if not NOT_THE_NODE.match(os.path.basename(path)) and not path.endswith("lib/base/log.h"):
                with open(path, encoding="utf-8") as f:
                    yield path, f.read()


def events():
    """({name: Event}, complaints)."""
    texts = dict(sources())
    scopes = {os.path.split(path) + (m.group(1),): re.findall(r'\.key\d = "([^"]+)"', m.group(2))
              for path, text in texts.items() for m in SCOPE.finditer(text)}
    found, wrong = {}, []
    for path, text in texts.items():
        for m in CALL.finditer(text):
            try:
                names, levels, fields = read_call(m.group(1), arguments(text, m.end()), path, scopes)
            except Unreadable as e:
                wrong.append("%s:%d: %s" % (os.path.relpath(path, ROOT), text.count("\n", 0, m.start()) + 1, e))
                continue
            for name in names:
                found.setdefault(name, Event()).add(levels, fields)
    return found, wrong


def render(found, meanings):
    out, category = [HEAD.rstrip()], None
    for name in sorted(found):
        if name.split(".")[0] != category:
            category = name.split(".")[0]
            out += ["", "## %s" % category, "", "| event | level | fields | what it means |", "|---|---|---|---|"]
        e = found[name]
        fields = ", ".join("`%s`" % f for f in e.fields)
        out.append("| `%s` | %s | %s | %s |" % (name, ", ".join(e.levels), fields or " ", meanings.get(name, UNKNOWN)))
    return "\n".join(out) + "\n"


def main(argv):
    if argv[1:] not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    path = os.path.join(ROOT, "docs/logs.md")
    with open(path, encoding="utf-8") as f:
        have = f.read()
    found, wrong = events()
    text = render(found, dict(ROW.findall(have)))
    if argv[1:]:
        wrong += difflib.unified_diff(have.splitlines(), text.splitlines(), "docs/logs.md", "the sources", lineterm="", n=0)
    else:
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
    wrong += ["docs/logs.md: say what %s means" % name for name, meaning in ROW.findall(text) if meaning.strip() in ("", UNKNOWN)]
    print("\n".join(wrong) if wrong else "%d events are documented" % len(found))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))

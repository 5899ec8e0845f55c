#!/usr/bin/env python3
"""Write the table of causes in docs/federation.md from S2S_CAUSE_TABLE.

    gen-causes.py [--check] DOCUMENT [HEADER]

With --check nothing is written. Exit code: 0 the document is right (or was written); 1 it is not; 2 wrong use, or the header's
table cannot be read.
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HEADER = os.path.join(ROOT, "s2s", "s2s-cause.h")
BEGIN, END = "<!-- causes: tools/gen-causes.py -->", "<!-- end of causes -->"
ROW = re.compile(r'\bX\(\s*(\w+),\s*"([\w-]+)",\s*(\w+),\s*(\w+),\s*(\w+),\s*(true|false),\s*((?:"(?:[^"\\]|\\.)*"\s*)+),\s*'
                 r'((?:"(?:[^"\\]|\\.)*"\s*)+)\)')


def text_of(literals):
    """C string literals, joined."""
    parts = re.findall(r'"((?:[^"\\]|\\.)*)"', literals)
    return re.sub(r"\\(.)", r"\1", "".join(parts))


def read(header=HEADER):
    """[(name, class, side, condition, is final, clause, advice)], in order."""
    with open(header, encoding="utf-8") as f:
        text = f.read()
    table = text[text.index("#define S2S_CAUSE_TABLE(X)"):text.index("enum s2s_cause {")]
    table = re.sub(r"\\\n", "\n", table)
    rows = [(name, cls.lower(), side.lower(), cond.lower().replace("_", "-"), final == "true", text_of(clause), text_of(advice))
            for _, name, cls, side, cond, final, clause, advice in ROW.findall(table)]
    if len(rows) != len(re.findall(r"\bX\(\w+,", table)):
        raise ValueError("%s: %d rows were read, there are more" % (header, len(rows)))
    return rows


def table(rows):
    out = ["| cause | side | told to senders | tried again | what it means | what to do |", "|---|---|---|---|---|---|"]
    for name, _, side, cond, final, clause, advice in rows:
        if name != "none":
            out.append("| `%s` | %s | %s | %s | %s | %s |" % (name, side, cond, "no" if final else "yes", clause, advice))
    return "\n".join(out)


def main(argv):
    check = "--check" in argv
    names = [a for a in argv[1:] if a != "--check"]
    if not 1 <= len(names) <= 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        wanted = table(read(*names[1:]))
        with open(names[0], encoding="utf-8") as f:
            text = f.read()
        begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    except (OSError, ValueError) as e:
        print("gen-causes.py: %s" % e, file=sys.stderr)
        return 2
    new = text[:begin] + "\n" + wanted + "\n" + text[end:]
    if new == text:
        return 0
    if check:
        print("%s: its table of causes is not that of the program: tools/gen-causes.py %s" % (names[0], names[0]))
        return 1
    with open(names[0], "w", encoding="utf-8") as f:
        f.write(new)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))

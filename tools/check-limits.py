#!/usr/bin/env python3
"""Hold docs/limits.md against docs/options.md, the constants of the code and the tests.

    check-limits.py [ROOT]

Each row of its tables is | limit | option | default | past it | tests |. The option is `section.name`, there with this default; or
`CONSTANT` in `file`, there with this value. A test is `file:function`: a test of that name is in the file, and is run. Each option of
[limits] and [shaper.NAME] has a row.

Exit code: 0 all well, 1 something is not as it says (one line each on stdout), 2 wrong use.
"""
import os
import re
import sys

ALL_OF = ("limits", "shaper.NAME")  # sections of which each option must have a row
CONSTANT = re.compile(r"^`(\w+)` in `([\w./-]+)`$")
HEADING = re.compile(r"^## \[+([\w.-]+)\]+$")


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as f:
        return f.read()


def cells(line):
    return [c.strip() for c in line.strip().strip("|").split("|")]


def options(text):
    """section.name -> default, of docs/options.md."""
    out, section = {}, None
    for line in text.splitlines():
        heading = HEADING.match(line)
        if heading:
            section = heading.group(1)
        elif section and line.startswith("| `"):
            row = cells(line)
            out["%s.%s" % (section, row[0].strip("`"))] = row[2].strip("`")
    return out


def wrong_option(root, option, default, known):
    constant = CONSTANT.match(option)
    if not constant:
        name = option.strip("`")
        if name not in known:
            return "there is no option %s" % name
        return None if known[name] == default else "the default of %s is %s, not %s" % (name, known[name], default)
    name, path = constant.groups()
    try:
        value = re.search(r"\b%s\b\s*(?:=\s*)?(\d+)\b" % name, read(root, path))
    except OSError:
        return "there is no %s" % path
    if not value:
        return "%s has no %s" % (path, name)
    return None if value.group(1) == default else "%s is %s, not %s" % (name, value.group(1), default)


def wrong_test(root, test):
    path, _, name = test.partition(":")
    try:
        text = read(root, path)
    except OSError:
        return "there is no %s" % path
    start = "def %s(" if path.endswith(".py") else "static void %s("
    if not re.search("^" + re.escape(start % name), text, re.M):
        return "%s has no %s" % (path, name)
    uses = len(re.findall(r"\b%s\b" % name, text))
    return None if uses > 1 else "%s: %s is never run" % (path, name)


def check(root):
    known, named, wrong = options(read(root, "docs/options.md")), set(), []
    for n, line in enumerate(read(root, "docs/limits.md").splitlines(), 1):
        if not line.startswith("| ") or line.startswith("| limit |"):
            continue
        row = cells(line)
        tests = re.findall(r"`([^`]+)`", row[-1])
        if len(row) != 5 or not tests:
            wrong.append((n, "not | limit | option | default | past it | tests |"))
            continue
        named.add(row[1].strip("`"))
        found = [wrong_option(root, row[1], row[2].strip("`"), known)] + [wrong_test(root, t) for t in tests]
        wrong += [(n, w) for w in found if w]
    if not named:
        wrong.append((1, "no table"))
    wrong += [(1, "%s has no row" % o) for o in known if o.rpartition(".")[0] in ALL_OF and o not in named]
    return wrong


def main(argv):
    if len(argv) > 2:
        print(__doc__, file=sys.stderr)
        return 2
    root = argv[1] if len(argv) > 1 else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    wrong = check(root)
    for line, text in wrong:
        print("docs/limits.md:%d: %s" % (line, text))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))

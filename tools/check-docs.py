#!/usr/bin/env python3
"""Hold the paths the documents name against the tree.

    check-docs.py [ROOT]

In every *.md: the targets of links to files, and words in backquotes that begin with a folder of the project
(`lib/base/buf.c`, `s2s/s2s-region*`, `node/mod`, `lib/xmpp/jid` for jid.c and jid.h). Wildcards must match something.
What is built (`build/`) and examples with a lonely x (`node/mod/x.c`) are left out. Every folder with sources has a
README.md or lies in one that has.

Exit code: 0 all well, 1 something is named that is not there (file:line: text on stdout), 2 wrong use.
"""
import glob
import os
import re
import sys

SKIP_DIRS = {"build", ".git", ".cache", "__pycache__"}
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
WORD = re.compile(r"`([A-Za-z0-9_.*/{},-]+)`")
# Named as places for what is still to be written. An entry goes when the path is there.
PLANNED = {"lib/link", "lib/net/http1.c", "lib/net/http2.c"}
EXAMPLE = re.compile(r"(^|[/.-])(x|X|NAME|NNN)([-/.]|$)")


def walk(root):
    for folder, dirs, names in os.walk(root):
        dirs[:] = sorted(d for d in dirs if d not in SKIP_DIRS)
        yield folder, sorted(names)


def named(text, top):
    """Paths a line names, from the root or from the folder of the document."""
    for m in LINK.finditer(text):
        yield m.group(1), False
    for m in WORD.finditer(text):
        word = m.group(1)
        if "/" in word and word.split("/")[0] in top and not EXAMPLE.search(word):
            yield word, True


def exists(path):
    return bool(glob.glob(path.rstrip("/")) or glob.glob(path + ".[ch]"))


def check(root):
    top = {d for d in os.listdir(root) if os.path.isdir(os.path.join(root, d)) and d not in SKIP_DIRS}
    broken, documents, readmes, sources = [], 0, set(), set()
    for folder, names in walk(root):
        if "README.md" in names:
            readmes.add(folder)
        if any(n.endswith((".c", ".py")) for n in names):
            sources.add(folder)
        for name in (n for n in names if n.endswith(".md")):
            documents += 1
            path = os.path.join(folder, name)
            with open(path, encoding="utf-8") as f:
                for number, line in enumerate(f, 1):
                    for what, from_root in named(line, top):
                        places = [os.path.join(folder, what)] + [os.path.join(root, what)] * from_root
                        if any(exists(p) for p in places) == (what in PLANNED):
                            broken.append("%s:%d: %s is %s" % (os.path.relpath(path, root), number, what, "there now: "
                                          "no longer planned" if what in PLANNED else "not there"))
    for folder in sorted(sources):
        if folder != root and folder not in readmes and os.path.dirname(folder) not in readmes:
            broken.append("%s: no README.md here or above" % os.path.relpath(folder, root))
    return documents, broken


def main(argv):
    root = os.path.abspath(argv[1] if len(argv) > 1 else os.path.join(os.path.dirname(__file__), ".."))
    if len(argv) > 2 or not os.path.isfile(os.path.join(root, "README.md")):
        print("usage: check-docs.py [ROOT with README.md]", file=sys.stderr)
        return 2
    documents, broken = check(root)
    for line in broken:
        print(line)
    if not broken:
        print("%d documents name what is there" % documents)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))

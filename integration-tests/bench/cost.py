#!/usr/bin/env python3
"""Where the instructions of one message go: the table of docs/benchmarks/cost.md.

    cost.py --build build/release              print it
    cost.py --build build/release --write      and put it into docs/benchmarks/cost.md

Counted by callgrind over bench-sessions as budget.py does: one chat message of 88 characters through TLS, one under way
at a time, so that nothing is coalesced; the server's turns only. The kernel is not in it.
"""
import argparse
import collections
import os
import re
import subprocess
import sys
import tempfile

import budget

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = os.path.join(HERE, "../../docs/benchmarks/cost.md")
TOP = 25
HEAP = re.compile(r"malloc|free|realloc|calloc|unlink_chunk|tcache")
# What the program was in when counting began: it bears the whole, not a part.
SKELETON = re.compile(r"\(below|libc[-_]start|ld-linux")
COPY = re.compile(r"mem(cpy|move|set|cmp|chr)|str(len|cmp|chr|nlen)|bcmp")
# What a line of callgrind_annotate is: instructions, file:function, object.
LINE = re.compile(r"^\s*([\d,]+) \([ \d.]+%\)\s+(\S+):(\S+)(?: \[(.*)\])?")
FOLDERS = [("lib/xmpp", "XML tree, addresses, stanzas: lib/xmpp"), ("lib/stream", "stream engine: lib/stream"),
           ("lib/net/sim", "simulated network (stands for tcp.c and libuv)"), ("lib/net", "TLS layer, transports: lib/net"),
           ("lib/loop", "loop, timers: lib/loop"), ("lib/base", "buffers, maps, arenas, hashes: lib/base"),
           ("node/c2s", "client connection: node/c2s"), ("node/route", "router, hooks: node/route"),
           ("node/session", "users, delivery: node/session"), ("node/cluster", "anchor: node/cluster"),
           ("node/mod", "modules: node/mod"), ("integration-tests", "the measuring program")]


def part_of(path, function, obj):
    if "libexpat" in obj:
        return "XML parser: expat"
    if "libssl" in obj or "libcrypto" in obj:
        return "TLS records: OpenSSL"
    for folder, name in FOLDERS:
        if folder + "/" in path or path.startswith(folder):
            return name
    if HEAP.search(function) or "/malloc/" in path:
        return "heap: libc"
    return "copying, comparing: libc" if COPY.search(function) else "rest"


def profile(program):
    """(messages, [(instructions, part, function)])"""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out")
        said = budget.run(["valgrind", "--tool=callgrind", "--toggle-collect=meter_server_turn*", "--dump-after=meter_stop*",
                           "--callgrind-out-file=" + out, program, "--tls"] + budget.CALLS)
        text = subprocess.run(["callgrind_annotate", "--threshold=100", "--auto=no", "%s.%d" % (out, budget.AWAKE)],
                              capture_output=True, text=True, check=True).stdout
    rows = []
    for line in text.splitlines():
        m = LINE.match(line)
        if m and "PROGRAM" not in line and not SKELETON.search(line):
            function = m.group(3).split(".lto_priv")[0].split(".constprop")[0]
            rows.append((int(m.group(1).replace(",", "")), part_of(m.group(2), function, m.group(4) or ""), function))
    return said["messages"], rows


def table(messages, rows):
    parts, functions = collections.Counter(), collections.Counter()
    for n, part, function in rows:
        parts[part] += n
        functions[(function, part)] += n
    total = sum(parts.values())
    yield "| part | instructions a message | share |"
    yield "|---|---|---|"
    for part, n in parts.most_common():
        yield "| %s | %s | %.1f %% |" % (part, format(round(n / messages), ","), 100 * n / total)
    yield "| **all** | **%s** | |" % format(round(total / messages), ",")
    yield ""
    yield "The largest of our own functions and of libc (OpenSSL and expat come without names):"
    yield ""
    yield "| function | part | instructions a message |"
    yield "|---|---|---|"
    named = [(k, n) for k, n in functions.most_common() if not k[0].startswith("0x") and "OpenSSL" not in k[1]]
    for (function, part), n in named[:TOP]:
        yield "| `%s` | %s | %s |" % (function, part, format(round(n / messages), ","))


def write(lines):
    """Replace what stands between the two marks."""
    with open(PAGE) as f:
        text = f.read()
    begin, end = "<!-- cost.py -->\n", "<!-- end -->\n"
    head, tail = text.index(begin) + len(begin), text.index(end)
    with open(PAGE, "w") as f:
        f.write(text[:head] + "\n".join(lines) + "\n" + text[tail:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, help="a release build")
    parser.add_argument("--write", action="store_true")
    o = parser.parse_args()
    try:
        lines = list(table(*profile(os.path.join(os.path.abspath(o.build), "bin/bench-sessions"))))
    except (budget.CannotMeasure, OSError, subprocess.CalledProcessError) as e:
        print("cost.py: %s" % e, file=sys.stderr)
        return 2
    print("\n".join(lines))
    if o.write:
        write(lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())

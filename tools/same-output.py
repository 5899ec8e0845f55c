#!/usr/bin/env python3
"""Hold a document against what a program prints.

    same-output.py FILE PROGRAM [ARGUMENT...]

Exit code: 0 the file is what the program prints; 1 it is not (the difference on stdout); 2 wrong use, or the program failed.
"""
import difflib
import subprocess
import sys


def main(argv):
    if len(argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    p = subprocess.run(argv[2:], capture_output=True, text=True)
    if p.returncode != 0:
        print("same-output.py: %s: exit code %d: %s" % (argv[2], p.returncode, p.stderr), file=sys.stderr)
        return 2
    with open(argv[1], encoding="utf-8") as f:
        have = f.read()
    diff = list(difflib.unified_diff(have.splitlines(), p.stdout.splitlines(), argv[1], "as printed", lineterm=""))
    for line in diff:
        print(line)
    if diff:
        print("write it again: %s > %s" % (" ".join(argv[2:]), argv[1]))
    return 1 if diff else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))

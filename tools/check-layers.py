#!/usr/bin/env python3
"""Hold every #include and some words of the C sources against the tables of ARCHITECTURE.md.

    check-layers.py [ROOT]

Rules, each named in its report:
  layer        a file includes only what the row of its folder allows (## Layers)
  private      a header x-int.h is included only from its own folder or below it
  owner        a third-party header is included only by its owners (## Third-party owners)
  root         our includes are written root-relative and name a file that exists
  banned       alloca, strcpy, strcat, sprintf, vsprintf, atoi, atol, strtok, gets
  shared       atomics and locks stay in the files of ## Atomics and locks
  table        the tables themselves are readable and without cycles

Exit code: 0 all well, 1 a rule is broken (file:line: rule: text on stdout), 2 wrong use.
"""
import fnmatch
import os
import re
import sys

SKIP_DIRS = {"build", ".git", ".cache", "__pycache__"}
EVERYTHING = "everything"

# Headers of the C library, POSIX, Linux and the compiler.
SYSTEM = set("""
alloca.h assert.h complex.h ctype.h errno.h fenv.h float.h inttypes.h iso646.h limits.h locale.h math.h setjmp.h signal.h
stdalign.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h stdlib.h stdnoreturn.h string.h strings.h tgmath.h
threads.h time.h uchar.h wchar.h wctype.h aio.h dirent.h dlfcn.h endian.h execinfo.h fcntl.h fnmatch.h ftw.h getopt.h
glob.h grp.h ifaddrs.h langinfo.h libgen.h malloc.h mqueue.h netdb.h poll.h pthread.h pwd.h regex.h resolv.h sched.h
search.h semaphore.h spawn.h sysexits.h syslog.h termios.h ucontext.h ulimit.h unistd.h utime.h
""".split())
SYSTEM_PREFIXES = ("sys/", "net/", "netinet/", "arpa/", "linux/", "sanitizer/")

BANNED = re.compile(r"\b(alloca|strcpy|strcat|v?sprintf|atoi|atol|strtok|gets)\s*\(")
SHARED = re.compile(r"\b(__atomic_\w+|__sync_\w+|_Atomic|atomic_\w+|"
                    r"pthread_(?:mutex|rwlock|spin|cond|barrier)_\w+|sem_(?:init|wait|post|trywait|timedwait|t))\b")
SHARED_HEADERS = {"stdatomic.h", "semaphore.h", "threads.h"}
INCLUDE = re.compile(r"^\s*#\s*include\s*(?:\"([^\"]*)\"|<([^>]*)>|(.*))")
POISON = re.compile(r"^\s*#\s*pragma\s+GCC\s+poison\b")
COMMENT_OR_LITERAL = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(text, keep_strings):
    """Replace comments (and literals) by blanks; lines keep their numbers."""
    def replace(m):
        if keep_strings and m.group()[0] in "\"'":
            return m.group()
        return re.sub(r"[^\n]", " ", m.group())
    return COMMENT_OR_LITERAL.sub(replace, text)


def split_cell(cell):
    return [x.strip().strip("`") for x in cell.split(",") if x.strip().strip("`")]


class Tables:
    """The three tables of ARCHITECTURE.md. Mistakes in them are collected as problems."""

    def __init__(self, path):
        self.problems = []
        self.layers = {}   # folder -> list of folders and headers
        self.owners = []   # (library, [header globs], [file globs])
        self.shared = []   # file globs
        self.read(path)
        self.check()

    def problem(self, line, text):
        self.problems.append(("ARCHITECTURE.md", line, "table", text))

    def read(self, path):
        heading, row = "", 0
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                if line.startswith("#"):
                    heading, row = line.strip("# \n"), 0
                elif line.startswith("|"):
                    row += 1
                    if row > 2:  # behind the head and its rule
                        self.row(heading, number, [c.strip() for c in line.strip().strip("|").split("|")])

    def row(self, heading, number, cells):
        width = {"Layers": 2, "Third-party owners": 3, "Atomics and locks": 2}.get(heading)
        if width is None:
            return
        if len(cells) != width or not all(cells):
            self.problem(number, "a row here has %d cells, none empty" % width)
        elif heading == "Layers":
            folder = cells[0].strip("`")
            if folder in self.layers:
                self.problem(number, "%s has two rows" % folder)
            self.layers[folder] = [] if cells[1] == "-" else split_cell(cells[1])
        elif heading == "Third-party owners":
            self.owners.append((cells[0], split_cell(cells[1]), split_cell(cells[2])))
        else:
            self.shared += split_cell(cells[0])

    def check(self):
        for name, rows in (("Layers", self.layers), ("Third-party owners", self.owners),
                           ("Atomics and locks", self.shared)):
            if not rows:
                self.problem(1, "no table under the heading '## %s'" % name)
        for folder, uses in self.layers.items():
            for use in uses:
                if use != EVERYTHING and use not in self.layers and not use.endswith(".h"):
                    self.problem(1, "%s may use %s, which has no row" % (folder, use))
            if self.reaches(folder, folder, set()):
                self.problem(1, "%s may in the end use itself: a cycle" % folder)

    def reaches(self, at, goal, seen):
        for use in self.layers.get(at, []):
            use = self.folder_of(use) or use
            if use == goal:
                return True
            if use not in seen:
                seen.add(use)
                if self.reaches(use, goal, seen):
                    return True
        return False

    def folder_of(self, path):
        """The row that covers a path: the longest one."""
        best = None
        for folder in self.layers:
            if (path == folder or path.startswith(folder + "/")) and len(folder) > len(best or ""):
                best = folder
        return best


class Checker:
    def __init__(self, root):
        self.root = root
        self.tables = Tables(os.path.join(root, "ARCHITECTURE.md"))
        self.broken = list(self.tables.problems)
        self.files = 0

    def report(self, path, line, rule, text):
        self.broken.append((path, line, rule, text))

    def run(self):
        for folder, dirs, names in os.walk(self.root):
            dirs[:] = sorted(d for d in dirs if d not in SKIP_DIRS)
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    path = os.path.relpath(os.path.join(folder, name), self.root)
                    self.file(path.replace(os.sep, "/"))
        if not self.files:
            self.report(".", 0, "table", "no source file found under %s" % self.root)
        return self.broken

    def file(self, path):
        self.files += 1
        if not self.tables.folder_of(path):
            self.report(path, 1, "layer", "the folder of this file has no row in ARCHITECTURE.md, Layers")
            return
        with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as f:
            text = f.read()
        code = blank(text, keep_strings=False).split("\n")
        with_strings = blank(text, keep_strings=True).split("\n")
        for number, line in enumerate(code, 1):
            if re.match(r"\s*#\s*include\b", line):
                self.include(path, number, with_strings[number - 1])
            elif not POISON.match(line):
                self.words(path, number, line)

    def words(self, path, number, line):
        for m in BANNED.finditer(line):
            self.report(path, number, "banned", "%s is not used here" % m.group(1))
        for m in SHARED.finditer(line):
            self.shared(path, number, m.group(1))

    def shared(self, path, number, what):
        if not any(fnmatch.fnmatch(path, g) for g in self.tables.shared):
            self.report(path, number, "shared", "%s outside the files of ARCHITECTURE.md, Atomics and locks" % what)

    def include(self, path, number, line):
        ours, system, other = INCLUDE.match(line).groups()
        if ours is not None:
            self.ours(path, number, ours)
        elif system is not None:
            self.third_party(path, number, system)
        else:
            self.report(path, number, "root", "computed include: %s" % other.strip())

    def ours(self, path, number, header):
        if os.path.normpath(header) != header or not os.path.isfile(os.path.join(self.root, header)):
            self.report(path, number, "root", '"%s" is no file of the project, written from its root' % header)
            return
        mine, theirs = self.tables.folder_of(path), self.tables.folder_of(header)
        uses = self.tables.layers[mine]
        if EVERYTHING in uses:
            return
        if theirs != mine and theirs not in uses and header not in uses:
            self.report(path, number, "layer", '%s may not use "%s" (%s)' % (mine, header, theirs or "no row"))
        home = os.path.dirname(header)
        if header.endswith("-int.h") and not (os.path.dirname(path) + "/").startswith(home + "/"):
            self.report(path, number, "private", '"%s" is private to %s/' % (header, home))

    def third_party(self, path, number, header):
        if header in SHARED_HEADERS:
            self.shared(path, number, "<%s>" % header)
        if header in SYSTEM or header.startswith(SYSTEM_PREFIXES):
            return
        rows = [r for r in self.tables.owners if any(fnmatch.fnmatch(header, g) for g in r[1])]
        if not rows:
            self.report(path, number, "owner", "<%s> belongs to no library of ARCHITECTURE.md" % header)
        elif not any(fnmatch.fnmatch(path, g) for r in rows for g in r[2]):
            owners = ", ".join(g for r in rows for g in r[2])
            self.report(path, number, "owner", "<%s> (%s) is only included by %s" % (header, rows[0][0], owners))


def main(argv):
    root = argv[1] if len(argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    if len(argv) > 2 or not os.path.isfile(os.path.join(root, "ARCHITECTURE.md")):
        print("usage: check-layers.py [ROOT with ARCHITECTURE.md]", file=sys.stderr)
        return 2
    checker = Checker(root)
    broken = checker.run()
    for path, line, rule, text in broken:
        print("%s:%d: %s: %s" % (path, line, rule, text))
    if not broken:
        print("%d files keep the layers" % checker.files)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))

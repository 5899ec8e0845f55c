#!/usr/bin/env python3
"""Write docs/options.md from what meridiand says about its own options.

    gen-options.py MERIDIAND > docs/options.md
    gen-options.py --check docs/options.md MERIDIAND

Exit code: 0 done, or the file is current; 1 it is not (the difference on stdout); 2 wrong use or unreadable output.
"""
import difflib
import re
import subprocess
import sys

HEAD = """# Options

Every option of the configuration file, as `meridiand --config-docs` prints them. Made by `tools/gen-options.py`; do not
edit.

The file is TOML. Unknown names are errors. `[[...]]` may stand several times, `[x.NAME]` once for each name. A duration needs its unit (`"30s"`,
`"5m"`), a size may have one (`"256KiB"`). A secret may be `"file:/path"` or `"env:NAME"` instead of the text itself.
`meridiand --check -c FILE` checks a file, `meridiand --print-config -c FILE` shows what is in force.
What applies at a reload is taken over by SIGHUP or `meridianctl reload`, the rest by the next start.
"""
APPLY = re.compile(r"changes with a (reload|restart)$")
TYPES = ("string", "true or false", "integer", "size", "duration", "list of strings")
ZERO = {"(true or false)": "`false`", "(integer)": "`0`"}  # what stands where there is no default; else nothing


def blocks(text):
    """Runs of lines between empty lines."""
    for run in re.split(r"\n\s*\n", text.strip()):
        yield run.split("\n")


def option(lines):
    """(name, type, default, bounds, applies, doc) of one block: comment lines, then `name = default` or `# name = (type)`."""
    m = re.match(r"(#\s)?([a-z0-9_]+) = (.*)$", lines[-1])
    if not m or not all(line.startswith("#") for line in lines[:-1]):
        raise ValueError("not an option: %r" % lines)
    commented, name, value = m.groups()
    doc = " ".join(line[2:] for line in lines[:-1] if not line.startswith("#   "))
    facts = [f for line in lines[:-1] if line.startswith("#   ") for f in line[4:].split("; ")]
    kind, apply = facts[0], APPLY.match(facts[-1])
    if kind not in TYPES or not apply:
        raise ValueError("no type, or not said what applies a change: %r" % lines)
    bounds = [f for f in facts[1:-1] if f != "required"]
    default = "required" if "required" in facts else ZERO.get(value, "none") if commented else "`%s`" % value
    return name, kind, default, "; ".join(bounds), apply.group(1), doc


def cell(text):
    return text.replace("|", "\\|") or " "


def render(text):
    out = [HEAD]
    for lines in blocks(text):
        if lines[0].startswith("["):
            title = " ".join(line[2:] for line in lines[1:])
            out.append("## %s\n\n%s.\n" % (lines[0], title))
            out.append("| option | type | default | bounds | applies at | what it is |\n|---|---|---|---|---|---|")
        else:
            out.append("| `%s` | %s | %s | %s | %s | %s |" % tuple(cell(c) for c in option(lines)))
    # an empty line before each heading but behind no table row
    return re.sub(r"\n## ", "\n\n## ", "\n".join(out)).replace("\n\n\n", "\n\n") + "\n"


def main(argv):
    check = argv[1:2] == ["--check"]
    if len(argv) != (4 if check else 2):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        text = render(subprocess.run([argv[-1], "--config-docs"], check=True, capture_output=True, text=True).stdout)
    except (OSError, subprocess.CalledProcessError, ValueError) as e:
        print("gen-options.py: %s" % e, file=sys.stderr)
        return 2
    if not check:
        sys.stdout.write(text)
        return 0
    with open(argv[2], encoding="utf-8") as f:
        have = f.read()
    diff = list(difflib.unified_diff(have.splitlines(), text.splitlines(), argv[2], "as meridiand says", lineterm=""))
    for line in diff:
        print(line)
    if diff:
        print("write it again: tools/gen-options.py %s > %s" % (argv[3], argv[2]))
    return 1 if diff else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))

#!/usr/bin/env python3
"""Write the man pages from what the programs say of themselves.

    gen-man.py BIN-FOLDER OUTPUT-FOLDER     meridiand.8 meridianctl.8 meridian.toml.5
"""
import os
import re
import subprocess
import sys

FILES = """.SH FILES
.TP
.I /etc/meridian/meridian.toml
The configuration, see
.BR meridian.toml (5).
.TP
.I /var/lib/meridian
The database of the package's configuration.
.TP
.I /run/meridian/control.sock
Where
.BR meridianctl (8)
finds the node.
"""
DAEMON_EXIT = (("0", "stopped in order"), ("1", "could not start, or failed while running"), ("2", "wrong arguments"),
               ("3", "another process has this node's name"), ("78", "wrong configuration"))
DAEMON_SIGNALS = (("SIGTERM, SIGINT", "Close all streams in order, within five seconds."),
                  ("SIGHUP", "Take over the configuration and all certificates anew: all or nothing. The log says what changed."))


def say(program, *args):
    return subprocess.run([program, *args], check=True, capture_output=True, text=True).stdout


def escape(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.M)


def head(name, section, what):
    return '.TH %s %s "" Meridian\n.SH NAME\n%s \\- %s\n' % (name.upper(), section, name, what)


def terms(rows):
    return "".join(".TP\n.B %s\n%s\n" % (escape(a), escape(b)) for a, b in rows)


def listed(text, heading):
    """Rows of "  left   right" below a heading; lines that go on are joined."""
    rows = []
    block = text.split(heading + "\n", 1)[1].split("\n\n", 1)[0]
    for line in block.splitlines():
        m = re.match(r"  (\S.*?)(?:  +(\S.*))?$", line)
        if m and not line.startswith("          "):
            rows.append([m.group(1), m.group(2) or ""])
        elif rows:
            rows[-1][1] += " " + line.strip()
    return [(a, b.strip()) for a, b in rows]


def synopsis(usage):
    lines = [re.sub(r"^(usage:)?\s+", "", line) for line in usage.split("\n\n", 1)[0].splitlines()]
    return ".SH SYNOPSIS\n" + "".join(".nf\n%s\n.fi\n" % escape(line) for line in lines)


def daemon(bin_folder):
    usage = say(os.path.join(bin_folder, "meridiand"), "--help")
    _, about, options = usage.split("\n\n", 2)
    return (head("meridiand", 8, "XMPP server, one node") + synopsis(usage) + ".SH DESCRIPTION\n%s\n" % escape(about)
            + ".SH OPTIONS\n" + terms(listed("\n" + options, "")) + ".SH SIGNALS\n" + terms(DAEMON_SIGNALS)
            + ".SH EXIT STATUS\n" + terms(DAEMON_EXIT) + FILES + ".SH SEE ALSO\n.BR meridianctl (8),\n.BR meridian.toml (5)\n")


def control(bin_folder):
    usage = say(os.path.join(bin_folder, "meridianctl"), "--help")
    codes = re.findall(r"(\d+) ([^,\n]+(?:\n(?!\d)[^,\n]+)*)", usage.split("exit codes: ", 1)[1])
    federation = say(os.path.join(bin_folder, "meridianctl"), "help", "s2s").split("\n\n")
    return (head("meridianctl", 8, "ask and change a running Meridian node") + synopsis(usage)
            + ".SH COMMANDS\n" + terms(listed(usage, "commands:"))
            + ".SS s2s\n" + terms(listed("\n" + federation[2], "") + listed("\n" + federation[3], "")) + ".PP\n" + escape(federation[4]) + ".SH OPTIONS\n" + terms(listed(usage, "options:"))
            + ".SH EXIT STATUS\n" + terms([(a, b.replace("\n", " ")) for a, b in codes]) + FILES
            + ".SH SEE ALSO\n.BR meridiand (8),\n.BR meridian.toml (5)\n")


def options(bin_folder):
    out = [head("meridian.toml", 5, "configuration of a Meridian node"), ".SH DESCRIPTION\n",
           "One TOML file. Unknown names are errors. A duration needs its unit (30s, 5m), a size may have one (256KiB). "
           "A secret may be file:/path or env:NAME.\n.B meridiand \\-\\-check\nchecks it.\n"]
    for block in re.split(r"\n\s*\n", say(os.path.join(bin_folder, "meridiand"), "--config-docs").strip()):
        lines = block.split("\n")
        if lines[0].startswith("["):
            out.append(".SH %s\n%s\n" % (escape(lines[0]), escape(" ".join(line[2:] for line in lines[1:]))))
            continue
        doc = " ".join(line[2:] for line in lines[:-1] if not line.startswith("#   "))
        facts = " ".join(line[4:] for line in lines[:-1] if line.startswith("#   "))
        name, value = lines[-1].lstrip("# ").split(" = ", 1)
        default = "" if lines[-1].startswith("#") else " Default: %s." % value
        out.append(".TP\n.B %s\n%s. (%s)%s\n" % (escape(name), escape(doc), escape(facts), escape(default)))
    out.append(".SH SEE ALSO\n.BR meridiand (8),\n.BR meridianctl (8)\n")
    return "".join(out)


def main(argv):
    if len(argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    os.makedirs(argv[2], exist_ok=True)
    for name, page in (("meridiand.8", daemon), ("meridianctl.8", control), ("meridian.toml.5", options)):
        with open(os.path.join(argv[2], name), "w", encoding="utf-8") as f:
            f.write(page(argv[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))

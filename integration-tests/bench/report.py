"""docs/benchmarks.md and its plots, from the results that bench.py keeps. May be run again at any time on the same results."""
import argparse
import itertools
import os
import statistics
import sys

import marks
import plots
import scenarios
from results import Results
from servers import meridian

METHOD = """Each server runs alone on core 0, the load generator (`loadgen`, C) on core 1. The servers take turns within a
scenario; all scenarios make a round. Rounds: {rounds}. A server is started anew for each run, from a copy of data with {accounts}
accounts. A figure is the median of the rounds, in brackets the smallest and the largest;
without brackets it is of one round. CPU is user and system time of
all processes of the server from /proc, divided by what the generator counted; memory is their resident size. KB are 1000
bytes.

All servers: certificates with P-256 keys of one CA, TLS 1.3 with TLS_AES_128_GCM_SHA256, SCRAM-SHA-1 with keys of
{hash_rounds} rounds, warnings only in the log, no limits on rates, sessions, new domains or offline messages{archive}. ejabberd has one scheduler
(`+S 1:1`), as it has one core. glibc asks for large pages (`GLIBC_TUNABLES=glibc.malloc.hugetlb=1`), as in the unit of Meridian's package.

| set-up | Prosody | ejabberd | Meridian |
|---|---|---|---|
| usual | the modules of Debian's `prosody.cfg.lua`, without `limits` | the modules of Debian's `ejabberd.yml`, without `mod_fail2ban` \
and `mod_pres_counter`; the Erlang options of Debian's `ejabberdctl` | its defaults |
| lean | {prosody_lean}; generational garbage collection, TLS session tickets | {ejabberd_lean}; schedulers do not spin (`+sbwt none`) | {meridian_lean} |

"Against Meridian" is the first figure divided by Meridian's in the same set-up.
"""
GROUPS = list(dict.fromkeys(s.group for s in scenarios.SCENARIOS))
ARCHIVE = {True: "; in the usual set-up all keep an archive of messages",
           False: "; none keeps an archive of messages: Debian's configurations have it off, Meridian has none yet"}
LEAN_SAME = "the same: it has nothing to switch off yet"


def number(figure, values):
    if not values:
        return "-"
    middle, low, high = (v * figure.scale for v in (statistics.median(values), min(values), max(values)))
    text = format(middle, ",.%df" % figure.digits)
    if len(values) > 1:
        text += " (%s to %s)" % (format(low, ",.%df" % figure.digits), format(high, ",.%df" % figure.digits))
    return text


def against(results, scenario, variant):
    """The first figure against Meridian's of the same set-up."""
    key = scenario.figures[0].key
    got, usual = results.median(scenario.name, variant, key), results.median(scenario.name, ("meridian", "usual"), key)
    ours = results.median(scenario.name, ("meridian", variant[1]), key) or usual
    return "" if got is None or not ours or variant[0] == "meridian" else "%.1f" % (got / ours)


def table(results, scenario):
    compared = scenario.variants == scenarios.ALL
    heads = ["", *("%s%s" % (f.title, ", " + f.unit if f.unit else "") for f in scenario.figures)]
    lines = ["| %s |" % " | ".join(heads + ["against Meridian"] * compared), "|" + "---|" * (len(heads) + compared)]
    for v in scenario.variants:
        if not results.all(scenario.name, v):
            continue
        cells = [" ".join(v)] + [number(f, results.values(scenario.name, v, f.key)) for f in scenario.figures]
        bad = results.failed(scenario.name, v)
        if bad:
            why = bad[0].splitlines()[0][:120]
            cells[0] += " (%d of %d runs failed: %s)" % (len(bad), len(results.all(scenario.name, v)), why)
        lines.append("| %s |" % " | ".join(cells + [against(results, scenario, v)] * compared))
    return "\n".join(lines)


def section(results, group, path):
    """A heading, its plots, a table for each scenario."""
    name, stem = group[0].group, group[0].group.lower().replace(" ", "-")
    parts = ["## %s" % name]
    if group[0].variants == scenarios.ALL:
        drawn = [("%s-%s" % (stem, s.name), plots.latencies, s) for s in group] if group[0].figures[0].unit == "ms" else [
            (stem, plots.bars, [s for s in group if s.variants == scenarios.ALL])]
        parts += ["![%s](benchmarks/%s.svg)" % (name, file) for file, draw, what in drawn
                  if draw(os.path.join(path, file + ".svg"), what, results)]
    for s in group:
        parts += ["**%s.**%s" % (s.title[0].upper() + s.title[1:], " " + s.note if s.note else ""), table(results, s)]
    return "\n\n".join(parts)


def marks_table(results):
    lines = ["| mark | limit | measured | |", "|---|---|---|---|"]
    for v in marks.verdicts(results):
        met = {True: "met", False: "**not met**", None: "open"}[v.met]
        lines.append("| %s | %s | %s | %s |" % (v.mark, v.limit, v.figure, met))
    return "\n".join(lines)


def machine(results):
    m = results.machine
    text = ("%s, %d cores%s, %s MB memory, Linux %s, %s. Meridian %s, release build." % (
        m["processor"], m["cores"], " of a virtual machine" if m["hypervisor"] else "", format(m["memory_mb"], ","), m["kernel"],
        m["system"], m["meridian"]))
    return text + "\n\n| package | version |\n|---|---|\n" + "\n".join("| %s | %s |" % p for p in m["packages"].items())


def modules(always, needed):
    """Both as lines of "name" or "name: options"."""
    def names(text):
        return ["`%s`" % line.strip().split(":")[0] for line in text.split("\n") if line.strip()]
    sometimes = dict.fromkeys(n for text in needed.values() for n in names(text))
    return "%s; %s where the scenario needs them" % (" ".join(names(always)), " ".join(sometimes))


def method(results):
    lean = any(k[1:] == ("meridian", "lean") for k in results.rows)
    theirs = scenarios.servers_peers
    return METHOD.format(rounds=results.rounds, accounts=format(scenarios.servers.ACCOUNTS, ","), hash_rounds=scenarios.servers.ROUNDS,
                         archive=ARCHIVE[results.machine["archive"]],
                         prosody_lean=modules("\n".join(theirs.LEAN_PROSODY), theirs.PROSODY_NEEDS),
                         ejabberd_lean=modules(theirs.LEAN_EJABBERD, theirs.EJABBERD_NEEDS),
                         meridian_lean="without its optional modules" if lean else LEAN_SAME)


def compose(results, directory):
    yield "# Benchmarks\n\nMade by `scripts/bench`; do not edit. [integration-tests/bench](../integration-tests/bench/README.md) " \
          "says how to run parts of it." + ("\n\n**From a quick run: it shows that all works, the figures say little.**"
                                            if results.quick else "")
    yield "## Machine\n\n" + machine(results)
    yield "## Method\n\n" + method(results).strip()
    yield "## Marks\n\n" + marks_table(results)
    cost = os.path.join(directory, "cost.md")
    if os.path.exists(cost):
        with open(cost) as f:
            yield f.read().strip()
    measured = sorted((s for s in scenarios.SCENARIOS if results.has(s.name)), key=lambda s: GROUPS.index(s.group))
    for _, group in itertools.groupby(measured, key=lambda s: s.group):
        yield section(results, list(group), directory)


def write(out, path):
    directory = os.path.join(os.path.dirname(os.path.abspath(path)), "benchmarks")
    os.makedirs(directory, exist_ok=True)
    text = "\n\n".join(compose(Results(out), directory)) + "\n"
    with open(path, "w") as f:
        f.write(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default=os.path.join(meridian.ROOT, "build/bench"), help="where bench.py kept the results")
    parser.add_argument("--file", default=os.path.join(meridian.ROOT, "docs/benchmarks.md"))
    o = parser.parse_args()
    write(o.out, o.file)
    return 0


if __name__ == "__main__":
    sys.exit(main())

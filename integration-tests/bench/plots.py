"""Plots of the report by gnuplot: for each group of scenarios the first figure of all variants, on a logarithmic scale."""
import os
import subprocess

import scenarios

COLOURS = {("meridian", "usual"): "#1b6ca8", ("meridian", "lean"): "#7fb8dd", ("prosody", "usual"): "#b85c00",
           ("prosody", "lean"): "#f0a860", ("ejabberd", "usual"): "#4a7d2c", ("ejabberd", "lean"): "#a6cf8c"}
HEAD = """set terminal svg size 900,420 font "sans,12" background "white"
set output "{file}"
set key outside top center horizontal
set grid ytics lc rgb "#dddddd"
set border 3
set tics nomirror
set logscale y
set ylabel "{unit}"
"""
BARS = """set style data histogram
set style histogram clustered gap 1
set style fill solid 0.9 noborder
set boxwidth 0.9
set yrange [{low}:*]
plot {plots}
"""
LINES = "set style data linespoints\nset xrange [-0.3:*]\nplot {plots}\n"


def block(name, rows):
    """Data of one plot: rows of (label, value)."""
    return "$%s << E\n%s\nE\n" % (name, "\n".join('"%s" %s' % (label, "NaN" if v is None else "%g" % v) for label, v in rows))


def draw(path, unit, series, lines=False):
    """series: {variant: [(label, value or None)]}. False if there is nothing to draw."""
    series = {v: rows for v, rows in series.items() if any(value for _, value in rows)}
    values = [v for rows in series.values() for _, v in rows if v]
    if not values:
        return False
    text, plots = "", []
    for i, (variant, rows) in enumerate(series.items()):
        text += block("d%d" % i, rows)
        using = "using 0:2:xtic(1)" if lines else "using 2:xtic(1)"
        plots.append('$d%d %s title "%s" lc rgb "%s"%s' % (i, using, " ".join(variant), COLOURS[variant],
                                                          " lw 2 pt 7 ps 0.5" if lines else ""))
    text += HEAD.format(file=os.path.basename(path), unit=unit)
    text += (LINES if lines else BARS).format(plots=", ".join(plots), low="%g" % (min(values) / 3))
    subprocess.run(["gnuplot"], input=text, text=True, check=True, cwd=os.path.dirname(path))
    return True


def bars(path, group, results):
    """One cluster for each scenario of the group."""
    figure = group[0].figures[0]

    def value(s, v):
        got = results.median(s.name, v, s.figures[0].key)
        return None if got is None else got * s.figures[0].scale
    return draw(path, "%s, %s" % (figure.title, figure.unit), {v: [(s.short, value(s, v)) for s in group] for v in COLOURS})


def latencies(path, scenario, results):
    """The percentiles of one scenario."""
    figures = scenarios.LATENCY

    def value(f, v):
        got = results.median(scenario.name, v, f.key)
        return None if got is None else got * f.scale
    return draw(path, "latency, ms", {v: [(f.title, value(f, v)) for f in figures] for v in COLOURS}, lines=True)

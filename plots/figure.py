"""Drawing helpers that make every figure look alike, and the command line of a figure script.

A figure script is a file fig_*.py that defines NAME (file name), TITLE, CAPTION and draw(data) -> matplotlib Figure;
draw raises common.NothingToDraw where the record has nothing for it. The page takes in every fig_*.py that it finds.
"""

import argparse
import logging
import math
import os
import sys
import textwrap

import matplotlib

matplotlib.use("Agg")
# The first import on a machine builds a font cache and says so on standard error, where users expect problems only.
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)

import matplotlib.pyplot as plt  # noqa: E402  (the backend comes first)
from matplotlib.lines import Line2D  # noqa: E402
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator  # noqa: E402

import common  # noqa: E402

# The page turns these four into its own colours, so that figures follow the reader's light or dark setting.
FOREGROUND = "#1b1f24"
MUTED = "#57606a"
GRID = "#d8dee4"
BACKGROUND = "#ffffff"
# Text on a coloured field keeps its colour in either setting.
INK = "#0f1114"
CHALK = "#fdfdfd"

WIDTH = 9.4  # inches: 900 pixels at 100 %
LONG_NAME = 20  # characters
LOG_FROM = 4  # factors above this are shown on a logarithmic axis

plt.rcParams.update({
    "font.family": "DejaVu Sans", "font.size": 10, "axes.titlesize": 10.5, "axes.labelsize": 9.5,
    "xtick.labelsize": 9, "ytick.labelsize": 9.5, "legend.fontsize": 9, "legend.frameon": False,
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": MUTED, "axes.labelcolor": FOREGROUND,
    "text.color": FOREGROUND, "xtick.color": MUTED, "ytick.color": MUTED, "xtick.labelcolor": FOREGROUND,
    "ytick.labelcolor": FOREGROUND, "axes.titlecolor": FOREGROUND, "axes.grid": True, "grid.color": GRID,
    "grid.linewidth": 0.8, "axes.axisbelow": True, "axes.facecolor": "none", "figure.facecolor": BACKGROUND,
    "savefig.facecolor": BACKGROUND, "svg.fonttype": "none", "lines.markersize": 7,
})


def _ticks(low, high, most):
    """At most `most` round numbers between low and high on a logarithmic axis, at least two where they exist."""
    def steps(mantissas):
        first = math.floor(math.log10(low)) - 1
        last = math.ceil(math.log10(high)) + 1
        values = [m * 10.0**e for e in range(first, last + 1) for m in mantissas]
        return [v for v in values if low <= v <= high]

    for mantissas in ((1, 2, 5), (1, 3), (1,)):
        ticks = steps(mantissas)
        if len(ticks) <= most:
            return ticks
    ticks = steps((1,))
    return ticks[:: math.ceil(len(ticks) / most)]


def scale_axis(axes, which, values, unit, label, allow_log=True, fewer=5):
    """Scales an axis over `values`: logarithmic where they differ by more than LOG_FROM, else from zero; labels it with
    its one unit. Values are plotted in base units (ns, bytes)."""
    axis = getattr(axes, f"{which}axis")
    limits = getattr(axes, f"set_{which}lim")
    positive = [v for v in values if v and v > 0]
    divisor, name = common.axis_unit(positive, unit)
    suffix = name
    if positive and allow_log and max(positive) / min(positive) > LOG_FROM:
        getattr(axes, f"set_{which}scale")("log")
        margin = (max(positive) / min(positive)) ** 0.06
        low, high = min(positive) / margin, max(positive) * margin
        ticks = [t * divisor for t in _ticks(low / divisor, high / divisor, fewer + 1)]
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_minor_locator(NullLocator())
        limits(low, high)
        suffix += ", log"
    else:
        high = max(values, default=1) or 1
        ticks = MaxNLocator(fewer, steps=[1, 2, 2.5, 5, 10]).tick_values(0, high / divisor)
        axis.set_major_locator(FixedLocator([t * divisor for t in ticks if t * divisor <= high * 1.06]))
        limits(0, high * 1.06)
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v / divisor:,.6g}"))
    getattr(axes, f"set_{which}label")(f"{label} [{suffix}]")


def marker_arguments(series):
    colour, marker, hollow = common.style(series)
    size = {"*": 10, "^": 8, "D": 6.5, "X": 8}.get(marker, 7)
    return {"color": colour, "marker": marker, "markersize": size, "markerfacecolor": BACKGROUND if hollow else colour,
            "markeredgecolor": colour, "markeredgewidth": 1.6 if hollow else 0.8}


def dot_panel(axes, data, entries, unit, label, title, raw=None, notes=None, gaps=None, ticks=4):
    """Dots with 95 % intervals, one row per series. entries: {series: measurement}; raw: {series: measurement} of the
    raw twin, drawn as a grey tick; notes: {series: text at the right edge}; gaps: {series: why it
    has no dot}; ticks: about how many on the axis."""
    gaps = {s: text for s, text in (gaps or {}).items() if s not in entries}
    order = [s for s in data.series if s in entries or s in gaps]
    values = []
    for row, series in enumerate(order):
        if series in gaps:
            axes.annotate(gaps[series], (0.0, row), xycoords=("axes fraction", "data"), xytext=(6, 0),
                          textcoords="offset points", va="center", fontsize=8.5, style="italic", color=MUTED)
            continue
        measurement = entries[series]
        value = common.middle(measurement)
        values.append(value)
        bounds = common.interval(measurement)
        arguments = marker_arguments(series)
        if bounds:
            values.extend(bounds)
            axes.plot(bounds, [row, row], color=arguments["color"], linewidth=2.2, solid_capstyle="butt")
        axes.plot([value], [row], linestyle="none", **arguments)
        twin = raw.get(series) if raw else None
        if twin is not None and common.middle(twin):
            values.append(common.middle(twin))
            axes.plot([common.middle(twin)], [row], linestyle="none", marker="|", color=MUTED, markersize=11,
                      markeredgewidth=1.6, zorder=1.5)
        if notes and series in notes:
            axes.annotate(notes[series], (1.0, row), xycoords=("axes fraction", "data"), xytext=(4, 0),
                          textcoords="offset points", va="center", ha="left", fontsize=8.5, color=MUTED)
    scale_axis(axes, "x", values, unit, label, fewer=ticks)
    axes.set_yticks(range(len(order)), [data.label(s) for s in order])
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_title(title, loc="left")


def line_panel(axes, data, points, unit, label, title, x_label, x_names, apart=()):
    """Lines over ordered positions. points: {series: [(position, measurement)]}; x_names: the text at each position;
    apart: positions that no line leads to. Series stand a little beside each other, so that equal ones are all seen."""
    values = []
    order = [s for s in data.series if s in points]
    for number, series in enumerate(order):
        aside = (number - (len(order) - 1) / 2) * min(0.05, 0.4 / len(order))
        arguments = marker_arguments(series)
        where = sorted(points[series], key=lambda point: point[0])
        values.extend(common.middle(m) for _, m in where)
        dashes = "--" if common.style(series)[2] else "-"
        line = [(x + aside, common.middle(m)) for x, m in where if x not in apart]
        alone = [(x + aside, common.middle(m)) for x, m in where if x in apart]
        for part, dash in ((line, dashes), (alone, "none")):
            if part:
                axes.plot(*zip(*part), linestyle=dash, linewidth=1.5, **arguments)
        for x, measurement in [(x + aside, m) for x, m in where]:
            bounds = common.interval(measurement)
            if bounds:
                values.extend(bounds)
                axes.plot([x, x], bounds, color=arguments["color"], linewidth=2.2, solid_capstyle="butt")
    scale_axis(axes, "y", values, unit, label)
    axes.set_xticks(range(len(x_names)), x_names)
    axes.set_xlim(-0.4, len(x_names) - 0.6)
    axes.set_xlabel(x_label)
    axes.set_title(title, loc="left")


def line_legend(figure, data, shown):
    """One legend for the whole figure, below its panels; returns the number of its rows."""
    handles = []
    for series in data.series:
        if series in shown:
            dashes = "--" if common.style(series)[2] else "-"
            handles.append(Line2D([], [], linestyle=dashes, label=data.label(series), **marker_arguments(series)))
    longest = max(len(handle.get_label()) for handle in handles)
    columns = max(1, min(len(handles), 125 // (longest + 8)))
    figure.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.01, 0.0), ncol=columns,
                  bbox_transform=figure.transFigure)
    return math.ceil(len(handles) / columns)


def columns_for(data, series, wanted):
    """How many panels with names at their left fit beside each other: `wanted`, or one where a name is long."""
    return 1 if max(len(data.label(s)) for s in series) > LONG_NAME else wanted


def dots_height(count):
    """Inches for a panel with that many rows of dots."""
    return 0.95 + 0.28 * max(3, count)


def panels(heights, columns):
    """A figure with a panel of each of `heights` inches, in a grid whose rows are as high as their highest; the axes that
    are left over are removed. Returns (figure, [axes])."""
    columns = min(columns, len(heights))
    rows = [max(heights[start:start + columns]) for start in range(0, len(heights), columns)]
    figure, grid = plt.subplots(len(rows), columns, squeeze=False, figsize=(WIDTH, sum(rows)),
                                gridspec_kw={"height_ratios": rows})
    axes = list(grid.flat)
    for spare in axes[len(heights):]:
        spare.remove()
    return figure, axes[:len(heights)]


def finish(figure, data, shown, workloads, bottom=0.0):
    """Lays the figure out and writes, below the panels, which series it leaves out; the page finds
    them with their reasons in figure.left_out. `bottom`: inches for a legend."""
    figure.left_out = data.missing(shown, workloads)
    missing = [label for label, _ in figure.left_out]
    note = 0.0
    if missing:
        lines = textwrap.wrap("Not shown: " + ", ".join(missing) + " (reasons in the report).", 120)
        note = 0.2 * len(lines) + 0.05
    height = figure.get_figheight() + note
    figure.set_figheight(height)
    for legend in figure.legends:
        legend.set_bbox_to_anchor((0.01, note / height), transform=figure.transFigure)
    if missing:
        figure.text(0.015, 0.06 / height, "\n".join(lines), fontsize=8.5, color=MUTED, va="bottom")
    figure.tight_layout(rect=(0, (bottom + note) / height, 1, 1), h_pad=1.6, w_pad=1.6)
    return figure


def save(figure, name, directory):
    """Writes NAME.png and NAME.svg below `directory`; returns the text of the SVG."""
    os.makedirs(directory, exist_ok=True)
    figure.savefig(os.path.join(directory, name + ".png"), dpi=150, metadata={"Software": "layermark"})
    path = os.path.join(directory, name + ".svg")
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(path, metadata={"Date": None, "Creator": "layermark", "Format": None, "Type": None})
    plt.close(figure)
    with open(path, encoding="utf-8") as file:
        return file.read()


def main(module):
    """The command line of one figure script: RECORD... --out DIR."""
    parser = argparse.ArgumentParser(description=module.TITLE)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a results.json or a directory that holds one")
    parser.add_argument("--out", required=True, metavar="DIR", help=f"where {module.NAME}.png and .svg go")
    arguments = parser.parse_args()
    try:
        save(module.draw(common.load(arguments.runs)), module.NAME, arguments.out)
    except common.RecordError as error:
        print(f"{module.NAME}: {error}", file=sys.stderr)
        return 2
    except common.NothingToDraw as error:
        print(f"{module.NAME}: nothing to draw: {error}", file=sys.stderr)
        return 3
    return 0

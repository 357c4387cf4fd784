#!/usr/bin/python3
"""Container start: the whole, and the share of each phase."""

import sys

import matplotlib

import common
import figure

NAME = "start_phases"
TITLE = "Starting a container"
CAPTION = ("Left: median time from prepare until the program has ended, with its 95 % interval; grey tick: the raw twin, the "
           "same launcher on a bind-mounted directory. Right: the medians of the phases of one start and of its teardown "
           "(unmount, remove), one container at a time; the time of a phase stands in its field where it fits.")
WORKLOAD = "container_start"


def phase_metrics(data):
    """The phases in the order in which the record first has them."""
    found = dict.fromkeys(row["metric"] for _, row in data.measurements
                          if row["workload"] == WORKLOAD and row["metric"].startswith("phase_"))
    return list(found)


def share_panel(axes, order, phases, colours, written_from):
    """phases: {metric: {series: measurement}}; one stacked bar of shares per series, with the time in the fields whose
    share is at least `written_from`."""
    for row, series in enumerate(order):
        parts = [(metric, common.middle(rows[series])) for metric, rows in phases.items() if series in rows]
        whole = sum(value for _, value in parts)
        left = 0.0
        for metric, value in parts:
            share = 100 * value / whole if whole else 0
            colour, ink = colours[metric]
            axes.barh(row, share, left=left, color=colour, height=0.62, edgecolor=figure.BACKGROUND, linewidth=0.8)
            if share >= written_from:
                axes.text(left + share / 2, row, common.human(value, "ns"), ha="center", va="center", fontsize=8,
                          color=ink)
            left += share
    axes.set_xlim(0, 100)
    axes.set_xlabel("share of the phases' medians [%]")
    axes.set_yticks(range(len(order)), [""] * len(order))
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(False)


def draw(data):
    settings = data.params_of(WORKLOAD, "latency")
    if not settings:
        raise common.NothingToDraw(f"no latency of {WORKLOAD} in the record")
    metrics = phase_metrics(data)
    map_ = matplotlib.colormaps["cividis"]
    colours = {}
    for number, metric in enumerate(metrics):
        position = number / max(1, len(metrics) - 1)
        colours[metric] = (matplotlib.colors.to_hex(map_(position)), figure.CHALK if position < 0.5 else figure.INK)
    shown = set()
    tallest = len({s for s, _ in data.rows(WORKLOAD, "latency")})
    plot, axes = figure.panels([figure.dots_height(tallest)] * 2 * len(settings), 2)
    for number, params in enumerate(settings):
        key = common.params_key(params)
        totals = {s: row for (s, k), row in data.rows(WORKLOAD, "latency").items() if k == key}
        raw = {s: row for (s, k), row in data.rows(WORKLOAD, "latency", side="raw").items() if k == key}
        ratios = {s: f"×{common.three_digits(row['value'])}"
                  for (s, k), row in data.rows(WORKLOAD, "ratio_to_raw").items() if k == key and row["value"]}
        shown.update(totals)
        title = "whole start" + (f" ({common.params_text(params)})" if params else "")
        figure.dot_panel(axes[2 * number], data, totals, "ns", "latency", title, raw, ratios)
        phases = {m: {s: row for (s, k), row in data.rows(WORKLOAD, m).items() if k == key} for m in metrics}
        if not any(phases.values()):  # several at a time have no phases that follow each other
            axes[2 * number + 1].remove()
            continue
        narrow = figure.columns_for(data, totals, 2) == 1
        share_panel(axes[2 * number + 1], [s for s in data.series if s in totals], phases, colours, 21 if narrow else 15)
        axes[2 * number + 1].set_title("start and teardown" + (f" ({common.params_text(params)})" if params else ""), loc="left")
    patches = [matplotlib.patches.Patch(color=colours[m][0], label=m.removeprefix("phase_")) for m in metrics]
    if patches:
        plot.legend(handles=patches, loc="lower left", bbox_to_anchor=(0.01, 0), ncol=len(patches), handlelength=1.2,
                    columnspacing=1.4)
    return figure.finish(plot, data, shown, {WORKLOAD}, bottom=0.3 if patches else 0)


if __name__ == "__main__":
    sys.exit(figure.main(sys.modules[__name__]))

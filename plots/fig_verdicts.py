#!/usr/bin/python3
"""Verdicts by area and driver."""

import sys

import common
import figure

NAME = "verdicts"
TITLE = "Verdicts by area and driver"
CAPTION = ("Each field: how many cases of the area passed, and below what else there was. xfail is a known deviation with its "
           "cause in the driver's list; skip names a missing capability. The field has the colour of its worst verdict.")

# Fields are told apart by their text; the colours (from light to strong) only help to find the worst.
COLOURS = {"pass": "#cfe3f2", "skip": "#e3e5e8", "xfail": "#fbe6a8", "finding": "#e8835a", "none": "none"}


def field(verdicts):
    """(text, colour) for the verdicts of one field."""
    if not verdicts:
        return "–", COLOURS["none"]
    counts = {name: verdicts.count(name) for name in common.VERDICTS if name in verdicts}
    others = [f"{number} {name}" for name, number in counts.items() if name != "pass"]
    worst = "pass"
    if set(counts) & common.FINDINGS:
        worst = "finding"
    elif "xfail" in counts:
        worst = "xfail"
    elif "skip" in counts:
        worst = "skip"
    lines = [str(counts.get("pass", 0))]
    if others:
        lines.append(", ".join(others))
    return "\n".join(lines), COLOURS[worst]


def draw(data):
    if not data.conformance:
        raise common.NothingToDraw("no case in the record")
    areas = list(dict.fromkeys(row["case"].split(".")[0] for _, row in data.conformance))
    table = {}
    for series, row in data.conformance:
        table.setdefault((row["case"].split(".")[0], series), []).append(row["verdict"])
    workloads = {}
    names = {"right": "pass", "wrong": "wrong", "not_run": "not run"}
    for series, row in data.workloads:
        workloads.setdefault(series, []).append(names[row["verdict"]])
    order = [s for s in data.series if any((area, s) in table for area in areas)]
    rows = len(areas) + (1 if workloads else 0)
    plot, (axes,) = figure.panels(1, 1, 0.9 + 0.4 * rows)
    for y, area in enumerate(areas):
        for x, series in enumerate(order):
            put(axes, x, y, *field(table.get((area, series), [])))
    if workloads:
        for x, series in enumerate(order):
            found = workloads.get(series, [])
            others = [f"{found.count(name)} {name}" for name in ("wrong", "not run") if name in found]
            colour = COLOURS["finding" if "wrong" in found else "skip" if "not run" in found else "pass"]
            text = "\n".join([str(found.count("pass"))] + ([", ".join(others)] if others else []))
            put(axes, x, len(areas), text if found else "–", colour if found else "none")
    axes.set_xlim(-0.5, len(order) - 0.5)
    axes.set_ylim(rows - 0.5, -0.5)
    wide = len(order) > 7
    axes.set_xticks(range(len(order)), [data.label(s) for s in order], rotation=30 if wide else 0,
                    ha="left" if wide else "center")
    axes.set_yticks(range(rows), areas + (["workloads (right)"] if workloads else []))
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure.finish(plot, data, order, set())


def put(axes, x, y, text, colour):
    inside = colour != "none"
    axes.add_patch(figure.plt.Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, color=colour, linewidth=0))
    axes.text(x, y, text, ha="center", va="center", fontsize=8.5, linespacing=1.15,
              color=figure.INK if inside else figure.MUTED)


if __name__ == "__main__":
    sys.exit(figure.main(sys.modules[__name__]))

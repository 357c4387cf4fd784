#!/usr/bin/python3
"""Verdicts by area and driver."""

import re
import sys

import common
import figure

NAME = "verdicts"
TITLE = "Verdicts by area and driver"
CAPTION = ("Each field: how many cases of the area passed, and below what else there was. xfail is a known deviation with its "
           "cause in the driver's list; skip names a missing capability. The field has the colour of its worst verdict.")

# Fields are told apart by their text; the colours (from light to strong) only help to find the worst.
COLOURS = {"pass": "#cfe3f2", "skip": "#e3e5e8", "xfail": "#fbe6a8", "finding": "#e8835a", "none": "none"}
CHARACTERS = 104  # that fit beside each other in the fields of one row


def broken(text, width):
    """A text in lines of about `width` characters, broken at spaces and behind the signs in an instance's name."""
    lines = [""]
    for part in re.findall(r"[^\s:,_]+[\s:,_]*", text):
        if lines[-1] and len(lines[-1] + part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)


def field(verdicts, width):
    """(text in lines of about `width` characters, colour) for the verdicts of one field."""
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
        lines.append(broken(", ".join(others), width))
    return "\n".join(lines), COLOURS[worst]


def draw(data):
    if not data.conformance:
        raise common.NothingToDraw("no case in the record")
    areas = list(dict.fromkeys(row["case"].split(".")[0] for _, row in data.conformance))
    table = {}
    for series, row in data.conformance:
        table.setdefault((row["case"].split(".")[0], series), []).append(row["verdict"])
    workloads = {}
    for series, row in data.workloads:
        workloads.setdefault(series, []).append(row["verdict"].replace("_", " "))
    order = [s for s in data.series if any((area, s) in table for area in areas)]
    width = max(8, CHARACTERS // len(order))
    fields = {(x, y): field(table.get((area, series), []), width)
              for y, area in enumerate(areas) for x, series in enumerate(order)}
    names = areas + (["workloads (right)"] if workloads else [])
    if workloads:
        fields.update({(x, len(areas)): workload_field(workloads.get(series, []), width)
                       for x, series in enumerate(order)})
    heads = [broken(data.label(s), width) for s in order]
    lines = max(text.count("\n") + 1 for text, _ in fields.values())
    head_lines = max(head.count("\n") + 1 for head in heads)
    plot, (axes,) = figure.panels([0.5 + 0.15 * head_lines + (0.12 + 0.14 * lines) * len(names)], 1)
    for (x, y), (text, colour) in fields.items():
        put(axes, x, y, text, colour)
    axes.set_xlim(-0.5, len(order) - 0.5)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xticks(range(len(order)), heads, fontsize=9)
    axes.set_yticks(range(len(names)), names)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure.finish(plot, data, order, set())


def workload_field(found, width):
    """The field of a series' workloads: as for cases, with the number of right ones first."""
    if not found:
        return "–", COLOURS["none"]
    others = [f"{found.count(name)} {name}" for name in ("wrong", "not run") if name in found]
    colour = COLOURS["finding" if "wrong" in found else "skip" if "not run" in found else "pass"]
    return "\n".join([str(found.count("right"))] + ([broken(", ".join(others), width)] if others else [])), colour


def put(axes, x, y, text, colour):
    inside = colour != "none"
    axes.add_patch(figure.plt.Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, color=colour, linewidth=0))
    axes.text(x, y, text, ha="center", va="center", fontsize=8.5, linespacing=1.15,
              color=figure.INK if inside else figure.MUTED)


if __name__ == "__main__":
    sys.exit(figure.main(sys.modules[__name__]))

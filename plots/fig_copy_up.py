#!/usr/bin/python3
"""Copy-up: the first change of a lower file, against its size."""

import sys

import common
import figure

NAME = "copy_up"
TITLE = "First change of a file that a lower layer brought"
CAPTION = ("Median latency of the first change of a lower file, with its 95 % interval: against the file's size where several "
           "were measured, else by driver with the raw twin as a grey tick and the ratio to it at the right. A union file "
           "system copies the file up; a driver whose snapshot shares or owns its blocks does not.")


def workloads(data):
    return [name for name in data.workload_names()
            if name.startswith("copy_up") and any("size" in p for p in data.params_of(name, "latency"))]


def size_text(key):
    """The size, and below it what else the parameters say, such as sparse."""
    params = dict(key)
    more = [value if value not in ("yes", "true", "1", "on") else name
            for name, value in sorted(params.items()) if name != "size" and value not in ("no", "false", "0", "off")]
    return "\n".join([params["size"]] + more)


def draw_over_sizes(panel, data, name, rows, order):
    points = {}
    for (series, key), row in rows.items():
        points.setdefault(series, []).append((order.index(key), row))
    apart = {number for number, key in enumerate(order) if "\n" in size_text(key)}
    figure.line_panel(panel, data, points, "ns", "latency", name, "size of the file", [size_text(key) for key in order],
                      apart=apart)
    if len(order) > 6:
        panel.tick_params(axis="x", labelsize=8)


def draw_one_size(panel, data, name, rows, key):
    entries = {series: row for (series, _), row in rows.items()}
    raw = {s: row for (s, k), row in data.rows(name, "latency", side="raw").items() if k == key}
    notes = {s: f"×{common.three_digits(row['value'])}" for (s, k), row in data.rows(name, "ratio_to_raw").items()
             if k == key and row["value"] is not None}
    figure.dot_panel(panel, data, entries, "ns", "latency", f"{name} ({common.params_text(dict(key))})", raw, notes,
                     data.gaps(name, dict(key)))


def draw(data):
    chosen = []
    for name in workloads(data):
        rows = {key: row for key, row in data.rows(name, "latency").items()
                if "size" in dict(key[1]) and row["p50"] is not None}
        order = sorted({key for _, key in rows}, key=lambda key: (common.natural(dict(key)["size"]), len(key), key))
        if order:
            chosen.append((name, rows, order))
    if not chosen:
        raise common.NothingToDraw("no latency of a copy_up workload with a parameter size")
    chosen.sort(key=lambda each: len(each[2]) == 1)
    shown = {series for _, rows, _ in chosen for series, _ in rows}
    heights = [2.9 if len(order) > 1 else figure.dots_height(len(shown)) for _, _, order in chosen]
    plot, axes = figure.panels(heights, figure.columns_for(data, shown, 2))
    lines = set()
    for (name, rows, order), panel in zip(chosen, axes):
        if len(order) > 1:
            draw_over_sizes(panel, data, name, rows, order)
            lines.update(series for series, _ in rows)
        else:
            draw_one_size(panel, data, name, rows, order[0])
    legend = figure.line_legend(plot, data, lines) if lines else 0
    return figure.finish(plot, data, shown, {name for name, _, _ in chosen}, bottom=0.25 * legend)


if __name__ == "__main__":
    sys.exit(figure.main(sys.modules[__name__]))

#!/usr/bin/python3
"""Copy-up: the first change of a lower file, against its size."""

import sys

import common
import figure

NAME = "copy_up"
TITLE = "First change of a file that a lower layer brought"
CAPTION = ("Median latency of the first change of a lower file, with its 95 % interval, against the file's size. A union "
           "file system copies the file up; a snapshot that shares or owns its blocks does not.")


def workloads(data):
    return [name for name in data.workload_names()
            if name.startswith("copy_up") and any("size" in p for p in data.params_of(name, "latency"))]


def sizes_of(rows):
    """The parameter sets in the order of their sizes; a set may say more than the size, such as sparse."""
    return sorted({key for _, key in rows}, key=lambda key: (common.natural(dict(key)["size"]), len(key), key))


def size_text(key):
    params = dict(key)
    more = [value if value not in ("yes", "true", "1", "on") else name
            for name, value in sorted(params.items()) if name != "size" and value not in ("no", "false", "0", "off")]
    return "\n".join([params["size"]] + more)


def draw(data):
    names = workloads(data)
    if not names:
        raise common.NothingToDraw("no latency of a copy_up workload with a parameter size")
    plot, axes = figure.panels(len(names), 2, 3.1)
    shown = set()
    for name, panel in zip(names, axes):
        rows = {key: row for key, row in data.rows(name, "latency").items() if "size" in dict(key[1])}
        order = sizes_of(rows)
        points = {}
        for (series, key), row in rows.items():
            points.setdefault(series, []).append((order.index(key), row))
        shown.update(points)
        figure.line_panel(panel, data, points, "ns", "latency", name, "size of the file",
                          [size_text(key) for key in order],
                          apart={number for number, key in enumerate(order) if "\n" in size_text(key)})
        if len(order) > 6:
            panel.tick_params(axis="x", labelsize=8)
    legend = figure.line_legend(plot, data, shown)
    return figure.finish(plot, data, shown, set(names), bottom=0.25 * legend)


if __name__ == "__main__":
    sys.exit(figure.main(sys.modules[__name__]))

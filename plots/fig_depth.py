#!/usr/bin/python3
"""Mount time against the number of layers."""

import sys

import common
import figure

NAME = "depth"
TITLE = "Mounting a snapshot of many layers"
CAPTION = ("Median time of mounting and unmounting a snapshot, with its 95 % interval, against the number of layers "
           "below it.")
WORKLOAD = "stack_mount"


def draw(data):
    rows = {key: row for key, row in data.rows(WORKLOAD, "latency").items() if "layers" in dict(key[1])}
    if not rows:
        raise common.NothingToDraw(f"no latency of {WORKLOAD} with a parameter layers")
    depths = sorted({dict(key)["layers"] for _, key in rows}, key=common.natural)
    points = {}
    for (series, key), row in rows.items():
        points.setdefault(series, []).append((depths.index(dict(key)["layers"]), row))
    plot, (axes,) = figure.panels([3.6], 1)
    figure.line_panel(axes, data, points, "ns", "latency", "mount and unmount", "layers", depths)
    legend = figure.line_legend(plot, data, points)
    return figure.finish(plot, data, points, {WORKLOAD}, bottom=0.25 * legend)


if __name__ == "__main__":
    sys.exit(figure.main(sys.modules[__name__]))

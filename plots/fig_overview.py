#!/usr/bin/python3
"""The one figure: what a start, the bytes and the inodes of containers cost on each driver."""

import sys

import common
import figure

NAME = "overview"
TITLE = "Start, bytes and inodes by driver"
CAPTION = ("Left: median time of a container start with its 95 % interval. Middle and right: what containers of one "
           "image add to it, on the disk and in the inode table, when each writes one small file.")


def nearest(sets, parameter, wanted):
    """The parameter set whose count is nearest to `wanted`."""
    fitting = [p for p in sets if (common.parse_size(p.get(parameter, "")) or 0) > 0]
    return min(fitting, key=lambda p: abs(common.parse_size(p[parameter]) - wanted), default=None)


def entries(data, workload, metric, params):
    if params is None:
        return {}
    key = common.params_key(params)
    return {s: row for (s, k), row in data.rows(workload, metric).items() if k == key and common.middle(row) is not None}


def chosen(data):
    """[(title, axis label, unit, {series: measurement})] of the panels that the record can fill."""
    panels = []
    start = entries(data, "container_start", "latency", data.representative_params("container_start", "latency"))
    if start:
        panels.append(("container start", "latency", "ns", start))
    for metric, label, unit in (("pool_bytes", "space", "bytes"), ("inodes", "inodes", "count")):
        params = nearest(data.params_of("sharing_containers", metric), "containers", 10)
        found = entries(data, "sharing_containers", metric, params)
        if found:
            number = params["containers"]
            panels.append((f"{number} container{'' if number == '1' else 's'}: added {label}", label, unit, found))
    return panels


def draw(data):
    panels = chosen(data)
    if not panels:
        raise common.NothingToDraw("neither container_start nor sharing_containers was measured")
    shown = set().union(*(found for _, _, _, found in panels))
    plot, axes = figure.panels([figure.dots_height(len(shown))] * len(panels), 3)
    for number, (panel, (title, label, unit, found)) in enumerate(zip(axes, panels)):
        notes = {s: common.human(common.middle(row), unit) for s, row in found.items()}
        figure.dot_panel(panel, data, found, unit, label, title, notes=notes, ticks=3)
        # One row per driver in every panel, so that they can be read across; names stand at the left one alone.
        order = [s for s in data.series if s in found]
        if number > 0 and order == [s for s in data.series if s in panels[0][3]]:
            panel.set_yticklabels([])
    return figure.finish(plot, data, shown, {"container_start", "sharing_containers"})


if __name__ == "__main__":
    sys.exit(figure.main(sys.modules[__name__]))

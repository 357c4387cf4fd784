#!/usr/bin/python3
"""The page cache that N containers of one image take when all of them read all of it."""

import sys

import common
import figure

NAME = "page_cache"
TITLE = "Page cache for many containers of one image"
CAPTION = ("N containers read every file of one image. Left: pages cached, in units of the image: 1 where all containers read "
           "the same pages, N where each has its own. A file that is reflinked or a snapshot shares its bytes on the disk and "
           "not in memory. Right: what the last container added. Counted by inode; the record has the same by the kernel's "
           "events, which must agree within 2 %.")
PANELS = (("cache_duplication", "cached per byte of image"), ("cache_per_container_bytes", "the last container's"))


def draw(data):
    kept = data.representative_params("page_cache", "cache_duplication")
    if kept is None:
        raise common.NothingToDraw("no cache_duplication of page_cache in the record")
    fixed = {name: value for name, value in kept.items() if name != "containers"}
    plot, axes = figure.panels([3.4] * len(PANELS), 2)
    shown = set()
    for panel, (metric, label) in zip(axes, PANELS):
        rows = {key: row for key, row in data.rows("page_cache", metric).items()
                if {**fixed, "containers": dict(key[1]).get("containers")} == dict(key[1])
                and common.middle(row) is not None}
        counts = sorted({dict(key)["containers"] for _, key in rows}, key=common.natural)
        points = {}
        for (series, key), row in rows.items():
            points.setdefault(series, []).append((counts.index(dict(key)["containers"]), row))
        shown.update(points)
        unit = "ratio" if metric == "cache_duplication" else "bytes"
        figure.line_panel(panel, data, points, unit, label, f"page_cache: {metric} ({common.params_text(fixed)})",
                          "containers of one image", counts)
    legend = figure.line_legend(plot, data, shown)
    return figure.finish(plot, data, shown, {"page_cache"}, bottom=0.25 * legend)


if __name__ == "__main__":
    sys.exit(figure.main(sys.modules[__name__]))

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


def draw(data):
    kept = data.representative_params("page_cache", "cache_duplication")
    if kept is None:
        raise common.NothingToDraw("no cache_duplication of page_cache in the record")
    fixed = {name: value for name, value in kept.items() if name != "containers"}

    def rows_of(metric):
        """{(series, containers): measurement} with the parameters that are the same in the whole figure."""
        return {(series, dict(key)["containers"]): row for (series, key), row in data.rows("page_cache", metric).items()
                if {**fixed, "containers": dict(key)["containers"]} == dict(key) and common.middle(row) is not None}

    cached, added = rows_of("cache_duplication"), rows_of("cache_per_container_bytes")
    counts = sorted({count for _, count in cached}, key=common.natural)
    points = {}
    for (series, count), row in cached.items():
        points.setdefault(series, []).append((counts.index(count), row))
    last = {series: added[(series, counts[-1])] for series in points if (series, counts[-1]) in added}
    plot, axes = figure.panels([max(3.4, figure.dots_height(len(last)))] * (2 if last else 1), 2)
    figure.line_panel(axes[0], data, points, "ratio", "cached / image", "page_cache: cache_duplication",
                      f"containers ({common.params_text(fixed)})", counts)
    if last:
        notes = {series: common.human(common.middle(row), "bytes") for series, row in last.items()}
        figure.dot_panel(axes[1], data, last, "bytes", "page cache", f"what container number {counts[-1]} added", notes=notes)
    legend = figure.line_legend(plot, data, points)
    return figure.finish(plot, data, points, {"page_cache"}, bottom=0.25 * legend)


if __name__ == "__main__":
    sys.exit(figure.main(sys.modules[__name__]))

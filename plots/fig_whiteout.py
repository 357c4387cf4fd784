#!/usr/bin/python3
"""Deleting what a lower layer brought, and listing a directory full of deletions."""

import sys

import common
import figure
import latency_panels

NAME = "whiteout"
TITLE = "Whiteouts: deleting, recreating and listing what a lower layer brought"
CAPTION = ("Dot: median with its 95 % interval; grey tick: the raw twin; at the right the ratio to it. A union file system "
           "marks each deleted name with a whiteout, which later listings must skip.")


def draw(data):
    chosen = [(name, "latency", params) for name in data.workload_names() if name.startswith("whiteout")
              for params in data.params_of(name, "latency")]
    if not chosen:
        raise common.NothingToDraw("no latency of a whiteout workload in the record")
    return latency_panels.draw(data, chosen)


if __name__ == "__main__":
    sys.exit(figure.main(sys.modules[__name__]))

#!/usr/bin/python3
"""Unpacking an image and committing layers."""

import sys

import common
import figure
import latency_panels

NAME = "unpack"
TITLE = "Unpacking an image, committing a layer, copying a tree"
CAPTION = ("Dot: median with its 95 % interval; grey tick: the raw twin (the same layers into a directory); at the right the "
           "ratio to it.")
WORKLOADS = ("stack_unpack", "stack_commit", "copy_tree")


def draw(data):
    chosen = [(name, "latency", params) for name in WORKLOADS for params in data.params_of(name, "latency")]
    if not chosen:
        raise common.NothingToDraw("no latency of " + ", ".join(WORKLOADS) + " in the record")
    return latency_panels.draw(data, chosen)


if __name__ == "__main__":
    sys.exit(figure.main(sys.modules[__name__]))

#!/usr/bin/python3
"""Latency of the key workloads: for each the parameters that most drivers were measured with."""

import sys

import common
import figure
import latency_panels

NAME = "latency"
TITLE = "Latency by workload and driver"
CAPTION = ("Dot: median. Bar: its 95 % interval. Grey tick: the median of the raw twin, the same work without the driver. "
           "At the right: median of the paired ratios to the raw twin. Axes are logarithmic where values differ by more "
           "than a factor of four.")


def draw(data):
    chosen = []
    for name in data.workload_names():
        for metric in ("latency", "ready_time"):
            params = data.representative_params(name, metric)
            if params is not None:
                chosen.append((name, metric, params))
    if not chosen:
        raise common.NothingToDraw("no latency in the record")
    return latency_panels.draw(data, chosen)


if __name__ == "__main__":
    sys.exit(figure.main(sys.modules[__name__]))

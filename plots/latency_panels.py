"""A grid of dot panels, one per workload: shared by the figures that compare latencies of single workloads."""

import common
import figure


def draw(data, chosen, columns=2):
    """chosen: [(workload, metric, params)]; a panel each, with the raw twin and the ratio to it."""
    plots = []
    shown = set()
    for workload, metric, params in chosen:
        key = common.params_key(params)
        entries = {s: row for (s, k), row in data.rows(workload, metric).items() if k == key and row["p50"] is not None}
        if not entries:
            continue
        raw = {s: row for (s, k), row in data.rows(workload, metric, side="raw").items() if k == key}
        ratios = {s: row for (s, k), row in data.rows(workload, "ratio_to_raw").items() if k == key}
        notes = {s: f"×{common.three_digits(row['value'])}" for s, row in ratios.items()
                 if metric == "latency" and row["value"] is not None}
        title = workload if metric == "latency" else f"{workload}: {metric}"
        if params:
            title += f" ({common.params_text(params)})"
        gaps = data.gaps(workload, params)
        plots.append((entries, raw, notes, gaps, title))
        shown.update(entries, gaps)
    if not plots:
        raise common.NothingToDraw("no latency of these workloads in the record")
    heights = [figure.dots_height(len(entries.keys() | gaps)) for entries, _, _, gaps, _ in plots]
    plot, axes = figure.panels(heights, figure.columns_for(data, shown, columns))
    for panel, (entries, raw, notes, gaps, title) in zip(axes, plots):
        figure.dot_panel(panel, data, entries, "ns", "latency", title, raw, notes, gaps)
    return figure.finish(plot, data, shown, {workload for workload, _, _ in chosen})

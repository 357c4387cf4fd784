"""What N containers or images take: shared by the figures on bytes and on inodes."""

import common
import figure

# workload, the parameter that counts, what it is called on the axis
WORKLOADS = (("sharing_containers", "containers", "containers of one image"),
             ("sharing_images", "images", "images on one base"))


def best_metric(data, workload, metrics):
    """The first of the metrics that the record has for the workload."""
    return next((metric for metric in metrics if data.rows(workload, metric)), None)


def draw(data, metrics, label):
    """One panel per sharing workload, over the first of `metrics` that is there."""
    plots = []
    for workload, parameter, x_label in WORKLOADS:
        metric = best_metric(data, workload, metrics)
        rows = {key: row for key, row in data.rows(workload, metric).items() if parameter in dict(key[1])} if metric else {}
        if rows:
            plots.append((workload, parameter, x_label, metric, rows))
    if not plots:
        names = ", ".join(name for name, _, _ in WORKLOADS)
        raise common.NothingToDraw(f"no {' or '.join(metrics)} of {names} in the record")
    plot, axes = figure.panels([3.4] * len(plots), 2)
    shown = set()
    for panel, (workload, parameter, x_label, metric, rows) in zip(axes, plots):
        counts = sorted({dict(key)[parameter] for _, key in rows}, key=common.natural)
        unit = next(iter(rows.values()))["unit"]
        shown.update(series for series, _ in rows)
        title = f"{workload}: {metric}"
        if len(counts) == 1:
            entries = {series: row for (series, _), row in rows.items()}
            notes = {s: common.human(common.middle(row), unit) for s, row in entries.items()}
            figure.dot_panel(panel, data, entries, unit, label, f"{title} ({counts[0]} {parameter})", notes=notes)
            continue
        points = {}
        for (series, key), row in rows.items():
            points.setdefault(series, []).append((counts.index(dict(key)[parameter]), row))
        figure.line_panel(panel, data, points, unit, label, title, x_label, counts)
    legend = figure.line_legend(plot, data, shown)
    return figure.finish(plot, data, shown, {name for name, _, _, _, _ in plots}, bottom=0.25 * legend)

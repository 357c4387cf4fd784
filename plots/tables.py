"""What the page says in words and tables: claims, verdict counts, rows joined from workloads and measurements.

Every function takes a common.Data and returns plain lists and dicts for the template."""

import collections

import common

VERDICT_NAMES = {"pass": "pass", "xfail": "known deviation", "skip": "skipped", "xpass": "unexpected pass", "fail": "FAIL",
                 "error": "ERROR", "timeout": "TIMEOUT"}

# Of one operation, in the order of the table's columns; what else the record has of it is in the last table alone.
COUNTERS = ("syscalls", "fuse_requests", "mounts", "inodes_left", "whiteouts_left", "copied_bytes", "stored_left_bytes",
            "flushes", "device_bytes", "daemon_syscalls", "daemon_descriptors", "mounts_left")
OTHER_COUNTERS = ("allocated_left_bytes", "runtime_syscalls", "dentries", "slab_bytes")


def worst_of(verdicts):
    """The word that colours a field: finding, xfail, skip, pass or none."""
    found = set(verdicts)
    if found & (common.FINDINGS | {"wrong"}):
        return "finding"
    for word in ("xfail", "skip", "not_run", "pass", "right"):
        if word in found:
            return {"not_run": "skip", "right": "pass"}.get(word, word)
    return "none"


def counts_text(verdicts, main):
    """"38" or "38, 2 xfail, 1 skip": the number of `main` verdicts, then the others."""
    counts = collections.Counter(verdicts)
    others = [f"{number} {name.replace('_', ' ')}" for name, number in counts.items() if name != main]
    return ", ".join([str(counts[main])] + others) if verdicts else "–"


def verdict_matrix(data):
    """Rows {name, cells[{text, kind}]}: an area each, then all cases, then workloads; and the series as columns."""
    by_field = collections.defaultdict(list)
    areas = {}
    for series, row in data.conformance:
        area = row["case"].split(".")[0]
        areas[area] = True
        by_field[(area, series)].append(row["verdict"])
        by_field[("all cases", series)].append(row["verdict"])
    for series, row in data.workloads:
        by_field[("workloads", series)].append(row["verdict"])
    columns = [s for s in data.series if ("all cases", s) in by_field or ("workloads", s) in by_field]
    rows = []
    names = list(areas) + (["all cases"] if areas else []) + (["workloads"] if data.workloads else [])
    for name in names:
        main = "right" if name == "workloads" else "pass"
        cells = [{"text": counts_text(by_field[(name, s)], main), "kind": worst_of(by_field[(name, s)])} for s in columns]
        rows.append({"name": name, "cells": cells, "total": name in ("all cases", "workloads")})
    return columns, rows


def case_matrix(data, columns):
    """Every case with its verdict per series."""
    verdicts = {}
    for series, row in data.conformance:
        verdicts.setdefault(row["case"], {})[series] = row
    rows = []
    for case, found in verdicts.items():
        cells = [{"text": found[s]["verdict"], "kind": worst_of([found[s]["verdict"]]), "reason": found[s]["reason"]}
                 if s in found else {"text": "–", "kind": "none", "reason": ""} for s in columns]
        rows.append({"case": case, "source": next(iter(found.values()))["source"], "cells": cells})
    return rows


def deviations(data):
    """[{series label, groups[{title, kind, open, rows}]}]: everything that is not a plain pass, findings first."""
    result = []
    for series in data.series:
        groups = []
        mine = [row for s, row in data.conformance if s == series]
        for verdict in ("fail", "error", "timeout", "xpass", "xfail", "skip"):
            rows = [row for row in mine if row["verdict"] == verdict]
            if rows:
                groups.append({"title": f"{len(rows)} × {VERDICT_NAMES[verdict]}", "kind": worst_of([verdict]),
                               "rows": rows})
        if groups:
            result.append({"label": data.label(series), "series": series, "groups": groups})
    return result


def time_rows(data, metrics):
    """Rows of the latency tables by workload: [(workload, has_params, [row])] with a row for every series that the
    record selected, also where there is no number."""
    tables = []
    for workload in data.workload_names():
        rows = []
        verdicts = {(s, common.params_key(r["params"])): r for s, r in data.workloads if r["workload"] == workload}
        for metric in metrics:
            measured = data.rows(workload, metric)
            if not measured:
                continue
            raw = data.rows(workload, metric, side="raw")
            ratios = data.rows(workload, "ratio_to_raw") if metric == "latency" else {}
            keys = set(measured) | {key for key, row in verdicts.items() if row["verdict"] != "right"}
            ranks = {s: number for number, s in enumerate(data.series)}
            for key in sorted(keys, key=lambda k: (common.params_order(dict(k[1])), ranks[k[0]])):
                rows.append(time_row(data, key, metric, measured.get(key), raw.get(key), ratios.get(key),
                                     verdicts.get(key)))
        if rows:
            tables.append({"workload": workload, "rows": rows, "params": any(row["params"] for row in rows),
                           "metrics": len({row["metric"] for row in rows}) > 1})
    return tables


def time_row(data, key, metric, measurement, raw, ratio, verdict):
    series, params = key
    row = {"label": data.label(series), "series": series, "metric": metric, "params": common.params_text(dict(params)),
           "gap": "", "raw": "–", "ratio": "–", "ratio_interval": ""}
    if measurement is None or common.middle(measurement) is None:
        word = verdict["verdict"].replace("_", " ") if verdict else "no value"
        row["gap"] = f"{word}: {verdict['reason']}" if verdict else word
        row["kind"] = worst_of([verdict["verdict"]]) if verdict else "none"
        return row
    unit = measurement["unit"]
    for name in ("p50", "p90", "p99", "max"):
        row[name] = common.human(measurement[name], unit)
    row["interval"] = interval_text(measurement)
    row["n"] = f"{measurement['n']:,}"
    if raw is not None:
        row["raw"] = common.human(common.middle(raw), unit)
    if ratio is not None and ratio["value"] is not None:
        row["ratio"] = "×" + common.three_digits(ratio["value"])
        row["ratio_interval"] = interval_text(ratio)
    return row


def interval_text(measurement):
    bounds = common.interval(measurement)
    if not bounds:
        return "–"
    return f"{common.human(bounds[0], measurement['unit'])} to {common.human(bounds[1], measurement['unit'])}"


def space_tables(data):
    """[{workload, metrics[], rows[{params, label, cells[]}]}] of bytes and counts on the driver's side."""
    tables = []
    for workload in data.workload_names():
        cells = {}
        metrics = {}
        for series, row in data.measurements:
            if row["workload"] != workload or row["side"] != "driver" or row["unit"] not in ("bytes", "count"):
                continue
            if row["metric"] == "throughput" or row["metric"] in COUNTERS + OTHER_COUNTERS:
                continue
            metrics[row["metric"]] = True
            cells.setdefault((series, common.params_key(row["params"])), {})[row["metric"]] = row
        ranks = {s: number for number, s in enumerate(data.series)}
        rows = []
        for key in sorted(cells, key=lambda k: (common.params_order(dict(k[1])), ranks[k[0]])):
            values = [common.human(common.middle(cells[key][m]), cells[key][m]["unit"]) if m in cells[key] else "–"
                      for m in metrics]
            rows.append({"series": key[0], "label": data.label(key[0]), "params": common.params_text(dict(key[1])),
                         "cells": values})
        if rows:
            tables.append({"workload": workload, "metrics": list(metrics), "rows": rows})
    return tables


def breakdown_text(row):
    """"openat 3, close 1": the parts of a count, the most frequent first."""
    parts = sorted(row.get("breakdown", {}).items(), key=lambda part: (-part[1], part[0]))
    return ", ".join(f"{name} {number:,}" for name, number in parts)


def counter_cell(row):
    """{text, title, kind} of one count; a count that is missing says why in its title."""
    if row is None:
        return {"text": "–", "title": "", "kind": "none"}
    if common.middle(row) is None:
        return {"text": "n/a", "title": row.get("reason", ""), "kind": "skip"}
    return {"text": common.human(common.middle(row), row["unit"]), "title": breakdown_text(row), "kind": "none"}


def counter_tables(data):
    """[{workload, metrics[], rows[{params, label, cells[], raw, parts}], reasons[]}]: what one operation asks of the
    kernel and what it leaves. Columns that are zero everywhere are left out."""
    tables = []
    for workload in data.workload_names():
        found = {metric: data.rows(workload, metric) for metric in COUNTERS}
        metrics = [m for m in COUNTERS if m == "syscalls" or any(common.middle(row) != 0 for row in found[m].values())]
        keys = {key for metric in metrics for key in found[metric]}
        ranks = {s: number for number, s in enumerate(data.series)}
        rows = []
        for key in sorted(keys, key=lambda k: (common.params_order(dict(k[1])), ranks[k[0]])):
            parts = [f"{metric}: {breakdown_text(found[metric][key])}" for metric in ("syscalls", "fuse_requests")
                     if breakdown_text(found[metric].get(key, {}))]
            rows.append({"series": key[0], "label": data.label(key[0]), "params": common.params_text(dict(key[1])),
                         "cells": [counter_cell(found[metric].get(key)) for metric in metrics],
                         "raw": counter_cell(data.rows(workload, "syscalls", side="raw").get(key)),
                         "exact": found["syscalls"].get(key, {}).get("exact", False), "parts": parts})
        if rows:
            reasons = sorted({f"{metric}: {row['reason']}" for metric in metrics for row in found[metric].values()
                              if row.get("reason")})
            tables.append({"workload": workload, "metrics": metrics, "rows": rows, "reasons": reasons})
    return tables


def not_run(data):
    """[(who, reason, [what])]: drivers that cannot run here, skipped cases and workloads not run, by reason."""
    groups = {}
    for series, row in data.drivers.items():
        if not row["available"]:
            groups.setdefault((series, row["reason"] or "no reason given"), []).append("the driver")
    for series, row in data.conformance:
        if row["verdict"] == "skip":
            groups.setdefault((series, row["reason"] or "no reason given"), []).append(row["case"])
    for series, row in data.workloads:
        if row["verdict"] == "not_run":
            name = row["workload"] + (f" ({common.params_text(row['params'])})" if row["params"] else "")
            groups.setdefault((series, row["reason"] or "no reason given"), []).append(name)
    ranks = {s: number for number, s in enumerate(data.series)}
    return [{"label": data.label(series), "series": series, "reason": reason, "what": what}
            for (series, reason), what in sorted(groups.items(), key=lambda item: ranks[item[0][0]])]


ANCHOR_VERDICTS = {"reproduced": ("reproduced", "pass"), "other_factor": ("same direction, other factor", "pass"),
                   "not_reproduced": ("not reproduced", "xfail"), "not_runnable": ("not runnable", "skip")}


def anchors(data):
    """[{claim, sides, metric, published, today, interval, verdict, kind, reason, source}] of each run's anchors."""
    def times(factor):
        return "–" if factor is None else "×" + common.three_digits(factor)

    def side(each):
        params = common.params_text(each["params"])
        return each["instance"] + (f" ({params})" if params else "")

    rows = []
    for number, run in enumerate(data.runs, 1):
        for row in run.record["anchors"]:
            verdict, kind = ANCHOR_VERDICTS[row["verdict"]]
            interval = f"{times(row['ci95'][0])} to {times(row['ci95'][1])}" if row["ci95"] else "–"
            rows.append({"run": number, "claim": row["claim"], "workload": row["workload"], "metric": row["metric"],
                         "sides": f"{side(row['a'])} over {side(row['b'])}",
                         "published": "more" if row["published"] is None else times(row["published"]),
                         "today": times(row["factor"]), "interval": interval, "verdict": verdict, "kind": kind,
                         "reason": row["reason"], "source": row["source"], "doubt": row["doubt"]})
    return rows


def every_measurement(data):
    rows = []
    for series, row in data.measurements:
        rows.append({"workload": row["workload"], "params": common.params_text(row["params"]), "label": data.label(series),
                     "side": row["side"], "metric": row["metric"], "value": common.human(common.middle(row), row["unit"]),
                     "interval": interval_text(row), "p99": common.human(row["p99"], row["unit"]), "n": row["n"],
                     "exact": row["exact"]})
    return rows

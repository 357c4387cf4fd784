"""What every figure and the page share: loading records, the order and look of drivers, units.

A record is read from files only; nothing here runs or measures anything. A *series* is one instance in one place of
one run: what gets one row, one line or one column in every figure and table.
"""

import collections
import dataclasses
import hashlib
import json
import math
import os
import re

SCHEMA_VERSION = 1

# Okabe and Ito's palette: told apart with every common colour vision, each with a marker of its own as a second sign.
# The order is that of the figures. A driver that is not listed here gets one of SPARE_STYLES by its name.
DRIVER_STYLES = {
    "overlay2": ("#0072b2", "o"),
    "overlay": ("#56b4e9", "h"),
    "fuse_overlayfs": ("#009e73", "^"),
    "unionfs_fuse": ("#7a9a01", "<"),
    "aufs": ("#a6761d", ">"),
    "erofs": ("#8c6bb1", "p"),
    "btrfs": ("#cc79a7", "D"),
    "reflink": ("#b8a800", "v"),
    "native": ("#e69f00", "s"),
    "vfs": ("#d55e00", "X"),
    "containerd": ("#3f5fbf", "P"),
    "exec": ("#5f7f7f", "d"),
    "plain": ("#7f7f7f", "*"),
}
SPARE_STYLES = [("#1b9e77", "8"), ("#66608f", "H"), ("#9c5a3c", "4"), ("#4d7ea8", "1"), ("#a05195", "2")]

VERDICTS = ["pass", "xfail", "skip", "xpass", "fail", "error", "timeout"]
FINDINGS = {"xpass", "fail", "error", "timeout"}


class RecordError(Exception):
    """A file that cannot be used as a record; the message names it."""


class NothingToDraw(Exception):
    """A figure's workload is not in the record; the message is the reason for the page."""


@dataclasses.dataclass(frozen=True)
class Series:
    """One instance in one place of one run."""

    run: int
    driver: str
    instance: str
    backing: str
    device: str


@dataclasses.dataclass
class RunFile:
    """A record and where it came from."""

    path: str
    record: dict
    sha256: str
    samples_path: str
    samples_state: str  # "matches", "differs from the record", "missing", "none"


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()


def load_run(path):
    """The record in `path`, a results.json or a directory that holds one."""
    if os.path.isdir(path):
        path = os.path.join(path, "results.json")
    try:
        with open(path, encoding="utf-8") as file:
            record = json.load(file)
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise RecordError(f"{path}: not a JSON document: {error}") from error
    if not isinstance(record, dict) or record.get("schema_version") != SCHEMA_VERSION:
        raise RecordError(f"{path}: not a record of schema version {SCHEMA_VERSION}")
    samples = record["samples"]
    samples_path = os.path.join(os.path.dirname(path), samples["file"]) if samples["file"] else ""
    if not samples_path:
        state = "none"
    elif not os.path.exists(samples_path):
        state = "missing"
    else:
        state = "matches" if sha256_of(samples_path) == samples["sha256"] else "differs from the record"
    return RunFile(path, record, sha256_of(path), samples_path, state)


def params_key(params):
    return tuple(sorted(params.items()))


def params_text(params):
    return ", ".join(f"{name}={value}" for name, value in sorted(params.items()))


def natural(text):
    """A sort key in which layers=8 comes before layers=128, and 4KiB before 1MiB."""
    size = parse_size(text)
    if size is not None:
        return (0, size, text)
    return (1, [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", text)][1::2] or [0], text)


def params_order(params):
    return [(name, natural(value)) for name, value in sorted(params.items())]


def parse_size(text):
    """Bytes of "0", "4KiB", "64 MiB", "65536"; None for another text. "1GiB-sparse" is not a plain size."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?B)?\s*", text, re.IGNORECASE)
    if not match:
        return None
    return float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " ")


class Data:
    """All runs of a report, with their rows joined by series."""

    def __init__(self, runs):
        self.runs = runs
        self.drivers = {}
        self.conformance = []
        self.workloads = []
        self.measurements = []
        found = set()
        for index, run in enumerate(runs):
            for table in ("drivers", "conformance", "workloads", "measurements"):
                for row in run.record[table]:
                    series = Series(index, row["driver"], row["instance"], row["backing"], row["device"])
                    found.add(series)
                    if table == "drivers":
                        self.drivers[series] = row
                    else:
                        getattr(self, table).append((series, row))
        ranks = {name: rank for rank, name in enumerate(DRIVER_STYLES)}
        self.series = sorted(found, key=lambda s: (ranks.get(s.driver, len(ranks)), s.driver, s.instance, s.backing,
                                                   s.device, s.run))
        self._labels = self._make_labels()
        self._index = {}
        for series, row in self.measurements:
            key = (row["workload"], row["metric"], row["side"])
            self._index.setdefault(key, {})[(series, params_key(row["params"]))] = row

    def _make_labels(self):
        def several(key):
            return len({key(s) for s in self.series if s.instance == series.instance}) > 1

        labels = {}
        for series in self.series:
            parts = []
            if several(lambda s: (s.backing, s.device)):
                parts.append(f"{series.backing}, {series.device}")
            if len(self.runs) > 1 and several(lambda s: s.run):
                parts.append(f"run {series.run + 1}")
            labels[series] = series.instance + (f" ({'; '.join(parts)})" if parts else "")
        return labels

    def label(self, series):
        return self._labels[series]

    def rows(self, workload, metric, side="driver"):
        """{(series, params key): measurement} of one workload and metric."""
        return self._index.get((workload, metric, side), {})

    def workload_names(self):
        names = dict.fromkeys(row["workload"] for _, row in self.workloads)
        names.update(dict.fromkeys(row["workload"] for _, row in self.measurements))
        return list(names)

    def params_of(self, workload, metric):
        """All parameter sets that a workload was measured with, in natural order."""
        sets = {key: dict(key) for _, key in self.rows(workload, metric)}
        return sorted(sets.values(), key=params_order)

    def representative_params(self, workload, metric):
        """The parameter set that most series have; of several, the middle one in natural order."""
        sets = self.params_of(workload, metric)
        if not sets:
            return None
        counts = collections.Counter(key for _, key in self.rows(workload, metric))
        most = [p for p in sets if counts[params_key(p)] == max(counts.values())]
        return most[(len(most) - 1) // 2]

    def why_missing(self, series, workloads):
        """Why a series has no value for any of the workloads, in one sentence."""
        driver = self.drivers.get(series)
        if driver is not None and not driver["available"]:
            return driver["reason"] or "not available"
        for wanted in ("wrong", "not_run"):
            for other, row in self.workloads:
                if other == series and row["workload"] in workloads and row["verdict"] == wanted:
                    return f"{wanted.replace('_', ' ')}: {row['reason'] or 'no reason given'}"
        return "not measured in this run"

    def gaps(self, workload, params):
        """{series: "wrong" or "not run"} of the series that have no time for this workload and these parameters."""
        return {series: row["verdict"].replace("_", " ") for series, row in self.workloads
                if row["workload"] == workload and row["params"] == params and row["verdict"] != "right"}

    def missing(self, shown, workloads):
        """[(label, reason)] of the series that a figure over these workloads leaves out; not of those that the run only
        checked, which no workload has a row for."""
        timed = {series for series, _ in self.workloads}
        checked_only = {s for s in self.series if timed and s not in timed and self.drivers.get(s, {}).get("available")}
        return [(self.label(s), self.why_missing(s, workloads)) for s in self.series
                if s not in set(shown) and s not in checked_only]


def load(paths):
    return Data([load_run(path) for path in paths])


def style(series):
    """(colour, marker, hollow) of a series: colour and marker by driver, hollow for an instance with options."""
    if series.driver in DRIVER_STYLES:
        colour, marker = DRIVER_STYLES[series.driver]
    else:
        number = int(hashlib.sha256(series.driver.encode()).hexdigest(), 16)
        colour, marker = SPARE_STYLES[number % len(SPARE_STYLES)]
    return colour, marker, series.instance != series.driver or series.run > 0


def middle(row):
    """The number that stands for a measurement: its median, or its value where it is a count or a ratio."""
    return row["p50"] if row["p50"] is not None else row["value"]


def interval(row):
    return tuple(row["ci95"]) if row["ci95"] else None


_SCALES = {
    "ns": [(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1, "ns")],
    "bytes": [(1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB"), (1, "B")],
}


def three_digits(value):
    size = abs(value)
    if value == 0 or size >= 99.95:
        return f"{value:,.0f}"
    if size >= 9.995:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.9995 else f"{value:.3g}"


def human(value, unit):
    """A value of a unit of core/metrics.def for people: "812 µs", "64.0 MiB", "44,039", "2.03"."""
    if value is None or not math.isfinite(value):
        return "–"
    if unit == "count":
        return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else three_digits(value)
    if unit in _SCALES:
        scales = _SCALES[unit]
        factor, name = next(((f, n) for f, n in scales if abs(value) >= f * 0.9995), scales[-1])
        return f"{three_digits(value / factor)} {name}"
    return three_digits(value)


def axis_unit(values, unit):
    """(divisor, name) of the one unit that an axis over `values` is labelled in."""
    positive = [v for v in values if v > 0]
    if unit == "count" and max(positive, default=0) >= 10000:
        return 1000, "thousands"
    if unit not in _SCALES or not positive:
        return 1, {"count": "count", "ratio": "×"}.get(unit, unit)
    scales = _SCALES[unit]
    centre = math.sqrt(min(positive) * max(positive))
    return next(((f, n) for f, n in scales if centre >= f * 0.5), scales[-1])

#!/usr/bin/python3
"""Makes the report of one or more runs: report.html (self-contained), and figures/NAME.png and .svg.

Reads result records, nothing else. Several runs share one page; a series that occurs in more than one of them is shown
once per run. Exit status: 0 made, 2 a record cannot be read or the page cannot be written."""

import argparse
import concurrent.futures
import ctypes
import glob
import html
import importlib
import multiprocessing
import os
import re
import signal
import sys

import jinja2
import markupsafe

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import claims  # noqa: E402  (this folder comes first)
import common  # noqa: E402
import figure  # noqa: E402
import tables  # noqa: E402

# The order of the figures on the page; a fig_*.py that is not named here comes after them.
ORDER = ["overview", "verdicts", "start_phases", "latency", "unpack", "depth", "copy_up", "whiteout", "sharing_space",
         "sharing_inodes", "page_cache"]
PLACES = {"verdicts": "verdicts", "overview": "top", "sharing_space": "space", "sharing_inodes": "space",
          "page_cache": "space"}

# Colours of the figures that follow the reader's light or dark setting.
THEME = {figure.FOREGROUND: "var(--fg)", figure.MUTED: "var(--muted)", figure.GRID: "var(--grid)",
         figure.BACKGROUND: "var(--bg)"}


def figure_modules():
    folder = os.path.dirname(os.path.abspath(__file__))
    names = sorted(os.path.basename(path)[:-3] for path in glob.glob(os.path.join(folder, "fig_*.py")))
    modules = [importlib.import_module(name) for name in names]
    ranks = {name: rank for rank, name in enumerate(ORDER)}
    return sorted(modules, key=lambda module: (ranks.get(module.NAME, len(ranks)), module.NAME))


def inline_svg(text, title):
    """The <svg> element alone: no prolog, no metadata, colours as page variables, scaling with the page."""
    text = text[text.index("<svg"):]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    for colour, variable in THEME.items():
        text = text.replace(colour, variable)
    width = re.search(r'<svg[^>]* width="([\d.]+)pt"', text)[1]
    text = re.sub(r' (width|height)="[\d.]+pt"', "", text, count=2)
    return markupsafe.Markup(text.replace(
        "<svg", f'<svg role="img" aria-label="{html.escape(title)}" style="width:{float(width) / 72:.2f}in"', 1))


def make_figure(module, data, directory):
    entry = {"name": module.NAME, "title": module.TITLE, "caption": module.CAPTION, "svg": "", "left_out": [],
             "problem": "", "place": PLACES.get(module.NAME, "latency")}
    try:
        plot = module.draw(data)
        entry["left_out"] = plot.left_out
        entry["svg"] = inline_svg(figure.save(plot, module.NAME, directory), module.TITLE)
    except common.NothingToDraw as reason:
        entry["problem"] = str(reason)
    return entry


def make_figures(data, directory):
    """[{name, title, caption, svg, left_out, problem, place}] of every figure script, drawn by a process per processor."""
    modules = figure_modules()
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(min(len(os.sched_getaffinity(0)), len(modules)), context,
                                                initializer=_die_with, initargs=(os.getpid(),)) as pool:
        waiting = [pool.submit(_make_named, module.__name__, data, directory) for module in modules]
        return [future.result() for future in waiting]


def _die_with(parent):
    """A worker whose parent was killed would wait for work for ever: let the kernel end it as well."""
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # 1: PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)


def _make_named(name, data, directory):
    return make_figure(sys.modules[name], data, directory)


def raw_files(run, directory):
    """[(name, link, sha256, note)] of a run's files, linked relative to the page."""
    def link(path):
        return os.path.relpath(os.path.abspath(path), os.path.abspath(directory)).replace(os.sep, "/")

    files = [(os.path.basename(run.path), link(run.path), run.sha256, "")]
    if run.samples_path and os.path.exists(run.samples_path):
        note = "" if run.samples_state == "matches" else "differs from the digest in the record"
        files.append((os.path.basename(run.samples_path), link(run.samples_path), common.sha256_of(run.samples_path), note))
    return files


def environment_rows(data):
    """[(name, [value per run])] of everything that the records say of their machines."""
    names = dict.fromkeys(name for run in data.runs for name in run.record["environment"])

    def text(name, value):
        if value is None:
            return "–"
        if isinstance(value, str):
            return value
        return common.human(value, "bytes") if name.endswith("_bytes") else f"{value:,.6g}"

    return [(name, [text(name, run.record["environment"].get(name)) for run in data.runs]) for name in names]


def render(data, directory):
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates")),
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals.update(colour=lambda series: common.style(series)[0],
                               hollow=lambda series: common.style(series)[2], label=data.label)
    columns, matrix = tables.verdict_matrix(data)
    command = "layermark report " + " ".join(os.path.dirname(run.path) or "." for run in data.runs) + " --out DIR"
    return environment.get_template("report.html.j2").render(
        data=data, runs=data.runs, claims=claims.claims(data), threats=claims.threats(data),
        figures=make_figures(data, os.path.join(directory, "figures")), columns=columns, matrix=matrix,
        cases=tables.case_matrix(data, columns), deviations=tables.deviations(data),
        latencies=tables.time_rows(data, ("latency", "ready_time", "cpu_time")),
        phases=tables.time_rows(data, sorted({r["metric"] for _, r in data.measurements if r["metric"].startswith("phase_")})),
        space=tables.space_tables(data), anchors=tables.anchors(data), counters=tables.counter_tables(data), not_run=tables.not_run(data), measurements=tables.every_measurement(data),
        drivers=[(s, data.drivers[s]) for s in data.series if s in data.drivers],
        environment=environment_rows(data), files=[raw_files(run, directory) for run in data.runs],
        report_command=command)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a results.json or a directory that holds one")
    parser.add_argument("--out", required=True, metavar="DIR", help="where report.html and figures/ go")
    arguments = parser.parse_args()
    try:
        data = common.load(arguments.runs)
        os.makedirs(arguments.out, exist_ok=True)
        page = render(data, arguments.out)
        temporary = os.path.join(arguments.out, ".report.html.new")
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(page)
        os.replace(temporary, os.path.join(arguments.out, "report.html"))
    except common.RecordError as error:
        print(f"report: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"report: {error.filename or arguments.out}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

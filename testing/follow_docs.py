#!/usr/bin/python3
"""Follows docs/adding-a-driver.md, adding-a-case.md and adding-a-workload.md to the letter, in a scratch copy.

Every fenced block whose first line names a file is written as that file (rows for a .def file are appended), nothing
else is edited; the copy is built, and what was added must show up and work.
The copy is an overlay that lies over the tree and its build where this script alone sees it: what does not depend on
the additions need not be compiled again, as for an author who adds to a tree that was built.
Exit status: 0 it did, 1 it did not, 2 it could not be tried.
"""
import argparse
import json
import os
import re
import subprocess
import sys

import private_world

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGES = ["docs/adding-a-driver.md", "docs/adding-a-case.md", "docs/adding-a-workload.md"]
BLOCK = re.compile(r"^```(\w+) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks():
    for page in PAGES:
        with open(os.path.join(SOURCE, page), encoding="utf-8") as f:
            yield from ((kind, path, text) for kind, path, text in BLOCK.findall(f.read()))


def run(words, cwd, **options):
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        print(f"{' '.join(words)}: exit {done.returncode}\n{(done.stdout + done.stderr)[-3000:]}", file=sys.stderr)
    return done


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", help="a build of this tree by Ninja; it stays as it is")
    build = os.path.realpath(parser.parse_args().build)
    if os.geteuid() != 0:
        print("follow_docs: needs root", file=sys.stderr)
        return 2
    if not os.path.isfile(os.path.join(build, "build.ninja")):
        print(f"follow_docs: {build}: no build by Ninja", file=sys.stderr)
        return 2
    scratch = private_world.enter("LAYERMARK_FOLLOW_DOCS_SCRATCH", "follow-docs-")
    private_world.tmpfs(scratch)
    private_world.cover(SOURCE, scratch)
    if os.path.commonpath([SOURCE, build]) != SOURCE:
        private_world.cover(build, scratch)
    return follow(build, scratch)


def follow(build, scratch):
    written = []
    for kind, path, text in blocks():
        target = os.path.join(SOURCE, path)
        if kind == "def":
            with open(target, "a", encoding="utf-8") as f:
                f.write(text)
        else:
            if os.path.exists(target):
                print(f"{path} exists already: the page must add a file", file=sys.stderr)
                return 1
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "w", encoding="utf-8") as f:
                f.write(text)
        written.append(path)
    print("followed the pages: " + ", ".join(written))
    if run(["cmake", "--build", build, "--target", "layermark"], scratch).returncode:
        return 1
    program = os.path.join(build, "cli", "layermark")
    failures = []
    checks = []

    def expect(condition, what):
        checks.append(what)
        print(("ok      " if condition else "not ok  ") + what, flush=True)
        if not condition:
            failures.append(what)

    def shown(*words):
        return run([program, *words], scratch).stdout

    expect("hello" in shown("drivers", "--list"), "the driver is listed")
    expect("hello.appending_keeps_the_start" in shown("cases", "--filter", "hello.*"), "the case is listed")
    expect("hello" in shown("workloads", "--filter", "hello"), "the workload is listed")
    schema = shown("report", "--schema")
    expect("hello_count" in schema, "the metric is in the schema")
    expect("hello_world" in schema, "the capability is in the schema")
    out = os.path.join(scratch, "out")
    done = run([program, "run", "--driver", "hello", "--driver", "plain", "--profile", "smoke", "--filter", "hello*",
                "--filter", "stacking.two_layers", "--out", out], scratch)
    with open(os.path.join(out, "results.json"), encoding="utf-8") as f:
        record = json.load(f)
    expect(done.returncode == 0, "a run of them ends well")
    verdicts = {(row["case"], row["driver"]): row["verdict"] for row in record["conformance"]}
    expect(verdicts.get(("hello.appending_keeps_the_start", "hello")) == "pass", "the case passes on the driver")
    expect(verdicts.get(("stacking.two_layers", "hello")) == "pass", "an old case passes on the new driver")
    timed = {m["driver"] for m in record["measurements"] if m["workload"] == "hello"}
    expect("hello" in timed, "the workload is timed on the driver")
    with open(os.path.join(out, "report.html"), encoding="utf-8") as f:
        page = f.read()
    expect("hello" in page, "they are on the page")
    print(f"{len(checks) - len(failures)} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
"""Which cases catch the seeded faults of faults.def, and how soon fuzz finds them.

    measure.py cases [--only NAME,...]        runs the cases on every fault that the state file has no result for
    measure.py fuzz [--only NAME,...]         the same with fuzz, 120 s a fault
    measure.py table                          writes docs/seeded-faults.md and seeded-faults-by-case.md from the state file

A case catches a fault when it has a finding on the faulty driver and none on the right one of the same kind. Cases that
caught it when docs/seeded-faults.md was written come first, the areas of its kind next, then all others; a fault that is
caught is not looked at further, so that "caught by" names cases and does not count them all; --whole goes on to the end. A
fault counts as not caught only after the whole set. A case that ran out of time is run again before it counts. Everything
is kept in a state file as soon as it is known: started again, it goes on where it was cut off. --again measures what the
state file knows as well.
"""
import argparse
import collections
import datetime
import fnmatch
import glob
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import by_case
import report
import rounds
import table

ROOT = os.path.realpath(os.path.join(table.HERE, "..", ".."))
PUBLISHED = os.path.join(ROOT, "docs", "seeded-faults.md")
FINDINGS = ("fail", "error", "timeout", "xpass")
OWN_BACKING = "ext4"


class State:
    """What is known so far: a JSON file that is replaced after each result. Cases and fuzz have one each, so that both
    can be measured at a time."""

    def __init__(self, path):
        self.path = path
        self.data = {"baseline": {}, "cases": {}, "fuzz": {}, "ran": {}, "skipped": {}}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                self.data = json.load(file)

    def count(self, rows):
        """On how many faults each case ran, and on how many it was skipped."""
        for case, verdict in rows.items():
            part = self.data.setdefault("skipped" if verdict == "skip" else "ran", {})
            part[case] = part.get(case, 0) + 1

    def save(self):
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            json.dump(self.data, file, indent=1, sort_keys=True)
        os.rename(self.path + ".new", self.path)


def merged(parts):
    """The state files of several runs as one; of a fault in two of them, what was found."""
    whole = {"cases": {}, "fuzz": {}, "ran": collections.Counter(), "skipped": collections.Counter()}
    for part in parts:
        for key in ("ran", "skipped"):
            whole[key].update(part.get(key, {}))
        for name, entry in part["cases"].items():
            if name not in whole["cases"] or not whole["cases"][name]["caught"]:
                whole["cases"][name] = entry
        for name, entry in part["fuzz"].items():
            if whole["fuzz"].get(name, {}).get("seconds") is None:
                whole["fuzz"][name] = entry
    return whole


class Runner:
    def __init__(self, options):
        self.options = options
        listed = subprocess.run([options.program, "cases", "--format", "json"], check=True, capture_output=True, text=True).stdout
        self.cases = {row["case"]: row for row in json.loads(listed)}

    def expected(self, kind):
        words = []
        files = {"overlay": [os.path.join(ROOT, "drivers", "overlay2", "expected_failures.toml")],
                 "run_time": [os.path.join(table.HERE, "pass_through_expected.toml")]}
        for file in files.get(kind, []):
            if os.path.exists(file):
                words += ["--expected", file]
        return words

    def check(self, kind, name, filters, backing):
        """{case: verdict} of the cases that match `filters`."""
        out = tempfile.mkdtemp(prefix="seeded-faults-")
        try:
            command = [self.options.program, "check", "--driver", table.spec(kind, name, self.options.file_system), "--out", out]
            command += ["--backing", backing] + self.expected(kind) + [word for text in filters for word in ("--filter", text)]
            ended = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
            try:
                with open(os.path.join(out, "results.json"), encoding="utf-8") as file:
                    rows = json.load(file)["conformance"]
            except FileNotFoundError:
                sys.exit(f"{command}: {ended.stderr}")
            # The kernel's log is the machine's; others may write to it meanwhile.
            return {row["case"]: row["verdict"] for row in rows if not row["case"].startswith("harness.")}
        finally:
            shutil.rmtree(out, ignore_errors=True)


def caught(runner, state, fault, rows, backing):
    """The cases of `rows` with a finding that the right driver does not give; it is asked once for each."""
    baseline = state.data["baseline"].setdefault(f"{fault.kind} on {backing}", {})
    found = sorted(case for case, verdict in rows.items() if verdict in FINDINGS)
    if unknown := [case for case in found if case not in baseline]:
        baseline.update(runner.check(fault.kind, "none", unknown, backing))
    hits = [case for case in found if baseline.get(case) not in FINDINGS]
    if hits and all(rows[case] == "timeout" for case in hits):
        again = runner.check(fault.kind, fault.name, hits, backing)
        hits = [case for case in hits if again.get(case) in FINDINGS]
    return hits


def measure_cases(runner, state, faults):
    known, before = state.data["cases"], report.published(PUBLISHED)["cases"]
    for fault in faults:
        if fault.name in known and not runner.options.again:
            continue
        started, found, seen = time.monotonic(), [], {}
        parts = rounds.rounds(fault, runner.cases, before.get(fault.name, ()))
        for globs in parts[:runner.options.rounds]:
            rows = runner.check(fault.kind, fault.name, globs, runner.options.backing)
            seen.update(rows)
            found += caught(runner, state, fault, rows, runner.options.backing)
            # What the quick backing cannot do, such as zeroing a range, is tried on the driver's own.
            skipped = [case for case, verdict in rows.items() if case == "capability.what_is_accepted_takes_effect"
                       or verdict == "skip" and case.split(".")[0] != "stack"]
            if skipped and not found and runner.options.backing != OWN_BACKING:
                rows = runner.check(fault.kind, fault.name, skipped, OWN_BACKING)
                seen.update(rows)
                found += caught(runner, state, fault, rows, OWN_BACKING)
            if found and not runner.options.whole:
                break
        seconds = round(time.monotonic() - started, 1)
        state.count(seen)
        known[fault.name] = {"caught": found, "looked": len(seen), "seconds": seconds,
                             "whole": bool(found) or runner.options.rounds >= len(parts), "commit": commit()}
        state.save()
        say(f"{fault.name}: {', '.join(found[:3]) or 'NOT CAUGHT'} ({seconds} s)")


def of_the_base(kind, name):
    """Whether a finding is what the right driver does too, in whatever operation it shows: a copy-up splits hard links
    where overlayfs has no index, and a fifo on a FUSE mount keeps its time when it is written to."""
    return kind == "overlay" and "link_group" in name or kind == "run_time" and name.endswith("-tree-mtime_fifo.fuzz")


def first_finding(runner, fault, seed, seconds, known):
    """(seconds, signature) of the first finding that the right driver does not have, or None."""
    out = tempfile.mkdtemp(prefix="seeded-faults-")
    command = [runner.options.program, "fuzz", "--driver", table.spec(fault.kind, fault.name, runner.options.file_system),
               "--budget", f"{seconds}s", "--seed", str(seed), "--out", out] + runner.expected(fault.kind)
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True) as fuzz:
        try:
            while True:
                ended = fuzz.poll() is not None
                findings = os.path.join(out, "findings")
                for name in sorted(os.listdir(findings)) if os.path.isdir(findings) else []:
                    if name.endswith(".fuzz") and name not in known and not of_the_base(fault.kind, name):
                        return round(time.monotonic() - started, 1), name[:-len(".fuzz")]
                if ended or time.monotonic() - started > seconds + 60:
                    return None
                time.sleep(0.2)
        finally:
            if fuzz.poll() is None:
                os.killpg(fuzz.pid, signal.SIGINT)
                try:
                    fuzz.wait(20)
                except subprocess.TimeoutExpired:
                    os.killpg(fuzz.pid, signal.SIGKILL)
            shutil.rmtree(out, ignore_errors=True)


def findings_of_the_right_one(runner, kind):
    """What fuzz finds on the right driver of `kind` in the same time: no fault of ours."""
    out = tempfile.mkdtemp(prefix="seeded-faults-")
    options = runner.options
    command = [options.program, "fuzz", "--driver", table.spec(kind, "none", options.file_system), "--budget", f"{options.budget}s",
               "--seed", str(options.seed), "--out", out] + runner.expected(kind)
    try:
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        where = os.path.join(out, "findings")
        return sorted(name for name in os.listdir(where) if name.endswith(".fuzz")) if os.path.isdir(where) else []
    finally:
        shutil.rmtree(out, ignore_errors=True)


def measure_fuzz(runner, state, faults):
    known, options = state.data["fuzz"], runner.options
    random.Random(options.seed).shuffle(faults)  # a fair sample, if the time runs out
    for kind in sorted({fault.kind for fault in faults}):
        if kind not in state.data.setdefault("fuzz_baseline", {}):
            state.data["fuzz_baseline"][kind] = findings_of_the_right_one(runner, kind)
            state.save()
            say(f"the right driver ({kind}): {', '.join(state.data['fuzz_baseline'][kind]) or 'nothing found'}")
    for fault in faults:
        if fault.name in known and not options.again:
            continue
        found = first_finding(runner, fault, options.seed, options.budget, state.data.get("fuzz_baseline", {}).get(fault.kind, []))
        known[fault.name] = {"seed": options.seed, "seconds": found[0] if found else None,
                             "finding": found[1] if found else None, "budget": options.budget, "commit": commit()}
        state.save()
        say(f"{fault.name}: " + (f"{found[0]} s, {found[1]}" if found else f"not found in {options.budget} s"))


def commit():
    return subprocess.run(["git", "-C", ROOT, "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()


def say(text):
    print(datetime.datetime.now().strftime("%H:%M:%S"), text, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("cases", "fuzz", "table"))
    build = os.path.join(ROOT, "build", "release")
    parser.add_argument("--program", default=os.path.join(build, "cli", "layermark"))
    parser.add_argument("--file-system", default=os.path.join(build, "testing", "faults", "faulty_fs"))
    parser.add_argument("--state", default="", help="default: seeded-faults-WHAT.json in the build folder; table reads all of that name")
    parser.add_argument("--only", default="", help="names of faults, with commas between; globs work")
    parser.add_argument("--kind", default="*", help="driver, overlay or run_time")
    parser.add_argument("--again", action="store_true", help="also what the state file knows")
    parser.add_argument("--uncaught", action="store_true", help="again, but only what was not caught")
    parser.add_argument("--rounds", type=int, default=99, help="stop after so many of the groups of cases; see rounds.py")
    parser.add_argument("--backing", default="tmpfs", help="what the cases run on; a tmpfs takes a third of ext4's time")
    parser.add_argument("--whole", action="store_true", help="all cases on every fault")
    parser.add_argument("--shuffle", action="store_true", help="cases: in an order of chance; fuzz always does so")
    parser.add_argument("--seed", type=int, default=1, help="of fuzz, and of the order")
    parser.add_argument("--budget", type=int, default=120, help="seconds of fuzz for one fault")
    options = parser.parse_args()
    rows = table.read_table()
    if options.what == "table":
        parts = [State(path).data for path in sorted(glob.glob(os.path.join(build, "seeded-faults*.json")))]
        whole = merged(parts)
        report.write(whole, rows, PUBLISHED)
        by_case.write(whole, rows, Runner(options).cases, os.path.join(ROOT, "docs", "seeded-faults-by-case.md"))
        return
    state = State(options.state or os.path.join(build, f"seeded-faults-{options.what}.json"))
    globs = options.only.split(",") if options.only else ["*"]
    faults = [fault for fault in rows.values() if fnmatch.fnmatch(fault.kind, options.kind)
              and any(fnmatch.fnmatch(fault.name, text) for text in globs)]
    if options.uncaught:
        faults = [fault for fault in faults if not state.data["cases"].get(fault.name, {}).get("caught")]
        options.again = True
    if options.shuffle:
        random.Random(options.seed).shuffle(faults)
    runner = Runner(options)
    (measure_cases if options.what == "cases" else measure_fuzz)(runner, state, faults)


if __name__ == "__main__":
    main()

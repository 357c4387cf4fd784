#!/usr/bin/python3
"""Builds the fuzz targets with clang++ and libFuzzer, and runs each for a while under ASan and UBSan.

Usage: run.py [--seconds N] [--record FILE] [TARGET...]
  --seconds N     for each target (default 600)
  --record FILE   write the result, dated, as Markdown (docs/fuzz-targets-last-run.md is the one that is committed)
  TARGET          only these, without the "fuzz_" in front
Needs root, clang and libclang-rt-14-dev: `LAYERMARK_PRESET=fuzz ./layermark` installs them and comes here. Seeds are
written by the targets themselves. What a target ends at is kept in build/fuzz/findings, and `replay_TARGET FILE` in
build/fuzz/testing/fuzz_targets runs it again. Exit status: 0 all went on to the end, 1 one did not, 2 not tried.
"""
import argparse
import datetime
import os
import platform
import re
import subprocess
import sys
import tempfile

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(SOURCE, "build", "fuzz")
PROGRAMS = os.path.join(BUILD, "testing", "fuzz_targets")
FINDINGS = os.path.join(BUILD, "findings")
LIMITS = ["-max_len=65536", "-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1"]


def build():
    if not os.path.exists(os.path.join(BUILD, "build.ninja")):
        subprocess.run(["cmake", "--preset", "fuzz"], cwd=SOURCE, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", "--preset", "fuzz"], cwd=SOURCE, check=True, stdout=subprocess.DEVNULL)


def targets():
    return sorted(name[len("fuzz_"):] for name in os.listdir(PROGRAMS)
                  if name.startswith("fuzz_") and os.access(os.path.join(PROGRAMS, name), os.X_OK))


def figure(pattern, text):
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def run(name, seconds):
    """Runs one target; the row of the table."""
    with tempfile.TemporaryDirectory(prefix="fuzz_target.") as scratch:
        corpus, seeds = os.path.join(scratch, "corpus"), os.path.join(scratch, "seeds")
        os.mkdir(corpus)
        os.mkdir(seeds)
        subprocess.run([os.path.join(PROGRAMS, "replay_" + name), "--write-seeds", seeds], check=True)
        seed_count = len(os.listdir(seeds))
        done = subprocess.run(
            [os.path.join(PROGRAMS, "fuzz_" + name), corpus, seeds, f"-max_total_time={seconds}",
             f"-artifact_prefix={FINDINGS}/{name}.", *LIMITS],
            env={**os.environ, "LAYERMARK_FUZZ_WRITABLE": f"{corpus}:{FINDINGS}"}, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
        inputs = len(os.listdir(corpus))
    if done.returncode != 0:
        print(done.stderr[-6000:], file=sys.stderr)
    return {"name": name, "good": done.returncode == 0, "seeds": seed_count, "inputs": inputs,
            "runs": figure(r"stat::number_of_executed_units:\s+(\d+)", done.stderr),
            "edges": figure(r"cov: (\d+)", done.stderr),
            "slowest": figure(r"stat::slowest_unit_time_sec:\s+(\d+)", done.stderr),
            "memory": figure(r"stat::peak_rss_mb:\s+(\d+)", done.stderr)}


def row_text(row, seconds, commit):
    """A line of the table."""
    slowest = "below 1 s" if row["slowest"] == 0 else f"{row['slowest']} s"
    return (f"| {row['name']} | {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} | {commit} | {seconds} s | "
            f"{'no finding' if row['good'] else 'A FINDING'} | {row['runs']:,} | {row['edges']:,} | {row['inputs']:,} | "
            f"{row['seeds']} | {slowest} | {row['memory']} MiB |")


def record(path, lines):
    """Writes the table; rows of targets that did not run now stay."""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            old = [line.rstrip("\n") for line in file if re.match(r"\| [a-z_]+ \| \d", line)]
        names = {line.split(" | ")[0] for line in lines}
        lines = lines + [line for line in old if line.split(" | ")[0] not in names]
    compiler = subprocess.run(["clang++", "--version"], capture_output=True, text=True, check=False).stdout.split("\n")[0]
    head = [
        "# The last run of the fuzz targets", "",
        "Written by `testing/fuzz_targets/run.py --record docs/fuzz-targets-last-run.md`. Each target is a reader of bytes that",
        "somebody else wrote; libFuzzer ran it under the address and undefined-behaviour sanitizers, from seeds made by code:",
        "inputs of at most 64 KiB, none may take longer than 20 s, memory at most 2 GiB. Dates are UTC; the commit is the last",
        f"one below what ran. {compiler}, Linux {platform.release()}.", "",
        "| target | date | commit | time | end | runs | edges covered | inputs kept | seeds | slowest input | peak memory |",
        "|---|---|---|---|---|---|---|---|---|---|---|"]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(head + sorted(lines)) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--record")
    parser.add_argument("targets", nargs="*")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        print("run.py: needs root, to take the host's files out of the targets' reach", file=sys.stderr)
        return 2
    try:
        build()
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"run.py: cannot build: {error}", file=sys.stderr)
        return 2
    chosen = arguments.targets or targets()
    if set(chosen) - set(targets()):
        print(f"run.py: there are: {' '.join(targets())}", file=sys.stderr)
        return 2
    os.makedirs(FINDINGS, exist_ok=True)
    commit = subprocess.run(["git", "-C", SOURCE, "describe", "--always", "--abbrev=12"], capture_output=True, text=True,
                            check=False).stdout.strip()
    rows = []
    for name in chosen:
        rows.append(run(name, arguments.seconds))
        row = rows[-1]
        print(f"{name}: {'no finding' if row['good'] else 'A FINDING'}, {row['runs']:,} runs, {row['edges']:,} edges", flush=True)
        if arguments.record:
            record(arguments.record, [row_text(row, arguments.seconds, commit)])
    return 0 if all(row["good"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
"""Runs `layermark fuzz` on every driver that has a mount of its own, one after the other, and writes down what it found.

    fuzz_campaign.py [--program PATH] [--out DIR] [--record FILE] [--only NAME,...] [--scale F]

Each run is a row of RUNS: name, driver, backing, minutes. A run that is done is kept in DIR/state.json and not done
again, so that an interrupted campaign goes on where it was; remove its entry to run it anew. Findings are in
DIR/NAME/findings. RECORD is the table, written anew after each run. `--scale 0.1` makes every run a tenth as long.
Needs root. Takes two and a half hours; one process is busy at a time.
"""
import argparse
import datetime
import json
import os
import platform
import re
import resource
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
FULL = "overlay2:index=on,metacopy=on,redirect_dir=on,xino=on"
UNION = "exec:command=/usr/bin/python3 " + os.path.join(ROOT, "examples/exec-driver/union.py") + " unionfs"
# The runs that say most come first.
RUNS = [
    ("plain", "plain", "tmpfs", 30),
    ("fuse_overlayfs", "fuse_overlayfs", "tmpfs", 30),
    ("unionfs", UNION, "tmpfs", 30),
    ("overlay2_ext4", "overlay2", "ext4", 10),
    ("overlay2_full_ext4", FULL, "ext4", 10),
    ("overlay2_xfs", "overlay2", "xfs", 5),
    ("overlay2_full_xfs", FULL, "xfs", 5),
    ("overlay2_btrfs", "overlay2", "btrfs", 5),
    ("overlay2_full_btrfs", FULL, "btrfs", 5),
    ("native", "native", "ext4", 5),
    ("vfs", "vfs", "ext4", 5),
    ("btrfs", "btrfs", "btrfs", 5),
    ("overlay2_tmpfs", "overlay2", "tmpfs", 5),
]
SUMMARY = re.compile(r"seed (\d+): (\d+) programs, (\d+) steps, (\d+) steps/s \(([\d.]+) s, and ([\d.]+) s of shrinking\)")



def run_one(options, name, driver, backing, minutes, seed):
    out = os.path.join(options.out, name)
    command = [options.program, "fuzz", "--driver", driver, "--backing", backing, "--budget", f"{max(minutes * 60 * options.scale, 1):.0f}s",
               "--seed", str(seed), "--out", out]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "output.txt"), "w", encoding="utf-8") as file:
        file.write(done.stdout + done.stderr)
    summary = SUMMARY.search(done.stdout)
    if not summary or done.returncode not in (0, 1):
        raise RuntimeError(f"{name}: status {done.returncode}\n{done.stderr[-2000:]}")
    groups = re.findall(r"^finding (.*)$", done.stdout, re.M)
    total = re.search(r"^(\d+) findings in", done.stdout, re.M)
    median = re.search(r"program: (\d+) steps", done.stdout)
    return {
        "driver": driver.replace(ROOT + "/", ""), "backing": backing, "seed": seed, "minutes": minutes * options.scale,
        "programs": int(summary[2]), "steps": int(summary[3]), "shrinking": float(summary[6]),
        "processor_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "findings": int(total[1]) if total else 0, "groups": groups, "median": int(median[1]) if median else None,
        "date": datetime.date.today().isoformat(),
    }


def write_record(path, state, order):
    lines = [
        "# The last fuzzing campaign", "",
        "Written by `testing/fuzz_campaign.py`. Processor seconds are user and system time of the run and all that it",
        "started; where they are far below the minutes, the machine was busy with other things. A group holds the findings",
        "that show the same on the same type of object; new are those that no run of the same driver before it in this table had.",
        "A run of the script's list that has no row was not made.", "",
        f"Linux {platform.release()}.", "",
        "| date | driver | backing | seed | minutes | processor s | programs | steps | findings | groups | new | median steps |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    seen, minutes, seconds = {}, 0, 0
    for name in order:
        run = state["runs"].get(name)
        if not run:
            continue
        kind = run["driver"].split(":")[0]
        before = seen.setdefault(kind, set())
        fresh = [group for group in run["groups"] if group not in before]
        before.update(run["groups"])
        minutes += run["minutes"]
        seconds += run["processor_seconds"]
        lines.append(f"| {run['date']} | `{run['driver']}` | {run['backing']} | {run['seed']} | {run['minutes']:g} | "
                     f"{run['processor_seconds']:.0f} | {run['programs']} | {run['steps']} | {run['findings']} | {len(run['groups'])} | "
                     f"{len(fresh)} | {'' if run['median'] is None else run['median']} |")
    lines += ["", f"{minutes:g} minutes in all, {seconds:.0f} processor seconds.", ""]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--program", default=os.path.join(ROOT, "build/release/cli/layermark"))
    parser.add_argument("--out", default=os.path.join(ROOT, "build/fuzz_campaign"))
    parser.add_argument("--record", default=os.path.join(ROOT, "docs/fuzz-campaign-last-run.md"))
    parser.add_argument("--only", default="", help="names of runs, separated by commas")
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.program = os.path.abspath(options.program)
    os.makedirs(options.out, exist_ok=True)
    file, state = os.path.join(options.out, "state.json"), {"runs": {}}
    if os.path.exists(file):
        with open(file, encoding="utf-8") as text:
            state = json.load(text)
    wanted = [name for name in options.only.split(",") if name]
    failed = 0
    own = subprocess.run([options.program, "drivers", "--list"], capture_output=True, text=True, check=True).stdout.split()
    for name, driver, backing, minutes in RUNS:
        if driver == UNION and "unionfs_fuse" in own:
            driver = "unionfs_fuse"
        if name in state["runs"] or (wanted and name not in wanted):
            continue
        print(f"{name}: {minutes * options.scale:g} minutes", flush=True)
        try:
            state["runs"][name] = run_one(options, name, driver, backing, minutes, options.seed)
        except RuntimeError as error:
            print(error, file=sys.stderr)
            failed += 1
            continue
        with open(file + ".new", "w", encoding="utf-8") as text:
            json.dump(state, text, indent=1)
        os.replace(file + ".new", file)
        write_record(options.record, state, [run[0] for run in RUNS])
        # Plain against itself must raise no alarm.
        failed += name == "plain" and state["runs"][name]["findings"] > 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
"""Holds the exact metrics to their word: the same program on the same kernel counts the same.

Runs `bench` RUNS times with one seed on overlay2, vfs and native and compares every value that the record calls exact:
system calls, FUSE requests, mounts, inodes, whiteouts, bytes stored and copied up, leaks. Then some of them are held to
what the operation must need, so that a counter that counts nothing is not taken for an exact one.
Usage: counters.py LAYERMARK [RUNS]      Exit status: 0 all holds, 1 not, 2 it could not be tried.
"""
import json
import os
import subprocess
import sys
import tempfile

DRIVERS = ("overlay2", "vfs", "native")
WORKLOADS = ("container_start", "copy_up_open", "copy_up_append", "copy_up_chmod", "whiteout_unlink", "whiteout_recreate",
             "stack_mount", "stack_commit", "copy_tree", "sharing_containers", "churn")
OF_ONE_OPERATION = ("syscalls", "fuse_requests", "mounts", "mounts_left", "inodes_left", "whiteouts_left",
                    "stored_left_bytes", "copied_bytes")
LEAKS = ("leaked_mounts", "leaked_inodes", "leaked_descriptors", "leaked_processes")

problems = []


def must(held, what):
    if not held:
        problems.append(what)
        print(f"NOT SO: {what}", flush=True)


def bench(program, out):
    words = [program, "bench", "--profile", "smoke", "--seed", "7", "--out", out]
    for driver in DRIVERS:
        words += ["--driver", driver]
    for workload in WORKLOADS:
        words += ["--filter", workload]
    ran = subprocess.run(words, capture_output=True, text=True, check=False, timeout=600)
    if ran.returncode != 0:
        print(ran.stdout[-3000:] + ran.stderr[-3000:])
        sys.exit(2)
    with open(os.path.join(out, "results.json"), encoding="utf-8") as file:
        return json.load(file)


def key(row):
    return (row["workload"], row["instance"], tuple(sorted(row["params"].items())), row["side"], row["metric"])


def text(where):
    workload, instance, params, side, metric = where
    return f"{workload} {','.join('='.join(p) for p in params)} {instance} {side} {metric}"


def exact_rows(record):
    return {key(row): row for row in record["measurements"] if row["exact"]}


def compare(rounds):
    first = rounds[0]
    for number, rows in enumerate(rounds[1:], start=2):
        must(rows.keys() == first.keys(), f"run {number} has the exact metrics of run 1: {rows.keys() ^ first.keys()}")
        for where, row in rows.items():
            other = first.get(where)
            if other is None or row["value"] == other["value"]:
                continue
            parts = {name: (other.get("breakdown", {}).get(name, 0), row.get("breakdown", {}).get(name, 0))
                     for name in {**other.get("breakdown", {}), **row.get("breakdown", {})}}
            must(False, f"{text(where)} is the same in runs 1 and {number}: {other['value']} and {row['value']} "
                        f"{ {name: pair for name, pair in parts.items() if pair[0] != pair[1]} }")


def hold(rows):
    """What the operations must need, whatever the driver does besides."""
    def value(workload, driver, metric, side="driver", **params):
        found = [row for where, row in rows.items() if where[:2] == (workload, driver) and where[3:] == (side, metric)
                 and all((name, wanted) in where[2] for name, wanted in params.items())]
        must(len(found) == 1, f"{workload} on {driver} has one row {metric} of the {side} with {params}: {len(found)}")
        return found[0] if len(found) == 1 else {"value": None, "breakdown": {}}

    for driver in DRIVERS:
        for metric in OF_ONE_OPERATION:
            row = value("whiteout_unlink", driver, metric)
            must(row["value"] is not None, f"{metric} can be counted on {driver}: {row.get('reason')}")
        for metric in LEAKS:
            must(value("churn", driver, metric)["value"] == 0, f"{driver} leaves nothing: {metric}")
        unlink = value("whiteout_unlink", driver, "syscalls")
        must(unlink.get("breakdown") == {"unlinkat": 1}, f"one unlink is one call on {driver}: {unlink.get('breakdown')}")
        opened = value("copy_up_open", driver, "syscalls", size="4KiB")
        must(opened.get("breakdown") == {"close": 1, "openat": 1, "pwrite64": 1},
             f"open, pwrite, close on {driver}: {opened.get('breakdown')}")
        must(value("stack_mount", driver, "mounts", layers="1")["value"] == 1, f"a mount on {driver} is one mount")
        must(value("stack_mount", driver, "mounts_left", layers="1")["value"] == 0, f"and is unmounted on {driver}")
        must(value("whiteout_unlink", driver, "fuse_requests")["value"] == 0, f"{driver} asks no FUSE daemon")
    must(value("copy_up_open", "overlay2", "copied_bytes", size="4KiB")["value"] == 4096, "overlay2 copies the file up")
    must(value("copy_up_open", "vfs", "copied_bytes", size="4KiB")["value"] == 0, "vfs has nothing to copy up")
    must(value("whiteout_unlink", "overlay2", "whiteouts_left")["value"] == 1, "overlay2 leaves a whiteout")
    must(value("whiteout_unlink", "native", "inodes_left")["value"] == -1, "native removes the file itself")
    for where, row in rows.items():
        if row.get("breakdown"):
            must(sum(row["breakdown"].values()) == row["value"], f"the parts of {text(where)} add up")


def main():
    program = sys.argv[1]
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory() as folder:
        rounds = [exact_rows(bench(program, os.path.join(folder, f"run{number}"))) for number in range(1, runs + 1)]
    compare(rounds)
    hold(rounds[0])
    print(f"{runs} runs, {len(rounds[0])} exact values in each: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

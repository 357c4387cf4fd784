#!/usr/bin/python3
"""Compiles and runs the programs of docs/findings, and replays them.

    findings.py [--program PATH] [--no-replay] [NAME...]

For each docs/findings/DRIVER/NAME.fuzz: NAME.c must compile with -Wall -Werror and end with 1, having printed what
differs; and `layermark replay` must see the signature in the file's first line. The instance and the backing stand in
the second line; without a driver for unionfs-fuse the example of an exec driver stands in. Needs root, cc, and the union's own programs. Ends with 1 if one does not show what it should.
"""
import argparse
import glob
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)


UNION = "exec:command=/usr/bin/python3 " + os.path.join(ROOT, "examples/exec-driver/union.py") + " unionfs"


def head(path):
    with open(path, encoding="utf-8") as file:
        signature = file.readline()[2:].strip()
        return signature, *re.match(r"# (.*) on (\S+);", file.readline()).groups()


def run_c(path, scratch):
    """What is wrong with the C program; nothing where it shows a difference."""
    program = os.path.join(scratch, "program")
    compiled = subprocess.run(["cc", "-Wall", "-Werror", "-o", program, path], capture_output=True, text=True)
    if compiled.returncode != 0:
        return "does not compile: " + compiled.stderr[:400]
    done = subprocess.run([program], capture_output=True, text=True, errors="replace", timeout=120)
    if done.returncode != 1 or not re.search(r"^(expected|seen) ", done.stdout, re.M):
        return f"status {done.returncode}: {(done.stdout + done.stderr)[:300]}"
    return ""


def replay(options, path, driver, backing, signature):
    command = [options.program, "replay", path, "--driver", driver, "--backing", backing]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=300, cwd=ROOT)
    # Which of several differences is named first may change; that it differs in this way may not.
    wanted = signature.split(": ", 1)[1].split("seen ", 1)[1]
    if "no difference" in done.stdout or (wanted.split()[-1] not in done.stdout and wanted not in done.stdout):
        return f"replay, status {done.returncode}: {(done.stdout + done.stderr)[:300]}"
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--program", default=os.path.join(ROOT, "build/release/cli/layermark"))
    parser.add_argument("--no-replay", action="store_true", help="the C programs alone")
    parser.add_argument("names", nargs="*", help="parts of paths; default: all")
    options = parser.parse_args()
    options.program = os.path.abspath(options.program)
    bad = good = 0
    own = subprocess.run([options.program, "drivers", "--list"], capture_output=True, text=True).stdout.split()
    for path in sorted(glob.glob(os.path.join(ROOT, "docs/findings/*/*.fuzz"))):
        name = os.path.relpath(path, os.path.join(ROOT, "docs/findings"))[:-len(".fuzz")]
        if options.names and not any(part in name for part in options.names):
            continue
        signature, driver, backing = head(path)
        if driver == "unionfs_fuse" and driver not in own:
            driver = UNION
        with tempfile.TemporaryDirectory() as scratch:
            wrong = run_c(path[:-len(".fuzz")] + ".c", scratch)
        if not wrong and not options.no_replay:
            wrong = replay(options, path, driver, backing, signature)
        bad += bool(wrong)
        good += not wrong
        if wrong:
            print(f"{name}: {wrong}")
    print(f"{good} programs show what they should, {bad} do not")
    return 1 if bad or not good else 0


if __name__ == "__main__":
    sys.exit(main())

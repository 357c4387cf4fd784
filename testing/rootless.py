#!/usr/bin/python3
"""layermark as an ordinary user: with subordinate ids, and with none; on what such a user can have.

    rootless.py BUILD [--drivers overlay2,vfs] [--profile quick] [--budget 20s]

The users exist in this script's own /etc, /dev/fuse is open to all in its own /dev, and the program is an installed one.
Exit status: 0 all as claimed, 1 something not, 2 it could not be tried.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys

import private_world

MAPPED, ALONE = 54321, 54322  # users and groups
FIRST_SUBORDINATE, SUBORDINATES = 20_000_000, 65536
DRIVERS = "plain,vfs,native,overlay2,fuse_overlayfs"
# So many cases at least must pass: a run that skips nearly all shows nothing.
MIN_PASSES = {MAPPED: 400, ALONE: 200}


def users(scratch):
    """Two users, of whom one has subordinate ids."""
    private_world.cover("/etc", scratch)
    for user, name in ((MAPPED, "layermark-mapped"), (ALONE, "layermark-alone")):
        with open("/etc/passwd", "a", encoding="utf-8") as f:
            f.write(f"{name}:x:{user}:{user}::{scratch}/{user}:/bin/sh\n")
        home = f"{scratch}/{user}"
        os.mkdir(home)
        os.chown(home, user, user)
    for file in ("/etc/subuid", "/etc/subgid"):
        with open(file, "a", encoding="utf-8") as f:
            f.write(f"layermark-mapped:{FIRST_SUBORDINATE}:{SUBORDINATES}\n")


def open_fuse(scratch):
    """As udev leaves it; a machine without it keeps /dev/fuse to root."""
    node = f"{scratch}/fuse"
    os.mknod(node, 0o20666, os.stat("/dev/fuse").st_rdev)
    os.chmod(node, 0o666)
    subprocess.run(["mount", "--bind", node, "/dev/fuse"], check=True)


def run(scratch, user, program, words):
    home = f"{scratch}/{user}"
    out = f"{home}/out"
    command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", program, *words, "--out", out]
    done = subprocess.run(command, cwd=home, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": home}, text=True,
                          capture_output=True, check=False)
    if not os.path.exists(f"{out}/results.json"):
        print(done.stdout + done.stderr)
        raise RuntimeError(f"no record, exit status {done.returncode}")
    with open(f"{out}/results.json", encoding="utf-8") as f:
        return done, json.load(f)


def processes_of(first, last):
    """The processes whose real user is one of these."""
    found = []
    for line in subprocess.run(["ps", "-eo", "ruid=,args="], check=True, capture_output=True, text=True).stdout.splitlines():
        user, command = line.split(None, 1)
        if first <= int(user) <= last:
            found.append(command)
    return found


def check(scratch, user, program, options):
    problems = []
    words = ["run", "--profile", options.profile, "--budget", options.budget]
    for driver in options.drivers.split(","):
        words += ["--driver", driver]
    done, record = run(scratch, user, program, words)
    ids = SUBORDINATES + 1 if user == MAPPED else 1
    privilege = record["environment"].get("privilege", "")
    if (f"{ids} owners" if ids > 1 else "one owner") not in privilege:
        problems.append(f"the record says of the user: {privilege!r}")
    if done.returncode != 0:
        problems.append(f"exit status {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
    for driver in record["drivers"]:
        if not driver["available"]:
            problems.append(f"{driver['instance']} cannot run: {driver['reason']}")
    verdicts = {}
    for row in record["conformance"]:
        counts = verdicts.setdefault(row["instance"], {})
        counts[row["verdict"]] = counts.get(row["verdict"], 0) + 1
    for instance, counts in verdicts.items():
        print(f"  {instance}: {counts}", flush=True)
        if counts.get("pass", 0) < MIN_PASSES[user]:
            problems.append(f"{instance}: only {counts} passed")
    workloads = {}
    for row in record["workloads"]:
        workloads[row["verdict"]] = workloads.get(row["verdict"], 0) + 1
    print(f"  workloads: {workloads}", flush=True)
    if not workloads.get("right"):
        problems.append("no workload was right")
    if processes := processes_of(user, user) + processes_of(FIRST_SUBORDINATE, FIRST_SUBORDINATE + SUBORDINATES):
        problems.append(f"processes stay: {processes}")
    left = [name for name in os.listdir(f"{scratch}/{user}/out") if name.startswith("layermark.")]
    if left:
        problems.append(f"directories stay: {left}")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", help="a build of this tree")
    parser.add_argument("--drivers", default=DRIVERS, help=f"default: {DRIVERS}")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--budget", default="20s", help="for the workloads")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("rootless: needs root, to make the users", file=sys.stderr)
        return 2
    if not os.path.exists("/dev/fuse"):
        print("rootless: there is no /dev/fuse", file=sys.stderr)
        return 2
    scratch = private_world.enter("LAYERMARK_ROOTLESS", "layermark-rootless-")
    private_world.tmpfs(scratch)
    users(scratch)
    open_fuse(scratch)
    subprocess.run(["cmake", "--install", options.build, "--prefix", f"{scratch}/usr"], check=True, stdout=subprocess.DEVNULL)
    program = f"{scratch}/usr/bin/layermark"
    failed = False
    for user in (MAPPED, ALONE):
        if user == MAPPED and shutil.which("newuidmap") is None:
            print("there is no newuidmap: apt-get install uidmap", file=sys.stderr)
            return 2
        print("a user with subordinate ids" if user == MAPPED else "a user without", flush=True)
        for problem in check(scratch, user, program, options):
            failed = True
            print(f"  FAILED: {problem}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

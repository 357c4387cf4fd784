#!/usr/bin/python3
"""Kills `layermark serve` with SIGKILL at random moments under load and looks at what is left.

Every commit that was acknowledged must be there after a restart (unless its removal had begun), every directory below
the store's root must belong to a record, and every record must have its directory. The full form of the acceptance
list is:  testing/serve_kill_nine.py PROGRAM SERVE_LOAD --kills 200
"""
import argparse
import contextlib
import os
import random
import sqlite3
import subprocess
import sys
import time

import containerd_world
from containerd_world import run

CLIENTS = 3


def said(text):
    """The commits acknowledged and the removals begun."""
    lines = [line.split(" ", 1) for line in text.splitlines()]
    return {n for verb, n in lines if verb == "commit"}, {n for verb, n in lines if verb == "remove"}


class Killing:
    def __init__(self, world, arguments, driver, kind):
        self.world, self.arguments, self.driver = world, arguments, driver
        self.root = world.file_system(kind, f"{driver}-store") + "/store"
        self.socket = f"{world.path}/{driver}.sock"
        self.acknowledged, self.removed = set(), set()

    def serve(self):
        return self.world.serve(self.arguments.program, self.driver, self.root, self.socket)

    def one(self, number, wait):
        """Serves, loads, kills after `wait` seconds; answers how many commits were acknowledged."""
        server = self.serve()
        clients = [subprocess.Popen([self.arguments.load, "load", self.socket, f"{number}-{i}"], text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE) for i in range(CLIENTS)]
        time.sleep(wait)
        server.kill()
        server.wait()
        before = len(self.acknowledged)
        for client in clients:
            output, error = client.communicate(timeout=120)
            if client.returncode != 0:
                raise RuntimeError(f"a client got a wrong answer: {error}")
            commits, removals = said(output)
            self.acknowledged |= commits
            self.removed |= removals
        return len(self.acknowledged) - before

    def problems(self):
        """What is wrong after a restart."""
        server = self.serve()
        listed = [line.split(" ", 2) for line in run(self.arguments.load, "list", self.socket).stdout.splitlines()]
        stored = {int(name.split(".")[0]) for name in os.listdir(f"{self.root}/snapshots")}
        server.terminate()
        if server.wait() != 0:
            return ["serve did not end well on SIGTERM"]
        with contextlib.closing(sqlite3.connect(f"{self.root}/metadata.db")) as database:
            recorded = dict(database.execute("SELECT id, kind FROM snapshots"))
        committed = {name for kind, name, _ in listed if kind == "committed"}
        found = [f"lost: {name}" for name in sorted(self.acknowledged - self.removed - committed)]
        names = {name for _, name, _ in listed}
        found += [f"{name} has the parent {parent}, which is gone" for _, name, parent in listed
                  if parent and parent not in names]
        found += [f"directory {number} belongs to no record" for number in sorted(stored - set(recorded))]
        # A view may show its parent's directory instead of one of its own.
        found += [f"{kind} snapshot {number} has no directory" for number, kind in recorded.items()
                  if number not in stored and kind != "view"]
        return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="layermark")
    parser.add_argument("load", help="serve_load")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--driver", action="append", metavar="NAME=FILE_SYSTEM")
    arguments = parser.parse_args()
    drivers = [one.split("=") for one in arguments.driver or ["overlay2=ext4", "native=ext4", "btrfs=btrfs"]]
    moment = random.Random(arguments.seed)
    bad = 0
    with containerd_world.World(containerd_world.enter()) as world:
        killings = [Killing(world, arguments, driver, kind) for driver, kind in drivers]
        for number in range(arguments.kills):
            killing = killings[number % len(killings)]
            wait = moment.uniform(0, 0.4)
            commits = killing.one(number, wait)
            found = killing.problems()
            bad += bool(found)
            print(f"kill {number + 1}: {killing.driver} after {wait:.3f} s and {commits} commits: "
                  f"{'; '.join(found) or 'all there'}", flush=True)
        commits = sum(len(k.acknowledged) for k in killings)
        print(f"{arguments.kills} kills, {commits} commits acknowledged, {bad} with a loss or an orphan")
    # A load that never got to commit shows nothing.
    return 1 if bad or commits < arguments.kills else 0


if __name__ == "__main__":
    sys.exit(main())

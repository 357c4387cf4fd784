#!/usr/bin/python3
"""Debian's containerd on both sides: its snapshotters under the suite, and layermark's drivers under containerd.

Exit status: 0 all as claimed, 1 something not, 2 it could not be tried.
"""
import argparse
import fnmatch
import json
import os
import signal
import subprocess
import sys
import time

import containerd_world
from containerd_world import run, wait_until

# One case of each sort; the whole of lifecycle. The full suite is `layermark check` without --filter.
FILTERS = ["lifecycle.*", "whiteout.unlink_hides_lower_file", "stacking.*", "copy_up.append_keeps_the_start",
           "capability.*"]
# Where each snapshotter's root lies.
SNAPSHOTTERS = {"overlayfs": "ext4", "native": "ext4", "btrfs": "btrfs"}
SERVED = {"overlay2": "ext4", "native": "ext4", "btrfs": "btrfs"}


class Failed(Exception):
    pass


def claim(condition, what):
    if not condition:
        raise Failed(what)


def check(world, program, spec, kind, filters):
    """Runs cases on an instance; the rows."""
    out = f"{world.path}/check"
    command = [program, "check", "--driver", spec, "--backing", kind, "--out", out]
    for one in filters:
        command += ["--filter", one]
    done = run(*command, check=False)
    with open(f"{out}/results.json", encoding="utf-8") as f:
        rows = json.load(f)["conformance"]
    counts = {}
    for row in rows:
        counts[row["verdict"]] = counts.get(row["verdict"], 0) + 1
    print(f"  {spec.split(':')[1].split('/')[-1]}: {counts}", flush=True)
    claim(done.returncode == 0, f"check {spec}: exit {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return rows


def filters_reach(case):
    return not FILTERS or any(fnmatch.fnmatchcase(case, one) for one in FILTERS)


def guests(socket):
    """What layermark has in a containerd."""
    listed = run("ctr", "--address", socket, "namespaces", "list", "-q").stdout.split()
    return [name for name in listed if name.startswith("layermark-")]


def directories(home, snapshotter):
    below = f"{home}/root/io.containerd.snapshotter.v1.{snapshotter}"
    found = []
    for part in ("snapshots", "active", "view"):
        found += os.listdir(f"{below}/{part}") if os.path.isdir(f"{below}/{part}") else []
    return found


def snapshotters_under_the_suite(world, program):
    """Every case on containerd's own snapshotters; nothing stays in it."""
    homes = {kind: world.file_system(kind, f"home-{kind}") for kind in set(SNAPSHOTTERS.values())}
    sockets = {kind: world.containerd(home) for kind, home in homes.items()}
    for snapshotter, kind in SNAPSHOTTERS.items():
        socket = sockets[kind]
        check(world, program, f"containerd:address={socket},snapshotter={snapshotter}", kind, FILTERS)
        claim(not guests(socket), f"{snapshotter}: left in containerd: {guests(socket)}")
        # A path longer than PATH_MAX ends all collection on btrfs (drivers/containerd/README.md): what is of later cases
        # stays there.
        if filters_reach("limits.paths_longer_than_path_max") and snapshotter == "btrfs":
            continue
        claim(not directories(homes[kind], snapshotter), f"{snapshotter}: directories stay")
    return homes["ext4"], sockets["ext4"]


def killed_runs_are_cleaned(world, program, home, socket):
    """kill -9 of a run leaves something in containerd; clean removes it, and nothing of a run that goes on."""
    spec = f"containerd:address={socket},snapshotter=overlayfs"
    command = [program, "check", "--driver", spec, "--backing", "ext4", "--filter", "lifecycle.*"]
    disturbed = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    cleanings = 0
    while disturbed.poll() is None:
        cleanings += 1
        run(program, "clean", "--driver", spec)
        time.sleep(0.1)
    output = disturbed.communicate()[0]
    claim(disturbed.returncode == 0, f"clean disturbed a run that went on: {output[-3000:]}")
    print(f"  cleaned {cleanings} times beside a run, which passed", flush=True)

    killed = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until("the run has a store in containerd", lambda: guests(socket))
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    # Its workers carry its arguments; the socket's path is this script's alone.
    wait_until("the run's processes are gone", lambda: spec not in run("ps", "ax", "-ww", "-o", "args").stdout)
    left = guests(socket)
    cleaned = run(program, "clean", "--driver", spec).stdout
    print(f"  left by kill -9: {len(left)}; {cleaned.splitlines()[-1]}", flush=True)
    claim(not guests(socket), f"clean left {guests(socket)}")
    claim(not directories(home, "overlayfs"), "clean left directories")


def image_archive(world, program, probe):
    """A small OCI image of two layers, as a tar; /probe read /message says which layer is seen."""
    trees = []
    for number, text in enumerate(("lower", "upper")):
        tree = f"{world.path}/tree{number}"
        os.makedirs(f"{tree}/etc")
        run("cp", probe, f"{tree}/probe")
        with open(f"{tree}/message", "w", encoding="utf-8") as f:
            f.write(text)
        if text == "lower":
            with open(f"{tree}/etc/gone", "w", encoding="utf-8") as f:
                f.write("a whiteout hides this")
        os.utime(f"{tree}/probe", (1, 1))
        trees.append(tree)
    layout, archive = f"{world.path}/layout", f"{world.path}/image.tar"
    run(program, "image", "build", *trees, "--out", layout, "--entrypoint", "/probe", "--cmd", "read", "--cmd",
        "/message")
    run("tar", "-C", layout, "-cf", archive, ".")
    return archive


def containers_on_served_drivers(world, program, probe):
    """Real containerd unpacks an image on each served driver and runs a container; a restart loses nothing."""
    archive = image_archive(world, program, probe)
    roots = {driver: world.file_system(kind, f"served-{driver}") for driver, kind in SERVED.items()}
    sockets = {driver: f"{world.path}/{driver}.sock" for driver in SERVED}
    servers = {driver: world.serve(program, driver, f"{roots[driver]}/store", sockets[driver]) for driver in SERVED}
    containerd = world.containerd(world.file_system("ext4", "home-proxy"),
                                  [(f"layermark-{d}", s) for d, s in sockets.items()])
    ctr = ("ctr", "--address", containerd, "--namespace", world.namespace)
    for driver in SERVED:
        name = f"layermark-{driver}"
        run(*ctr, "images", "import", "--snapshotter", name, "--base-name", "example.org/message", archive)

        def container(identifier, *command):
            """What it wrote, to a file: ctr itself may miss the output of one that ends at once."""
            log = f"{world.path}/{driver}.{identifier}"
            run(*ctr, "run", "--rm", "--log-uri", f"file://{log}", "--snapshotter", name,
                "example.org/message:latest", identifier, *command)
            with open(log, encoding="utf-8") as f:
                return f.read()

        def listed():
            return run(*ctr, "snapshots", "--snapshotter", name, "list", check=False).stdout

        said = container("first")
        claim(said == "upper", f"{driver}: the container said {said!r}")
        tree = container("second", "/probe", "list")
        claim("message" in tree and "etc/gone" not in tree, f"{driver}: the container saw {tree}")
        before = listed()
        claim(before.count("Committed") == 2, f"{driver}: not two layers: {before}")
        servers[driver].send_signal(signal.SIGKILL)
        servers[driver].wait()
        servers[driver] = world.serve(program, driver, f"{roots[driver]}/store", sockets[driver])
        wait_until(f"{driver}: containerd finds the server again", listed)
        claim(before == listed(), f"{driver}: a restart lost some")
        said = container("third")
        claim(said == "upper", f"{driver}: after a restart the container said {said!r}")
        run(*ctr, "images", "rm", "--sync", "example.org/message:latest")
        wait_until(f"{driver}: containerd has collected", lambda: not os.listdir(f"{roots[driver]}/store/snapshots"))
        print(f"  {driver}: unpacked, run, restarted, run, collected", flush=True)
    return sockets


def served_drivers_under_the_suite(world, program, sockets):
    """The same cases through our own server, without any containerd."""
    for driver, socket in sockets.items():
        check(world, program, f"containerd:proxy={socket}", SERVED[driver], FILTERS)


def restarted_by_command(world, program):
    """A plug-in that the cases kill and start again by the command that the driver is given."""
    root, socket = world.file_system("ext4", "restarted"), f"{world.path}/restarted.sock"
    server = world.serve(program, "overlay2", f"{root}/store", socket)
    script = f"{world.path}/restart"
    for name, loses in ((script, ""), (f"{script}-with-loss", f"rm -rf {root}/store")):
        with open(name, "w", encoding="utf-8") as f:
            f.write(f"""#!/bin/sh
# The first one is a child of this script's world, the others are ours.
kill -9 "$(cat {script}.pid)"
{loses}
{program} serve overlay2 --address {socket} --root {root}/store >/dev/null 2>&1 &
echo $! >{script}.pid
echo again >>{name}.log
""")
        os.chmod(name, 0o755)
    with open(f"{script}.pid", "w", encoding="utf-8") as f:
        f.write(str(server.pid))
    rows = check(world, program, f"containerd:proxy={socket},restart={script}", "ext4", ["restart.*"])
    claim(all(row["verdict"] == "pass" for row in rows), f"not all pass: {rows}")
    with open(f"{script}.log", encoding="utf-8") as f:
        kills = len(f.readlines())
    claim(kills == len(rows), f"{kills} kills in {len(rows)} cases")
    lossy = run(program, "check", "--driver", f"containerd:proxy={socket},restart={script}-with-loss", "--backing", "ext4",
                "--filter", "restart.*", "--out", f"{world.path}/lossy", check=False)
    with open(f"{world.path}/lossy/results.json", encoding="utf-8") as f:
        fails = [row["case"] for row in json.load(f)["conformance"] if row["verdict"] == "fail"]
    claim(lossy.returncode == 1 and len(fails) >= 3, f"a server that loses all is not seen: {lossy.stdout[-2000:]}")
    with open(f"{script}.pid", encoding="utf-8") as f:
        os.kill(int(f.read()), signal.SIGKILL)
    print(f"  killed and started again {kills} times; one that loses all fails {len(fails)} cases", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="layermark")
    parser.add_argument("probe", help="layermark_probe, a static program for the containers")
    parser.add_argument("--all", action="store_true", help="every case instead of one of each sort")
    arguments = parser.parse_args()
    scratch = containerd_world.enter()
    if arguments.all:
        FILTERS.clear()
    try:
        with containerd_world.World(scratch, on_disk=arguments.all) as world:
            began = time.monotonic()
            for step in (snapshotters_under_the_suite, killed_runs_are_cleaned, containers_on_served_drivers,
                         served_drivers_under_the_suite, restarted_by_command):
                print(f"{step.__name__.replace('_', ' ')}", flush=True)
                if step is snapshotters_under_the_suite:
                    home, socket = step(world, arguments.program)
                elif step is killed_runs_are_cleaned:
                    step(world, arguments.program, home, socket)
                elif step is containers_on_served_drivers:
                    sockets = step(world, arguments.program, arguments.probe)
                elif step is restarted_by_command:
                    step(world, arguments.program)
                else:
                    step(world, arguments.program, sockets)
            print(f"all as claimed, {time.monotonic() - began:.0f} s")
    except Failed as failure:
        print(f"FAILED: {failure}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
"""Real containerd imports, unpacks and runs the web page of examples/httpd on each driver that `serve` offers.

    containerd_httpd.py PROGRAM [LAYOUT]

LAYOUT: what examples/httpd/build.sh made (default: examples/httpd/image). Exit status: 0 each answered, 1 one did not,
2 it could not be tried.
"""
import argparse
import json
import os
import sys
import time

import containerd_world
from containerd_world import run, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
SERVED = {"overlay2": "ext4", "native": "ext4", "btrfs": "btrfs"}
REFERENCE = "example.org/httpd:latest"
# In the container's network: its loopback is down, as nobody set up a network for it.
ASK = """
import fcntl, socket, struct, sys, time, urllib.request
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(s, 0x8914, struct.pack("16sH22x", b"lo", 0x41))
end = time.monotonic() + 20
while True:
    try:
        with urllib.request.urlopen("http://127.0.0.1:8080/", timeout=5) as answer:
            print(answer.status, len(answer.read()))
            break
    except OSError as error:
        if time.monotonic() > end:
            sys.exit(f"no answer: {error}")
        time.sleep(0.02)
"""


def archive_of(layout, path):
    run("tar", "-C", layout, "-cf", path, ".")
    return path


def layers_of(layout):
    def read(digest):
        with open(os.path.join(layout, "blobs", *digest.split(":")), encoding="utf-8") as f:
            return json.load(f)

    with open(os.path.join(layout, "index.json"), encoding="utf-8") as f:
        index = json.load(f)
    return len(read(index["manifests"][0]["digest"])["layers"])


def serve_it(ctr, driver, archive, layers):
    """What went wrong with this driver, or None."""
    name = f"layermark-{driver}"
    began = time.monotonic()
    run(*ctr, "images", "import", "--snapshotter", name, "--base-name", REFERENCE.split(":", maxsplit=1)[0], archive)
    unpacked = time.monotonic() - began
    listed = run(*ctr, "snapshots", "--snapshotter", name, "list").stdout
    if listed.count("Committed") != layers:
        return f"not {layers} layers: {listed}"
    began = time.monotonic()
    run(*ctr, "run", "--detach", "--snapshotter", name, REFERENCE, driver)
    pid = next(line.split()[1] for line in run(*ctr, "tasks", "list").stdout.splitlines() if line.split()[0] == driver)
    done = run("nsenter", "--net", "--target", pid, "/usr/bin/python3", "-c", ASK, check=False)
    answered = time.monotonic() - began
    run(*ctr, "tasks", "kill", "--signal", "SIGKILL", driver)
    wait_until("the task has stopped", lambda: "STOPPED" in run(*ctr, "tasks", "list").stdout)
    run(*ctr, "tasks", "rm", driver)
    run(*ctr, "containers", "rm", driver)
    run(*ctr, "images", "rm", "--sync", REFERENCE)
    if done.returncode != 0 or not done.stdout.startswith("200 "):
        return f"GET / said {done.stdout!r} {done.stderr[-500:]}"
    print(f"  {driver}: {layers} layers unpacked in {unpacked:.1f} s, {done.stdout.strip()} bytes of the page {answered:.1f} s "
          "after ctr run", flush=True)
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="layermark")
    parser.add_argument("layout", nargs="?", default=os.path.join(HERE, "..", "examples", "httpd", "image"))
    arguments = parser.parse_args()
    if not os.path.exists(os.path.join(arguments.layout, "index.json")):
        print(f"{arguments.layout} is no image layout: run examples/httpd/build.sh", file=sys.stderr)
        return 2
    scratch = containerd_world.enter()
    failed = False
    with containerd_world.World(scratch, on_disk=True) as world:
        archive = archive_of(arguments.layout, f"{world.path}/httpd.tar")
        layers = layers_of(arguments.layout)
        stores = {driver: f"{world.file_system(kind, f'served-{driver}')}/store" for driver, kind in SERVED.items()}
        sockets = {driver: f"{world.path}/{driver}.sock" for driver in SERVED}
        for driver in SERVED:
            world.serve(arguments.program, driver, stores[driver], sockets[driver])
        containerd = world.containerd(world.file_system("ext4", "home"), [(f"layermark-{d}", s) for d, s in sockets.items()])
        ctr = ("ctr", "--address", containerd, "--namespace", world.namespace)
        for driver in SERVED:
            if problem := serve_it(ctr, driver, archive, layers):
                failed = True
                print(f"  FAILED: {driver}: {problem}", flush=True)
            else:
                wait_until(f"{driver}: containerd has collected", lambda d=driver: not os.listdir(f"{stores[d]}/snapshots"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

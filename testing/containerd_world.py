"""A containerd of the test's own: root, state, socket and mounts in a world that goes with it.

enter() runs the calling script again in a mount and a PID namespace; whatever ends it, the kernel takes processes,
mounts and loop devices away. Nothing of the host's own containerd is touched.
"""
import glob
import os
import shutil
import subprocess
import sys
import tempfile
import time

import private_world

INSIDE = "LAYERMARK_CONTAINERD_WORLD"

CONFIG = """version = 2
root = "{home}/root"
state = "{state}"
# What would need more than snapshots and containers, or write to the host.
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.internal.v1.tracing", "io.containerd.internal.v1.restart"]
[grpc]
  address = "{socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{home}/opt"
"""
PROXY = """[proxy_plugins.{name}]
  type = "snapshot"
  address = "{socket}"
"""


def enter():
    """Returns inside the world, with its directory; the outer process ends with the inner one's status."""
    for program in ("containerd", "ctr"):
        if shutil.which(program) is None:
            print(f"there is no {program}: apt-get install containerd", file=sys.stderr)
            sys.exit(2)
    return private_world.enter(INSIDE, "layermark-containerd-")


def run(*command, check=True, **options):
    """Runs a command, its output as text; shows what it said where it fails."""
    done = subprocess.run(command, text=True, capture_output=True, check=False, **options)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def wait_until(what, condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


class World:
    """Use as a context. Everything lies on a tmpfs that only this world sees; with `on_disk` the file systems have 32
    GiB each in files without a name on the disk, of which they take what is written."""

    def __init__(self, scratch, on_disk=False):
        self.path, self.on_disk = scratch, on_disk
        self.namespace = os.path.basename(scratch).replace("_", "0")  # for what ctr makes
        self.children = []

    def __enter__(self):
        run("mount", "-t", "tmpfs", "-o", "size=4g,mode=0711", "tmpfs", self.path)
        run("mount", "-t", "tmpfs", "tmpfs", "/run")  # runtimes and shims keep their state there
        return self

    def __exit__(self, *_):
        for child in reversed(self.children):
            child.kill()
            child.wait()
        # Containers of a namespace have their control groups below its name, which is left empty.
        for group in glob.glob(f"/sys/fs/cgroup/*/{self.namespace}") + glob.glob(f"/sys/fs/cgroup/{self.namespace}"):
            os.rmdir(group)

    def file_system(self, kind, name):
        """A fresh file system, mounted; its directory."""
        target = f"{self.path}/{name}"
        os.mkdir(target)
        with tempfile.NamedTemporaryFile(dir=None if self.on_disk else self.path, prefix="layermark-") as image:
            image.truncate(32 << 30 if self.on_disk else 2 << 30)
            run(f"mkfs.{kind}", "-q", image.name)
            run("mount", "-o", "loop", image.name, target)
        return target

    def start(self, *command, log):
        with open(log, "ab") as f:
            child = subprocess.Popen(command, stdout=f, stderr=f, stdin=subprocess.DEVNULL)
        self.children.append(child)
        return child

    def containerd(self, home, proxies=()):
        """Starts one with its root below `home`; `proxies`: (name, socket) of proxy plug-ins. Answers its socket."""
        name = os.path.basename(home)
        state = f"{self.path}/{name}.state"
        socket = f"{state}/s"
        os.makedirs(state, exist_ok=True)
        config = f"{self.path}/{name}.toml"
        with open(config, "w", encoding="utf-8") as f:
            f.write(CONFIG.format(home=home, state=state, socket=socket))
            f.writelines(PROXY.format(name=n, socket=s) for n, s in proxies)
        log = f"{self.path}/{name}.log"
        child = self.start("containerd", "--config", config, log=log)

        def answers():
            if child.poll() is not None:
                with open(log, encoding="utf-8") as f:
                    raise RuntimeError(f"containerd ended: {f.read()[-2000:]}")
            return run("ctr", "--address", socket, "version", check=False).returncode == 0

        wait_until("containerd answers", answers)
        return socket

    def serve(self, program, driver, root, socket):
        """Starts `layermark serve` and waits until it answers."""
        log = f"{self.path}/serve.log"
        with open(log, "wb"):
            pass
        child = self.start(program, "serve", driver, "--address", socket, "--root", root, log=log)

        def ready():
            with open(log, encoding="utf-8") as f:
                text = f.read()
            if child.poll() is not None:
                raise RuntimeError(f"serve ended: {text}")
            return "serving" in text

        wait_until("serve listens", ready)
        return child

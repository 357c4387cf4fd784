"""A mount and a PID namespace of a script's own: whatever ends it, the kernel takes its processes, mounts and loop
devices away, and nobody else sees them."""
import os
import shutil
import subprocess
import sys
import tempfile


def enter(marker, prefix):
    """Returns inside the world, with the path of an empty directory that goes with it; the outer process ends with the
    inner one's status. `marker`: a variable of the environment that is this script's alone."""
    if marker in os.environ:
        return os.environ[marker]
    scratch = tempfile.mkdtemp(prefix=prefix)
    try:
        inner = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc",
                 "/usr/bin/python3", *sys.argv]
        status = subprocess.run(inner, env={**os.environ, marker: scratch}, check=False).returncode
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    sys.exit(status)


def tmpfs(path):
    """A file system in memory at `path`."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "layermark-test", path], check=True)


def cover(path, scratch):
    """From here on what is written below `path` lies in `scratch`, a directory on a file system that can be the upper one
    of an overlay."""
    name = path.strip("/").replace("/", "-")
    upper, work = f"{scratch}/{name}.upper", f"{scratch}/{name}.work"
    os.mkdir(upper)
    os.mkdir(work)
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={path},upperdir={upper},workdir={work}", path],
                   check=True)

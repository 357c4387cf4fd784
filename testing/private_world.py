"""A mount and a PID namespace of a script's own: when it ends, and when it is killed, the kernel takes its processes,
mounts and loop devices away; nobody else sees them. A kill of the outer process may leave an empty directory."""
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile


def die_with_parent():
    """PR_SET_PDEATHSIG, for the time between fork and exec."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def enter(marker, prefix):
    """Returns inside the world, with the path of an empty directory that goes with it; the outer process ends with the
    inner one's status. `marker`: a variable of the environment that is this script's alone."""
    if marker in os.environ:
        return os.environ[marker]
    scratch = tempfile.mkdtemp(prefix=prefix)
    try:
        inner = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc",
                 "/usr/bin/python3", *sys.argv]
        status = subprocess.run(inner, env={**os.environ, marker: scratch}, check=False, preexec_fn=die_with_parent).returncode
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

#!/usr/bin/python3
"""Kills layermark with SIGKILL at moments spread over a run, and its FUSE daemons likewise, and looks at what is left.

Afterwards no mount, bound loop device, process or file outside --out may be there that was not there before.
The short form runs with the tests; the full form of the acceptance list is:  testing/kill_nine.py --runs 50 --fuse-runs 20
Where other programs mount and write meanwhile, give it a view of its own:  unshare --mount --propagation private ...
Exit status: 0 nothing was left, 1 something was, 2 it could not be tried.
"""
import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid

# Where others put files too, by name; elsewhere whatever is new counts. The run's own TMPDIR, HOME and working directory must be empty again.
SHARED = ["/tmp", "/var/tmp", "/run"]
QUIET = ["/mnt", "/media", "/srv", "/dev/shm", "/sys/fs/cgroup"]


def mounts():
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as f:
        return {" ".join(line.split()[3:6]) for line in f}


def loops():
    bound = set()
    for name in os.listdir("/sys/block"):
        if name.startswith("loop") and os.path.exists(f"/sys/block/{name}/loop/backing_file"):
            with open(f"/sys/block/{name}/loop/backing_file", encoding="utf-8", errors="replace") as f:
                bound.add(f"{name}: {f.read().strip()}")
    return bound


def mounted_by_others(mark):
    """Loop devices that a living process without the mark has mounted: another run's."""
    ours, found = marked(mark), set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if int(pid) in ours:
            continue
        try:
            with open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="surrogateescape") as f:
                found.update(word[5:] for word in f.read().split() if word.startswith("/dev/loop"))
        except OSError:
            continue
    return found


def marked(mark):
    """Processes that carry the mark in their environment, which every child of the run inherits."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as f:
                if mark.encode() not in f.read():
                    continue
            with open(f"/proc/{pid}/comm", encoding="utf-8") as f:
                found[int(pid)] = f.read().strip()
        except OSError:
            continue
    return found


def files(temporary):
    found = set()
    for directory in (*SHARED, *QUIET, temporary):
        try:
            names = os.listdir(directory)
        except OSError:
            continue
        found.update(os.path.join(directory, name) for name in names if directory not in SHARED or "layermark" in name)
    return found


class World:
    """What there was before, to be compared with what there is afterwards."""

    def __init__(self, scratch, mark):
        self.scratch, self.mark = scratch, mark
        self.before = (mounts(), loops(), files(temporary(scratch)))

    def left(self):
        m, l, f = mounts() - self.before[0], loops(), files(temporary(self.scratch)) - self.before[2]
        # A loop device of somebody else may come meanwhile; ours have no name, or one below the scratch directory.
        new_loops = {x for x in l - self.before[1] if "(deleted)" in x or self.scratch in x}
        if new_loops:
            others = mounted_by_others(self.mark)
            new_loops = {x for x in new_loops if x.split(":")[0] not in others}
        problems = [f"mount: {x}" for x in m] + [f"loop device: {x}" for x in new_loops]
        problems += [f"process: {pid} {comm}" for pid, comm in marked(self.mark).items()]
        problems += [f"file: {x}" for x in f if x != self.scratch]
        return problems

    def others(self):
        """Whether a layermark runs that is not the one under test."""
        ours = marked(self.mark)
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/comm", encoding="utf-8") as f:
                    if f.read().startswith("layermark") and int(pid) not in ours:
                        return True
            except OSError:
                continue
        return False

    def settle(self, seconds=30):
        """What stays for all that time: the kernel needs a moment. While another layermark runs on this machine its
        loop devices look like ours, so that it is waited for."""
        end = time.monotonic() + seconds
        latest = end + 600
        staying = set(self.left())
        while staying and time.monotonic() < (latest if self.others() else end):
            time.sleep(0.1)
            staying &= set(self.left())
        return sorted(staying)


def temporary(scratch):
    return os.path.join(scratch, "tmp")


def start(program, arguments, mark, scratch):
    environment = dict(os.environ, LAYERMARK_KILL_MARK=mark, TMPDIR=temporary(scratch), HOME=temporary(scratch))
    with open(os.path.join(scratch, "stderr"), "wb") as errors:
        return subprocess.Popen([program, *arguments, "--out", os.path.join(scratch, "out")], env=environment, stdout=subprocess.DEVNULL,
                                stderr=errors, start_new_session=True, cwd=temporary(scratch))


def last_words(scratch):
    """The end of what the program said, to be shown when it ended as it should not."""
    with open(os.path.join(scratch, "stderr"), encoding="utf-8", errors="replace") as f:
        return f.read()[-500:].strip()


def kill_run(program, arguments, delay, scratch):
    mark = uuid.uuid4().hex
    world = World(scratch, mark)
    process = start(program, arguments, mark, scratch)
    try:
        process.wait(delay)
        when = "after its end"
    except subprocess.TimeoutExpired:
        when = "while it ran"
    process.send_signal(signal.SIGKILL)
    process.wait()
    return when, world.settle()


def is_daemon(pid):
    """Whether it serves a mount, and is not asked for its version."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return b"lowerdir=" in f.read()
    except OSError:
        return False


def kill_daemon(program, arguments, delay, scratch):
    mark = uuid.uuid4().hex
    world = World(scratch, mark)
    process = start(program, arguments, mark, scratch)
    time.sleep(delay)
    killed = 0
    while process.poll() is None and killed == 0:
        for pid, comm in marked(mark).items():
            if comm.startswith("fuse-overlayfs") and is_daemon(pid):
                os.kill(pid, signal.SIGKILL)
                killed += 1
                break
        time.sleep(0.002)
    try:
        process.wait(300)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return killed, [f"the run hung after its FUSE daemon was killed at {delay:.1f} s"] + world.settle()
    problems = world.settle()
    words = last_words(scratch)
    # 1: the case that lost its daemon says so; the rest of the run goes on. 2: it was the probe's, so that the driver
    # counts as one that cannot run here.
    probe = process.returncode == 2 and "cannot run here" in words and "killed by SIGKILL" in words
    if process.returncode not in (0, 1) and not probe:
        problems.append(f"the run ended with {process.returncode}: {words}")
    return killed, problems


def chosen(text, runs):
    """The numbers that "13,45-49" names; all of them for ""."""
    numbers = [] if text else list(range(runs))
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    if text and not numbers or any(number >= runs for number in numbers):
        raise ValueError(text)
    return numbers


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="build/release/cli/layermark")
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--fuse-runs", type=int, default=20)
    parser.add_argument("--moments", default="", help="of the runs, such as 13,45-49: goes on where it was cut off; default: all")
    parser.add_argument("--filter", action="append", default=[], help="handed on: a shorter run")
    parser.add_argument("--driver", action="append", default=[], help="handed on")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("kill_nine: needs root", file=sys.stderr)
        return 2
    program = os.path.abspath(options.program)
    arguments = ["run", "--profile", "smoke"]
    for value in options.filter:
        arguments += ["--filter", value]
    for value in options.driver:
        arguments += ["--driver", value]
    try:
        moments = chosen(options.moments, options.runs)
    except ValueError:
        parser.error(f"--moments: not numbers below --runs: {options.moments}")
    scratch = tempfile.mkdtemp(prefix="kill-nine.")
    os.mkdir(temporary(scratch))
    failures = 0
    try:
        began = time.monotonic()
        whole = start(program, arguments, uuid.uuid4().hex, scratch)
        status = whole.wait()
        length = time.monotonic() - began
        if status != 0:
            print(f"kill_nine: the run does not end well by itself (exit {status}): {last_words(scratch)}", file=sys.stderr)
            return 2
        print(f"a whole run takes {length:.1f} s and exits {status}")
        for i in moments:
            delay = length * (i + 0.5) / options.runs
            when, problems = kill_run(program, arguments, delay, scratch)
            failures += bool(problems)
            print(f"killed at {delay:6.2f} s ({when}): {'; '.join(problems) or 'nothing left'}", flush=True)
        # The filters may name workloads, which check does not know.
        fuse = ["run", "--profile", "smoke", "--driver", "fuse_overlayfs"] + sum((["--filter", f] for f in options.filter), [])
        hits = 0
        for i in range(options.fuse_runs):
            delay = 0.2 + 0.35 * i
            killed, problems = kill_daemon(program, fuse, delay, scratch)
            hits += killed
            failures += bool(problems)
            print(f"FUSE daemon at {delay:5.2f} s ({killed} killed): {'; '.join(problems) or 'nothing left'}", flush=True)
        if options.fuse_runs and not hits:
            print("kill_nine: no FUSE daemon was ever met", file=sys.stderr)
            return 2
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"{len(moments) + options.fuse_runs - failures} passed, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

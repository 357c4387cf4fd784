#!/usr/bin/python3
"""Gives layermark what it cannot work with, and looks at how it says so.

Every bad input must end with exit status 2 and one line on standard error that names the thing and the reason, before
anything ran. Then the program as a user without root, a run that is interrupted, and disks that are full.
Exit status: 0 all held, 1 something did not, 2 it could not be tried.
"""
import argparse
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time

NOBODY = 65534
# What a reader must not see: an exception's text, a stack trace, a sanitizer's report.
INNARDS = ["exception", "what():", "parse_error", "type_error", "terminate called", "runtime error", "Assertion", "    #0"]


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer(*entries):
    """A tar of (name, type, text or link target)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, kind, value in entries:
            info = tarfile.TarInfo(name)
            info.type = kind
            if kind == tarfile.REGTYPE:
                info.size = len(value)
                tar.addfile(info, io.BytesIO(value.encode()))
            else:
                info.linkname = value
                tar.addfile(info)
    return out.getvalue()


def claim(size):
    """A header that claims `size` bytes, and nothing behind it."""
    info = tarfile.TarInfo("huge")
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def layout(directory, blob, reference="latest", stored=None, index=None):
    """An OCI layout of one layer. `stored`: what lies in the layer's place instead; `index`: index.json's text."""
    blobs = os.path.join(directory, "blobs", "sha256")
    os.makedirs(blobs)

    def put(data, instead=None):
        with open(os.path.join(blobs, digest(data)[7:]), "wb") as f:
            f.write(data if instead is None else instead)
        return {"digest": digest(data), "size": len(data)}

    config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [digest(blob)]}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **put(json.dumps(config).encode())},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **put(blob, stored)}],
    }
    entry = {"mediaType": "application/vnd.oci.image.manifest.v1+json", **put(json.dumps(manifest).encode()),
             "annotations": {"org.opencontainers.image.ref.name": reference}}
    with open(os.path.join(directory, "oci-layout"), "w", encoding="utf-8") as f:
        json.dump({"imageLayoutVersion": "1.0.0"}, f)
    with open(os.path.join(directory, "index.json"), "w", encoding="utf-8") as f:
        f.write(json.dumps({"schemaVersion": 2, "manifests": [entry]}) if index is None else index)


def make_inputs(d):
    """Everything bad, by name, below directory `d`; and one good image, to see that the maker itself is right."""
    def text(name, content):
        with open(os.path.join(d, name), "w", encoding="utf-8") as f:
            f.write(content)

    good = layer(("dir", tarfile.DIRTYPE, ""), ("dir/file", tarfile.REGTYPE, "text" * 500))
    layout(f"{d}/good", good)
    layout(f"{d}/truncated", good, stored=good[:700])
    layout(f"{d}/wrong_digest", good, stored=good.replace(b"texttext", b"taxttaxt"))
    layout(f"{d}/bad_index", good, index='{"schemaVersion": 2, "manifests": [')
    layout(f"{d}/odd_index", good, index='{"schemaVersion": 2, "manifests": {"digest": 7}}')
    layout(f"{d}/escape", layer(("../escaped", tarfile.REGTYPE, "out")))
    layout(f"{d}/link_escape", layer(("link", tarfile.LNKTYPE, "../../etc/passwd")))
    layout(f"{d}/claim", claim(10 << 30))  # beyond what a layer may hold
    layout(f"{d}/short", claim(4 << 30))
    text("plain_file", "not a tar\n")
    text("bad.toml", "nonsense = [\n")
    text("bad.json", '{"schema_version": 1,')
    text("odd.json", '{"schema_version": "one", "conformance": 7}')


def bad_inputs(d, known_key):
    """(what, arguments, words that the line must hold)"""
    check = ["check", "--filter", "whiteout.unlink_hides_lower_file", "--driver", "plain"]
    rows = [
        ("unknown driver", ["check", "--driver", "nosuch"], ["nosuch", "driver"]),
        ("unknown driver option", ["check", "--driver", "overlay2:nosuch=1"], ["overlay2", "nosuch"]),
        ("bad option value", ["check", "--driver", "overlay2:metacopy=maybe"], ["metacopy", "maybe"]),
        ("unknown subcommand", ["nosuch"], ["nosuch", "subcommand"]),
        ("unknown subcommand of image", ["image", "nosuch"], ["nosuch", "subcommand"]),
        ("no subcommand", [], ["subcommand"]),
        ("unknown flag", ["check", "--nosuch"], ["--nosuch"]),
        ("bad profile", ["run", "--profile", "huge"], ["--profile", "huge"]),
        ("filter that matches nothing", ["check", "--filter", "no.such*"], ["--filter", "no.such*"]),
        ("shard beyond its count", ["check", "--shard", "5/2"], ["--shard", "5/2"]),
        ("shard that is no pair", ["check", "--shard", "x"], ["--shard", "x"]),
        ("shard zero", ["check", "--shard", "0/2"], ["--shard", "0/2"]),
        ("bad budget", ["bench", "--budget", "abc"], ["--budget", "abc"]),
        ("negative budget", ["bench", "--budget=-5s"], ["--budget", "-5s"]),
        ("unknown backing", ["check", "--backing", "zfs"], ["backing", "zfs"]),
        ("backing directory that is not there", check + ["--backing", f"dir={d}/absent"], [f"{d}/absent", "ENOENT"]),
        ("expected file that is not there", check + ["--expected", f"{d}/absent.toml"], ["absent.toml", "ENOENT"]),
        ("malformed expected file", check + ["--expected", f"{d}/bad.toml"], ["bad.toml:1"]),
        ("unknown key in an expected file", check + ["--expected", known_key], [os.path.basename(known_key), "frobnicate"]),
        ("out below a file", check + ["--out", f"{d}/plain_file/out"], ["--out", "plain_file/out"]),
        ("report of a missing record", ["report", f"{d}/absent"], [f"{d}/absent", "ENOENT"]),
        ("report of a malformed record", ["report", f"{d}/bad.json"], ["bad.json", "JSON"]),
        ("report of a record of another shape", ["report", f"{d}/odd.json"], ["odd.json", "conformance"]),
    ]
    images = [
        ("missing layout", f"oci:{d}/absent", ["absent", "exist"]),
        ("missing archive", f"docker-archive:{d}/absent.tar", ["absent.tar", "exist"]),
        ("archive that is none", f"docker-archive:{d}/plain_file", ["plain_file"]),
        ("unknown kind of image", f"rpm:{d}/good", ["rpm"]),
        ("unknown reference", f"oci:{d}/good:nosuch", ["nosuch"]),
        ("truncated layer", f"oci:{d}/truncated", ["oci:", "sha256:", "truncated: 700 bytes"]),
        ("layer of another digest", f"oci:{d}/wrong_digest", ["oci:", "sha256:", "wrong digest"]),
        ("malformed index", f"oci:{d}/bad_index", ["bad_index", "index.json: malformed"]),
        ("index of another shape", f"oci:{d}/odd_index", ["odd_index", "index.json", "manifests"]),
        ("entry that escapes", f"oci:{d}/escape", ["oci:", "../escaped escapes"]),
        ("hard link that escapes", f"oci:{d}/link_escape", ["oci:", "link: ../../etc/passwd escapes"]),
        ("10 GiB claimed, none there", f"oci:{d}/claim", ["oci:", "huge: claims 10737418240"]),
        ("4 GiB claimed, none there", f"oci:{d}/short", ["oci:", "huge"]),
    ]
    for what, reference, words in images:
        rows.append((f"{what}, inspect", ["image", "inspect", reference], words))
        rows.append((f"{what}, check", check + ["--image", reference], words))
    return rows


class Tester:
    def __init__(self, program):
        self.program, self.passed, self.failed = program, 0, 0

    def say(self, what, problems):
        self.failed += bool(problems)
        self.passed += not problems
        print(f"{what}: {'; '.join(problems) or 'as it should be'}", flush=True)

    def run(self, arguments, **more):
        return subprocess.run([self.program, *arguments], capture_output=True, text=True, errors="replace", timeout=120, **more)

    def bad(self, what, arguments, words, out, **more):
        """One bad input. Nothing ran: no record, and nothing on standard output."""
        if arguments and arguments[0] in ("check", "bench", "run") and "--out" not in arguments:
            arguments = arguments + ["--out", out]
        done = self.run(arguments, **more)
        problems = []
        if done.returncode != 2:
            problems.append(f"exit status {done.returncode}")
        lines = done.stderr.splitlines()
        if len(lines) != 1:
            problems.append(f"{len(lines)} lines on standard error")
        problems += [f"does not name {word}" for word in words if word not in done.stderr]
        problems += [f"shows {word}" for word in INNARDS if word in done.stderr]
        if done.stdout:
            problems.append("printed a result")
        if os.path.exists(out):
            problems.append("made its output directory")
            shutil.rmtree(out)
        self.say(what, problems and problems + [f"said {done.stderr[:400]!r}"])


def without_root(tester, d):
    """As the user nobody, with a copy of the program: nobody may not enter every build directory."""
    program = shutil.copy(tester.program, os.path.join(d, "layermark"))
    user = Tester(program)
    as_nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": [], "cwd": d}
    user.bad("loop devices without root", ["check", "--driver", "plain", "--backing", "ext4"], ["root", "loop", "ext4"],
             os.path.join(d, "nobody"), **as_nobody)
    for arguments in (["cases"], ["workloads"], ["drivers", "--list"], ["image", "inspect", f"oci:{d}/good"]):
        done = user.run(arguments, **as_nobody)
        problems = [] if done.returncode == 0 and done.stdout else [f"exit status {done.returncode}, {done.stderr[:300]!r}"]
        user.say(f"{' '.join(arguments[:2])} without root", problems)
    tester.passed += user.passed
    tester.failed += user.failed


def mounts():
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as f:
        return {" ".join(line.split()[3:6]) for line in f}


def interrupted(tester, d):
    """Ctrl-C reaches the whole process group, as from a terminal."""
    out, before, problems = os.path.join(d, "interrupted"), mounts(), []
    run = subprocess.Popen([tester.program, "run", "--profile", "smoke", "--out", out], stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE, text=True, start_new_session=True)
    time.sleep(3)
    os.killpg(run.pid, signal.SIGINT)
    try:
        _, errors = run.communicate(timeout=180)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        tester.say("interrupt", ["the run went on for three minutes"])
        return
    if run.returncode != 130:
        problems.append(f"exit status {run.returncode}: {errors[-300:]!r}")
    try:
        with open(os.path.join(out, "results.json"), encoding="utf-8") as f:
            if json.load(f)["complete"] is not False:
                problems.append("the record says that it is complete")
    except (OSError, ValueError, KeyError) as e:
        problems.append(f"no record: {e!r}")
    problems += [f"left mounted: {m}" for m in mounts() - before if "layermark" in m or d in m]
    tester.say("interrupt", problems)


def full_disk(tester, d):
    """On a backing of a few MiB what does not fit fails with ENOSPC and the call named, and the rest is run."""
    small, program = os.path.join(d, "small"), tester.program
    os.mkdir(small)
    script = 'mount -t tmpfs -o size=4m small "$1" && shift && exec "$@"'

    def run(*arguments, out):
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", small, program, *arguments]
        done = subprocess.run([*command, "--out", out], capture_output=True, text=True, errors="replace", timeout=300)
        try:
            with open(os.path.join(out, "results.json"), encoding="utf-8") as f:
                return done, json.load(f)
        except (OSError, ValueError):
            return done, None

    backing = ["--driver", "vfs", "--driver", "overlay2", "--backing", f"dir={small}"]
    for what, arguments, rows, good in (
            ("bench", ["bench", "--profile", "smoke", "--filter", "sharing*", "--filter", "copy_*"], "workloads", "right"),
            ("check", ["check", "--filter", "stacking.*", "--filter", "oci.*"], "conformance", "pass")):
        done, record = run(*arguments, *backing, out=os.path.join(d, f"full-{what}"))
        if record is None:
            tester.say(f"{what} on a full disk", [f"no record, exit status {done.returncode}: {done.stderr[-300:]!r}"])
            continue
        problems = [] if done.returncode == 1 else [f"exit status {done.returncode}"]
        if not record["complete"]:
            problems.append("the record says that it is not complete")
        bad = [row for row in record[rows] if row["verdict"] in ("fail", "error", "timeout", "wrong", "not_run")]
        if not bad:
            problems.append("everything fitted")
        if not any(row["verdict"] == good for row in record[rows]):
            problems.append("nothing else was run")
        problems += [f"{row['verdict']} without ENOSPC: {row['reason'][:200]!r}" for row in bad if "ENOSPC" not in row["reason"]]
        tester.say(f"{what} on a full disk", problems)

    # No room for the record itself.
    script = 'mount -t tmpfs -o size=16k small "$1" && shift && exec "$@"'
    done, _ = run("check", "--driver", "plain", "--filter", "lifecycle.*", out=os.path.join(small, "out"))
    problems = [] if done.returncode == 2 else [f"exit status {done.returncode}"]
    problems += [f"does not name {word}" for word in ("ENOSPC", small) if word not in done.stderr]
    tester.say("no room for the record", problems and problems + [f"said {done.stderr[-400:]!r}"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", nargs="?", default="build/release/cli/layermark")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("bad_input: needs root", file=sys.stderr)
        return 2
    tester = Tester(os.path.abspath(options.program))
    d = tempfile.mkdtemp(prefix="bad-input.")
    try:
        os.chmod(d, 0o755)
        make_inputs(d)
        known_key = os.path.join(d, "unknown_key.toml")
        with open(known_key, "w", encoding="utf-8") as f:
            f.write('[[expect]]\ncase = "whiteout.*"\ncause = "none"\nlink = "none"\nfrobnicate = "y"\n')
        done = tester.run(["image", "inspect", f"oci:{d}/good"])
        if done.returncode != 0:
            print(f"bad_input: the good image is refused: {done.stderr}", file=sys.stderr)
            return 2
        for what, arguments, words in bad_inputs(d, known_key):
            tester.bad(what, arguments, words, os.path.join(d, "out"), cwd=d)
        without_root(tester, d)
        interrupted(tester, d)
        full_disk(tester, d)
    finally:
        shutil.rmtree(d, ignore_errors=True)
    print(f"{tester.passed} passed, {tester.failed} failed")
    return 1 if tester.failed else 0


if __name__ == "__main__":
    sys.exit(main())

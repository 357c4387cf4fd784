"""A synthetic record for tests of figures and page. Nothing in it was measured: the numbers follow formulas chosen to
give every figure something to show (slow and fast drivers, gaps, known deviations), and the record says so itself."""

import argparse
import hashlib
import json
import os
import random

# driver: (backing, start ms, per-layer µs, fixed copy-up µs, µs per MiB copied, shares bytes)
DRIVERS = {
    "overlay2": ("ext4", 1.9, 3, 60, 900, True),
    "vfs": ("ext4", 310, 0, 8, 0, False),
    "native": ("ext4", 290, 0, 8, 0, False),
    "fuse_overlayfs": ("ext4", 9, 30, 210, 1500, True),
    "btrfs": ("btrfs", 2.4, 0, 12, 0, True),
    "plain": ("ext4", 280, 0, 8, 0, False),
}
AREAS = {"lifecycle": 14, "stacking": 11, "whiteout": 10, "opaque": 6, "copyup": 15, "hardlink": 7, "rename": 9,
         "metadata": 12, "xattr": 9, "special": 6, "readdir": 8, "oci": 10, "start": 6, "capability": 1}
UNITS = {"ratio_to_raw": "ratio", "pool_bytes": "bytes", "allocated_bytes": "bytes", "inodes": "count",
         "whiteouts": "count", "syscalls": "count", "fuse_requests": "count", "copied_bytes": "bytes",
         "cache_duplication": "ratio", "cache_per_container_bytes": "bytes"}
EXACT = ("inodes", "whiteouts", "syscalls", "fuse_requests", "copied_bytes")
PHASES = {"phase_prepare": 0.1, "phase_mount": 0.15, "phase_clone": 0.2, "phase_pivot": 0.1, "phase_exec": 0.25,
          "phase_unmount": 0.1, "phase_remove": 0.1}


class Builder:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.conformance = []
        self.workloads = []
        self.measurements = []
        self.samples = []

    def timing(self, place, workload, params, metric, median, n=60, side="driver"):
        values = sorted(median * self.random.lognormvariate(0, 0.08) for _ in range(n))
        rank = {60: 22, 20: 6}[n]
        row = dict(workload=workload, **place, params=params, metric=metric, unit="ns", n=n, value=None,
                   p50=(values[n // 2 - 1] + values[n // 2]) / 2, p90=None, p99=None, max=values[-1],
                   ci95=[values[rank - 1], values[n - rank]], exact=False, side=side)
        self.measurements.append(row)
        self.samples.append(dict(workload=workload, **place, params=params, metric=metric, unit="ns", side=side,
                                 values=[round(v) for v in values]))
        return row

    def pair(self, place, workload, params, median, raw, n=60):
        driver = self.timing(place, workload, params, "latency", median, n)
        twin = self.timing(place, workload, params, "latency", raw, n, side="raw")
        ratio = driver["p50"] / twin["p50"]
        self.value(place, workload, params, "ratio_to_raw", ratio, n=n, ci95=[ratio * 0.97, ratio * 1.03])

    def value(self, place, workload, params, metric, value, n=1, ci95=None, **more):
        self.measurements.append(dict(workload=workload, **place, params=params, metric=metric, unit=UNITS[metric], n=n,
                                      value=value, p50=None, p90=None, p99=None, max=None, ci95=ci95,
                                      exact=metric in EXACT, side="driver", **more))

    def workload(self, place, workload, params, verdict="right", reason=""):
        self.workloads.append(dict(workload=workload, family=workload.rsplit("_", 1)[0], **place, params=params,
                                   verdict=verdict, reason=reason, seconds=1.5))
        return verdict == "right"


def add_driver(builder, driver, place):
    backing, start_ms, layer_us, fixed_us, mib_us, shares = DRIVERS[driver]
    image = 64 * 1024**2
    for parallel in ("1", "8"):
        params = {"parallel": parallel}
        builder.workload(place, "container_start", params)
        total = start_ms * 1e6 * (1 if parallel == "1" else 3.1)
        builder.pair(place, "container_start", params, total, 1.5e6)
        for phase, share in PHASES.items():
            builder.timing(place, "container_start", params, phase,
                           total * share if driver != "vfs" or phase != "phase_prepare" else total * 0.9)
    for layers in (1, 8, 32, 128, 500):
        params = {"layers": str(layers)}
        if layers == 500 and driver == "fuse_overlayfs":
            builder.workload(place, "stack_mount", params, "not_run", "needs layers_500: fuse_overlayfs does not claim it")
        elif builder.workload(place, "stack_mount", params):
            builder.pair(place, "stack_mount", params, (200 + layer_us * layers) * 1e3, 60e3)
    for text, mib in (("0", 0), ("4KiB", 1 / 256), ("64KiB", 1 / 16), ("1MiB", 1), ("16MiB", 16), ("64MiB", 64)):
        builder.workload(place, "copy_up_open", {"size": text})
        builder.pair(place, "copy_up_open", {"size": text}, (fixed_us + mib_us * mib) * 1e3, 8e3)
        calls = {"openat": 1, "pwrite64": 1, "close": 1}
        builder.value(place, "copy_up_open", {"size": text}, "syscalls", 3, breakdown=calls)
        builder.value(place, "copy_up_open", {"size": text}, "copied_bytes", round(mib * 1024**2) if mib_us else 0)
        if driver == "fuse_overlayfs":
            builder.value(place, "copy_up_open", {"size": text}, "fuse_requests", None, n=0,
                          reason="perf_event_open: EACCES <denied & gone>")
    for name, text, mib in (("copy_up_append", "1MiB", 1), ("copy_up_truncate", "1MiB", 0), ("copy_up_sparse", "1GiB", 2)):
        if driver == "fuse_overlayfs" and name == "copy_up_truncate":
            builder.workload(place, name, {"size": text}, "wrong", "st_blocks: 0 where the oracle has 131072")
        elif builder.workload(place, name, {"size": text}):
            builder.pair(place, name, {"size": text}, (fixed_us + mib_us * mib) * 1e3, 9e3, n=20)
    builder.workload(place, "copy_up_chmod", {"size": "1MiB", "sparse": "yes"})
    builder.pair(place, "copy_up_chmod", {"size": "1MiB", "sparse": "yes"}, (fixed_us + mib_us) * 1e3, 9e3)
    builder.pair(place, "copy_up_chmod", {"size": "64KiB"}, (fixed_us + mib_us / 16) * 1e3, 9e3)
    for name, base in (("whiteout_unlink", 30e3), ("whiteout_recreate", 900e3), ("whiteout_list", 400e3)):
        params = {"files": "1000"}
        builder.workload(place, name, params)
        builder.pair(place, name, params, base * (2.2 if shares else 1), base)
    for name, base in (("stack_unpack", 900e6), ("stack_commit", 3e6)):
        builder.workload(place, name, {"layers": "8"})
        builder.pair(place, name, {"layers": "8"}, base * (1.2 if shares else 3.5), base, n=20)
    for count in (1, 2, 8):
        params = {"containers": str(count), "size": "32MiB", "access": "read"}
        builder.workload(place, "page_cache", params)
        builder.value(place, "page_cache", params, "cache_duplication", 1 if driver == "overlay2" else count)
        builder.value(place, "page_cache", params, "cache_per_container_bytes",
                      0 if driver == "overlay2" and count > 1 else 32 * 1024**2)
    for workload, parameter, counts in (("sharing_containers", "containers", (1, 10, 50)),
                                        ("sharing_images", "images", (5,))):
        for count in counts:
            params = {parameter: str(count)}
            builder.workload(place, workload, params)
            builder.value(place, workload, params, "pool_bytes", count * (20480 if shares else image * 1.1))
            builder.value(place, workload, params, "allocated_bytes", count * (16384 if shares else image))
            builder.value(place, workload, params, "inodes", count * (5 if shares else 11000))
            builder.value(place, workload, params, "whiteouts", 12 if shares and driver != "btrfs" else 0)


def add_cases(builder, driver, place):
    for area, count in AREAS.items():
        for number in range(count):
            name = f"{area}.property_{number + 1}"
            verdict, reason = "pass", ""
            if driver == "fuse_overlayfs" and area == "hardlink" and number < 2:
                verdict, reason = "xfail", "fuse-overlayfs breaks the link on copy-up (synthetic example)"
            elif driver == "fuse_overlayfs" and area == "xattr" and number == 0:
                verdict, reason = "fail", "user.note: absent where the oracle has <value & more>"
            elif driver == "overlay2" and area == "rename" and number < 3:
                verdict, reason = "skip", "missing capability rename_dir: renameat2: EXDEV"
            elif driver == "btrfs" and area == "special" and number == 0:
                verdict, reason = "timeout", "60 s passed"
            builder.conformance.append(dict(
                case=name, **place, verdict=verdict, reason=reason, seconds=0.02, source="synthetic",
                reproduce=f"layermark check --driver {driver} --filter {name}"))


def anchors():
    """One published result that is reproduced, and one that could not be measured."""
    def anchor(name, **more):
        row = dict(id=name, claim=f"claim of {name} <b>", workload="lookup", metric="latency",
                   a=dict(instance="overlay2", params={"depth": "64"}), b=dict(instance="overlay2", params={"depth": "1"}),
                   published=6.8, band=[3.4, 13.6], factor=None, ci95=None, verdict="not_runnable",
                   reason="overlay2 is not in this run", source="synthetic", doubt="all of it is synthetic")
        return {**row, **more}

    return [anchor("measured", factor=5.25, ci95=[4.5, 6.0], verdict="reproduced", reason="", published=None),
            anchor("unmeasured")]


def build(seed=1, drivers=None):
    """(record, [series]) with the samples' digest not yet filled in."""
    builder = Builder(seed)
    rows = []
    for driver in drivers or DRIVERS:
        place = dict(driver=driver, instance=driver, backing=DRIVERS[driver][0], device="ram")
        rows.append(dict(**place, options={}, available=True, reason="", version="synthetic", capabilities=["priv_mount"],
                         summary=f"synthetic stand-in for {driver}",
                         inode_formula="one directory per snapshot (synthetic example)"))
        add_cases(builder, driver, place)
        add_driver(builder, driver, place)
    rows.append(dict(driver="aufs", instance="aufs", backing="ext4", device="ram", options={}, available=False,
                     reason="mount aufs: ENODEV (No such device)", version="", capabilities=[], summary="",
                     inode_formula=""))
    record = dict(
        schema_version=1, complete=True,
        run=dict(id="synthetic-fixture", started="2025-01-01T00:00:00Z", tool_version="synthetic",
                 command="layermark run --image synthetic", seed=seed, profile="quick", seconds=1.5),
        environment=dict(kernel="0.0.0-synthetic", cpu="no machine: synthetic fixture", memory_bytes=17179869184, cpus=2,
                         load_before=3.4, hypervisor="kvm"),
        image=dict(name="synthetic", digest="sha256:" + "0" * 64), drivers=rows, conformance=builder.conformance,
        workloads=builder.workloads, measurements=builder.measurements, gate=[], anchors=anchors(), findings=[],
        samples=dict(file="", sha256=""), warnings=["SYNTHETIC TEST FIXTURE: no number here was measured"])
    return record, builder.samples


def write(directory, **arguments):
    """Writes DIRECTORY/results.json and samples.jsonl; returns the record."""
    record, samples = build(**arguments)
    os.makedirs(directory, exist_ok=True)
    text = "".join(json.dumps(line) + "\n" for line in samples).encode()
    with open(os.path.join(directory, "samples.jsonl"), "wb") as file:
        file.write(text)
    record["samples"] = dict(file="samples.jsonl", sha256=hashlib.sha256(text).hexdigest())
    with open(os.path.join(directory, "results.json"), "w", encoding="utf-8") as file:
        json.dump(record, file, indent=2)
    return record


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory")
    write(parser.parse_args().directory)

#!/usr/bin/python3
"""Real containerd and podman make storage roots, `layermark inspect` counts them, and so do du, the kernel and this script.

Everything happens in mount and process namespaces of its own, on file systems on loop devices, so that no daemon,
mount or file is left. What inspect says is held against:
- du: the blocks and inodes of the root, of each layer and of what is no layer;
- FIEMAP, read here, and `btrfs filesystem du`: what is left when shared extents count once;
- counting again without a layer or an image: what goes when it goes;
- the kernel: an overlay of an image's layers shows what its upper layers hide.
Exit status: 0 all held, 1 something did not, 2 it could not be tried.
"""
import argparse
import fcntl
import hashlib
import io
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import tempfile
import time

from inspect_count import Count, du, du_counts, is_whiteout, less, run, waste

INSIDE = "LAYERMARK_INSPECT_ROOTS_INSIDE"
NAMESPACE = "inspect"
R, D, L, S, F = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.FIFOTYPE
failures = []


def expect(what, seen, wanted):
    if seen != wanted:
        failures.append(f"{what}: inspect says {seen}, counted {wanted}")
        print("WRONG", failures[-1], flush=True)


# Images: what a layer can do to the one below, with contents that repeat across layers and images.

def bytes_of(seed, size):
    return hashlib.shake_128(seed.encode()).digest(size)


def layer(*entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, kind, value in entries:
            info = tarfile.TarInfo(name)
            info.type, info.mtime = kind, 1_000_000_000
            if kind == D:
                info.mode = 0o755
            elif kind == R:
                info.size = len(value)
            elif kind != F:
                info.linkname = value
            tar.addfile(info, io.BytesIO(value) if kind == R else None)
    return out.getvalue()


BASE = layer(
    ("bin", D, 0), ("bin/a", R, bytes_of("a", 100_000)), ("bin/a2", L, "bin/a"), ("bin/b", R, bytes_of("b", 30_000)),
    ("etc", D, 0), ("etc/conf", R, b"x=1\n"), ("etc/empty", R, b""), ("etc/link", S, "conf"), ("etc/fifo", F, 0),
    ("lib", D, 0), ("lib/big", R, bytes_of("big", 700_000)), ("lib/deep", D, 0), ("lib/deep/f", R, bytes_of("f", 20_000)),
    ("opt", D, 0), ("opt/o1", R, bytes_of("o1", 50_000)), ("opt/d", D, 0), ("opt/d/x", R, bytes_of("x", 9_000)),
    ("was_file", R, bytes_of("wf", 11_000)), ("was_dir", D, 0), ("was_dir/y", R, bytes_of("y", 13_000)))
SECOND = layer(
    ("etc/conf", R, b"x=2\n"), ("lib/.wh.big", R, b""), ("lib/.wh.deep", R, b""), ("opt/.wh..wh..opq", R, b""),
    ("opt/o3", R, bytes_of("a", 100_000)), ("was_file", D, 0), ("was_file/z", R, bytes_of("z", 5_000)),
    ("was_dir", R, bytes_of("wd", 6_000)), ("bin/.wh.a2", R, b""))
THIRD = layer(
    ("new", D, 0), ("new/n", R, bytes_of("n", 300_000)), ("new/n2", R, bytes_of("big", 700_000)),
    ("lib/deep", D, 0), ("lib/deep/g", R, bytes_of("f", 20_000)), ("opt/d", D, 0), ("opt/d/w", R, bytes_of("w", 9_000)))
OTHER = layer(("other", D, 0), ("other/x", R, bytes_of("n", 300_000)), ("bin/.wh.b", R, b""))
IMAGES = {"example.org/first:1": [BASE, SECOND, THIRD], "example.org/second:1": [BASE, OTHER],
          "example.org/base:1": [BASE]}


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def chain_ids(layers):
    ids = []
    for data in layers:
        ids.append(digest(data) if not ids else digest(f"{ids[-1]} {digest(data)}".encode()))
    return ids


def write_archive(path, name, layers):
    """An OCI layout in a tar, as `ctr image import` and `podman load` take it."""
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}

    def put(media_type, data):
        files["blobs/sha256/" + digest(data)[7:]] = data
        return {"mediaType": media_type, "digest": digest(data), "size": len(data)}

    oci = "application/vnd.oci.image."
    config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/a"]},
              "rootfs": {"type": "layers", "diff_ids": [digest(data) for data in layers]}}
    manifest = {"schemaVersion": 2, "mediaType": oci + "manifest.v1+json",
                "config": put(oci + "config.v1+json", json.dumps(config).encode()),
                "layers": [put(oci + "layer.v1.tar", data) for data in layers]}
    entry = put(oci + "manifest.v1+json", json.dumps(manifest).encode())
    entry["annotations"] = {"org.opencontainers.image.ref.name": name}
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
    with tarfile.open(path, "w") as tar:
        for file_name, data in files.items():
            info = tarfile.TarInfo(file_name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


# What inspect says, held against it.

def inspect(program, root):
    done = subprocess.run([program, "inspect", root, "--format", "json", "--files", "1000"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"inspect {root}: {done.returncode} {done.stderr}")
    return json.loads(done.stdout)


def check(program, what, root, layers, images, shares, still=True):
    """`layers`: key -> (directory, parent's key, whole tree); `images`: (name, driver, top's key). `still`: no
    daemon works there, so that nothing changes from one look to the next."""
    os.sync()
    found = inspect(program, root)
    count = Count(root, shares)
    everything = set(count.inodes)
    all_used = count.amount(everything)
    total = found["total"]
    if still:
        expect(f"{what}: total bytes, du", total["du_bytes"], du(root, "-B1"))
        expect(f"{what}: total inodes, du", total["used"]["inodes"], du(root, "--inodes"))
        expect(f"{what}: total used", total["used"], all_used)
    directories = [directory for directory, _, _ in layers.values()]
    bytes_of_layers, inodes_of_layers = du_counts(directories)
    expect(f"{what}: bytes of layers, du", found["layers_total"]["du_bytes"], bytes_of_layers)
    expect(f"{what}: inodes of layers, du", found["layers_total"]["used"]["inodes"], inodes_of_layers)
    expect(f"{what}: parts and layers are all", total["du_bytes"],
           found["layers_total"]["du_bytes"] + sum(part["du_bytes"] for part in found["parts"]))
    said = {os.path.join(root, one["directory"]): one for one in found["layers"]}
    expect(f"{what}: layers", sorted(said), sorted(directories))
    keys_of = {key: count.keys_below(directory) for key, (directory, _, _) in layers.items()}

    def chain(top):
        keys = []
        while top:
            keys.append(top)
            top = layers[top][1]
        return keys[::-1]

    tops = {key for _, _, key in images}
    parents = {parent for _, parent, _ in layers.values()}
    containers = [key for key in layers if key not in tops and key not in parents]
    users = {key: sum(key in chain(top) for top in set(tops)) + sum(key in chain(c) for c in containers) for key in layers}
    for key, (directory, parent, _) in layers.items():
        one = said.get(directory)
        if one is None:
            continue
        name = f"{what}: layer {one['directory']}"
        figures = one["figures"]
        expect(name + " parent", one["parent"] and os.path.join(root, one["parent"]), layers[parent][0] if parent else None)
        expect(name + " bytes, du", figures["du_bytes"], du(directory, "-B1"))
        expect(name + " used", figures["used"], count.amount(keys_of[key]))
        others = everything - keys_of[key] | set().union(
            *(keys_of[other] & keys_of[key] for other in layers if other != key))
        expect(name + " alone", figures["alone"], less(all_used, count.amount(others)))
    if still:
        check_waste_of_all(what, found, count, root, layers, tops | set(containers))
    of_image = {(image["name"].split(": ")[-1], image["driver"]): image for image in found["images"]}
    expect(f"{what}: images", sorted(of_image), sorted((name, driver) for name, driver, _ in images))
    for name, driver, top in images:
        image = of_image.get((name, driver))
        if image is None:
            continue
        figures, name = image["figures"], f"{what}: image {name} ({driver})"
        keys = chain(top)
        scope = set().union(*(keys_of[key] for key in keys))
        own = set().union(*(keys_of[key] for key in keys if users[key] == 1 and containers_of(layers, key, containers) == 0))
        used = count.amount(scope)
        expect(name + " used", figures["used"], used)
        expect(name + " alone", figures["alone"], less(all_used, count.amount(everything - own)))
        shadowed, duplicate = waste(count, [(layers[key][0], i - 1 if i else None) for i, key in enumerate(keys)],
                                    [len(keys) - 1], layers[top][2])
        kept = count.amount(scope - shadowed)
        expect(name + " shadowed", figures["shadowed"], less(used, kept))
        expect(name + " duplicate", figures["duplicate"], less(kept, count.amount(scope - shadowed - duplicate)))
        whiteouts = {key for key in scope if is_whiteout(count.inodes[key].st)} if not layers[top][2] else set()
        expect(name + " whiteouts", figures["whiteouts"], count.amount(whiteouts))
    print(f"{what}: {len(layers)} layers, {len(images)} images; du {total['du_bytes']}, used {total['used']}, "
          f"wasted {found['layers_total']['wasted']}", flush=True)
    return found


def check_waste_of_all(what, found, count, root, layers, heads):
    """What is wasted for all images and containers of the root. Of equal files the one in the layer that inspect names
    first is the original; drivers are looked at one by one."""
    everything = set(count.inodes)
    shadowed, duplicate = set(), set()
    key_of = {directory: key for key, (directory, _, _) in layers.items()}
    for driver in {one["driver"] for one in found["layers"]}:
        keys = [key_of[os.path.join(root, one["directory"])] for one in found["layers"] if one["driver"] == driver]
        numbered = [(layers[key][0], keys.index(layers[key][1]) if layers[key][1] else None) for key in keys]
        here = waste(count, numbered, [i for i, key in enumerate(keys) if key in heads], layers[keys[0]][2])
        shadowed |= here[0]
        duplicate |= here[1]
    kept = count.amount(everything - shadowed)
    total = found["layers_total"]
    expect(f"{what}: all shadowed", total["shadowed"], less(count.amount(everything), kept))
    expect(f"{what}: all duplicate", total["duplicate"], less(kept, count.amount(everything - shadowed - duplicate)))
    for one in found["layers"]:
        own = count.keys_below(os.path.join(root, one["directory"])) & shadowed
        expect(f"{what}: layer {one['directory']} shadowed", one["figures"]["shadowed"],
               less(count.amount(everything - shadowed | own), kept))


def containers_of(layers, key, containers):
    def below(top):
        while top:
            if top == key:
                return True
            top = layers[top][1]
        return False
    return sum(below(container) for container in containers)


# containerd.

def bolt(path):
    """The database as nested dictionaries; enough for a sound file of this machine's page size."""
    with open(path, "rb") as file:
        data = file.read()
    metas = [struct.unpack_from("<IIIIQQQQQQ", data, at + 16) for at in (0, os.sysconf("SC_PAGESIZE"))]
    page_size, root = max(metas, key=lambda meta: meta[8])[2], max(metas, key=lambda meta: meta[8])[4]

    def page(at, out):
        flags, elements = struct.unpack_from("<HH", data, at + 8)
        for element in range(at + 16, at + 16 + 16 * elements, 16):
            if flags & 1:
                page(struct.unpack_from("<Q", data, element + 8)[0] * page_size, out)
                continue
            kind, place, key_size, value_size = struct.unpack_from("<IIII", data, element)
            key = data[element + place:element + place + key_size].decode()
            value = element + place + key_size
            if kind & 1:
                below = struct.unpack_from("<Q", data, value)[0]
                page(below * page_size if below else value + 16, out.setdefault(key, {}))
            else:
                out[key] = data[value:value + value_size]
    tree_of = {}
    page(root * page_size, tree_of)
    return tree_of


def containerd(program, work, mounted, snapshotters, archives, shares):
    what = f"containerd on {os.path.basename(mounted)}"
    root, socket = mounted + "/containerd", work + "/containerd.sock"
    with open(work + "/config.toml", "w", encoding="utf-8") as file:
        file.write(f'version = 2\nroot = "{root}"\nstate = "{work}/state"\n'
                   f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "{socket}"\n')
    log = open(work + "/containerd.log", "ab")
    daemon = subprocess.Popen(["containerd", "-c", work + "/config.toml"], stdout=log, stderr=log)
    ctr = ["ctr", "--address", socket, "--namespace", NAMESPACE]
    try:
        deadline = time.monotonic() + 60
        while subprocess.run([*ctr, "version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode:
            if time.monotonic() > deadline or daemon.poll() is not None:
                raise RuntimeError("containerd does not answer; its log: " + open(work + "/containerd.log").read()[-2000:])
            time.sleep(0.1)
        layers, images = {}, []
        for snapshotter in snapshotters:
            for name, archive in archives.items():
                run(*ctr, "images", "import", "--snapshotter", snapshotter, archive)
            top = chain_ids(IMAGES["example.org/first:1"])[-1]
            run(*ctr, "snapshots", "--snapshotter", snapshotter, "prepare", "box", top)
        for snapshotter in snapshotters:
            base = f"{root}/io.containerd.snapshotter.v1.{snapshotter}"
            for key, record in bolt(base + "/metadata.db")["v1"]["snapshots"].items():
                number = record["id"][0]
                place = {"overlayfs": f"snapshots/{number}/fs", "native": f"snapshots/{number}",
                         "btrfs": ("active/" if record["kind"] == b"\x02" else "snapshots/") + str(number)}[snapshotter]
                parent = record.get("parent", b"").decode()
                layers[snapshotter, key] = (f"{base}/{place}", parent and (snapshotter, parent), snapshotter != "overlayfs")
            for name, tars in IMAGES.items():
                top = next(key for key in layers if key[0] == snapshotter and key[1].endswith("/" + chain_ids(tars)[-1]))
                images.append((name, snapshotter, top))
        # Something in the box: a copy-up that hides a lower file for its container alone.
        for snapshotter in snapshotters:
            directory = next(d for (s, key), (d, _, _) in layers.items() if s == snapshotter and key.endswith("/box"))
            os.makedirs(directory + "/new", exist_ok=True)
            with open(directory + "/new/n", "wb") as file:
                file.write(bytes_of("changed", 300_000))
        running = check(program, what + ", running", root, layers, images, shares, still=False)
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait()
    stopped = check(program, what, root, layers, images, shares)
    expect(what + ": layers after it was stopped", stopped["layers"], running["layers"])
    return root


# podman.

def podman(program, work, mounted, driver, archives, shares):
    what = f"podman {driver} on {os.path.basename(mounted)}"
    root = f"{mounted}/podman-{driver}"
    command = ["podman", "--root", root, "--runroot", f"{work}/run-{driver}", "--tmpdir", f"{work}/tmp-{driver}",
               "--storage-driver", driver, "--cgroup-manager", "cgroupfs", "--events-backend", "none",
               "--network-config-dir", f"{work}/net-{driver}"]
    for archive in archives.values():
        run(*command, "load", "--input", archive)
    run(*command, "create", "--name", "box", "--network", "none", "example.org/first:1")
    with open(f"{root}/{driver}-layers/layers.json", encoding="utf-8") as file:
        records = {record["id"]: record for record in json.load(file)}
    volatile = f"{root}/{driver}-layers/volatile-layers.json"
    if os.path.exists(volatile):
        with open(volatile, encoding="utf-8") as file:
            records.update({record["id"]: record for record in json.load(file)})
    place = {"overlay": "overlay/{}/diff", "vfs": "vfs/dir/{}", "btrfs": "btrfs/subvolumes/{}"}[driver]
    layers = {key: (f"{root}/{place.format(key)}", record.get("parent", ""), driver != "overlay")
              for key, record in records.items()}

    def digests(key):
        return digests(records[key]["parent"]) + [records[key]["diff-digest"]] if records[key].get("parent") \
            else [records[key]["diff-digest"]]

    images = []
    for name, tars in IMAGES.items():
        wanted = [digest(data) for data in tars]
        images.append((name, driver, next(key for key in records
                                          if "diff-digest" in records[key] and digests(key) == wanted)))
    found = check(program, what, root, layers, images, shares)
    if driver == "overlay":
        # A container's merged tree shows every file again, under another device number.
        run(*command, "mount", "box")
        try:
            mounted_now = inspect(program, root)
            expect(what + ": layers while a container is mounted", mounted_now["layers"], found["layers"])
            expect(what + ": images while a container is mounted", mounted_now["images"], found["images"])
        finally:
            run(*command, "umount", "box")
    return root


def btrfs_total(program, root):
    """btrfs-progs' own count of the same root: what belongs to one file alone, and what is shared, each once."""
    os.sync()
    _, exclusive, shared, _ = run("btrfs", "filesystem", "du", "-s", "--raw", root).splitlines()[-1].split()
    expect(f"btrfs filesystem du {os.path.basename(root)}", inspect(program, root)["total"]["used"]["bytes"],
           int(exclusive) + int(shared))


def tricks(program, root, ficlone):
    """Hard links and reflinks across the layers of a root that is there: nothing may be counted twice."""
    layers = [os.path.join(root, one["directory"]) for one in inspect(program, root)["layers"]]
    before = inspect(program, root)["total"]
    source = os.path.join(layers[0], "trick")
    with open(source, "wb") as file:
        file.write(bytes_of("trick", 1_000_000))
    os.sync()
    alone = inspect(program, root)["total"]
    for i, directory in enumerate(layers[1:]):
        os.link(source, os.path.join(directory, "trick"))
        if ficlone:
            with open(source, "rb") as old, open(os.path.join(directory, "reflink"), "wb") as new:
                fcntl.ioctl(new.fileno(), 0x40049409, old.fileno())
    os.sync()
    after = inspect(program, root)["total"]
    copies = len(layers) - 1 if ficlone else 0
    what = f"tricks in {root.rsplit('/', 2)[1]}"
    expect(what + ": inodes", after["used"]["inodes"], before["used"]["inodes"] + 1 + copies)
    expect(what + ": bytes stay", after["used"]["bytes"] - alone["used"]["bytes"], 0)
    blocks = os.lstat(source).st_blocks * 512
    expect(what + ": du counts each reflink", after["du_bytes"] - alone["du_bytes"], copies * blocks)


def make(kind, work):
    image, mounted = f"{work}/{kind}.image", f"{work}/{kind}"
    with open(image, "wb") as file:
        file.truncate(600 << 20)
    run(f"mkfs.{kind}", "-q", image)
    os.mkdir(mounted)
    run("mount", "-o", "loop", image, mounted)
    os.unlink(image)  # goes with the mount, however this ends
    return mounted


def inside(program):
    work = tempfile.mkdtemp(prefix="inspect_roots.")
    tempfile.tempdir = work
    # Both programs keep things in places that no option moves: locks, caches, sockets. They get them here alone.
    for path in ("/run", "/var/lib", "/var/tmp", "/dev/shm", "/opt"):
        if os.path.isdir(path):
            run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", path)
    os.environ["HOME"] = os.environ["TMPDIR"] = work
    try:
        archives = {}
        for i, (name, tars) in enumerate(IMAGES.items()):
            archives[name] = f"{work}/{i}.tar"
            write_archive(archives[name], name, tars)
        ext4, xfs, btrfs = make("ext4", work), make("xfs", work), make("btrfs", work)
        tricks(program, containerd(program, work, ext4, ["overlayfs", "native"], archives, None), False)
        tricks(program, containerd(program, work, xfs, ["native"], archives, "xfs"), True)
        root = containerd(program, work, btrfs, ["overlayfs", "native", "btrfs"], archives, "btrfs")
        btrfs_total(program, root)
        tricks(program, podman(program, work, ext4, "overlay", archives, None), False)
        podman(program, work, ext4, "vfs", archives, None)
        tricks(program, podman(program, work, xfs, "vfs", archives, "xfs"), True)
        btrfs_total(program, podman(program, work, btrfs, "btrfs", archives, "btrfs"))
        for path in (work, "/proc", "/nowhere"):
            done = subprocess.run([program, "inspect", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
            expect(f"inspect {path}: exit status", done.returncode, 2)
            expect(f"inspect {path}: one line that names it",
                   done.stderr.count("\n") == 1 and path in done.stderr, True)
    finally:
        for kind in ("ext4", "xfs", "btrfs"):
            subprocess.run(["umount", "-l", f"{work}/{kind}"], stderr=subprocess.DEVNULL, check=False)
        os.chdir("/")
        shutil.rmtree(work, ignore_errors=True)
    print("all held" if not failures else f"{len(failures)} did not hold")
    return 1 if failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="the layermark program")
    program = os.path.abspath(parser.parse_args().program)
    if os.geteuid() != 0:
        print("inspect_roots: needs root, to mount", file=sys.stderr)
        return 2
    missing = [tool for tool in ("containerd", "ctr", "podman", "mkfs.xfs", "mkfs.btrfs", "btrfs", "unshare") if not shutil.which(tool)]
    if missing:
        print("inspect_roots: not installed: " + " ".join(missing), file=sys.stderr)
        return 2
    if INSIDE not in os.environ:
        # The namespaces' first process is this script again: with it go the daemons, the mounts and the loop devices.
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private",
                              sys.executable, os.path.abspath(__file__), program])
    return inside(program)


if __name__ == "__main__":
    sys.exit(main())

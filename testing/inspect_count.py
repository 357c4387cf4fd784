"""What inspect_roots.py counts itself: inodes and extents of a root, and what of its layers is wasted.

Shares no code with inspect/, and is simple rather than fast: each figure is a count of everything less
a count without the part in question, and what an overlay shows is asked of the kernel's.
"""
import array
import fcntl
import hashlib
import os
import stat
import struct
import subprocess
import tempfile


def run(*command, **kwargs):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, **kwargs)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


FS_IOC_FIEMAP = 0xC020660B
FIEMAP_SYNC = 1
LAST, UNKNOWN, INLINE = 0x1, 0x2, 0x200


def extents(path):
    """(start, end) of each extent on the disk, and whether the data lie in the metadata; no file here is compressed."""
    count = 512
    request = struct.pack("=QQIIII", 0, 2**64 - 1, FIEMAP_SYNC, 0, count, 0)
    room = array.array("B", request + bytes(56 * count))
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.ioctl(fd, FS_IOC_FIEMAP, room)
    finally:
        os.close(fd)
    mapped = struct.unpack_from("=I", room, 20)[0]
    assert mapped < count
    ranges, is_inline = [], False
    for i in range(mapped):
        _, physical, length, _, _, flags = struct.unpack_from("=QQQQQI", room, 32 + 56 * i)
        if flags & INLINE:
            is_inline = True
        elif not flags & UNKNOWN:
            ranges.append((physical, physical + length))
    return ranges, is_inline


class Inode:
    def __init__(self, path, st, shares):
        self.path, self.st, self.ranges, self.rest = path, st, [], st.st_blocks * 512
        if stat.S_ISLNK(st.st_mode) and shares == "btrfs":
            self.rest = 0  # in the metadata, as small files are
        if stat.S_ISREG(st.st_mode) and st.st_blocks and shares:
            self.ranges, is_inline = extents(path)
            self.rest = 0 if is_inline else self.rest - sum(end - start for start, end in self.ranges)


class Count:
    """Every name below a root, each inode once. `shares`: the file system's name, if files can share extents on it."""

    def __init__(self, root, shares):
        self.root, self.inodes, self.names = root, {}, []  # names: (path, inode key)
        own = os.lstat(root)
        pending = [root]
        self.add(root, own, shares)
        while pending:
            directory = pending.pop()
            for name in os.listdir(directory):
                path = os.path.join(directory, name)
                st = os.lstat(path)
                if os.path.ismount(path) and not (stat.S_ISDIR(st.st_mode) and st.st_ino == 256):
                    continue
                self.add(path, st, shares)
                if stat.S_ISDIR(st.st_mode):
                    pending.append(path)

    def add(self, path, st, shares):
        key = (st.st_dev, st.st_ino)
        if key not in self.inodes:
            self.inodes[key] = Inode(path, st, shares)
        self.names.append((path, key))

    def keys_below(self, directory):
        return {key for path, key in self.names if path == directory or path.startswith(directory + "/")}

    def amount(self, keys):
        """Bytes with each extent once, and inodes."""
        rest, ranges = 0, []
        for key in keys:
            rest += self.inodes[key].rest
            ranges += self.inodes[key].ranges
        last = 0
        for start, end in sorted(ranges):
            rest += max(0, end - max(start, last))
            last = max(last, end)
        return {"bytes": rest, "inodes": len(keys)}


def less(a, b):
    return {word: a[word] - b[word] for word in a}


def du(path, *flags):
    return int(run("du", "-s", *flags, path).split()[0])


def du_counts(paths):
    """Of all the paths together, as du counts them: hard links across them once."""
    def last(*flags):
        return int(run("du", "-s", "-c", *flags, *paths).splitlines()[-1].split()[0])
    return last("-B1"), last("--inodes")


def is_whiteout(st):
    return stat.S_ISCHR(st.st_mode) and st.st_rdev == 0


def shown_by_the_kernel(directories, count):
    """The inodes, but for directories, that an overlay of these directories (lowest first) shows."""
    directory = tempfile.mkdtemp(prefix="merged.")
    lower = list(reversed(directories))
    if len(lower) == 1:
        lower.append(tempfile.mkdtemp(prefix="empty."))  # overlayfs wants two
    # From within, so that long names fit into the one page that mount(2) takes.
    base = os.path.commonpath(lower)
    options = "lowerdir=" + ":".join(os.path.relpath(path, base) for path in lower) + ",ro"
    run("mount", "-t", "overlay", "overlay", "-o", options, directory, cwd=base)
    try:
        shown = set()
        by_number = {key[1]: key for key in count.inodes}
        for path, _, files in os.walk(directory):
            for name in files:
                shown.add(by_number.get(os.lstat(os.path.join(path, name)).st_ino))
        return shown
    finally:
        run("umount", directory)


def content(count, key):
    inode = count.inodes[key]
    if not stat.S_ISREG(inode.st.st_mode) or inode.st.st_size == 0:
        return None
    with open(inode.path, "rb") as file:
        return hashlib.sha256(file.read()).digest()


def alike(count, a, b):
    one, other = count.inodes[a], count.inodes[b]
    if stat.S_IFMT(one.st.st_mode) != stat.S_IFMT(other.st.st_mode):
        return False
    if stat.S_ISLNK(one.st.st_mode):
        return os.readlink(one.path) == os.readlink(other.path)
    if stat.S_ISREG(one.st.st_mode):
        return content(count, a) == content(count, b) and one.st.st_size == other.st.st_size
    return True


def tree(count, directory):
    return {path[len(directory):]: key for path, key in count.names
            if path == directory or path.startswith(directory + "/")}


def waste(count, layers, heads, whole):
    """(shadowed, duplicate) inodes of these layers, (directory, index of the parent or None), a parent before its
    children, of which the heads are mounted. Directories that only hold what is hidden are looked at by the rule, for
    an overlay shows no number of a lower directory."""
    trees = [tree(count, directory) for directory, _ in layers]
    shown = set()
    for head in heads:
        chain = []
        while head is not None:
            chain.insert(0, head)
            head = layers[head][1]
        if whole:
            top = trees[chain[-1]]
            shown |= {key for i in chain for path, key in trees[i].items() if path in top and alike(count, key, top[path])}
            continue
        directories, of_chain = [layers[i][0] for i in chain], [trees[i] for i in chain]
        shown |= shown_by_the_kernel(directories, count)
        for i, t in enumerate(of_chain):
            shown |= {key for path, key in t.items() if stat.S_ISDIR(count.inodes[key].st.st_mode)
                      and not hidden(count, of_chain, directories, i, path)}
    every = set().union(*(t.values() for t in trees))
    if not whole:
        every = {key for key in every if not is_whiteout(count.inodes[key].st)}
    shadowed = every - shown
    duplicate, first = set(), {}
    for i, t in enumerate(trees):
        for key in set(t.values()) & shown:
            bytes_here = content(count, key)
            if bytes_here is not None and first.setdefault(bytes_here, i) < i:
                duplicate.add(key)
        parent = trees[layers[i][1]] if whole and layers[i][1] is not None else {}
        duplicate |= {key for path, key in t.items() if key in shown and path in parent and key != parent[path]
                      and parent[path] in shown and alike(count, key, parent[path])}
    return shadowed, duplicate


def hidden(count, trees, directories, index, path):
    """Whether the directory `path` of layer `index` is hidden: an upper layer has no directory at it or at one above
    it, or an opaque one."""
    parts = path.split("/")
    for above in range(index + 1, len(trees)):
        for depth in range(2, len(parts) + 1):
            prefix = "/".join(parts[:depth])
            key = trees[above].get(prefix)
            if key is None:
                continue
            if not stat.S_ISDIR(count.inodes[key].st.st_mode):
                return True
            try:
                opaque = os.getxattr(directories[above] + prefix, "trusted.overlay.opaque") == b"y"
            except OSError:
                opaque = False
            if opaque:
                return True
    return False

#!/usr/bin/python3 -I
"""The driver of driver.py with another mechanism: a snapshot holds its own changes, and a union shows it on its parents.

    union.py overlay [OPTION...]       the kernel's overlayfs, with further mount options
    union.py fuse-overlayfs [...]      the program fuse-overlayfs
    union.py unionfs [...]             the program unionfs (unionfs-fuse)

Records, labels and the life cycle are driver.py's. What differs is what a tree is (work/ID is beside trees/ID) and which
mounts show it.
"""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import driver  # noqa: E402

PRIVATE = ("trusted.overlay.", "user.overlay.", "user.fuseoverlayfs.")


class Union(driver.Driver):
    program, options = "overlay", []

    def __init__(self, root):
        super().__init__(root)
        os.makedirs(os.path.join(root, "work"), exist_ok=True)

    def work(self, record):
        return os.path.join(self.root, "work", str(record["id"]))

    def make_tree(self, tree, original):
        super().make_tree(tree, None)
        if original:  # the topmost directory of a union is the one that is shown
            below = self.tree(original)
            status = os.stat(below)
            os.chown(tree, status.st_uid, status.st_gid)
            for name in os.listxattr(below):
                if not name.startswith(PRIVATE):
                    os.setxattr(tree, name, os.getxattr(below, name))
            os.chmod(tree, status.st_mode & 0o7777)
            os.utime(tree, ns=(status.st_atime_ns, status.st_mtime_ns))

    def lowers(self, record):
        """The trees of its parents, nearest first."""
        trees = []
        while record["parent"]:
            record = self.snapshots[record["parent"]]
            trees.append(self.tree(record))
        return trees

    def mounts_of(self, record):
        lowers, writable = self.lowers(record), record["kind"] == "ACTIVE"
        if not lowers or (len(lowers) == 1 and not writable):
            return super().mounts_of(record)
        if self.program == "unionfs":
            branches = ([self.tree(record) + "=RW"] if writable else []) + [lower + "=RO" for lower in lowers]
            options = ["cow", "dev", "suid", "allow_other"] + self.options + ([] if writable else ["ro"])
            return {"mounts": [{"type": "fuse.unionfs", "source": ":".join(branches), "options": options}]}
        options = ["lowerdir=" + ":".join(lower.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,") for lower in lowers)]
        if writable:
            os.makedirs(self.work(record), exist_ok=True)
            options += ["upperdir=" + self.tree(record), "workdir=" + self.work(record)]
        else:
            options.append("ro")
        if self.program == "overlay":
            return {"mounts": [{"type": "overlay", "source": "overlay", "options": options + self.options}]}
        return {"mounts": [{"type": "fuse3." + self.program, "source": "overlay", "options": options + ["dev"] + self.options}]}

    def commit(self, request):
        record = self.snapshots.get(request["key"])
        answer = super().commit(request)
        shutil.rmtree(self.work(record), ignore_errors=True)
        return answer

    def remove(self, request):
        record = self.snapshots.get(request["key"])
        answer = super().remove(request)
        shutil.rmtree(self.work(record), ignore_errors=True)
        return answer


def capabilities():
    claims = ["cleanup", "shares_bytes", "shares_inodes", "usage_own_changes", "layers_128"]
    if Union.program == "overlay":
        claims += ["kernel_overlay", "shares_page_cache"]
        version = os.uname().release
    else:
        said = subprocess.run([Union.program, "--version"], check=True, capture_output=True, text=True)
        version = re.search(r"fs(?:-fuse)?:? version:? *([0-9.]+)", said.stdout + said.stderr)[1]
    return {"protocol": 1, "name": f"union.py {Union.program}", "version": version, "capabilities": claims}


if __name__ == "__main__":
    Union.program, Union.options = sys.argv[1], sys.argv[2:-1]
    driver.Driver, driver.capabilities, sys.argv[1:] = Union, capabilities, sys.argv[-1:]
    sys.exit(driver.main())

"""The right drivers that faults are planted in. What is in root is what the example's head says; work/ID is beside
trees/ID where a snapshot is a layer of an overlay."""
import os
import shutil
import time

import driver

PRIVATE = ("trusted.overlay.", "user.overlay.")


class Copy(driver.Driver):
    """Every snapshot a full copy; a view is its parent, mounted read-only."""

    @staticmethod
    def capabilities():
        return {"protocol": 1, "name": "faulty copy", "version": "1.0",
                "capabilities": ["cleanup", "layers_128", "layers_500"],
                "inodeFormula": {"stores": "FULL_TREE", "perStore": 3, "explanation": "state, lock, trees; each tree whole"}}

    def parent_tree(self, record):
        """The tree of the parent, or None."""
        return self.tree(self.snapshots[record["parent"]]) if record["parent"] else None


def through(program, fault):
    """Copies that are mounted by the FUSE file system `program` with its fault `fault`."""

    class Through(Copy):
        @staticmethod
        def capabilities():
            return {**Copy.capabilities(), "name": "faulty copy through FUSE"}

        def mounts_of(self, record):
            [bind] = super().mounts_of(record)["mounts"]
            options = ["fault=" + fault, "dev", "suid"] + (["ro"] if "ro" in bind["options"] else [])
            # The file system tells what was there before the mount by the time of birth.
            time.sleep(0.02)
            return {"mounts": [{"type": "fuse3.faulty_fs", "source": program + "#" + bind["source"], "options": options}]}

    return Through


class Overlay(Copy):
    """A snapshot is a layer, which the kernel's overlayfs shows on those of its parents."""

    options = []

    @staticmethod
    def capabilities():
        return {"protocol": 1, "name": "faulty overlay", "version": os.uname().release,
                "capabilities": ["cleanup", "layers_128", "shares_bytes", "shares_inodes", "shares_page_cache",
                                 "usage_own_changes", "kernel_overlay"]}

    def __init__(self, root):
        super().__init__(root)
        os.makedirs(os.path.join(root, "work"), exist_ok=True)

    def work(self, record):
        return os.path.join(self.root, "work", str(record["id"]))

    def make_tree(self, tree, original):
        super().make_tree(tree, None)
        if not original:
            return
        below = self.tree(original)  # the topmost directory is the one that is shown
        status = os.stat(below)
        os.chown(tree, status.st_uid, status.st_gid)
        for name in os.listxattr(below):
            if not name.startswith(PRIVATE):
                os.setxattr(tree, name, os.getxattr(below, name))
        os.chmod(tree, status.st_mode & 0o7777)
        os.utime(tree, ns=(status.st_atime_ns, status.st_mtime_ns))

    def lowers(self, record):
        """The trees of its parents, nearest first."""
        found = []
        while record["parent"]:
            record = self.snapshots[record["parent"]]
            found.append(self.tree(record))
        return found

    def mounts_of(self, record):
        lowers, writable = self.lowers(record), record["kind"] == "ACTIVE"
        if not lowers or (len(lowers) == 1 and not writable):
            return super().mounts_of(record)
        options = ["lowerdir=" + ":".join(path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,") for path in lowers)]
        if writable:
            os.makedirs(self.work(record), exist_ok=True)
            options += ["upperdir=" + self.tree(record), "workdir=" + self.work(record)]
        else:
            options.append("ro")
        return {"mounts": [{"type": "overlay", "source": "overlay", "options": options + self.options}]}

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

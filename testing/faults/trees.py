"""Faults in what commit, prepare, remove and cleanup do to the trees."""
import os
import re
import shutil
import stat
import subprocess

from registry import fault


def entries(tree):
    """(path, lstat) of everything in `tree` but its root, children before their directory."""
    for directory, _, names in os.walk(tree, topdown=False):
        for name in names:
            path = os.path.join(directory, name)
            yield path, os.lstat(path)
        if directory != tree:
            yield directory, os.lstat(directory)
        for name in os.listdir(directory):  # symlinks to directories are among os.walk's directories
            path = os.path.join(directory, name)
            if os.path.islink(path) and os.path.isdir(path):
                yield path, os.lstat(path)


def keeping_times(path, act):
    """Runs act() and puts the times of path's directory back."""
    above = os.path.dirname(path)
    status = os.lstat(above)
    act()
    os.utime(above, ns=(status.st_atime_ns, status.st_mtime_ns))


def spoiling_commit(spoil):
    """A fault whose commit runs spoil(tree, parent's tree or None) on the snapshot first."""
    def make(base):
        class Fault(base):
            def commit(self, request):
                record = self.find(request["key"])
                if record["kind"] == "ACTIVE" and request["name"] not in self.snapshots:
                    spoil(self.tree(record), self.parent_tree(record))
                return super().commit(request)
        return Fault
    return make


def spoiling_each(spoil):
    """The same with spoil(path, lstat) for each entry."""
    def spoil_all(tree, _):
        for path, status in list(entries(tree)):
            spoil(path, status)
    return spoiling_commit(spoil_all)


def removing(condition):
    """A fault whose commit loses the entries that `condition`(path, lstat) holds for."""
    def spoil(path, status):
        if condition(path, status):
            keeping_times(path, lambda: os.rmdir(path) if stat.S_ISDIR(status.st_mode) else os.unlink(path))
    return spoiling_each(spoil)


def restoring(condition):
    """A fault whose commit gives files the parent's state back where condition(path, lstat, parent's path, its lstat)."""
    def spoil(tree, parent):
        if not parent:
            return
        for path, status in list(entries(tree)):
            old = os.path.join(parent, os.path.relpath(path, tree))
            try:
                before = os.lstat(old)
            except OSError:
                continue
            if stat.S_IFMT(before.st_mode) == stat.S_IFMT(status.st_mode) and condition(path, status, old, before):
                if stat.S_ISDIR(status.st_mode):
                    os.chown(path, before.st_uid, before.st_gid)
                    os.chmod(path, stat.S_IMODE(before.st_mode))
                else:
                    def replace():
                        os.unlink(path)
                        subprocess.run(["/bin/cp", "-a", "--", old, path], check=True)
                    keeping_times(path, replace)
    return spoiling_commit(spoil)


def drop_xattrs(path, prefix):
    for name in os.listxattr(path, follow_symlinks=False):
        if name.startswith(prefix):
            os.removexattr(path, name, follow_symlinks=False)


# what a commit keeps -------------------------------------------------------------------------------------------------

@fault
def commit_drops_setid(base):
    return spoiling_each(lambda path, status: os.chmod(path, stat.S_IMODE(status.st_mode) & 0o1777)
                         if stat.S_ISREG(status.st_mode) and status.st_mode & 0o6000 else None)(base)


@fault
def commit_drops_sticky(base):
    return spoiling_each(lambda path, status: os.chmod(path, stat.S_IMODE(status.st_mode) & 0o6777)
                         if stat.S_ISDIR(status.st_mode) and status.st_mode & 0o1000 else None)(base)


@fault
def commit_drops_user_xattrs(base):
    return spoiling_each(lambda path, status: drop_xattrs(path, "user.") if stat.S_ISREG(status.st_mode) else None)(base)


@fault
def commit_drops_directory_xattrs(base):
    return spoiling_each(lambda path, status: drop_xattrs(path, "user.") if stat.S_ISDIR(status.st_mode) else None)(base)


@fault
def commit_drops_trusted_xattrs(base):
    return spoiling_each(lambda path, status: drop_xattrs(path, "trusted."))(base)


@fault
def commit_drops_capabilities(base):
    return spoiling_each(lambda path, status: drop_xattrs(path, "security.capability"))(base)


@fault
def commit_drops_acls(base):
    return spoiling_each(lambda path, status: drop_xattrs(path, "system.posix_acl_access"))(base)


@fault
def commit_drops_default_acls(base):
    return spoiling_each(lambda path, status: drop_xattrs(path, "system.posix_acl_default"))(base)


@fault
def commit_rounds_mtimes(base):
    return spoiling_each(lambda path, status: os.utime(
        path, ns=(status.st_atime_ns, status.st_mtime_ns // 10**9 * 10**9), follow_symlinks=False)
        if stat.S_ISREG(status.st_mode) else None)(base)


@fault
def commit_touches_symlinks(base):
    return spoiling_each(lambda path, status: os.utime(path, follow_symlinks=False)
                         if stat.S_ISLNK(status.st_mode) else None)(base)


@fault
def commit_touches_directories(base):
    return spoiling_each(lambda path, status: os.utime(path) if stat.S_ISDIR(status.st_mode) else None)(base)


@fault
def commit_forgets_owners(base):
    return spoiling_each(lambda path, status: os.lchown(path, 0, 0)
                         if stat.S_ISREG(status.st_mode) and not status.st_mode & 0o6000 else None)(base)


@fault
def commit_forgets_owners_of_symlinks(base):
    return spoiling_each(lambda path, status: os.lchown(path, 0, 0) if stat.S_ISLNK(status.st_mode) else None)(base)


@fault
def commit_splits_links(base):
    def spoil(path, status):
        if stat.S_ISREG(status.st_mode) and os.lstat(path).st_nlink > 1:
            def replace():
                subprocess.run(["/bin/cp", "-a", "--", path, path + ".new"], check=True)
                os.rename(path + ".new", path)
            keeping_times(path, replace)
    return spoiling_each(spoil)(base)


@fault
def commit_fills_holes(base):
    def spoil(path, status):
        if stat.S_ISREG(status.st_mode) and status.st_size - status.st_blocks * 512 > 8192 and status.st_size < 1 << 27:
            with open(path, "r+b") as file:
                while data := file.read(1 << 20):
                    file.seek(-len(data), os.SEEK_CUR)
                    file.write(data)
                    file.seek(0, os.SEEK_CUR)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return spoiling_each(spoil)(base)


@fault
def commit_drops_empty_directories(base):
    return removing(lambda path, status: stat.S_ISDIR(status.st_mode) and not os.listdir(path))(base)


@fault
def commit_drops_empty_files(base):
    return removing(lambda path, status: stat.S_ISREG(status.st_mode) and status.st_size == 0)(base)


@fault
def commit_drops_fifos(base):
    return removing(lambda path, status: stat.S_ISFIFO(status.st_mode))(base)


@fault
def commit_drops_sockets(base):
    return removing(lambda path, status: stat.S_ISSOCK(status.st_mode))(base)


@fault
def commit_drops_dangling_symlinks(base):
    return removing(lambda path, status: stat.S_ISLNK(status.st_mode) and not os.path.exists(path))(base)


@fault
def commit_drops_odd_names(base):
    return removing(lambda path, status: not stat.S_ISDIR(status.st_mode)
                    and re.search(r"[\n\x80-\U0010ffff]", os.path.basename(path)) is not None)(base)


@fault
def commit_drops_long_names(base):
    return removing(lambda path, status: len(os.fsencode(os.path.basename(path))) > 243
                    and not (stat.S_ISDIR(status.st_mode) and os.listdir(path)))(base)


@fault
def commit_drops_hidden_names(base):
    return removing(lambda path, status: os.path.basename(path).startswith("..")
                    and not stat.S_ISDIR(status.st_mode))(base)


@fault
def commit_changes_device_numbers(base):
    def spoil(path, status):
        if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
            def replace():
                os.unlink(path)
                os.mknod(path, status.st_mode, os.makedev(os.major(status.st_rdev), os.minor(status.st_rdev) & 0xff ^ 1))
                os.chown(path, status.st_uid, status.st_gid)
                os.chmod(path, stat.S_IMODE(status.st_mode))
                os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
            keeping_times(path, replace)
    return spoiling_each(spoil)(base)


@fault
def commit_cuts_big_files(base):
    def spoil(path, status):
        if stat.S_ISREG(status.st_mode) and status.st_size > 1 << 20:
            os.truncate(path, 1 << 20)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return spoiling_each(spoil)(base)


@fault
def commit_loses_deep_entries(base):
    def spoil(tree, _):
        for path, status in list(entries(tree)):
            if os.path.relpath(path, tree).count("/") >= 24:
                keeping_times(path, lambda: os.rmdir(path) if stat.S_ISDIR(status.st_mode) else os.unlink(path))
    return spoiling_commit(spoil)(base)


@fault
def commit_forgets_root_owner(base):
    return spoiling_commit(lambda tree, _: os.chown(tree, 0, 0))(base)


# what a commit takes for unchanged -----------------------------------------------------------------------------------

@fault
def commit_misses_edit_of_same_size(base):
    return restoring(lambda path, status, old, before: stat.S_ISREG(status.st_mode) and status.st_size == before.st_size
                     and int(status.st_mtime) == int(before.st_mtime))(base)


@fault
def commit_misses_change_of_mode(base):
    def only_mode(path, status, old, before):
        if not stat.S_ISREG(status.st_mode) or status.st_mtime_ns != before.st_mtime_ns or status.st_size > 1 << 20:
            return False
        with open(path, "rb") as one, open(old, "rb") as two:
            return stat.S_IMODE(status.st_mode) != stat.S_IMODE(before.st_mode) and one.read() == two.read()
    return restoring(only_mode)(base)


@fault
def commit_misses_owner_of_directory(base):
    return restoring(lambda path, status, old, before: stat.S_ISDIR(status.st_mode)
                     and (status.st_uid, status.st_gid) != (before.st_uid, before.st_gid))(base)


@fault
def commit_misses_new_symlink_target(base):
    return restoring(lambda path, status, old, before: stat.S_ISLNK(status.st_mode) and status.st_size == before.st_size
                     and status.st_mtime_ns == before.st_mtime_ns)(base)


@fault
def commit_brings_removed_files_back(base):
    def spoil(tree, parent):
        for old, before in list(entries(parent)) if parent else ():
            path = os.path.join(tree, os.path.relpath(old, parent))
            if stat.S_ISREG(before.st_mode) and os.path.isdir(os.path.dirname(path)) and not os.path.lexists(path):
                keeping_times(path, lambda: subprocess.run(["/bin/cp", "-a", "--", old, path], check=True))
    return spoiling_commit(spoil)(base)


@fault
def commit_misses_replacement_of_directory(base):
    def spoil(tree, parent):
        for old, before in list(entries(parent)) if parent else ():
            path = os.path.join(tree, os.path.relpath(old, parent))
            if stat.S_ISDIR(before.st_mode) and os.path.lexists(path) and not stat.S_ISDIR(os.lstat(path).st_mode):
                os.unlink(path)
                subprocess.run(["/bin/cp", "-a", "--", old, path], check=True)
    return spoiling_commit(spoil)(base)


# what prepare copies -------------------------------------------------------------------------------------------------

def copying_with(*options):
    """A fault whose prepare copies its parent with other options of cp."""
    def make(base):
        class Fault(base):
            def make_tree(self, tree, original):
                super().make_tree(tree, None)
                if original:
                    subprocess.run(["/bin/cp", *options, "--", self.tree(original) + "/.", tree], check=True)
        return Fault
    return make


@fault
def prepare_splits_links(base):
    return copying_with("-a", "--no-preserve=links")(base)


@fault
def prepare_drops_xattrs(base):
    return copying_with("-a", "--no-preserve=xattr")(base)


@fault
def prepare_forgets_times(base):
    return copying_with("-a", "--no-preserve=timestamps")(base)


@fault
def prepare_fills_holes(base):
    return copying_with("-a", "--sparse=never")(base)


@fault
def prepare_shares_files(base):
    return copying_with("-al")(base)


@fault
def root_mode_is_0700(base):
    class Fault(base):
        def make_tree(self, tree, original):
            super().make_tree(tree, original)
            if not original:
                os.chmod(tree, 0o700)
    return Fault


@fault
def tree_of_removed_reused(base):
    class Fault(base):
        def make_tree(self, tree, original):
            spare = os.path.join(self.root, "spare")
            if not original and os.path.isdir(spare):
                os.rename(spare, tree)
                return
            super().make_tree(tree, original)

        def remove(self, request):
            record = self.find(request["key"])
            spare = os.path.join(self.root, "spare")
            answer = None
            if record["kind"] == "ACTIVE" and not record["parent"] and not os.path.isdir(spare):
                shutil.copytree(self.tree(record), spare, symlinks=True)
            answer = super().remove(request)
            return answer
    return Fault


# remove and cleanup --------------------------------------------------------------------------------------------------

@fault
def remove_takes_prefix(base):
    class Fault(base):
        def remove(self, request):
            record = self.find(request["key"])
            answer = super().remove(request)
            for name in os.listdir(self.trees):
                if name.startswith(str(record["id"])):
                    shutil.rmtree(os.path.join(self.trees, name), ignore_errors=True)
            return answer
    return Fault


@fault
def remove_leaves_tree(base):
    class Fault(base):
        def remove(self, request):
            record = self.find(request["key"])
            if any(other["parent"] == request["key"] for other in self.snapshots.values()):
                return super().remove(request)
            del self.snapshots[request["key"]]
            self.save()
            os.makedirs(os.path.join(self.root, "old"), exist_ok=True)
            if os.path.isdir(self.tree(record)):
                os.rename(self.tree(record), os.path.join(self.root, "old", str(record["id"])))
            return {}
    return Fault


@fault
def cleanup_takes_actives(base):
    class Fault(base):
        def cleanup(self, request):
            answer = super().cleanup(request)
            for record in self.snapshots.values():
                if record["kind"] == "ACTIVE":
                    for name in os.listdir(self.tree(record)):
                        path = os.path.join(self.tree(record), name)
                        shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
            return answer
    return Fault


@fault
def cleanup_takes_committed_without_children(base):
    class Fault(base):
        def cleanup(self, request):
            for name, record in list(self.snapshots.items()):
                used = any(other["parent"] == name for other in self.snapshots.values())
                if record["kind"] == "COMMITTED" and not used:
                    self.remove({"key": name})
            return super().cleanup(request)
    return Fault


# layers of an overlay ------------------------------------------------------------------------------------------------

@fault
def commit_drops_opaque_marks(base):
    return spoiling_each(lambda path, status: drop_xattrs(path, "trusted.overlay.opaque")
                         if stat.S_ISDIR(status.st_mode) else None)(base)


@fault
def commit_drops_whiteouts(base):
    return removing(lambda path, status: stat.S_ISCHR(status.st_mode) and status.st_rdev == 0)(base)


@fault
def commit_drops_whiteouts_in_directories(base):
    def spoil(tree, _):
        for path, status in list(entries(tree)):
            if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0 and os.path.dirname(path) != tree:
                keeping_times(path, lambda: os.unlink(path))
    return spoiling_commit(spoil)(base)

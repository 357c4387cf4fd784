"""Faults that need more than one layer, child or call to show: chains, siblings, names used again, times of calls."""
import os
import shutil
import stat
import subprocess

from driver import Refused
from registry import fault
from stacking import other_lowers
from trees import entries, keeping_times, removing, spoiling_commit


def depth(self, record):
    count = 0
    while record["parent"]:
        record, count = self.snapshots[record["parent"]], count + 1
    return count


def spoiling_prepare(spoil, when=lambda self, parent: True):
    """A fault whose prepare runs spoil(tree) on the copy of a parent that `when` holds for."""
    def make(base):
        class Fault(base):
            def make_tree(self, tree, original):
                super().make_tree(tree, original)
                if original and when(self, original):
                    spoil(tree)
        return Fault
    return make


def children(self, record):
    return [other for other in self.snapshots.values() if other["parent"] and self.snapshots[other["parent"]] is record]


# prepare -------------------------------------------------------------------------------------------------------------

@fault
def second_child_lacks_symlinks(base):
    def spoil(tree):
        for path, status in list(entries(tree)):
            if stat.S_ISLNK(status.st_mode):
                keeping_times(path, lambda: os.unlink(path))
    return spoiling_prepare(spoil, lambda self, parent: len(children(self, parent)) == 1)(base)


@fault
def third_child_is_empty(base):
    def spoil(tree):
        for name in os.listdir(tree):
            path = os.path.join(tree, name)
            shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
    return spoiling_prepare(spoil, lambda self, parent: len(children(self, parent)) == 2)(base)


@fault
def third_layer_forgets_owners(base):
    def spoil(tree):
        for path, status in entries(tree):
            if not status.st_mode & 0o6000:
                os.lchown(path, 0, 0)
    return spoiling_prepare(spoil, lambda self, parent: depth(self, parent) == 1)(base)


@fault
def third_layer_touches_directories(base):
    def spoil(tree):
        for path, status in entries(tree):
            if stat.S_ISDIR(status.st_mode):
                os.utime(path)
    return spoiling_prepare(spoil, lambda self, parent: depth(self, parent) == 1)(base)


@fault
def fourth_layer_drops_empty_directories(base):
    def spoil(tree):
        for path, status in list(entries(tree)):
            if stat.S_ISDIR(status.st_mode) and not os.listdir(path):
                keeping_times(path, lambda: os.rmdir(path))
    return spoiling_prepare(spoil, lambda self, parent: depth(self, parent) == 2)(base)


@fault
def prepare_forgets_the_time_of_the_root(base):
    return spoiling_prepare(os.utime)(base)


@fault
def prepare_forgets_the_owner_of_the_root(base):
    return spoiling_prepare(lambda tree: os.chown(tree, 0, 0))(base)


@fault
def prepare_drops_sockets(base):
    def spoil(tree):
        for path, status in list(entries(tree)):
            if stat.S_ISSOCK(status.st_mode):
                keeping_times(path, lambda: os.unlink(path))
    return spoiling_prepare(spoil)(base)


@fault
def prepare_drops_default_acls(base):
    def spoil(tree):
        for path, status in entries(tree):
            if stat.S_ISDIR(status.st_mode) and "system.posix_acl_default" in os.listxattr(path):
                os.removexattr(path, "system.posix_acl_default")
    return spoiling_prepare(spoil)(base)


@fault
def key_used_again_shows_the_old_files(base):
    class Fault(base):
        def remove(self, request):
            record = self.find(request["key"])
            kept = os.path.join(self.root, "old-" + request["key"].replace("/", "_")[:60])
            if record["kind"] == "ACTIVE" and record["parent"] and os.path.isdir(self.tree(record)):
                shutil.rmtree(kept, ignore_errors=True)
                subprocess.run(["/bin/cp", "-a", "--", self.tree(record), kept], check=True)
            return super().remove(request)

        def create(self, kind, request):
            answer = super().create(kind, request)
            kept = os.path.join(self.root, "old-" + request["key"].replace("/", "_")[:60])
            record = self.snapshots[request["key"]]
            if kind == "ACTIVE" and record["parent"] and os.path.isdir(kept):
                shutil.rmtree(self.tree(record))
                os.rename(kept, self.tree(record))
            return answer
    return Fault


@fault
def prepare_of_the_hundredth_layer_refused(base):
    class Fault(base):
        def find_parent(self, name):
            record = super().find_parent(name)
            if depth(self, record) >= 99:
                raise Refused("FAILED_PRECONDITION", "too many layers")
            return record
    return Fault


# what calls do to other snapshots ------------------------------------------------------------------------------------

@fault
def commit_empties_siblings(base):
    class Fault(base):
        def commit(self, request):
            record = self.find(request["key"])
            answer = super().commit(request)
            for other in self.snapshots.values():
                if other["kind"] == "ACTIVE" and other["parent"] and other["parent"] == record["parent"]:
                    shutil.rmtree(self.tree(other))
                    self.make_tree(self.tree(other), self.snapshots[other["parent"]])
            return answer
    return Fault


@fault
def remove_of_a_view_spoils_its_parent(base):
    class Fault(base):
        def remove(self, request):
            record = self.find(request["key"])
            answer = super().remove(request)
            if record["kind"] == "VIEW" and record["parent"]:
                for path, status in list(entries(self.tree(self.snapshots[record["parent"]]))):
                    if stat.S_ISREG(status.st_mode):
                        os.truncate(path, 0)
                        break
            return answer
    return Fault


@fault
def mounts_call_resets_an_active_snapshot(base):
    class Fault(base):
        def mounts(self, request):
            record = self.find(request["key"])
            if record["kind"] == "ACTIVE" and record["parent"]:
                self.make_tree(self.tree(record), self.snapshots[record["parent"]])
            return super().mounts(request)
    return Fault


@fault
def prepare_touches_the_root_of_its_parent(base):
    class Fault(base):
        def make_tree(self, tree, original):
            super().make_tree(tree, original)
            if original:
                os.utime(self.tree(original))
    return Fault


@fault
def commit_keeps_what_stat_saw(base):
    class Fault(base):
        def stat(self, request):
            answer = super().stat(request)
            record = self.find(request["key"])
            kept = self.tree(record) + ".at-stat"
            if record["kind"] == "ACTIVE":
                shutil.rmtree(kept, ignore_errors=True)
                subprocess.run(["/bin/cp", "-a", "--", self.tree(record), kept], check=True)
            return answer

        def commit(self, request):
            record = self.find(request["key"])
            kept = self.tree(record) + ".at-stat"
            if record["kind"] == "ACTIVE" and request["name"] not in self.snapshots and os.path.isdir(kept):
                shutil.rmtree(self.tree(record))
                os.rename(kept, self.tree(record))
            return super().commit(request)
    return Fault


@fault
def cleanup_closes_roots(base):
    class Fault(base):
        def cleanup(self, request):
            answer = super().cleanup(request)
            for record in self.snapshots.values():
                if record["kind"] == "ACTIVE":
                    os.chmod(self.tree(record), 0o700)
            return answer
    return Fault


# which files are shown -----------------------------------------------------------------------------------------------

@fault
def view_shows_an_active_sibling(base):
    class Fault(base):
        def mounts_of(self, record):
            answer = super().mounts_of(record)
            if record["kind"] == "VIEW" and record["parent"]:
                for other in self.snapshots.values():
                    if other["kind"] == "ACTIVE" and other["parent"] == record["parent"]:
                        answer["mounts"][0]["source"] = self.tree(other)
            return answer
    return Fault


@fault
def view_of_a_second_child_shows_the_first(base):
    class Fault(base):
        def mounts_of(self, record):
            answer = super().mounts_of(record)
            if record["kind"] == "VIEW" and record["parent"]:
                parent = self.snapshots[record["parent"]]
                for other in self.snapshots.values():
                    if other["kind"] == "COMMITTED" and parent["parent"] and other["parent"] == parent["parent"]:
                        answer["mounts"][0]["source"] = self.tree(other)
                        break
            return answer
    return Fault


@fault
def view_of_the_third_layer_shows_the_second(base):
    class Fault(base):
        def mounts_of(self, record):
            answer = super().mounts_of(record)
            if record["kind"] == "VIEW" and record["parent"]:
                parent = self.snapshots[record["parent"]]
                if depth(self, parent) == 2:
                    answer["mounts"][0]["source"] = self.tree(self.snapshots[parent["parent"]])
            return answer
    return Fault


# layers of an overlay ------------------------------------------------------------------------------------------------

@fault
def layers_below_the_nearest_reversed(base):
    return other_lowers(lambda lowers: lowers[:1] + lowers[:0:-1])(base)


@fault
def layers_in_the_order_of_names(base):
    """By the text of the tree's number: 10 comes before 9."""
    return other_lowers(lambda lowers: sorted(lowers, key=lambda path: os.path.basename(path), reverse=True))(base)


@fault
def view_leaves_the_base_out(base):
    class Fault(base):
        def lowers(self, record):
            lowers = super().lowers(record)
            return lowers[:-1] if record["kind"] == "VIEW" and len(lowers) > 2 else lowers
    return Fault


@fault
def mounts_call_leaves_layers_out(base):
    class Fault(base):
        def mounts(self, request):
            right = self.lowers
            self.lowers = lambda record: right(record)[:2]
            return super().mounts(request)
    return Fault


@fault
def layers_of_siblings_mixed(base):
    class Fault(base):
        def lowers(self, record):
            lowers = super().lowers(record)
            for other in self.snapshots.values():
                if other["kind"] == "COMMITTED" and record["parent"] and other["parent"] == record["parent"]:
                    return [self.tree(other)] + lowers
            return lowers
    return Fault


@fault
def layers_beyond_120_left_out(base):
    return other_lowers(lambda lowers: lowers[:120])(base)


@fault
def base_layer_twice(base):
    return other_lowers(lambda lowers: lowers[:1] + lowers[-1:] + lowers[1:-1] if len(lowers) > 2 else lowers)(base)


def grandparents_have(self_tree, path, parent):
    return os.path.lexists(os.path.join(parent, os.path.relpath(path, self_tree)))


@fault
def commit_drops_whiteouts_of_the_grandparent(base):
    """A whiteout of a name that the direct parent's own layer does not have."""
    def spoil(tree, parent):
        for path, status in list(entries(tree)):
            if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0 and parent and not grandparents_have(tree, path, parent):
                keeping_times(path, lambda: os.unlink(path))
    return spoiling_commit(spoil)(base)


@fault
def commit_drops_whiteouts_of_directories(base):
    def spoil(tree, parent):
        for path, status in list(entries(tree)):
            if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0 and parent and \
                    os.path.isdir(os.path.join(parent, os.path.relpath(path, tree))):
                keeping_times(path, lambda: os.unlink(path))
    return spoiling_commit(spoil)(base)


@fault
def commit_drops_whiteouts_of_symlinks(base):
    def spoil(tree, parent):
        for path, status in list(entries(tree)):
            if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0 and parent and \
                    os.path.islink(os.path.join(parent, os.path.relpath(path, tree))):
                keeping_times(path, lambda: os.unlink(path))
    return spoiling_commit(spoil)(base)


@fault
def commit_drops_deep_opaque_marks(base):
    def spoil(tree, _):
        for path, status in list(entries(tree)):
            if stat.S_ISDIR(status.st_mode) and os.path.dirname(path) != tree and "trusted.overlay.opaque" in os.listxattr(path):
                os.removexattr(path, "trusted.overlay.opaque")
    return spoiling_commit(spoil)(base)


@fault
def commit_marks_merged_directories_opaque(base):
    """Those that stand two and more directories deep."""
    def spoil(tree, parent):
        for path, status in list(entries(tree)):
            if stat.S_ISDIR(status.st_mode) and os.path.dirname(path) != tree and parent and \
                    os.path.isdir(os.path.join(parent, os.path.relpath(path, tree))):
                os.setxattr(path, "trusted.overlay.opaque", b"y")
    return spoiling_commit(spoil)(base)


@fault
def commit_drops_new_empty_directories(base):
    return removing(lambda path, status: stat.S_ISDIR(status.st_mode) and not os.listdir(path))(base)


@fault
def layer_forgets_owners_of_directories(base):
    def spoil(tree, _):
        for path, status in entries(tree):
            if stat.S_ISDIR(status.st_mode) and (status.st_uid or status.st_gid):
                os.chown(path, 0, 0)
                os.chmod(path, stat.S_IMODE(status.st_mode))
    return spoiling_commit(spoil)(base)


@fault
def prepare_drops_attributes_of_the_root(base):
    class Fault(base):
        def make_tree(self, tree, original):
            super().make_tree(tree, original)
            if original:
                for name in os.listxattr(tree):
                    if name.startswith("user."):
                        os.removexattr(tree, name)
    return Fault

"""Faults in the mounts that are answered: which trees, in which order, writable or not."""
import os

from driver import Refused
from registry import fault


def other_mounts(change):
    """A fault that changes what every call answers for a snapshot: change(self, record, mounts)."""
    def make(base):
        class Fault(base):
            def mounts_of(self, record):
                return {"mounts": change(self, record, super().mounts_of(record)["mounts"])}
        return Fault
    return make


def other_lowers(choose):
    """A fault of an overlay: the trees of the parents, nearest first, are choose(them)."""
    def make(base):
        class Fault(base):
            def lowers(self, record):
                return choose(super().lowers(record))
        return Fault
    return make


def replaced(options, old, new):
    return [new if option == old else option for option in options]


@fault
def lowers_reversed(base):
    return other_lowers(lambda lowers: lowers[::-1])(base)


@fault
def second_layer_left_out(base):
    return other_lowers(lambda lowers: lowers[:1] + lowers[2:] if len(lowers) > 2 else lowers)(base)


@fault
def base_layer_left_out(base):
    return other_lowers(lambda lowers: lowers[:-1] if len(lowers) > 3 else lowers)(base)


@fault
def layers_beyond_60_left_out(base):
    return other_lowers(lambda lowers: lowers[:60])(base)


@fault
def nearest_two_layers_swapped(base):
    return other_lowers(lambda lowers: lowers[1::-1] + lowers[2:] if len(lowers) > 1 else lowers)(base)


@fault
def view_shows_nearest_layer_only(base):
    class Fault(base):
        def lowers(self, record):
            lowers = super().lowers(record)
            return lowers[:1] if record["kind"] == "VIEW" else lowers
    return Fault


@fault
def upper_is_shared(base):
    class Fault(base):
        def tree(self, record):
            if record["kind"] == "ACTIVE" and record["parent"]:
                for other in self.snapshots.values():
                    if other["kind"] == "ACTIVE" and other["parent"] == record["parent"]:
                        return super().tree(other)
            return super().tree(record)
    return Fault


@fault
def active_is_volatile(base):
    return other_mounts(lambda self, record, mounts: [
        {**mount, "options": mount["options"] + ["volatile"]} if mount["type"] == "overlay" and record["kind"] == "ACTIVE"
        else mount for mount in mounts])(base)


@fault
def deep_view_writable(base):
    class Fault(base):
        def mounts_of(self, record):
            answer = super().mounts_of(record)
            [mount] = answer["mounts"]
            if record["kind"] == "VIEW" and mount["type"] == "overlay":
                upper, work = self.tree(record) + ".rw", self.work(record) + ".rw"
                os.makedirs(upper, exist_ok=True)
                os.makedirs(work, exist_ok=True)
                mount["options"] = [o for o in mount["options"] if o != "ro"] + ["upperdir=" + upper, "workdir=" + work]
            return answer
    return Fault


@fault
def view_writable(base):
    return other_mounts(lambda self, record, mounts: [
        {**mount, "options": replaced(mount["options"], "ro", "rw")} for mount in mounts])(base)


@fault
def view_of_nothing_writable(base):
    return other_mounts(lambda self, record, mounts: [
        {**mount, "options": replaced(mount["options"], "ro", "rw")} if not record["parent"] else mount for mount in mounts])(base)


@fault
def views_of_mounts_call_writable(base):
    class Fault(base):
        def mounts(self, request):
            answer = super().mounts(request)
            return {"mounts": [{**mount, "options": replaced(mount["options"], "ro", "rw")} for mount in answer["mounts"]]}
    return Fault


@fault
def mounts_call_gives_read_only(base):
    class Fault(base):
        def mounts(self, request):
            answer = super().mounts(request)
            return {"mounts": [{**mount, "options": replaced(mount["options"], "rw", "ro")} for mount in answer["mounts"]]}
    return Fault


@fault
def mounts_call_shows_parent(base):
    class Fault(base):
        def mounts(self, request):
            record = self.find(request["key"])
            if record["kind"] == "ACTIVE" and record["parent"]:
                return {"mounts": [{"type": "bind", "source": self.parent_tree(record), "options": ["rbind", "rw"]}]}
            return super().mounts(request)
    return Fault


@fault
def mounts_are_empty(base):
    class Fault(base):
        def mounts(self, request):
            super().mounts(request)
            return {"mounts": []}
    return Fault


@fault
def active_is_its_parent(base):
    class Fault(base):
        def mounts_of(self, record):
            if record["kind"] == "ACTIVE" and record["parent"]:
                return {"mounts": [{"type": "bind", "source": self.parent_tree(record), "options": ["rbind", "rw"]}]}
            return super().mounts_of(record)
    return Fault


@fault
def prepare_copies_grandparent(base):
    class Fault(base):
        def make_tree(self, tree, original):
            above = self.snapshots.get(original["parent"]) if original else None
            super().make_tree(tree, above or original)
    return Fault


@fault
def siblings_share_tree(base):
    class Fault(base):
        def mounts_of(self, record):
            if record["kind"] == "ACTIVE" and record["parent"]:
                siblings = [other for other in self.snapshots.values()
                            if other["kind"] == "ACTIVE" and other["parent"] == record["parent"]]
                return super().mounts_of(min(siblings, key=lambda other: other["id"]))
            return super().mounts_of(record)
    return Fault


@fault
def view_of_reused_name_is_stale(base):
    class Fault(base):
        def commit(self, request):
            answer = super().commit(request)
            kept = os.path.join(self.root, "kept-" + request["name"].replace("/", "_")[:60])
            if not os.path.lexists(kept):
                super().make_tree(kept, self.snapshots[request["name"]])
            return answer

        def mounts_of(self, record):
            answer = super().mounts_of(record)
            kept = os.path.join(self.root, "kept-" + record["parent"].replace("/", "_")[:60])
            if record["kind"] == "VIEW" and record["parent"]:
                answer["mounts"][0]["source"] = kept
            return answer
    return Fault


def with_option(option):
    return other_mounts(lambda self, record, mounts: [{**mount, "options": mount["options"] + [option]} for mount in mounts])


@fault
def mounts_are_noexec(base):
    return with_option("noexec")(base)


@fault
def mounts_are_nodev(base):
    return with_option("nodev")(base)


@fault
def mounts_are_nosuid(base):
    return with_option("nosuid")(base)


@fault
def prepare_of_nth_child_fails(base):
    class Fault(base):
        def find_parent(self, name):
            if sum(other["parent"] == name for other in self.snapshots.values()) >= 2:
                raise Refused("FAILED_PRECONDITION", f"snapshot {name!r} has enough children")
            return super().find_parent(name)
    return Fault

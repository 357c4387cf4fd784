"""Faults in what is recorded of a snapshot: names, parents, kinds, labels, times, walk, usage, error codes."""
import driver
from driver import Refused
from registry import fault


def patched_info(change):
    """A fault that changes the INFO of `name` wherever it is answered."""
    def make(base):
        class Fault(base):
            def info(self, name):
                info = super().info(name)
                change(info)
                return info
        return Fault
    return make


def refusing_less(verb, codes, answer):
    """A fault that turns the refusals of `verb` with one of `codes` into `answer`."""
    def make(base):
        def call(self, request):
            try:
                return getattr(base, verb)(self, request)
            except Refused as refused:
                if refused.code not in codes:
                    raise
                return answer
        return type("Fault", (base,), {verb: call})
    return make


# stat ----------------------------------------------------------------------------------------------------------------

@fault
def missing_is_unknown(base):
    class Fault(base):
        def find(self, name):
            if name not in self.snapshots:
                raise Refused("UNKNOWN", f"snapshot {name!r}: cannot be read")
            return super().find(name)
    return Fault


@fault
def view_is_active(base):
    return patched_info(lambda info: info.update(kind="ACTIVE" if info["kind"] == "VIEW" else info["kind"]))(base)


@fault
def committed_has_no_parent(base):
    return patched_info(lambda info: info.update(parent="" if info["kind"] == "COMMITTED" else info["parent"]))(base)


@fault
def key_stays_after_commit(base):
    class Fault(base):
        def commit(self, request):
            record = self.snapshots.get(request["key"])
            answer = super().commit(request)
            self.snapshots[request["key"]] = record
            self.save()
            return answer
    return Fault


@fault
def names_fold_case(base):
    class Fault(base):
        def refuse_taken(self, name):
            super().refuse_taken(name)
            if name.lower() in {other.lower() for other in self.snapshots}:
                raise Refused("ALREADY_EXISTS", f"snapshot {name!r} exists")
    return Fault


@fault
def long_key_refused(base):
    class Fault(base):
        def refuse_taken(self, name):
            super().refuse_taken(name)
            if len(name) > 64:
                raise Refused("INVALID_ARGUMENT", "a key must not be longer than 64 bytes")
    return Fault


# update and labels ---------------------------------------------------------------------------------------------------

@fault
def update_moves_created(base):
    class Fault(base):
        def update(self, request):
            super().update(request)
            name = request["info"]["name"]
            self.snapshots[name]["createdAt"] = self.snapshots[name]["updatedAt"]
            self.save()
            return {"info": self.info(name)}
    return Fault


@fault
def update_keeps_updated(base):
    class Fault(base):
        def update(self, request):
            name = request["info"].get("name", "")
            before = self.find(name)["updatedAt"]
            super().update(request)
            self.snapshots[name]["updatedAt"] = before
            self.save()
            return {"info": self.info(name)}
    return Fault


def relabelled(base, choose):
    """A fault whose update stores choose(labels before, labels given, paths) instead."""
    class Fault(base):
        def update(self, request):
            name = request["info"].get("name", "")
            before = dict(self.find(name)["labels"])
            super().update(request)
            given, paths = request["info"].get("labels", {}), request.get("updatePaths") or []
            self.snapshots[name]["labels"] = choose(before, self.snapshots[name]["labels"], given, paths)
            self.save()
            return {"info": self.info(name)}
    return Fault


@fault
def update_merges_labels(base):
    return relabelled(base, lambda before, right, given, paths: right if paths else {**before, **given})


@fault
def path_labels_merges(base):
    return relabelled(base, lambda before, right, given, paths: {**before, **given} if paths == ["labels"] else right)


@fault
def path_of_label_replaces_all(base):
    return relabelled(base, lambda before, right, given, paths: {k: v for k, v in right.items() if k in given} if paths else right)


@fault
def path_of_absent_label_keeps(base):
    return relabelled(base, lambda before, right, given, paths: {**before, **right} if paths else right)


@fault
def path_of_label_takes_others(base):
    return relabelled(base, lambda before, right, given, paths: {**right, **given} if paths else right)


@fault
def update_of_label_with_dot_cut(base):
    def choose(before, right, given, paths):
        labels = dict(right)
        for path in paths:
            key = path[len("labels."):]
            if "." in key and key in labels and labels[key] != before.get(key):
                labels[key.split(".")[0]] = labels.pop(key)
        return labels
    return relabelled(base, choose)


@fault
def unknown_path_accepted(base):
    class Fault(base):
        def update(self, request):
            paths = [path for path in request.get("updatePaths", []) if path.startswith("labels")]
            return super().update({**request, "updatePaths": paths or ["labels"]})
    return Fault


@fault
def update_takes_parent(base):
    class Fault(base):
        def update(self, request):
            super().update(request)
            info = request["info"]
            if "parent" in info and info["parent"] != self.snapshots[info["name"]]["parent"]:
                self.snapshots[info["name"]]["parent"] = info["parent"]
                self.save()
            return {"info": self.info(info["name"])}
    return Fault


@fault
def update_lost_on_views(base):
    class Fault(base):
        def save(self):
            pass

        def update(self, request):
            answer = super().update(request)
            if self.find(request["info"]["name"])["kind"] != "VIEW":
                super().save()
            return answer

        def create(self, kind, request):
            answer = super().create(kind, request)
            super().save()
            return answer

        def commit(self, request):
            answer = super().commit(request)
            super().save()
            return answer

        def remove(self, request):
            answer = super().remove(request)
            super().save()
            return answer
    return Fault


@fault
def empty_label_stored(base):
    driver.checked = lambda labels: dict(labels)
    return base


@fault
def long_label_accepted(base):
    driver.checked = lambda labels: {key: value for key, value in labels.items() if value}
    return base


@fault
def view_drops_labels(base):
    class Fault(base):
        def view(self, request):
            return super().view({**request, "labels": {}})
    return Fault


@fault
def commit_inherits_labels(base):
    class Fault(base):
        def commit(self, request):
            own = dict(self.find(request["key"])["labels"])
            return super().commit({**request, "labels": {**own, **request.get("labels", {})}})
    return Fault


@fault
def commit_drops_labels(base):
    class Fault(base):
        def commit(self, request):
            return super().commit({**request, "labels": {}})
    return Fault


@fault
def commit_keeps_created(base):
    class Fault(base):
        def commit(self, request):
            created = self.find(request["key"])["createdAt"]
            answer = super().commit(request)
            self.snapshots[request["name"]]["createdAt"] = created
            self.save()
            return answer
    return Fault


# usage ---------------------------------------------------------------------------------------------------------------

@fault
def usage_of_missing_is_zero(base):
    return refusing_less("usage", ("NOT_FOUND",), {"size": 0, "inodes": 0})(base)


@fault
def committed_usage_is_zero(base):
    class Fault(base):
        def usage(self, request):
            record = self.find(request["key"])
            return {"size": 0, "inodes": 0} if record["kind"] == "COMMITTED" else super().usage(request)
    return Fault


@fault
def active_usage_is_frozen(base):
    class Fault(base):
        def create(self, kind, request):
            answer = super().create(kind, request)
            record = self.snapshots[request["key"]]
            if kind == "ACTIVE":
                record["usage"] = self.measure(record)
                self.save()
            return answer

        def usage(self, request):
            record = self.find(request["key"])
            return record["usage"] if record["kind"] == "ACTIVE" else super().usage(request)
    return Fault


@fault
def usage_counts_holes(base):
    class Fault(base):
        def measure(self, record):
            import os
            usage = super().measure(record)
            for directory, _, names in os.walk(self.tree(record)):
                for name in names:
                    status = os.lstat(os.path.join(directory, name))
                    usage["size"] += max(0, status.st_size - status.st_blocks * 512)
            return usage
    return Fault


@fault
def usage_counts_links_twice(base):
    class Fault(base):
        def measure(self, record):
            import os
            usage = super().measure(record)
            for directory, _, names in os.walk(self.tree(record)):
                for name in names:
                    status = os.lstat(os.path.join(directory, name))
                    if status.st_nlink > 1 and (status.st_mode & 0o170000) == 0o100000:
                        usage["inodes"] += 1
                        usage["size"] += status.st_blocks * 512
            return usage
    return Fault


# refusals that do not come, or with another code ---------------------------------------------------------------------

@fault
def mounts_of_committed(base):
    class Fault(base):
        def mounts(self, request):
            record = self.find(request["key"])
            if record["kind"] == "COMMITTED":
                return self.mounts_of({**record, "kind": "VIEW"})
            return super().mounts(request)
    return Fault


@fault
def mounts_of_missing_is_internal(base):
    class Fault(base):
        def mounts(self, request):
            if request["key"] not in self.snapshots:
                raise Refused("INTERNAL", "no such snapshot")
            return super().mounts(request)
    return Fault


def overwriting(base, kinds):
    """A fault that lets a new snapshot replace one of the same key and one of `kinds`."""
    class Fault(base):
        def refuse_taken(self, name):
            if name in self.snapshots and self.snapshots[name]["kind"] in kinds:
                return
            super().refuse_taken(name)
    return Fault


@fault
def prepare_replaces_view(base):
    return overwriting(base, ("VIEW",))


@fault
def prepare_replaces_active(base):
    return overwriting(base, ("ACTIVE",))


@fault
def prepare_replaces_committed(base):
    return overwriting(base, ("COMMITTED",))


@fault
def active_parent_accepted(base):
    class Fault(base):
        def find_parent(self, name):
            record = self.find(name)
            return record if record["kind"] == "ACTIVE" else super().find_parent(name)
    return Fault


@fault
def missing_parent_is_none(base):
    class Fault(base):
        def create(self, kind, request):
            parent = request.get("parent", "")
            return super().create(kind, {**request, "parent": parent if parent in self.snapshots else ""})
    return Fault


@fault
def failed_prepare_takes_key(base):
    class Fault(base):
        def create(self, kind, request):
            try:
                return super().create(kind, request)
            except Refused as refused:
                if refused.code in ("NOT_FOUND", "INVALID_ARGUMENT") and request["key"] and request["key"] not in self.snapshots:
                    super().create(kind, {**request, "parent": "", "labels": {}})
                raise
    return Fault


@fault
def commit_over_taken_name(base):
    class Fault(base):
        def commit(self, request):
            taken = self.snapshots.get(request["name"])
            if taken and taken["kind"] == "COMMITTED" and self.find(request["key"])["kind"] == "ACTIVE":
                del self.snapshots[request["name"]]
            return super().commit(request)
    return Fault


@fault
def commit_of_view(base):
    class Fault(base):
        def commit(self, request):
            record = self.find(request["key"])
            if record["kind"] == "VIEW":
                self.refuse_taken(request["name"])
                self.make_tree(self.tree(record), self.snapshots.get(record["parent"]))
                record["kind"] = "ACTIVE"
            return super().commit(request)
    return Fault


@fault
def commit_of_missing_is_precondition(base):
    class Fault(base):
        def commit(self, request):
            if request["key"] not in self.snapshots:
                raise Refused("FAILED_PRECONDITION", "nothing to commit")
            return super().commit(request)
    return Fault


@fault
def refused_commit_takes_key(base):
    class Fault(base):
        def commit(self, request):
            try:
                return super().commit(request)
            except Refused as refused:
                if refused.code == "ALREADY_EXISTS" and request["key"] != request["name"]:
                    del self.snapshots[request["key"]]
                    self.save()
                raise
    return Fault


@fault
def remove_of_parent(base):
    class Fault(base):
        def remove(self, request):
            record = self.find(request["key"])
            for other in self.snapshots.values():
                if other["parent"] == request["key"] and other["kind"] == "VIEW":
                    del self.snapshots[request["key"]]
                    self.save()
                    return {}
            return super().remove(request) if record else {}
    return Fault


@fault
def remove_takes_children(base):
    class Fault(base):
        def remove(self, request):
            self.find(request["key"])
            for name, other in list(self.snapshots.items()):
                if other["parent"] == request["key"]:
                    self.remove({**request, "key": name})
            return super().remove(request)
    return Fault


@fault
def remove_of_missing(base):
    return refusing_less("remove", ("NOT_FOUND",), {})(base)


# walk ----------------------------------------------------------------------------------------------------------------

def walking(base, change):
    """A fault that changes the list that walk answers."""
    class Fault(base):
        def walk(self, request):
            return {"info": change(super().walk(request)["info"], request)}
    return Fault


@fault
def walk_repeats(base):
    return walking(base, lambda found, request: found + [info for info in found if info["parent"]][:1])


@fault
def walk_leaves_views_out(base):
    return walking(base, lambda found, request: [info for info in found if request.get("filters") or info["kind"] != "VIEW"])


@fault
def walk_stops_at_100(base):
    return walking(base, lambda found, request: found[:100])


@fault
def walk_shows_old_labels(base):
    return walking(base, lambda found, request: [{**info, "labels": {}} if info["updatedAt"] != info["createdAt"] else info
                                                 for info in found])


@fault
def filters_are_anded(base):
    class Fault(base):
        def walk(self, request):
            filters = request.get("filters", [])
            return super().walk({**request, "filters": [",".join(filters)] if filters else []})
    return Fault


@fault
def clauses_are_ored(base):
    class Fault(base):
        def walk(self, request):
            driver_parse = driver.parse
            clauses = [clause for text in request.get("filters", []) for clause in driver_parse(text)]
            return {"info": [self.info(name) for name, record in self.snapshots.items()
                             if not clauses or any(driver.holds(clause, name, record) for clause in clauses)]}
    return Fault


@fault
def bad_filter_is_none(base):
    class Fault(base):
        def walk(self, request):
            try:
                return super().walk(request)
            except Refused:
                return super().walk({**request, "filters": []})
    return Fault


@fault
def unequal_filter_needs_label(base):
    right = driver.holds
    driver.holds = lambda clause, name, record: right(clause, name, record) and not (
        clause[1] == "!=" and clause[0][0] == "labels" and ".".join(clause[0][1:]) not in record["labels"])
    return base


# what parallel calls see ---------------------------------------------------------------------------------------------

@fault
def calls_race(base):
    class Fault(base):
        def __init__(self, root):
            import fcntl
            super().__init__(root)
            fcntl.flock(self.lock, fcntl.LOCK_UN)

        def create(self, kind, request):
            import time
            time.sleep(0.01)
            return super().create(kind, request)
    return Fault

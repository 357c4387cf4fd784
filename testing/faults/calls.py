"""More faults in what calls answer and record: labels, filters, usage, names used again, refusals."""
import os
import stat

import driver
from driver import Refused
from registry import fault
from stacking import other_mounts
from trees import entries

def storing_labels(change):
    """A fault that stores change(labels) wherever labels are given."""
    def make(base):
        right = driver.checked
        driver.checked = lambda labels: change(right(labels))
        return base
    return make


for name, make in {
    "label_values_are_trimmed": storing_labels(lambda labels: {key: value.strip() for key, value in labels.items()}),
    "label_keys_fold_case": storing_labels(lambda labels: {key.lower(): value for key, value in labels.items()}),
    "label_values_are_cut_at_equals": storing_labels(lambda labels: {key: value.split("=")[0] for key, value in labels.items()}),
    "ten_labels_are_kept": storing_labels(lambda labels: dict(sorted(labels.items())[:10])),
    "one_label_is_kept": storing_labels(lambda labels: dict(sorted(labels.items())[:1])),
    "label_values_lose_other_letters": storing_labels(lambda labels: {key: value.encode("ascii", "replace").decode() for key, value in labels.items()}),
    "label_values_are_cut_at_255": storing_labels(lambda labels: {key: value[:255] for key, value in labels.items()}),
    "labels_of_other_domains_dropped": storing_labels(lambda labels: {key: value for key, value in labels.items()
                                                                      if not key.startswith("containerd.io/")}),
}.items():
    make.__name__ = name
    fault(make)


@fault
def prepare_drops_labels_of_children(base):
    class Fault(base):
        def create(self, kind, request):
            return super().create(kind, {**request, "labels": {}} if request.get("parent") else request)
    return Fault


@fault
def update_of_committed_lost(base):
    class Fault(base):
        def update(self, request):
            record = self.find(request["info"].get("name", ""))
            before = dict(record)
            answer = super().update(request)
            if record["kind"] == "COMMITTED":
                record.clear()
                record.update(before)
                self.save()
            return answer
    return Fault


@fault
def view_has_no_parent(base):
    class Fault(base):
        def info(self, name):
            info = super().info(name)
            return {**info, "parent": ""} if info["kind"] == "VIEW" else info
    return Fault


@fault
def committed_grandchild_has_wrong_parent(base):
    class Fault(base):
        def info(self, name):
            info = super().info(name)
            above = self.snapshots.get(info["parent"])
            return {**info, "parent": above["parent"]} if info["kind"] == "COMMITTED" and above and above["parent"] else info
    return Fault


@fault
def committed_times_differ(base):
    class Fault(base):
        def commit(self, request):
            created = self.find(request["key"])["createdAt"]
            answer = super().commit(request)
            self.snapshots[request["name"]]["updatedAt"] = created
            self.save()
            return answer
    return Fault


@fault
def usage_of_a_view_is_its_parents(base):
    class Fault(base):
        def usage(self, request):
            record = self.find(request["key"])
            if record["kind"] == "VIEW" and record["parent"]:
                return super().usage({**request, "key": record["parent"]})
            return super().usage(request)
    return Fault


@fault
def usage_is_the_apparent_size(base):
    class Fault(base):
        def measure(self, record):
            usage = super().measure(record)
            seen = {}
            for path, status in entries(self.tree(record)):
                seen[status.st_ino] = status.st_size if stat.S_ISREG(status.st_mode) else status.st_blocks * 512
            return {**usage, "size": sum(seen.values())}
    return Fault


@fault
def usage_leaves_directories_out(base):
    class Fault(base):
        def measure(self, record):
            usage = super().measure(record)
            found = [status for path, status in entries(self.tree(record)) if stat.S_ISDIR(status.st_mode)]
            return {"size": usage["size"], "inodes": usage["inodes"] - len(found)}
    return Fault


@fault
def usage_leaves_empty_files_out(base):
    class Fault(base):
        def measure(self, record):
            usage = super().measure(record)
            found = {status.st_ino for path, status in entries(self.tree(record)) if stat.S_ISREG(status.st_mode) and not status.st_size}
            return {"size": usage["size"], "inodes": usage["inodes"] - len(found)}
    return Fault


@fault
def committed_usage_is_live(base):
    """What is measured of a committed snapshot counts the trees of its children as well."""
    class Fault(base):
        def usage(self, request):
            record = self.find(request["key"])
            answer = dict(super().usage(request))
            if record["kind"] == "COMMITTED":
                for other in self.snapshots.values():
                    if other["parent"] == request["key"] and other["kind"] == "ACTIVE":
                        answer["size"] = int(answer["size"]) + self.measure(other)["size"]
            return answer
    return Fault


@fault
def keys_are_trimmed(base):
    class Fault(base):
        def create(self, kind, request):
            return super().create(kind, {**request, "key": request["key"].strip()})
    return Fault


@fault
def keys_with_slashes_refused(base):
    class Fault(base):
        def refuse_taken(self, name):
            super().refuse_taken(name)
            if "//" in name or ".." in name or name.startswith("/"):
                raise Refused("INVALID_ARGUMENT", f"{name!r} is no key")
    return Fault


@fault
def empty_key_accepted(base):
    class Fault(base):
        def refuse_taken(self, name):
            if name:
                super().refuse_taken(name)
    return Fault


@fault
def view_replaces_view(base):
    class Fault(base):
        def view(self, request):
            taken = self.snapshots.get(request["key"])
            if taken and taken["kind"] == "VIEW":
                del self.snapshots[request["key"]]
            return super().view(request)
    return Fault


@fault
def view_parent_may_be_a_view(base):
    class Fault(base):
        def view(self, request):
            parent = self.snapshots.get(request.get("parent", ""))
            while parent and parent["kind"] == "VIEW" and parent["parent"]:
                request = {**request, "parent": parent["parent"]}
                parent = self.snapshots.get(request["parent"])
            return super().view(request)
    return Fault


@fault
def commit_of_committed_accepted(base):
    class Fault(base):
        def commit(self, request):
            record = self.find(request["key"])
            if record["kind"] == "COMMITTED" and request["name"] not in self.snapshots and \
                    not any(other["parent"] == request["key"] for other in self.snapshots.values()):
                self.snapshots[request["name"]] = self.snapshots.pop(request["key"])
                self.save()
                return {}
            return super().commit(request)
    return Fault


@fault
def remove_sees_actives_alone(base):
    """A snapshot whose children are all committed can be removed."""
    class Fault(base):
        def remove(self, request):
            record = self.find(request["key"])
            found = [other for other in self.snapshots.values() if other["parent"] == request["key"]]
            if found and all(other["kind"] == "COMMITTED" for other in found):
                del self.snapshots[request["key"]]
                self.save()
                return {}
            return super().remove(request) if record else {}
    return Fault


@fault
def remove_with_children_is_busy(base):
    class Fault(base):
        def remove(self, request):
            try:
                return super().remove(request)
            except Refused as refused:
                raise Refused("UNAVAILABLE" if refused.code == "FAILED_PRECONDITION" else refused.code, str(refused)) from None
    return Fault


@fault
def removed_view_still_listed(base):
    class Fault(base):
        def remove(self, request):
            record = self.find(request["key"])
            answer = super().remove(request)
            if record["kind"] == "VIEW" and record["parent"]:
                self.snapshots[request["key"] + "-removed"] = record
                self.save()
            return answer
    return Fault


def filtering(change):
    """A fault in how a clause of a filter is held against a snapshot: change(right, clause, name, record)."""
    def make(base):
        right = driver.holds
        driver.holds = lambda clause, name, record: change(right, clause, name, record)
        return base
    return make


for name, make in {
    "filter_by_name_takes_prefixes": filtering(lambda right, clause, name, record: name.startswith(clause[2])
                                               if clause[0] == ["name"] and clause[1] == "==" else right(clause, name, record)),
    "filter_by_parent_is_not_heeded": filtering(lambda right, clause, name, record: True if clause[0] == ["parent"] and clause[1]
                                                else right(clause, name, record)),
    "filter_for_presence_is_not_heeded": filtering(lambda right, clause, name, record: clause[1] is None or right(clause, name, record)),
    "filter_of_unequal_name_is_equal": filtering(lambda right, clause, name, record: name == clause[2]
                                                 if clause[0] == ["name"] and clause[1] == "!=" else right(clause, name, record)),
    "filter_by_kind_knows_no_views": filtering(lambda right, clause, name, record: False if clause == (["kind"], "==", "view")
                                               else right(clause, name, record)),
    "filter_of_quoted_label_takes_its_first_word": filtering(
        lambda right, clause, name, record: right((["labels", clause[0][1].split(".")[0]], *clause[1:]), name, record)
        if clause[0][0] == "labels" else right(clause, name, record)),
}.items():
    make.__name__ = name
    fault(make)


@fault
def walk_leaves_the_base_out(base):
    class Fault(base):
        def walk(self, request):
            return {"info": [info for info in super().walk(request)["info"] if info["parent"] or info["kind"] != "COMMITTED"
                             or not any(other["parent"] == info["name"] for other in self.snapshots.values())]}
    return Fault


@fault
def second_key_of_a_name_refused(base):
    """A key that was committed once cannot be prepared again."""
    class Fault(base):
        def commit(self, request):
            answer = super().commit(request)
            with open(os.path.join(self.root, "used"), "a", encoding="utf-8") as file:
                file.write(request["key"] + "\n")
            return answer

        def refuse_taken(self, name):
            super().refuse_taken(name)
            used = os.path.join(self.root, "used")
            if os.path.exists(used) and name in open(used, encoding="utf-8").read().split("\n"):
                raise Refused("ALREADY_EXISTS", f"snapshot {name!r} existed")
    return Fault


@fault
def removed_name_cannot_be_committed(base):
    class Fault(base):
        def remove(self, request):
            record = self.find(request["key"])
            answer = super().remove(request)
            if record["kind"] == "COMMITTED":
                with open(os.path.join(self.root, "gone"), "a", encoding="utf-8") as file:
                    file.write(request["key"] + "\n")
            return answer

        def commit(self, request):
            gone = os.path.join(self.root, "gone")
            if os.path.exists(gone) and request["name"] in open(gone, encoding="utf-8").read().split("\n"):
                raise Refused("ALREADY_EXISTS", "the name was in use")
            return super().commit(request)
    return Fault


@fault
def views_are_noexec(base):
    return other_mounts(lambda self, record, mounts: [
        {**mount, "options": mount["options"] + ["noexec"]} if record["kind"] == "VIEW" else mount for mount in mounts])(base)

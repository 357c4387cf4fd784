#!/usr/bin/python3 -I
"""A whole driver for layermark in one file: every snapshot is a full copy of its parent.

    layermark check --driver exec:command=/path/to/driver.py

It shows all that the exec protocol (docs/exec-protocol.md) asks of a driver. What is in root:

    state.json        every snapshot's record, by key or name; replaced by rename, so that it is always whole
    lock              held while a call works, so that calls may come in parallel
    trees/ID          the files of a snapshot. A view has none of its own: it is its parent, mounted read-only
"""
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import time


class Refused(Exception):
    """An error of the protocol: a gRPC code and a message."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def now():
    """The time of day in RFC 3339, in nanoseconds."""
    seconds, ns = divmod(time.time_ns(), 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{ns:09}Z"


def checked(labels):
    """The labels to store: one that is too long is refused, an empty one is none."""
    for key, value in labels.items():
        if len((key + value).encode()) > 4096:
            raise Refused("INVALID_ARGUMENT", f"label {key[:40]}: longer than 4096 bytes")
    return {key: value for key, value in labels.items() if value}


# filters -------------------------------------------------------------------------------------------------------------

WORD = r'[A-Za-z][A-Za-z0-9_]*|"(?:[^"\\]|\\.)*"'
BARE, QUOTED = r'[^",\s]+', r'"(?:[^"\\]|\\.)*"'
PATTERN = r'/(?:[^/\\]|\\.)*/|\|(?:[^|\\]|\\.)*\|'  # an expression may stand between these as well
CLAUSE = re.compile(rf'\s*((?:{WORD})(?:\.(?:{WORD}))*)\s*'
                    rf'(?:(?:(==|!=)\s*({QUOTED}|{BARE})|(~=)\s*({QUOTED}|{PATTERN}|{BARE}))\s*)?')


def unquoted(text):
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def expression(text):
    try:
        return re.compile(text[1:-1] if re.fullmatch(PATTERN, text) else unquoted(text))
    except re.error as problem:
        raise Refused("INVALID_ARGUMENT", f"expression {text!r}: {problem}") from None


def parse(text):
    """The clauses of one filter, all of which must hold: (field words, operator or None, value or compiled expression)."""
    clauses, at = [], 0
    while text.strip():
        found = CLAUSE.match(text, at)
        if not found or text[found.end():found.end() + 1] not in ("", ","):
            raise Refused("INVALID_ARGUMENT", f"filter {text!r}: cannot be read at {text[at:]!r}")
        path = [unquoted(word) for word in re.findall(WORD, found[1])]
        operator = found[2] or found[4]
        clauses.append((path, operator, expression(found[5]) if operator == "~=" else unquoted(found[3] or "")))
        if found.end() == len(text):
            break
        at = found.end() + 1
    return clauses


def holds(clause, name, record):
    path, operator, wanted = clause
    fields = {"name": name, "kind": record["kind"].lower(), "parent": record["parent"] or None}
    value = fields.get(path[0]) if len(path) == 1 else record["labels"].get(".".join(path[1:])) if path[0] == "labels" else None
    if operator is None:
        return value is not None
    if operator == "!=":
        return value != wanted
    return value is not None and (value == wanted if operator == "==" else wanted.search(value) is not None)


# the driver ----------------------------------------------------------------------------------------------------------

class Driver:
    def __init__(self, root):
        self.root = root
        self.trees = os.path.join(root, "trees")
        os.makedirs(self.trees, exist_ok=True)
        self.lock = open(os.path.join(root, "lock"), "w", encoding="utf-8")
        fcntl.flock(self.lock, fcntl.LOCK_EX)  # until the process ends
        try:
            with open(os.path.join(root, "state.json"), encoding="utf-8") as file:
                state = json.load(file)
        except FileNotFoundError:
            state = {"next": 1, "snapshots": {}}
        self.next, self.snapshots = state["next"], state["snapshots"]

    def save(self):
        """The moment from which a change holds. Before it a crash leaves at most a tree that cleanup takes away."""
        path = os.path.join(self.root, "state.json")
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump({"next": self.next, "snapshots": self.snapshots}, file)
            file.flush()
            os.fsync(file.fileno())
        os.rename(path + ".new", path)

    def find(self, name):
        if name not in self.snapshots:
            raise Refused("NOT_FOUND", f"snapshot {name!r} does not exist")
        return self.snapshots[name]

    def find_parent(self, name):
        parent = self.find(name)
        if parent["kind"] != "COMMITTED":
            raise Refused("INVALID_ARGUMENT", f"parent {name!r} is not committed")
        return parent

    def refuse_taken(self, name):
        if not name:
            raise Refused("INVALID_ARGUMENT", "a key or name must not be empty")
        if name in self.snapshots:
            raise Refused("ALREADY_EXISTS", f"snapshot {name!r} exists")

    def tree(self, record):
        return os.path.join(self.trees, str(record["id"]))

    def info(self, name):
        record = self.snapshots[name]
        return {"name": name, **{field: record[field] for field in ("parent", "kind", "labels", "createdAt", "updatedAt")}}

    def mounts_of(self, record):
        writable = record["kind"] == "ACTIVE"
        shown = record if writable or not record["parent"] else self.snapshots[record["parent"]]
        return {"mounts": [{"type": "bind", "source": self.tree(shown), "options": ["rbind", "rw" if writable else "ro"]}]}

    def make_tree(self, tree, original):
        shutil.rmtree(tree, ignore_errors=True)  # of a call that a crash ended before its save
        os.mkdir(tree)
        os.chmod(tree, 0o755)  # whatever the umask says
        if original:
            # -a keeps owners, modes, times, attributes, hard links, holes and special files.
            subprocess.run(["cp", "-a", "--", self.tree(original) + "/.", tree], check=True, stdout=subprocess.DEVNULL)

    def create(self, kind, request):
        key, parent = request["key"], request.get("parent", "")
        labels = checked(request.get("labels", {}))
        self.refuse_taken(key)
        original = self.find_parent(parent) if parent else None
        created = now()
        record = {"id": self.next, "parent": parent, "kind": kind, "labels": labels, "createdAt": created, "updatedAt": created}
        self.next += 1
        try:
            if kind == "ACTIVE" or not parent:
                self.make_tree(self.tree(record), original)
            self.snapshots[key] = record
            self.save()
        except (OSError, subprocess.CalledProcessError) as problem:
            shutil.rmtree(self.tree(record), ignore_errors=True)
            raise Refused("INTERNAL", f"copying {parent!r}: {problem}") from None
        return self.mounts_of(record)

    def measure(self, record):
        """What the tree takes: allocated bytes, and inodes, each counted once however many names it has."""
        seen, size = set(), 0
        for directory, _, names in os.walk(self.tree(record)):
            for path in [directory] + [os.path.join(directory, name) for name in names]:
                status = os.lstat(path)
                if (status.st_dev, status.st_ino) not in seen:
                    seen.add((status.st_dev, status.st_ino))
                    size += status.st_blocks * 512
        return {"size": size, "inodes": len(seen)}

    # the verbs, one each

    def stat(self, request):
        self.find(request["key"])
        return {"info": self.info(request["key"])}

    def update(self, request):
        name, given = request["info"].get("name", ""), request["info"].get("labels", {})
        record = self.find(name)
        labels = dict(record["labels"])
        for path in request.get("updatePaths") or ["labels"]:
            if path == "labels":
                labels = dict(given)
            elif path.startswith("labels."):
                labels[path[len("labels."):]] = given.get(path[len("labels."):], "")
            else:
                raise Refused("INVALID_ARGUMENT", f"field {path!r} cannot be changed")
        record["labels"], record["updatedAt"] = checked(labels), now()
        self.save()
        return {"info": self.info(name)}

    def usage(self, request):
        record = self.find(request["key"])
        if record["kind"] == "ACTIVE":
            return self.measure(record)
        return record.get("usage", {"size": 0, "inodes": 0})  # a view takes nothing

    def mounts(self, request):
        record = self.find(request["key"])
        if record["kind"] == "COMMITTED":
            raise Refused("FAILED_PRECONDITION", f"snapshot {request['key']!r} is committed and has no mounts")
        return self.mounts_of(record)

    def prepare(self, request):
        return self.create("ACTIVE", request)

    def view(self, request):
        return self.create("VIEW", request)

    def commit(self, request):
        name, key = request["name"], request["key"]
        record = self.find(key)
        if record["kind"] != "ACTIVE":
            raise Refused("FAILED_PRECONDITION", f"snapshot {key!r} is not active")
        self.refuse_taken(name)
        if request.get("parent") not in (None, "", record["parent"]):
            raise Refused("UNIMPLEMENTED", "a snapshot cannot be given another parent")
        created = now()
        self.snapshots[name] = {"id": record["id"], "parent": record["parent"], "kind": "COMMITTED",
                                "labels": checked(request.get("labels", {})), "createdAt": created, "updatedAt": created,
                                "usage": self.measure(record)}
        del self.snapshots[key]
        self.save()
        return {}

    def remove(self, request):
        key = request["key"]
        record = self.find(key)
        if any(other["parent"] == key for other in self.snapshots.values()):
            raise Refused("FAILED_PRECONDITION", f"cannot remove snapshot {key!r}: it has children")
        del self.snapshots[key]
        self.save()
        shutil.rmtree(self.tree(record), ignore_errors=True)  # what stays is cleanup's
        return {}

    def walk(self, request):
        filters = [parse(text) for text in request.get("filters", [])]
        return {"info": [self.info(name) for name, record in self.snapshots.items()
                         if not filters or any(all(holds(c, name, record) for c in clauses) for clauses in filters)]}

    def cleanup(self, _):
        known = {str(record["id"]) for record in self.snapshots.values()}
        for name in set(os.listdir(self.trees)) - known:
            shutil.rmtree(os.path.join(self.trees, name))
        return {}


def capabilities():
    # What is mounted is a directory of the backing file system: what that can do is found by trying. The formula
    # is an extra; without it one case is skipped.
    return {"protocol": 1, "name": "copy.py", "version": "1.0", "capabilities": ["cleanup", "layers_128", "layers_500"],
            "inodeFormula": {"stores": "FULL_TREE", "perStore": 3, "explanation": "state.json, lock, trees; each tree whole"}}


VERBS = ("stat", "update", "usage", "mounts", "prepare", "view", "commit", "remove", "walk", "cleanup")


def main():
    verb, request = sys.argv[1], json.load(sys.stdin)
    try:
        if verb == "capabilities":
            answer = capabilities()
        elif verb in VERBS:
            answer = getattr(Driver(request["root"]), verb)(request)
        else:
            raise Refused("UNIMPLEMENTED", f"unknown verb {verb!r}")
    except Refused as refused:
        print(json.dumps({"error": {"code": refused.code, "message": str(refused)}}))
        return 1
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())

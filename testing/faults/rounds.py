"""In which order the cases look at a fault. The order decides how long it takes, not what is caught: a fault counts as
not caught only after all of them."""
import collections
import fnmatch
import math
import re

# By area of faults: the patterns of cases that are likeliest to see them, and whole areas next.
FIRST = {
    "stat": ("lifecycle.stat* lifecycle.*makes* lifecycle.*turns*", "lifecycle.*"),
    "names": ("lifecycle.*key*", "lifecycle.*"),
    "update": ("lifecycle.update* lifecycle.times* lifecycle.*labels*", "lifecycle.*"),
    "labels": ("lifecycle.*label*", "lifecycle.*"),
    "commit": ("lifecycle.*commit* lifecycle.*times*", "lifecycle.*"),
    "usage": ("usage.*", "lifecycle.*"),
    "mounts": ("lifecycle.mounts* view.* stacking.*layer*", "lifecycle.* special.* container.*"),
    "prepare": ("lifecycle.*key* lifecycle.*parent* lifecycle.failed*", "lifecycle.*"),
    "remove": ("lifecycle.*remove* lifecycle.*parent*", "lifecycle.*"),
    "walk": ("lifecycle.walk*", "lifecycle.*"),
    "parallel": ("lifecycle.*threads*", "lifecycle.*"),
    "cleanup": ("lifecycle.*cleanup* lifecycle.remove*", "lifecycle.* inodes.*"),
    "views": ("view.*", "stacking.* lifecycle.*"),
    "stacking": ("stacking.* lifecycle.*parent*", "lifecycle.* view.*"),
    "commit_whiteouts": ("whiteout.*", "stacking.* diff.*"),
    "commit_modes": ("metadata.*", "stacking.* special.* copy_up.*"),
    "commit_xattrs": ("xattr.* acl.*", "metadata.* diff.* copy_up.*"),
    "commit_times": ("metadata.*", "stacking.* special.* copy_up.*"),
    "commit_owners": ("metadata.* stacking.root*", "stacking.* special.*"),
    "commit_links": ("hardlink.*", "diff.*"),
    "commit_data": ("copy_up.*size* copy_up.sparse*", "copy_up.* stacking.*"),
    "commit_entries": ("special.* stacking.names*", "metadata.* stacking.* readdir.*"),
    "commit_changes": ("stacking.* special.symlink*", "metadata.* diff.* whiteout.* copy_up.*"),
    "prepare_copy": ("hardlink.names* xattr.user* metadata.times* copy_up.sparse* lifecycle.*keys*", "stacking.* metadata.*"),
    "data": ("copy_up.*", "descriptor.* stacking.*"),
    "links": ("hardlink.*", "copy_up.* rename.*"),
    "descriptors": ("descriptor.*", "rename.* copy_up.*"),
    "rename": ("rename.*", "whiteout.* metadata.*"),
    "identity": ("identity.* rename.* hardlink.*", "readdir.* copy_up.*"),
    "directories": ("whiteout.* metadata.directory* copy_up.parent*", "rename.* readdir.* metadata.*"),
    "readdir": ("readdir.*", "stacking.* whiteout.*"),
    "lookup": ("stacking.names* special.symlinks*", "rename.* readdir.* special.* stacking.*"),
    "whiteouts": ("whiteout.*", "readdir.* stacking.*"),
    "metadata": ("metadata.* copy_up.ch* copy_up.*times*", "special.* copy_up.* descriptor.*"),
    "permissions": ("metadata.* copy_up.*set_id* copy_up.*capability*", "acl.* copy_up.*"),
    "xattr": ("xattr.* acl.*", "copy_up.* metadata.*"),
    "special": ("special.*", "metadata.*"),
}
# Heavy ones.
LAST = ("container", "oci", "inodes", "hostile", "self_check", "diff", "stack", "limits")


def words(text):
    """The stems of its words: enough to see that "symlinks" and "symlink" are one."""
    return {word.rstrip("s")[:6] for word in re.findall(r"[a-z0-9]+", text.lower().replace("_", " ")) if len(word) > 2}


def sources(prop):
    """What a case that names the property of a fault may have among its sources."""
    kind, _, number = prop.rpartition(" ")
    return {"fs": {f"properties {number}"}, "snapshotter": {f"rule {number}", f"rules {number}"},
            "layer": {number, f"rule {number}"}, "peer": {number, f"peer-checks {number}"}}.get(kind, {prop})


# Areas in which a fault of what happens on the mount, or of what a commit keeps, shows soonest; the others are about
# calls. And cases that take as long as a hundred others, whatever their names say.
OF_TREES = ("acl", "changes", "copy_up", "descriptor", "hardlink", "identity", "keeps", "lookup", "metadata", "readdir", "rename",
            "special", "whiteout", "xattr")
MANY = 24
LONG = ("lifecycle.walk_sees_more_than_a_page", "stacking.a_hundred_and_twenty_eight_layers")


def nearest(fault, cases):
    """The cases that share the fault's property, and the most words with it, rare words counting more."""
    texts = {name: words(name + " " + case["claim"]) for name, case in cases.items()}
    counts = collections.Counter(word for text in texts.values() for word in text)
    wanted = words(f"{fault.name} {fault.sentence} {fault.area}")
    of_trees = fault.kind == "run_time" or fault.area.startswith(("commit_", "prepare_copy"))

    def score(name):
        shared = sum(math.log(len(texts) / counts[word]) for word in texts[name] & wanted)
        ranges = of_trees and fault.kind != "run_time" and name.split(".")[0] in ("keeps", "changes")
        return shared + 3 * bool(sources(fault.property) & set(cases[name]["sources"])) + 3 * ranges
    trees = OF_TREES + (("stacking",) if fault.area == "prepare_copy" else ())
    names = [name for name in cases if name not in LONG and name.split(".")[0] not in LAST
             and (name.split(".")[0] in trees or not of_trees)]
    return sorted(names, key=lambda name: -score(name))


def rounds(fault, cases, known=()):
    """Lists of names of cases, which together are all of `cases`, rows of `cases --format json` by name, each once. First
    come `known`, the cases that caught the fault when it was measured before; the long ones come last, but for those."""
    order = nearest(fault, cases)
    wide = [["keeps.*", "changes.*"]] if fault.area.startswith(("commit_", "prepare_copy")) else []
    # A fault of an operation may pass for a capability that is missing.
    probed = ["capability.what_is_accepted_takes_effect"] if fault.kind == "run_time" else []
    # A long one that names the property is not left for last.
    named = [case for case in cases if (case in LONG or case.startswith("limits."))
             and sources(fault.property) & set(cases[case]["sources"])]
    left, parts = sorted(cases), []
    for globs in [list(known), order[:2], order[2:12] + probed, named] + wide + by_area(fault.area, list(cases)):
        part = [case for case in left if any(fnmatch.fnmatchcase(case, text) for text in globs)
                and (case in globs or case not in LONG)]
        left = [case for case in left if case not in part]
        # A few at a time: the next ones are not run where these catch the fault.
        parts += [part[at:at + MANY] for at in range(0, len(part), MANY)]
    return parts + ([left] if left else [])


def by_area(area, cases):
    """Lists of patterns: what is likeliest for the area, then all others."""
    first, second = (text.split() for text in FIRST.get(area, ("", "")))
    areas = sorted({case.split(".")[0] for case in cases} - {text[:-2] for text in first + second if text.endswith(".*")})
    return [first, second, [name + ".*" for name in areas if name not in LAST], [name + ".*" for name in areas if name in LAST]]

#!/usr/bin/python3
"""Breaks copies of the example driver by hand, one way each, and demands that the case for it says so.

The driver of examples/exec-driver passes everything. Each fault below is a change of its text, such as an author's slip
would be. The named cases must catch it, with that verdict and a reason that names what is wrong; and cases that have
nothing to do with it must pass still, so that no fault is found by breaking everything.
Usage: broken_programs.py LAYERMARK [--all] [NAME...]
  NAME   only these faults        --all   run every case on each fault, and print all that catch it (minutes each)
Exit status: 0 each was caught, 1 one was not, 2 it could not be tried.
"""
import argparse
import fnmatch
import json
import os
import subprocess
import sys
import tempfile

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DRIVER = os.path.join(SOURCE, "examples", "exec-driver", "driver.py")
BYSTANDERS = ("lifecycle.close_twice", "view.of_nothing_is_empty", "self_check.comparison_sees_content")

COPY = '["cp", "-a", "--", '
WALK = "        filters = [parse"
PREPARE = '        return self.create("ACTIVE", request)'
VIEW = '        return self.create("VIEW", request)'
COMMIT_LABELS = '"labels": checked(request.get("labels", {})), "createdAt": created, "updatedAt": created,\n                                "usage"'


def fault(*changes, fails=(), breaks=(), bystanders=BYSTANDERS, options=""):
    """`fails`, `breaks`: (case, part of the reason) with verdict fail or error."""
    return {"changes": changes, "options": options, "bystanders": bystanders,
            "expected": [(case, "fail", reason) for case, reason in fails] +
                        [(case, "error", reason) for case, reason in breaks]}


def copies_with(words):
    return (COPY, f'["cp", {words}, "--", ')


FAULTS = {
    # what a snapshot shows
    "parent_is_ignored": fault(
        ("        if original:\n", "        if original and False:\n"),
        fails=[("stacking.two_layers", "ENOENT"), ("copy_up.append_keeps_the_start", "ENOENT"), ("view.stays_while_a_sibling_changes", "")]),
    "active_snapshots_share_their_parent": fault(
        ("shown = record if writable or not record", "shown = record if not record"),
        fails=[("copy_up.append_keeps_the_start", "the parent is not what the model says"),
               ("hardlink.write_through_one_name", "the parent is not what the model says")]),
    "files_share_their_inode_with_the_parent": fault(
        copies_with('"-al"'),
        fails=[("copy_up.append_keeps_the_start", "the parent is not what the model says: d/f: digest"),
               ("view.stays_while_a_sibling_changes", "digest")]),
    "removals_are_lost_at_commit": fault(
        ("        created = now()\n        self.snapshots[name]",
         '        if record["parent"]:\n'
         '            below = self.tree(self.snapshots[record["parent"]])\n'
         '            subprocess.run(["cp", "-an", "--", below + "/.", self.tree(record)], check=True)\n'
         "        created = now()\n        self.snapshots[name]"),
        fails=[("whiteout.unlink_hides_lower_file", "committed: "), ("hardlink.unlink_of_one_name", "committed: a: unexpected")]),
    "commit_drops_the_last_changes": fault(
        ("        created = now()\n        self.snapshots[name]",
         "        newest = max(os.scandir(self.tree(record)), key=lambda e: e.stat(follow_symlinks=False).st_ctime_ns, default=None)\n"
         "        if newest and newest.is_file(follow_symlinks=False):\n            os.unlink(newest.path)\n"
         "        created = now()\n        self.snapshots[name]"),
        fails=[("hardlink.link_to_a_lower_file", "missing")]),
    "views_are_writable": fault(
        ('"rw" if writable else "ro"', '"rw"'),
        fails=[("view.is_read_only", "worked on a view"), ("view.of_two_layers_is_read_only", "worked on a view")],
        bystanders=BYSTANDERS[:1]),
    "views_show_the_parents_parent": fault(
        ('self.snapshots[record["parent"]]\n', 'self.snapshots[self.snapshots[record["parent"]]["parent"] or record["parent"]]\n'),
        fails=[("view.of_two_layers_is_read_only", "the view:"), ("stacking.two_layers", "")]),
    "mounts_answers_another_mount": fault(
        ('has no mounts")\n        return self.mounts_of(record)', 'has no mounts")\n        return self.mounts_of({**record, "kind": "VIEW"})'),
        fails=[("lifecycle.mounts_answers_what_prepare_did", "Mounts differs from Prepare")]),
    # what a copy keeps
    "attributes_are_dropped": fault(
        copies_with('"-dR", "--preserve=mode,ownership,timestamps,links"'),
        fails=[("xattr.*", "user."), ("copy_up.setxattr_keeps_the_other_attributes", "xattr:")]),
    "trusted_attributes_are_dropped": fault(
        ("check=True, stdout=subprocess.DEVNULL)\n",
         "check=True, stdout=subprocess.DEVNULL)\n"
         "            for path in [os.path.join(d, n) for d, ds, fs in os.walk(tree) for n in ds + fs]:\n"
         "                for name in os.listxattr(path, follow_symlinks=False):\n"
         "                    if name.startswith('trusted.'):\n"
         "                        os.removexattr(path, name, follow_symlinks=False)\n"),
        fails=[("xattr.trusted_attributes_pass_through_layers", "does not start as it: ")]),
    "times_are_dropped": fault(
        copies_with('"-dR", "--preserve=mode,ownership,links,xattr"'),
        fails=[("stacking.two_layers", "mtime"), ("copy_up.append_keeps_the_start", "mtime")]),
    "owners_are_dropped": fault(
        copies_with('"-dR", "--preserve=mode,timestamps,links,xattr"'),
        fails=[("metadata.owners_of_every_kind", "uid")]),
    "hard_links_are_split": fault(
        copies_with('"-PR", "--preserve=mode,ownership,timestamps,xattr"'),
        fails=[("hardlink.names_of_a_layer_stay_one_file", "link_group: expected a, got none")]),
    "symlinks_are_followed": fault(
        copies_with('"-aL"'),
        fails=[("copy_up.chmod_keeps_content", "d/link: type: expected symlink, got regular")]),
    "the_root_is_closed": fault(
        ("os.chmod(tree, 0o755)", "os.chmod(tree, 0o700)"),
        fails=[("stacking.no_parent_is_an_empty_root", "permissions: expected 0755, got 0700")]),
    # names, kinds and parents
    "commit_keeps_the_key": fault(
        ("        del self.snapshots[key]\n        self.save()\n        return {}\n\n    def remove",
         "        self.save()\n        return {}\n\n    def remove"),
        fails=[("lifecycle.commit_turns_active_into_committed", "model: Stat(a) -> NOT_FOUND"),
               ("lifecycle.a_key_is_free_after_commit_and_remove", "ALREADY_EXISTS")]),
    "parents_can_be_removed": fault(
        ('if any(other["parent"] == key for other', 'if False and any(other["parent"] == key for other'),
        fails=[("lifecycle.remove_with_children_is_refused", "Remove(base) -> OK; model: Remove(base) -> FAILED_PRECONDITION")]),
    "an_active_snapshot_can_be_a_parent": fault(
        ('if parent["kind"] != "COMMITTED"', 'if parent["kind"] == "VIEW"'),
        fails=[("lifecycle.only_committed_parents", "Prepare(a, active) -> OK mounts; model: Prepare(a, active) -> INVALID_ARGUMENT")]),
    "a_taken_name_is_overwritten": fault(
        ("        self.refuse_taken(name)\n        if request.get", "        if request.get"),
        fails=[("lifecycle.commit_onto_a_taken_name", "model: Commit(base, b) -> ALREADY_EXISTS")]),
    "a_removed_key_stays_taken": fault(
        ("        del self.snapshots[key]\n        self.save()\n        shutil",
         '        self.snapshots["gone"] = self.snapshots[key]\n        self.save()\n        shutil'),
        fails=[("lifecycle.remove_of_nothing", "model: Remove(a) -> NOT_FOUND")]),
    "errors_have_the_wrong_code": fault(
        ('raise Refused("NOT_FOUND"', 'raise Refused("UNKNOWN"'),
        fails=[("lifecycle.stat_of_nothing", "UNKNOWN; model: Stat(missing) -> NOT_FOUND"), ("lifecycle.missing_parent_is_not_found", "UNKNOWN")]),
    "a_refused_call_leaves_a_directory": fault(
        ("        self.refuse_taken(key)\n        original",
         '        os.mkdir(os.path.join(self.trees, f"new.{time.time_ns()}"))\n        self.refuse_taken(key)\n        original'),
        fails=[("lifecycle.failed_prepare_leaves_nothing", "left behind: trees/new.")]),
    "removed_trees_stay": fault(
        ("        shutil.rmtree(self.tree(record), ignore_errors=True)  # what stays is cleanup's\n", ""),
        ("            shutil.rmtree(os.path.join(self.trees, name))", "            pass"),
        fails=[("lifecycle.remove_gives_the_space_back", "left behind: trees/")]),
    "keys_lose_their_case": fault(
        ("    verb, request = sys.argv[1], json.load(sys.stdin)\n",
         "    verb, request = sys.argv[1], json.load(sys.stdin)\n"
         "    request |= {field: request[field].lower() for field in ('key', 'name', 'parent') if field in request}\n"),
        fails=[("lifecycle.similar_keys_are_apart", "model: Prepare(A, ) -> OK mounts")]),
    "a_slash_in_a_key_is_a_dash": fault(
        ("    verb, request = sys.argv[1], json.load(sys.stdin)\n",
         "    verb, request = sys.argv[1], json.load(sys.stdin)\n"
         "    request |= {field: request[field].replace('/', '-') for field in ('key', 'name', 'parent') if field in request}\n"),
        fails=[("lifecycle.keys_are_any_text", "default-12-sha256:0a"), ("lifecycle.similar_keys_are_apart", "Prepare(a-b, ) -> ALREADY_EXISTS")]),
    "stores_share_their_state": fault(
        ('        path = os.path.join(self.root, "state.json")\n', '        path = os.path.join(os.path.dirname(self.root), "state.json")\n'),
        ('open(os.path.join(root, "state.json")', 'open(os.path.join(os.path.dirname(root), "state.json")'),
        fails=[("lifecycle.stores_are_apart", "the first store's snapshot in the second")], bystanders=BYSTANDERS[2:]),
    "cleanup_takes_what_is_young": fault(
        ("- known:", "- set(sorted(known, key=int)[:-1]):"),
        fails=[("lifecycle.cleanup_spares_what_is_being_made", "")]),
    # labels, times, usage, walk
    "commit_loses_its_labels": fault(
        (COMMIT_LABELS, COMMIT_LABELS.replace('checked(request.get("labels", {}))', "{}")),
        fails=[("lifecycle.labels_are_stored", "{committed=yes}")]),
    "commit_inherits_labels": fault(
        (COMMIT_LABELS, COMMIT_LABELS.replace("checked(", 'checked(record["labels"] | ')),
        fails=[("lifecycle.commit_does_not_inherit_labels", "{active=1}")]),
    "update_ignores_field_paths": fault(
        ('for path in request.get("updatePaths") or ["labels"]', 'for path in ["labels"]'),
        fails=[("lifecycle.update_of_one_label", "Update(a, [labels.x])"), ("lifecycle.update_of_anything_else_is_refused", "Update(a, [parent])")]),
    "update_moves_the_time_of_creation": fault(
        ('record["labels"], record["updatedAt"] = checked(labels), now()',
         'record["labels"], record["updatedAt"] = checked(labels), now()\n        record["createdAt"] = record["updatedAt"]'),
        fails=[("lifecycle.times_of_a_snapshot", "created after Update")]),
    "commit_keeps_the_time_of_creation": fault(
        ("        created = now()\n        self.snapshots[name]", '        created = record["createdAt"]\n        self.snapshots[name]'),
        fails=[("lifecycle.commit_starts_its_times_anew", "created is not later")]),
    "long_labels_are_taken_by_commit": fault(
        (COMMIT_LABELS, COMMIT_LABELS.replace('checked(request.get("labels", {}))', 'request.get("labels", {})')),
        fails=[("lifecycle.long_labels_are_refused_by_every_call", "model: Commit(base, a) -> INVALID_ARGUMENT"),
               ("lifecycle.empty_labels_are_none", "empty=")]),
    "long_labels_are_taken": fault(
        ("> 4096", "> 40960"),
        fails=[("lifecycle.long_labels_are_refused", "INVALID_ARGUMENT")]),
    "usage_is_zero": fault(
        ('return {"size": size, "inodes": len(seen)}', 'return {"size": 0, "inodes": 0}'),
        fails=[("usage.grows_with_what_is_written", "size went from 0 to 0"), ("usage.is_frozen_at_commit", "no inodes counted")]),
    "usage_counts_each_name": fault(
        ("                    seen.add((status.st_dev, status.st_ino))\n", "                    seen.add(path)\n"),
        fails=[("usage.counts_a_file_once", "bytes for one file of 1 MiB")]),
    "walk_ends_after_a_page": fault(
        ("for name, record in self.snapshots.items()\n", "for name, record in list(self.snapshots.items())[:100]\n"),
        fails=[("lifecycle.walk_sees_more_than_a_page", "snapshots seen: expected 130, got 100")]),
    "walk_drops_one": fault(
        ("for name, record in self.snapshots.items()\n", "for name, record in list(self.snapshots.items())[1:]\n"),
        fails=[("lifecycle.walk_sees_each_once", "model: Walk() -> OK [active active"), ("lifecycle.walk_filters", "Walk(")]),
    "walk_ignores_filters": fault(
        ("if not filters or any(", "if True or any("),
        fails=[("lifecycle.walk_filters", "Walk(name==one)")]),
    "state_is_not_locked": fault(
        ("        fcntl.flock(self.lock, fcntl.LOCK_EX)  # until the process ends\n", ""),
        breaks=[("lifecycle.many_keys_from_many_threads", "standard error:")]),
    # claims and the protocol itself
    "claims_what_it_cannot": fault(
        ('["cleanup", "layers_128"', '["reflink", "cleanup", "layers_128"'),
        fails=[("capability.declared_and_probed_agree", "reflink is claimed, but: ")]),
    "speaks_another_version": fault(
        ('"protocol": 1', '"protocol": 2'),
        breaks=[("lifecycle.stat_of_nothing", "version 2 of the protocol"), ("view.is_read_only", "version 2")], bystanders=BYSTANDERS[2:]),
    "writes_noise_to_standard_output": fault(
        ("    print(json.dumps(answer))\n", '    print("done:", json.dumps(answer))\n'),
        breaks=[("lifecycle.stat_of_nothing", 'not one JSON object: "done:'), ("view.is_read_only", "done:")], bystanders=BYSTANDERS[2:]),
    "walk_writes_noise": fault(
        (WALK, '        print("walking")\n' + WALK),
        breaks=[("lifecycle.walk_filters", 'walk: standard output is not one JSON object: "walking')]),
    "answers_without_end": fault(
        (WALK, '        sys.stdout.write("x" * (17 << 20))\n' + WALK),
        breaks=[("lifecycle.walk_filters", "walk: ")]),
    "errors_exit_with_3": fault(
        ("        return 1\n", "        return 3\n"),
        breaks=[("lifecycle.stat_of_nothing", "stat: exit status 3"), ("lifecycle.remove_of_nothing", "remove: exit status 3")]),
    "codes_are_spelled_otherwise": fault(
        ('raise Refused("NOT_FOUND"', 'raise Refused("not_found"'),
        breaks=[("lifecycle.stat_of_nothing", '"not_found" is no code of an error')]),
    "walk_hangs": fault(
        (WALK, "        time.sleep(1000)\n" + WALK),
        breaks=[("lifecycle.walk_filters", "walk: no end after 3 s, killed")], options=",deadline=3"),
    "prepare_hangs": fault(
        (PREPARE, "        time.sleep(1000)\n" + PREPARE),
        breaks=[("lifecycle.prepare_makes_an_active_snapshot", "prepare: no end after 3 s, killed")], options=",deadline=3",
        bystanders=BYSTANDERS[1:]),
    "view_crashes": fault(
        (VIEW, "        os.kill(os.getpid(), 11)"),
        breaks=[("view.is_read_only", "view: killed by SIGSEGV"), ("lifecycle.view_makes_a_view_snapshot", "SIGSEGV")],
        bystanders=("lifecycle.close_twice", "lifecycle.stat_of_nothing")),
    "a_bug_of_the_program": fault(
        (PREPARE, '        return self.create("ACTIVE", request["keys"])'),
        breaks=[("lifecycle.prepare_makes_an_active_snapshot", "KeyError: 'keys'")], bystanders=BYSTANDERS[1:]),
}


class CannotTry(Exception):
    pass


def check(program, driver, options, filters, out):
    words = [program, "check", "--driver", f"exec:command={driver}{options}", "--out", out]
    for glob in filters:
        words += ["--filter", glob]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    try:
        with open(os.path.join(out, "results.json"), encoding="utf-8") as file:
            return json.load(file)["conformance"], done.returncode
    except OSError:
        raise CannotTry(f"{' '.join(words)}: no record: {done.stderr[-500:]}") from None


def complaints(rows, status, expected, bystanders):
    """What is not as it must be; empty: the fault was caught as it should be."""
    wrong = [] if status == 1 else [f"exit status {status} instead of 1"]
    for case, verdict, reason in expected:
        mine = [row for row in rows if fnmatch.fnmatchcase(row["case"], case)]
        if not any(row["verdict"] == verdict and reason in row["reason"] for row in mine):
            seen = "; ".join(f"{row['case']} {row['verdict']}: {row['reason'][:200]}" for row in mine if row["verdict"] != "pass")
            wrong.append(f"{case} does not {verdict} with {reason!r}: {seen or 'it passes'}")
    for row in rows:
        if row["case"] in bystanders and row["verdict"] != "pass":
            wrong.append(f"{row['case']} has nothing to do with it: {row['verdict']}: {row['reason'][:200]}")
    return wrong


def try_fault(program, text, name, every_case):
    entry = FAULTS[name]
    for old, new in entry["changes"]:
        if text.count(old) != 1:
            raise CannotTry(f"{name}: the driver holds the text to replace {text.count(old)} times; it must be once: {old!r}")
        text = text.replace(old, new)
    with tempfile.TemporaryDirectory(prefix="broken-program.") as scratch:
        driver = os.path.join(scratch, "driver.py")
        with open(driver, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(driver, 0o755)
        filters = [] if every_case else sorted({case for case, _, _ in entry["expected"]} | set(entry["bystanders"]))
        rows, status = check(program, driver, entry["options"], filters, os.path.join(scratch, "out"))
    wrong = complaints(rows, status, entry["expected"], entry["bystanders"])
    caught = [row["case"] for row in rows if row["verdict"] not in ("pass", "skip")]
    for row in rows if every_case else []:
        if row["case"] in caught:
            print(f"    {row['case']} {row['verdict']}: {row['reason'].splitlines()[0][:160]}")
    print(f"{name}: {'NOT CAUGHT AS IT SHOULD BE' if wrong else 'caught'} by {len(caught)} of {len(rows)}: {', '.join(caught[:4]) or 'nothing'}", flush=True)
    for line in wrong:
        print(f"    {line}", flush=True)
    return not wrong


def whole_driver_passes(program, names):
    """What is not broken passes the same cases; otherwise nothing below means anything."""
    filters = sorted({case for name in names for case, _, _ in FAULTS[name]["expected"]} | set(BYSTANDERS))
    with tempfile.TemporaryDirectory(prefix="broken-program.") as out:
        rows, status = check(program, DRIVER, "", filters, out)
    bad = [f"{row['case']} {row['verdict']}: {row['reason'][:300]}" for row in rows if row["verdict"] not in ("pass", "skip")]
    print(f"the whole driver: {len(rows)} cases, {len(bad)} bad", flush=True)
    for line in bad:
        print(f"    {line}")
    return status == 0 and rows and not bad


def main():
    parser = argparse.ArgumentParser(description="Breaks copies of the example driver and looks for the cases that catch it.")
    parser.add_argument("program")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--all", action="store_true")
    args = parser.parse_intermixed_args()
    unknown = [name for name in args.names if name not in FAULTS]
    if unknown or os.geteuid() != 0:
        print(f"broken_programs: {'no fault ' + unknown[0] if unknown else 'needs root'}", file=sys.stderr)
        return 2
    names = args.names or list(FAULTS)
    program = os.path.abspath(args.program)
    with open(DRIVER, encoding="utf-8") as file:
        text = file.read()
    try:
        if not whole_driver_passes(program, names):
            return 1
        caught = sum(try_fault(program, text, name, args.all) for name in names)
    except (CannotTry, OSError) as problem:
        print(f"broken_programs: {problem}", file=sys.stderr)
        return 2
    print(f"{caught} caught, {len(names) - caught} not")
    return 0 if caught == len(names) else 1


if __name__ == "__main__":
    sys.exit(main())

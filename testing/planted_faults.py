#!/usr/bin/python3
"""Plants faults in layermark, one at a time, and demands that a named case catches each, and that the workloads that it
spoils are wrong and have no time.

A fault is a change of one source file. It is compiled alone, with the build's own command, and linked with the rest of
the build into a program of its own; the source tree and the build are left as they are.
Usage: planted_faults.py BUILD_DIRECTORY [NAME...]     Exit status: 0 each was caught, 1 one was not, 2 cannot be tried.
"""
import json
import os
import shlex
import subprocess
import sys
import tempfile

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# name, file, text to replace, replacement, driver, case that must fail (or None), workload that must be wrong (or None)
FAULTS = [
    ("commit_keeps_the_labels", "drivers/support/snapshot_store.cc",
     "committed.info.labels = StorableLabels(labels);", "(void)labels;",
     "plain", "lifecycle.commit_does_not_inherit_labels", None),
    ("parents_can_be_removed", "drivers/support/snapshot_store.cc",
     "if (records_.index().HasChildren(record.id))", "if (records_.index().HasChildren(record.id) && key.empty())",
     "plain", "lifecycle.remove_with_children_is_refused", None),
    ("a_parent_is_swapped_for_its_own", "drivers/support/snapshot_store.cc",
     "record.parent_id = found->id;", "record.parent_id = found->parent_id != 0 ? found->parent_id : found->id;",
     "overlay2", "stacking.two_layers", "stack_mount"),
    ("an_active_snapshot_can_be_a_parent", "drivers/support/snapshot_store.cc",
     "if (found->kind != Kind::kCommitted) {\n        return InvalidArgument",
     "if (found->kind == Kind::kUnknown) {\n        return InvalidArgument",
     "plain", "lifecycle.only_committed_parents", None),
    ("walk_forgets_its_filters", "drivers/support/snapshot_store.cc",
     "if (wanted.Matches(record.info)) LM_TRY", "if (wanted.Matches(record.info) || true) LM_TRY",
     "plain", "lifecycle.walk_filters", None),
    ("whiteouts_are_lost", "core/oci/tar_apply.cc",
     "if (exists) LM_TRY(RemoveExisting(frame, name));", "if (exists && overlay) LM_TRY(RemoveExisting(frame, name));",
     "overlay2", "oci.whiteout_hides_every_type", "stack_unpack"),
    ("an_xattr_is_dropped", "core/oci/apply_attributes.cc",
     "for (const Xattr& xattr : header.xattrs) {", "for (const Xattr& xattr : header.xattrs) {\n    if (xattr.name.starts_with(\"user.\")) continue;",
     "overlay2", "oci.user_xattrs_are_applied", "stack_unpack"),
    ("a_time_is_rounded_to_seconds", "core/oci/apply_attributes.cc",
     "static_cast<long>(rest)};", "static_cast<long>(rest - rest)};",
     "overlay2", "oci.times_are_kept_to_the_nanosecond", "stack_unpack"),
    ("layers_are_stacked_upside_down", "drivers/support/union_mechanism.cc",
     "spec.lowers = parents;", "spec.lowers.assign(parents.rbegin(), parents.rend());",
     "overlay2", "stacking.upper_file_hides_lower", "stack_mount"),
    ("the_comparison_ignores_types", "core/tree/compare.cc",
     "if (expected.type != actual.type) {", "if (expected.type != actual.type && path.empty()) {",
     "plain", "self_check.comparison_sees_types_and_targets", None),
    ("the_comparison_ignores_lost_attributes", "core/tree/compare.cc",
     "Add(path, \"xattr:\" + left->name, XattrText(&*left), XattrText(nullptr));", "",
     "plain", "self_check.comparison_sees_attributes", None),
    ("the_comparison_ignores_content", "core/tree/compare.cc",
     "if (expected.digest != actual.digest &&", "if (expected.digest.size() != actual.digest.size() &&",
     "plain", "self_check.comparison_sees_content", None),
    ("a_diff_forgets_removals", "core/oci/diff_scan.cc",
     "node.whiteout = node.emit = true;", "node.whiteout = true;",
     "plain", "diff.deleted_names", None),
    ("a_stack_loses_its_lowest_layer", "drivers/overlay2/driver.cc",
     'mount.options.push_back("lowerdir=" + lower);',
     'if (&lower == &spec.lowers[0] || &lower != &spec.lowers.back()) mount.options.push_back("lowerdir=" + lower);',
     "overlay2", "stack.lowers_on_another_file_system", "stack_mount"),
    ("a_full_store_has_no_room_to_remove", "drivers/support/database_room.cc",
     "flags |= FS_NOCOW_FL;", "(void)FS_NOCOW_FL;",
     "btrfs", "hostile.full_store_keeps_its_snapshots", None),
]


class CannotTry(Exception):
    pass


class Build:
    def __init__(self, directory):
        self.directory = os.path.abspath(directory)
        with open(os.path.join(self.directory, "compile_commands.json"), encoding="utf-8") as f:
            self.commands = {os.path.relpath(entry["file"], SOURCE): entry["command"] for entry in json.load(f)}
        lines = subprocess.run(["ninja", "-t", "commands", "cli/layermark"], cwd=self.directory, check=True,
                               capture_output=True, text=True).stdout.splitlines()
        self.link = lines[-1]

    def program_with(self, file, text, scratch):
        """The program with `file` replaced by `text`."""
        if file not in self.commands:
            raise CannotTry(f"{file} is not part of the build")
        source = os.path.join(scratch, os.path.basename(file))
        with open(source, "w", encoding="utf-8") as f:
            f.write(text)
        compile_words = shlex.split(self.commands[file])
        old_object = compile_words[compile_words.index("-o") + 1]
        new_object = os.path.join(scratch, "fault.o")
        compile_words[compile_words.index("-o") + 1] = new_object
        compile_words[compile_words.index("-c") + 1] = source
        self.run([w for w in compile_words if w != "-Werror"])
        program = os.path.join(scratch, "layermark")
        link = self.link.replace(" -o cli/layermark ", f" -o {shlex.quote(program)} ")
        given = [word for word in link.split() if os.path.normpath(word) == os.path.normpath(old_object)]
        if given:
            link = link.replace(given[0], shlex.quote(new_object))
        else:  # it lies in an archive: an object of the same symbols before it is taken instead
            link = link.replace(f" -o {shlex.quote(program)} ", f" {shlex.quote(new_object)} -o {shlex.quote(program)} ")
        self.run(["sh", "-c", link])
        return program

    def run(self, words):
        done = subprocess.run(words, cwd=self.directory, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CannotTry(f"{' '.join(words)[:200]}: {done.stderr[-2000:]}")


def record_of(program, words, out):
    done = subprocess.run([program, *words, "--out", out], capture_output=True, text=True, check=False)
    try:
        with open(os.path.join(out, "results.json"), encoding="utf-8") as f:
            return json.load(f), done.returncode
    except OSError:
        raise CannotTry(f"{' '.join(words)}: no record: {done.stderr[-500:]}") from None


def verdict_of_case(program, driver, case, scratch):
    """Only `fail` is a fault caught: an `error` is a case that could not be judged."""
    record, status = record_of(program, ["check", "--driver", driver, "--filter", case], os.path.join(scratch, "check"))
    rows = record["conformance"]
    if [row["case"] for row in rows] != [case]:
        raise CannotTry(f"{case} on {driver}: {len(rows)} rows in the record, not one")
    if (rows[0]["verdict"] == "fail") != (status == 1):
        return f"{rows[0]['verdict']}, but exit {status}"
    return rows[0]["verdict"]


def spoils_workload(program, driver, name, scratch):
    record, _ = record_of(program, ["bench", "--profile", "smoke", "--driver", driver, "--filter", name], os.path.join(scratch, "bench"))
    wrong = [row["params"] for row in record["workloads"] if row["verdict"] == "wrong"]
    timed = [m["params"] for m in record["measurements"]]
    return bool(wrong) and not any(params in timed for params in wrong)


def try_fault(build, fault):
    name, file, old, new, driver, case, workload = fault
    with open(os.path.join(SOURCE, file), encoding="utf-8") as f:
        text = f.read()
    if text.count(old) != 1:
        raise CannotTry(f"{name}: {file} holds the text to replace {text.count(old)} times; it must be once")
    with tempfile.TemporaryDirectory(prefix="planted-fault.") as scratch:
        program = build.program_with(file, text.replace(old, new), scratch)
        ok = True
        if case:
            verdict = verdict_of_case(program, driver, case, scratch)
            ok = verdict == "fail"
            print(f"{name}: {'caught by' if ok else 'NOT CAUGHT by'} {case} ({verdict})", flush=True)
        if workload:
            wrong = spoils_workload(program, driver, workload, scratch)
            print(f"{name}: {workload} is {'wrong, without a time' if wrong else 'NOT WRONG'}", flush=True)
            ok = ok and wrong
        return ok


def main():
    if len(sys.argv) < 2 or os.geteuid() != 0:
        print(__doc__ if len(sys.argv) < 2 else "planted_faults: needs root", file=sys.stderr)
        return 2
    chosen = [f for f in FAULTS if len(sys.argv) == 2 or f[0] in sys.argv[2:]]
    if not chosen:
        print("planted_faults: no such fault; there are " + ", ".join(f[0] for f in FAULTS), file=sys.stderr)
        return 2
    build = Build(sys.argv[1])
    caught = 0
    try:
        for fault in chosen:
            caught += try_fault(build, fault)
    except (CannotTry, OSError, subprocess.CalledProcessError) as problem:
        print(f"planted_faults: {problem}", file=sys.stderr)
        return 2
    print(f"{caught} passed, {len(chosen) - caught} failed")
    return 0 if caught == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())

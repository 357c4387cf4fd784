#!/usr/bin/python3
"""A handful of the seeded faults, each held against one or two cases; measure.py does all of them.

    smoke.py LAYERMARK FAULTY_FS

Also: faults.def and the programs know the same names, and the right drivers pass what the faulty ones fail.
"""
import argparse
import os
import subprocess
import sys

import measure
import table

sys.path.append(os.path.join(measure.ROOT, "examples", "exec-driver"))
import calls  # noqa: E402, F401
import chains  # noqa: E402, F401
import narrow  # noqa: E402, F401
import records  # noqa: E402, F401
import registry  # noqa: E402
import stacking  # noqa: E402, F401
import trees  # noqa: E402, F401

# Fault: the cases that see it.
TRIED = {
    "update_moves_created": ["lifecycle.times_of_a_snapshot"],
    "commit_inherits_labels": ["lifecycle.commit_does_not_inherit_labels"],
    "view_writable": ["view.is_read_only"],
    "lowers_reversed": ["stacking.three_layers"],
    "rename_across_exdev": ["rename.file_across_directories"],
    "removed_child_found": ["whiteout.removed_directory_made_again_is_empty"],
    "nanoseconds_lost": ["copy_up.times_are_set_to_the_nanosecond"],
}


def names_agree(rows, file_system):
    """What is wrong with the names, as lines."""
    planted = {name for name, row in rows.items() if row.kind != "run_time"}
    wrong = [f"{name}: in faults.def or in the driver, not in both" for name in planted ^ set(registry.FAULTS)]
    for name, row in rows.items():
        if row.kind == "run_time":
            ended = subprocess.run([file_system, "-f", "-o", "fault=" + name, "/nowhere", "/nowhere"], capture_output=True, check=False)
            if ended.returncode != 1:
                wrong.append(f"{name}: faulty_fs does not know it")
    if subprocess.run([file_system, "-f", "-o", "fault=other", "/nowhere", "/nowhere"], capture_output=True, check=False).returncode != 2:
        wrong.append("faulty_fs takes any name")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("file_system")
    options = parser.parse_args()
    rows = table.read_table()
    wrong = names_agree(rows, options.file_system)
    runner = measure.Runner(options)
    for kind in ("driver", "overlay", "run_time"):
        cases = [case for name, cases in TRIED.items() if rows[name].kind == kind for case in cases]
        for case, verdict in runner.check(kind, "none", cases, "tmpfs").items():
            if verdict != "pass":
                wrong.append(f"{case}: {verdict} on the right driver ({kind})")
    for name, cases in TRIED.items():
        for case, verdict in runner.check(rows[name].kind, name, cases, "tmpfs").items():
            if verdict != "fail":
                wrong.append(f"{case}: {verdict} with the fault {name}")
    print("\n".join(wrong) or f"{len(TRIED)} faults, each caught")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

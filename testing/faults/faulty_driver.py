#!/usr/bin/python3 -IS
"""A driver of the exec protocol that is right, but for one fault of faults.def.

    faulty_driver.py FAULT                    every snapshot a full copy; FAULT is "none" or a row of kind driver
    faulty_driver.py --overlay FAULT          the same over the kernel's overlayfs
    faulty_driver.py --fs PROGRAM FAULT       copies, seen through PROGRAM (faulty_fs) with FAULT switched on

layermark adds the verb. The records are those of the example in examples/exec-driver; the faults lie in what is
recorded (records.py, calls.py), in the trees that a call leaves (trees.py, narrow.py), in the mounts that it answers
(stacking.py) and in what needs several layers or children to show (chains.py).
"""
import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "examples", "exec-driver")]
import bases  # noqa: E402
import driver  # noqa: E402
import calls  # noqa: E402, F401
import chains  # noqa: E402, F401
import narrow  # noqa: E402, F401
import records  # noqa: E402, F401
import registry  # noqa: E402
import stacking  # noqa: E402, F401
import trees  # noqa: E402, F401


def main():
    words = sys.argv[1:]
    if words[0] == "--overlay":
        base, (fault, verb) = bases.Overlay, words[1:]
        base = registry.plant(base, fault)
    elif words[0] == "--fs":
        program, fault, verb = words[1:]
        base = bases.through(program, fault)
    else:
        fault, verb = words
        base = registry.plant(bases.Copy, fault)
    driver.Driver, driver.capabilities = base, base.capabilities
    sys.argv[1:] = [verb]
    return driver.main()


if __name__ == "__main__":
    sys.exit(main())

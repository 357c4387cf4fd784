"""faults.def, read."""
import collections
import os
import re

HERE = os.path.dirname(os.path.realpath(__file__))
Fault = collections.namedtuple("Fault", "kind name area property sentence")


def read_table():
    with open(os.path.join(HERE, "faults.def"), encoding="utf-8") as file:
        text = file.read()
    rows = re.findall(r'^FAULT\((\w+), (\w+), (\w+), "([^"]+)", "([^"]+)"\)$', text, re.M)
    assert len(rows) == len(re.findall(r"^FAULT\(", text, re.M)), "a row that cannot be read"
    return {row[1]: Fault(*row) for row in rows}


def spec(kind, name, file_system):
    """The --driver of a fault ("none": of the right driver) of that kind."""
    command = os.path.join(HERE, "faulty_driver.py")
    if kind == "run_time":
        return f"exec:command={command} --fs {file_system} {name}"
    return f"exec:command={command} {'--overlay ' if kind == 'overlay' else ''}{name}"

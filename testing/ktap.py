"""A strict reader of KTAP version 1, by the kernel's documentation (Documentation/dev-tools/ktap.rst).

read(text) answers the results as a tree, and raises Bad at the first line that the format does not know. What KTAP
leaves to tools is refused as well: a line of another form, a plan that is missing or not met, numbers out of order, a
directive that is not one of the five, a parent whose result does not follow from its tests.
"""
import re

RESULT = re.compile(r"(ok|not ok) ([1-9][0-9]*)(?: - ([^#]*[^# ]))?(?: # (SKIP|TODO|XFAIL|TIMEOUT|ERROR)(?: (.+))?)?")
PLAN = re.compile(r"1\.\.(0|[1-9][0-9]*)")
NOT_OK = {"TIMEOUT", "ERROR"}  # a test that ended so has not passed


class Bad(Exception):
    pass


class Level:
    def __init__(self):
        self.planned = None
        self.subtest = None
        self.diagnostics = []  # since the last result
        self.results = []


def close(level, line):
    if level.planned is None or len(level.results) != level.planned:
        raise Bad(f"planned {level.planned}, seen {len(level.results)}, before: {line}")
    if level.diagnostics and level.results:
        raise Bad(f"diagnostics without a result after them: {level.diagnostics[0]}")


def read_result(level, body, line, inner):
    match = RESULT.fullmatch(body)
    if match is None:
        raise Bad(f"neither version, plan, diagnostic nor result: {line!r}")
    ok, number, name, directive, reason = match.groups()
    if level.planned is None:
        raise Bad(f"a result before the plan: {line}")
    if int(number) != len(level.results) + 1:
        raise Bad(f"number {number} after {len(level.results)} results: {line}")
    result = {"ok": ok == "ok", "name": name or "", "directive": directive, "reason": reason or "",
              "diagnostics": level.diagnostics, "tests": None}
    if directive in NOT_OK and result["ok"]:
        raise Bad(f"ok with {directive}: {line}")
    if inner is not None:
        close(inner, line)
        result["tests"] = inner.results
        if inner.subtest != result["name"]:
            raise Bad(f"the subtest {inner.subtest!r} ends with the result of {result['name']!r}")
        bad = [test["name"] for test in inner.results if not test["ok"]]
        if bool(bad) == result["ok"]:
            raise Bad(f"{line}: of its tests are not ok: {bad}")
    level.results.append(result)
    level.diagnostics = []


def read(text):
    if not text.endswith("\n"):
        raise Bad("the last line has no end")
    levels = []
    for line in text[:-1].split("\n"):
        body = line.lstrip(" ")
        depth, odd = divmod(len(line) - len(body), 2)
        if odd or any(ord(c) < 32 or ord(c) == 127 for c in body) or body != body.rstrip():
            raise Bad(f"indented by an odd number, with control characters or blanks at its end: {line!r}")
        if body == "KTAP version 1":
            if depth != len(levels):
                raise Bad(f"a version line at depth {depth}, {len(levels)} are open")
            levels.append(Level())
            continue
        if not levels:
            raise Bad(f"before the version line: {line!r}")
        inner = levels.pop() if depth == len(levels) - 2 else None
        if depth != len(levels) - 1:
            raise Bad(f"at depth {depth}, {len(levels)} are open: {line!r}")
        level = levels[-1]
        plan = PLAN.fullmatch(body)
        if body.startswith("#") and inner is None:
            if not body.startswith("# "):
                raise Bad(f"no blank after #: {line!r}")
            if body.startswith("# Subtest: ") and level.planned is None:
                level.subtest = body[len("# Subtest: "):]
            else:
                level.diagnostics.append(body[2:])
        elif plan and inner is None:
            if level.planned is not None:
                raise Bad(f"a second plan: {line}")
            level.planned = int(plan.group(1))
        else:
            read_result(level, body, line, inner)
    if len(levels) != 1:
        raise Bad("the last subtest has no result")
    close(levels[0], "the end")
    return levels[0].results

#!/usr/bin/python3
"""Holds what the program writes for other programs to its formats, on real output, and its promises to other tools.

A run with every kind of verdict (the example driver broken by hand, beside overlay2) is exported as KTAP, read by a strict
parser, as JUnit, held to results/junit.xsd, and as JSON, held to the schema; all three say the same. The command that each
failure carries is run by a shell, from a directory whose name needs quoting, and fails the same way. `git bisect run`
finds a planted commit with --bisect, past one that cannot be tried.
Usage: exports.py LAYERMARK      Exit status: 0 all holds, 1 not, 2 it could not be tried.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import jsonschema
from lxml import etree

import ktap

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
EXAMPLE = os.path.join(SOURCE, "examples", "exec-driver", "driver.py")
SCHEMA = os.path.join(SOURCE, "results", "junit.xsd")
CASES = ("lifecycle.stat_of_nothing", "lifecycle.missing_parent_is_not_found", "lifecycle.close_twice",
         "whiteout.unlink_hides_lower_file", "special.writing_to_a_fifo_updates_its_time",
         "stack.whiteout_in_a_directory_of_one_layer_is_not_shown")
FAULT = ('raise Refused("NOT_FOUND"', 'raise Refused("UNKNOWN"')
HANG = ("        filters = [parse", "        time.sleep(1000)\n        filters = [parse")
GOOD_KTAP = ("KTAP version 1\n1..2\n  KTAP version 1\n  # Subtest: a b\n  1..2\n  ok 1 - x # SKIP code: why\n  # x: seen\n"
             "  not ok 2 - y\nnot ok 1 - a b\nok 2 - c # XFAIL known\n")
# Each makes that text something that is no KTAP.
KTAP_FAULTS = (("KTAP version 1\n1..2\n  K", "1..2\n  K"), ("1..2\n  K", "1..3\n  K"), ("  1..2\n", ""), ("  1..2", "  1..1"),
               ("ok 1 - x", "ok 3 - x"), ("SKIP", "SKIPPED"), ("not ok 1 - a b", "ok 1 - a b"), ("not ok 2 - y\n", "ok 2 - y\n"),
               ("  # x: seen", "  x: seen"), ("not ok 1 - a b\n", ""), ("  ok 1", " ok 1"), ("# Subtest: a b", "# Subtest: b"),
               ("  not ok 2 - y", "  not ok 2 - y # "), ("why\n", "why\x1b\n"), ("ok 2 - c # XFAIL known\n", "ok 2 - c # ERROR known\n"),
               ("known\n", "known\n# after\n"), ("known\n", "known"))

SKIP_CALL = re.compile(r"\bSkip\(\s*\"([^\"]*)\"")

problems = []


def must(held, what):
    if not held:
        problems.append(what)
        print(f"NOT SO: {what}", flush=True)


def run(words, **more):
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=300, **more)


def spec(driver, interpreter="python3 "):
    """--driver's value for a program, with the quotes of the command line and the escapes of the option."""
    command = f'{interpreter}"{driver}"'
    return "exec:command=" + command.replace("\\", "\\\\").replace(",", "\\,") + ",deadline=3"


def hold_codes():
    """Also those of cases that do not skip here."""
    with open(os.path.join(SOURCE, "core", "skip_codes.def"), encoding="utf-8") as file:
        known = set(re.findall(r"^SKIP_CODE\((\w+),", file.read(), re.MULTILINE))
    used = {}
    for directory, _, names in os.walk(os.path.join(SOURCE, "conformance")):
        for name in names:
            if name.endswith(".cc") and not name.endswith("_test.cc"):
                with open(os.path.join(directory, name), encoding="utf-8") as file:
                    used.update({code: name for code in SKIP_CALL.findall(file.read())})
    must(len(used) > 1 and len(known) > len(used) / 2, f"skips are found in the sources: {used}")
    for code, name in used.items():
        must(code in known, f"{name} skips with {code!r}, which core/skip_codes.def does not have")


def write_driver(path, *faults):
    with open(EXAMPLE, encoding="utf-8") as file:
        text = file.read()
    for old, new in faults:
        if text.count(old) != 1 and old != FAULT[0]:
            raise OSError(f"the example driver does not hold once: {old}")
        text = text.replace(old, new)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o755)
    shutil.copy(os.path.join(os.path.dirname(EXAMPLE), "union.py"), os.path.dirname(path))


def check(program, scratch, words, output_format):
    out = os.path.join(scratch, "out." + output_format)
    done = run([program, "check", *words, "--format", output_format, "--out", out], cwd=scratch)
    with open(os.path.join(out, "results.json"), encoding="utf-8") as file:
        return done, json.load(file)


def key(row):
    return f"{row['instance']} on {row['backing']} ({row['device']})", row["case"]


def hold_ktap(text, record):
    must(ktap.read(GOOD_KTAP)[0]["tests"][1]["diagnostics"] == ["x: seen"], "the parser reads what is KTAP")
    for old, new in KTAP_FAULTS:
        try:
            ktap.read(GOOD_KTAP.replace(old, new, 1))
            must(False, f"the parser refuses {new!r} in the place of {old!r}")
        except ktap.Bad:
            pass
    rows = {key(row): row for row in record["conformance"]}
    seen = {(place["name"], test["name"]): test for place in ktap.read(text) for test in place["tests"] or []}
    must(seen.keys() == {(place.replace("#", "_"), case) for place, case in rows}, "KTAP has each row once")
    for (place, case), row in rows.items():
        test = seen[(place.replace("#", "_"), case)]
        want = {"pass": (True, None), "fail": (False, None), "xpass": (False, None), "skip": (True, "SKIP"), "xfail": (True, "XFAIL"),
                "error": (False, "ERROR"), "timeout": (False, "TIMEOUT")}[row["verdict"]]
        must((test["ok"], test["directive"]) == want, f"KTAP says of {case} what the record says: {row['verdict']}")
        if row["verdict"] == "skip":
            must(test["reason"].startswith(row["skip_code"] + ": "), f"KTAP's skip of {case} begins with its code")
        if not test["ok"]:
            must(f"{case}: reproduce: {row['reproduce']}" in test["diagnostics"], f"KTAP carries the command of {case}")


def hold_junit(text, record):
    schema = etree.XMLSchema(etree.parse(SCHEMA))
    tree = etree.fromstring(text.encode())
    must(schema.validate(tree), f"JUnit follows its schema: {schema.error_log}")
    for damage in (lambda t: t.find(".//skipped").attrib.pop("type"), lambda t: t.find("testsuite").attrib.pop("hostname"),
                   lambda t: t.find(".//testcase").attrib.pop("time"), lambda t: t.find(".//property").set("name", "KERNAL"),
                   lambda t: t.find("testsuite").set("timestamp", "now"), lambda t: t.find("testsuite").append(etree.Element("property")),
                   lambda t: t.find(".//failure").set("type", "bad")):
        broken = etree.fromstring(text.encode())
        damage(broken)
        must(not schema.validate(broken), "the schema refuses what is damaged")
    rows = {key(row): row for row in record["conformance"]}
    for suite in tree.findall("testsuite"):
        tests = suite.findall("testcase")
        for name, element in (("tests", None), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            count = sum(1 for test in tests if element is None or test.find(element) is not None)
            must(int(suite.get(name)) == count, f"{name} of a suite counts its {element or 'tests'}")
        for test in tests:
            row = rows.pop((suite.get("name"), test.get("name")))
            element = {"pass": None, "fail": "failure", "xpass": "failure", "skip": "skipped", "xfail": "skipped"}.get(row["verdict"], "error")
            found = [child.tag for child in test if child.tag != "system-out"]
            must(found == ([element] if element else []), f"JUnit says of {row['case']} what the record says: {row['verdict']}")
            if row["verdict"] == "skip":
                must(test.find("skipped").get("type") == row["skip_code"], f"JUnit's skip of {row['case']} has its code")
            must(f"reproduce: {row['reproduce']}\n" in test.findtext("system-out"), f"JUnit carries the command of {row['case']}")
            if element in ("failure", "error"):
                must(test.findtext(element).endswith("reproduce: " + row["reproduce"]), f"the body of {row['case']}'s failure ends with it")
    must(not rows, f"JUnit has each row once; it lacks {list(rows)}")


def hold_formats(program, scratch, words):
    records = {}
    for output_format in ("ktap", "junit", "json", "text"):
        done, records[output_format] = check(program, scratch, words, output_format)
        must(done.returncode == 1, f"a run with findings ends with 1: {done.returncode} {done.stderr[-300:]}")
        if output_format == "ktap":
            hold_ktap(done.stdout, records["ktap"])
        elif output_format == "junit":
            hold_junit(done.stdout, records["junit"])
        elif output_format == "json":
            must(json.loads(done.stdout)["conformance"] == records["json"]["conformance"], "standard output carries the record")
            jsonschema.validate(records["json"], json.loads(run([program, "report", "--schema"]).stdout))
        else:
            for row in records["text"]["conformance"]:
                if row["verdict"] in ("fail", "error", "timeout", "xpass"):
                    must("again: " + row["reproduce"] in done.stdout, f"the text carries the command of {row['case']}")
                if row["verdict"] == "skip":
                    must(f"    {row['skip_code']}: " in done.stdout, f"the text has the code of {row['case']}'s skip")
    rows = records["json"]["conformance"]
    verdicts = {row["verdict"] for row in rows}
    must(verdicts == {"pass", "fail", "xfail", "skip", "error", "xpass"}, f"the run has every kind of verdict: {sorted(verdicts)}")
    for row in rows:
        must((row["verdict"] == "skip") == bool(row["skip_code"]), f"a skip and nothing else has a code: {row['case']}")
    return rows


def hold_commands(program, scratch, rows):
    """As a user would: from the directory where ./layermark stands."""
    os.symlink(program, os.path.join(scratch, "layermark"))
    for row in [row for row in rows if row["verdict"] in ("fail", "error", "xpass")]:
        out = tempfile.mkdtemp(dir=scratch)
        done = run(["sh", "-c", f"{row['reproduce']} --out {os.path.basename(out)}"], cwd=scratch)
        try:
            with open(os.path.join(out, "results.json"), encoding="utf-8") as file:
                again = json.load(file)["conformance"]
        except OSError:
            must(False, f"{row['reproduce']}: no record: {done.stderr[-300:]}")
            continue
        fields = ("case", "driver", "instance", "backing", "device", "verdict", "reproduce")
        must([[r[f] for f in fields] for r in again] == [[row[f] for f in fields]], f"{row['reproduce']}: the same row: {again}")
        must(done.returncode == 1, f"{row['reproduce']}: exit status {done.returncode}")
        must(again and again[0]["reason"].split("\n")[0] == row["reason"].split("\n")[0], f"{row['reproduce']}: the same reason")


def hold_bisect(program, scratch):
    case = ("--filter", "lifecycle.stat_of_nothing")
    good, bad, none = os.path.join(scratch, "good.py"), os.path.join(scratch, "bad.py"), os.path.join(scratch, "none.py")
    write_driver(good)
    write_driver(bad, FAULT)
    for driver, plain, bisect in ((good, 0, 0), (bad, 1, 1), (none, 2, 125)):
        for words, want in (((), plain), (("--bisect",), bisect)):
            done = run([program, "check", *words, "--driver", spec(driver, ""), *case])
            must(done.returncode == want, f"check {' '.join(words)} on {os.path.basename(driver)}: {done.returncode}, not {want}")
    for words in (("check", "--bisect", "--no-such"), ("run", "--bisect", "--driver", "nosuch"), ("bench", "--bisect", "--filter", "nosuch")):
        must(run([program, *words]).returncode == 125, f"{' '.join(words)} ends with 125")
    home = os.path.join(scratch, "history")
    os.mkdir(home)
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "HOME": scratch}

    def git(*words):
        done = run(["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", home, *words], env=environment)
        if done.returncode != 0:
            raise OSError(f"git {' '.join(words)}: {done.stdout[-500:]}{done.stderr[-500:]}")
        return done.stdout

    git("init", "-q")
    commits = []
    for number, source in enumerate((good, good, good, None, good, bad, bad)):
        if source:
            shutil.copy(source, os.path.join(home, "driver.py"))
        else:
            os.unlink(os.path.join(home, "driver.py"))
        with open(os.path.join(home, "number"), "w", encoding="utf-8") as file:
            file.write(str(number))
        git("add", "-A")
        git("commit", "-q", "-m", f"commit {number}")
        commits.append(git("rev-parse", "HEAD").strip())
    git("bisect", "start", commits[-1], commits[0])
    said = git("bisect", "run", program, "check", "--bisect", "--driver", spec(os.path.join(home, "driver.py"), ""), *case)
    must(f"{commits[5]} is the first bad commit" in said, f"git bisect run finds the commit that broke it: {said[-600:]}")


def main():
    if len(sys.argv) != 2 or os.geteuid() != 0:
        print(f"exports: {'needs root' if len(sys.argv) == 2 else 'usage: exports.py LAYERMARK'}", file=sys.stderr)
        return 2
    program = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="exports.") as top:
        scratch = os.path.join(top, "it's, $HOME & #1")
        os.mkdir(scratch)
        try:
            broken = os.path.join(scratch, "driver.py")
            write_driver(broken, FAULT, HANG)
            expected = os.path.join(scratch, "known.toml")
            with open(expected, "w", encoding="utf-8") as file:
                file.write("[[expect]]\ncase = 'lifecycle.close_twice'\nwhen = { backing = 'ext4' }\ncause = 'made up # <by> \"hand\"'\n")
            words = ["--driver", "overlay2", "--driver", spec(broken), "--seed", "7", "--expected", expected,
                     "--filter", "lifecycle.walk_filters"]
            for case in CASES:
                words += ["--filter", case]
            hold_commands(program, scratch, hold_formats(program, scratch, words))
            hold_bisect(program, scratch)
            hold_codes()
        except (OSError, subprocess.TimeoutExpired, ktap.Bad) as problem:
            must(False, f"{type(problem).__name__}: {problem}")
    print(f"exports: {len(problems)} do not hold" if problems else "exports: all holds")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

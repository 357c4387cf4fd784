"""The page and the figures, from a record that was made up for the purpose (see synthetic_record.py)."""

import glob
import html.parser
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

import jsonschema

HERE = os.path.dirname(os.path.abspath(__file__))
PLOTS = os.path.dirname(HERE)
sys.path[:0] = [HERE, PLOTS]

import common  # noqa: E402
import synthetic_record  # noqa: E402

FIGURES = sorted(os.path.basename(path)[len("fig_"):-len(".py")] for path in glob.glob(os.path.join(PLOTS, "fig_*.py")))


def run(script, *arguments):
    return subprocess.run([sys.executable, os.path.join(PLOTS, script), *arguments], capture_output=True, text=True,
                          timeout=280, check=False)


class Page(html.parser.HTMLParser):
    """Collects what a page would load, its text, and whether its elements are closed in order."""

    VOID = {"meta", "br", "wbr", "link", "img", "input", "hr"}

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.problems, self.loads, self.links, self.words = [], [], [], [], []
        self.tables = self.rows = 0
        self.feed(text)
        self.problems += [f"never closed: {tag}" for tag in self.open]
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.note(tag, named)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.note(tag, dict(attributes))

    def note(self, tag, named):
        self.tables += tag == "table"
        self.rows += tag == "tr"
        for name in ("src", "srcset", "poster", "data", "action"):
            if name in named:
                self.loads.append(named[name])
        if tag in ("link", "script", "iframe", "object", "embed"):
            self.loads.append(tag)
        if tag == "a":
            self.links.append(named.get("href", ""))
        elif named.get("xlink:href", "#")[0] != "#":
            self.loads.append(named["xlink:href"])
        for match in re.findall(r"url\(\s*['\"]?([^)]*)", named.get("style", "") + named.get("clip-path", "")):
            if not match.startswith("#"):
                self.loads.append(match)

    def handle_endtag(self, tag):
        if not self.open or self.open[-1] != tag:
            self.problems.append(f"</{tag}> closes {self.open[-1:]}")
        else:
            self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)


class Report(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="layermark-report.")
        cls.run_dir = os.path.join(cls.temporary.name, "run")
        cls.out = os.path.join(cls.temporary.name, "out")
        cls.record = synthetic_record.write(cls.run_dir)
        result = run("report.py", cls.run_dir, "--out", cls.out)
        assert result.returncode == 0, result.stderr
        assert result.stderr == "", result.stderr
        with open(os.path.join(cls.out, "report.html"), encoding="utf-8") as file:
            cls.source = file.read()
        cls.page = Page(cls.source)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def test_record_fits_the_schema(self):
        with open(os.environ["LAYERMARK_SCHEMA"], encoding="utf-8") as file:
            schema = json.load(file)
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        validator.validate(self.record)
        for change in ({"schema_version": 2}, {"gate": [1]}, {"unknown": 1}, {"warnings": [1]}):
            self.assertFalse(validator.is_valid({**self.record, **change}), change)
        row = {**self.record["measurements"][0], "unit": "bytes"}
        self.assertFalse(validator.is_valid({**self.record, "measurements": [row]}))

    def test_page_is_well_formed_and_loads_nothing(self):
        self.assertEqual(self.page.problems, [])
        self.assertEqual(self.page.loads, [])
        self.assertNotIn("<script", self.source)
        self.assertNotIn("@import", self.source)
        self.assertIn("default-src 'none'", self.source)
        for link in self.page.links:
            self.assertNotRegex(link, r"^[a-z]+:")

    def test_links_lead_to_files_and_sections(self):
        for link in self.page.links:
            if link.startswith("#"):
                self.assertIn(f'id="{link[1:]}"', self.source)
            else:
                self.assertTrue(os.path.exists(os.path.join(self.out, link)), link)

    def test_page_says_what_a_report_must(self):
        for driver in synthetic_record.DRIVERS:
            self.assertIn(driver, self.page.text)
        for text in ("aufs", "mount aufs: ENODEV", "missing capability rename_dir: renameat2: EXDEV",
                     "absent where the oracle has <value & more>", "needs layers_500", "1 a WRONG one", "kvm",
                     "Load average was 3.4 on 2 processors", "SYNTHETIC TEST FIXTURE", "95 % interval",
                     self.record["run"]["command"], self.record["samples"]["sha256"]):
            self.assertIn(text, self.page.text)
        self.assertGreater(self.page.tables, 20)

    def test_every_measurement_is_in_the_last_table(self):
        last = self.source[self.source.index('id="all"'):]
        self.assertEqual(len(re.findall(r"<tr>", last)), len(self.record["measurements"]) + 1)

    def test_a_wrong_workload_has_no_time(self):
        self.assertRegex(self.page.text, r"fuse_overlayfs\s+wrong: st_blocks: 0 where the oracle has 131072")

    def test_counters_are_there_with_their_parts_and_reasons(self):
        self.assertIn("syscalls: close 1, openat 1, pwrite64 1", self.page.text)
        self.assertIn("Not available: fuse_requests: perf_event_open: EACCES <denied & gone>", self.page.text)
        table = self.source[self.source.index('id="counters"'):self.source.index('id="not-run"')]
        self.assertIn("<code>copied_bytes</code>", table)
        self.assertNotIn("<code>whiteouts</code>", table, "that is no count of one operation")

    def test_published_results_keep_their_reasons(self):
        section = self.source[self.source.index('id="anchors"'):self.source.index('id="not-run"')]
        self.assertEqual(len(re.findall(r"<tr>", section)), len(self.record["anchors"]) + 1)
        for text in ("×5.25", "×4.50 to ×6.00", "not runnable: overlay2 is not in this run", "overlay2 (depth=64) over"):
            self.assertIn(text, section)

    def test_figures_are_there_in_both_formats(self):
        for name in FIGURES:
            png, svg = (os.path.join(self.out, "figures", f"{name}.{kind}") for kind in ("png", "svg"))
            with open(png, "rb") as file:
                data = file.read()
            self.assertEqual(data[:8], b"\x89PNG\r\n\x1a\n")
            self.assertGreater(len(data), 15000, name)
            self.assertGreaterEqual(int.from_bytes(data[16:20], "big"), 1200, name)
            root = xml.etree.ElementTree.parse(svg).getroot()
            texts = ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]
            self.assertGreater(len(texts), 15, name)
            if name != "verdicts":
                self.assertTrue(any(re.search(r"\[.+\]", text) for text in texts), f"{name}: no axis has a unit")

    def test_figures_come_out_the_same_every_time(self):
        again = os.path.join(self.temporary.name, "again")
        self.assertEqual(run("fig_overview.py", self.run_dir, "--out", again).returncode, 0)
        with open(os.path.join(again, "overview.svg"), "rb") as one, \
                open(os.path.join(self.out, "figures", "overview.svg"), "rb") as other:
            self.assertEqual(one.read(), other.read())


class Gaps(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="layermark-report.")
        self.addCleanup(self.temporary.cleanup)
        self.out = os.path.join(self.temporary.name, "out")

    def record(self, change, **arguments):
        directory = os.path.join(self.temporary.name, "run")
        record = synthetic_record.write(directory, **arguments)
        change(record)
        with open(os.path.join(directory, "results.json"), "w", encoding="utf-8") as file:
            json.dump(record, file)
        return directory

    def page(self, *runs):
        result = run("report.py", *runs, "--out", self.out)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        with open(os.path.join(self.out, "report.html"), encoding="utf-8") as file:
            page = Page(file.read())
        self.assertEqual(page.problems, [])
        for link in page.links:
            self.assertTrue(link.startswith("#") or os.path.exists(os.path.join(self.out, link)), link)
        return page

    def test_a_run_with_verdicts_alone(self):
        def change(record):
            record["measurements"], record["workloads"], record["complete"] = [], [], False
        page = self.page(self.record(change, drivers=["overlay2"]))
        self.assertIn("Nothing was timed.", page.text)
        self.assertIn("Interrupted.", page.text)
        self.assertIn("No figure “Whiteouts", page.text)
        self.assertFalse(os.path.exists(os.path.join(self.out, "figures", "whiteout.png")))
        result = run("fig_depth.py", os.path.join(self.temporary.name, "run"), "--out", self.out)
        self.assertEqual(result.returncode, 3)
        self.assertIn("no latency of stack_mount", result.stderr)

    def test_an_empty_run(self):
        def change(record):
            for name in ("measurements", "workloads", "conformance", "drivers"):
                record[name] = []
        self.assertIn("No case was run.", self.page(self.record(change)).text)

    def test_workloads_and_drivers_that_no_figure_knows(self):
        def change(record):
            for table in ("drivers", "conformance", "workloads", "measurements"):
                for row in record[table]:
                    if row["driver"] == "overlay2":
                        row["driver"], row["instance"] = "zfs_like", "zfs_like:compression=on,dedup=off"
                    if row.get("workload") == "whiteout_list":
                        row["workload"] = "census"
        page = self.page(self.record(change, drivers=["overlay2", "vfs"]))
        self.assertIn("zfs_like:compression=on,dedup=off", page.text)
        self.assertIn("census", page.text)

    def test_one_driver_left_out_of_a_figure_is_named_with_its_reason(self):
        def change(record):
            record["measurements"] = [row for row in record["measurements"]
                                      if (row["workload"], row["driver"]) != ("stack_mount", "vfs")]
            for row in record["workloads"]:
                if (row["workload"], row["driver"]) == ("stack_mount", "vfs"):
                    row["verdict"], row["reason"] = "not_run", "the budget was used up"
        self.assertIn("vfs (not run: the budget was used up)", self.page(self.record(change)).text)

    def test_two_runs_are_told_apart(self):
        first = self.record(lambda record: None, drivers=["overlay2"])
        second = os.path.join(self.temporary.name, "second")
        synthetic_record.write(second, drivers=["overlay2"], seed=2)
        page = self.page(first, second)
        self.assertIn("overlay2 (run 1)", page.text)
        self.assertIn("overlay2 (run 2)", page.text)

    def test_text_of_a_record_is_never_markup(self):
        def change(record):
            record["conformance"][0].update(verdict="fail", reason="<script>alert(1)</script>")
            record["image"]["name"] = "<b>x"
        run_dir = self.record(change, drivers=["overlay2"])
        self.page(run_dir)
        with open(os.path.join(self.out, "report.html"), encoding="utf-8") as file:
            source = file.read()
        self.assertNotIn("<script>", source)
        self.assertNotIn("<b>x", source)

    def test_changed_samples_are_noticed(self):
        directory = self.record(lambda record: None, drivers=["overlay2"])
        with open(os.path.join(directory, "samples.jsonl"), "a", encoding="utf-8") as file:
            file.write("\n")
        self.assertIn("Raw samples: differs from the record", self.page(directory).text)

    def test_what_is_no_record_is_refused_by_name(self):
        for content in (None, "{", "[]", '{"schema_version": 99}'):
            path = os.path.join(self.temporary.name, "broken.json")
            if content is not None:
                with open(path, "w", encoding="utf-8") as file:
                    file.write(content)
            result = run("report.py", path, "--out", self.out)
            self.assertEqual(result.returncode, 2, content)
            self.assertIn("broken.json", result.stderr)
            self.assertEqual(result.stderr.count("\n"), 1, result.stderr)


class Units(unittest.TestCase):
    def test_values_for_people(self):
        for value, unit, text in ((812345, "ns", "812 µs"), (999999, "ns", "1.00 ms"), (12.34e9, "ns", "12.3 s"),
                                  (64 * 1024**2, "bytes", "64.0 MiB"), (0, "bytes", "0 B"), (44039, "count", "44,039"),
                                  (2.034, "ratio", "2.03"), (None, "ns", "–")):
            self.assertEqual(common.human(value, unit), text)

    def test_sizes_sort_by_size(self):
        texts = ["64MiB", "4KiB", "0", "1MiB", "64KiB", "1GiB"]
        self.assertEqual(sorted(texts, key=common.natural), ["0", "4KiB", "64KiB", "1MiB", "64MiB", "1GiB"])
        self.assertEqual(sorted(["128", "8", "500", "1"], key=common.natural), ["1", "8", "128", "500"])

    def test_every_listed_driver_has_a_look_of_its_own(self):
        self.assertEqual(len({colour for colour, _ in common.DRIVER_STYLES.values()}), len(common.DRIVER_STYLES))
        self.assertEqual(len({marker for _, marker in common.DRIVER_STYLES.values()}), len(common.DRIVER_STYLES))


if __name__ == "__main__":
    unittest.main()

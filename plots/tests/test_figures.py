"""Every figure is legible: texts do not run over each other or out of the picture, also with many instances, long names
and gaps. Measured by matplotlib's own renderer, so that no browser is needed."""

import glob
import importlib
import itertools
import os
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
PLOTS = os.path.dirname(HERE)
sys.path[:0] = [HERE, PLOTS]

import common  # noqa: E402
import figure  # noqa: E402
import matplotlib.text  # noqa: E402
import synthetic_record  # noqa: E402

FIGURES = [importlib.import_module(os.path.basename(path)[:-3]) for path in sorted(glob.glob(f"{PLOTS}/fig_*.py"))]
TOUCH = 0.5  # points that two boxes may share: boxes are a little larger than their letters


def data_of(record):
    return common.Data([common.RunFile("results.json", record, "", "", "none")])


def texts(plot):
    """(text, box) of everything written in a figure."""
    renderer = plot.canvas.get_renderer()
    found = []
    for text in plot.findobj(matplotlib.text.Text):
        box = text.get_window_extent(renderer)
        if not text.get_text().strip() or not text.get_visible() or box.width == 0:
            continue
        found.append((text.get_text(), box))
    return found


def problems(plot):
    plot.canvas.draw()
    width, height = plot.bbox.width, plot.bbox.height
    written = texts(plot)
    result = []
    for name, box in written:
        if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1:
            result.append(f"{name!r} leaves the picture")
    slack = TOUCH * plot.dpi / 72
    for (one, a), (other, b) in itertools.combinations(written, 2):
        if min(a.x1, b.x1) - max(a.x0, b.x0) > slack and min(a.y1, b.y1) - max(a.y0, b.y0) > slack:
            result.append(f"{one!r} runs over {other!r}")
    return result


class Legible(unittest.TestCase):
    def check(self, record):
        data = data_of(record)
        drawn = 0
        for module in FIGURES:
            try:
                plot = module.draw(data)
            except common.NothingToDraw:
                continue
            drawn += 1
            with self.subTest(figure=module.NAME):
                self.assertEqual(problems(plot), [])
            figure.plt.close(plot)
        return drawn

    def test_the_fixture(self):
        self.assertEqual(self.check(synthetic_record.build()[0]), len(FIGURES))

    def test_one_driver(self):
        self.check(synthetic_record.build(drivers=["btrfs"])[0])

    def test_instances_with_options(self):
        record, _ = synthetic_record.build(drivers=["overlay2", "fuse_overlayfs", "btrfs", "native", "plain"])
        more, _ = synthetic_record.build(drivers=["overlay2", "vfs"], seed=2)
        for table in ("drivers", "conformance", "workloads", "measurements"):
            for row in more[table]:
                if row["driver"] == "overlay2":
                    row["instance"] = "overlay2:metacopy=on,redirect_dir=on"
            record[table] += [row for row in more[table] if row["driver"] != "aufs"]
        self.check(record)

    def test_a_driver_that_is_wrong_everywhere_but_once(self):
        record, _ = synthetic_record.build(drivers=["overlay2", "vfs"])
        record["measurements"] = [row for row in record["measurements"]
                                  if row["driver"] != "vfs" or row["workload"] == "container_start"]
        for row in record["workloads"]:
            if row["driver"] == "vfs" and row["workload"] != "container_start":
                row["verdict"], row["reason"] = "wrong", "digest differs"
        self.check(record)

    def test_the_measure_notices_what_it_should(self):
        plot, (axes,) = figure.panels([2], 1)
        axes.text(0.5, 0.5, "one text", transform=axes.transAxes)
        axes.text(0.52, 0.5, "another", transform=axes.transAxes)
        axes.text(1.2, 0.2, "outside", transform=axes.transAxes)
        found = problems(plot)
        self.assertTrue(any("runs over" in text for text in found), found)
        self.assertTrue(any("leaves the picture" in text for text in found), found)
        figure.plt.close(plot)


class Looks(unittest.TestCase):
    def test_a_driver_has_one_colour_in_every_figure_and_the_page(self):
        with tempfile.TemporaryDirectory(prefix="layermark-figures.") as directory:
            data = data_of(synthetic_record.build(drivers=["overlay2", "vfs"])[0])
            for module in FIGURES:
                if module.NAME == "verdicts":
                    continue
                svg = figure.save(module.draw(data), module.NAME, directory)
                for driver in ("overlay2", "vfs"):
                    self.assertIn(common.DRIVER_STYLES[driver][0], svg, module.NAME)
                for driver in ("btrfs", "native"):
                    self.assertNotIn(common.DRIVER_STYLES[driver][0], svg, module.NAME)


if __name__ == "__main__":
    unittest.main()

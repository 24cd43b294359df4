"""Figures show the numbers they were given; tables and files do not change without cause."""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from indi import figures
from indi.evaluation import INPUT
from indi.figures import LOOKS, plots
from indi.method import samplers
from indi.records import results


@pytest.fixture(autouse=True)
def _style() -> Iterator[None]:
    with mpl.rc_context():
        mpl.use("agg")
        figures.use_style()
        yield
    plt.close("all")


def drawn(axes: Axes) -> dict[str, list[float]]:
    """Label -> heights of each labelled curve."""
    lines = {str(line.get_label()): np.asarray(line.get_ydata(), float).tolist() for line in axes.lines}
    return {label: heights for label, heights in lines.items() if not label.startswith("_")}


def test_every_series_has_its_own_look() -> None:
    assert set(samplers.SAMPLERS) <= set(LOOKS)
    others = figures.looks([f"series {k}" for k in range(6)]).values()
    for some in (LOOKS.values(), others):
        assert len({look.label for look in some}) == len({look[1:] for look in some}) == len(some)


def test_sampler_colours_differ_for_colour_blind_readers() -> None:
    """Simulated deuteranopia (Machado et al., 2009): still far apart in linear RGB."""
    deutan = np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    )
    for first, second in combinations([LOOKS[name].colour for name in samplers.SAMPLERS], 2):
        seen = [deutan @ np.array(to_rgb(colour)) ** 2.2 for colour in (first, second)]
        assert np.linalg.norm(seen[0] - seen[1]) > 0.15


def test_show_table() -> None:
    rows = pd.DataFrame({"name": ["a < b", "c"], "n": [12345, 2], "value": [0.12345, None]})
    page = figures.show_table(rows, "caption & more", digits=2).to_html()
    cells = re.findall(r"<td[^>]*>(.*?)</td>", page)
    assert cells == ["a &lt; b", "12,345", "0.12", "c", "2", "–"]
    assert page == figures.show_table(rows, "caption & more", digits=2).to_html()  # no random id
    own = figures.show_table(rows, formats={"value": "{:.1e}"}).to_html()
    assert "1.2e-01" in own


def test_a_number_stands_with_its_interval() -> None:
    assert figures.interval((23.814, 23.1, 24.519), "psnr") == "23.81 [23.10,\u00a024.52]"
    assert figures.interval((0.0123, 0.01, 0.015), "kid", times=1000) == "12.30 [10.00,\u00a015.00]"
    assert figures.interval((0.25, math.nan, math.nan), "ssim", plus=True) == "+0.250 [no interval]"
    assert figures.difference((-0.1, -0.2, 0.1), "ssim").endswith("]: none shown")
    assert figures.difference((0.1, 0.05, 0.2), "ssim").endswith("]")


def test_an_unchanged_figure_is_an_unchanged_file(project: Path) -> None:
    rows = pd.DataFrame({"sampler": "indi", "steps": [1, 2], "mean": [3.0, 4.0], "metric": "m"})
    files = [
        results.save_figure("curve", plots.over_steps(rows, {"m": "m"}), "smoke").read_bytes()
        for _ in range(2)
    ]
    assert files[0] == files[1]


def test_curves_show_the_numbers_in_the_order_of_the_steps() -> None:
    rows = pd.DataFrame(
        [
            {"metric": m, "sampler": name, "steps": n, "mean": n / 10, "low": n / 11, "high": n / 9}
            for m in ("a", "b")
            for name in (*samplers.SAMPLERS, INPUT)
            for n in ((5, 1, 2) if name != INPUT else (0,))
        ]
    )
    figure = plots.over_steps(rows, {"b": "second", "a": "first"}, right={"a": 0.3})
    second, first = figure.axes
    assert [second.get_title(), first.get_title()] == ["second", "first"]
    assert list(drawn(second)) == ["input y", *figures.SAMPLER_LABELS.values()]
    assert drawn(second)["InDI"] == [0.1, 0.2, 0.5]
    assert drawn(second)["input y"] == [0.0, 0.0]
    assert [t.get_text() for t in second.get_xticklabels()] == ["1", "2", "5"]
    assert len(first.lines) == len(second.lines) + 1, "where a curve should lie"
    lowest = min(path.get_extents().y0 for path in second.collections[0].get_paths())
    assert lowest == pytest.approx(1 / 11)


def test_a_plane_goes_from_point_to_point_in_the_order_of_n() -> None:
    points = {1: (3.0, 0.5), 2: (1.0, 0.2), 5: (2.0, 0.4)}
    rows = pd.DataFrame(
        [
            ("indi", n, metric, value)
            for n, pair in points.items()
            for metric, value in zip(("psnr", "ssim"), pair, strict=True)
        ],
        columns=["sampler", "steps", "metric", "mean"],
    )
    (axes,) = plots.metric_plane(rows, "ssim").axes
    (line,) = (line for line in axes.lines if line.get_label() == "InDI")
    assert np.asarray(line.get_xydata()).tolist() == [list(pair) for pair in points.values()]
    assert [text.get_text() for text in axes.texts] == ["1", "2", "5"]


def test_every_point_of_a_stored_plane_tells_where_it_lies_and_what_it_is(project: Path) -> None:
    rows = pd.DataFrame(
        [
            ("indi", n, metric, value, value - width, value + width)
            for n, pair in {1: (27.0, 0.5), 5: (26.0, 0.25)}.items()
            for metric, value, width in zip(("psnr", "ssim"), pair, (0.5, 0.01), strict=True)
        ],
        columns=["sampler", "steps", "metric", "mean", "low", "high"],
    )
    svg = results.save_figure("plane", plots.metric_plane(rows, "ssim"), "smoke").read_text()
    found = re.search("<dc:description>(.*?)</dc:description>", svg, re.DOTALL)
    assert found
    told = json.loads(html.unescape(found[1]))
    assert [(point["series"], point["steps"]) for point in told] == [("indi", 1), ("indi", 5)]
    assert (
        told[1]["says"]
        == "InDI, N = 5: PSNR 26.00 [25.50,\u00a026.50] dB; SSIM 0.250 [0.240,\u00a00.260] (intervals: the bars)"
    )
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert size
    width, height = map(float, size.groups())
    marks = [tuple(map(float, at)) for at in re.findall(r'<use [^>]*?x="([\d.]+)" y="([\d.]+)"', svg)]
    for point in told:
        x, y = point["x"] * width / 100, point["y"] * height / 100
        assert min(math.dist((x, y), mark) for mark in marks) < 1, "points of the page, 1/72 inch"


def test_numbers_beside_points_can_be_read() -> None:
    """Points that pile up, as those of very many steps do, and a naive curve that goes far away."""
    steps = np.array([1, 2, 5, 20, 50, 100])
    paths = {
        "indi": (25 + 1 / steps, 0.1 + 0.1 / steps),
        "naive": (25 + 1 / steps - steps / 5, 0.1 + 0.1 / steps + steps / 100),
        "cold_diffusion": (25.1 + 1 / steps, 0.101 + 0.1 / steps),
    }
    rows = pd.DataFrame(
        [
            (sampler, n, metric, value)
            for sampler, values in paths.items()
            for metric, of_metric in zip(("psnr", "lpips_squeeze"), values, strict=True)
            for n, value in zip(steps, of_metric, strict=True)
        ],
        columns=["sampler", "steps", "metric", "mean"],
    )
    figure = plots.metric_plane(rows, "lpips_squeeze")
    figure.draw_without_rendering()
    (axes,) = figure.axes
    assert axes.get_title().endswith("naive, N = 20, 50, 100")
    written = [text for text in axes.texts if text.get_text()]
    assert sorted(text.get_text() for text in written) == sorted(map(str, [*steps, *steps, 1, 2, 5]))
    places = [text.get_window_extent() for text in written]
    assert not any(a.overlaps(b) for k, a in enumerate(places) for b in places[:k])


def test_pictures_are_shown_as_they_are() -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 6, 3), dtype=np.uint8)
    figure = plots.pictures([[image, plots.middle(image, 4)]], ["whole", "middle"])
    shown = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    np.testing.assert_array_equal(shown[0], image)
    np.testing.assert_array_equal(shown[1], image[2:6, 1:5])

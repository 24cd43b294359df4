"""Figures show the numbers they were given; tables and files do not change without cause."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from indi import figures
from indi.figures import exact, network, toy
from indi.method import samplers, unet
from indi.records import results


@pytest.fixture(autouse=True)
def _style() -> Iterator[None]:
    with mpl.rc_context():
        mpl.use("agg")
        figures.use_style()
        yield
    plt.close("all")


def ydata(line: Line2D) -> list[float]:
    return np.asarray(line.get_ydata()).tolist()


def a_run() -> toy.ToyRun:
    modes = np.array([[1.0, 1], [-1, 1], [-1, -1], [1, -1]])
    y = modes * 1.7
    states = np.linspace(y, modes, 5)
    return toy.ToyRun("(a)", modes, samplers.uniform_times(4), states, modes * 0.5)


def test_every_sampler_has_its_own_look() -> None:
    for look in (
        figures.SAMPLER_COLOURS,
        figures.SAMPLER_MARKERS,
        figures.SAMPLER_LINES,
        figures.SAMPLER_LABELS,
    ):
        assert list(look) == list(samplers.SAMPLERS)
        assert len(set(look.values())) == len(look)


def test_sampler_colours_differ_for_colour_blind_readers() -> None:
    """Simulated deuteranopia (Machado et al., 2009): still far apart in linear RGB."""
    deutan = np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    )
    for first, second in combinations(figures.SAMPLER_COLOURS.values(), 2):
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


def test_an_unchanged_figure_is_an_unchanged_file(project: Path) -> None:
    files = [
        results.save_figure("toy", toy.toy_figure([a_run()] * 2), "smoke").read_bytes() for _ in range(2)
    ]
    assert files[0] == files[1]


def test_toy_figure_shows_the_points() -> None:
    run = a_run()
    ax = toy.toy_figure([run, run]).axes[0]
    drawn = {c.get_label(): np.asarray(c.get_offsets()) for c in ax.collections}
    np.testing.assert_array_equal(drawn["observed y"], run.states[0])
    np.testing.assert_array_equal(drawn["one step, E[x | y]"], run.regression)
    np.testing.assert_array_equal(drawn["InDI after 4 steps"], run.states[-1])
    assert len(drawn["path of InDI"]) == 3 * 4


def test_toy_steps_follow_the_times() -> None:
    figure = toy.toy_steps([a_run(), a_run()], shown=(1.0, 0.5, 0.0))
    assert [ax.get_title() for ax in figure.axes[:3]] == ["t = 1", "t = 0.5", "t = 0"]
    at_half = np.concatenate([np.asarray(c.get_offsets()) for c in figure.axes[1].collections[1:]])
    np.testing.assert_allclose(at_half, a_run().states[2])


def test_curves_show_the_numbers() -> None:
    rows = pd.DataFrame(
        [
            {"case": "a", "sampler": name, "steps": n, "fraction": n / 10, "low": n / 11, "high": n / 9}
            for name in samplers.SAMPLERS
            for n in (1, 2, 5)
        ]
    )
    figure = exact.fraction_at_mode(pd.concat([rows, rows.assign(case="b")]))
    lines = figure.axes[0].get_lines()
    assert [line.get_label() for line in lines] == list(figures.SAMPLER_LABELS.values())
    assert ydata(lines[0]) == [0.1, 0.2, 0.5]
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["1", "2", "5"]


def test_gaussian_curves_are_relative_to_the_mmse() -> None:
    rows = pd.DataFrame(
        [
            {"ratio": r, "sampler": "indi", "steps": n, "variance": 0.9, "mse": 0.6}
            for r in (0.5, 1.0)
            for n in (1, 2)
        ]
    )
    bounds = pd.DataFrame({"ratio": [0.5, 1.0], "mmse": [0.2, 0.5], "perfect_perception": [0.21, 0.586]})
    top, _, bottom, right = exact.gaussian_curves(rows, bounds).axes
    assert ydata(top.get_lines()[0]) == [0.9, 0.9]
    assert ydata(bottom.get_lines()[0]) == pytest.approx([3.0, 3.0])
    assert ydata(right.get_lines()[-1]) == pytest.approx([1.172, 1.172])  # the dotted bound


@pytest.mark.parametrize("multipliers", [(1, 2, 3, 4), (1, 2, 4, 4)])
def test_the_diagram_is_that_of_the_model(multipliers: tuple[int, ...]) -> None:
    figure = network.topology(unet.UNet(4, multipliers))
    words = [text.get_text() for text in figure.axes[0].texts]
    for m in multipliers:
        assert words.count(f"3 blocks, {4 * m}") == multipliers.count(m)
        assert words.count(f"4 blocks, {4 * m}") == multipliers.count(m)
    assert sum("4 skips" in word for word in words) == 4
    assert sum(word.startswith("down block") for word in words) == 3
    assert sum(word.startswith("up block") for word in words) == 3


def test_cost_by_stage_shows_the_numbers() -> None:
    rows = pd.DataFrame(
        {
            "network": ["p", "p", "q", "q"],
            "stage": ["b", "a", "a", "b"],
            "parameters": [2.0, 1, 3, 4],
            "gflop": 1.0,
        }
    )
    left = network.cost_by_stage(rows, ["a", "b"]).axes[0]
    assert [bar.get_width() for bar in left.patches if isinstance(bar, Rectangle)] == [1, 2, 3, 4]

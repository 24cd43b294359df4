"""What the last chapter says follows from its rows, and from nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from indi import figures
from indi.claims import decide
from indi.evaluation import INPUT, metrics
from indi.evaluation.metrics import Interval
from indi.evaluation.metrics.intervals import FEWEST_IMAGES
from indi.figures import beyond
from indi.method import solvers

CALLS = (1, 5)


@pytest.fixture(autouse=True)
def _style() -> Iterator[None]:
    with mpl.rc_context():
        mpl.use("agg")
        figures.use_style()
        yield
    plt.close("all")


def rows(images: int, shift: dict[str, float]) -> pd.DataFrame:
    """PSNR of `images` images; each method is `shift` dB above InDI, give or take, after 5 calls."""
    out: list[tuple[str, str, int, str, float]] = []
    for i in range(images):
        base = 20 + 1.3 * i
        out.append((f"{i}", INPUT, 0, "psnr", base - 1))
        for name, by in ({beyond.BASELINE: 0.0} | shift).items():
            for calls in CALLS:
                moved = by * (1 + 0.1 * (-1) ** i) if calls > 1 else 0.0
                out.append((f"{i}", name, calls, "psnr", base + moved))
    return pd.DataFrame(out, columns=["image", "sampler", "steps", "metric", "value"])


def test_verdicts_come_from_the_rows() -> None:
    found = beyond.at_equal_calls(rows(12, {"chosen": 0.5, "squared": -0.5, "heun": 0.0}), ["psnr"])
    table = found.set_index(["method", "calls"])["verdict"]
    assert table["chosen", 5] == "better"
    assert table["squared", 5] == "worse"
    assert table["heun", 5] == "same"
    assert (table.xs(1, level="calls") == "same").all()
    assert found.set_index(["method", "calls"]).loc[("chosen", 5), "mean"] == pytest.approx(0.5)
    said = beyond.statements(found, {"Steps": ["chosen"], "Loss": ["squared"], "Solver": ["heun"]})
    assert "chosen steps, L1, PSNR: better at 1 of 2 numbers of calls (+0.5 at 5)" in said
    assert "squared error, PSNR: worse at 1 of 2 numbers of calls (-0.5 at 5)" in said
    assert "Heun, equal steps, L1, PSNR: no difference shown" in said
    intervals, level, shown = re.findall(r"\d+", beyond.chance(found))[:3]
    assert (intervals, level, shown) == ("2", "95", "2")


def test_few_images_get_no_verdict() -> None:
    found = beyond.at_equal_calls(rows(FEWEST_IMAGES - 1, {"chosen": 0.5}), ["psnr"])
    assert set(found["verdict"]) == {"same", "too few images"}
    assert "inconclusive, 9 images; largest difference +0.5" in beyond.statements(found, {"": ["chosen"]})
    assert "No verdict is given" in beyond.chance(found)


@pytest.mark.parametrize(
    ("low", "high", "word"), [(-2.0, -1.0, "better"), (1.0, 2.0, "worse"), (-1.0, 1.0, "none shown")]
)
def test_the_rule(low: float, high: float, word: str) -> None:
    assert decide.worded(Interval((low + high) / 2, low, high, 20)) == word


def test_the_direction_of_a_metric_counts() -> None:
    value = pd.Series([0.7, 1.2])
    assert beyond.loss_score("psnr")(value).tolist() == [-0.7, -1.2]
    assert beyond.loss_score("lpips_alex")(value).tolist() == [0.7, 1.2]
    assert beyond.loss_score("detail_ratio")(value).tolist() == pytest.approx([0.3, 0.2])
    assert metrics.describe("detail_ratio").direction == "none"


def test_each_number_of_calls_against_the_one_before() -> None:
    found = beyond.after_many(rows(12, {"chosen": -0.5}), ["psnr"])
    assert found[["method", "calls", "baseline", "baseline_calls"]].to_numpy().tolist() == [
        ["indi", 5, "indi", 1],
        ["chosen", 5, "chosen", 1],
    ]
    assert found["verdict"].tolist() == ["same", "worse"]


def test_every_method_and_schedule_has_its_label_and_look() -> None:
    assert set(beyond.SCHEDULE_LABELS) == set(solvers.STEP_SCHEDULES)
    looks = list(beyond.METHODS.values())
    assert len({look[1] for look in looks}) == len({look[2] for look in looks}) == len(looks)


def test_the_quality_figure_draws_the_differences() -> None:
    data = rows(12, {"chosen": 0.5})
    found = beyond.at_equal_calls(data, ["psnr"])
    top, bottom = beyond.quality(data, found, ["psnr"]).axes
    means = data.groupby(["sampler", "steps"])["value"].mean()
    drawn = {line.get_label(): np.asarray(line.get_ydata()).tolist() for line in top.lines}
    assert drawn[beyond.METHODS["chosen"][0]] == pytest.approx([means["chosen", n] for n in CALLS])
    assert any(np.allclose(np.asarray(line.get_ydata(), float), [0.0, 0.5]) for line in bottom.lines)


def test_the_choice_is_starred() -> None:
    summary = pd.DataFrame(
        [("uniform", 5, "psnr", 1.0), ("cosine", 5, "psnr", 2.0), (INPUT, 0, "psnr", 0.0)],
        columns=["sampler", "steps", "metric", "mean"],
    )
    table = beyond.choice_table(summary, {5: "cosine"}, "psnr")
    assert table["5 calls"].tolist() == ["1.0000", "2.0000 *"]

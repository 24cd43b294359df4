"""Evaluation against restorers whose result is known."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from indi import evaluation, training
from indi.data import datasets, degradations
from indi.data.datasets import ImageSet
from indi.data.images import from_arrays
from indi.errors import InDIError
from indi.evaluation import experiment, metrics, protocols
from indi.evaluation.protocols import Evaluation
from indi.method import samplers
from indi.training import recipes

SETTINGS = Evaluation("embedded", 48, None, (1, 2, 3), batch_size=2)
NAMES = ("psnr", "ssim")
SAMPLERS = 3


def photographs() -> ImageSet:
    return datasets.load("embedded", "evaluate")


def test_the_identity_returns_the_input() -> None:
    calls = []

    def F(x: Tensor, t: Tensor) -> Tensor:
        calls.append(len(x))
        return x

    result = evaluation.evaluate(F, photographs(), degradations.get("jpeg"), SETTINGS, metric_names=NAMES)
    table = result.rows.pivot_table(index=["image", "metric"], columns=["sampler", "steps"], values="value")
    expected = table[(evaluation.INPUT, 0)]
    for column in table.columns:
        # the samplers' convex combinations of equal numbers may round at a half
        np.testing.assert_allclose(table[column], expected, rtol=2e-3, err_msg=str(column))
    images = len(photographs())
    assert sum(calls) == images * (1 + 2 + 3) * SAMPLERS
    assert len(result.rows) == images * len(NAMES) * (1 + 3 * SAMPLERS)


def test_an_oracle_is_perfect() -> None:
    images, jpeg = photographs(), degradations.get("jpeg")
    truth = {len(x): x for _, x, _ in evaluation.pairs(images, jpeg, SETTINGS)}
    result = evaluation.evaluate(
        lambda x, t: truth[len(x)], images, jpeg, SETTINGS, samplers=("indi",), metric_names=NAMES
    )
    restored = result.rows[result.rows["sampler"] == "indi"]
    assert (restored[restored["metric"] == "psnr"]["value"] == np.inf).all()
    np.testing.assert_allclose(restored[restored["metric"] == "ssim"]["value"], 1, atol=1e-6)


def test_one_step_is_the_same_with_every_sampler_and_noise_is_shared() -> None:
    result = evaluation.evaluate(
        lambda x, t: 0.5 * x,
        photographs(),
        degradations.get("jpeg"),
        SETTINGS,
        eps=0.3,
        metric_names=("psnr",),
    )
    one = result.rows[result.rows["steps"] == 1].pivot_table(index="image", columns="sampler", values="value")
    np.testing.assert_array_equal(one["indi"], one["naive"])
    np.testing.assert_allclose(one["indi"], one["cold_diffusion"], rtol=1e-5)


def test_pairs_are_centre_crops_and_their_jpeg() -> None:
    images = photographs()
    (names, x, y), *_ = evaluation.pairs(images, degradations.get("jpeg"), SETTINGS)
    assert names == images.names[:2]
    height, width = images.images[0].shape[:2]
    top, left = (height - 48) // 2, (width - 48) // 2
    assert torch.equal(x[:1], from_arrays([images.images[0][top : top + 48, left : left + 48]]))
    assert torch.equal(y, degradations.get("jpeg")(x, torch.Generator()))


def of_two_sizes() -> ImageSet:
    """Three photographs, the second so small that a blur's margin does not fit around its crop."""
    images = photographs()
    some = (images.images[0], images.images[1][:50, :60], images.images[2])
    return dataclasses.replace(images, names=images.names[:3], images=some)


@pytest.mark.parametrize("name", ["motion", "defocus", "noise", "jpeg"])
def test_an_image_comes_out_the_same_in_any_batch(name: str) -> None:
    images = of_two_sizes()

    def evaluated(batch_size: int, count: int | None) -> evaluation.Evaluated:
        settings = Evaluation("embedded", 48, count, (1, 3), batch_size=batch_size)
        return evaluation.evaluate(
            # element by element, so that F itself does not round by batch
            lambda x, t: 0.5 * x + 0.25 * t.view(-1, 1, 1, 1), images, degradations.get(name), settings,
            eps=0.3, schedule="brownian", metric_names=("psnr",), keep=images.names,
        )  # fmt: skip

    whole = evaluated(8, None)
    for batch_size, count in ((1, None), (2, None), (3, None), (8, 2), (1, 2)):
        found = evaluated(batch_size, count)
        names = images.names[:count]
        assert {key for key in whole.kept if key[0] in names} == set(found.kept)
        for key, image in found.kept.items():
            np.testing.assert_array_equal(image, whole.kept[key], err_msg=str(key))
        index = ["image", "sampler", "steps", "metric"]
        rows, expected = (
            r[r["image"].isin(names)].sort_values(index, ignore_index=True) for r in (found.rows, whole.rows)
        )
        pd.testing.assert_frame_equal(rows, expected, check_exact=True)


def test_images_have_y_and_perturbations_of_their_own() -> None:
    """Two equal images differ in both, and another seed changes both."""
    images = photographs()
    twins = dataclasses.replace(images, names=("a", "b"), images=(images.images[0],) * 2)
    ((_, x, y),) = evaluation.pairs(twins, degradations.get("motion"), SETTINGS)
    assert torch.equal(x[0], x[1])
    assert not torch.equal(y[0], y[1])
    ((_, _, other),) = evaluation.pairs(
        twins, degradations.get("motion"), dataclasses.replace(SETTINGS, seed=1)
    )
    assert not torch.equal(y, other)
    kept = evaluation.evaluate(
        lambda x, t: x, twins, degradations.get("jpeg"), SETTINGS, eps=0.3, metric_names=("psnr",),
        keep=twins.names,
    ).kept  # fmt: skip
    assert np.array_equal(kept["a", "input", 0], kept["b", "input", 0])
    assert not np.array_equal(kept["a", "indi", 1], kept["b", "indi", 1])


def test_kept_images_are_what_was_measured() -> None:
    images = photographs()
    result = evaluation.evaluate(
        lambda x, t: -x, images, degradations.get("jpeg"), SETTINGS, samplers=("indi",), metric_names=("psnr",),
        keep=images.names[:1],
    )  # fmt: skip
    assert {name for name, _, _ in result.kept} == {images.names[0]}
    rows = result.rows.set_index(["image", "sampler", "steps"])["value"]
    truth = from_arrays([result.kept[images.names[0], "truth", 0]])
    for steps in (1, 3):
        restored = from_arrays([result.kept[images.names[0], "indi", steps]])
        psnr = float(metrics.psnr(restored, truth))
        assert rows[images.names[0], "indi", steps] == pytest.approx(psnr, rel=1e-6)


def test_a_training_split_is_refused() -> None:
    with pytest.raises(InDIError, match="for training"):
        evaluation.evaluate(
            lambda x, t: x, datasets.load("embedded", "train"), degradations.get("jpeg"), SETTINGS
        )


def test_a_training_split_serves_to_choose_by() -> None:
    images = datasets.load("embedded", "train")
    result = evaluation.evaluate(
        lambda x, t: x, images, degradations.get("jpeg"), SETTINGS, metric_names=("psnr",), choosing=True
    )
    assert set(result.rows["image"]) == set(images.names)


def test_a_method_has_its_own_sampler_and_times() -> None:
    seen: list[float] = []

    def F(x: Tensor, t: Tensor) -> Tensor:
        seen.append(float(t[0]))
        return x

    methods = {
        "early": evaluation.Method(samplers.naive, lambda n: np.array([1.0, 0.9, 0.0])),
        "plain": evaluation.Method(samplers.indi),
    }
    settings = Evaluation("embedded", 48, 1, (2,))
    result = evaluation.evaluate(
        F, photographs(), degradations.get("jpeg"), settings, samplers=methods, metric_names=("psnr",)
    )
    assert seen == pytest.approx([1, 0.9, 1, 0.5])
    assert list(dict.fromkeys(result.rows["sampler"])) == [evaluation.INPUT, *methods]


def test_an_image_smaller_than_the_crop_is_named() -> None:
    settings = protocols.evaluation("jpeg", "smoke", crop=4096)
    with pytest.raises(InDIError, match=rf"{photographs().names[0]} .*smaller than the 4096x4096"):
        list(evaluation.pairs(photographs(), degradations.get("jpeg"), settings))


def test_summary_and_difference() -> None:
    rows = pd.DataFrame(
        [
            (image, sampler, 1, "psnr", value + shift)
            for sampler, shift in (("indi", 1.0), ("naive", 0.0))
            for image, value in zip("abcde", (20.0, 22.0, 21.0, 30.0, 25.0), strict=True)
        ],
        columns=["image", "sampler", "steps", "metric", "value"],
    )
    table = evaluation.summary(rows).set_index("sampler")
    assert table.loc["naive", "mean"] == pytest.approx(23.6)
    assert table.loc["naive", "n"] == 5
    assert table.loc["naive", "low"] < 23.6 < table.loc["naive", "high"]
    paired = evaluation.difference(rows, "psnr", ("indi", 1), ("naive", 1))
    assert paired.mean == pytest.approx(1.0)
    moved = evaluation.changes(rows, ("naive", 1)).set_index("sampler")
    # a constant difference has no interval to resample: the bounds are honest NaN
    assert moved.loc["indi", "mean"] == pytest.approx(24.6)
    assert moved.loc["naive", ["low", "high"]].tolist() == pytest.approx([23.6, 23.6])
    with pytest.raises(InDIError, match="no psnr of indi at 7 steps"):
        evaluation.difference(rows, "psnr", ("indi", 7), ("naive", 1))


def test_changes_carry_the_interval_of_the_paired_difference() -> None:
    values = {"a": (20.0, 21.0), "b": (30.0, 30.5), "c": (25.0, 26.5), "d": (28.0, 28.2)}
    rows = pd.DataFrame(
        [(i, "indi", n, "psnr", v) for i, pair in values.items() for n, v in zip((1, 5), pair, strict=True)],
        columns=["image", "sampler", "steps", "metric", "value"],
    )
    five = evaluation.changes(rows).set_index("steps").loc[5]
    expected = metrics.paired_difference([p[1] for p in values.values()], [p[0] for p in values.values()])
    assert five["mean"] == pytest.approx(26.55)
    assert five["low"] == pytest.approx(25.75 + expected.low)
    assert five["high"] == pytest.approx(25.75 + expected.high)


def test_very_many_steps_are_affordable_and_share_their_images() -> None:
    ours, theirs = protocols.many("motion", "laptop")
    assert (ours.images, theirs.images, ours.crop) == (64, 32, 96)
    assert theirs == dataclasses.replace(ours, images=32, step_counts=theirs.step_counts)
    assert ours.step_counts[-1] == theirs.step_counts[-1] == 500
    # two samplers on half of the images: about 100,000 calls
    calls = 64 * sum(ours.step_counts) + 2 * 32 * sum(theirs.step_counts)
    assert 90_000 < calls < 110_000
    faces, others = protocols.many("generation", "laptop")
    assert faces == others
    assert max(faces.step_counts) == 200


def test_what_was_measured_is_found_again_unless_it_is_damaged(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = training.train(recipes.recipe("jpeg", "smoke", steps=2))
    images, chosen = datasets.load("embedded", "evaluate"), protocols.many("jpeg", "smoke", images=3)[0]

    def measured(**changes: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
        settings = dataclasses.replace(chosen, **changes)
        return experiment.measured_once(
            trained, images, settings, samplers=("indi",), metric_names=("psnr",), set_names=("fd",)
        )

    first = measured()
    (path,) = (project / "runs" / "evaluations").iterdir()
    measure = experiment.measure
    monkeypatch.setattr(experiment, "measure", lambda *a, **k: pytest.fail("measured again"))
    for found, expected in zip(measured(), first, strict=True):
        pd.testing.assert_frame_equal(found, expected)
    monkeypatch.setattr(experiment, "measure", measure)
    assert set(measured(step_counts=(1,))[0]["steps"]) == {0, 1}
    path.write_text(path.read_text().replace('"jpeg', '"jpgg').replace("indi", "inda"))
    for found, expected in zip(measured(), first, strict=True):
        pd.testing.assert_frame_equal(found, expected)


def test_points_between_one_and_two_steps_are_told_apart_in_their_order() -> None:
    rows = [
        ("indi", 1),
        ("indi", 2),
        ("indi", 5),
        ("cold_diffusion", 2),
        ("input", 0),
        ("0.05", 2),
        ("0.5", 2),
    ]
    table = experiment._points(pd.DataFrame(rows, columns=["sampler", "steps"]))
    found = list(table.itertuples(index=False, name=None))
    assert found == [("indi", 1), ("indi", 5000), ("cold_diffusion", 2), ("indi", 50), ("indi", 500)]
    # the second time of two equal steps is among them, which is why those go
    assert list(experiment._two_steps(0.5, 2)) == list(samplers.uniform_times(2))

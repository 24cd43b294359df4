"""The conditional DDPM against exact laws: Gaussians, for which the noise predictor is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from torch import Tensor

from indi import evaluation, training
from indi.claims import trainings
from indi.data import datasets
from indi.data.crops import TrainingCrops, torch_seed
from indi.data.images import from_uint8
from indi.errors import InDIError
from indi.evaluation import ddpm_steps as comparison
from indi.evaluation.protocols import Evaluation
from indi.figures import ddpm
from indi.method import cddpm, unet
from indi.method.process import randn_like
from indi.method.unet import Output
from indi.training import loop, recipes

M, S = 0.3, 0.5


def gaussian(mean: Callable[[Tensor], Tensor | float], s: float) -> cddpm.NoisePredictor:
    """The exact E[n | z, y] where x given y is N(mean(y), s^2): regression of n on z."""

    def predict(z: Tensor, y: Tensor, level: Tensor) -> Tensor:
        level = level.view(-1, *[1] * (z.ndim - 1))
        variance = level**2 * s**2 + 1 - level**2
        return (1 - level**2).sqrt() * (z - level * mean(y)) / variance

    return predict


PRIOR = gaussian(lambda y: M, S)


def affine(
    sampler: str,
    predict: cddpm.NoisePredictor,
    schedule: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    y: float = 0.0,
) -> tuple[float, float]:
    """Mean and variance of the sampler's output, exactly: its noises are replaced by unit vectors.

    With an affine predictor the output is an affine map of the N independent noises.
    """
    n = len(schedule) - 1
    drawn = iter(range(n))

    def unit(like: Tensor, generator: torch.Generator | None) -> Tensor:
        noise = torch.zeros_like(like)
        noise[1 + next(drawn)] = 1
        return noise

    with monkeypatch.context() as patch:
        patch.setattr(cddpm, "randn_like", unit)
        out = cddpm.SAMPLERS[sampler](
            predict, torch.full((n + 1, 1), y, dtype=torch.float64), schedule, clip=False
        )
    offset, response = out[0].item(), (out[1:] - out[0]).numpy()
    return offset, float((response**2).sum())


def by_conditioning(schedule: np.ndarray, m: float, s: float) -> tuple[float, float]:
    """Mean and variance of ancestral sampling from covariances alone, without the formulas of the sampler.

    (z_s, z_t) given x have a joint Gaussian law; conditioning it on z_t gives the step.
    """
    mean, variance = 0.0, 1.0
    for level, target in pairwise(schedule):
        # x -> z_target -> z_level by further noising: Cov(z_target, z_level | x) = r Var(z_target | x)
        r = level / target
        c_target, c_level = 1 - target**2, 1 - level**2
        cross = r * c_target
        slope = cross / c_level
        left = c_target - cross**2 / c_level
        prior = np.array([[s**2, level * s**2], [level * s**2, level**2 * s**2 + c_level]])
        gain = prior[0, 1] / prior[1, 1]  # E[x | z] = m + gain (z - level m)
        coefficient = slope + (target - slope * level) * gain
        constant = (target - slope * level) * (1 - gain * level) * m
        mean, variance = coefficient * mean + constant, coefficient**2 * variance + left
    return mean, variance


def ddim_gain(schedule: np.ndarray, s: float) -> float:
    """Product over steps of cos of the angle between (l s, sigma) and (l' s, sigma'), times the norms' ratio."""
    points = np.stack([schedule * s, np.sqrt(1 - schedule**2)])
    norms = np.linalg.norm(points, axis=0)
    cosines = (points[:, 1:] * points[:, :-1]).sum(0) / (norms[1:] * norms[:-1])
    return float(np.prod(cosines) * norms[-1] / norms[0])


@pytest.mark.parametrize("schedule", cddpm.SCHEDULES)
@pytest.mark.parametrize("n", [1, 2, 7, 50])
def test_ancestral_output_law_at_finite_n(schedule: str, n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = cddpm.levels(schedule, n)
    np.testing.assert_allclose(
        affine("ddpm", PRIOR, grid, monkeypatch), by_conditioning(grid, M, S), rtol=1e-9
    )


@pytest.mark.parametrize("schedule", cddpm.SCHEDULES)
@pytest.mark.parametrize("n", [1, 2, 7, 50])
def test_ddim_output_law_at_finite_n(schedule: str, n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = cddpm.levels(schedule, n)
    gain = ddim_gain(grid, S)
    mean, variance = affine("ddim", PRIOR, grid, monkeypatch) if n == 1 else _ddim_law(grid)
    # the start is N(0, 1), not N(l m, l^2 s^2 + sigma^2): the mean is off by the gain times l m
    assert mean == pytest.approx(M * (1 - grid[0] * gain), rel=1e-12)
    assert variance == pytest.approx(gain**2, rel=1e-9)


def _ddim_law(grid: np.ndarray) -> tuple[float, float]:
    """From two starts: the map is affine in the start alone."""
    generator = torch.Generator().manual_seed(3)
    out = cddpm.ddim(PRIOR, torch.zeros(2, 1, dtype=torch.float64), grid, generator, clip=False)
    z = torch.randn(2, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    gain = float((out[1] - out[0]) / (z[1] - z[0]))
    return float(out[0] - gain * z[0]), gain**2


@pytest.mark.parametrize("sampler", cddpm.SAMPLERS)
@pytest.mark.parametrize("schedule", cddpm.SCHEDULES)
def test_many_steps_give_the_law_of_x(schedule: str, sampler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    off = []
    for n in (20, 80, 320):
        grid = cddpm.levels(schedule, n)
        mean, variance = affine(sampler, PRIOR, grid, monkeypatch) if sampler == "ddpm" else _ddim_law(grid)
        assert mean == pytest.approx(M, abs=0.005)  # the start holds l m = 0.002 less than it should
        off.append(abs(variance / S**2 - 1))
    assert off[2] < off[1] < off[0]
    assert off[2] < 0.05


@pytest.mark.parametrize("sampler", cddpm.SAMPLERS)
def test_the_condition_gives_the_posterior(sampler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """x ~ N(0, 1), y = x + N(0, tau^2): the output given y is N(y / (1 + tau^2), tau^2 / (1 + tau^2))."""
    tau = 0.6
    s = tau / math.sqrt(1 + tau**2)
    predict = gaussian(lambda y: y / (1 + tau**2), s)
    for y in (-1.2, 0.4):
        if sampler == "ddpm":
            mean, variance = affine("ddpm", predict, cddpm.levels("cosine", 1000), monkeypatch, y)
        else:
            generator = torch.Generator().manual_seed(0)
            given = torch.full((2, 1), y, dtype=torch.float64)
            out = cddpm.ddim(predict, given, cddpm.levels("cosine", 1000), generator, clip=False)
            z = torch.randn(2, 1, dtype=torch.float64, generator=generator.manual_seed(0))
            gain = float((out[1] - out[0]) / (z[1] - z[0]))
            mean, variance = float(out[0] - gain * z[0]), gain**2
        assert mean == pytest.approx(y / (1 + tau**2), abs=0.01)
        assert variance == pytest.approx(s**2, rel=0.02)


@pytest.mark.parametrize("sampler", cddpm.SAMPLERS)
def test_one_step_is_the_posterior_mean_given_the_start(sampler: str, generator: torch.Generator) -> None:
    grid = cddpm.levels("sigmoid", 1)
    y = torch.zeros(5, 3, dtype=torch.float64)
    out = cddpm.SAMPLERS[sampler](PRIOR, y, grid, generator, clip=False)
    z = torch.randn(5, 3, dtype=torch.float64, generator=generator.manual_seed(0))
    level = grid[0]
    expected = M + level * S**2 / (level**2 * S**2 + 1 - level**2) * (z - level * M)
    torch.testing.assert_close(out, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("sampler", cddpm.SAMPLERS)
@pytest.mark.parametrize("n", [1, 2, 9])
def test_an_oracle_recovers_x_in_exactly_n_calls(sampler: str, n: int, generator: torch.Generator) -> None:
    x = torch.rand(2, 3, 4, 4, dtype=torch.float64, generator=generator) * 2 - 1
    calls, seen = [], []

    def oracle(z: Tensor, y: Tensor, level: Tensor) -> Tensor:
        calls.append(float(level[0]))
        level = level.view(-1, 1, 1, 1)
        return (z - level * x) / (1 - level**2).sqrt()

    grid = cddpm.levels("quadratic", n)
    out = cddpm.SAMPLERS[sampler](
        oracle, torch.zeros_like(x), grid, generator, lambda i, a, b, z, noise: seen.append((i, a, b))
    )
    torch.testing.assert_close(out, x, rtol=0, atol=1e-10)
    assert calls == pytest.approx(grid[:-1].tolist())
    assert seen == [(i, grid[i], grid[i + 1]) for i in range(n)]


@pytest.mark.parametrize("sampler", cddpm.SAMPLERS)
def test_clipping_bounds_the_estimate_and_nothing_else(sampler: str, generator: torch.Generator) -> None:
    y = torch.zeros(4, 3, 2, 2)
    grid = cddpm.levels("linear", 6)
    run = cddpm.SAMPLERS[sampler]
    wild = run(lambda z, y, level: torch.zeros_like(z), y, grid, generator.manual_seed(1))
    assert float(wild.abs().max()) <= 1
    unbounded = run(lambda z, y, level: torch.zeros_like(z), y, grid, generator.manual_seed(1), clip=False)
    assert float(unbounded.abs().max()) > 1
    z = torch.randn(y.shape, generator=generator.manual_seed(1))
    one = run(lambda z, y, level: 0 * z, y, cddpm.levels("linear", 1), generator.manual_seed(1))
    torch.testing.assert_close(one, (z / cddpm.TRAINING_END).clamp(-1, 1))


def test_clipped_ddim_stays_made_of_estimate_and_noise(generator: torch.Generator) -> None:
    """z_s = l_s x + sigma_s n with the n that makes z of the clipped x: worked out for two steps."""
    grid = cddpm.levels("straight", 2)
    y = torch.zeros(1, 3, 4, 4, dtype=torch.float64)
    states: list[Tensor] = []
    cddpm.ddim(lambda z, y, level: 0 * z, y, grid, generator, lambda i, a, b, z, noise: states.append(z))
    x = (states[0] / grid[0]).clamp(-1, 1)
    noise = (states[0] - grid[0] * x) / math.sqrt(1 - grid[0] ** 2)
    torch.testing.assert_close(states[1], grid[1] * x + math.sqrt(1 - grid[1] ** 2) * noise)


@pytest.mark.parametrize("sampler", cddpm.SAMPLERS)
def test_the_generator_decides(sampler: str, generator: torch.Generator) -> None:
    y, grid = torch.zeros(2, 3), cddpm.levels("cosine", 4)
    first, again, other = (
        cddpm.SAMPLERS[sampler](PRIOR, y, grid, generator.manual_seed(seed)) for seed in (5, 5, 6)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("n", [1, 2, 5, 100, 2000])
def test_every_schedule_rises_from_the_same_noise_to_the_clean_image(n: int) -> None:
    grids = [cddpm.levels(name, n) for name in cddpm.SCHEDULES]
    for grid in grids:
        assert grid.dtype == np.float64
        assert len(grid) == n + 1
        assert (np.diff(grid) > 0).all()
        assert grid[0] == pytest.approx(cddpm.TRAINING_END, rel=1e-12)
        assert grid[-1] == 1
    if n > 2:  # at two steps, sigmoid and straight are one: both are 1/2 in the middle
        assert len({round(grid[n // 4 + 1], 9) for grid in grids}) == 6


def test_levels_are_square_roots_of_alpha_bar() -> None:
    """The training schedule by its definition, and two shapes at u = 1/2, up to the stated affine map."""
    alpha_bar = 1.0
    for k in range(2000):
        alpha_bar *= 1 - (1e-6 + (1e-2 - 1e-6) * k / 1999)
    assert pytest.approx(alpha_bar, rel=1e-9) == cddpm.TRAINING_END**2
    # SR3's linear variances in the limit of many steps; the last value is the end itself
    assert cddpm.levels("linear", 2)[1] ** 2 == pytest.approx(math.exp(-0.001 - 9.999 / 4), rel=1e-3)
    assert cddpm.levels("straight", 2)[1] ** 2 == pytest.approx((1 + alpha_bar) / 2, rel=1e-12)
    assert cddpm.levels("sigmoid", 2)[1] ** 2 == pytest.approx((1 + alpha_bar) / 2, rel=1e-12)
    # beta of a step is 1 - alpha_bar ratio: the cosine schedule's is Nichol and Dhariwal's
    f = np.cos((np.arange(11) / 10 + 0.008) / 1.008 * math.pi / 2) ** 2
    beta = 1 - f[1:] / f[:-1]
    grid = cddpm.levels("cosine", 10)[::-1] ** 2
    np.testing.assert_allclose((1 - grid[1:] / grid[:-1])[:8], beta[:8], rtol=2e-3)


def test_training_levels_are_uniform_between_neighbours() -> None:
    distribution = cddpm.training_levels()
    sample = distribution.sample(20_000, torch.Generator().manual_seed(0)).double()
    assert cddpm.TRAINING_END * 0.999 <= float(sample.min()) < float(sample.max()) <= 1
    betas = np.linspace(1e-6, 1e-2, 2000)
    knots = np.concatenate([[1.0], np.sqrt(np.cumprod(1 - betas))])
    counts, _ = np.histogram(sample, knots[::-100])  # 20 groups of 100 segments: 1/20 each
    assert stats.chisquare(counts).pvalue > 1e-3
    assert float(sample.mean()) == pytest.approx(((knots[1:] + knots[:-1]) / 2).mean(), abs=0.008)
    assert stats.kstest(sample, lambda v: distribution.cdf(torch.as_tensor(v)).numpy()).pvalue > 1e-3
    u = torch.linspace(0, 1, 101)
    torch.testing.assert_close(distribution.cdf(distribution.quantile(u)), u, rtol=0, atol=1e-4)


def test_training_example(generator: torch.Generator) -> None:
    x, y, noise = (torch.randn(3, 3, 4, 4, dtype=torch.float64, generator=generator) for _ in range(3))
    level = torch.tensor([1.0, 0.6, 0.0], dtype=torch.float64)
    inputs, time, target = cddpm.training_example(x, y, level, noise)
    expected = torch.stack([x[0], 0.6 * x[1] + 0.8 * noise[1], noise[2]])
    torch.testing.assert_close(inputs, torch.cat([expected, y], dim=1))
    assert torch.equal(time, level)
    assert torch.equal(target, noise)
    z = cddpm.noisy(
        torch.full((200_000, 1), 0.5),
        torch.full((200_000,), 0.6),
        torch.randn(200_000, 1, generator=generator),
    )
    assert float(z.mean()) == pytest.approx(0.3, abs=0.01)
    assert float(z.var()) == pytest.approx(0.64, rel=0.02)


def test_levels_near_one_keep_their_digits() -> None:
    level = torch.tensor([1 - 2**-22])
    z = cddpm.noisy(torch.zeros(1, 1), level, torch.ones(1, 1))
    assert float(z) == pytest.approx(math.sqrt(1 - (1 - 2**-22) ** 2), rel=1e-6)


@pytest.mark.parametrize("bad", [[1.0], [0.0, 1.0], [0.5, 0.4, 1.0], [0.1, 0.9], [0.1, math.nan, 1.0]])
@pytest.mark.parametrize("sampler", cddpm.SAMPLERS)
def test_malformed_levels_are_refused(sampler: str, bad: list[float]) -> None:
    with pytest.raises(InDIError, match="levels must ascend strictly"):
        cddpm.SAMPLERS[sampler](PRIOR, torch.zeros(1, 1), bad)


def test_unknown_schedule_and_no_steps() -> None:
    with pytest.raises(InDIError, match="Did you mean 'cosine'"):
        cddpm.levels("cosin", 3)
    with pytest.raises(InDIError, match="at least 1"):
        cddpm.levels("cosine", 0)


# --- its training, by the one loop -----------------------------------------------------------------


def test_the_network_is_that_of_table_2_with_six_channels() -> None:
    recipe = recipes.conditional(recipes.recipe("motion", "paper"))
    network = recipes.network_of(recipe)
    assert unet.parameter_count(network) == 27_678_851


def test_the_budget_is_that_of_indi() -> None:
    base = recipes.ablation("jpeg", "smoke", seed=4)
    ours, theirs = recipes.as_dict(base), recipes.as_dict(recipes.conditional(base))
    assert {name for name in ours if ours[name] != theirs[name]} == {"method", "eps", "schedule", "p_t"}


def test_v_holds_the_noise_and_x() -> None:
    """x = l z - sqrt(1 - l^2) v and n = sqrt(1 - l^2) z + l v (Salimans and Ho 2022, Sec. 4 and App. D)."""
    generator = torch.Generator().manual_seed(0)
    x, y, noise = (torch.randn(4, 3, 8, 8, generator=generator, dtype=torch.float64) for _ in range(3))
    level = torch.tensor([0.0, 0.3, 0.9, 1.0], dtype=torch.float64)
    inputs, _, v = cddpm.training_example(x, y, level, noise, "v")
    z, wide = inputs[:, :3], level.view(-1, 1, 1, 1)
    assert torch.allclose(wide * z - (1 - wide**2).sqrt() * v, x)
    predicted = cddpm.predictor(lambda *_: v, "v")(z, y, level)
    assert torch.allclose(predicted, noise)
    assert torch.allclose(v[0], -x[0])
    assert torch.allclose(v[3], noise[3])


def test_v_at_the_same_budget(project: Path) -> None:
    base = recipes.ablation("jpeg", "smoke", seed=4)
    ours, theirs = recipes.as_dict(base), recipes.as_dict(recipes.conditional(base, "v"))
    changed = {name for name in ours if ours[name] != theirs[name]}
    assert changed == {"method", "eps", "schedule", "p_t", "output"}
    recipe = recipes.conditional(recipes.changed(base, steps=2, batch_size=2, crop=16, channels=4), "v")
    assert training.train(recipe).log["loss"].notna().all()


@pytest.mark.parametrize("output", ["direct", "velocity"])
@pytest.mark.parametrize("p", [1, 2])
def test_first_loss_is_worked_out_by_hand(project: Path, p: int, output: Output) -> None:
    """The last layer starts at zero: "direct" returns 0 and "velocity" z, so the first error is n or z - n."""
    recipe = small(loss_p=p, steps=1, precision="32-true", output=output)
    noise = randn_like(torch.empty(2, 3, 16, 16), torch.Generator().manual_seed(torch_seed(0, 0, 2)))
    crops = TrainingCrops(
        datasets.load("embedded", "train"), recipes.degradation_of(recipe), 16, 2, recipe.seed
    )
    x = from_uint8(crops[0][0])
    u = torch.rand(2, generator=torch.Generator().manual_seed(torch_seed(0, 0, 1)))
    level = cddpm.training_levels().quantile(u).view(-1, 1, 1, 1)
    z = level * x + (1 - level**2).sqrt() * noise
    error = noise if output == "direct" else z - noise
    expected = float(error.abs().pow(p).mean())
    assert training.train(recipe).log["loss"].iloc[0] == pytest.approx(expected, rel=1e-5)


def small(**changes: object) -> recipes.Recipe:
    base = recipes.recipe(
        "jpeg", "smoke", **{"steps": 6, "batch_size": 2, "crop": 16, "channels": 4, **changes}
    )
    return recipes.conditional(base)


def test_the_network_sees_the_noisy_x_and_the_clean_y(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Tensor, ...]] = []
    original = cddpm.training_example

    def watch(
        x: Tensor, y: Tensor, level: Tensor, noise: Tensor, prediction: cddpm.Prediction
    ) -> tuple[Tensor, Tensor, Tensor]:
        seen.append((x, y, level, noise))
        return original(x, y, level, noise, prediction)

    monkeypatch.setattr(cddpm, "training_example", watch)
    recipe = small(steps=2)
    training.train(recipe)
    crops = TrainingCrops(
        datasets.load("embedded", "train"), recipes.degradation_of(recipe), 16, 2, recipe.seed
    )
    for k, (x, y, level, _) in enumerate(seen):
        expected = [from_uint8(v) for v in crops[k] if v is not None]
        assert torch.equal(x, expected[0])
        assert torch.equal(y, expected[1])
        assert bool(((level > 0.006) & (level <= 1)).all())
    assert len({float(v) for _, _, level, _ in seen for v in level}) == 4


def test_an_interrupted_run_resumes_to_the_same_weights(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recipe, execution = small(), training.Execution(checkpoint_every=2)
    step = loop._step
    taken = []

    def dies(*arguments: object) -> Tensor:
        taken.append(1)
        if len(taken) == 4:
            raise KeyboardInterrupt
        return step(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_step", dies)
        with pytest.raises(KeyboardInterrupt):
            training.train(recipe, execution)
    resumed = training.train(recipe, execution)
    monkeypatch.setenv("INDI_RUNS", str(tmp_path / "whole"))
    assert training.train(recipe, execution).checkpoint == resumed.checkpoint


def test_evaluation_runs_the_network_on_six_channels() -> None:
    calls: list[tuple[torch.Size, float]] = []

    def network(inputs: Tensor, level: Tensor) -> Tensor:
        calls.append((inputs.shape, float(level[0])))
        return inputs[:, :3]

    images = datasets.load("embedded", "evaluate")
    found = evaluation.evaluate(
        network, images, recipes.degradation_of(small()), Evaluation("embedded", 32, 1, (1, 3)),
        samplers=comparison.methods(schedules=("linear", "cosine")), metric_names=("psnr",),
    )  # fmt: skip
    assert len(calls) == 2 * 2 * (1 + 3)
    assert {shape for shape, _ in calls} == {(1, 6, 32, 32)}
    rows = comparison.tidy(found.rows)
    assert rows.columns.tolist() == ["image", "sampler", "schedule", "steps", "metric", "value"]
    assert set(rows["sampler"]) == {"input", "ddpm", "ddim"}
    assert set(rows.loc[rows["sampler"] == "input", "schedule"]) == {"none"}
    assert set(rows.loc[rows["sampler"] == "ddim", "schedule"]) == {"linear", "cosine"}


# --- the comparison -----------------------------------------------------------------------------------


def made(
    curves: dict[tuple[str, str], dict[int, float]], images: int = 20, spread: float = 0.0
) -> pd.DataFrame:
    """LPIPS rows with the given means; `spread` is the standard deviation of what images have in common."""
    shift = np.random.default_rng(0).normal(0, spread, images) if spread else np.zeros(images)
    return pd.DataFrame(
        [
            (f"i{k}", sampler, schedule, n, "lpips_alex", value + shift[k])
            for (sampler, schedule), points in curves.items()
            for n, value in points.items()
            for k in range(images)
        ],
        columns=["image", "sampler", "schedule", "steps", "metric", "value"],
    )


CURVES = {
    ("input", "none"): {0: 0.9},
    ("indi", "none"): {1: 0.5, 5: 0.3, 20: 0.35},
    ("ddpm", "a"): {1: 0.9, 5: 0.7, 20: 0.31},
    ("ddpm", "b"): {1: 0.8, 5: 0.75, 20: 0.29},
    ("ddim", "a"): {1: 0.6, 5: 0.45, 20: 0.40},
}


def test_fuse_takes_the_best_schedule_at_each_number_of_steps() -> None:
    fused = comparison.fuse(made(CURVES), "lpips_alex")
    chosen = fused[fused["sampler"] == "ddpm"].groupby("steps")["schedule"].unique()
    assert {n: list(v) for n, v in chosen.items()} == {1: ["b"], 5: ["a"], 20: ["b"]}
    assert set(fused["sampler"]) == {"input", "indi", "ddpm", "ddim"}
    without_images = made(CURVES, images=1).drop(columns="image")
    assert set(comparison.fuse(without_images, "lpips_alex")["steps"]) == {0, 1, 5, 20}


def test_front_of_two_metrics() -> None:
    psnr = made({("ddpm", "a"): {5: 25.0}, ("ddpm", "b"): {5: 24.0}, ("ddpm", "c"): {5: 24.5}}).assign(
        metric="psnr"
    )
    lpips = made({("ddpm", "a"): {5: 0.4}, ("ddpm", "b"): {5: 0.3}, ("ddpm", "c"): {5: 0.45}})
    points = comparison.choices(pd.concat([psnr, lpips]), "lpips_alex").set_index("schedule")
    assert points["on_front"].to_dict() == {"a": True, "b": True, "c": False}
    assert points["chosen"].to_dict() == {"a": False, "b": True, "c": False}


def test_steps_to_reach_worked_by_hand() -> None:
    found = comparison.steps_to_reach(made(CURVES), "lpips_alex", ("indi", 5)).set_index("sampler")
    assert found["target"].tolist() == pytest.approx([0.3] * 3)
    assert found["steps"].to_dict() == {"indi": 5, "ddpm": 20, "ddim": np.inf}
    assert found["ratio"].to_dict() == {"indi": 1, "ddpm": 4, "ddim": np.inf}
    assert found["reached"].to_dict() == {"indi": 1, "ddpm": 1, "ddim": 0}
    # the best that all reach is DDIM's 0.40
    common = comparison.steps_to_reach(made(CURVES), "lpips_alex").set_index("sampler")
    assert common["target"].iloc[0] == pytest.approx(0.4)
    assert common["steps"].to_dict() == {"indi": 5, "ddpm": 20, "ddim": 20}
    assert comparison.steps_to_reach(made(CURVES), "lpips_alex", 0.65).set_index("sampler")["steps"].to_dict() == {
        "indi": 1, "ddpm": 20, "ddim": 1,
    }  # fmt: skip


def test_higher_is_better_for_psnr() -> None:
    rows = made({("indi", "none"): {1: 25.0, 5: 24.0}, ("ddpm", "a"): {1: 20.0, 5: 24.5}}).assign(
        metric="psnr"
    )
    found = comparison.steps_to_reach(rows, "psnr", 24.2).set_index("sampler")
    assert found["steps"].to_dict() == {"indi": 1, "ddpm": 5}
    assert found["target"].iloc[0] == 24.2


def test_what_images_have_in_common_does_not_widen_the_interval() -> None:
    """The target moves with the resample, so that the comparison is paired; a fixed target does not."""
    rows = made(CURVES, spread=0.2)
    paired = comparison.steps_to_reach(rows, "lpips_alex", ("indi", 5)).set_index("sampler").loc["ddpm"]
    assert (paired["low"], paired["high"]) == (20, 20)
    fixed = comparison.steps_to_reach(rows, "lpips_alex", 0.3).set_index("sampler").loc["ddpm"]
    assert fixed["high"] == np.inf


def test_the_bootstrap_interval_covers_the_resampled_steps() -> None:
    """Two images that disagree: half of all resamples of two hold one of each."""
    rows = made({("indi", "none"): {1: 0.5, 5: 0.3}, ("ddpm", "a"): {1: 0.5, 5: 0.3}}, images=2)
    worse = (rows["image"] == "i1") & (rows["sampler"] == "ddpm") & (rows["steps"] == 5)
    rows.loc[worse, "value"] = 0.4
    found = comparison.steps_to_reach(rows, "lpips_alex", ("indi", 5)).set_index("sampler").loc["ddpm"]
    assert found["reached"] == pytest.approx(0.25, abs=0.04)  # both draws the image that agrees
    assert (found["low"], found["high"], found["n"]) == (5, np.inf, 2)


def test_sets_have_no_interval() -> None:
    rows = made(CURVES, images=1).drop(columns="image").assign(metric="fid")
    found = comparison.steps_to_reach(rows, "fid", ("indi", 1)).set_index("sampler").loc["ddpm"]
    assert found["steps"] == 20
    assert np.isnan(found["low"])


def test_every_verdict_comes_out() -> None:
    assert trainings.rule_of_steps(made(CURVES), "lpips_alex").outcome == "reproduced"
    swapped = {
        ("input", "none"): {0: 0.9},
        ("indi", "none"): {1: 0.9, 20: 0.3},
        ("ddpm", "a"): {1: 0.3, 20: 0.3},
    }
    assert trainings.rule_of_steps(made(swapped), "lpips_alex").outcome == "not reproduced"
    equal = {("input", "none"): {0: 0.9}, ("indi", "none"): {1: 0.3}, ("ddpm", "a"): {1: 0.3}}
    assert trainings.rule_of_steps(made(equal), "lpips_alex").outcome == "inconclusive"


def test_few_images_or_no_restoration_are_inconclusive() -> None:
    assert trainings.rule_of_steps(made(CURVES, images=3), "lpips_alex").outcome == "inconclusive"
    useless = {**CURVES, ("ddpm", "a"): {1: 1.5, 20: 1.2}}
    del useless["ddpm", "b"]
    assert trainings.rule_of_steps(made(useless), "lpips_alex").outcome == "inconclusive"


def test_what_is_not_measured_is_named() -> None:
    rows = made(CURVES)
    with pytest.raises(InDIError, match="no psnr among the rows: they hold lpips_alex"):
        comparison.fuse(rows, "psnr")
    with pytest.raises(InDIError, match="'indi' at 7 steps"):
        comparison.steps_to_reach(rows, "lpips_alex", ("indi", 7))
    with pytest.raises(InDIError, match="choose among"):
        comparison.steps_to_reach(rows, "lpips_alex", reference="cold")
    with pytest.raises(InDIError, match="no better direction"):
        comparison.steps_to_reach(rows.assign(metric="detail_ratio"), "detail_ratio")


# --- what readers see ---------------------------------------------------------------------------------


def test_the_steps_table_says_what_was_computed() -> None:
    table = ddpm.steps_table(made(CURVES), ["lpips_alex"]).set_index("quality")
    assert table.loc["that of InDI, N = 5"].tolist()[2:] == ["5 [5, 5]", "20 [20, 20]", "not reached"]
    assert table.loc["the best that all reach", "value"] == "0.400"


def test_the_findings_give_the_ratio_for_both_baselines() -> None:
    table = ddpm.findings(
        made(CURVES), made(CURVES, images=1).drop(columns="image").assign(metric="fid"), "lpips_alex"
    )
    assert table.iloc[0, 1] == "4 [4, 4]"  # InDI's .30 at 5 is the best that both reach; DDPM's .29 at 20
    assert table["the ratio by FID"].tolist() == ["4", "4"]


def test_the_figure_draws_the_chosen_schedules() -> None:
    psnr = made(CURVES).assign(metric="psnr")
    points = comparison.choices(pd.concat([psnr, made(CURVES)]), "lpips_alex")
    figure = ddpm.perception_distortion(points, "lpips_alex")
    lines = {line.get_label(): np.asarray(line.get_ydata()).tolist() for line in figure.axes[0].lines}
    assert lines["conditional DDPM"] == pytest.approx([0.8, 0.7, 0.29])
    assert lines["InDI"] == pytest.approx([0.5, 0.3, 0.35])
    plt.close(figure)

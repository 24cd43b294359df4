"""Golden numbers: what the library computed when the results were made, room by room.

These expectations are copied from our own output on purpose. They say nothing about correctness, which
other tests hold against closed forms, published values and independent code; they guard against a
silent change of the numbers. Each room (method, data, training, evaluation) has a version in NUMERICS that is
raised by hand when one of its goldens moves beyond rounding. Rooms stand in the order in which they
build on one another: where several fail, the first one moved, and carries the others along.

    python tests/test_numbers.py --write    rewrites numbers.json; needs the metrics' weights (INDI_WEIGHTS)
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from indi import evaluation, numerics, training
from indi.data import crops, datasets, degradations, images
from indi.evaluation import ddpm_steps as comparison
from indi.evaluation import generation, metrics, protocols
from indi.evaluation import real_blur as real

# The library, in one block: only these lines know where things are.
from indi.method import cddpm, closed_form, process, samplers, solvers, unet
from indi.training import recipes

ROOMS = tuple(numerics.NUMERICS)
FILE = Path(__file__).with_name("numbers.json")

# Tolerances, relative to the greatest number of the same list (dot products may cancel).
EXACT = 0.0  # integers, names and hashes
FLOAT64 = 1e-9  # float64 throughout: only the last digits of libm and the order of sums differ
FLOAT32 = 1e-6  # a few float32 operations by element: some units of 6e-8
NETWORK = 1e-4  # float32 convolutions and FFTs: long sums, in another order on another CPU
ADAM = 1e-2  # Adam moves every weight by about its rate, also where the gradient is mere rounding
CODEC = 1e-2  # of errors of about 10 grey levels: another libjpeg may round pixels by a level or two
CODEC_LOSS = 1e-3  # the same within a loss, most of which is the noise that was added
BFLOAT16 = 1e-2  # 8 bits: 4e-3 a value, less in a mean
PIXELS = 1e-4  # float64 metrics of 8-bit images, single pixels of which may round to the next level
EIGHT_BITS = 1e-3  # the same where it counts more: in finest details, and in images scaled down
SQUARE_ROOT = 1e-3  # the square root of a nearly singular matrix of float32 features halves their digits


@dataclass(frozen=True)
class Golden:
    """A number of a room: how it is computed, its tolerance, and the metrics whose weights it needs."""

    room: str
    name: str
    compute: Callable[[], Any]
    rtol: float
    needs: tuple[str, ...]

    def absent(self) -> str:
        """Why it cannot be computed here, or ""."""
        return " ".join(dict.fromkeys(metrics.missing(self.needs).values()))


GOLDENS: list[Golden] = []


def golden(
    room: str, rtol: float, needs: Sequence[str] = ()
) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Register a function that returns plain JSON values; floats are compared to `rtol`, all else exactly."""

    def register(compute: Callable[[], Any]) -> Callable[[], Any]:
        GOLDENS.append(Golden(room, compute.__name__, compute, rtol, tuple(needs)))
        return compute

    return register


# ---------------------------------------------------------------------------------------------- helpers


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def waves(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """A fixed signal in [-1, 1] without symmetries."""
    k = torch.arange(math.prod(shape), dtype=torch.float64)
    return (0.7 * torch.sin(0.37 * k) + 0.3 * torch.cos(2.1 * k + 0.002 * k**2)).reshape(shape).to(dtype)


def numbers(x: Tensor | np.ndarray) -> list[float]:
    """A tensor in five numbers: mean, deviation, product with a fixed pattern (so that order counts), two values."""
    v = torch.as_tensor(x).detach().double().flatten()
    pattern = torch.cos(0.7 * torch.arange(len(v), dtype=torch.float64))
    product_ = (v * pattern).sum() / len(v) ** 0.5
    return [float(n) for n in (v.mean(), v.std(correction=0), product_, v[len(v) // 3], v[-1])]


def floats(values: Any) -> list[float]:
    return [float(v) for v in np.asarray(values).flatten()]


def sha256(x: Tensor) -> str:
    """Of integers only: floats differ in their last bits between machines."""
    assert x.dtype == torch.uint8
    return hashlib.sha256(x.contiguous().numpy().tobytes()).hexdigest()


def table(rows: pd.DataFrame) -> list[list[Any]]:
    """The rows of a table as plain values."""
    return json.loads(rows.to_json(orient="values", double_precision=15))


@cache
def photograph(height: int = 96, width: int = 96) -> Tensor:
    """A piece of a photograph that is stored without loss, (1, 3, H, W) in [-1, 1]."""
    whole = datasets.load("embedded", "evaluate").images[0]
    return images.from_arrays([whole[40 : 40 + height, 90 : 90 + width]])


def softened(x: Tensor) -> Tensor:
    """A poor restoration of x, in 8 bits, of float64 means that no rounding decides."""
    shifted = x.double().roll((1, 2), (2, 3))
    return metrics.quantise(0.55 * x.double() + 0.4 * shifted + 0.0137).float()


def restorer(x: Tensor, t: Tensor) -> Tensor:
    """A smooth F(x, t) that is exact nowhere."""
    t = t.view(-1, *[1] * (x.ndim - 1))
    return 0.8 * torch.sin(1.3 * x + 0.5 * t) + 0.15 * t * x.roll(1, -1) + 0.05 * x**2


def noise_predictor(z: Tensor, y: Tensor, level: Tensor) -> Tensor:
    level = level.view(-1, *[1] * (z.ndim - 1))
    return (1 - level**2).sqrt() * (z - 0.9 * level * y) / (1 - 0.8 * level**2) + 0.02 * torch.sin(z)


# ----------------------------------------------------------------------------------------------- method


@golden("method", FLOAT64)
def sampler_outputs() -> Any:
    y = waves(2, 3, 4, 4)
    cases = [(0.0, "none"), (0.1, "constant"), (0.1, "brownian")]
    return {
        f"{name} {n} steps, {schedule}": numbers(
            sample(restorer, y, samplers.uniform_times(n), eps, schedule, seeded())
        )
        for (name, sample), n, (eps, schedule) in product(samplers.SAMPLERS.items(), (1, 4), cases)
    }


@golden("method", FLOAT64)
def sampler_with_a_generator_per_image() -> Any:
    times = samplers.uniform_times(3)
    x = samplers.indi(restorer, waves(2, 3, 4, 4), times, 0.1, "brownian", [seeded(5), seeded(6)])
    return numbers(x)


@golden("method", FLOAT64)
def solver_outputs() -> Any:
    y = waves(2, 3, 4, 4)
    return {
        f"{name} {n} steps, {steps}, eps {eps}": numbers(
            solver.sample(restorer, y, solvers.step_schedule(steps)(n), eps, "constant", seeded())
        )
        for (name, solver), n, steps, eps in product(
            solvers.SOLVERS.items(), (1, 4), ("uniform", "cosine"), (0.0, 0.1)
        )
    }


@golden("method", FLOAT64)
def step_schedules() -> Any:
    return {name: floats(times(5)) for name, times in solvers.STEP_SCHEDULES.items()}


@golden("method", EXACT)
def solver_calls() -> Any:
    return {name: [solver.calls(n) for n in (1, 2, 10)] for name, solver in solvers.SOLVERS.items()}


@golden("method", FLOAT64)
def conditional_ddpm_outputs() -> Any:
    y = waves(2, 3, 4, 4)
    return {
        f"{name} {n} steps, clip {clip}": numbers(
            sample(noise_predictor, y, cddpm.levels("cosine", n), seeded(), clip=clip)
        )
        for (name, sample), n, clip in product(cddpm.SAMPLERS.items(), (1, 5), (True, False))
    }


@golden("method", FLOAT64)
def conditional_ddpm_levels() -> Any:
    return {name: floats(cddpm.levels(name, 5)) for name in cddpm.SCHEDULES}


@golden("method", FLOAT32)
def conditional_ddpm_training_levels() -> Any:
    return {
        "sample": floats(cddpm.training_levels().sample(6, seeded())),
        "cdf": floats(cddpm.training_levels().cdf(torch.tensor([0.01, 0.3, 0.9]))),
        "end": cddpm.TRAINING_END,
    }


@golden("method", FLOAT64)
def interpolated() -> Any:
    x, y, noise = waves(3, 3, 4, 4), waves(3, 3, 4, 4).flip(-1).cos(), waves(3, 3, 4, 4).flip(0) * 2
    t = torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64)
    return {name: numbers(process.interpolate(x, y, t, noise, 0.2, name)) for name in process.SCHEDULES}


@golden("method", FLOAT64)
def noise_schedules() -> Any:
    t = torch.tensor([0.0, 0.25, 1.0], dtype=torch.float64)
    return {
        name: [*floats(schedule.std(0.06, t)), schedule.added(0.06, 1.0, 0.5), schedule.added(0.06, 0.5, 0.1)]
        for name, schedule in process.SCHEDULES.items()
    }


@golden("method", FLOAT32)
def time_distributions() -> Any:
    names = ("linear_0", "linear_0.5", "linear_1.0", "bias_t1", "bias_t0", "bias_t0_t1")
    found = {name: process.time_distribution(name) for name in names}
    return {
        name: floats(p.sample(6, seeded()))
        + floats(p.cdf(torch.tensor([0.2, 0.7], dtype=torch.float64)))
        + [float(p.mass_at_1)]
        for name, p in found.items()
    }


def small_unet(**options: Any) -> unet.UNet:
    """A network of fixed random weights, the last layer too, which starts at zero otherwise."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = unet.UNet(8, (1, 2, 3), **options)
    with torch.no_grad():
        for i, parameter in enumerate(network.conv_out.parameters()):
            parameter.normal_(std=0.1, generator=seeded(4 + i))
    return network.eval()


@golden("method", NETWORK)
def unet_outputs() -> Any:
    t = torch.tensor([0.15, 0.8])

    @torch.no_grad()
    def forward(height: int, width: int, **options: Any) -> list[float]:
        x = waves(2, options.get("in_channels", 3), height, width, dtype=torch.float32)
        return numbers(small_unet(**options)(x, t))

    return {
        "residual": forward(24, 20, output="residual"),
        "direct": forward(24, 20, output="direct"),
        "velocity": forward(24, 20, output="velocity"),
        "bilinear": forward(24, 20, output="direct", upsample="bilinear"),
        "time_scale": forward(24, 20, output="direct", time_scale=10.0),
        "padded": forward(21, 18, output="direct"),
        "six channels": forward(24, 20, in_channels=6),
    }


@golden("method", EXACT)
def unet_sizes() -> Any:
    with torch.device("meta"):
        paper = {
            f"{channels} {multipliers}": unet.UNet(channels, multipliers)
            for channels, multipliers in ((64, (1, 2, 3, 4)), (64, (1, 2, 4, 4)), (96, (1, 2, 3, 4)))
        }
        paper["8 (1, 2, 3), 6 in"] = unet.UNet(8, (1, 2, 3), in_channels=6)
    return {name: [unet.parameter_count(n), unet.forward_flops(n, 64, 64)] for name, n in paper.items()}


@golden("method", FLOAT64)
def closed_form_gains() -> Any:
    names = ("indi", "naive", "cold_diffusion")
    gains = {
        name: [closed_form.sampler_gain(name, n, 0.5, 0.3) for n in (1, 2, 10, 100)]
        + [closed_form.limit_gain(name, 0.5, 0.3)]
        for name in names
    }
    return gains | {
        "gaussian": [closed_form.gaussian_gain(t, 0.5, 0.3) for t in (0.1, 0.5, 1.0)],
        "variance, error": [
            closed_form.output_variance(0.8, 0.5, 0.3),
            closed_form.mean_squared_error(0.8, 0.5, 0.3),
        ],
    }


@golden("method", FLOAT64)
def posterior_means() -> Any:
    x_t, t = waves(3, 2), torch.tensor([0.2, 0.6, 1.0], dtype=torch.float64)
    H = torch.tensor([[0.9, 0.2], [0.0, 0.4]], dtype=torch.float64)
    covariance = torch.tensor([[1.0, 0.3], [0.3, 0.5]], dtype=torch.float64)
    weights = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    mean = torch.tensor([0.1, -0.2], dtype=torch.float64)
    return {
        "mixture": floats(closed_form.mixture_posterior_mean(x_t, t, waves(3, 2).cos(), weights, H, 0.7)),
        "linear": floats(closed_form.linear_gaussian_posterior_mean(x_t, t, mean, covariance, H, 0.3 * t)),
    }


# ------------------------------------------------------------------------------------------------- data


@golden("data", EXACT)
def embedded_images() -> Any:
    """Image by image, so that a failure names its file; three are JPEGs, decoded by Pillow's libjpeg."""
    sets = {split: datasets.load("embedded", split) for split in datasets.SPLITS}
    return {
        split: {"hash": s.hash} | dict(zip(s.names, s.all_digests, strict=True)) for split, s in sets.items()
    }


@golden("data", EXACT)
def torch_seeds() -> Any:
    return {str(key): crops.torch_seed(*key) for key in ((0,), (0, 0), (0, 1), (7, 1000, 3))}


@golden("data", EXACT)
def grey_levels() -> Any:
    x = torch.tensor([-1.2, -1.0, -0.9999, -0.4, 0.0, 0.004, 0.31, 0.999, 1.0, 3.0])
    levels = images.to_uint8(x)
    return {"levels": levels.tolist(), "again": images.to_uint8(images.from_uint8(levels)).tolist()}


def degraded(name: str, **options: Any) -> list[float]:
    x = torch.cat([photograph(), photograph().flip(-1)])
    return numbers(degradations.get(name, **options)(x, seeded(11)))


@golden("data", NETWORK)
def motion() -> Any:
    kernels = waves(2, 5, 5, dtype=torch.float32).abs()
    return {
        "default": degraded("motion"),
        "strong": degraded("motion", extent=(20, 30)),
        "recorded": degraded("motion", kernels=kernels),
    }


@golden("data", NETWORK)
def defocus() -> Any:
    return {"default": degraded("defocus"), "strong": degraded("defocus", strength=(8, 10))}


@golden("data", FLOAT32)
def noise() -> Any:
    return degraded("noise")


@golden("data", EIGHT_BITS)
def super_resolution() -> Any:
    return {"x4": degraded("super_resolution"), "x2": degraded("super_resolution", factor=2)}


@golden("data", EIGHT_BITS)
def resampled() -> Any:
    small = degradations.downscale(photograph(), 3)
    return {"down": numbers(small), "up": numbers(degradations.upscale(small, 3, "bicubic"))}


def levels_between(x: Tensor, y: Tensor) -> list[float]:
    """Root mean square and mean error of y, in grey levels: what hardly depends on the codec's rounding."""
    error = (y - x).double() * 127.5
    return [float(error.square().mean().sqrt()), float(error.abs().mean())]


@golden("data", CODEC)
def jpeg() -> Any:
    x = photograph()
    return {
        f"quality {quality}": levels_between(x, degradations.get("jpeg", quality=quality)(x, seeded()))
        for quality in (5, 15, 60)
    }


def batch(name: str, step: int) -> tuple[Tensor, Tensor | None]:
    """The batch of a step, as the smoke profile has it."""
    train = datasets.load("embedded", "train")
    return crops.TrainingCrops(train, degradations.get(name), 48, 8, seed=0)[step]


@golden("data", EXACT)
def training_crops() -> Any:
    """jpeg makes y in the loader; motion leaves it to the loop, and its x has a margin."""
    found = {
        f"{name}, step {step}": batch(name, step)[0] for name, step in product(("jpeg", "motion"), (0, 1))
    }
    return {key: [list(x.shape), sha256(x)] for key, x in found.items()}


@golden("data", CODEC)
def training_crops_y() -> Any:
    x, y = batch("jpeg", 0)
    assert y is not None
    return levels_between(images.from_uint8(x), images.from_uint8(y))


# --------------------------------------------------------------------------------------------- training


@golden("training", EXACT)
def recipe_hashes() -> Any:
    """The hash names the run: should it change silently, every trained model would be lost.

    It holds the version of this room from 2 on, so that raising it moves the hashes, as it should.
    """
    return {
        profile: {task: recipes.recipe_hash(recipes.recipe(task, profile)) for task in recipes.TASKS}
        for profile in recipes.PROFILES
    }


@golden("training", EXACT)
def recipe_hashes_of_changes() -> Any:
    hashes = {
        f"ablation {profile}": recipes.recipe_hash(recipes.ablation("jpeg", profile, loss_p=2))
        for profile in recipes.PROFILES
    }
    conditional = recipes.conditional(recipes.recipe("motion", "laptop", seed=1))
    return hashes | {"conditional": recipes.recipe_hash(conditional)}


@golden("training", FLOAT64)
def ema_decays() -> Any:
    return [training.ema_decay(step, 0.9999) for step in (0, 1, 90, 5000, 100_000)]


@golden("training", FLOAT32)
def initial_weights() -> Any:
    network = recipes.network_of(recipes.recipe("jpeg", "smoke", seed=2))
    return {"first": numbers(network.conv_in.weight), "all": numbers(flat(network.state_dict()))}


@golden("training", FLOAT32)
def objectives() -> Any:
    plain = recipes.recipe("jpeg", "smoke")
    x, noise = waves(2, 3, 4, 4, dtype=torch.float32), waves(2, 3, 4, 4, dtype=torch.float32).flip(0)
    out = {}
    for name, recipe in {"indi": plain, "cddpm": recipes.conditional(plain)}.items():
        inputs, t, target = training.objective(recipe, x, x.flip(-1), torch.tensor([0.3, 0.9]), noise)
        out[name] = numbers(inputs) + floats(t) + numbers(target)
    return out | {
        f"loss {p}": float(training.loss_function(x.bfloat16(), noise, p))  # a network's output is bfloat16
        for p in (1, 2)
    }


def flat(state: dict[str, Tensor]) -> Tensor:
    return torch.cat([state[name].float().flatten() for name in sorted(state)])


@contextmanager
def project() -> Iterator[None]:
    """An empty project folder, for trainings."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("INDI_HOME", folder)
        patch.setenv("INDI_RUNS", str(Path(folder, "runs")))
        patch.delenv("INDI_RETRAIN", raising=False)
        yield


TINY: dict[str, Any] = {"steps": 3, "batch_size": 2, "crop": 16, "channels": 4, "precision": "32-true"}


@cache
def trained(task: str, conditional: bool = False, **changes: Any) -> tuple[list[float], list[float]]:
    """The loss of each step, and the averaged weights: how far they moved from the initial ones, where to."""
    recipe = recipes.recipe(task, "smoke", **(TINY | changes))
    recipe = recipes.conditional(recipe) if conditional else recipe
    with project():
        done = training.train(recipe, training.Execution(accelerator="cpu"))
        weights = load_file(training.run_folder(recipe) / "weights.safetensors")
    start = recipes.network_of(recipe).state_dict()
    moved = flat(weights) - flat(start)
    last = torch.cat([weights[f"conv_out.{part}"].float().flatten() for part in ("weight", "bias")])
    return floats(done.log["loss"]), [float(moved.abs().mean()), float(last.abs().mean()), float(last.std())]


@golden("training", NETWORK)
def losses() -> Any:
    return {
        "motion": trained("motion")[0],
        "super_resolution, squared": trained("super_resolution", loss_p=2, schedule="brownian")[0],
        "generation": trained("generation")[0],
    }


@golden("training", CODEC_LOSS)
def losses_of_jpeg() -> Any:
    return {"indi": trained("jpeg")[0], "cddpm": trained("jpeg", conditional=True)[0]}


@golden("training", BFLOAT16)
def losses_in_bfloat16() -> Any:
    return trained("motion", precision="bf16-mixed")[0]


@golden("training", ADAM)
def averaged_weights() -> Any:
    return {
        "motion": trained("motion")[1],
        "jpeg": trained("jpeg")[1],
        "cddpm": trained("jpeg", conditional=True)[1],
    }


# ------------------------------------------------------------------------------------------- evaluation


def pair(height: int = 96, width: int = 96) -> tuple[Tensor, Tensor]:
    """Two restorations and their truths."""
    x = photograph(height, width)
    truth = torch.cat([x, x.flip(-2)])
    return softened(truth), truth


@golden("evaluation", PIXELS)
def pixel_metrics() -> Any:
    restored, truth = pair()
    names = ("psnr", "ssim", "psnr_y", "ssim_y", "detail_ratio")
    found = metrics.per_image(names, (96, 96))
    return {name: floats(metric(restored, truth)) for name, metric in found.items()}


@golden("evaluation", NETWORK, needs=("lpips_squeeze",))
def lpips() -> Any:
    return floats(metrics.lpips(*pair(), net="squeeze"))


@golden("evaluation", PIXELS, needs=("niqe",))
def niqe() -> Any:
    restored, truth = pair(192, 288)
    return {"restored": floats(metrics.niqe(restored)), "truth": floats(metrics.niqe(truth))}


@golden("evaluation", SQUARE_ROOT, needs=("fd_squeeze", "kd_squeeze"))
def set_distances() -> Any:
    a, b = (metrics.extract(x, "squeeze", device="cpu") for x in pair(192, 192))
    out: dict[str, Any] = {"features": numbers(a.values), "patches": a.patches}
    for name in ("fd_squeeze", "kd_squeeze"):
        found = metrics.set_distance(name, a, b, resamples=0)
        out[name] = found.interval.mean
    return out


@golden("evaluation", FLOAT64)
def distances_of_features() -> Any:
    """Without weights, on given features; with intervals."""
    values = waves(24, 4).numpy()
    a = metrics.Features(values, np.repeat(np.arange(12), 2), "squeeze")
    b = metrics.Features(values[::-1] * 1.2 + 0.1, a.image, "squeeze")
    out = {}
    for name in ("fd_squeeze", "kd_squeeze"):
        interval = metrics.set_distance(name, a, b, resamples=20).interval
        out[name] = [interval.mean, interval.low, interval.high]
    return out


@golden("evaluation", FLOAT64)
def intervals() -> Any:
    a, b = waves(12).exp().numpy(), waves(13)[1:].exp().numpy() - 0.2
    found = {
        "bootstrap": metrics.bootstrap_interval(a),
        "few": metrics.bootstrap_interval(a[:6]),
        "90 %": metrics.bootstrap_interval(a, confidence=0.9, seed=1),
        "paired": metrics.paired_difference(a, b),
        "statistic": metrics.bootstrap_statistic(lambda i: float(np.median(a[i])), 12, resamples=40),
    }
    return {name: [i.mean, i.low, i.high, float(i.n)] for name, i in found.items()}


@cache
def evaluated() -> evaluation.Evaluated:
    """The embedded photographs, restored by `restorer` in all samplers."""
    return evaluation.evaluate(
        restorer,
        datasets.load("embedded", "evaluate"),
        degradations.get("motion"),  # x4 has ties of 8 bits, which rounding decides
        protocols.Evaluation("embedded", 64, None, (1, 3), batch_size=2),
        eps=0.05,
        metric_names=("psnr", "ssim"),
        keep=("chelsea", "rocket"),
        device="cpu",
    )


@golden("evaluation", PIXELS)
def evaluated_rows() -> Any:
    rows = evaluated().rows
    named = rows.groupby(["sampler", "steps", "metric"], sort=False)["value"]
    return {" ".join(map(str, key)): floats(values) for key, values in named}


@golden("evaluation", PIXELS)
def evaluated_summaries() -> Any:
    rows = evaluated().rows[lambda r: r["metric"] == "psnr"]
    found = evaluation.difference(rows, "psnr", ("indi", 3), ("input", 0))
    return {
        "summary": table(evaluation.summary(rows)),
        "changes": table(evaluation.changes(rows)),
        "difference": [found.mean, found.low, found.high],
    }


@golden("evaluation", NETWORK)
def evaluation_pairs() -> Any:
    """A random blur and its margin: x and y of the first two photographs."""
    settings = protocols.Evaluation("embedded", 64, 2, (1,), batch_size=2)
    names, x, y = next(
        evaluation.pairs(datasets.load("embedded", "evaluate"), degradations.get("motion"), settings)
    )
    return {"names": list(names), "x": sha256(images.to_uint8(x)), "y": numbers(y)}


@golden("evaluation", EXACT)
def evaluation_protocols() -> Any:
    found = {
        f"{task} {profile}": protocols.evaluation(task, profile)
        for task, profile in product(("motion", "generation"), recipes.PROFILES)
    }
    found["ablation laptop"] = protocols.ablation("jpeg", "laptop")
    return {key: list(json.loads(json.dumps(dataclasses.astuple(s)))) for key, s in found.items()}


@golden("evaluation", EIGHT_BITS)
def generation_statistics() -> Any:
    return table(generation.statistics(evaluated().kept))


@golden("evaluation", FLOAT32)
def generation_neighbours() -> Any:
    tiles = generation.tiles(datasets.load("embedded", "evaluate"), 64)
    return {
        "tiles": [len(tiles), tiles.names[3]],
        "nearest": table(generation.nearest(tiles.images[:2], generation.tiles(tiles, 64), chunk=7)),
        "nearest of others": table(generation.nearest([np.roll(t, 9, 1) for t in tiles.images[:3]], tiles)),
    }


@cache
def compared() -> pd.DataFrame:
    """Made-up rows of InDI, the conditional DDPM with two schedules, and y, on 12 images."""
    out = []
    for i in range(12):
        level = 20 + 2 * math.sin(1.7 * i)
        out.append((f"{i}", "input", 0, "psnr", level))
        for n in (1, 2, 5, 10):
            wobble = 0.4 * math.cos(2.3 * i + n)
            rise = {"indi": 4 - 1 / n, "ddpm:cosine": 4.2 - 6 / n, "ddpm:linear": 3.9 - 3 / n + wobble}
            out += [(f"{i}", name, n, "psnr", level + up + wobble) for name, up in rise.items()]
    rows = pd.DataFrame(out, columns=["image", "sampler", "steps", "metric", "value"])
    return comparison.tidy(rows)


@golden("evaluation", FLOAT64)
def comparison_of_steps() -> Any:
    rows = compared()
    fused = comparison.fuse(rows, "psnr")
    return {
        "steps": table(comparison.steps_to_reach(rows, "psnr", resamples=200)),
        "steps to a value": table(comparison.steps_to_reach(rows, "psnr", 23.0, resamples=200)),
        "fused": table(fused.groupby(comparison.KEYS, sort=False)["value"].mean().reset_index()),
        "choices": table(comparison.choices(rows, "psnr")),
    }


@golden("evaluation", NETWORK)
def comparison_methods() -> Any:
    """The conditional DDPM in the signature of InDI's samplers, with a network of z beside y."""

    def network(zy: Tensor, level: Tensor) -> Tensor:
        return noise_predictor(zy[:, :3], zy[:, 3:], level)

    y = waves(2, 3, 8, 8, dtype=torch.float32)
    return {
        name: numbers(method.sample(network, y, method.times(4), generator=seeded()))
        for name, method in comparison.methods(schedules=("linear", "karras")).items()
    }


@golden("evaluation", NETWORK)
def real_photographs() -> Any:
    x = images.to_arrays(photograph(72, 80))[0]
    blurred = np.roll(x, (1, 2), (0, 1)) // 2 + x // 2
    names = ("im1_kernel1", "im1_kernel2")
    pairs = datasets.ImageSet("levin", "evaluate", names, (x, x), (blurred, blurred // 2))
    kernels = waves(2, 5, 5, dtype=torch.float32).abs()
    fit = real.levin_fit(pairs, kernels / kernels.sum(dim=(1, 2), keepdim=True))
    rows = pd.DataFrame(
        {"image": names, "sampler": "indi", "steps": 1, "metric": "psnr", "value": [20.5, 23]}
    )
    return {"fit": table(fit), "scenes": table(real.by_scene(rows))}


# ------------------------------------------------------------------------------- comparing and rewriting


def stored() -> dict[str, dict[str, Any]]:
    return json.loads(FILE.read_text())


def is_float_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, float) for v in value)


def deviations(old: Any, new: Any, rtol: float, where: str = "", scale: float = 0.0) -> list[str]:
    """Where two values differ beyond `rtol`, one line each: place, stored value, computed value."""
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
        return [d for key in old for d in deviations(old[key], new[key], rtol, f"{where}[{key!r}]")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        scale = max(map(abs, old)) if is_float_list(old) else 0.0
        both = enumerate(zip(old, new, strict=True))
        return [d for i, (a, b) in both for d in deviations(a, b, rtol, f"{where}[{i}]", scale)]
    if isinstance(old, float) and isinstance(new, float):
        same = old == new or abs(new - old) <= rtol * max(abs(old), scale)
    else:
        same = type(old) is type(new) and old == new
    return [] if same else [f"{where or 'value'}: stored {old!r}, computed {new!r}"]


def ten_digits(value: Any) -> Any:
    """Floats to 10 significant digits, in which they are stored."""
    if isinstance(value, dict):
        return {key: ten_digits(v) for key, v in value.items()}
    if isinstance(value, list):
        return [ten_digits(v) for v in value]
    return float(f"{value:.10g}") if isinstance(value, float) else value


def as_text(value: Any, indent: str = "") -> str:
    """JSON with sorted keys, one line for each list or single value."""
    if not isinstance(value, dict):
        return json.dumps(value)
    deeper = indent + "  "
    # rooms in their order, all else by name
    keys = [k for k in ROOMS if k in value] if not indent else sorted(value)
    lines = [f"{deeper}{json.dumps(key)}: {as_text(value[key], deeper)}" for key in keys]
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"


def write() -> None:
    """Compute all goldens and rewrite their file."""
    if absent := {golden.name: why for golden in GOLDENS if (why := golden.absent())}:
        sys.exit("\n".join(["nothing written:", *(f"{name}: {why}" for name, why in absent.items())]))
    values: dict[str, dict[str, Any]] = {room: {} for room in ROOMS}
    for entry in GOLDENS:
        values[entry.room][entry.name] = ten_digits(entry.compute())
    FILE.write_text(as_text(values) + "\n")


@pytest.mark.parametrize("entry", GOLDENS, ids=lambda entry: f"{entry.room}-{entry.name}")
def test_number_has_not_moved(entry: Golden) -> None:
    if reason := entry.absent():
        pytest.skip(reason)
    computed = entry.compute()
    assert computed == json.loads(json.dumps(computed)), "a golden returns plain JSON values"
    if found := deviations(stored()[entry.room][entry.name], computed, entry.rtol):
        pytest.fail(
            f"{entry.room}: {entry.name} has moved beyond rounding ({entry.rtol:g}):\n"
            + "\n".join(f"  {line}" for line in found)
            + f"\nif this was meant: raise NUMERICS of {entry.room} and rerun its chapters, then rewrite with "
            "`python tests/test_numbers.py --write`; if not: restore.",
            pytrace=False,
        )


def test_numbers_and_their_file_have_the_same_names() -> None:
    assert {room: sorted(values) for room, values in stored().items()} == {
        room: sorted(entry.name for entry in GOLDENS if entry.room == room) for room in ROOMS
    }
    assert len({entry.name for entry in GOLDENS}) == len(GOLDENS)


def test_file_is_as_written() -> None:
    assert FILE.read_text() == as_text(ten_digits(stored())) + "\n"


@pytest.mark.parametrize(
    ("old", "new", "count"),
    [
        ([1e-9, 1.0], [2e-9, 1.0], 0),  # cancelled, beside a number of ordinary size
        ([0.5, 1.0], [0.5001, 1.0], 1),
        ([1.0], [1.0, 2.0], 1),
        ({"a": 1.0}, {"b": 1.0}, 1),
        (3, 4, 1),
        (1, 1.0, 1),
        ("x", "x", 0),
        ([None, 1.0, 2], [None, 1.0, 2], 0),
        (1.0, math.nan, 1),
        (1.0, math.inf, 1),
    ],
)
def test_deviations_are_found(old: Any, new: Any, count: int) -> None:
    assert len(deviations(old, new, 1e-6)) == count


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Golden numbers of the library.")
    parser.add_argument("--write", action="store_true", help="compute all and rewrite numbers.json")
    if parser.parse_args().write:
        write()
    else:
        parser.print_help()

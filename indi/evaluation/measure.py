"""Samplers x step counts over an evaluation set: tidy rows, and what they come to.

Protocol: the truth is the centre crop of each image; y is made from it with a fixed seed per
image; every restored image is clamped and rounded to 8 bits, as in a PNG, before any metric. Sampler
and step count change nothing else, so that their differences are paired.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from indi.data.crops import torch_seed
from indi.data.datasets import ImageSet
from indi.data.degradations import Degradation
from indi.data.images import from_arrays, to_arrays
from indi.errors import InDIError
from indi.evaluation import metrics
from indi.evaluation.protocols import Evaluation
from indi.method.samplers import Restorer, Sampler, sampler, uniform_times
from indi.progress import progress
from indi.records import results
from indi.training import precision
from indi.training.recipes import Precision

INPUT = "input"
"""Stands in the column `sampler` for y itself, with 0 steps."""

TRUTH = "truth"
"""Stands for x itself among the kept images, with 0 steps."""


@dataclass(frozen=True)
class Method:
    """A way to restore in a given number of steps: a sampler, and the times it takes for that number."""

    sample: Sampler
    times: Callable[[int], np.ndarray] = uniform_times


@dataclass(frozen=True)
class Evaluated:
    """What `evaluate` found.

    Attributes:
        rows: columns image, sampler, steps, metric, value.
        sets: columns sampler, steps, metric, value, low, high, images, patches: distances between
            all restored images and all truths (FID and its like), with 95 % intervals over images. Beside
            them floor, the distance of two disjoint halves of the truths, and resamples, the distance in each
            of `metrics.draws` as a text of numbers; stored, these two become a table of their own.
        kept: (image, sampler, steps) -> uint8 (H, W, 3) for the images asked for; the truth is under
            (image, "truth", 0), y under (image, "input", 0).
        missing: metric -> why it was not measured.
    """

    rows: pd.DataFrame
    sets: pd.DataFrame
    kept: dict[tuple[str, str, int], np.ndarray]
    missing: dict[str, str]


def pairs(
    images: ImageSet, degradation: Degradation | None, settings: Evaluation
) -> Iterator[tuple[tuple[str, ...], Tensor, Tensor]]:
    """Batches (names, x, y) of the evaluation set, x and y (B, 3, H, W) in [-1, 1], on the CPU.

    With settings.crop = 0 whole images are taken, one at a time, cut to the multiple that the
    degradation wants. Where an image is large enough, the degradation sees its margin of real context.
    Each image is degraded by itself, with a seed of its own from settings.seed and its place in the
    set: its y depends neither on the batch size nor on how many images are taken.

    Raises:
        InDIError: an image is smaller than the crop, or there is neither degradation nor input.
    """
    if degradation is None and images.inputs is None:
        raise InDIError(f"{images.name} brings no degraded inputs: name a degradation.")
    count = len(images) if settings.images is None else min(settings.images, len(images))
    size = settings.batch_size if settings.crop else 1
    for start in range(0, count, size):
        some = range(start, min(start + size, count))
        x, y = zip(*(_pair(images, i, degradation, settings) for i in some), strict=True)
        yield tuple(images.names[i] for i in some), torch.cat(x), torch.cat(y)


def _pair(
    images: ImageSet, i: int, degradation: Degradation | None, settings: Evaluation
) -> tuple[Tensor, Tensor]:
    """x and y of image i, (1, 3, H, W) each."""
    margin = _margin(images.images[i], degradation, settings.crop)
    x = from_arrays([_centre(images, images.images[i], i, settings.crop, margin, degradation)])
    if degradation is None:
        assert images.inputs is not None
        return x, from_arrays([_centre(images, images.inputs[i], i, settings.crop, 0, None)])
    y = degradation(x, torch.Generator().manual_seed(torch_seed(settings.seed, i)))
    inner = np.s_[..., margin : x.shape[2] - margin, margin : x.shape[3] - margin]
    return x[inner], y[inner]


def _margin(image: np.ndarray, degradation: Degradation | None, crop: int) -> int:
    """The largest margin, up to what the degradation wants, that the image can give."""
    if degradation is None or not crop:
        return 0
    margin = max(0, min(degradation.margin, (min(image.shape[:2]) - crop) // 2))
    return margin - margin % degradation.multiple


def _centre(
    images: ImageSet, image: np.ndarray, i: int, crop: int, margin: int, degradation: Degradation | None
) -> np.ndarray:
    height, width = image.shape[:2]
    if not crop:
        multiple = degradation.multiple if degradation else 1
        return image[: height - height % multiple, : width - width % multiple]
    size = crop + 2 * margin
    if min(height, width) < size:
        raise InDIError(
            f"{images.name}: {images.names[i]} is {height}x{width}, smaller than the {crop}x{crop} "
            "evaluation crop: choose a smaller crop or remove the image."
        )
    top, left = (height - size) // 2, (width - size) // 2
    return image[top : top + size, left : left + size]


def evaluate(
    F: Restorer,
    images: ImageSet,
    degradation: Degradation | None,
    settings: Evaluation,
    *,
    eps: float = 0.0,
    schedule: str = "constant",
    samplers: Sequence[str] | Mapping[str, Method] = ("indi", "naive", "cold_diffusion"),
    metric_names: Sequence[str] | None = None,
    set_names: Sequence[str] = (),
    keep: Collection[str] = (),
    only: Collection[str] | None = None,
    device: str | torch.device | None = None,
    choosing: bool = False,
) -> Evaluated:
    """Restore every image with every sampler and step count, and measure.

    The perturbation has a seed per image, as y has (see `pairs`), so that the result for an image depends
    on the batch size and on the number of images by no more than the rounding of F. It is drawn on
    `device`: a GPU draws other numbers than a CPU.

    Args:
        F: the restorer; moved to `device` if it is a module.
        images: the evaluation split; a training split is refused.
        degradation: how y is made; None where the set brings y.
        settings: crop, number of images, step counts, batch size, seed.
        eps, schedule: the perturbation that F was trained with.
        samplers: names of samplers, or any names with what they stand for.
        metric_names: as `metrics.per_image` takes them; None for its default.
        set_names: distances between sets to measure, as `metrics.resolve` takes them ("fd", "kd").
        keep: names of images whose restorations are returned.
        only: names of images; a batch that holds none of them is left out, every other is restored as in the
            whole set, so that its numbers are the same to the last bit. None for all.
        device: default: the first GPU, else the CPU.
        choosing: take a training split all the same, to choose settings by; never to report.

    Raises:
        InDIError: a training split, an unknown sampler or metric, an image too small.
    """
    if images.split != "evaluate" and not choosing:
        raise InDIError(f"{images.name}: the {images.split} split is for training; evaluate on 'evaluate'.")
    methods = samplers if isinstance(samplers, Mapping) else {n: Method(sampler(n)) for n in samplers}
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if isinstance(F, nn.Module):
        F = F.to(device)
    restore = in_precision(F, device, settings.precision)
    size = (settings.crop, settings.crop) if settings.crop else None
    measured = metrics.per_image(metric_names, size)
    missing = metrics.missing(metric_names, size) | metrics.missing(set_names)
    distances = [name for name in map(metrics.resolve, set_names) if name not in missing]
    networks = {metrics.feature_network(name) for name in distances}
    features: dict[tuple[str, int, str], list[metrics.Features]] = {}
    rows: list[tuple[str, str, int, str, float]] = []
    kept: dict[tuple[str, str, int], np.ndarray] = {}

    def record(names: Sequence[str], restored: Tensor, truth: Tensor, name: str, steps: int) -> None:
        restored = metrics.quantise(restored)
        for metric, function in measured.items():
            for image, value in zip(names, function(restored, truth).tolist(), strict=True):
                rows.append((image, name, steps, metric, value))
        collect(names, restored, name, steps)

    def collect(names: Sequence[str], images: Tensor, name: str, steps: int) -> None:
        for network in networks:
            parts = features.setdefault((name, steps, network), [])
            parts.append(metrics.extract(images, network, device=device))
        for image, array in zip(names, to_arrays(images), strict=True):
            if image in keep:
                kept[image, name, steps] = array

    calls = sum(settings.step_counts) * len(methods)
    total = len(images) if settings.images is None else min(settings.images, len(images))
    with progress(total=total * calls, desc="evaluate", unit="call") as bar:
        index = itertools.count()
        for names, x, y in pairs(images, degradation, settings):
            seeds = [torch_seed(settings.seed, next(index), 1) for _ in names]
            if only is not None and set(names).isdisjoint(only):
                bar.update(calls * len(names))
                continue
            x, y = x.to(device), y.to(device)
            record(names, y, x, INPUT, 0)
            collect(names, x, TRUTH, 0)
            for name, method in methods.items():
                for steps in settings.step_counts:
                    x0 = method.sample(
                        restore,
                        y.contiguous(memory_format=torch.channels_last),
                        method.times(steps),
                        eps,
                        schedule,
                        # anew: the same perturbation for every sampler and step count
                        [torch.Generator(device).manual_seed(seed) for seed in seeds],
                    )
                    record(names, x0, x, name, steps)
                    bar.update(steps * len(names))
    return Evaluated(
        pd.DataFrame(rows, columns=["image", "sampler", "steps", "metric", "value"]),
        _set_rows(distances, {key: metrics.join(parts) for key, parts in features.items()}),
        kept,
        missing,
    )


def in_precision(F: Restorer, device: str | torch.device, allowed: Precision) -> Restorer:
    """F computed in bf16 where that is allowed and fast (see `precision.resolve`); what it returns is float32 again."""
    device = torch.device(device)
    chosen = precision.resolve(allowed, device)

    def restore(x: Tensor, t: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=chosen == "bf16-mixed"):
            return F(x, t).to(x.dtype)

    return restore


def _set_rows(
    distances: Sequence[str], features: dict[tuple[str, int, str], metrics.Features]
) -> pd.DataFrame:
    rows = []
    for name in distances:
        network = metrics.feature_network(name)
        truth = features[TRUTH, 0, network]
        own = {key[:2]: found for key, found in features.items() if key[2] == network and key[0] != TRUTH}
        draws = _resamples(name, own, truth)
        floor = metrics.floor(name, truth).interval.mean if truth.images >= 4 else np.nan
        for (who, steps), restored in own.items():
            found = metrics.set_distance(name, restored, truth)
            i = found.interval
            beside = (floor, draws[who, steps])
            rows.append((who, steps, name, i.mean, i.low, i.high, i.n, found.patches[0], *beside))
    columns = ["sampler", "steps", "metric", "value", "low", "high", "images", "patches", *results.BESIDE]
    return pd.DataFrame(rows, columns=columns)


def _resamples(
    name: str, sets: Mapping[tuple[str, int], metrics.Features], truth: metrics.Features
) -> dict[tuple[str, int], str]:
    """Each set's distance to the truths in common resamples of the images, as a text of numbers."""
    if truth.images < 2:
        return dict.fromkeys(sets, "")
    # settings that coincide, as one step of every sampler, are computed once
    distinct = {hash(found.values.tobytes()): found for found in sets.values()}
    values = metrics.resampled(name, list(distinct.values()), truth, metrics.draws(truth.images))
    texts = {at: " ".join(f"{v:.6g}" for v in column) for at, column in zip(distinct, values.T, strict=True)}
    return {key: texts[hash(found.values.tobytes())] for key, found in sets.items()}


def summary(rows: pd.DataFrame, by: Sequence[str] = ("sampler", "steps", "metric")) -> pd.DataFrame:
    """Mean over images with its 95 % bootstrap interval: columns `by`, mean, low, high, n."""
    out = []
    for key, group in rows.groupby(list(by), sort=False):
        interval = metrics.bootstrap_interval(group["value"])
        out.append((*key, interval.mean, interval.low, interval.high, interval.n))
    return pd.DataFrame(out, columns=[*by, "mean", "low", "high", "n"])


def changes(rows: pd.DataFrame, baseline: tuple[str, int] = ("indi", 1)) -> pd.DataFrame:
    """Means over images, with the 95 % interval of the paired change against `baseline` (sampler, steps).

    Returns:
        Columns sampler, steps, metric, mean, low, high, n. `low` and `high` are the baseline's mean
        plus the bounds of the paired difference: an interval that does not hold the baseline's mean
        shows a change. The baseline's own bounds are its mean.

    Raises:
        InDIError: nothing was measured for the baseline.
    """
    out = []
    for (name, steps, metric), group in rows.groupby(["sampler", "steps", "metric"], sort=False):
        interval = difference(rows, metric, (name, steps), baseline)
        mean = group["value"].mean()
        base = mean - interval.mean
        low, high = (base, base) if (name, steps) == baseline else (base + interval.low, base + interval.high)
        out.append((name, steps, metric, mean, low, high, interval.n))
    return pd.DataFrame(out, columns=["sampler", "steps", "metric", "mean", "low", "high", "n"])


def difference(rows: pd.DataFrame, metric: str, a: tuple[str, int], b: tuple[str, int]) -> metrics.Interval:
    """Mean of (a - b) over images, a and b being (sampler, steps), with its interval.

    Raises:
        InDIError: nothing was measured for a or b.
    """
    table = rows[rows["metric"] == metric].pivot_table(
        index="image", columns=["sampler", "steps"], values="value"
    )
    for key in (a, b):
        if key not in table.columns:
            raise InDIError(f"no {metric} of {key[0]} at {key[1]} steps among the rows.")
    return metrics.paired_difference(table[a], table[b])

"""Photographs that are blurred in fact, restored by a network that was trained on made-up blur."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from indi import paths
from indi.data import datasets
from indi.data.datasets import ImageSet
from indi.data.degradations.blur import Convolution, from_linear, to_linear
from indi.data.degradations.motion import read_kernels
from indi.data.images import from_arrays
from indi.evaluation import Evaluated, experiment, protocols
from indi.training import Trained

#: Pixels that a recorded kernel may be off centre, and that are cut from each border.
_SHIFT, _BORDER = 4, 24


@dataclass(frozen=True)
class Real:
    """A set of real pairs, restored and measured; `rows` are means over the photographs of a scene."""

    images: ImageSet
    evaluated: Evaluated
    rows: pd.DataFrame
    caption: str


def restore(
    trained: Trained, data: str, *, notebook: str, name: str, step_counts: Sequence[int], crop: int = 0
) -> Real:
    """Restore every pair of a set that brings its own y, measure, and store the table `name`.

    Several photographs of one scene ("im1_kernel2", "lytro_03_A": all but the last part of the name)
    are no independent images: the rows kept for intervals are their means.

    Args:
        trained: the network.
        data: name of the set.
        notebook: the chapter, for the provenance.
        name: of the stored table, which holds every photograph.
        step_counts: of InDI.
        crop: side of the centre crop, pixels; 0 for whole images.

    Raises:
        InDIError: the data are not there, or damaged.
    """
    images = datasets.load(data, "evaluate")
    recipe = trained.recipe
    settings = protocols.evaluation(
        recipe.task, recipe.profile, data=data, crop=crop, images=None, step_counts=tuple(step_counts)
    )
    started = time.perf_counter()
    evaluated = experiment.measure(
        trained, images, settings, paired=True, samplers=("indi",), keep=images.names
    )
    experiment.save(name, [evaluated.rows], recipe.profile, notebook, settings, [trained], images, started)
    rows = by_scene(evaluated.rows)
    caption = (
        f"profile {recipe.profile}: {data}, {len(images)} photographs of "
        f"{rows['image'].nunique()} scenes, intervals over scenes"
    )
    return Real(images, evaluated, rows, caption)


def by_scene(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over the photographs of a scene; the scene's name stands in the column `image`."""
    scene = rows["image"].str.rsplit("_", n=1).str[0]
    keys = ["image", "sampler", "steps", "metric"]
    return rows.assign(image=scene).groupby(keys, sort=False, as_index=False)["value"].mean()


def levin_fit(images: ImageSet, kernels: Tensor | None = None) -> pd.DataFrame:
    """How well Levin's kernels explain Levin's photographs, as a blur of grey values or of light.

    The sharp image is convolved with the recorded kernel, in the stored values or in linear light, and
    compared with the photograph. The kernels are not centred, so that the best shift up to 4 pixels
    counts; 24 pixels are cut from each border.

    Args:
        images: the set "levin". kernels: (8, n, n); None: those in the data root.

    Returns:
        One row per photograph: image, stored, linear (PSNR in dB).
    """
    if kernels is None:
        kernels = read_kernels(paths.data_root() / "levin" / "kernels")
    assert images.inputs is not None
    out = []
    for name, sharp, blurred in zip(images.names, images.images, images.inputs, strict=True):
        # the kernels are stored as the point spread turned by 180 degrees
        kernel = kernels[int(name.rsplit("kernel", 1)[1]) - 1].flip(0, 1)
        x, y = from_arrays([sharp]), from_arrays([blurred])
        convolution = Convolution(x.shape[2], x.shape[3], kernel.shape[0] // 2, x.device)
        stored = convolution.blurred(x, kernel)
        linear = from_linear(convolution.blurred(to_linear(x), kernel))
        out.append((name, _best(stored, y), _best(linear, y)))
    return pd.DataFrame(out, columns=["image", "stored", "linear"])


def _best(blurred: Tensor, y: Tensor) -> float:
    inner = (..., slice(_BORDER, -_BORDER), slice(_BORDER, -_BORDER))
    shifts = range(-_SHIFT, _SHIFT + 1)
    errors = [
        (blurred.roll((down, right), (2, 3)) - y)[inner].square().mean()
        for down in shifts
        for right in shifts
    ]
    return float(10 * torch.log10(4 / torch.stack(errors).min()))

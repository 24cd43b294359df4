"""Generation from pure noise: its evaluation images, what needs no weights to measure, and memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch

from indi.data.datasets import ImageSet
from indi.data.images import from_arrays
from indi.evaluation import INPUT, TRUTH, metrics


def tiles(images: ImageSet, side: int) -> ImageSet:
    """The images cut into squares without overlap, (side, side, 3) each, what is left at the borders dropped.

    For sets of a few large photographs, so that there are enough small truths. Sets whose images are
    of that size already come back as they are.
    """
    if all(image.shape[:2] == (side, side) for image in images.images):
        return images
    found = {
        f"{name}_{top}_{left}": image[top : top + side, left : left + side]
        for name, image in zip(images.names, images.images, strict=True)
        for top in range(0, image.shape[0] - side + 1, side)
        for left in range(0, image.shape[1] - side + 1, side)
    }
    name = f"{images.name} in squares of {side} pixels"
    return ImageSet(name, images.split, tuple(found), tuple(found.values()))


def statistics(kept: Mapping[tuple[str, str, int], np.ndarray]) -> pd.DataFrame:
    """Two numbers per sampler and step count, of the whole set of samples against that of the truths.

    The samples belong to no truth, so that nothing is compared image by image. Both are 1 where the
    sets agree, and neither says that a sample looks like anything.

    Args:
        kept: as `evaluation.Evaluated.kept`, truths included.

    Returns:
        Columns sampler, steps, images, detail (mean power in the top octave of the spectrum over that
        of the truths) and contrast (root mean variance of an image's pixels over that of the truths).
    """
    groups: dict[tuple[str, int], list[np.ndarray]] = {}
    for (_, sampler, steps), image in kept.items():
        groups.setdefault((sampler, steps), []).append(image)
    truths = from_arrays(groups[TRUTH, 0])
    generator = torch.Generator().manual_seed(0)
    white = torch.randn(truths[:1].shape, generator=generator)  # a common unit: only ratios come out

    def detail(x: torch.Tensor) -> float:
        return float(metrics.detail_ratio(x, white.expand_as(x)).mean())

    def contrast(x: torch.Tensor) -> float:
        return float(x.var(dim=(2, 3)).mean().sqrt())

    out = []
    for (sampler, steps), images in groups.items():
        x = from_arrays(images)
        row = (sampler, steps, len(images), detail(x) / detail(truths), contrast(x) / contrast(truths))
        if sampler not in (TRUTH, INPUT):
            out.append(row)
    return pd.DataFrame(out, columns=["sampler", "steps", "images", "detail", "contrast"])


def nearest(images: Sequence[np.ndarray], training: ImageSet, chunk: int = 512) -> pd.DataFrame:
    """The training image that each image is closest to, mirrored or not.

    Args:
        images: uint8 (H, W, 3), of the size of the training images.
        training: where the copies would come from.
        chunk: training images at a time.

    Returns:
        One row per image: index (of the training image), mirrored, distance (root mean square over
        pixels and channels, in grey levels of 0 to 255).
    """
    x = torch.from_numpy(np.stack(images)).flatten(1).float()
    best = torch.full((len(x),), torch.inf)
    index, mirrored = torch.zeros(len(x), dtype=torch.long), torch.zeros(len(x), dtype=torch.bool)
    for start in range(0, len(training), chunk):
        some = torch.from_numpy(np.stack(training.images[start : start + chunk]))
        for flip in (False, True):
            y = (some.flip(2) if flip else some).flatten(1).float()
            distance, at = torch.cdist(x, y).min(dim=1)
            closer = distance < best
            best = torch.where(closer, distance, best)
            index = torch.where(closer, at + start, index)
            mirrored = torch.where(closer, torch.tensor(flip), mirrored)
    rms = best / x.shape[1] ** 0.5
    return pd.DataFrame({"index": index.numpy(), "mirrored": mirrored.numpy(), "distance": rms.numpy()})

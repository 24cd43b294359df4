"""What a degradation is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from indi.errors import InDIError


@dataclass(frozen=True)
class Degradation:
    """A map from a clean image x to its degraded y (the paper's p(y | x)), in two parts.

    Attributes:
        name: as given to `degradations.get`.
        apply: (x, *drawn) -> y, without any randomness of its own.
        source: where the degradation is defined.
        draw: (count, height, width, generator) -> random parameters, tensors whose first dimension is `count`,
            where the generator lives; None: the degradation is deterministic.
        stage: "loader" needs the CPU (a real codec) and belongs into the data-loading worker;
            "device" is plain torch, batched, on CPU and GPU.
        margin: pixels of real context wanted on each side of a crop. Training takes a crop larger by
            2 * margin, degrades it, then cuts the margin off.
        multiple: height and width of the input must be multiples of it.
    """

    name: str
    apply: Callable[..., Tensor]
    source: str
    draw: Callable[[int, int, int, torch.Generator], tuple[Tensor, ...]] | None = None
    stage: Literal["loader", "device"] = "device"
    margin: int = 0
    multiple: int = 1

    def __call__(self, x: Tensor, generator: torch.Generator, share: tuple[int, int] = (0, 1)) -> Tensor:
        """Degrade x (B, 3, H, W) in [-1, 1]; y has its shape, dtype and device, and its range (but for noise).

        The generator may live on another device than x; the same generator state gives the same y. With
        `share` (k, n) x is images k, k + n, ... of a batch of n B: their y is what one process that has the
        whole batch makes of them.

        Raises:
            InDIError: x is not (B, 3, H, W), or H or W is no multiple of `multiple`.
        """
        if x.ndim != 4 or x.shape[1] != 3:
            raise InDIError(f"{self.name}: x must be (B, 3, H, W), not {tuple(x.shape)}.")
        height, width = x.shape[2:]
        if height % self.multiple or width % self.multiple:
            raise InDIError(
                f"{self.name}: height and width must be multiples of {self.multiple}, not "
                f"{height}x{width}; crop the image to {height - height % self.multiple}x"
                f"{width - width % self.multiple}."
            )
        if self.draw is None:
            return self.apply(x)
        rank, world = share
        drawn = self.draw(world * len(x), height, width, generator)
        return self.apply(x, *(parameter[rank::world] for parameter in drawn))


def bounds(option: str, value: object, low: float, high: float) -> tuple[float, float]:
    """An option that is a pair (least, greatest) within low..high.

    Raises:
        InDIError: it is not.
    """
    try:
        least, greatest = (float(v) for v in value)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        least, greatest = math.nan, math.nan
    if not low <= least <= greatest <= high:
        raise InDIError(f"{option} is (least, greatest) within {low:g}..{high:g}, not {value!r}.")
    return least, greatest

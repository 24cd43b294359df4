"""Defocus: a disc blur whose radius follows a random smooth depth map, in linear light."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from indi.data.degradations.base import Degradation, bounds
from indi.data.degradations.blur import Convolution, from_linear, to_linear

#: Radii, in pixels, of the discs that are computed; those between are blended.
LEVELS = (0.0, 1.0, 2.0, 3.0, 4.5, 6.0, 8.0)
#: The greatest of them, rounded up: the margin.
RADIUS = 8
#: Plane waves in a depth map, and the bounds of their lengths in pixels.
WAVES = 6
WAVE_LENGTHS = (150.0, 600.0)


def disc(radius: float, half: int) -> Tensor:
    """A disc as a kernel (2*half+1, 2*half+1) of sum 1: each pixel's share of the area, by 32x32 points."""
    if radius == 0:
        kernel = torch.zeros(2 * half + 1, 2 * half + 1)
        kernel[half, half] = 1
        return kernel
    fine = 32
    at = (np.arange((2 * half + 1) * fine) + 0.5) / fine - half - 0.5
    inside = (at[:, None] ** 2 + at**2 <= radius**2).astype(np.float64)
    cells = inside.reshape(2 * half + 1, fine, 2 * half + 1, fine).mean(axis=(1, 3))
    return torch.from_numpy((cells / cells.sum()).astype(np.float32))


@lru_cache(maxsize=1)
def discs() -> Tensor:
    """The kernels of LEVELS, (len(LEVELS), 2R+1, 2R+1)."""
    return torch.stack([disc(radius, RADIUS) for radius in LEVELS])


def waves(count: int, generator: torch.Generator) -> Tensor:
    """Directions, phases and lengths of plane waves, (count, 3, WAVES), uniform in [0, 1]."""
    drawn = [torch.rand((count, WAVES), generator=generator, device=generator.device) for _ in range(3)]
    return torch.stack(drawn, dim=1)


def depth_maps(waves: Tensor, height: int, width: int) -> Tensor:
    """Smooth random fields (B, height, width) of mean 0 and variance 1, from `waves` (B, 3, WAVES).

    A sum of plane waves of random direction, phase and length (150 to 600 pixels, log-uniform): its
    statistics are the same in a crop as in a whole image.
    """
    device = waves.device
    angle, phase, length = waves.unbind(1)
    angle, phase = 2 * math.pi * angle, 2 * math.pi * phase
    low, high = (math.log(v) for v in WAVE_LENGTHS)
    number = 2 * math.pi * torch.exp(-(low + (high - low) * length))
    down = (number * angle.sin())[:, None] * torch.arange(height, device=device)[:, None]
    right = (number * angle.cos())[:, :, None] * torch.arange(width, device=device)
    down = down + phase[:, None]
    # cos(a + b) = cos a cos b - sin a sin b makes the sum of waves two matrix products
    field = torch.cos(down) @ torch.cos(right) - torch.sin(down) @ torch.sin(right)
    return field * math.sqrt(2 / WAVES)


def blend_weights(radius: Tensor) -> Tensor:
    """(..., H, W) radii to the weights of LEVELS, (..., len(LEVELS), H, W), which sum to 1.

    Two neighbouring discs are mixed so that the mixture has the second moment, r^2/4 an axis, of the
    disc of that radius.
    """
    squares = radius.new_tensor(LEVELS).square()
    r2 = radius.square().clamp(max=float(squares[-1]))[..., None, :, :]
    edges = squares[:, None, None]
    rising = ((r2 - edges[:-1]) / (edges[1:] - edges[:-1])).clamp(0, 1)
    ones, zeros = torch.ones_like(r2), torch.zeros_like(r2)
    # level l rises over the cell below it and falls over the cell above
    return torch.cat([ones, rising], dim=-3) - torch.cat([rising, zeros], dim=-3)


def blur(x: Tensor, radius: Tensor) -> Tensor:
    """Blur x (B, 3, H, W) in [-1, 1] in linear light; pixel p is the mean over a disc of radius[b, p] pixels."""
    convolution = Convolution(x.shape[2], x.shape[3], RADIUS, x.device)
    light = to_linear(x)
    spectrum = convolution.spectrum(convolution.extend(light))
    transfer = convolution.kernel(discs().to(x.device))
    weights = blend_weights(radius)
    y = weights[:, 0, None] * light
    for level in range(1, len(LEVELS)):
        y += weights[:, level, None] * convolution.image(spectrum * transfer[level])
    return from_linear(y)


def defocus(strength: tuple[float, float] = (2.0, 6.0)) -> Degradation:
    """Disc blur by a random depth map in linear light, for Sec. 5.3 of the paper (its set: DPDD).

    The radius at a pixel is s |d - f|, at most 8 pixels: d is a smooth random depth map of mean 0 and
    variance 1, f the plane in focus, N(0, 1/4), and s the strength in pixels, uniform within
    `strength`. That is the circle of confusion of a thin lens, linear in the (inverse) depth.
    Occlusion at depth edges is not modelled: the map is smooth.
    """
    low, high = bounds("defocus: strength", strength, 0, 100)

    def draw(count: int, height: int, width: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        device = generator.device
        drawn = waves(count, generator)
        focus = 0.5 * torch.randn((count, 1, 1), generator=generator, device=device)
        scale = low + (high - low) * torch.rand((count, 1, 1), generator=generator, device=device)
        return drawn, focus, scale

    def degrade(x: Tensor, drawn: Tensor, focus: Tensor, scale: Tensor) -> Tensor:
        radius = (scale * (depth_maps(drawn, *x.shape[2:]) - focus).abs()).to(x.device)
        return blur(x.float(), radius).to(x.dtype)

    return Degradation(
        name="defocus",
        apply=degrade,
        draw=draw,
        margin=RADIUS,
        source="thin-lens circle of confusion (Potmesil & Chakravarty, SIGGRAPH 1981) over a random depth "
        "map; in place of DPDD (Abuolaim & Brown, ECCV 2020)",
    )

"""NIQE, the no-reference quality of Mittal, Soundararajan and Bovik (IEEE SPL 2013)."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from indi.errors import InDIError
from indi.evaluation.metrics import weights
from indi.evaluation.metrics.pixel import luma, separable

BLOCK = 96  # pixels a side, as the pristine model was made
SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))  # neighbours whose products are modelled (paper, Sec. II-A)
FLAT = 1e-9  # grey levels; deviations below are rounding errors, and the fit counts signs


def why_too_small(height: int, width: int) -> str:
    """What NIQE needs where it is not defined for images of this size; empty if it is."""
    blocks = (height // BLOCK) * (width // BLOCK)
    if blocks >= 2:
        return ""
    return (
        f"needs at least two {BLOCK}x{BLOCK} blocks to estimate a covariance, and "
        f"{height}x{width} pixels hold {blocks}: use images of at least {BLOCK}x{2 * BLOCK}."
    )


@torch.inference_mode()
def niqe(x: Tensor) -> Tensor:
    """NIQE of each image, (B,) float64: the distance from natural images, lower is better.

    Blocks of 96x96 without overlap (what does not fill a block at the right and bottom is cut),
    border 0, on the rounded Y channel (`pixel.luma`), at two scales, the second by antialiased
    bicubic halving as MATLAB's `imresize`. A model of natural images, not of the truth: it is the
    same whatever the image should show, and restored images may score below their truth.

    Where an image is flat, deviations from the local mean that are mere rounding errors count as
    zero. In other implementations their random signs enter the fit, so that images with large flat
    areas can differ by some tenths from ours; others agree to 1e-6.

    A block without any variation has no features and is left out, as in the authors' code; NaN
    where fewer than two blocks are left.

    Args:
        x: images (B, 3, H, W) in [-1, 1], after `quantise`, holding at least two blocks.

    Raises:
        InDIError: wrong shape, too small, or no pristine model.
    """
    if x.ndim != 4 or x.shape[1] != 3:
        raise InDIError(f"NIQE takes images (B, 3, H, W), not {tuple(x.shape)}.")
    if reason := why_too_small(x.shape[2], x.shape[3]):
        raise InDIError(f"NIQE {reason}")
    arrays = weights.load_arrays(weights.require("niqe"))
    mean, covariance, window = (
        torch.from_numpy(arrays[key]).to(x.device)
        for key in ("mu_pris_param", "cov_pris_param", "gaussian_window")
    )
    rows, columns = x.shape[2] // BLOCK, x.shape[3] // BLOCK
    grey = ((luma(x) + 1) * 127.5).round()[..., : rows * BLOCK, : columns * BLOCK]
    scales = (_features(grey, window, BLOCK), _features(_halve(grey), window, BLOCK // 2))
    return torch.stack(
        [_distance(blocks, mean.flatten(), covariance) for blocks in torch.cat(scales, dim=-1)]
    )


def _distance(blocks: Tensor, mean: Tensor, covariance: Tensor) -> Tensor:
    """Eq. 10, of one image: from the Gaussian of its `blocks` (n, 36) to the pristine one."""
    whole = blocks[~blocks.isnan().any(dim=1)]
    if len(whole) < 2:
        return torch.full((), torch.nan, dtype=blocks.dtype, device=blocks.device)
    difference = mean - blocks.nanmean(dim=0)
    pooled = (covariance + torch.cov(whole.T)) / 2
    return torch.sqrt(difference @ torch.linalg.pinv(pooled) @ difference)


def _features(grey: Tensor, window: Tensor, block: int) -> Tensor:
    """The 18 features of every block of `grey` (B, 1, H, W) in 0..255: (B, blocks, 18)."""
    normal = _normalise(grey, window)
    blocks = normal.unfold(2, block, block).unfold(3, block, block).flatten(1, 3)  # (B, blocks, side, side)
    alpha, left, right = _fit(blocks)
    features = [alpha, (left + right) / 2]
    for shift in SHIFTS:
        alpha, left, right = _fit(blocks * blocks.roll(shift, dims=(-2, -1)))
        mean = (right - left) * torch.exp(torch.lgamma(2 / alpha) - torch.lgamma(1 / alpha))  # Eq. 8
        features += [alpha, mean, left, right]
    return torch.stack(features, dim=-1)


def _normalise(grey: Tensor, window: Tensor) -> Tensor:
    """Eq. 1: local mean taken off, divided by the local standard deviation plus 1."""

    def blur(x: Tensor) -> Tensor:
        # the 7x7 Gaussian is the product of its margins
        padded = functional.pad(x, (3, 3, 3, 3), mode="replicate")
        return separable(padded, window.sum(1).tolist(), window.sum(0).tolist())

    mean = blur(grey)
    deviation = grey - mean
    deviation = torch.where(deviation.abs() < FLAT, torch.zeros_like(deviation), deviation)
    return deviation / ((blur(grey.square()) - mean.square()).abs().sqrt() + 1)


@lru_cache
def _ratios() -> tuple[Tensor, Tensor]:
    """The authors' grid of shapes alpha and the moment ratio of each, both rising: (9801,) each."""
    alpha = 0.2 + 0.001 * torch.arange(9801, dtype=torch.float64)
    inverse = 1 / alpha
    ratio = 2 * torch.lgamma(2 * inverse) - torch.lgamma(inverse) - torch.lgamma(3 * inverse)
    return alpha, ratio.exp()


def _fit(blocks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Alpha, left, right of asymmetric generalised Gaussians: (B, n, side, side) to (B, n) each.

    Eq. 7, fitted by moments as Lasmar, Stitou, Berthoumieu (ICIP 2009). NaN for a block with no
    value of one sign.
    """
    x = blocks.flatten(2)

    def deviation(side: Tensor) -> Tensor:
        return torch.sqrt((x.square() * side).sum(-1) / side.sum(-1))

    left, right = deviation(x < 0), deviation(x > 0)
    ratio = left / right
    moment = x.abs().mean(-1).square() / x.square().mean(-1)
    moment = moment * (ratio**3 + 1) * (ratio + 1) / (ratio.square() + 1).square()
    grid, values = (t.to(x.device) for t in _ratios())
    above = torch.searchsorted(values, moment.contiguous()).clamp(1, len(values) - 1)
    nearest = torch.where(moment - values[above - 1] <= values[above] - moment, above - 1, above)
    alpha = torch.where(moment.isnan(), moment, grid[nearest])
    spread = torch.exp((torch.lgamma(1 / alpha) - torch.lgamma(3 / alpha)) / 2)
    return alpha, left * spread, right * spread


def _halve(x: Tensor) -> Tensor:
    """MATLAB's `imresize(x, 0.5)`: antialiased bicubic (a = -1/2), mirrored at the borders."""
    for axis in (-2, -1):  # torch renormalises the kernel at a border instead; so mirror, halve, cut
        length = x.shape[axis]
        first, last = x.narrow(axis, 0, 4).flip(axis), x.narrow(axis, length - 4, 4).flip(axis)
        x = torch.cat([first, x, last], dim=axis)
    x = functional.interpolate(x, scale_factor=0.5, mode="bicubic", antialias=True)
    return x[..., 2:-2, 2:-2]

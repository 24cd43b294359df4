"""Metrics that need no weights: PSNR, SSIM, the detail ratio and blockiness, one value per image.

The protocol: every restored image goes through `quantise` before any metric, because what is
compared in the literature are images saved as 8-bit PNG. The truth is 8 bit already.

All sums run in float64: SSIM subtracts nearly equal numbers where an image is flat, and in float32
that alone moves its third decimal there.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from indi.errors import InDIError, unknown

DATA_RANGE = 2.0  # images lie in [-1, 1]; never the maximum of an image, which differs between images
WINDOW = 11  # side of the SSIM window in pixels
SIGMA = 1.5  # its standard deviation
BLOCK = 8  # side of the blocks that JPEG codes
SMALLEST_GRID = 16  # pixels a side that hold one edge between blocks
SMALLEST_SPECTRUM = 8  # below this side the top octave holds too few frequencies to mean anything


def quantise(x: Tensor) -> Tensor:
    """Clamp to [-1, 1] and round to the 256 levels of an 8-bit PNG; shape and dtype are kept.

    A pixel that is no number (NaN: a sampler diverged beyond float32) is black, as in a saved picture. Left as it
    is, the image would drop out of the means, and they would be those of the images that did not diverge.
    """
    return ((x.nan_to_num(nan=-1.0).clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1


def luma(x: Tensor) -> Tensor:
    """BT.601 luma, the Y of MATLAB's `rgb2ycbcr`: (B, 3, H, W) to (B, 1, H, W) float64.

    Of the 8-bit image, that is after `quantise`: an integer in 16..235, halves rounded up as MATLAB
    does. The 256 levels are laid on [-1, 1], so that the data range is 2 again (black is -0.87,
    white is 0.84).
    """
    levels = ((x.to(torch.float64).clamp(-1, 1) + 1) * 127.5).round()
    weights = torch.tensor([65481, 128553, 24966], dtype=torch.float64, device=x.device)
    # In whole numbers up to the one division, else float32 input decides the ties at random.
    y = (torch.einsum("bchw,c->bhw", levels, weights) / 255000 + 16.5).floor()
    return y[:, None] / 127.5 - 1


def psnr(a: Tensor, b: Tensor, channel: str = "rgb", border: int = 0) -> Tensor:
    """Peak signal-to-noise ratio in dB, (B,) float64: 10 log10(2^2 / MSE), inf for equal images.

    Args:
        a, b: images (B, 3, H, W) in [-1, 1]. The data range is 2, whatever the images contain.
        channel: "rgb", one MSE over the three channels, or "y", the luma (see `luma`), as the
            super-resolution literature has it.
        border: pixels cut from each side first (there: as many as the scale).

    Raises:
        InDIError: shapes differ or are not (B, 3, H, W), unknown channel, nothing left inside the
        border.
    """
    a, b = _planes(a, b, channel, border, smallest=1)
    error = (a - b).square().mean(dim=(1, 2, 3))
    return 10 * torch.log10(DATA_RANGE**2 / error)


def ssim(a: Tensor, b: Tensor, channel: str = "rgb", border: int = 0) -> Tensor:
    """Structural similarity, (B,) float64, 1 for identical images.

    Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 2004: Gaussian window of 11x11 pixels with sigma 1.5,
    population covariances, K1 = .01, K2 = .03, data range 2, the mean over the positions where the
    window fits and over channels. The luminance term compares means, so it depends on where zero
    is: as in the literature black is 0 (images in [0, 2], not [-1, 1], where the same images score
    some .02 lower). Equals scikit-image's `structural_similarity` of `a + 1` and `b + 1` with
    `gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=2`, hence that of the
    8-bit images with `data_range=255`.

    Arguments and errors as `psnr`; the images must hold a window, so at least 11x11 pixels.
    """
    a, b = (x + 1 for x in _planes(a, b, channel, border, smallest=WINDOW))  # black at 0: see above
    mean_a, mean_b = _blur(a), _blur(b)
    var_a = _blur(a * a) - mean_a.square()
    var_b = _blur(b * b) - mean_b.square()
    covariance = _blur(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * DATA_RANGE) ** 2, (0.03 * DATA_RANGE) ** 2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a.square() + mean_b.square() + c1)
    structure = (2 * covariance + c2) / (var_a + var_b + c2)
    return (luminance * structure).mean(dim=(1, 2, 3))


def detail_ratio(restored: Tensor, truth: Tensor) -> Tensor:
    """Power of the finest details of `restored` over that of `truth`, (B,) float64.

    The power spectrum summed over the radial frequencies from 1/4 to 1/2 cycle per pixel, the top
    octave that the grid can hold, and over the three channels. The mean of each channel is taken
    off and a Hann window laid over the image first, else the jump between opposite borders fills
    that octave. 1: as much detail as the truth; towards 0: the regression to the mean of a one-step
    estimate; above 1: noise or invented texture. It says how much detail there is, not whether it
    is the right one, and needs no weights.

    NaN where neither image has any such detail (flat images), infinite where only the truth has
    none.

    Args:
        restored, truth: (B, 3, H, W) in [-1, 1], at least 8x8 pixels.

    Raises:
        InDIError: shapes differ, are not (B, 3, H, W), or are too small.
    """
    restored, truth = _planes(restored, truth, "rgb", 0, smallest=SMALLEST_SPECTRUM)
    return _top_octave(restored) / _top_octave(truth)


def blockiness(restored: Tensor) -> Tensor:
    """How much stronger the jumps across the edges of JPEG's 8x8 blocks are than elsewhere, (B,) float64.

    B / A, the mean of both directions, with the two features of Wang, Sheikh and Bovik, "No-reference
    perceptual quality assessment of JPEG compressed images", ICIP 2002: B is the mean absolute difference of
    neighbouring pixels across block edges, A = (8 mean of all - B) / 7 that within blocks. On the luma. 1: no blocks;
    above: blocks are seen; below: the edges are smoother than the rest. Their regression of B, A and
    a rate of zero crossings on opinions is not used: it would mix blocks with blur.

    NaN where nothing differs within the blocks (flat images).

    Args:
        restored: (B, 3, H, W) in [-1, 1], at least 16x16 pixels, whose block grid starts at the upper left
            corner. So it does in all evaluation crops: the crop is cut out first, then compressed.

    Raises:
        InDIError: not (B, 3, H, W), or too small.
    """
    plane = _planes(restored, restored, "y", 0, smallest=SMALLEST_GRID)[0][:, 0]
    ratios = []
    for differences in (plane.diff(dim=2), plane.diff(dim=1).mT):
        step = differences.abs()
        blocks = (step.shape[-1] + 1) // BLOCK
        edges = step[..., BLOCK - 1 : BLOCK * (blocks - 1) : BLOCK].mean(dim=(1, 2))
        ratios.append((BLOCK - 1) * edges / (BLOCK * step.mean(dim=(1, 2)) - edges))
    ratio = torch.stack(ratios).mean(dim=0)
    return torch.where(ratio.isinf(), torch.full_like(ratio, torch.nan), ratio)


def octave_powers(x: Tensor, octaves: int = 4) -> Tensor:
    """Power of an image in each octave of spatial frequency, the finest first: (B, C, H, W) -> (B, octaves).

    Octave k holds the radial frequencies from 2^-(k+2) to 2^-(k+1) cycles per pixel. Window and units are
    those of the detail ratio, which is the first octave's power over that of the truth.
    """
    return torch.stack([_octave(x.to(torch.float64), 2.0**-k / 2) for k in range(octaves)], dim=1)


def spectrum_gap(restored: Tensor, truth: Tensor) -> Tensor:
    """How wrong the power of the four finest octaves is: the mean of |log2(power / that of the truth)|, (B,).

    0 is right, 1 a factor of two on average, too much or too little. Infinite where an octave is empty in one
    of the two images only; NaN where it is empty in both. Arguments and errors as `detail_ratio`; the images
    must have 32x32 pixels for the coarsest octave to hold enough frequencies.
    """
    restored, truth = _planes(restored, truth, "rgb", 0, smallest=4 * SMALLEST_SPECTRUM)
    return torch.log2(octave_powers(restored) / octave_powers(truth)).abs().mean(1)


def _top_octave(x: Tensor) -> Tensor:
    """Mean power per pixel from 1/4 to 1/2 cycle per pixel, (B,); mere rounding errors are 0."""
    return _octave(x, 0.5)


def _octave(x: Tensor, top: float) -> Tensor:
    """Mean power per pixel from `top` / 2 to `top` cycles per pixel, (B,); mere rounding errors are 0."""
    height, width = x.shape[-2:]
    rows = torch.hann_window(height, dtype=x.dtype, device=x.device)
    columns = torch.hann_window(width, dtype=x.dtype, device=x.device)
    centred = (x - x.mean(dim=(2, 3), keepdim=True)) * rows[:, None] * columns
    radius = torch.hypot(
        torch.fft.fftfreq(height, dtype=x.dtype, device=x.device)[:, None],
        torch.fft.fftfreq(width, dtype=x.dtype, device=x.device),
    )
    band = (radius >= top / 2) & (radius <= top)
    power = torch.fft.fft2(centred).abs().square()[..., band].sum(dim=(1, 2)) / (height * width)
    return torch.where(power > 1e-20, power, torch.zeros_like(power))


def _planes(a: Tensor, b: Tensor, channel: str, border: int, smallest: int) -> tuple[Tensor, Tensor]:
    """Both images as float64 (B, C, H, W), of the chosen channel and without the border."""
    if a.shape != b.shape or a.ndim != 4 or a.shape[1] != 3:
        raise InDIError(
            f"a metric compares two batches (B, 3, H, W) of one shape, not {tuple(a.shape)} "
            f"and {tuple(b.shape)}: crop or stack the images first."
        )
    if channel not in ("rgb", "y"):
        raise unknown("channel", channel, ("rgb", "y"))
    height, width = a.shape[-2] - 2 * border, a.shape[-1] - 2 * border
    if border < 0 or min(height, width) < smallest:
        raise InDIError(
            f"{a.shape[-2]}x{a.shape[-1]} pixels with a border of {border} leave {height}x{width}, "
            f"and this metric needs {smallest}x{smallest}: use larger crops or a smaller border."
        )
    pick = luma if channel == "y" else lambda x: x.to(torch.float64)
    inner = (..., slice(border, border + height), slice(border, border + width))
    return pick(a)[inner], pick(b)[inner]


@lru_cache
def _window() -> list[float]:
    """The Gaussian window along one axis: 11 weights that sum to 1."""
    offsets = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    weights = torch.exp(-offsets.square() / (2 * SIGMA**2))
    return list((weights / weights.sum()).tolist())


def _blur(x: Tensor) -> Tensor:
    """Windowed mean of every channel where the window fits: (B, C, H, W) to (B, C, H - 10, W - 10)."""
    return separable(x, _window(), _window())


def separable(x: Tensor, down: Sequence[float], right: Sequence[float]) -> Tensor:
    """x (..., H, W) weighted by the product of two windows where it fits: (..., H - n + 1, W - m + 1).

    Shifted copies added up beat torch's float64 convolution of a single channel twentyfold on a CPU.
    """
    for axis, window in ((-2, down), (-1, right)):
        length = x.shape[axis] - len(window) + 1
        total = torch.zeros_like(x.narrow(axis, 0, length))
        for shift, weight in enumerate(window):
            total.add_(x.narrow(axis, shift, length), alpha=weight)
        x = total
    return x

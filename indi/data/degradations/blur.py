"""What the two blurs share: linear light, mirrored borders, convolution by FFT."""

from __future__ import annotations

import torch
from scipy.fft import next_fast_len
from torch import Tensor


def to_linear(x: Tensor) -> Tensor:
    """sRGB values in [-1, 1] to linear light in [0, 1] (IEC 61966-2-1)."""
    s = (x + 1) / 2
    return torch.where(s <= 0.04045, s / 12.92, ((s.clamp(min=0.04045) + 0.055) / 1.055).pow(2.4))


def from_linear(light: Tensor) -> Tensor:
    """Linear light, clipped to [0, 1], to sRGB values in [-1, 1]; inverts `to_linear`."""
    v = light.clamp(0, 1)
    s = torch.where(v <= 0.0031308, 12.92 * v, 1.055 * v.clamp(min=0.0031308).pow(1 / 2.4) - 0.055)
    return (2 * s - 1).clamp(-1, 1)


def mirrored(size: int, margin: int, total: int, device: torch.device) -> Tensor:
    """(total,) indices that extend 0 .. size-1 by `margin` before and the rest after, mirrored at the ends.

    Unlike `torch.nn.functional.pad` it works for any size, by folding as often as needed.
    """
    index = torch.arange(-margin, total - margin, device=device)
    period = max(2 * (size - 1), 1)
    index = index.abs() % period
    return torch.minimum(index, period - index) if size > 1 else torch.zeros_like(index)


class Convolution:
    """Convolves images (B, C, H, W) with kernels (..., 2R+1, 2R+1), borders mirrored.

    The images are extended by R on every side and transformed once; `kernel` transforms kernels to
    match, `image` returns from the spectrum. A kernel's centre is its middle sample.
    """

    def __init__(self, height: int, width: int, radius: int, device: torch.device) -> None:
        """Prepare for images of height x width and kernels of 2 * radius + 1."""
        self.height, self.width, self.radius = height, width, radius
        self.shape = (
            next_fast_len(height + 2 * radius, real=True),
            next_fast_len(width + 2 * radius, real=True),
        )
        self.rows = mirrored(height, radius, self.shape[0], device)[:, None]
        self.columns = mirrored(width, radius, self.shape[1], device)

    def extend(self, x: Tensor) -> Tensor:
        """(..., H, W) to (..., *shape) by mirroring."""
        return x[..., self.rows, self.columns]

    def spectrum(self, extended: Tensor) -> Tensor:
        """The spectrum of an extended image."""
        return torch.fft.rfft2(extended)

    def kernel(self, kernel: Tensor) -> Tensor:
        """The spectrum of (..., 2R+1, 2R+1) kernels."""
        return torch.fft.rfft2(kernel, s=self.shape)

    def image(self, spectrum: Tensor) -> Tensor:
        """(..., H, W) from a spectrum times a kernel's."""
        # sample 2R of the circular convolution is the first whose kernel window, R each way, is whole
        start = 2 * self.radius
        whole = torch.fft.irfft2(spectrum, s=self.shape)
        return whole[..., start : start + self.height, start : start + self.width]

    def blurred(self, x: Tensor, kernel: Tensor) -> Tensor:
        """x (B, C, H, W) convolved with kernels, (2R+1, 2R+1) or broadcast to the images."""
        return self.image(self.spectrum(self.extend(x)) * self.kernel(kernel))

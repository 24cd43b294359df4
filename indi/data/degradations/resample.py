"""Down- and upscaling by a factor, and the 4x super-resolution pair."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from indi.data.degradations.base import Degradation
from indi.data.images import from_uint8, to_uint8
from indi.errors import InDIError


def downscale(x: Tensor, factor: int = 4) -> Tensor:
    """Antialiased bicubic, (B, C, H, W) to (B, C, H/factor, W/factor), rounded to 8 bits, in [-1, 1].

    The cubic kernel with a = -0.5 stretched by the factor, as MATLAB's imresize and Pillow do; the
    published x4 sets are made with the former. At the border the kernel is cut and renormalised
    (Pillow), where MATLAB mirrors the image.

    Raises:
        InDIError: H or W is no multiple of the factor.
    """
    height, width = x.shape[2:]
    if height % factor or width % factor:
        raise InDIError(f"downscale: {height}x{width} is no multiple of {factor}; crop it first.")
    # torch's antialiased kernel has a = -0.5, its plain one -0.75
    small = F.interpolate(x.float(), size=(height // factor, width // factor), mode="bicubic", antialias=True)
    return from_uint8(to_uint8(small)).to(x.dtype)


def upscale(x: Tensor, factor: int = 4, mode: str = "bilinear") -> Tensor:
    """(B, C, H, W) to (B, C, factor*H, factor*W), "bilinear" or "bicubic" (a = -0.5), clipped to [-1, 1].

    Raises:
        InDIError: another mode.
    """
    if mode not in ("bilinear", "bicubic"):
        raise InDIError(f"upscale: mode is bilinear or bicubic, not {mode!r}.")
    size = (x.shape[2] * factor, x.shape[3] * factor)
    # antialias changes nothing when enlarging but the bicubic coefficient, see `downscale`
    large = F.interpolate(x.float(), size=size, mode=mode, antialias=mode == "bicubic")
    return large.clamp(-1, 1).to(x.dtype)


def super_resolution(factor: int = 4) -> Degradation:
    """y is x scaled down (antialiased bicubic, 8 bits) and up again (bilinear; Appendix B of the paper)."""
    if not isinstance(factor, int) or factor < 2:
        raise InDIError(f"super_resolution: factor is a whole number from 2, not {factor!r}.")

    return Degradation(
        name="super_resolution",
        apply=lambda x: upscale(downscale(x, factor), factor),
        margin=4 * factor,
        multiple=factor,
        source="bicubic x4 as DIV2K (Agustsson & Timofte, CVPRW 2017); bilinear up: InDI Appendix B",
    )

"""The network of Table 2: a time-conditioned U-Net without attention and without normalisation.

The paper names SR3's and DvSR's network and prints three sizes; this topology is the one that gives
all three to the digit (27,677,123, 33,573,059 and 62,254,755 parameters). What the sizes leave open
is chosen below, with the reasons; chapter "The network" shows the measurements.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from indi.errors import unknown

BLOCKS_PER_LEVEL = 3

Output = Literal["residual", "direct", "velocity"]
Upsample = Literal["nearest", "bilinear"]


def sinusoid(t: Tensor, width: int, scale: float = 1000.0) -> Tensor:
    """Sines and cosines of scale * t at `width / 2` frequencies from 1 to 1/10,000, (B,) -> (B, width)."""
    half = width // 2
    frequency = torch.exp(-math.log(10_000) * torch.arange(half, device=t.device) / (half - 1))
    angle = scale * t.float()[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=1)


def _average_down(x: Tensor) -> Tensor:
    return nnf.avg_pool2d(x, 2)


def _nearest_up(x: Tensor) -> Tensor:
    return nnf.interpolate(x, scale_factor=2, mode="nearest")


def _bilinear_up(x: Tensor) -> Tensor:
    return nnf.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class ResBlock(nn.Module):
    """SiLU, conv, + time, SiLU, conv, and a shortcut; resampled before the first conv if asked.

    The shortcut is the identity, or a 1x1 convolution where the width changes.
    """

    def __init__(
        self,
        width_in: int,
        width: int,
        time_width: int,
        resample: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, padding=1)
        self.time = nn.Linear(time_width, width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.shortcut = nn.Conv2d(width_in, width, 1) if width_in != width else nn.Identity()
        self.resample = resample or nn.Identity()

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        h = self.conv1(self.resample(nnf.silu(x)))
        h = h + self.time(nnf.silu(e))[:, :, None, None]
        return self.shortcut(self.resample(x)) + self.conv2(nnf.silu(h))


class UNet(nn.Module):
    """F(x_t, t) of Table 2.

    Args:
        channels: width of the first level.
        multipliers: width of each level in units of `channels`; each level halves H and W.
        in_channels: 3, or 6 for the conditional DDPM, whose noisy image and y are concatenated.
        output: "velocity" returns x_t + t net(x_t, t), so that (x_t - F)/t, the right side of the
            ODE, stays bounded and F(x, 0) = x; "residual" x_t + net(x_t, t); "direct" net(x_t, t).
        time_scale: factor of t before the sinusoid, whose frequencies were made for the step numbers
            of a diffusion model.
        zero_init: start the last convolution at zero, and so the network at F(x_t, t) = x_t.
        upsample: "nearest" or "bilinear", before the first convolution of an up block; down blocks
            average 2x2 pixels.

    The last four are not settled by Table 2.

    Shapes: x (B, in_channels, H, W) with any H and W (padded inside to a multiple of
    2^(levels - 1) by replication at the right and bottom, then cropped), t (B,) -> (B, 3, H, W).
    """

    def __init__(
        self,
        channels: int = 64,
        multipliers: Sequence[int] = (1, 2, 3, 4),
        in_channels: int = 3,
        output: Output = "velocity",
        time_scale: float = 1000.0,
        zero_init: bool = True,
        upsample: Upsample = "nearest",
    ) -> None:
        super().__init__()
        if output not in get_args(Output):
            raise unknown("output", output, get_args(Output))
        if upsample not in get_args(Upsample):
            raise unknown("upsample", upsample, get_args(Upsample))
        self.channels, self.output, self.time_scale = channels, output, time_scale
        up = _nearest_up if upsample == "nearest" else _bilinear_up
        self.stride = 2 ** (len(multipliers) - 1)
        time_width = 4 * channels
        self.time = nn.Sequential(
            nn.Linear(channels, time_width), nn.SiLU(), nn.Linear(time_width, time_width)
        )
        self.conv_in = nn.Conv2d(in_channels, channels, 3, padding=1)

        skips = [width := channels]
        self.encoder = nn.ModuleList()
        for level, multiplier in enumerate(multipliers):
            for _ in range(BLOCKS_PER_LEVEL):
                self.encoder.append(ResBlock(width, width := multiplier * channels, time_width))
                skips.append(width)
            if level < len(multipliers) - 1:
                self.encoder.append(ResBlock(width, width, time_width, _average_down))
                skips.append(width)

        self.middle = nn.ModuleList(ResBlock(width, width, time_width) for _ in range(2))

        self.decoder = nn.ModuleList()
        for level, multiplier in reversed(list(enumerate(multipliers))):
            for _ in range(BLOCKS_PER_LEVEL + 1):
                joined = width + skips.pop()
                self.decoder.append(ResBlock(joined, width := multiplier * channels, time_width))
            if level > 0:
                self.decoder.append(ResBlock(width, width, time_width, up))

        self.conv_out = nn.Conv2d(channels, 3, 3, padding=1)
        if zero_init:
            for parameter in self.conv_out.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        pad = (0, -width % self.stride, 0, -height % self.stride)
        h = nnf.pad(x, pad, mode="replicate") if any(pad) else x
        e = self.time(sinusoid(t, self.channels, self.time_scale).to(x.dtype))

        h = self.conv_in(h)
        skips = [h]
        for block in self.encoder:
            h = block(h, e)
            skips.append(h)
        for block in self.middle:
            h = block(h, e)
        for block in self.decoder:
            if block.resample not in (_nearest_up, _bilinear_up):
                h = torch.cat([h, skips.pop()], dim=1)
            h = block(h, e)
        h = self.conv_out(nnf.silu(h))[..., :height, :width]
        if self.output == "direct":
            return h
        return x[:, :3] + (h if self.output == "residual" else t.view(-1, 1, 1, 1) * h)


def parameter_count(model: nn.Module) -> int:
    """Number of trained parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def forward_flops(model: nn.Module, height: int, width: int) -> int:
    """Floating-point operations of one forward pass on one image, 2 per multiply-add, as PyTorch counts them.

    Runs on the meta device: nothing is computed, so the largest network takes milliseconds.
    """
    meta = copy.deepcopy(model).to("meta")
    channels = next(m.in_channels for m in meta.modules() if isinstance(m, nn.Conv2d))
    x = torch.empty(1, channels, height, width, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        meta(x, torch.empty(1, device="meta"))
    return counter.get_total_flops()

"""Pure noise: y does not depend on x, so that restoring it is generation."""

from __future__ import annotations

import torch
from torch import Tensor

from indi.data.degradations.base import Degradation


def noise() -> Degradation:
    """y ~ N(0, 1), independent of x and not clipped (Sec. 6.1 of the paper)."""

    def draw(count: int, height: int, width: int, generator: torch.Generator) -> tuple[Tensor]:
        return (torch.randn((count, 3, height, width), generator=generator, device=generator.device),)

    return Degradation(
        name="noise",
        apply=lambda x, drawn: drawn.to(device=x.device, dtype=x.dtype),
        draw=draw,
        source="InDI Sec. 6.1 (generation from noise)",
    )

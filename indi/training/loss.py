"""What a step minimises: Eq. 9, or for the conditional DDPM the error of the noise or of v."""

from __future__ import annotations

from torch import Tensor

from indi.method import cddpm
from indi.method.process import interpolate
from indi.training.recipes import Recipe


def objective(
    recipe: Recipe, x: Tensor, y: Tensor, t: Tensor, noise: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """What the network sees and what it is to return: (inputs, time, target).

    InDI (Eq. 9): (x_t, t, x). The conditional DDPM: (z beside y, level, noise or v), t being the level.
    """
    if recipe.conditional:
        assert noise is not None
        return cddpm.training_example(x, y, t, noise, "v" if recipe.method == "cddpm_v" else "noise")
    return interpolate(x, y, t, noise, recipe.eps, recipe.schedule), t, x


def loss_function(prediction: Tensor, target: Tensor, p: int) -> Tensor:
    """Eq. 9 per element: the mean absolute (p = 1) or squared (p = 2) error, in the units of the target."""
    difference = prediction.float() - target
    return difference.abs().mean() if p == 1 else difference.square().mean()

"""InDI in one screen: a photograph is degraded, restored in 1 and in 10 steps by a shipped model, and saved.

python example.py [TASK] [PICTURE]     TASK: jpeg (default), motion, defocus, super_resolution
"""

import sys
from pathlib import Path

import numpy as np
import torch

from indi import datasets, images, recipes, training

task = sys.argv[1] if len(sys.argv) > 1 else "jpeg"
picture = Path(sys.argv[2] if len(sys.argv) > 2 else f"example_{task}.png")

recipe = recipes.recipe(task, "laptop")
F = training.load(recipe).F  # the network in results/laptop/models
degradation = recipes.degradation_of(recipe)

chelsea = datasets.load("embedded", "evaluate").images[0]  # uint8 (300, 451, 3), CC0
x = images.from_arrays([chelsea[20:212, 130:322]])  # (1, 3, 192, 192) in [-1, 1]
y = degradation(x, torch.Generator().manual_seed(0))


@torch.no_grad()
def restore(y: torch.Tensor, n: int) -> torch.Tensor:
    """From y at t = 1 to x_0 in n steps (Algorithm 1 of the paper)."""
    generator = torch.Generator().manual_seed(0)
    x_t = y + recipe.eps * torch.randn(y.shape, generator=generator)
    for i in range(n):
        t, s = (n - i) / n, (n - i - 1) / n
        x_t = (1 - s / t) * F(x_t, torch.full((len(y),), t)) + (s / t) * x_t
    return x_t


row = torch.cat([y, restore(y, 1), restore(y, 10), x])  # degraded, one step, ten steps, the truth
images.write_image(picture, np.concatenate(images.to_arrays(row), axis=1))
print(f"{picture}: degraded, InDI in 1 step, in 10 steps, original")

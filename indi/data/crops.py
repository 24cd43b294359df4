"""Training batches: random crops, mirrored and turned by 90 degrees, the same for a step whenever it is asked for.

The batch of a step is a function of (seed, step) alone. A resumed training therefore continues with
the very batches that an uninterrupted one sees, whatever the number of workers and of processes.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from indi.data.datasets import ImageSet, require_size
from indi.data.degradations import Degradation
from indi.data.images import from_uint8, stack, to_uint8
from indi.errors import InDIError


def torch_seed(*key: int) -> int:
    """A seed for torch.Generator from a key such as (seed, step, stream); keys do not collide by adding."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1))


class TrainingCrops(Dataset[tuple[Tensor, Tensor | None]]):
    """Item k is the batch of step k: x, and y where it is made on the CPU or stored, both uint8.

    Args:
        images: the training split.
        degradation: how y is made; None if `images` brings inputs. One whose stage is "loader" (a
            codec) is applied here; one whose stage is "device" is left to the training loop, and x
            then comes with its margin on every side.
        crop: side of a crop in pixels, without the margin.
        batch_size: images per step over all processes.
        seed: of the crops.
        turned: crops are turned by 90 degrees, too. Else they are mirrored alone, left to right: a face stays upright.
        rank, world_size: this process takes every world_size-th image of the batch.

    Returns (per item):
        x (B, 3, C, C) uint8, and y of the same shape or None, B = batch_size / world_size.

    Raises:
        InDIError: an image is smaller than a crop with its margin, the crop does not fit the
            degradation, the batch does not divide, or there is neither degradation nor input.
    """

    def __init__(
        self,
        images: ImageSet,
        degradation: Degradation | None,
        crop: int,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        *,
        turned: bool = True,
    ) -> None:
        if degradation is None and images.inputs is None:
            raise InDIError(f"{images.name} brings no degraded inputs: name a degradation in the recipe.")
        if batch_size % world_size:
            raise InDIError(f"a batch of {batch_size} does not divide among {world_size} processes.")
        if degradation is not None and crop % degradation.multiple:
            raise InDIError(
                f"{degradation.name} wants crops in multiples of {degradation.multiple}, not {crop}."
            )
        self.images, self.degradation, self.batch_size = images, degradation, batch_size
        self.size = crop + 2 * (degradation.margin if degradation else 0)
        require_size(images, self.size)
        self.seed, self.rank, self.world_size, self.turned = seed, rank, world_size, turned

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor | None]:
        rng = np.random.default_rng([self.seed, step])
        chosen = rng.integers(len(self.images), size=self.batch_size)
        place = rng.random((self.batch_size, 2))
        turn = rng.integers(8, size=self.batch_size)
        if not self.turned:
            turn = np.where(turn < 4, 0, 4)

        targets, inputs = [], []
        for i in range(self.rank, self.batch_size, self.world_size):
            image = self.images.images[chosen[i]]
            top, left = (place[i] * (np.array(image.shape[:2]) - self.size + 1)).astype(int)
            window = np.s_[top : top + self.size, left : left + self.size]
            targets.append(_turn(image[window], turn[i]))
            if self.degradation is None and self.images.inputs is not None:
                inputs.append(_turn(self.images.inputs[chosen[i]][window], turn[i]))
        x = stack(targets)
        if inputs:
            return x, stack(inputs)
        if self.degradation is not None and self.degradation.stage == "loader":
            generator = torch.Generator().manual_seed(torch_seed(self.seed, step, 0))
            share = (self.rank, self.world_size)
            return x, to_uint8(self.degradation(from_uint8(x), generator, share))
        return x, None


def _turn(image: np.ndarray, k: int) -> np.ndarray:
    """One of the 8 symmetries of the square: a turn by 90 (k % 4) degrees, mirrored for k >= 4."""
    turned = np.rot90(image, k % 4)
    return turned[:, ::-1] if k >= 4 else turned

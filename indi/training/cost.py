"""What a training costs, from the counted operations and tensors of its network, without training it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import psutil
import torch
from torch import Tensor

from indi.errors import InDIError
from indi.method.unet import UNet, forward_flops, parameter_count
from indi.training.recipes import Recipe, network_of

BYTES_PER_CROP_VALUE = 13
"""x and y of the whole batch, as stored and as float32, and the noise or x_t: held whatever the micro-batch."""

BYTES_PER_PARAMETER = 20
"""float32: the weight, its gradient, two moments of Adam and the average."""


@dataclass(frozen=True)
class Cost:
    """The cost of one training.

    Attributes:
        parameters: number of weights.
        images: seen in all: steps x batch size.
        flops: in all; a step is counted as three forward passes per image.
        state_bytes: weights, gradients, optimiser and average.
        activation_bytes: what the backward pass keeps per image, in bf16 where autocast gives it.
    """

    parameters: int
    images: int
    flops: int
    state_bytes: int
    activation_bytes: int

    def memory(self, batch: int) -> int:
        """Bytes on one device with `batch` images at a time, without workspaces of the libraries."""
        return self.state_bytes + batch * self.activation_bytes

    def seconds(self, flops_per_second: float) -> float:
        """Time at a sustained rate."""
        return self.flops / flops_per_second


def cost(recipe: Recipe) -> Cost:
    """Count what `recipe` would take; takes well under a second, on the meta device.

    Raises:
        InDIError: no machine could build its network.
    """
    try:
        return _cost(recipe)
    except (RuntimeError, TypeError, OverflowError, MemoryError) as error:
        raise InDIError(
            f"a network of {recipe.channels:,} channels and multipliers {recipe.multipliers} on crops of "
            f"{recipe.crop:,} pixels is too large to be built."
        ) from error


def _cost(recipe: Recipe) -> Cost:
    with torch.device("meta"):
        network = network_of(recipe)
    images = recipe.steps * recipe.batch_size
    parameters = parameter_count(network)
    return Cost(
        parameters=parameters,
        images=images,
        flops=3 * forward_flops(network, recipe.crop, recipe.crop) * images,
        state_bytes=BYTES_PER_PARAMETER * parameters,
        activation_bytes=_saved_bytes(network, recipe),
    )


@lru_cache(maxsize=64)  # experiments train many networks of one form
def _memory_of(recipe: Recipe) -> Cost:
    return cost(recipe)


def require_memory(recipe: Recipe, device: torch.device, micro_batch: int | None, processes: int) -> None:
    """Refuse a training that cannot fit, before anything of it is allocated: a system short of memory ends others.

    Raises:
        InDIError: what it takes at least is more than `device` has in all.
    """
    found = _memory_of(replace(recipe, steps=1, seed=0))
    batch = -(-recipe.batch_size // processes)
    crops = BYTES_PER_CROP_VALUE * 3 * recipe.crop**2 * batch
    wanted = crops + found.memory(min(batch, micro_batch or batch))
    if device.type == "cuda":
        there = torch.cuda.get_device_properties(device).total_memory
    else:
        there = psutil.virtual_memory().total
    if wanted <= there:
        return
    smallest = crops + found.memory(1)
    step = (
        "--micro-batch takes fewer images at a time"
        if smallest <= there
        else "choose fewer channels, smaller crops or a smaller batch"
    )
    raise InDIError(
        f"{recipe.task} under {recipe.profile} ({found.parameters:,} parameters, {batch:,} crops of {recipe.crop:,} "
        f"pixels) takes at least {wanted / 2**30:,.0f} GiB, and {device.type} has {there / 2**30:,.0f}: {step}."
    )


def _saved_bytes(network: UNet, recipe: Recipe) -> int:
    """Bytes of the distinct tensors that one image's forward pass saves for the backward pass."""
    weights = {id(p) for p in network.parameters()}
    saved: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        if id(tensor) not in weights and tensor.ndim == 4 and tensor.shape[0] == 1:
            saved[id(tensor)] = tensor
        return tensor

    x = torch.empty(1, network.conv_in.in_channels, recipe.crop, recipe.crop, device="meta")
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = network(x, torch.empty(1, device="meta"))
    size = 2 if recipe.precision == "bf16-mixed" else 4
    del result
    return sum(size * tensor.numel() for tensor in saved.values())

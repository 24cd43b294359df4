"""What a training costs, from the counted operations and tensors of its network, without training it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from indi.method.unet import UNet, forward_flops, parameter_count
from indi.training.recipes import Recipe, network_of

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
    """Count what `recipe` would take; takes well under a second, on the meta device."""
    network = network_of(recipe).to("meta")
    images = recipe.steps * recipe.batch_size
    parameters = parameter_count(network)
    return Cost(
        parameters=parameters,
        images=images,
        flops=3 * forward_flops(network, recipe.crop, recipe.crop) * images,
        state_bytes=BYTES_PER_PARAMETER * parameters,
        activation_bytes=_saved_bytes(network, recipe),
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

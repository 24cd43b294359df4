"""What a training costs, from the counted operations and tensors of its network, without training it.

How it scales over GPUs is a model, too: of operations, bytes and published rates. `indi bench --devices` measures.
"""

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

UPDATE_BYTES = 40
"""Per parameter and step: Adam reads four and writes three float32, the average reads two and writes one."""

BUCKET = 25 * 2**20
"""Bytes of gradients that DistributedDataParallel sends at once (its default)."""

BACKWARD = 2 / 3
"""Share of a step's operations that is the backward pass, during which gradients travel (Li et al., VLDB 2020)."""


@dataclass(frozen=True)
class Cluster:
    """GPUs and what connects them. Rates are bytes a second.

    Attributes:
        name: for readers.
        node: GPUs that a machine holds.
        inside: rate between GPUs of a machine, each way.
        between: rate of a machine's network, each way, over all its adapters.
        memory: rate of a GPU's own memory.
    """

    name: str
    node: int
    inside: float
    between: float
    memory: float

    def link(self, devices: int) -> float:
        """The slowest rate on a ring through so many GPUs."""
        return self.inside if devices <= self.node else min(self.inside, self.between)


#: The GPU is an H100 SXM: memory 3.35 TB/s (its data sheet), NVLink 4 of 450 GB/s each way, of which a copy was
#: measured to get 380 (github.com/NVIDIA/nccl, issue 1264). Networks are taken at their line rates.
CLUSTERS = (
    Cluster("NVLink, 400 Gb/s a GPU", 8, 380e9, 8 * 50e9, 3.35e12),
    Cluster("NVLink, 100 Gb/s a node of 8", 8, 380e9, 12.5e9, 3.35e12),
    Cluster("1 GPU a node, 25 Gb/s", 1, 380e9, 25e9 / 8, 3.35e12),
)


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

    def step(self, recipe: Recipe, devices: int, flops_per_second: float, cluster: Cluster) -> float:
        """Seconds that one of `recipe`'s steps takes on so many GPUs, by a model of what a step has to do.

        Each GPU computes its share of the batch, and updates all weights. The gradients, float32, go round a ring,
        2 (n - 1) / n of their bytes past each GPU (Patarasuk and Yuan 2009), while the backward pass computes; what
        that does not hide, and the last bucket, is waited for. Start-up times of messages, unequal GPUs and the
        lower rate of small batches are left out, so that real steps take longer.
        """
        computing = self.flops / recipe.steps / devices / flops_per_second
        updating = UPDATE_BYTES * self.parameters / cluster.memory
        return computing + updating + waiting(self.parameters, computing, devices, cluster.link(devices))

    def efficiency(self, recipe: Recipe, devices: int, flops_per_second: float, cluster: Cluster) -> float:
        """Time of one GPU over that of all together, by the model of `step`; 1 where n GPUs are n times as fast."""
        alone, together = (self.step(recipe, n, flops_per_second, cluster) for n in (1, devices))
        return alone / (devices * together)

    def scales_to(
        self, recipe: Recipe, flops_per_second: float, cluster: Cluster, least: float = 0.95
    ) -> int:
        """The largest number of GPUs that divides the batch and keeps the efficiency at `least`, by the model."""
        counts = [n for n in range(1, recipe.batch_size + 1) if recipe.batch_size % n == 0]
        return max(n for n in counts if self.efficiency(recipe, n, flops_per_second, cluster) >= least)


def waiting(parameters: int, computing: float, devices: int, link: float) -> float:
    """Seconds of a step in which gradients travel and nothing is computed, see `Cost.step`.

    Args:
        parameters: of the network; a gradient is float32.
        computing: seconds of forward and backward pass on one device.
        devices: that share the batch.
        link: bytes a second between them.
    """
    size = 4 * parameters
    shared = 2 * (devices - 1) / devices / link
    return max(shared * min(size, BUCKET), shared * size - BACKWARD * computing)


@lru_cache(maxsize=64)  # experiments train many networks of one form
def cost(recipe: Recipe) -> Cost:
    """Count what `recipe` would take; takes well under a second, on the meta device.

    Raises:
        InDIError: no machine could build its network.
    """
    try:
        with torch.device("meta"):
            network = network_of(recipe)
        parameters = parameter_count(network)
        images = recipe.steps * recipe.batch_size
        return Cost(
            parameters=parameters,
            images=images,
            flops=3 * forward_flops(network, recipe.crop, recipe.crop) * images,
            state_bytes=BYTES_PER_PARAMETER * parameters,
            activation_bytes=_saved_bytes(network, recipe),
        )
    except (RuntimeError, TypeError, OverflowError, MemoryError) as error:
        raise InDIError(
            f"a network of {recipe.channels:,} channels and multipliers {recipe.multipliers} on crops of "
            f"{recipe.crop:,} pixels is too large to be built."
        ) from error


def require_memory(recipe: Recipe, device: torch.device, micro_batch: int | None, processes: int) -> None:
    """Refuse a training that cannot fit, before anything of it is allocated: a system short of memory ends others.

    Raises:
        InDIError: what it takes at least is more than `device` has in all.
    """
    found = cost(replace(recipe, steps=1, seed=0))
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

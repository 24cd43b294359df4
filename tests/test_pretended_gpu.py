"""Device mistakes without a GPU: everything that runs on one runs here on PyTorch's fake tensors of a pretended CUDA.

A fake tensor has a shape, a type and a device, and no values; an operation over two devices is refused as CUDA
would refuse it. What the code itself keeps on the CPU is computed, and a copy back to the CPU is of zeros.
Backward passes and CUDA's own generators need a driver, and are not covered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from indi.data import degradations
from indi.evaluation.metrics import pixel
from indi.method import cddpm, samplers
from indi.method.process import randn_like
from indi.training import recipes
from indi.training.loss import loss_function, objective

CUDA = torch.device("cuda:0")


class _OnlyCuda(TorchDispatchMode):
    """Above FakeTensorMode: tensors of the CPU stay real."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        leaves = tree_leaves((args, kwargs))
        faked = any(isinstance(leaf, FakeTensor) for leaf in leaves)
        if not faked and torch.device("cuda") not in [
            torch.device(leaf.type) for leaf in leaves if isinstance(leaf, torch.device)
        ]:
            with unset_fake_temporarily():
                return func(*args, **kwargs)
        if func is torch.ops.aten._local_scalar_dense.default:
            return 0
        result = func(*args, **kwargs)
        if func is torch.ops.aten._to_copy.default and result.device.type == "cpu":
            with unset_fake_temporarily():
                return torch.zeros(result.shape, dtype=result.dtype)
        return result


@contextmanager
def pretended() -> Iterator[None]:
    with ExitStack() as modes:
        modes.enter_context(FakeTensorMode(allow_non_fake_inputs=True, shape_env=ShapeEnv()))
        modes.enter_context(_OnlyCuda())
        yield


def images(batch: int = 2, side: int = 64) -> Tensor:
    return torch.zeros(batch, 3, side, side, device=CUDA)


def network(**changes: Any) -> nn.Module:
    with torch.device(CUDA):  # moving one there would swap real for fake parameters
        return recipes.network_of(recipes.recipe("jpeg", "smoke", **changes)).eval()


def cpu_generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_a_tensor_left_on_the_cpu_is_named() -> None:
    """Else the other tests here would see nothing."""
    with pretended():
        with pytest.raises(RuntimeError, match=r"cpu.*cuda|cuda.*cpu"):
            images() + torch.zeros(2, 3, 64, 64)
        with pytest.raises(RuntimeError, match=r"cpu.*cuda|cuda.*cpu"):
            network()(images(), torch.zeros(2))


@pytest.mark.parametrize(
    "changes",
    [{}, {"output": "residual"}, {"output": "direct"}, {"upsample": "bilinear"}, {"multipliers": (1, 2, 3)}],
    ids=str,
)
def test_the_network(changes: dict[str, Any]) -> None:
    with pretended():
        assert network(**changes)(images(side=52), torch.zeros(2, device=CUDA)).device == CUDA


@pytest.mark.parametrize("schedule", ["none", "constant", "brownian"])
@pytest.mark.parametrize("loss_p", [1, 2])
def test_the_objective(schedule: str, loss_p: int) -> None:
    recipe = recipes.recipe("jpeg", "smoke", schedule=schedule, loss_p=loss_p)
    _objective(recipe)


def test_the_objective_of_the_conditional_ddpm() -> None:
    _objective(recipes.conditional(recipes.recipe("jpeg", "smoke")))


def _objective(recipe: recipes.Recipe) -> None:
    with pretended():
        x, y = images(), images()
        with torch.device(CUDA):
            F = recipes.network_of(recipe)
        inputs, t, target = objective(
            recipe, x, y, torch.full((2,), 0.5, device=CUDA), randn_like(x, cpu_generator())
        )
        assert loss_function(F(inputs, t), target, recipe.loss_p).device == CUDA


@pytest.mark.parametrize("name", degradations.names())
def test_degradations(name: str) -> None:
    with pretended():
        y = degradations.get(name)(images(), cpu_generator())
        assert y.device == CUDA


@pytest.mark.parametrize(
    ("name", "schedule"),
    [
        ("indi", "constant"),
        ("indi", "brownian"),
        ("naive", "constant"),
        ("cold_diffusion", "constant"),
        ("anchored", "constant"),
    ],
)
def test_samplers(name: str, schedule: str) -> None:
    with pretended():
        F = network()
        sample = samplers.sampler(name)
        times = samplers.uniform_times(3)
        assert (
            sample(F, images(), times, eps=0.05, schedule=schedule, generator=cpu_generator()).device == CUDA
        )


@pytest.mark.parametrize("sample", [cddpm.ancestral, cddpm.ddim])
def test_samplers_of_the_conditional_ddpm(sample: Callable[..., Tensor]) -> None:
    with pretended():
        with torch.device(CUDA):
            F = recipes.network_of(recipes.conditional(recipes.recipe("jpeg", "smoke")))
        schedule = cddpm.levels("linear", 3)
        assert sample(cddpm.predictor(F), images(), schedule, cpu_generator()).device == CUDA


@pytest.mark.parametrize("metric", [pixel.psnr, pixel.ssim, pixel.detail_ratio, pixel.spectrum_gap])
@pytest.mark.parametrize("channel", ["rgb", "y"])
def test_metrics_of_pairs(metric: Callable[..., Tensor], channel: str) -> None:
    options = {"channel": channel} if metric in (pixel.psnr, pixel.ssim) else {}
    with pretended():
        found = metric(images(), images(), **options)
        assert found.device == CUDA
        assert found.shape == (2,)


def test_blockiness() -> None:
    with pretended():
        assert pixel.blockiness(images()).device == CUDA


def test_an_image_from_another_device_is_named_by_the_metrics() -> None:
    with pretended(), pytest.raises(RuntimeError, match=r"cpu.*cuda|cuda.*cpu"):
        pixel.psnr(images(), torch.zeros(2, 3, 64, 64))

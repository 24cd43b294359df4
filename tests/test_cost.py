"""The planned cost against hand counts."""

from __future__ import annotations

import pytest
import torch

from indi.training import cost, recipes
from indi.training.recipes import network_of


def test_paper_jpeg_from_published_counts() -> None:
    found = cost.cost(recipes.recipe("jpeg", "paper"))
    assert found.parameters == 33_573_059
    assert found.images == 512_000_000
    assert found.flops == pytest.approx(3 * 99.3e9 * 512e6, rel=1e-3)
    assert found.seconds(1e15) == pytest.approx(found.flops / 1e15)
    assert found.memory(2) - found.memory(1) == found.activation_bytes


def test_activations_are_what_autograd_keeps() -> None:
    """Counted on the meta device; here the storages that a real backward pass holds, to 20 %."""
    recipe = recipes.recipe("jpeg", "smoke", precision="32-true")
    network = network_of(recipe)
    weights = {p.untyped_storage().data_ptr() for p in network.parameters()}
    held: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            held[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = network(torch.rand(1, 3, recipe.crop, recipe.crop), torch.rand(1))
    assert cost.cost(recipe).activation_bytes == pytest.approx(sum(held.values()), rel=0.2)
    del result


def test_conditional_ddpm_has_six_input_channels() -> None:
    found = cost.cost(recipes.conditional(recipes.recipe("motion", "paper")))
    assert found.parameters == 27_678_851
    assert found.activation_bytes > 0

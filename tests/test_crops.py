"""Training batches: what is cropped, turned and degraded, and that a step always gives the same."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from indi.data import degradations
from indi.data.crops import TrainingCrops
from indi.data.datasets import ImageSet
from indi.errors import InDIError

SIZE = 24


def coordinates(inputs: bool = False, names: tuple[str, ...] = ("a", "b", "c")) -> ImageSet:
    """Images whose pixel (i, j) of image k is (i, j, k): a crop tells where it comes from."""
    i, j = np.mgrid[:SIZE, : SIZE + 5].astype(np.uint8)
    images = tuple(np.stack([i, j, np.full_like(i, k)], axis=-1) for k in range(len(names)))
    return ImageSet("coordinates", "train", names, images, tuple(255 - x for x in images) if inputs else None)


def crops(images: ImageSet, degradation: str | None = "jpeg", **options: Any) -> TrainingCrops:
    chosen = degradations.get(degradation) if degradation else None
    settings: dict[str, Any] = {"crop": 8, "batch_size": 64, "seed": 3, **options}
    return TrainingCrops(images, chosen, **settings)


def step(source: TrainingCrops, k: int) -> tuple[Tensor, Tensor]:
    x, y = source[k]
    assert y is not None
    return x, y


def test_crops_are_windows_in_all_eight_positions() -> None:
    x, _ = step(crops(coordinates()), 0)
    assert x.shape == (64, 3, 8, 8)
    assert x.dtype == torch.uint8
    turns, places = set(), set()
    for i, j, k in x.int():
        assert sorted(i.unique().diff().tolist()) == [1] * 7
        assert sorted(j.unique().diff().tolist()) == [1] * 7
        assert k.unique().numel() == 1
        places.add((int(i.min()), int(j.min()), int(k[0, 0])))
        turns.add(
            (
                int(i[-1, 0] - i[0, 0]),
                int(i[0, -1] - i[0, 0]),
                int(j[-1, 0] - j[0, 0]),
                int(j[0, -1] - j[0, 0]),
            )
        )
    assert len(turns) == 8
    assert {k for _, _, k in places} == {0, 1, 2}
    assert min(i for i, _, _ in places) == 0
    assert max(i for i, _, _ in places) == SIZE - 8


def test_crops_that_are_not_turned_stay_upright_and_half_are_mirrored() -> None:
    x, _ = step(crops(coordinates(), turned=False), 0)
    rows, columns = x[:, 0].int(), x[:, 1].int()
    assert (rows.diff(dim=1) == 1).all(), "down is down"
    across = columns[:, 0, -1] - columns[:, 0, 0]
    assert set(across.tolist()) == {7, -7}
    places = [step(crops(coordinates(), turned=turned), 0)[0].amin((2, 3)) for turned in (True, False)]
    assert torch.equal(*places), "the same windows"


def test_a_step_is_a_function_of_seed_and_step_alone() -> None:
    first, again, other = crops(coordinates()), crops(coordinates()), crops(coordinates(), seed=4)
    first[0]
    for a, b in zip(first[5], again[5], strict=True):
        assert torch.equal(a, b)  # type: ignore[arg-type]
    assert not torch.equal(step(first, 5)[0], step(first, 6)[0])
    assert not torch.equal(step(first, 5)[0], step(other, 5)[0])


def test_processes_share_the_batch_of_one() -> None:
    whole = step(crops(coordinates()), 2)
    for rank in range(4):
        part = step(crops(coordinates(), rank=rank, world_size=4), 2)
        for mine, all_ in zip(part, whole, strict=True):
            assert torch.equal(mine, all_[rank::4])


def test_jpeg_is_pillows_of_each_crop() -> None:
    x, y = step(crops(coordinates(), batch_size=4), 0)
    for clean, degraded in zip(x, y, strict=True):
        file = io.BytesIO()
        Image.fromarray(clean.permute(1, 2, 0).contiguous().numpy()).save(
            file, "JPEG", quality=15, subsampling=2
        )
        expected = np.asarray(Image.open(file).convert("RGB"))
        np.testing.assert_array_equal(degraded.permute(1, 2, 0), expected)


def test_stored_inputs_move_with_their_targets() -> None:
    x, y = step(crops(coordinates(inputs=True), degradation=None), 0)
    assert torch.equal(x, 255 - y)


def test_images_smaller_than_a_crop_are_named() -> None:
    with pytest.raises(InDIError, match=r"a .*b .*c"):
        crops(coordinates(), crop=SIZE + 1)


def test_what_cannot_be_cut_is_refused() -> None:
    with pytest.raises(InDIError, match="does not divide"):
        crops(coordinates(), world_size=3)
    with pytest.raises(InDIError, match="no degraded inputs"):
        crops(coordinates(), degradation=None)

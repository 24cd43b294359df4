"""A set of images in memory (or memory-mapped), and what is asked of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from indi.errors import InDIError

Split = Literal["train", "evaluate"]

#: The two uses of an image set; no image is in both.
SPLITS: tuple[Split, ...] = ("train", "evaluate")


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images x of one split, with their paired y where the set has them.

    Attributes:
        name: as given to `datasets.load`.
        split: "train" or "evaluate".
        names: one per image, unique.
        images: the truths x, uint8 (H, W, 3) RGB; often views of a read-only memory map.
        inputs: the paired degraded y, same shapes as the images; None when y is to be synthesised.
        digests: per image, SHA-256 of its shape and pixels (and its input's); computed when None.
    """

    name: str
    split: Split
    names: tuple[str, ...]
    images: tuple[np.ndarray, ...]
    inputs: tuple[np.ndarray, ...] | None = None
    digests: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Raise InDIError if the parts do not fit together."""
        if len(self.names) != len(self.images) or len(set(self.names)) != len(self.names):
            raise InDIError(f"{self.name}: {len(self.images)} images need as many different names.")
        bad = [n for n, x in zip(self.names, self.images, strict=True) if x.ndim != 3 or x.shape[2] != 3]
        if self.inputs is not None:
            if len(self.inputs) != len(self.images):
                raise InDIError(f"{self.name}: {len(self.images)} images but {len(self.inputs)} inputs.")
            triples = zip(self.names, self.images, self.inputs, strict=True)
            bad += [n for n, x, y in triples if x.shape != y.shape]
        if bad:
            raise InDIError(f"{self.name}: not (H, W, 3), or input and target differ: {', '.join(bad)}.")

    def __len__(self) -> int:
        """The number of images."""
        return len(self.images)

    @cached_property
    def all_digests(self) -> tuple[str, ...]:
        """`digests`, computed if they were not given."""
        if self.digests is not None:
            return self.digests
        inputs = self.inputs or (None,) * len(self.images)
        return tuple(digest(x, y) for x, y in zip(self.images, inputs, strict=True))

    @cached_property
    def hash(self) -> str:
        """SHA-256 over names, shapes and pixels: sets of one hash hold the same data, wherever."""
        whole = hashlib.sha256()
        for name, part in zip(self.names, self.all_digests, strict=True):
            whole.update(f"{name}\0{part}\n".encode())
        return whole.hexdigest()


def digest(image: np.ndarray, paired: np.ndarray | None) -> str:
    """SHA-256 of the shape and pixels of an image and, if there is one, of its input."""
    state = hashlib.sha256()
    for array in (image,) if paired is None else (image, paired):
        state.update(f"{array.shape}\n".encode())
        state.update(np.ascontiguousarray(array).data)
    return state.hexdigest()


def public_name(name: str) -> str:
    """The name of a set as it may be published: of `folder:PATH` only the folder's own name."""
    before, folder, path = name.partition("folder:")
    return before + folder + (Path(path).expanduser().absolute().name or "root") if folder else name


def require_size(image_set: ImageSet, size: int) -> None:
    """Make sure that crops of size x size fit into every image.

    Raises:
        InDIError: naming every image that is too small, with its size.
    """
    small = [
        f"{name} ({image.shape[0]}x{image.shape[1]})"
        for name, image in zip(image_set.names, image_set.images, strict=True)
        if min(image.shape[:2]) < size
    ]
    if small:
        raise InDIError(
            f"{image_set.name}/{image_set.split}: {len(small)} of {len(image_set)} images are smaller than "
            f"the {size}x{size} crop (margin included): {', '.join(small)}. Remove them or choose a "
            "smaller crop."
        )

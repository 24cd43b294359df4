"""Which files a data set consists of, in the folder layouts in which it is published."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from indi.data.datasets.image_set import Split
from indi.data.images import SUFFIXES, read_image
from indi.errors import InDIError


@dataclass(frozen=True)
class Entry:
    """One image of a set: its name, the file of the truth and, in paired sets, of the input."""

    name: str
    target: Path
    input: Path | None = None


@dataclass(frozen=True)
class Listing:
    """What was found for one split: the entries in order, and files without their counterpart."""

    folder: Path | None
    entries: tuple[Entry, ...] = ()
    unmatched: tuple[str, ...] = ()


#: Turns an entry into its truth and input, uint8 (H, W, 3).
Decoder = Callable[[Entry], tuple[np.ndarray, np.ndarray | None]]


def decode_plain(entry: Entry) -> tuple[np.ndarray, np.ndarray | None]:
    """The truth and the input as they are.

    Raises:
        InDIError: a file is damaged, or the two differ in size.
    """
    target = read_image(entry.target)
    if entry.input is None:
        return target, None
    paired = read_image(entry.input)
    if paired.shape != target.shape:
        sizes = [f"{a.shape[0]}x{a.shape[1]}" for a in (paired, target)]
        raise InDIError(f"{entry.input}: {sizes[0]}, but its target {entry.target} is {sizes[1]}.")
    return target, paired


def decode_upscaled(entry: Entry) -> tuple[np.ndarray, np.ndarray | None]:
    """The truth, and the published x4 image enlarged bilinearly to its size and rounded to 8 bits.

    Raises:
        InDIError: a file is damaged, or the truth is not four times the size of its input.
    """
    target = read_image(entry.target)
    assert entry.input is not None  # the listing pairs all
    small = read_image(entry.input)
    height, width = target.shape[:2]
    if (4 * small.shape[0], 4 * small.shape[1]) != (height, width):
        raise InDIError(
            f"{entry.input}: {small.shape[0]}x{small.shape[1]} is not a quarter of {entry.target}, "
            f"{height}x{width}."
        )
    return target, _resized(small, (width, height))


def centre_crop_64(crop: int) -> Decoder:
    """A decoder: the central crop x crop square, scaled to 64x64 with an antialiased bilinear filter."""

    def decode(entry: Entry) -> tuple[np.ndarray, np.ndarray | None]:
        image = read_image(entry.target)
        height, width = image.shape[:2]
        # the reduced faces are 89 wide, the full ones 178: a crop fits one of them only
        if not crop <= width < 2 * crop or height < crop:
            raise InDIError(f"{entry.target}: {height}x{width} does not fit a {crop}x{crop} crop.")
        top, left = (height - crop) // 2, (width - crop) // 2
        return _resized(image[top : top + crop, left : left + crop], (64, 64)), None

    return decode


def _resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.array(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))


@dataclass(frozen=True)
class Layout:
    """How a set lies on disk.

    Attributes:
        folders: where it may lie under the data root; the first that holds `marker` counts.
        marker: a sub-folder that proves it, per split.
        find: the files of a split, given the folder.
        decode: from files to arrays. decoding: its name, part of the cache's key.
        splits: those the set has.
    """

    folders: tuple[str, ...]
    marker: dict[Split, str]
    find: Callable[[Path, Split], Listing]
    decode: Decoder = decode_plain
    decoding: str = "plain"
    splits: tuple[Split, ...] = field(default=("train", "evaluate"))

    def list(self, data_root: Path, split: Split) -> Listing:
        """The files of a split; an empty listing when the set is absent or has no such split."""
        if split not in self.splits:
            return Listing(None)
        for folder in self.folders:
            base = data_root / folder
            if (base / self.marker.get(split, "")).is_dir():
                return self.find(base, split)
        return Listing(None)


def pictures(folder: Path) -> list[Path]:
    """The image files of a folder by name, hidden ones left out; [] when there is no such folder."""
    if not folder.is_dir():
        return []
    found = (p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.name[0] != ".")
    return sorted(p for p in found if p.is_file())


def plain(base: Path, files: list[Path]) -> Listing:
    """Unpaired images, named by their stems."""
    return Listing(base, tuple(Entry(p.stem, p) for p in files))


def matched(
    base: Path,
    inputs: list[Path],
    targets: list[Path],
    key: Callable[[Path], str] = lambda path: path.stem,
    prefix: str = "",
) -> Listing:
    """Pairs of an input and the target whose stem is the input's `key`; the rest is unmatched."""
    by_key = {key(p): p for p in inputs}
    by_stem = {p.stem: p for p in targets}
    pairs = sorted(by_key.keys() & by_stem.keys())
    lonely = [p for k, p in by_key.items() if k not in by_stem]
    lonely += [p for k, p in by_stem.items() if k not in by_key]
    # two files of one stem (a.png and a.jpg): which is meant cannot be known
    lonely += [p for p in inputs if by_key[key(p)] != p] + [p for p in targets if by_stem[p.stem] != p]
    entries = tuple(Entry(prefix + k, by_stem[k], by_key[k]) for k in pairs)
    return Listing(base, entries, tuple(sorted(map(str, lonely))))


def in_order(base: Path, inputs: list[Path], targets: list[Path]) -> Listing:
    """Pairs by their order: for sets whose pairs are consecutive shots with different names."""
    if {p.stem for p in inputs} == {p.stem for p in targets}:
        return matched(base, inputs, targets)
    if len(inputs) != len(targets):
        folders = " and ".join(sorted({str(p.parent) for p in inputs + targets}))
        return Listing(base, (), (f"{folders}: {len(inputs)} inputs, {len(targets)} targets",))
    return Listing(base, tuple(Entry(y.stem, x, y) for y, x in zip(inputs, targets, strict=True)))


def merged(base: Path, listings: list[Listing]) -> Listing:
    """Several listings as one."""
    entries = tuple(entry for listing in listings for entry in listing.entries)
    return Listing(base, entries, tuple(u for listing in listings for u in listing.unmatched))


def folder_of_pairs(path: Path, split: Split) -> Listing:
    """A user's own pairs: `input/` and `target/`, matched by stem.

    With sub-folders `train` and `evaluate` each split has its own pairs. Without them the last fifth
    of the sorted names (at least one) is for evaluation: a contiguous piece, so that neighbouring
    video frames seldom fall on both sides.
    """
    if (path / "train").is_dir() or (path / "evaluate").is_dir():
        base = path / split
        return matched(base, pictures(base / "input"), pictures(base / "target"))
    whole = matched(path, pictures(path / "input"), pictures(path / "target"))
    held_out = -(-len(whole.entries) // 5)
    cut = len(whole.entries) - held_out
    chosen = whole.entries[:cut] if split == "train" else whole.entries[cut:]
    return Listing(path if (path / "input").is_dir() else None, chosen, whole.unmatched)

"""From the folders in which a set is published to its images: which files belong together, and how they are read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from indi.data.datasets.image_set import Split
from indi.data.datasets.known import SOURCES, Files, Source
from indi.data.images import SUFFIXES, read_image
from indi.errors import InDIError, unknown
from indi.progress import progress


@dataclass(frozen=True)
class Entry:
    """One image of a set: its name, the file of the truth and, in paired sets, of the input."""

    name: str
    target: Path
    input: Path | None = None


@dataclass(frozen=True)
class Listing:
    """What was found for one split: the entries in order, and files without their counterpart."""

    entries: tuple[Entry, ...] = ()
    unmatched: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything was found."""
        return bool(self.entries or self.unmatched)


def source_of(name: str) -> Source | None:
    """The entry of a known set; None for a user's own folder (`folder:PATH`).

    Raises:
        InDIError: unknown name.
    """
    if name.startswith("folder:"):
        return None
    if name not in SOURCES:
        raise unknown("data set", name, (*SOURCES, "folder:PATH"))
    return SOURCES[name]


def listing(name: str, root: Path, split: Split) -> Listing:
    """The files of a split; empty when the set is not under `root`, or has no such split.

    Raises:
        InDIError: unknown name.
    """
    source = source_of(name)
    if source is None:
        # an absolute path stands for itself, whatever the data root is
        return _folder_of_pairs(Path(name.removeprefix("folder:")).expanduser().absolute(), split)
    if split not in source.splits:
        return Listing()
    files = source.splits[split]
    if source.packaged:
        return Listing(tuple(Entry(Path(file).stem, _packaged(file)) for file in files.targets))
    found = (_listed(root / folder, source, files) for folder in source.folders)
    return next(filter(None, found), Listing())


def _packaged(file: str) -> Path:
    # the folder is found without importing the package, which would take seconds
    package, _, rest = file.partition("/")
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise InDIError(f"the package {package} is not installed; it holds the photograph {rest}.")
    return Path(spec.submodule_search_locations[0], rest)


def _listed(base: Path, source: Source, files: Files) -> Listing:
    targets = [item for folder in files.targets for item in _within(base, folder)]
    if files.numbers:
        first, last, _ = files.numbers
        targets = [(at, p) for at, p in targets if p.stem.isdigit() and first <= int(p.stem) <= last]
    if not files.inputs:
        return Listing(tuple(Entry(at + p.stem, p) for at, p in targets))
    return _paired(_within(base, files.inputs), targets, source.names, source.in_order)


def _within(base: Path, folder: str) -> list[tuple[str, Path]]:
    """The pictures of a folder; of "train/*/sharp" with the name of the folder at the star before theirs."""
    if "*" not in folder:
        return [("", path) for path in pictures(base / folder)]
    found = sorted(base.glob(folder)) if base.is_dir() else []
    return [(f"{inner.parent.name}/", path) for inner in found for path in pictures(inner)]


def pictures(folder: Path) -> list[Path]:
    """The image files of a folder by name, hidden ones left out; [] when there is no such folder."""
    if not folder.is_dir():
        return []
    found = (p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.name[0] != ".")
    return sorted(p for p in found if p.is_file())


def _paired(
    inputs: list[tuple[str, Path]],
    targets: list[tuple[str, Path]],
    names: str = "(.+)",
    in_order: bool = False,
) -> Listing:
    """Each input with the target whose stem `names` finds in the input's; the rest is unmatched.

    The first group of `names` is the image's name, the last the stem of its target: several inputs may
    share one. With `in_order` pairs whose stems differ throughout are formed by their order.
    """
    stems = [{p.stem for _, p in part} for part in (inputs, targets)]
    if in_order and stems[0] != stems[1]:  # consecutive shots with different names
        if len(inputs) != len(targets):
            folders = " and ".join(sorted({str(p.parent) for _, p in inputs + targets}))
            return Listing((), (f"{folders}: {len(inputs)} inputs, {len(targets)} targets",))
        return Listing(tuple(Entry(y.stem, x, y) for (_, y), (_, x) in zip(inputs, targets, strict=True)))
    by_stem = {(at, p.stem): p for at, p in targets}
    entries: dict[tuple[str, str], Entry] = {}
    # two files of one stem (a.png and a.jpg): which is meant cannot be known
    lonely = [str(p) for at, p in targets if by_stem[at, p.stem] != p]
    for at, path in inputs:
        found = re.fullmatch(names, path.stem)
        target = by_stem.get((at, found.groups()[-1])) if found else None
        if found is None or target is None or (at, found[1]) in entries:
            lonely.append(str(path))
        else:
            entries[at, found[1]] = Entry(at + found[1], target, path)
    used = {entry.target for entry in entries.values()}
    lonely += [str(p) for p in by_stem.values() if p not in used]
    return Listing(tuple(entries[key] for key in sorted(entries)), tuple(sorted(lonely)))


def _folder_of_pairs(path: Path, split: Split) -> Listing:
    """A user's own pairs: `input/` and `target/`, matched by stem.

    With sub-folders `train` and `evaluate` each split has its own pairs. Without them the last fifth
    of the sorted names (at least one) is for evaluation: a contiguous piece, so that neighbouring
    video frames seldom fall on both sides. A link that leads out of the folder is not followed: its file counts
    as unmatched, with the reason.
    """
    own = (path / "train").is_dir() or (path / "evaluate").is_dir()
    base = path / split if own else path
    parts = [_within(base, name) for name in ("input", "target")]
    home = os.path.realpath(path)
    out = {p for part in parts for _, p in part if not Path(os.path.realpath(p)).is_relative_to(home)}
    inputs, targets = ([(at, p) for at, p in part if p not in out] for part in parts)
    whole = _paired(inputs, targets)
    if out:
        why = tuple(f"{p} (a link out of the folder is not followed)" for p in sorted(out))
        whole = Listing(whole.entries, whole.unmatched + why)
    if own:
        return whole
    cut = len(whole.entries) - -(-len(whole.entries) // 5)
    return Listing(whole.entries[:cut] if split == "train" else whole.entries[cut:], whole.unmatched)


Arrays = tuple[np.ndarray, np.ndarray | None]
"""The truth and the input of an entry, uint8 (H, W, 3)."""


def _as_stored(entry: Entry) -> Arrays:
    target = read_image(entry.target)
    if entry.input is None:
        return target, None
    paired = read_image(entry.input)
    if paired.shape != target.shape:
        sizes = [f"{a.shape[0]}x{a.shape[1]}" for a in (paired, target)]
        raise InDIError(f"{entry.input}: {sizes[0]}, but its target {entry.target} is {sizes[1]}.")
    return target, paired


def _upscaled(entry: Entry) -> Arrays:
    """The published x4 image enlarged bilinearly to the size of the truth and rounded to 8 bits."""
    assert entry.input is not None  # the listing pairs all
    target, small = read_image(entry.target), read_image(entry.input)
    height, width = target.shape[:2]
    if (4 * small.shape[0], 4 * small.shape[1]) != (height, width):
        raise InDIError(
            f"{entry.input}: {small.shape[0]}x{small.shape[1]} is not a quarter of {entry.target}, "
            f"{height}x{width}."
        )
    return target, _resized(small, (width, height))


def _centre(crop: int, entry: Entry) -> Arrays:
    """The central crop x crop square, scaled to 64x64 with an antialiased bilinear filter."""
    image = read_image(entry.target)
    height, width = image.shape[:2]
    # the reduced faces are 89 wide, the full ones 178: a crop fits one of them only
    if not crop <= width < 2 * crop or height < crop:
        raise InDIError(f"{entry.target}: {height}x{width} does not fit a {crop}x{crop} crop.")
    top, left = (height - crop) // 2, (width - crop) // 2
    return _resized(image[top : top + crop, left : left + crop], (64, 64)), None


def _halved_jpeg(entry: Entry) -> Arrays:
    """Those stored as JPEG at half size: full, some show its 8x8 grid, and a truth with compression marks
    would falsify the JPEG task.
    """
    picture = read_image(entry.target)
    if entry.target.suffix != ".jpg":
        return picture, None
    size = (picture.shape[1] // 2, picture.shape[0] // 2)
    return _resized(picture, size, Image.Resampling.LANCZOS), None


def _resized(
    image: np.ndarray, size: tuple[int, int], by: Image.Resampling = Image.Resampling.BILINEAR
) -> np.ndarray:
    return np.array(Image.fromarray(image).resize(size, by))


#: `Source.decoding` -> how an entry is read; the name is part of the cache's key.
DECODERS: dict[str, Callable[[Entry], Arrays]] = {
    "plain": _as_stored,
    "bilinear_x4": _upscaled,
    "crop140_64": partial(_centre, 140),
    "crop89_64": partial(_centre, 89),
    "halved_jpeg": _halved_jpeg,
}


def decode_all(entries: tuple[Entry, ...], decoding: str, label: str) -> Iterator[Arrays | InDIError]:
    """Decode all entries in order with several threads; a failure is yielded, not raised."""

    def attempt(entry: Entry) -> Arrays | InDIError:
        try:
            return DECODERS[decoding](entry)
        except InDIError as error:
            return error

    workers = min(8, os.cpu_count() or 1)
    remaining = iter(entries)
    with (
        ThreadPoolExecutor(workers) as pool,
        progress(total=len(entries), desc=f"decoding {label}", unit="image") as bar,
    ):
        # in batches, else all images of a large set would wait in memory
        while batch := list(islice(remaining, 4 * workers)):
            for result in pool.map(attempt, batch):
                bar.update()
                yield result

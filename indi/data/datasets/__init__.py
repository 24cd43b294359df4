"""Image sets: `load("embedded", "train")` gives the images, read-only and as stored (uint8)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from indi import paths
from indi.data.datasets import embedded
from indi.data.datasets.cache import decoded
from indi.data.datasets.check import Report, check, layout_of
from indi.data.datasets.fetch import Fetched, describe, fetch
from indi.data.datasets.image_set import SPLITS, ImageSet, Split, check_split, require_size
from indi.data.datasets.registry import SOURCES, Source
from indi.errors import InDIError

__all__ = [
    "SOURCES",
    "SPLITS",
    "Fetched",
    "ImageSet",
    "Report",
    "Source",
    "Split",
    "check",
    "describe",
    "fetch",
    "load",
    "names",
    "require_size",
]


def names() -> tuple[str, ...]:
    """The names that `load` knows, besides `a+b` and `folder:PATH`."""
    return tuple(SOURCES)


def load(name: str, split: str, data_root: Path | None = None) -> ImageSet:
    """The images of a set and split ("train" or "evaluate"), from `data_root` (default: see `paths`).

    `name` is one of `names()`; or several joined by "+" ("bsds500+photos"; a part without that split
    is left out); or "folder:PATH", a folder of pairs (see `listing.folder_of_pairs`). All but the
    embedded photographs are decoded once into a memory-mapped cache and are then there at once.

    Raises:
        InDIError: unknown name or split, no images, or damaged or unmatched files (all are named).
    """
    valid = check_split(split)
    root = paths.data_root() if data_root is None else data_root
    if "+" not in name or name.startswith("folder:"):
        return _load_one(name, valid, root)
    parts = [part.strip() for part in name.split("+")]
    having = [part for part in parts if _has(part, valid)]
    if not having:
        raise InDIError(f"none of {', '.join(parts)} has images to {valid} on.")
    return _joined(name, valid, [_load_one(part, valid, root) for part in having])


def _has(name: str, split: Split) -> bool:
    return name == "embedded" or split in layout_of(name).splits


def _load_one(name: str, split: Split, root: Path) -> ImageSet:
    if name == "embedded":
        return embedded.load(split)
    layout = layout_of(name)
    if split not in layout.splits:
        raise InDIError(f"{name} has no split {split!r}; it has {', '.join(layout.splits)}.")
    listing = layout.list(root, split)
    if listing.unmatched:
        raise InDIError(
            f"{name}/{split}: {len(listing.unmatched)} files without a counterpart of the same name "
            f"and kind: {', '.join(listing.unmatched)}. Add the other half or remove them."
        )
    if not listing.entries:
        where = "input/ and target/" if name.startswith("folder:") else SOURCES[name].layout
        advice = "" if name.startswith("folder:") else f" Next: indi data fetch {name}"
        raise InDIError(f"{name}/{split}: no images found (data root {root}, expected {where}).{advice}")
    label = f"{'folder' if name.startswith('folder:') else name}-{split}"
    found = decoded(label, listing.entries, layout.decode, layout.decoding)
    source = SOURCES.get(name)
    return ImageSet(
        name=name,
        split=split,
        names=tuple(entry.name for entry in listing.entries),
        images=found.images,
        inputs=found.inputs,
        licence=source.licence if source else "the user's own",
        source=source.url if source else str(listing.folder),
        digests=found.digests,
    )


def _joined(name: str, split: Split, sets: list[ImageSet]) -> ImageSet:
    if len({part.inputs is None for part in sets}) > 1:
        kinds = ", ".join(f"{s.name} ({'un' if s.inputs is None else ''}paired)" for s in sets)
        raise InDIError(f"{name}: paired and unpaired sets cannot be joined: {kinds}.")
    first = sets[0]
    inputs = None
    if first.inputs is not None:
        inputs = tuple(y for part in sets for y in part.inputs or ())
    return replace(
        first,
        name=name,
        split=split,
        names=tuple(f"{part.name}/{n}" for part in sets for n in part.names),
        images=tuple(x for part in sets for x in part.images),
        inputs=inputs,
        licence="; ".join(f"{part.name}: {part.licence}" for part in sets),
        source="; ".join(f"{part.name}: {part.source}" for part in sets),
        digests=tuple(d for part in sets for d in part.all_digests),
    )

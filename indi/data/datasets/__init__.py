"""Image sets: `load("embedded", "train")` gives the images, read-only and as stored (uint8)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from indi import paths
from indi.data.datasets.cache import decoded
from indi.data.datasets.fetch import Report, check, describe, fetch
from indi.data.datasets.files import decode_all, listing, source_of
from indi.data.datasets.image_set import SPLITS, ImageSet, Split, require_size
from indi.data.datasets.known import SOURCES, Source
from indi.errors import InDIError, unknown


def names() -> tuple[str, ...]:
    """The names that `load` knows, besides `a+b` and `folder:PATH`."""
    return tuple(SOURCES)


def load(name: str, split: str, data_root: Path | None = None) -> ImageSet:
    """The images of a set and split ("train" or "evaluate"), from `data_root` (default: see `paths`).

    `name` is one of `names()`; or several joined by "+" ("bsds500+photos"; a part without that split
    is left out); or "folder:PATH", a folder of pairs (see `files.listing`). All but the photographs of
    installed packages are decoded once into a memory-mapped cache and are then there at once.

    Raises:
        InDIError: unknown name or split, no images, or damaged or unmatched files (the first are named).
    """
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    root = paths.data_root() if data_root is None else data_root
    if "+" not in name or name.startswith("folder:"):
        return _load_one(name, split, root)
    sources = {part.strip(): source_of(part.strip()) for part in name.split("+")}
    parts = [part for part, source in sources.items() if source is None or split in source.splits]
    if not parts:
        raise InDIError(f"none of {', '.join(sources)} has images to {split} on.")
    return _joined(name, [_load_one(part, split, root) for part in parts])


def _load_one(name: str, split: Split, root: Path) -> ImageSet:
    source, found = source_of(name), listing(name, root, split)
    if source and split not in source.splits:
        raise InDIError(f"{name} has no split {split!r}; it has {', '.join(source.splits)}.")
    if found.unmatched:
        rest = len(found.unmatched) - 10
        more = f" and {rest} more (indi data check names all)" if rest > 0 else ""
        raise InDIError(
            f"{name}/{split}: {len(found.unmatched)} files without a counterpart of the same name "
            f"and kind: {', '.join(found.unmatched[:10])}{more}. Add the other half or remove them."
        )
    if not found.entries:
        where = f"{source.place(split)}). Next: indi data fetch {name}" if source else "input/ and target/)."
        raise InDIError(f"{name}/{split}: no images found (data root {root}, expected {where}")
    decoding, label = (source.decoding, name) if source else ("plain", "folder")
    stems = tuple(entry.name for entry in found.entries)
    if source and source.packaged:
        images = []
        for result in decode_all(found.entries, decoding, label):
            if isinstance(result, InDIError):
                raise result
            images.append(result[0])
        return ImageSet(name, split, stems, tuple(images))
    return ImageSet(name, split, stems, *decoded(f"{label}-{split}", found.entries, decoding))


def _joined(name: str, sets: list[ImageSet]) -> ImageSet:
    if len({part.inputs is None for part in sets}) > 1:
        kinds = ", ".join(f"{s.name} ({'un' if s.inputs is None else ''}paired)" for s in sets)
        raise InDIError(f"{name}: paired and unpaired sets cannot be joined: {kinds}.")
    paired = sets[0].inputs is not None
    return replace(
        sets[0],
        name=name,
        names=tuple(f"{part.name}/{n}" for part in sets for n in part.names),
        images=tuple(x for part in sets for x in part.images),
        inputs=tuple(y for part in sets for y in part.inputs or ()) if paired else None,
        digests=tuple(d for part in sets for d in part.all_digests),
    )

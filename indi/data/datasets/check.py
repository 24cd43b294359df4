"""Is a set on disk whole? Everything that is wrong with it, at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from indi import paths
from indi.data.datasets.cache import attempt_all
from indi.data.datasets.image_set import Split
from indi.data.datasets.layouts import LAYOUTS
from indi.data.datasets.listing import Layout, Listing, folder_of_pairs
from indi.data.datasets.registry import SOURCES, Source
from indi.errors import InDIError, unknown


@dataclass(frozen=True)
class Report:
    """What there is of a set.

    Attributes:
        name: of the set. data_root: where it was looked for.
        present: images (pairs) per split. expected: of a whole copy, {} where that is not known.
        missing: what a whole copy has besides. damaged: one line per unusable file or pair.
        unmatched: files without their counterpart. decoded: whether every file was opened.
    """

    name: str
    data_root: Path
    present: dict[Split, int]
    expected: dict[Split, int]
    missing: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()
    decoded: bool = False

    @property
    def ok(self) -> bool:
        """Nothing missing, damaged or unmatched."""
        return not (self.missing or self.damaged or self.unmatched)

    @property
    def text(self) -> str:
        """The report for a reader, one fact a line."""
        counts = ", ".join(
            f"{split} {count}" + (f" of {self.expected[split]}" if split in self.expected else "")
            for split, count in self.present.items()
        )
        lines = [f"{self.name}: {'complete' if self.ok else 'not usable as it is'} ({counts})"]
        for kind in ("missing", "damaged", "unmatched"):
            lines += [f"  {kind}: {what}" for what in getattr(self, kind)]
        if self.ok and not self.decoded:
            lines.append("  files were counted, not opened")
        return "\n".join(lines)


def check(name: str, data_root: Path | None = None, decode: bool = True) -> Report:
    """Count the files of a set and, with `decode`, open every one. `name` may be `folder:PATH`.

    Raises:
        InDIError: unknown name.
    """
    root = paths.data_root() if data_root is None else data_root
    if name == "embedded":
        counts = SOURCES[name].counts
        return Report(name, root, dict(counts), dict(counts))
    source, layout = SOURCES.get(name), layout_of(name)
    present: dict[Split, int] = {}
    missing: list[str] = []
    damaged: list[str] = []
    unmatched: list[str] = []
    for split in layout.splits:
        listing = layout.list(root, split)
        present[split] = len(listing.entries)
        missing += _missing(source, layout, root, split, listing)
        unmatched += listing.unmatched
        if decode:
            results = attempt_all(listing.entries, layout.decode, f"{name}/{split}")
            damaged += [str(result) for result in results if isinstance(result, InDIError)]
    return Report(
        name,
        root,
        present,
        dict(source.counts) if source else {},
        tuple(missing),
        tuple(dict.fromkeys(damaged)),
        tuple(dict.fromkeys(unmatched)),
        decode,
    )


def layout_of(name: str) -> Layout:
    """The layout of a known set, or of a user's folder (`folder:PATH`).

    Raises:
        InDIError: unknown name.
    """
    if name.startswith("folder:"):
        # an absolute path stands for itself, whatever the data root is
        path = Path(name.removeprefix("folder:")).expanduser().absolute()
        return Layout((str(path),), {}, folder_of_pairs)
    if name not in LAYOUTS:
        raise unknown("data set", name, (*SOURCES, "folder:PATH"))
    return LAYOUTS[name]


def _missing(source: Source | None, layout: Layout, root: Path, split: Split, listing: Listing) -> list[str]:
    if source is None:
        return [] if listing.folder else ["the folders input/ and target/"]
    if listing.folder is None:
        places = ", ".join(str(root / f / layout.marker.get(split, "")) for f in layout.folders)
        return [f"{split}: no such folder: {places}; expected {source.layout}"]
    lacking = source.counts[split] - len(listing.entries)
    if lacking <= 0:
        return []
    if split in source.numbers:
        first, last, digits = source.numbers[split]
        there = {entry.name for entry in listing.entries}
        names = [n for n in (f"{i:0{digits}}" for i in range(first, last + 1)) if n not in there]
        more = f" and {len(names) - 20} more" if len(names) > 20 else ""
        return [f"{split}: {len(names)} of {source.counts[split]}: {', '.join(names[:20])}{more}"]
    return [f"{split}: {lacking} of {source.counts[split]} in {listing.folder}"]

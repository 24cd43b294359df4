"""Decoded images as one memory-mapped array per set and split, so that no crop waits for a decoder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import BinaryIO

import numpy as np

from indi import paths
from indi.data.datasets.files import Entry, decode_all
from indi.data.datasets.image_set import digest
from indi.errors import InDIError
from indi.files import replacing

#: Raise when the meaning of the stored arrays changes: caches of another number are made anew.
FORMAT = 1


Decoded = tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...] | None, tuple[str, ...]]
"""Images, inputs (None in unpaired sets) and SHA-256 digests, one per entry."""


def folder() -> Path:
    """Where decoded sets lie; it can be deleted any time."""
    return paths.cache() / "decoded"


def decoded(label: str, entries: tuple[Entry, ...], decoding: str) -> Decoded:
    """The decoded images of `entries`, read-only views of a memory map that is made on first use.

    The map is found again by the files' paths, sizes and times of change, so that an exchanged file is
    noticed. A cache of the same label whose files have changed is deleted.

    Raises:
        InDIError: naming every damaged or differently sized file; or no space, or no right, to write.
    """
    files = [p for e in entries for p in (e.target, e.input) if p is not None]
    states = [(str(p.absolute()), (s := p.stat()).st_size, s.st_mtime_ns) for p in files]
    names = [e.name for e in entries]
    key = hashlib.sha256(json.dumps([FORMAT, decoding, names, states]).encode()).hexdigest()
    place = hashlib.sha256(str(Path(states[0][0]).parent).encode()).hexdigest()[:8]
    stem = f"{label}-{place}"
    pixels = folder() / f"{stem}-{key[:16]}.npy"
    index = pixels.with_suffix(".json")
    found = _open(pixels, index, key)
    if found is None:
        _build(pixels, index, key, label, entries, decoding)
        for old in folder().glob(f"{stem}-*"):
            if old.stem != pixels.stem:
                old.unlink(missing_ok=True)
        found = _open(pixels, index, key)
    if found is None:
        raise InDIError(f"the image cache {pixels} cannot be read back: delete it and try again.")
    return found


def _open(pixels: Path, index: Path, key: str) -> Decoded | None:
    """The cache if it is whole, else None."""
    try:
        record = json.loads(index.read_text())
        # the base class: views of a memmap subclass are slower to slice and pickle no better
        flat = np.asarray(np.load(pixels, mmap_mode="r", allow_pickle=False))
        if record["key"] != key or flat.shape != (record["bytes"],):
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    images: list[np.ndarray] = []
    inputs: list[np.ndarray] = []
    at = 0
    for height, width in record["sizes"]:
        step = 3 * height * width
        for part in (images, inputs) if record["paired"] else (images,):
            part.append(flat[at : at + step].reshape(height, width, 3))
            at += step
    paired = tuple(inputs) if record["paired"] else None
    return tuple(images), paired, tuple(record["digests"])


def _build(
    pixels: Path, index: Path, key: str, label: str, entries: tuple[Entry, ...], decoding: str
) -> None:
    sizes, digests, problems, total = [], [], [], 0
    with replacing(pixels) as partial, partial.open("wb") as file:
        _write_header(file, 0)
        start = file.tell()
        for result in decode_all(entries, decoding, label):
            if isinstance(result, InDIError):
                problems.append(str(result))
            elif not problems:
                image, paired = result
                for array in (image,) if paired is None else (image, paired):
                    file.write(np.ascontiguousarray(array).data)
                    total += array.size
                sizes.append(image.shape[:2])
                digests.append(digest(image, paired))
        if problems:
            raise InDIError(f"{label}: {len(problems)} unusable: {' '.join(problems)}")
        file.seek(0)
        _write_header(file, total)
        assert file.tell() == start  # numpy pads the header so that its length can grow in place
    record = {
        "key": key,
        "bytes": total,
        "paired": entries[0].input is not None,
        "names": [e.name for e in entries],
        "sizes": sizes,
        "digests": digests,
    }
    with replacing(index) as partial:
        partial.write_text(json.dumps(record))


def _write_header(file: BinaryIO, total: int) -> None:
    header = {"descr": "|u1", "fortran_order": False, "shape": (total,)}
    np.lib.format.write_array_header_1_0(file, header)

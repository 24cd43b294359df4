"""Getting a data set: resumable downloads where a licence allows it, else what to do by hand."""

from __future__ import annotations

import os
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indi import paths
from indi.data.datasets.check import Report, check, layout_of
from indi.data.datasets.listing import Layout, pictures
from indi.data.datasets.registry import SOURCES, Download
from indi.data.datasets.unpack import unpack
from indi.errors import InDIError
from indi.progress import progress

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Fetched:
    """`done`: the set is now complete. `text`: what happened, or what is to be done by hand."""

    done: bool
    text: str
    report: Report


def fetch(name: str, data_root: Path | None = None) -> Fetched:
    """Make a set complete, if it can be had without accepting a licence.

    An interrupted download continues where it stopped when the command is run again; checksums are
    verified where there are any. What is already complete is left alone (files are counted; use
    `check` to open them).

    Raises:
        InDIError: unknown name, no network, wrong checksum, unsafe archive or no space.
    """
    root = paths.data_root() if data_root is None else data_root
    report = check(name, root, decode=False)
    if report.ok:
        return Fetched(True, f"{report.text}\nNothing to fetch.", report)
    if name.startswith("folder:"):
        return Fetched(False, f"{report.text}\nA folder of your own cannot be fetched.", report)
    source = SOURCES[name]
    if not source.downloads:
        steps = (
            f"{name} cannot be fetched automatically ({source.licence}; {source.size}).\n"
            f"  1. {source.by_hand}\n"
            f"  2. Layout under {root}: {source.layout}\n"
            f"  3. indi data check {name}\n"
            f"  See {source.url}"
        )
        return Fetched(False, steps, report)
    base = _base(source.downloads, layout_of(name), root)
    for item in source.downloads:
        folder = base or root / item.folder
        if item.provides is None or len(pictures(folder / item.provides[0])) < item.provides[1]:
            archive = download(item, root)
            unpack(archive, folder)
            archive.unlink()
    report = check(name, root, decode=False)
    return Fetched(report.ok, report.text, report)


def _base(downloads: tuple[Download, ...], layout: Layout, root: Path) -> Path | None:
    """The folder that holds a part of the set already: the rest belongs beside it."""
    parts = [item.provides[0] for item in downloads if item.provides]
    folders = (root / f for f in layout.folders)
    return next((f for f in folders if any((f / part).is_dir() for part in parts)), None)


def _file_name(item: Download) -> str:
    parts = urllib.parse.urlsplit(item.url)
    # "master.zip" alone would not say what it is
    return f"{parts.netloc}-{'-'.join(parts.path.split('/')[-3:])}".replace(":", "_").strip("-")


def download(item: Download, root: Path) -> Path:
    """The archive in `root`/.downloads, checked against its checksum.

    Raises:
        InDIError: the network fails (the part so far is kept), or the checksum is wrong.
    """
    folder = root / ".downloads"
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{_file_name(item)}.part"

    import pooch  # only here: it announces a missing widget when imported in a notebook

    def resume(url: str, output_file: str, pooch_: Any) -> None:
        _resume(url, part)
        os.replace(part, output_file)

    pooch.get_logger().setLevel("WARNING")  # its hint to pin the hash is for developers
    try:
        found = pooch.retrieve(
            item.url, item.checksum, fname=_file_name(item), path=folder, downloader=resume
        )
    except ValueError as error:  # pooch's word for a wrong checksum; it has removed the file
        raise InDIError(
            f"{item.url}: the checksum is not {item.checksum}: the file has changed upstream or was "
            "spoilt on the way. It was deleted; run the same command again."
        ) from error
    return Path(found)


def _resume(url: str, part: Path) -> None:
    """Complete `part` from `url`, going on where it ends if the server can and the file is the same."""
    mark = part.with_suffix(".etag")
    have = part.stat().st_size if part.exists() and mark.exists() else 0
    request = urllib.request.Request(url)
    if have:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", mark.read_text())
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            if have and answer.status != 206:
                have = 0  # the server sends the whole file: it cannot resume, or the file changed
            if not have:
                tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
                mark.write_text(tag) if tag else mark.unlink(missing_ok=True)
            length = answer.headers.get("Content-Length")
            total = have + int(length) if length else None
            with (
                part.open("ab" if have else "wb") as file,
                progress(total=total, initial=have, desc=part.stem, unit="B", unit_scale=True) as bar,
            ):
                while chunk := answer.read(_CHUNK):
                    file.write(chunk)
                    bar.update(len(chunk))
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is left to send: the part is the whole
            mark.unlink(missing_ok=True)
            return
        raise InDIError(f"{url}: the server answers {error.code} {error.reason}.") from error
    except OSError as error:
        raise _broken(url, part, str(error)) from error
    if total is not None and part.stat().st_size != total:
        raise _broken(url, part, f"{part.stat().st_size} of {total} bytes came")
    mark.unlink(missing_ok=True)


def _broken(url: str, part: Path, reason: str) -> InDIError:
    have = part.stat().st_size / 2**20 if part.exists() else 0.0
    return InDIError(
        f"{url}: the download broke off ({reason}); {have:.1f} MiB are kept in {part}. Run the same "
        "command again to go on."
    )


def describe(name: str) -> str:
    """What a set is, where it comes from, its licence, size and layout, for `indi data list`.

    Raises:
        InDIError: unknown name.
    """
    if name not in SOURCES:
        layout_of(name)
        return f"{name}: your own pairs, input/ and target/ matched by name"
    source = SOURCES[name]
    counts = ", ".join(f"{split} {count}" for split, count in source.counts.items())
    return (
        f"{name}: {source.title}\n  images   {counts}\n  licence  {source.licence}\n"
        f"  size     {source.size}\n  from     {source.url}\n  layout   {source.layout}"
    )

"""Is a set on disk whole? If not, a resumable download where a licence allows it, else what to do by hand."""

from __future__ import annotations

import http.client
import os
import tarfile
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indi import paths
from indi.data.datasets.files import Listing, decode_all, listing, pictures, source_of
from indi.data.datasets.image_set import SPLITS, Split
from indi.data.datasets.known import Download, Source
from indi.errors import InDIError
from indi.files import explaining, replacing, sha256
from indi.progress import progress

_CHUNK = 1 << 20

#: What an archive of another kind, damaged or encrypted, can end in.
_SPOILT = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, RuntimeError, ValueError, OSError)


@dataclass(frozen=True)
class Report:
    """What there is of a set.

    Attributes:
        name: of the set.
        present: images (pairs) per split. expected: of a whole copy, {} where that is not known.
        missing: what a whole copy has besides. damaged: one line per unusable file or pair.
        unmatched: files without their counterpart. decoded: whether every file was opened.
    """

    name: str
    present: dict[Split, int]
    expected: dict[Split, int]
    missing: tuple[str, ...]
    damaged: tuple[str, ...]
    unmatched: tuple[str, ...]
    decoded: bool

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
    source = source_of(name)
    found = {split: listing(name, root, split) for split in (source.splits if source else SPLITS)}
    decoding = source.decoding if source else "plain"
    results = [
        result
        for split, part in found.items()
        if decode
        for result in decode_all(part.entries, decoding, f"{name}/{split}")
    ]
    return Report(
        name,
        {split: len(part.entries) for split, part in found.items()},
        {split: files.count for split, files in source.splits.items()} if source else {},
        _missing(source, found, root),
        tuple(dict.fromkeys(str(result) for result in results if isinstance(result, InDIError))),
        tuple(dict.fromkeys(file for part in found.values() for file in part.unmatched)),
        decode,
    )


def _missing(source: Source | None, found: dict[Split, Listing], root: Path) -> tuple[str, ...]:
    if source is None:
        return () if any(found.values()) else ("images in the folders input/ and target/",)
    lines = []
    for split, files in source.splits.items():
        lacking = files.count - len(found[split].entries)
        if lacking > 0 and not found[split]:
            lines.append(f"{split}: nothing in {source.place(split)} under {root}")
        elif lacking > 0 and files.numbers:
            first, last, digits = files.numbers
            there = {entry.name for entry in found[split].entries}
            names = [n for n in (f"{i:0{digits}}" for i in range(first, last + 1)) if n not in there]
            more = f" and {len(names) - 20} more" if len(names) > 20 else ""
            lines.append(f"{split}: {len(names)} of {files.count}: {', '.join(names[:20])}{more}")
        elif lacking > 0:
            lines.append(f"{split}: {lacking} of {files.count}")
    return tuple(lines)


def describe(name: str) -> str:
    """What a set is, where it comes from, its licence, size and layout, for `indi data list`.

    Raises:
        InDIError: unknown name.
    """
    source = source_of(name)
    if source is None:
        return f"{name}: your own pairs, input/ and target/ matched by name"
    counts = ", ".join(f"{split} {files.count}" for split, files in source.splits.items())
    return (
        f"{name}: {source.title}\n  images   {counts}\n  licence  {source.licence}\n"
        f"  size     {source.size}\n  from     {source.url}\n  layout   {source.layout}"
    )


def fetch(name: str, data_root: Path | None = None) -> tuple[bool, str]:
    """Make a set complete, if it can be had without accepting a licence; whether it is, and what to do or was done.

    An interrupted download continues where it stopped when the command is run again. An archive has the
    checksum that is published, or else that of the first download, which is recorded beside it. What is
    already complete is left alone (files are counted; use `check` to open them).

    Raises:
        InDIError: unknown name, no network, wrong checksum, unsafe archive or no space.
    """
    root = paths.data_root() if data_root is None else data_root
    source, report = source_of(name), check(name, root, decode=False)
    if report.ok:
        return True, f"{report.text}\nNothing to fetch."
    if source is None:
        return False, f"{report.text}\nA folder of your own cannot be fetched."
    if not source.downloads:
        return False, (
            f"{name} cannot be fetched automatically ({source.licence}; {source.size}).\n"
            f"  1. {source.by_hand}\n"
            f"  2. Layout under {root}: {source.layout}\n"
            f"  3. indi data check {name}\n"
            f"  See {source.url}"
        )
    # where a part of the set lies already, the rest belongs beside it
    parts = [item.provides[0] for item in source.downloads if item.provides]
    folders = [root / folder for folder in source.folders]
    base = next((f for f in folders if any((f / part).is_dir() for part in parts)), None)
    for item in source.downloads:
        folder = base or root / item.folder
        if item.provides is None or len(pictures(folder / item.provides[0])) < item.provides[1]:
            archive = download(item, root)
            unpack(archive, folder)
            _trust(item, archive)  # only what was an archive: a sign-in page of a network is none
            archive.unlink()
    report = check(name, root, decode=False)
    return report.ok, report.text


def download(item: Download, root: Path) -> Path:
    """The archive in `root`/.downloads, checked against its checksum, or that of the first download.

    Raises:
        InDIError: the network fails (the part so far is kept), or the checksum is wrong.
    """
    folder = root / ".downloads"
    folder.mkdir(parents=True, exist_ok=True)
    address = urllib.parse.urlsplit(item.url)
    # "master.zip" alone would not say what it is
    file = f"{address.netloc}-{'-'.join(address.path.split('/')[-3:])}".replace(":", "_").strip("-")
    part, record = folder / f"{file}.part", _record(folder / file)
    known, why = item.checksum, "that was published"
    if known is None and record.is_file():
        known = f"sha256:{record.read_text().strip()}"
        why = f"of the first download (delete {record} to trust this one)"

    import pooch  # only here: it announces a missing widget when imported in a notebook

    def get(url: str, output_file: str, pooch_: Any) -> None:
        resume(url, part)
        os.replace(part, output_file)

    pooch.get_logger().setLevel("WARNING")  # its hint to pin the hash is for developers
    try:
        return Path(pooch.retrieve(item.url, known, fname=file, path=folder, downloader=get))
    except ValueError as error:  # pooch's word for a wrong checksum; it has removed the file
        raise InDIError(
            f"{item.url}: the checksum is not the one {why}: the file has changed upstream or was spoilt on "
            "the way. It was deleted; run the same command again."
        ) from error


def _record(archive: Path) -> Path:
    """Where the checksum of the first download is kept."""
    return archive.with_name(f"{archive.name}.sha256")


def _trust(item: Download, archive: Path) -> None:
    if item.checksum is None:
        with replacing(_record(archive)) as partial:
            partial.write_text(sha256(archive) + "\n")


def resume(url: str, part: Path) -> None:
    """Complete the file `part` from `url`, going on where it ends if the server can and the file is the same.

    Raises:
        InDIError: no connection, an answer that is none, or fewer bytes than were announced; `part` is kept.
    """
    mark = part.with_suffix(".etag")
    have = part.stat().st_size if part.exists() and mark.exists() else 0
    request = urllib.request.Request(url)
    if have:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", mark.read_text())
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            if answer.status not in (200, 206):
                raise InDIError(
                    f"{url}: the server answers {answer.status} {answer.reason}, and sends no file."
                )
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
        reason = " ".join(str(error.reason).split())
        raise InDIError(f"{url}: the server answers {error.code} {reason}.") from error
    # HTTPException: no HTTP at all, or broken within a chunk; ValueError: a length or an address that is none
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _broken(url, part, " ".join(f"{error}".split()) or type(error).__name__) from error
    if total is not None and part.stat().st_size != total:
        raise _broken(url, part, f"{part.stat().st_size} of {total} bytes came")
    mark.unlink(missing_ok=True)


def _broken(url: str, part: Path, reason: str) -> InDIError:
    have = part.stat().st_size / 2**20 if part.exists() else 0.0
    return InDIError(
        f"{url}: the download broke off ({reason}); {have:.1f} MiB are kept in {part}. Run the same "
        "command again to go on."
    )


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a .zip or .tar[.gz] into `folder`, all of it or nothing, and never outside.

    A tar with links or paths that point out is refused; of a zip such names are made harmless. Files go to
    a temporary folder first and are moved when all are there, so that an interrupted run leaves no
    half-written picture.

    Raises:
        InDIError: a damaged or unsafe archive, or no space left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=folder) as name:
        scratch = Path(name)
        try:
            with explaining(scratch):
                if zipfile.is_zipfile(archive):
                    with zipfile.ZipFile(archive) as zipped:
                        zipped.extractall(scratch)
                else:
                    with tarfile.open(archive) as tarred:
                        tarred.extractall(scratch, filter="data")
        except _SPOILT as e:
            raise InDIError(
                f"{archive} cannot be unpacked ({' '.join(str(e).split())}); nothing was written. Delete it and "
                "fetch it again."
            ) from e
        for path in sorted(p for p in scratch.rglob("*") if p.is_file()):
            goal = folder / path.relative_to(scratch)
            goal.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, goal)

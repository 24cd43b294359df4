"""The result store: tidy rows and figures under results/<profile>/, each with its provenance.

A table is a CSV (packed where it is large: .csv.gz) beside a JSON file that says how it came to be: commit,
versions of the numbers, hash of the notebook, seed, packages, machine, time, recipes, data and checkpoint hashes
of the trainings, the tables that were read, and the hash of the CSV itself. A table whose CSV no longer has that
hash was edited by hand and is refused. One that rests on numbers of another version, on another notebook, or on
tables that are not what they were is stale and says so.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import io
import json
import os
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from indi import numerics, paths
from indi.errors import InDIError
from indi.files import replacing
from indi.records import forms, provenance

MEASURED = "%.9g"
"""How measured values are stored: more digits than float32 has, half of what a float64 prints. Exact ones
are stored in full, for their errors are of the last digits."""


class Recorded(Protocol):
    """A training, as far as it is known here: it gives its record."""

    def record(self) -> dict[str, Any]: ...


BESIDE = ("floor", "resamples")
"""Columns of distances between sets that `save` stores beside them, as the table <name>_resamples."""


LARGE = 100_000
"""Bytes of a CSV beyond which it is stored packed. The book hands out every table unpacked."""


PICTURES = 90
"""Quality of the photographs inside figures, WebP."""


@dataclass(frozen=True)
class Table:
    """Rows and how they came to be.

    Attributes:
        rows: tidy, one observation a row.
        provenance: as saved by `save`.
        changes: what has changed since (see `provenance.changes_since`), and the tables it read that are not
            what they were; a table with any is stale.
    """

    rows: pd.DataFrame
    provenance: dict[str, Any]
    changes: tuple[str, ...]

    @property
    def stale(self) -> bool:
        """Whether today's code, notebook and tables would give other numbers."""
        return bool(self.changes)

    @property
    def environment(self) -> tuple[str, ...]:
        """Decisive packages of another version here, see `provenance.other_environment`."""
        return tuple(provenance.other_environment(self.provenance))

    @property
    def trained_on(self) -> tuple[str, ...]:
        """The image sets of the trainings that the rows rest on, each once."""
        trainings = self.provenance.get("trainings", [])
        return tuple(dict.fromkeys(training["recipe"]["data"] for training in trainings))


def csv_path(tables: Path, name: str) -> Path:
    """Where a folder of tables holds the rows of one: <name>.csv, or <name>.csv.gz of one that is large."""
    packed = tables / f"{name}.csv.gz"
    return packed if packed.is_file() else tables / f"{name}.csv"


def names(tables: Path) -> list[str]:
    """The tables of which a folder holds the rows, in alphabetical order."""
    return sorted({path.name.partition(".")[0] for path in tables.glob("[!.]*.csv*")})


def _tables(profile: str) -> Path:
    return paths.results(profile) / "tables"


def content(path: Path) -> bytes:
    """The CSV of a table, unpacked; of a damaged archive its bytes, which are no table and have another hash."""
    found = path.read_bytes()
    with contextlib.suppress(OSError, EOFError, zlib.error):
        return gzip.decompress(found) if path.suffix == ".gz" else found
    return found


#: What this process has read: (results folder, table) -> hash of its CSV, None where there was none.
_READ: dict[tuple[Path, str], str | None] = {}
_COUNTS: ContextVar[bool] = ContextVar("counts", default=True)


def note_read(name: str, profile: str) -> None:
    """Remember that a table was read, or looked for: what is saved later rests on it.

    The process that started this one is told through the file that INDI_READS names. Inside `not_counted`
    nothing is remembered.
    """
    if not _COUNTS.get():
        return
    digest, _ = _on_record(name, profile)
    _READ[paths.results(profile), name] = digest
    if file := os.environ.get("INDI_READS"):
        with Path(file).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps([name, digest]) + "\n")


@contextlib.contextmanager
def not_counted() -> Iterator[None]:
    """What is read in here is read again whenever the book is put together: nothing saved rests on it."""
    before = _COUNTS.set(False)
    try:
        yield
    finally:
        _COUNTS.reset(before)


def changed_tables(reads: Mapping[str, str | None], profile: str, notebook: str) -> list[str]:
    """Those of the tables read (name -> hash, None: was missing) that are not what they were.

    Tables of the reading notebook itself do not count: it made them.
    """
    now = {name: _on_record(name, profile) for name in reads}
    return [name for name, (digest, by) in now.items() if digest != reads[name] and by != notebook]


def _on_record(name: str, profile: str) -> tuple[str | None, str | None]:
    """Hash and notebook of a stored table."""
    try:
        record = json.loads((_tables(profile) / f"{name}.json").read_text())
        return str(record["sha256"]), str(record["notebook"])
    except (OSError, ValueError, KeyError, TypeError):
        return None, None


def records(profile: str, notebook: str) -> list[dict[str, Any]]:
    """The provenance of every table of a notebook, as far as it can be read."""
    found = []
    for path in sorted(_tables(profile).glob("*.json")):
        with contextlib.suppress(ValueError):
            record = forms.checked(forms.TableRecord, path.read_text())
            if record["notebook"] == notebook:
                found.append(record)
    return found


def save(
    name: str,
    rows: pd.DataFrame,
    profile: str,
    *,
    notebook: str,
    seed: int | None = None,
    trained: Sequence[Recorded | Mapping[str, Any]] = (),
    data: str | None = None,
    seconds: float | None = None,
    rooms: Sequence[str] | None = None,
    by_notebook: bool = True,
) -> Path:
    """Store `rows` as results/<profile>/tables/<name>.csv with its provenance in <name>.json.

    Args:
        name: of the table, unique within the profile.
        rows: tidy, one observation a row; the index is not stored. Columns of `BESIDE` go, with those that
            say of what, into a table of their own, <name>_resamples.
        profile: smoke, laptop, gpu or paper.
        notebook: the chapter that computed it, e.g. "04_jpeg".
        seed: of the evaluation.
        trained: the trainings that the rows rest on; their recipes, hashes of data and weights, and
            the versions of the numbers that trained them are recorded. Or their records, as an earlier table has
            them.
        data: content hash of the evaluation images.
        seconds: wall time of the computation.
        rooms: whose numbers the rows are (see `numerics`); None: of all where there are trainings or data, of
            method and evaluation where there are none.
        by_notebook: the notebook's code decides the rows; where not, they outlast its changes.

    Returns:
        The path of the CSV.
    """
    if set(BESIDE) <= set(rows.columns) and not name.endswith("_resamples"):
        given = {"notebook": notebook, "seed": seed, "trained": trained, "data": data, "seconds": seconds}
        of_what = rows.columns.difference(["value", "low", "high", "images", "patches"], sort=False)
        save(f"{name}_resamples", rows[of_what], profile, rooms=rooms, **given)  # type: ignore[arg-type]
        rows = rows.drop(columns=list(BESIDE))
    if rooms is None:
        rooms = tuple(numerics.NUMERICS) if trained or data else ("method", "evaluation")
    folder = paths.results(profile)
    reads = {table: digest for (where, table), digest in _READ.items() if where == folder and table != name}
    # The record is written last: a crash in between leaves a hash that does not match, never a
    # table that passes for whole.
    text = rows.to_csv(index=False, float_format=MEASURED if "metric" in rows else None).encode()
    plain, packed = (_tables(profile) / f"{name}.csv{suffix}" for suffix in ("", ".gz"))
    path, other = (packed, plain) if len(text) > LARGE else (plain, packed)
    with replacing(path) as partial:
        partial.write_bytes(gzip.compress(text, mtime=0) if path == packed else text)
    other.unlink(missing_ok=True)
    record = {
        "table": name,
        "profile": profile,
        "notebook": notebook,
        "rows": len(rows),
        "columns": forms.kinds(rows),
        "sha256": hashlib.sha256(text).hexdigest(),
        "seed": seed,
        "data": data,
        "trainings": [one if isinstance(one, Mapping) else one.record() for one in trained],
        "seconds": seconds,
        "reads": reads,
        **provenance.collect(_notebook(notebook) if by_notebook else None, rooms),
    }
    with replacing(path.with_name(f"{name}.json")) as partial:
        partial.write_text(json.dumps(record, indent=2, default=str) + "\n")
    return path


def load(name: str, profile: str) -> Table:
    """The table stored as `name` under `profile`.

    Raises:
        InDIError: there is none, it cannot be read, or it was edited by hand.
    """
    path = csv_path(_tables(profile), name)
    record_path = path.with_name(f"{name}.json")
    note_read(name, profile)
    if not (path.is_file() and record_path.is_file()):
        raise InDIError(
            f"no table {name!r} under profile {profile!r} ({path}): run the chapter that makes it."
        )
    try:
        record = forms.checked(forms.TableRecord, record_path.read_text())
    except ValueError as error:
        raise InDIError(f"{record_path} is not a provenance record ({error}): rerun its chapter.") from error
    notebook, digest = record["notebook"], record["sha256"]
    rerun = f"rerun it: indi run notebooks/{notebook}.ipynb --profile {profile}"
    text = content(path)
    if digest != hashlib.sha256(text).hexdigest():
        raise InDIError(f"{path} is not the file its chapter wrote (edited, or cut short): {rerun}.")
    try:
        rows = pd.read_csv(io.BytesIO(text))
        forms.check_table(rows, record.get("columns"))
    except ValueError as error:
        raise InDIError(f"{path} cannot be read ({' '.join(str(error).split())}): {rerun}.") from error
    changes = provenance.changes_since(record, _notebook(notebook))
    changes += [f"the table {table}" for table in changed_tables(record.get("reads", {}), profile, notebook)]
    return Table(rows, record, tuple(changes))


def rows_of(path: Path) -> pd.DataFrame:
    """The rows of a CSV that lies anywhere, with its record beside it or without.

    Raises:
        InDIError: it cannot be read, or its columns are not what a table holds.
    """
    try:
        rows = pd.read_csv(io.BytesIO(content(path)))
        forms.check_table(rows, None)
    except ValueError as error:
        raise InDIError(f"{path} is no table ({' '.join(str(error).split())}).") from error
    return rows


def _notebook(name: str) -> Path:
    return paths.root() / "notebooks" / f"{name}.ipynb"


ASKED = "asked"
"""The gid of a collection of marks whose urls are JSON objects: what the book says of each when it is pointed at."""


def _asked(figure: Figure) -> list[dict[str, Any]]:
    """Those objects, each with its place: x and y in per cent of the figure, from the left and from the top."""
    marks = [(axes, mark) for axes in figure.axes for mark in axes.collections if mark.get_gid() == ASKED]
    if marks:
        figure.draw_without_rendering()  # the layout moves the axes
    found = []
    for axes, mark in marks:
        places = axes.transData.transform(np.asarray(mark.get_offsets()))
        for place, told in zip(places, mark.get_urls(), strict=True):
            if axes.bbox.contains(*place):
                x, y = figure.transFigure.inverted().transform(place)
                at = {"x": round(100 * x, 2), "y": round(100 * (1 - y), 2)}
                found.append(at | json.loads(told or "{}"))
    return found


def save_figure(name: str, figure: Figure, profile: str, data: pd.DataFrame | None = None) -> Path:
    """Store a figure as results/<profile>/figures/<name>.svg, and what it draws as <name>.csv.

    The SVG carries no date, so that an unchanged figure is an unchanged file. Its description tells where its
    points lie that can be asked, see `ASKED`.
    """
    path = paths.results(profile) / "figures" / f"{name}.svg"
    points = _asked(figure)
    told = {"Date": None, "Description": json.dumps(points, ensure_ascii=False) if points else None}
    with replacing(path) as partial:
        figure.savefig(partial, format="svg", metadata=told)
        partial.write_text(compact(partial.read_text(encoding="utf-8")), encoding="utf-8")
    if data is not None:
        data = data.drop(columns=list(BESIDE), errors="ignore")  # not drawn
        with replacing(path.with_suffix(".csv")) as partial:
            data.to_csv(partial, index=False, float_format=MEASURED)
    return path


def compact(svg: str) -> str:
    """An SVG without what nobody sees.

    Embedded PNGs become WebPs, which every browser shows: photographs with loss, at a quality that keeps what
    the eye sees, all others without; coordinates are rounded to a hundredth of a point; a style that is written
    out at every mark becomes a class that is written once; lines are not indented. A figure is to be looked at:
    numbers are computed from images, never from it.
    """

    def rounded(match: re.Match[str]) -> str:
        numbers = re.sub(r"\d+\.\d{3,}", lambda n: f"{float(n[0]):.2f}".rstrip("0").rstrip("."), match[2])
        return f'{match[1]}="{numbers}"'

    def smaller(match: re.Match[str]) -> str:
        before = base64.b64decode("".join(match[1].split()))
        picture = Image.open(io.BytesIO(before))
        lossless, lossy = _webp(picture, lossless=True, quality=100), _webp(picture, quality=PICTURES)
        # drawings and flat colours are smaller without loss; photographs gain much by a little of it
        after = lossy if len(lossy) < 0.6 * len(lossless) else lossless
        if len(after) >= len(before):
            return match[0]
        return f"data:image/webp;base64,{base64.b64encode(after).decode()}"

    svg = _classes(re.sub(r"\n +", "\n", re.sub(r'\b(d|x|y)="([^"]*)"', rounded, svg)))
    return re.sub(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)", smaller, svg)


def _classes(svg: str) -> str:
    """An SVG whose styles stand once each, in a sheet at its end; one that has classes already stays."""
    named: dict[str, str] = {}

    def name(match: re.Match[str]) -> str:
        style = re.sub(r"\s*([:;])\s*", r"\1", unescape(match[1]).strip())
        return f' class="{named.setdefault(style, f"s{len(named)}")}"'

    if ' class="' in svg:
        return svg
    svg = re.sub(r' style="([^"]*)"', name, svg)
    sheet = "\n".join(f".{short}{{{style}}}" for style, short in named.items())
    return svg.replace("</svg>", f"<style>{sheet}</style>\n</svg>") if named else svg


def _webp(picture: Image.Image, **options: Any) -> bytes:
    memory = io.BytesIO()
    picture.save(memory, "WEBP", method=6, **options)
    return memory.getvalue()

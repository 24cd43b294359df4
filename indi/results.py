"""The result store: tidy rows and figures under results/<profile>/, each with its provenance.

A table is a CSV beside a JSON file that says how it came to be: commit, code and notebook hash,
seed, versions, machine, time, recipes, data and checkpoint hashes of the trainings, and the hash of
the CSV itself. A table whose CSV no longer has that hash was edited by hand and is refused; one that
today's code, notebook or packages may not give again is stale and says so.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from indi import paths, provenance
from indi.errors import InDIError
from indi.files import replacing
from indi.training.store import Trained

MEASURED = "%.9g"
"""How measured values are stored: more digits than float32 has, half of what a float64 prints. Exact ones
are stored in full, for their errors are of the last digits."""


@dataclass(frozen=True)
class Table:
    """Rows and how they came to be.

    Attributes:
        rows: tidy, one observation a row.
        provenance: as saved by `save`.
        changes: what has changed since (see `provenance.changes_since`); a table with any is stale.
    """

    rows: pd.DataFrame
    provenance: dict[str, Any]
    changes: tuple[str, ...]

    @property
    def stale(self) -> bool:
        """Whether the code, the notebook, a training or a decisive package has changed since."""
        return bool(self.changes)

    @property
    def trained_on(self) -> tuple[str, ...]:
        """The image sets of the trainings that the rows rest on, each once."""
        trainings = self.provenance.get("trainings", [])
        return tuple(dict.fromkeys(training["recipe"]["data"] for training in trainings))


def _table_path(name: str, profile: str) -> Path:
    return paths.results(profile) / "tables" / f"{name}.csv"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def save(
    name: str,
    rows: pd.DataFrame,
    profile: str,
    *,
    notebook: str,
    seed: int | None = None,
    trained: Sequence[Trained] = (),
    data: str | None = None,
    seconds: float | None = None,
) -> Path:
    """Store `rows` as results/<profile>/tables/<name>.csv with its provenance in <name>.json.

    Args:
        name: of the table, unique within the profile.
        rows: tidy, one observation a row; the index is not stored.
        profile: smoke, laptop, gpu or paper.
        notebook: the chapter that computed it, e.g. "04_jpeg".
        seed: of the evaluation.
        trained: the trainings that the rows rest on; their recipes, hashes of data and weights, and
            the code that trained them are recorded.
        data: content hash of the evaluation images.
        seconds: wall time of the computation.

    Returns:
        The path of the CSV.
    """
    path = _table_path(name, profile)
    # The record is written last: a crash in between leaves a hash that does not match, never a
    # table that passes for whole.
    with replacing(path) as partial:
        rows.to_csv(partial, index=False, float_format=MEASURED if "metric" in rows else None)
    record = {
        "table": name,
        "profile": profile,
        "notebook": notebook,
        "rows": len(rows),
        "sha256": _sha256(path),
        "seed": seed,
        "data": data,
        "trainings": [training.record() for training in trained],
        "seconds": seconds,
        **provenance.collect(_notebook(notebook)),
    }
    with replacing(path.with_suffix(".json")) as partial:
        partial.write_text(json.dumps(record, indent=2, default=str) + "\n")
    return path


def load(name: str, profile: str) -> Table:
    """The table stored as `name` under `profile`.

    Raises:
        InDIError: there is none, it cannot be read, or it was edited by hand.
    """
    path = _table_path(name, profile)
    record_path = path.with_suffix(".json")
    if not (path.is_file() and record_path.is_file()):
        raise InDIError(
            f"no table {name!r} under profile {profile!r} ({path}): run the chapter that makes it."
        )
    try:
        record = json.loads(record_path.read_text())
        notebook, digest = record["notebook"], record["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise InDIError(f"{record_path} is not a provenance record: rerun its chapter.") from error
    rerun = f"rerun it: indi run notebooks/{notebook}.ipynb --profile {profile}"
    if digest != _sha256(path):
        raise InDIError(f"{path} is not the file its chapter wrote (edited, or cut short): {rerun}.")
    try:
        rows = pd.read_csv(path)
    except ValueError as error:
        raise InDIError(f"{path} cannot be read ({error}): {rerun}.") from error
    return Table(rows, record, tuple(provenance.changes_since(record, _notebook(notebook))))


def _notebook(name: str) -> Path:
    return paths.root() / "notebooks" / f"{name}.ipynb"


def save_figure(name: str, figure: Figure, profile: str, data: pd.DataFrame | None = None) -> Path:
    """Store a figure as results/<profile>/figures/<name>.svg, and what it draws as <name>.csv.

    The SVG carries no date, so that an unchanged figure is an unchanged file.
    """
    path = paths.results(profile) / "figures" / f"{name}.svg"
    with replacing(path) as partial:
        figure.savefig(partial, format="svg", metadata={"Date": None})
        partial.write_text(compact(partial.read_text(encoding="utf-8")), encoding="utf-8")
    if data is not None:
        with replacing(path.with_suffix(".csv")) as partial:
            data.to_csv(partial, index=False, float_format=MEASURED)
    return path


def compact(svg: str) -> str:
    """An SVG without what nobody sees.

    Embedded PNGs become lossless WebPs, which every browser shows, where that is smaller; coordinates
    are rounded to a hundredth of a point.
    """

    def rounded(match: re.Match[str]) -> str:
        numbers = re.sub(r"\d+\.\d{3,}", lambda n: f"{float(n[0]):.2f}".rstrip("0").rstrip("."), match[2])
        return f'{match[1]}="{numbers}"'

    def smaller(match: re.Match[str]) -> str:
        before = base64.b64decode("".join(match[1].split()))
        after = io.BytesIO()
        Image.open(io.BytesIO(before)).save(after, "WEBP", lossless=True, quality=100, method=6)
        if after.tell() >= len(before):
            return match[0]
        return f"data:image/webp;base64,{base64.b64encode(after.getvalue()).decode()}"

    svg = re.sub(r'\b(d|x|y)="([^"]*)"', rounded, svg)
    return re.sub(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)", smaller, svg)

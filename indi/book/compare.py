"""Whether a rerun gives the published numbers again: the tables that are here beside the published ones.

Published is what is committed: the tables of a commit, HEAD unless told otherwise, or a copied results folder.
What was found is written down as evidence, results/<profile>/compared.json, which outlasts both.
"""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from indi import paths
from indi.errors import InDIError
from indi.files import replacing
from indi.records import provenance

STATES = ("same", "within", "outside", "missing", "new")

SAME = 1e-5
"""Relative difference below which two numbers are the same."""

#: Columns of a tidy table that were measured or counted. All others say in which setting.
_NO_SETTING = ("image", "metric", "value", "low", "high", "n", "images", "patches", "points")


def compare(profile: str, against: str = "HEAD") -> pd.DataFrame:
    """The numbers of every table that was run again (its record is another than the published one's).

    A number is the value of a metric in a setting, averaged over images where the table has a row for each;
    in other tables every numeric cell. The judged claims are no measurements and are left out.

    Args:
        against: a commit, or a folder with a results folder's `tables`.

    Returns:
        Columns table, setting ("sampler=indi, steps=5"), metric, published, low, high (of what was
        published: its own bounds, or the 95 % interval over images), now and state: "same" (relative
        difference below `SAME`), "within" (inside the published interval), "outside" (or different where
        there is no interval), "missing" (not there now), "new" (not published).

    Raises:
        InDIError: no such profile; nothing is published there; a table was edited by hand.
    """
    from indi.records import results  # here, because it imports torch, which takes seconds

    here = paths.results(profile) / "tables"
    found = [pd.DataFrame(columns=["table", "setting", "metric", "published", "low", "high", "now", "state"])]
    with _published(profile, against) as there:
        for name in sorted({*results.names(here), *results.names(there)}):
            old, new = (results.csv_path(folder, name) for folder in (there, here))
            if name.startswith("claims") or (_record(there, name) == _record(here, name) and new.is_file()):
                continue
            before = results.rows_of(old) if old.is_file() else None
            after = results.load(name, profile).rows if new.is_file() else None
            found.append(_compare(before, after).assign(table=name))
    return pd.concat(found, ignore_index=True)


@contextmanager
def _published(profile: str, against: str) -> Iterator[Path]:
    """The folder of the published tables; those of a commit are unpacked for a while."""
    if Path(against).is_dir():
        yield Path(against) / "tables"
        return
    folder = paths.results(profile) / "tables"
    git = ["git", "-C", str(paths.root()), "archive", against, folder.relative_to(paths.root()).as_posix()]
    ran = subprocess.run(git, capture_output=True, check=False)
    if ran.returncode:
        raise InDIError(
            f"nothing is published under profile {profile!r} at {against!r}: name a commit, or a folder with a "
            "copy of the published results (--against)."
        )
    with tempfile.TemporaryDirectory() as unpacked:
        with tarfile.open(fileobj=io.BytesIO(ran.stdout)) as archive:
            archive.extractall(unpacked, filter="data")
        yield Path(unpacked) / folder.relative_to(paths.root())


def _record(tables: Path, name: str) -> bytes | None:
    """The provenance beside a table, which differs between any two runs."""
    record = tables / f"{name}.json"
    return record.read_bytes() if record.is_file() else None


def _compare(before: pd.DataFrame | None, after: pd.DataFrame | None) -> pd.DataFrame:
    old, new = (_numbers(rows) for rows in (before, after))
    both = old.index.union(new.index, sort=False)
    old, new = old.reindex(both), new.reindex(both)
    published, now = old["value"].to_numpy(float), new["value"].to_numpy(float)
    same = np.isclose(now, published, rtol=SAME, atol=1e-12)
    if before is not None and "image" in before:
        _add_intervals(old, before, ~same & np.isfinite(published) & np.isfinite(now))
    low, high = old["low"].to_numpy(float), old["high"].to_numpy(float)
    state = np.select(
        [np.isnan(published), np.isnan(now), same, (low <= now) & (now <= high)],
        ["new", "missing", "same", "within"],
        "outside",
    )
    columns = {"published": published, "low": low, "high": high, "now": now, "state": state}
    return both.to_frame(index=False).assign(**columns)


def _numbers(rows: pd.DataFrame | None) -> pd.DataFrame:
    """Columns value, low, high by (setting, metric); what has no value (NaN) is left out."""
    keys = ["setting", "metric"]
    if rows is None or rows.empty:
        return pd.DataFrame(columns=[*keys, "value", "low", "high"]).set_index(keys)
    if {"metric", "value"} <= set(rows.columns):
        rows = rows.assign(setting=_settings(rows))
        if "image" in rows:
            rows = rows.groupby(keys, sort=False, as_index=False)["value"].mean()
    else:
        numeric = rows.select_dtypes("number").astype(float)
        rows = numeric.assign(setting=[f"row {i + 1}" for i in range(len(rows))])
        rows = rows.melt("setting", var_name="metric")
    found = rows.dropna(subset="value").reindex(columns=[*keys, "value", "low", "high"])
    twice = found.groupby(keys).cumcount()  # two rows that nothing tells apart but their order
    found["setting"] += twice.map(lambda k: f" #{k + 1}" if k else "")
    return found.set_index(keys)


def _add_intervals(numbers: pd.DataFrame, rows: pd.DataFrame, wanted: np.ndarray) -> None:
    """Fill in the intervals over images of the wanted numbers: they take time."""
    from indi.evaluation import summary

    rows = rows.assign(setting=_settings(rows))
    rows = rows[pd.MultiIndex.from_frame(rows[["setting", "metric"]]).isin(numbers.index[wanted])]
    if len(rows):
        found = summary(rows, ["setting", "metric"]).set_index(["setting", "metric"])
        numbers.loc[found.index, ["low", "high"]] = found[["low", "high"]]


def _settings(rows: pd.DataFrame) -> list[str]:
    """A readable text for each row, without what is empty there."""
    columns = {name: rows[name].tolist() for name in rows.columns if name not in _NO_SETTING}
    return [
        ", ".join(f"{name}={_plain(values[i])}" for name, values in columns.items() if not pd.isna(values[i]))
        for i in range(len(rows))
    ]


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def as_published(comparison: pd.DataFrame) -> bool:
    """Whether no number of `compare` is outside or missing."""
    return not comparison["state"].isin(("outside", "missing")).any()


def record(comparison: pd.DataFrame, profile: str, against: str = "HEAD") -> Path | None:
    """Write down what `compare` found: how many numbers of each table are in which state, and where it ran.

    Returns:
        The file, results/<profile>/compared.json; None, and nothing is written, where nothing was run again.
    """
    if comparison.empty:
        return None
    counts = _counts(comparison)
    git = ["git", "-C", str(paths.root()), "rev-parse", against]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    found = {
        "profile": profile,
        "against": Path(against).name if Path(against).is_dir() else commit,
        "numbers": counts.sum().to_dict(),
        "tables": counts.to_dict("index"),
        **provenance.collect(),
    }
    path = paths.results(profile) / "compared.json"
    with replacing(path) as partial:
        partial.write_text(json.dumps(found, indent=2) + "\n")
    return path


def _counts(comparison: pd.DataFrame) -> pd.DataFrame:
    """How many numbers of a table (row) are in a state (column)."""
    counts = pd.crosstab(comparison["table"], comparison["state"])
    return counts.reindex(columns=[state for state in STATES if state in counts])


def text(comparison: pd.DataFrame) -> str:
    """What `compare` found: a line for each table that was run again, the ten numbers farthest outside, and the sum."""
    if comparison.empty:
        return "nothing was run again: these are the published numbers themselves"
    counts = _counts(comparison)
    lines = [counts.rename_axis(columns=None, index=None).to_string()]
    outside = comparison[comparison["state"] == "outside"]
    if len(outside):
        # distance to the interval in widths of it; those without an interval first
        beyond = np.maximum(outside["low"] - outside["now"], outside["now"] - outside["high"])
        excess = (beyond / (outside["high"] - outside["low"])).fillna(np.inf)
        ranked = outside.loc[excess.sort_values(ascending=False, kind="stable").index].head(10)
        lines += ["", f"outside the published interval, {len(outside)} numbers, the farthest first:"]
        lines += [
            f"  {row.table}, {row.setting}, {row.metric}: {row.now:.6g} now, {row.published:.6g} "
            f"[{row.low:.6g}, {row.high:.6g}] published".replace("[nan, nan]", "[no interval]")
            for row in ranked.itertuples()
        ]
    said = ", ".join(f"{count} {state}" for state, count in counts.sum().items())
    if as_published(comparison):
        return "\n".join([*lines, "", f"as published: {said}"])
    more = 'see "Did I get the same numbers?" in book/rerun.md'
    return "\n".join([*lines, "", f"not all as published: {said}; {more}"])

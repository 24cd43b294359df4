"""The published numbers of a profile, and whether a rerun gives them again.

A number is one row of results/<profile>/published.csv: the value of a metric in a setting of a table,
with its 95 % interval over images. Tables in other forms (verdicts, closed forms, derived comparisons)
rest on these or are tested elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from indi import paths
from indi.book import run as runner
from indi.errors import InDIError, unknown
from indi.files import replacing

COLUMNS = ("table", "setting", "metric", "value", "low", "high", "n", "made")
KEYS = ["table", "setting", "metric"]
STATES = ("same", "within", "outside", "missing", "new")

SAME = 1e-5
"""Relative difference below which two numbers are the same; published ones have 6 significant digits."""

#: Columns that were measured or counted. All others say in which setting.
_NO_SETTING = ("image", "metric", "value", "low", "high", "n", "images", "patches", "points")


def published_path(profile: str) -> Path:
    """Where the published numbers of a profile are: results/<profile>/published.csv."""
    return paths.results(profile) / "published.csv"


def numbers(profile: str) -> pd.DataFrame:
    """Every number of the tidy tables (those with columns `metric` and `value`) under a profile.

    A table with a column `image` is averaged over images, with the interval of `evaluation.summary`;
    bounds that a table brings along are taken as they are. What has no value (NaN) is left out.

    Returns:
        Columns table, setting ("sampler=indi, steps=5"), metric, value, low, high (NaN: no interval), n
        (images or points, NaN where the table does not tell) and made (when the table was stored, UTC).

    Raises:
        InDIError: no such profile; a table was edited by hand, or has two numbers in one place.
    """
    return _numbers(profile, intervals=True)


def _numbers(profile: str, intervals: bool) -> pd.DataFrame:
    """As `numbers`; without intervals of means over images it takes no time."""
    if profile not in runner.PROFILES:
        raise unknown("profile", profile, runner.PROFILES)
    found = [_of_table(name, rows, made, intervals) for name, rows, made in _tidy_tables(profile)]
    if not found:
        return pd.DataFrame(columns=list(COLUMNS))
    return pd.concat(found, ignore_index=True)


def _tidy_tables(profile: str) -> Iterator[tuple[str, pd.DataFrame, str]]:
    """Name, rows and time of each table that holds numbers in rows of their own."""
    from indi.records import results  # here, because it imports torch, which takes seconds

    for path in sorted((paths.results(profile) / "tables").glob("*.csv")):
        if path.name.startswith("."):
            continue
        table = results.load(path.stem, profile)
        if {"metric", "value"} <= set(table.rows.columns) and not table.rows.empty:
            yield path.stem, table.rows, str(table.provenance.get("time", ""))


def _of_table(name: str, rows: pd.DataFrame, made: str, intervals: bool) -> pd.DataFrame:
    keys = [column for column in rows.columns if column not in _NO_SETTING]
    rows = rows.assign(setting=_settings(rows[keys]))
    by = ["setting", "metric"]
    if "image" not in rows:
        if (twice := rows.duplicated(by)).any():
            where = ", ".join(rows.loc[twice, by].iloc[0])
            raise InDIError(
                f"table {name} has several values of {where}: give it a column that tells them apart, or `image`."
            )
        counted = next((column for column in ("n", "images", "points") if column in rows), None)
        found = rows.assign(n=rows[counted] if counted else np.nan)
    elif intervals:
        from indi import evaluation

        found = evaluation.summary(rows, by).rename(columns={"mean": "value"})
    else:
        found = rows.groupby(by, sort=False)["value"].agg(value="mean", n="count").reset_index()
    found = found.assign(table=name, made=made).reindex(columns=list(COLUMNS))
    kinds = dict.fromkeys(["value", "low", "high", "n"], float)
    return found.astype(kinds).dropna(subset="value")


def _settings(keys: pd.DataFrame) -> list[str]:
    """A readable text for each row, without what is empty there."""
    columns = {name: keys[name].tolist() for name in keys.columns}
    return [
        ", ".join(f"{name}={_plain(values[i])}" for name, values in columns.items() if not pd.isna(values[i]))
        for i in range(len(keys))
    ]


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def publish(profile: str) -> Path:
    """Write the numbers of a profile, to 6 significant digits, to results/<profile>/published.csv.

    It is the measure of later reruns, so it belongs to the run whose tables are committed with it: only
    what is committed is published. (results/smoke/ is not committed.)

    Raises:
        InDIError: as `numbers`; or there are none.
    """
    found = numbers(profile)
    if found.empty:
        raise InDIError(
            f"no numbers under profile {profile!r} to publish: make reproduce PROFILE={profile} measures them."
        )
    path = published_path(profile)
    with replacing(path) as partial:
        found.to_csv(partial, index=False, float_format="%.6g", lineterminator="\n")
    return path


def compare(profile: str) -> pd.DataFrame:
    """The published numbers of a profile against those of its tables now.

    Returns:
        Columns table, setting, metric, published, low, high (of what was published), now, state and
        rerun (whether the table was stored anew since it was published). The states: "same" (relative
        difference below `SAME`), "within" (inside the published interval), "outside" (or different
        where there is no interval), "missing" (not there now), "new" (not published).

    Raises:
        InDIError: nothing was published, or it cannot be read; as `numbers`.
    """
    if profile not in runner.PROFILES:
        raise unknown("profile", profile, runner.PROFILES)
    before = _read(profile).set_index(KEYS)
    after = _numbers(profile, intervals=False).set_index(KEYS)
    both = before.index.append(after.index.difference(before.index, sort=False))
    old, new = before.reindex(both), after.reindex(both)
    published, now = old["value"].to_numpy(float), new["value"].to_numpy(float)
    low, high = old["low"].to_numpy(float), old["high"].to_numpy(float)
    state = np.select(
        [
            np.isnan(published),
            np.isnan(now),
            np.isclose(now, published, rtol=SAME, atol=1e-12),
            (low <= now) & (now <= high),
        ],
        ["new", "missing", "same", "within"],
        "outside",
    )
    # A table without any of its published numbers is missing, not rerun.
    rerun = new["made"].notna() & (new["made"] != old["made"])
    found = {"published": published, "low": low, "high": high, "now": now, "state": state}
    return both.to_frame(index=False).assign(**found, rerun=rerun.to_numpy(bool))


def _read(profile: str) -> pd.DataFrame:
    path = published_path(profile)
    again = f"indi publish --profile {profile}"
    if not path.is_file():
        raise InDIError(f"nothing is published under profile {profile!r} ({path} is missing): {again}")
    try:
        rows = pd.read_csv(path, dtype=dict.fromkeys([*KEYS, "made"], str))
    except ValueError as error:
        raise InDIError(f"{path} cannot be read ({error}): restore it with git, or {again}") from error
    if list(rows.columns) != list(COLUMNS) or rows.duplicated(KEYS).any():
        raise InDIError(f"{path} does not hold published numbers: restore it with git, or {again}")
    return rows.fillna({"setting": "", "made": ""})


def as_published(comparison: pd.DataFrame) -> bool:
    """Whether no number of `compare` is outside or missing."""
    return not comparison["state"].isin(("outside", "missing")).any()


def text(comparison: pd.DataFrame, most: int = 10) -> str:
    """What `compare` found: a line a table, up to `most` of the numbers outside, and a verdict."""
    width = max([len(name) for name in comparison["table"]], default=0) + 2
    lines = [f"{'table':<{width}}" + "".join(f"{state:>9}" for state in STATES)]
    for name, rows in comparison.groupby("table", sort=False):
        counts = rows["state"].value_counts()
        note = "" if rows["rerun"].any() or (rows["state"] == "missing").all() else "  not run again"
        lines.append(f"{name:<{width}}" + "".join(f"{counts.get(s, 0):>9}" for s in STATES) + note)
    outside = comparison[comparison["state"] == "outside"]
    if len(outside):
        lines.append(f"\noutside the published interval{_of_most(len(outside), most)}:")
        lines += [_line(row) for row in outside.loc[_by_excess(outside)].head(most).itertuples()]
    return "\n".join([*lines, "", _verdict(comparison)])


def _of_most(count: int, most: int) -> str:
    return f", the {most} farthest of {count}" if count > most else ""


def _by_excess(outside: pd.DataFrame) -> pd.Index:
    """Farthest first: distance to the interval in widths of it; before all, those without interval."""
    beyond = np.maximum(outside["low"] - outside["now"], outside["now"] - outside["high"])
    excess = (beyond / (outside["high"] - outside["low"])).fillna(np.inf)
    return excess.sort_values(ascending=False, kind="stable").index


def _line(row: Any) -> str:
    bounds = "no interval" if np.isnan(row.low) else f"{row.low:.6g}, {row.high:.6g}"
    where = ", ".join(part for part in (row.table, row.setting, row.metric) if part)
    return f"  {where}: {row.now:.6g} now, {row.published:.6g} [{bounds}] published"


def _verdict(comparison: pd.DataFrame) -> str:
    counts = comparison["state"].value_counts()
    same, within, outside, missing, new = (int(counts.get(state, 0)) for state in STATES)
    total = same + within + outside + missing
    if not as_published(comparison):
        return (
            f"not all as published: of {total} numbers {outside} lie outside their intervals and {missing} are "
            'missing; what that means: "Did I get the same numbers?" in book/rerun.md'
        )
    if not comparison["rerun"].any():
        return f"nothing was run again: these are the {total} published numbers themselves"
    more = f"; {new} are new" if new else ""
    return f"as published: of {total} numbers {same} are the same and {within} inside their intervals{more}"

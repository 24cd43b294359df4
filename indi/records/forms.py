"""The form of every stored record and table, checked once where it is read: behind this door the code relies on it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, TypeVar

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

_Form = TypeVar("_Form", bound="_Strict")


class _Strict(BaseModel):
    """Fields named here have these types; more may be there."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


class Machine(_Strict):
    """Of `provenance.collect`."""

    cpu: str
    cores: int
    gpu: str | None


class Provenance(_Strict):
    """What `provenance.collect` gives."""

    commit: str | None
    dirty: bool | None
    numerics: dict[str, int]
    versions: dict[str, str | None]
    machine: Machine
    time: str
    notebook_hash: str | None

    @field_validator("time")
    @classmethod
    def _a_time(cls, text: str) -> str:
        datetime.fromisoformat(text)
        return text


class Training(_Strict):
    """What a table says of a training, and the record of a training itself, as far as it is relied on."""

    recipe: dict[str, Any]
    checkpoint: str
    data: str
    numerics: dict[str, int]


class Finished(Training):
    """done.json of a training."""

    seconds: float


class TrainingOfTable(Training):
    """One of the trainings that a table rests on."""

    @field_validator("recipe")
    @classmethod
    def _names_its_data(cls, recipe: dict[str, Any]) -> dict[str, Any]:
        for field in ("task", "profile", "data"):
            if not isinstance(recipe.get(field), str):
                raise ValueError(f"its {field} is no text")
        return recipe


class TableRecord(Provenance):
    """The record beside a table."""

    notebook: str
    sha256: str
    seed: int | None = None
    data: str | None = None
    seconds: float | None = None
    trainings: list[TrainingOfTable] = Field(default_factory=list)
    reads: dict[str, str | None] = Field(default_factory=dict)
    columns: dict[str, str] | None = None


class LogRow(_Strict):
    """A line of a training's log."""

    step: int
    loss: float
    images_per_second: float
    seconds: float


class RunRecord(_Strict):
    """The record of a notebook's run."""

    notebook: str
    profile: str
    parameters: dict[str, Any]
    seconds: float
    provenance: Provenance
    reads: dict[str, str | None] = Field(default_factory=dict)
    started: str = ""


def checked(form: type[_Form], text: str) -> dict[str, Any]:
    """The record in `text`, JSON, as it stands there.

    Raises:
        ValueError: it is no JSON or not of the form; in one line that names the first field that is wrong.
    """
    try:
        record = json.loads(text)
        form.model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise ValueError(f"{where}: {first['msg']}") from None
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    return dict(record)


def log_row(line: str) -> dict[str, Any] | None:
    """A line of a training's log; None where it is cut short or damaged."""
    try:
        return checked(LogRow, line)
    except ValueError:
        return None


def log(text: str) -> pd.DataFrame:
    """The log of a finished training: columns step, loss, images_per_second, seconds.

    Raises:
        ValueError: it is empty, or a line of it is damaged.
    """
    lines = text.splitlines()
    rows = [row for row in map(log_row, lines) if row is not None]
    if not rows or len(rows) != len(lines):
        raise ValueError("its log is empty" if not lines else "a line of its log is damaged")
    return pd.DataFrame(rows)


NUMBERS = ("value", "low", "high", "steps", "images", "patches", "seed", "floor")
"""Columns that hold numbers in every table of measurements, for tables whose record does not say."""


def kinds(rows: pd.DataFrame) -> dict[str, str]:
    """Column -> "number" or "text", as the record of a table says."""
    return {str(name): "number" if _numeric(rows[name]) else "text" for name in rows.columns}


def _numeric(column: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column))


def check_table(rows: pd.DataFrame, columns: dict[str, str] | None) -> None:
    """Hold what was read from a table's CSV against the columns that its record names, if it does.

    Raises:
        ValueError: columns are missing or new, or one of numbers holds text; in one line.
    """
    if columns is None:
        measured = not {"sampler", "metric", "value"}.isdisjoint(rows.columns)
        columns = {str(name): "number" if measured and name in NUMBERS else "" for name in rows.columns}
        if "metric" in columns and "value" in columns:
            columns |= {"metric": "text"} | ({"sampler": "text"} if "sampler" in columns else {})
    if odd := sorted({*columns} ^ {str(name) for name in rows.columns}):
        raise ValueError(f"its columns are others than its record says: {', '.join(map(repr, odd[:3]))}")
    for name, kind in columns.items():
        if len(rows) and kind == "number" and not _numeric(rows[name]):
            raise ValueError(f"its column {name!r} is to hold numbers, and holds a text")

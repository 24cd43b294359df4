"""What README.md shows of the published results: claims by verdict, the main numbers, and the picture."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from pathlib import Path
from typing import get_args
from unittest.mock import patch

import pandas as pd

from indi import claims, evaluation, paths, profiles
from indi.errors import InDIError
from indi.evaluation import metrics
from indi.figures import ledger
from indi.files import replacing
from indi.records import results

PROFILE = "laptop"
BEGIN, END = "<!-- made by `indi readme` -->", "<!-- end of what is made -->"
PICTURE = Path("book", "_static", "example.png")


def write() -> Path:
    """Put today's section between its marks in README.md, and make the picture anew; the path of README.md.

    Raises:
        InDIError: README.md has no such marks, a table is missing, or a model is.
    """
    path = paths.root() / "README.md"
    before, after = _around(path)
    new = before + section() + after
    if path.read_text(encoding="utf-8") != new:
        with replacing(path) as partial:
            partial.write_text(new, encoding="utf-8")
    picture = paths.root() / PICTURE
    with (
        replacing(picture) as partial,
        patch.object(sys, "argv", ["example.py", "jpeg", str(partial)]),
        redirect_stdout(None),
    ):
        runpy.run_path(str(paths.root() / "example.py"))
    return path


def _around(path: Path) -> tuple[str, str]:
    text = path.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise InDIError(f"{path} does not hold {BEGIN!r} and then {END!r}, once each.")
    return text[: text.index(BEGIN)], text[text.index(END) + len(END) :]


def section() -> str:
    """The section, its marks included, Markdown: judged and averaged now, from the committed tables.

    Raises:
        InDIError: a table is missing or was edited by hand.
    """
    entries = claims.judge(PROFILE)
    lines = [BEGIN, f"{ledger.on_claims(entries)} of the paper: {ledger.counted(entries)}.", ""]
    lines += [*ledger.markdown_table([("claim", "verdict"), *_verdicts(entries)]), ""]
    if doubtful := ", ".join(
        f"{e.claim.title} ({profiles.words(e.claim.task, e.verdict.outcome)})" for e in entries if e.doubtful
    ):
        lines += [f"Inconclusive after correction for so many claims: {doubtful}.", ""]
    return "\n".join([*lines, *ledger.markdown_table(_numbers()), "", END])


def _verdicts(entries: Iterable[claims.Entry]) -> list[tuple[str, str]]:
    """Title -> "reproduced: motion, JPEG; inconclusive: defocus"; just the verdict where it is about no one task."""
    titles: dict[str, dict[str, list[str]]] = {}
    for entry in entries:
        of_title = titles.setdefault(entry.claim.title, {name: [] for name in get_args(claims.Outcome)})
        of_title[entry.verdict.outcome].append(profiles.words(entry.claim.task))
    rows = []
    for title, outcomes in titles.items():
        words = [": ".join(filter(None, (name, ", ".join(of)))) for name, of in outcomes.items() if of]
        rows.append((title, "; ".join(words)))
    return rows


def _numbers() -> list[tuple[str, ...]]:
    """Means over images with their intervals: of y, of one step, and of the most steps of each task; heads first."""
    heads: tuple[str, ...] = ()
    rows = []
    for task in profiles.RESTORATION:
        table = results.load(task, PROFILE).rows
        names = ["psnr", *(name for name in table["metric"].unique() if name.startswith("lpips"))]
        wanted = table[table["metric"].isin(names) & table["sampler"].isin([evaluation.INPUT, "indi"])]
        means = evaluation.summary(wanted).set_index(["sampler", "steps", "metric"])
        most = int(wanted["steps"].max())
        of_indi = [(f"InDI, {n} step{'s' * (n > 1)}", "indi", n) for n in (1, most)]
        for label, sampler, steps in [("y", evaluation.INPUT, 0), *of_indi]:
            found = [means.loc[(sampler, steps, name)] for name in names]
            cells = [_interval(row, digits) for row, digits in zip(found, (1, 3), strict=False)]
            name = profiles.words(task) if label == "y" else ""
            rows.append((name, label, *cells, str(int(found[0]["n"]))))
        heads = ("task", "image", *map(_head, names), "images")
    return [heads, *rows]


def _head(name: str) -> str:
    metric = metrics.describe(name)
    return ", ".join(filter(None, (metric.label, metric.unit)))


def _interval(row: pd.Series, digits: int) -> str:
    mean, low, high = (f"{row[name]:.{digits}f}" for name in ("mean", "low", "high"))
    return f"{mean} [{low}, {high}]"

"""The paper's tables beside ours, and the verdicts that a chapter closes with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from indi import claims, paths
from indi.claims import Entry
from indi.errors import InDIError
from indi.evaluation import INPUT, metrics
from indi.figures import interval, ledger, metric_label
from indi.figures.ledger import restores as restores
from indi.figures.ledger import sentences as sentences
from indi.records import results
from indi.training.recipes import Recipe, public

_HEADS = {
    "method": "method",
    "steps": "N",
    "lpips": "LPIPS ↓",
    "niqe": "NIQE ↓",
    "fid": "FID ↓",
    "kid_x1000": "KID × 1000 ↓",
    "psnr_db": "PSNR [dB] ↑",
    "ssim": "SSIM ↑",
}


def printed_path(name: str) -> Path:
    """The file of that name under results/paper/, which holds what the paper prints (InDIError: it is not there)."""
    path = paths.results("paper") / name
    if not path.is_file():
        raise InDIError(f"{path} is missing: it holds numbers as the paper prints them; restore it.")
    return path


def paper_table(name: str) -> pd.DataFrame:
    """Table "table1" or "table3" of the paper as printed (text), headings for `show_table`; see `printed_path`."""
    rows = pd.read_csv(printed_path(f"{name}.csv"), dtype=str, keep_default_na=False).replace("inf", "∞")
    if "printed_citation" in rows:
        rows["method"] = (rows["method"] + ", " + rows["printed_citation"]).str.removesuffix(", ")
    return rows[[c for c in rows.columns if c in _HEADS]].rename(columns=_HEADS)


def our_table(summary: pd.DataFrame, sets: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """InDI's numbers in the order of a table of the paper: column N, then a column per metric, as text; y first.

    Args:
        summary: as `evaluation.summary` gives it. sets: as `evaluation.Evaluated.sets`.
        names: metrics per image and distances between sets, as `metrics.resolve` takes them; a kernel
            distance is shown times 1000, as the paper does.
    """
    parts = [summary, sets.rename(columns={"value": "mean"})]
    found = pd.concat([part for part in parts if len(part)])
    found = found[found["sampler"].isin([INPUT, "indi"])].set_index(["steps", "metric"])
    out = []
    for steps in sorted(found.index.unique("steps")):
        row: dict[str, str] = {"N": "input y" if steps == 0 else str(steps)}
        for name in map(metrics.resolve, names):
            kernel = name.startswith("k")
            label = metric_label(name).replace(" ↓", " × 1000 ↓") if kernel else metric_label(name)
            row[label] = "not measured"
            if (steps, name) in found.index:
                numbers = found.loc[(steps, name), ["mean", "low", "high"]]
                row[label] = interval(numbers, name, times=1000 if kernel else 1)
        out.append(row)
    return pd.DataFrame(out)


def beside(paper: pd.DataFrame, ours: pd.DataFrame, ours_named: str, paper_named: str) -> pd.DataFrame:
    """Two tables with a column N, row by row, under headings of their own: never in one column."""
    left, right = (
        pd.concat({name: table.set_index("N")}, axis=1)
        for name, table in ((paper_named, paper), (ours_named, ours))
    )
    joined = left.join(right, how="outer")
    order = sorted(joined.index, key=lambda n: int(n) if n.isdigit() else 0)
    joined = joined.loc[order].fillna("–")
    joined.insert(0, ("", "N"), joined.index)
    return joined.reset_index(drop=True)


def verdicts(profile: str, task: str, chapter: str) -> list[Entry]:
    """The claims of the ledger about a task or of a chapter, judged from the tables that are there now.

    The book judges them again each time it is put together, so a chapter that shows them does not rest on them.
    """
    with results.not_counted():
        return claims.judge(profile, [c for c in claims.CLAIMS if c.task == task or c.chapter == chapter])


def not_measured(missing: Mapping[str, str]) -> str:
    """A Markdown list of what is missing and why, one line a reason."""
    reasons: dict[str, list[str]] = {}
    for name, reason in missing.items():
        reasons.setdefault(reason, []).append(metrics.describe(name).label)
    return "\n".join(f"- Not measured: {', '.join(labels)}. {why}" for why, labels in reasons.items())


def footing(ours: Recipe, images: int) -> str:
    """A sentence: on how much less than the paper's experiment the findings rest."""
    return f"What it rests on: {ledger.rests_on([{'recipe': public(ours)}], images)}."

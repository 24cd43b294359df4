"""The paper's tables beside ours, and what of its claims our rows bear out, in words.

Nothing here judges: the verdicts are those of the ledger (`indi.claims`), by its rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from indi import claims, evaluation, paths
from indi.claims import Entry, Number, Verdict
from indi.errors import InDIError
from indi.evaluation import INPUT, metrics
from indi.figures.restoration import metric_label
from indi.training import cost as plan
from indi.training.recipes import Recipe, recipe

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
    """The file of that name under results/paper/, which holds what the paper prints.

    Raises:
        InDIError: it is not there.
    """
    path = paths.results("paper") / name
    if not path.is_file():
        raise InDIError(f"{path} is missing: it holds numbers as the paper prints them; restore it.")
    return path


def paper_table(name: str) -> pd.DataFrame:
    """Table "table1" or "table3" of the paper as printed (text), headings for `show_table`.

    Raises:
        InDIError: the file is not there.
    """
    rows = pd.read_csv(printed_path(f"{name}.csv"), dtype=str, keep_default_na=False).replace("inf", "∞")
    if "printed_citation" in rows:
        rows["method"] = (rows["method"] + ", " + rows["printed_citation"]).str.removesuffix(", ")
    return rows[[c for c in rows.columns if c in _HEADS]].rename(columns=_HEADS)


def our_table(
    summary: pd.DataFrame, sets: pd.DataFrame, names: Sequence[str], sampler: str = "indi"
) -> pd.DataFrame:
    """Our numbers in the order of a table of the paper: column N, then a column per metric, as text.

    Args:
        summary: as `evaluation.summary` gives it. sets: as `evaluation.Evaluated.sets`.
        names: metrics per image and distances between sets, as `metrics.resolve` takes them; a kernel
            distance is shown times 1000, as the paper does.
        sampler: whose rows; those of the input come first.
    """
    parts = [summary, sets.rename(columns={"value": "mean"})]
    found = pd.concat([part for part in parts if len(part)])
    found = found[found["sampler"].isin([INPUT, sampler])]
    out = []
    for steps in sorted(found["steps"].unique()):
        row: dict[str, str] = {"N": "input y" if steps == 0 else str(steps)}
        for name in map(metrics.resolve, names):
            part = found[(found["steps"] == steps) & (found["metric"] == name)]
            kernel = name.startswith("k")
            label = metric_label(name).replace(" ↓", " × 1000 ↓") if kernel else metric_label(name)
            row[label] = _shown(part.iloc[0], 1000 if kernel else 1, name) if len(part) else "not measured"
        out.append(row)
    return pd.DataFrame(out)


def _shown(row: pd.Series, scale: float, name: str) -> str:
    digits = 2 if scale > 1 or metrics.describe(name).unit == "dB" or name.startswith("f") else 3
    mean, low, high = (scale * row[column] for column in ("mean", "low", "high"))
    return f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


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
    """The claims of the ledger about a task that this chapter's own tables can judge, judged from them.

    Args:
        profile: smoke, laptop, gpu or paper.
        task: its tables are `task` and those whose names begin with it.
        chapter: name of the notebook.

    Raises:
        InDIError: no such profile.
    """
    about = [claim for claim in claims.CLAIMS if claim.task == task or claim.chapter == chapter]
    own = [claim for claim in about if all(name.startswith(task) for name in claim.tables)]
    return claims.judge(profile, own)


def sentences(entries: Iterable[Entry]) -> str:
    """The entries as a Markdown list: outcome, claim, place, and the numbers that decide."""
    lines = []
    for entry in entries:
        title, place = entry.claim.title.rstrip("."), entry.claim.place
        lines.append(
            f"- **{entry.verdict.outcome.capitalize()}:** {title} ({place}). Here: {why(entry.verdict)}."
        )
    return "\n".join(lines)


def why(verdict: Verdict) -> str:
    """The reason of a verdict, where it has one, and the numbers that tell most."""
    return "; ".join(filter(None, [verdict.reason, *(number.text() for number in _telling(verdict.numbers))]))


def _telling(numbers: Sequence[Number]) -> list[Number]:
    """Of each metric, the numbers that speak least and most for the claim."""
    groups: dict[str, list[Number]] = {}
    for number in numbers:
        groups.setdefault(number.what.split(",")[0], []).append(number)
    ends = []
    for group in groups.values():
        ranked = sorted(group, key=lambda number: number.sign * number.value)
        ends += [ranked[0], ranked[-1]] if len(ranked) > 1 else ranked
    return ends


def not_measured(missing: Mapping[str, str]) -> str:
    """A Markdown list of what is missing and why, one line a reason."""
    reasons: dict[str, list[str]] = {}
    for name, reason in missing.items():
        reasons.setdefault(reason, []).append(metrics.describe(name).label)
    return "\n".join(f"- Not measured: {', '.join(labels)}. {why}" for why, labels in reasons.items())


def restores(rows: pd.DataFrame, what: str) -> str:
    """A Markdown line: whether one step has a higher PSNR than the input, over images or scenes.

    Without that, the rest says little about a method. It is no claim of the paper's.
    """
    found = evaluation.difference(rows, "psnr", ("indi", 1), (INPUT, 0))
    shown = "Shown" if found.low > 0 else "The contrary is shown" if found.high < 0 else "Not shown"
    if found.n < claims.FEWEST_IMAGES:
        shown = "Inconclusive, too few images"
    return (
        f"- **{shown}:** one step restores {what}. Here: PSNR against the input "
        f"{found.mean:+.2f} dB [{found.low:+.2f}, {found.high:+.2f}], n = {found.n}."
    )


def footing(ours: Recipe, images: int) -> str:
    """Two sentences: on how much less than the paper's experiment the findings rest."""
    theirs = recipe(ours.task, "paper")
    size, full = (plan.cost(r).parameters / 1e6 for r in (ours, theirs))
    return (
        f"All this rests on one training of {ours.steps:,} steps of a network of {size:.2f}M parameters on "
        f"{ours.data} (the paper profile: {theirs.steps:,} steps, {full:.2f}M, {theirs.data}), and on {images} "
        "images. A second training may move the numbers by more than their intervals."
    )

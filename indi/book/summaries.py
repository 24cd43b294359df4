"""What a profile found, rendered when the book is assembled: heads and feet of chapters, the intro's table.

Nothing here judges or measures: verdicts are one judgement of the ledger (`indi.claims`), passed to all of
these, numbers those of the tables. What a notebook printed about verdicts when it ran is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import nbformat
import pandas as pd

from indi import evaluation, profiles
from indi.claims import Entry
from indi.errors import InDIError
from indi.evaluation import INPUT, metrics, real_blur
from indi.figures import LOOKS, ddpm, interval, ledger, metric_label, show_table
from indi.records import results
from indi.records.results import Table

#: Task -> its chapter, in the order of the chapters.
CHAPTERS = dict(sorted(((t, profiles.TASKS[t][0]) for t in profiles.RESTORATION), key=lambda item: item[1]))

#: Chapter -> tables of restored photographs, and what was restored in each.
_RESTORED = {
    "04_jpeg": {"jpeg": "JPEG at quality 15"},
    "05_motion": {
        "motion": "made-up camera shake",
        "motion_levin": "real camera shake, outside its training",
    },
    "06_super_resolution": {"super_resolution": "what was reduced 4×"},
    "07_defocus": {
        "defocus": "made-up defocus",
        "defocus_lytro": "real defocus (against a pseudo truth)",
    },
}
_JUDGES = re.compile(r"\b(?:tables\.verdicts|claims\.judge|ddpm\.findings)\(")


def claims_of(notebook: str, entries: Sequence[Entry]) -> list[Entry]:
    """The judged claims that a chapter is about: its own, and those about its task."""
    return [
        entry
        for entry in entries
        if entry.claim.chapter == notebook or CHAPTERS.get(entry.claim.task) == notebook
    ]


def render(
    page: nbformat.NotebookNode,
    notebook: str,
    profile: str,
    entries: Sequence[Entry],
    places: Mapping[str, str] | None = None,
) -> None:
    """Put today's verdicts, in place, where the cells of an executed notebook printed those of its run.

    Args:
        page: the executed notebook.
        notebook: its name, e.g. "04_jpeg".
        profile: smoke, laptop, gpu or paper.
        entries: the whole ledger, as `claims.judge` gives it.
        places: where evidence stands in the book, for the claims' page; see `ledger.details`.
    """
    for cell in page.cells:
        if cell.cell_type != "code" or not cell.outputs:
            continue
        if "ledger.overview_text(" in cell.source:
            shown = [("text/markdown", ledger.overview_text(entries, profile))]
        elif "ledger.overview(" in cell.source:
            shown = [("text/html", ledger.overview(entries))]
        elif "ledger.details(" in cell.source:
            shown = [("text/html", ledger.details(entries, profile, places))]
        elif _JUDGES.search(cell.source):
            shown = foot(notebook, profile, entries)
        else:
            continue
        cell.outputs = [nbformat.v4.new_output("display_data", data={kind: text}) for kind, text in shown]


def foot(notebook: str, profile: str, entries: Sequence[Entry]) -> list[tuple[str, str]]:
    """What a chapter closes with, as (MIME type, text): its claims with their numbers, and what they rest on."""
    shown = []
    if notebook == "12_conditional_ddpm" and (table := _table("conditional_ddpm", profile)):
        sets = _table("conditional_ddpm_sets", profile)
        metric, count = _perception(table.rows), table.rows["image"].nunique()
        steps = ddpm.findings(table.rows, table.rows.iloc[:0] if sets is None else sets.rows, metric)
        caption = f"By {metric_label(metric)}; profile {profile}: {count} images."
        shown.append(("text/html", show_table(steps, caption).to_html()))
    lines = []
    for name, what in _RESTORED.get(notebook, {}).items():
        if table := _table(name, profile):
            # several photographs of one scene are no independent ones
            rows = table.rows if name in CHAPTERS else real_blur.by_scene(table.rows)
            lines.append(ledger.restores(rows, what))
    lines.append(ledger.sentences(claims_of(notebook, entries)))
    if sure := _how_sure(notebook, profile, entries):
        lines.append(f"\nWhat it rests on: {sure}.")
    return [*shown, ("text/markdown", "\n".join(lines))]


def in_short(notebook: str, profile: str, entries: Sequence[Entry]) -> str:
    """The box under a chapter's title, as MyST Markdown; empty where nothing was measured or claimed.

    Args:
        notebook: the chapter, e.g. "04_jpeg".
        profile: smoke, laptop, gpu or paper.
        entries: the whole ledger, as `claims.judge` gives it.
    """
    own = claims_of(notebook, entries)
    task = next((task for task, chapter in CHAPTERS.items() if chapter == notebook), None)
    said: list[str] = []
    if task:
        if (table := _table(task, profile)) is None:
            return ""
        said = _levels(table.rows, _table(f"{task}_sets", profile))
    elif notebook == "08_generation":
        said = _generation(profile)
    said += ledger.sentences(own).splitlines() if len(own) <= 2 else ledger.by_outcome(own)
    if not own:
        return ""
    if sure := _how_sure(notebook, profile, entries):
        said.append(f"- **How sure**: {sure}. Rules and numbers of the verdicts: {{doc}}`13_claims`.")
    if profile == "smoke" and notebook not in profiles.EXACT:
        said = ["**The smoke profile shows that this chapter runs, and nothing about quality.**", *said]
    return "\n".join([f":::{{admonition}} In short (profile {profile})", ":class: tip", "", *said, ":::"])


def overview(profile: str, entries: Sequence[Entry]) -> str:
    """The intro's section on what was found, as MyST Markdown: the ledger counted, and a row per task."""
    lines = [
        f"The profile of this book is `{profile}`. Of {len(entries)} claims of the paper: {ledger.counted(entries)}."
    ]
    measured = {task: table for task in CHAPTERS if (table := _table(task, profile))}
    rows = pd.DataFrame(
        {"task": f"{{doc}}`{ledger.TASKS[task]} <notebooks/{CHAPTERS[task]}>`", **_row(table.rows)}
        for task, table in measured.items()
    )
    if len(rows):
        cells = [list(rows.columns), ["---"] * len(rows.columns), *rows.to_numpy().tolist()]
        lines += ["", *(f"| {' | '.join(map(str, row))} |" for row in cells), ""]
        lines.append(
            "*N*: number of steps; *best N*: the one with the lowest LPIPS of those tried. In brackets: 95 % "
            "intervals over images, for *change* of the paired difference between best N and one step."
        )
    grid = ledger.overview(entries, "notebooks/13_claims.html")
    lines += [
        "",
        "```{raw} html",
        grid,
        "```",
        "",
        "Each mark leads to the claim, its rule, its numbers and its evidence.",
    ]
    if profile == "smoke":
        lines.append(
            "\n**Smoke numbers say nothing about quality**: they show that every part runs. "
            "The published book is built from the laptop profile (`make book`)."
        )
    return "\n".join(lines) + "\n"


def _levels(rows: pd.DataFrame, sets: Table | None) -> list[str]:
    """A task's numbers: one step, the best number of steps, distances between sets, the other samplers."""
    lpips, means = _perception(rows), _means(rows)
    most, best = int(means["indi"].index.get_level_values("steps").max()), _best(means, lpips)
    one, start = ("indi", 1), (INPUT, 0)

    def change(metric: str, a: tuple[str, int], b: tuple[str, int]) -> str:
        found = evaluation.difference(rows, metric, a, b)
        shown = interval((found.mean, found.low, found.high), metric, plus=True)
        return f"{shown} {metrics.describe(metric).unit}".strip()

    lines = [
        f"- **One step** against the degraded image: PSNR {means[*start, 'psnr']:.2f} → "
        f"{means[*one, 'psnr']:.2f} dB ({change('psnr', one, start)}), {_label(lpips)} "
        f"{means[*start, lpips]:.3f} → {means[*one, lpips]:.3f} ({change(lpips, one, start)})."
    ]
    if best != 1:
        detail = [means["indi", n, "detail_ratio"] for n in (1, best)]
        lines.append(
            f"- **{best} steps**, the best of those tried by {_label(lpips)}, against one: "
            f"PSNR {change('psnr', ('indi', best), one)}, {_label(lpips)} {change(lpips, ('indi', best), one)}; "
            f"detail ratio {detail[0]:.2f} → {detail[1]:.2f} (1 is that of the truth)."
        )
    else:
        lines.append(f"- By {_label(lpips)}, **no number of steps up to {most} is better than one**.")
    if sets is not None and len(sets.rows):
        lines.append(f"- **Distances between sets**: {_distances(sets.rows, best)}.")
    said = [
        f"{LOOKS[name].label} PSNR {change('psnr', (name, most), ('indi', most))}, "
        f"{_label(lpips)} {change(lpips, (name, most), ('indi', most))}"
        for name in ("naive", "cold_diffusion")
        if most > 1 and (name, most, "psnr") in means.index
    ]
    if said:
        lines.append(f"- **Other samplers**, {most} steps, against InDI at as many: {'; '.join(said)}.")
    return lines


def _generation(profile: str) -> list[str]:
    table = _table("generation_sets", profile)
    if table is None or table.rows.empty:
        return []
    rows = table.rows[table.rows["sampler"] == "indi"]
    best = int(rows.loc[rows[rows["metric"] == rows["metric"].iloc[0]]["value"].idxmin(), "steps"])
    return [f"- **Distances to images that were not trained on**: {_distances(table.rows, best)}, the best."]


def _distances(sets: pd.DataFrame, best: int) -> str:
    wanted = {"input": (INPUT, 0), "N = 1": ("indi", 1), f"N = {best}": ("indi", best)}
    said = []
    for metric in sets["metric"].unique():
        part = sets[sets["metric"] == metric].set_index(["sampler", "steps"])[["value", "low", "high"]]
        levels = [
            f"{interval(part.loc[key], metric)} ({name})" for name, key in wanted.items() if key in part.index
        ]
        said.append(f"{metrics.describe(metric).label} {', '.join(levels)}")
    return "; ".join(said)


def _row(rows: pd.DataFrame) -> dict[str, str]:
    """A task's row of the intro's table."""
    lpips, means = _perception(rows), _means(rows)
    best = _best(means, lpips)
    out = {"images": str(rows["image"].nunique())}
    for metric in ("psnr", lpips):
        name, digits = ("PSNR [dB]", 2) if metric == "psnr" else (_label(metric), 3)
        out[f"{name}: input"] = f"{means[INPUT, 0, metric]:.{digits}f}"
        out[f"{name}: N = 1"] = f"{means['indi', 1, metric]:.{digits}f}"
        if metric == lpips:
            out["best N"] = str(best)
        found = evaluation.difference(rows, metric, ("indi", best), ("indi", 1))
        change = interval((found.mean, found.low, found.high), metric, plus=True)
        out[f"{name}: change at best N"] = change if best != 1 else "–"
    return out


def _how_sure(notebook: str, profile: str, entries: Sequence[Entry]) -> str:
    """What the numbers of a chapter rest on; empty where nothing was trained for it, or it reads others' tables."""
    names = [name for entry in entries if entry.claim.chapter == notebook for name in entry.claim.tables]
    for table in filter(None, (_table(name, profile) for name in dict.fromkeys(names))):
        made = table.provenance
        # without the metrics' weights a table of distances has no rows
        if made.get("trainings") and made.get("notebook") == notebook and len(table.rows):
            of_sets = "image" not in table.rows
            count = int(table.rows["images"].max()) if of_sets else table.rows["image"].nunique()
            sure = ledger.rests_on(made["trainings"], count)
            return f"{sure}; **the numbers of today's code are others**" if table.stale else sure
    return ""


def _table(name: str, profile: str) -> Table | None:
    try:
        return results.load(name, profile)
    except InDIError:
        return None


def _perception(rows: pd.DataFrame) -> str:
    """LPIPS, of whichever network was measured; SSIM where none was."""
    return next((name for name in rows["metric"].unique() if name.startswith("lpips")), "ssim")


def _means(rows: pd.DataFrame) -> pd.Series:
    """Over images, by (sampler, steps, metric)."""
    return rows.groupby(["sampler", "steps", "metric"])["value"].mean()


def _best(means: pd.Series, metric: str) -> int:
    """The number of steps at which InDI's mean is the best."""
    by_steps = means.xs(("indi", metric), level=("sampler", "metric"))
    higher = metrics.describe(metric).direction == "higher"
    return int(by_steps.idxmax() if higher else by_steps.idxmin())


def _label(metric: str) -> str:
    return "LPIPS" if metric.startswith("lpips") else metrics.describe(metric).label

"""What a profile found, in a few lines computed from its stored results: heads of chapters, the intro's table.

Nothing here judges or measures: verdicts are the ledger's (`indi.claims`), numbers those of the tables.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from indi import evaluation
from indi.claims import Entry
from indi.errors import InDIError
from indi.evaluation import INPUT, metrics
from indi.evaluation.metrics import Interval
from indi.figures.tables import why
from indi.records import results
from indi.records.results import Table

#: Task -> its chapter and its name for readers.
TASKS = {
    "jpeg": ("04_jpeg", "JPEG artifacts"),
    "motion": ("05_motion", "motion blur"),
    "super_resolution": ("06_super_resolution", "4× super-resolution"),
    "defocus": ("07_defocus", "defocus"),
}
OUTCOMES = ("reproduced", "not reproduced", "inconclusive", "not tested")

_OTHERS = {"naive": "the naive sampler", "cold_diffusion": "Cold Diffusion"}


def in_short(notebook: str, profile: str, entries: Sequence[Entry]) -> str:
    """The box under a chapter's title, as MyST Markdown; empty where nothing was measured.

    Args:
        notebook: the chapter, e.g. "04_jpeg".
        profile: smoke, laptop, gpu or paper.
        entries: the whole ledger, as `claims.judge` gives it.
    """
    task = next((task for task, (chapter, _) in TASKS.items() if chapter == notebook), None)
    if task:
        said = _task(task, profile, entries)
    elif notebook == "08_generation":
        said = _generation(profile, entries)
    else:
        own = [entry for entry in entries if entry.claim.chapter == notebook]
        said = _verdicts(own)
        table = _table(own[0].claim.tables[0], profile) if own else None
        if table is not None and table.provenance.get("trainings") and "image" in table.rows:
            said.append(f"- **How sure**: {_footing(table, table.rows['image'].nunique())}.")
    if not said:
        return ""
    if profile == "smoke" and notebook not in ("01_toy_example", "02_closed_forms", "03_network"):
        said = ["**The smoke profile shows that this chapter runs, and nothing about quality.**", *said]
    return "\n".join([f":::{{admonition}} In short (profile {profile})", ":class: tip", "", *said, ":::"])


def _task(task: str, profile: str, entries: Sequence[Entry]) -> list[str]:
    table, sets = _table(task, profile), _table(f"{task}_sets", profile)
    if table is None:
        return []
    rows = table.rows
    lpips = _perception(rows)
    means = _means(rows)
    most, best = int(means["indi"].index.get_level_values("steps").max()), _best(means, lpips)

    def change(metric: str, a: tuple[str, int], b: tuple[str, int]) -> str:
        return _interval(evaluation.difference(rows, metric, a, b), metric)

    one, start = ("indi", 1), (INPUT, 0)
    lines = [
        f"- **One step** against the degraded image: PSNR {means[*start, 'psnr']:.2f} → "
        f"{means[*one, 'psnr']:.2f} dB ({change('psnr', one, start)}), {_label(lpips)} "
        f"{means[*start, lpips]:.3f} → {means[*one, lpips]:.3f} ({change(lpips, one, start)})."
    ]
    if best != 1:
        detail = [means["indi", n, "detail_ratio"] for n in (1, best)]
        lines.append(
            f"- **{best} steps**, the best of those tried by {_label(lpips)}, against one: PSNR "
            f"{change('psnr', ('indi', best), one)}, {_label(lpips)} {change(lpips, ('indi', best), one)}; "
            f"detail ratio {detail[0]:.2f} → {detail[1]:.2f} (1 is that of the truth)."
        )
    else:
        lines.append(f"- By {_label(lpips)}, **no number of steps up to {most} is better than one**.")
    if sets is not None and len(sets.rows):
        lines.append(f"- **Distances between sets**: {_distances(sets.rows, best)}.")
    others = [name for name in _OTHERS if (name, most, "psnr") in means.index]
    if others and most > 1:
        said = [
            f"{_OTHERS[name]} PSNR {change('psnr', (name, most), ('indi', most))}, "
            f"{_label(lpips)} {change(lpips, (name, most), ('indi', most))}"
            for name in others
        ]
        lines.append(f"- **Other samplers**, {most} steps, against InDI at as many: {'; '.join(said)}.")
    own = [entry for entry in entries if entry.claim.task == task]
    for outcome in OUTCOMES:
        titles = [entry.claim.title.rstrip(".") for entry in own if entry.verdict.outcome == outcome]
        if titles:
            lines.append(f"- **{outcome.capitalize()}**: {'; '.join(dict.fromkeys(titles))}.")
    lines.append(
        f"- **How sure**: {_footing(table, rows['image'].nunique())}. Rules and numbers of the verdicts: "
        "{doc}`13_claims`."
    )
    return lines


def _generation(profile: str, entries: Sequence[Entry]) -> list[str]:
    table = _table("generation_sets", profile)
    if table is None or table.rows.empty:
        return _verdicts([entry for entry in entries if entry.claim.chapter == "08_generation"])
    rows = table.rows
    own = rows[rows["sampler"] == "indi"]
    metric = str(own["metric"].iloc[0])
    own = own[own["metric"] == metric].set_index("steps")
    best = int(own["value"].idxmin())
    noise = rows[(rows["sampler"] == INPUT) & (rows["metric"] == metric)].iloc[0]
    lines = [
        f"- **{metrics.describe(metric).label}** between the samples and images that were not trained on: noise "
        f"{_level(noise)}; InDI {_level(own.loc[1])} with one step, {_level(own.loc[best])} with {best}, the best "
        "of those tried."
    ]
    lines += _verdicts([entry for entry in entries if entry.claim.chapter == "08_generation"])
    lines.append(f"- **How sure**: {_footing(table, int(own['images'].iloc[0]), 'samples')}.")
    return lines


def _verdicts(entries: Sequence[Entry]) -> list[str]:
    """A line per title: the outcome, with the number that decides where there is one claim of it."""
    lines = []
    for title in dict.fromkeys(entry.claim.title for entry in entries):
        group = [entry for entry in entries if entry.claim.title == title]
        if len(group) > 1:
            said = "; ".join(f"{_name(entry.claim.task)}: *{entry.verdict.outcome}*" for entry in group)
        else:
            because = why(group[0].verdict)
            said = f"*{group[0].verdict.outcome}*" + (f" ({because})" if because else "")
        lines.append(f"- **{title.rstrip('.')}**: {said}.")
    return lines


def _name(task: str) -> str:
    return TASKS[task][1] if task in TASKS else task.replace("_", " ") or "in all"


def _counted(entries: Sequence[Entry]) -> str:
    """ "3 reproduced, 1 not tested"."""
    counts = Counter(str(entry.verdict.outcome) for entry in entries)
    return ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES if counts[outcome])


def overview(profile: str, entries: Sequence[Entry]) -> str:
    """The intro's section on what was found, as MyST Markdown: the ledger counted, and a row per task."""
    lines = [
        f"The profile of this book is `{profile}`. Of {len(entries)} claims of the paper: {_counted(entries)}."
    ]
    rows = []
    for task, (chapter, name) in TASKS.items():
        table = _table(task, profile)
        if table is not None:
            rows.append({"task": f"{{doc}}`{name} <notebooks/{chapter}>`", **_row(table.rows)})
    if rows:
        found = pd.DataFrame(rows)
        lines += ["", _markdown(found), ""]
        lines.append(
            "*N*: number of steps; *best N*: the one with the lowest LPIPS of those tried. In brackets: 95 % "
            "intervals over images, for *change* of the paired difference between best N and one step."
        )
    lines += [
        "",
        *(f"- **{outcome.capitalize()}**: {said}." for outcome, said in _by_outcome(entries).items()),
    ]
    if profile == "smoke":
        lines.append(
            "\n**Smoke numbers say nothing about quality**: they show that every part runs. "
            "The published book is built from the laptop profile (`make book`)."
        )
    return "\n".join(lines) + "\n"


def _by_outcome(entries: Sequence[Entry]) -> dict[str, str]:
    """Outcome -> the claims that have it, each once, with its tasks."""
    said = {}
    for outcome in OUTCOMES:
        tasks: dict[str, list[str]] = {}
        for entry in entries:
            if entry.verdict.outcome == outcome:
                tasks.setdefault(entry.claim.title.rstrip("."), []).append(entry.claim.task)
        if tasks:
            said[outcome] = "; ".join(
                title + (f" ({', '.join(map(_name, named))})" if (named := list(filter(None, about))) else "")
                for title, about in tasks.items()
            )
    return said


def _row(rows: pd.DataFrame) -> dict[str, str]:
    lpips = _perception(rows)
    means = _means(rows)
    best = _best(means, lpips)

    def level(sampler: str, steps: int, metric: str) -> str:
        return f"{means[sampler, steps, metric]:.{_digits(metric)}f}"

    out = {"images": str(rows["image"].nunique())}
    for metric in ("psnr", lpips):
        unit = " [dB]" if metric == "psnr" else ""
        out[f"{_label(metric)}{unit}: input"] = level(INPUT, 0, metric)
        out[f"{_label(metric)}{unit}: N = 1"] = level("indi", 1, metric)
        if metric == lpips:
            out["best N"] = str(best)
        out[f"{_label(metric)}{unit}: change at best N"] = (
            _interval(evaluation.difference(rows, metric, ("indi", best), ("indi", 1)), metric, unit=False)
            if best != 1
            else "–"
        )
    return out


def _markdown(rows: pd.DataFrame) -> str:
    head = f"| {' | '.join(rows.columns)} |"
    rule = f"|{'---|' * len(rows.columns)}"
    return "\n".join(
        [head, rule, *(f"| {' | '.join(map(str, row))} |" for row in rows.itertuples(index=False))]
    )


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


def _digits(metric: str) -> int:
    return 2 if metrics.describe(metric).unit == "dB" else 3


def _interval(found: Interval, metric: str, unit: bool = True) -> str:
    digits, name = _digits(metric), metrics.describe(metric).unit
    shown = f"{found.mean:+.{digits}f} [{found.low:+.{digits}f}, {found.high:+.{digits}f}]"
    return f"{shown} {name}" if unit and name else shown


def _level(row: pd.Series) -> str:
    return f"{row['value']:.3g} [{row['low']:.3g}, {row['high']:.3g}]"


def _distances(sets: pd.DataFrame, best: int) -> str:
    said = []
    for metric in sets["metric"].unique():
        part = sets[sets["metric"] == metric].set_index(["sampler", "steps"])
        wanted = {"input": (INPUT, 0), "N = 1": ("indi", 1), f"N = {best}": ("indi", best)}
        said.append(
            f"{metrics.describe(metric).label} "
            + ", ".join(
                f"{_level(part.loc[key])} ({name})" for name, key in wanted.items() if key in part.index
            )
        )
    return "; ".join(said)


def _footing(table: Table, count: int, what: str = "images") -> str:
    trainings = table.provenance.get("trainings", [])
    if not trainings:
        return f"n = {count} {what}"
    recipe = trainings[0]["recipe"]
    stale = "; **the numbers of today's code are others**" if table.stale else ""
    each = "one training" if len(trainings) == 1 else f"{len(trainings)} trainings, each"
    return (
        f"{count} {what}; brackets are 95 % intervals over {what}; {each} of {recipe['steps']:,} steps, "
        f"{recipe['channels']} channels wide, on {recipe['data']}, so that another seed may move the numbers by "
        f"more{stale}"
    )

"""What the box under a chapter's title says: two or three plain sentences for each chapter, computed from its tables.

Nothing here judges. Numbers have two significant digits; the tables, which each box links, have all of them and
their intervals.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pandas as pd

from indi import claims, evaluation, profiles
from indi.claims import robust
from indi.claims.evidence import MARGINS, Measured, NotTested, collect
from indi.claims.steps import curve
from indi.claims.trainings import unfair
from indi.errors import InDIError
from indi.evaluation import INPUT, metrics, real_blur
from indi.evaluation.metrics.intervals import FEWEST_IMAGES
from indi.figures import LOOKS, SAMPLER_LABELS, beyond, capital, perception
from indi.records import results
from indi.records.results import Table
from indi.training.recipes import PAPER

_SAMPLERS = {"naive": "the naive sampler", "cold_diffusion": "Cold Diffusion"}
#: Chapter -> photographs that were really blurred, and what by.
_REAL = {"05_motion": ("motion_levin", "real camera shake"), "07_defocus": ("defocus_lytro", "real defocus")}


def sentences(notebook: str, profile: str) -> list[str]:
    """What a chapter, e.g. "04_jpeg", found, in at most three sentences; empty where its table is missing or empty."""
    table = load(TABLES.get(notebook, ("",))[0], profile)
    if table is None or table.rows.empty:
        return []
    if notebook in _SAY:
        return _SAY[notebook][0](table.rows, profile)
    return _restored(table.rows, profile, notebook)


def load(name: str, profile: str) -> Table | None:
    """A stored table; None where there is none."""
    try:
        return results.load(name, profile)
    except InDIError:
        return None


def means(rows: pd.DataFrame) -> pd.Series:
    """Over images, by (sampler, steps, metric)."""
    return rows.groupby(["sampler", "steps", "metric"])["value"].mean()


def best_steps(levels: pd.Series, metric: str, sampler: str = "indi") -> int:
    """The number of steps at which a sampler's mean is the best."""
    by_steps = levels.xs((sampler, metric), level=("sampler", "metric"))
    return int(by_steps.idxmax() if _higher(metric) else by_steps.idxmin())


def label(metric: str) -> str:
    """A metric's name in a sentence: LPIPS without its network."""
    return "LPIPS" if metric.startswith("lpips") else metrics.describe(metric).label


def two(value: float) -> str:
    """Two significant digits, never as a power of ten: 730, 27, 1.1, 0.0015."""
    if not value or not math.isfinite(value):
        return f"{value:g}"
    digits = 1 - math.floor(math.log10(abs(value)))
    return f"{round(value, digits):.{max(0, digits)}f}"


def _higher(metric: str) -> bool:
    return metrics.describe(metric).direction == "higher"


def _way(metric: str) -> str:
    return "higher is better" if _higher(metric) else "lower is better"


def _moved(change: float) -> str:
    """ "rises by 1.1 dB"."""
    return f"{'rises' if change > 0 else 'falls'} by {two(abs(change))} dB" if change else "stays the same"


def _restored(rows: pd.DataFrame, profile: str, notebook: str) -> list[str]:
    """Of a task: one step, the best number of steps, and what speaks against it."""
    lpips, mean = perception(rows), means(rows)
    best, most = best_steps(mean, lpips), int(mean["indi"].index.get_level_values("steps").max())
    gain = mean["indi", 1, "psnr"] - mean[INPUT, 0, "psnr"]
    said = [f"With one step, PSNR {_moved(gain)} against the degraded image."]
    if best == 1:
        said.append(f"By {label(lpips)}, no number of steps up to {most} is better than one.")
    else:
        change = mean["indi", best, "psnr"] - mean["indi", 1, "psnr"]
        levels = [two(mean["indi", n, lpips]) for n in (1, best)]
        said.append(
            f"With {best} steps, the best number by {label(lpips)}, PSNR {_moved(change)} against one step, "
            f"and {label(lpips)} goes from {levels[0]} to {levels[1]} ({_way(lpips)})."
        )
    found = against(rows, best, notebook, profile)
    return [*said, *([f"But {', and '.join(found)}."] if found else _samplers(mean, most))]


def against(rows: pd.DataFrame, best: int, notebook: str, profile: str) -> list[str]:
    """What gets worse from one step to the best number, and photographs that one step does not restore.

    Returns:
        Parts of a sentence; none where nothing speaks against it.
    """
    if best == 1:
        return _on_real_photographs(notebook, profile, best)
    said = _worse_between(rows, best)
    for metric in rows["metric"].unique():
        direction = metrics.describe(metric).direction
        if metric in ("psnr", "ssim", "psnr_y", "ssim_y", "detail_ratio") or metric.startswith("lpips"):
            continue
        part = rows[rows["metric"] == metric]
        losses = part.assign(value=beyond.loss_score(metric)(part["value"]))
        if evaluation.difference(losses, metric, ("indi", best), ("indi", 1)).low > 0:
            one, many = (two(means(part)["indi", n, metric]) for n in (1, best))
            way = "1 is right" if direction == "none" else _way(metric)
            said.append(f"{metrics.describe(metric).label} gets worse, from {one} to {many} ({way})")
    sets = load(f"{TABLES[notebook][0]}_sets", profile)
    if sets and len(sets.rows):
        metric = sets.rows["metric"].iloc[0]
        one, many = (means(sets.rows)["indi", n, metric] for n in (1, best))
        if many > one:
            grows = f"from {two(one)} to {two(many)}"
            said.append(f"the distance {label(metric)} to the set of clean images grows, {grows}")
    return said + _on_real_photographs(notebook, profile, best)


def _listed(words: list[str]) -> str:
    """ "2, 3 or 5"."""
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _worse_between(rows: pd.DataFrame, best: int) -> list[str]:
    """Which numbers of steps between one and the best score worse than one step."""
    metric = perception(rows)
    losses = rows.assign(value=beyond.loss_score(metric)(rows["value"]))
    tried = sorted(n for n in rows.loc[rows["sampler"] == "indi", "steps"].unique() if 1 < n < best)
    worse = [str(n) for n in tried if evaluation.difference(losses, metric, ("indi", n), ("indi", 1)).low > 0]
    return [f"with {_listed(worse)} steps {label(metric)} is worse than with one"] if worse else []


def _on_real_photographs(notebook: str, profile: str, best: int) -> list[str]:
    """Whether one step, or the best number, makes photographs worse that were really blurred."""
    name, what = _REAL.get(notebook, ("", ""))
    real = load(name, profile)
    if real is None:
        return []
    scenes = real_blur.by_scene(real.rows)
    mean, lpips, count = means(scenes), perception(scenes), scenes["image"].nunique()
    where = f"on {count} scenes with {what}"
    gain = mean["indi", 1, "psnr"] - mean[INPUT, 0, "psnr"]
    if gain < 0:
        few = " (too few to decide anything)" if count < FEWEST_IMAGES else ""
        return [f"{where} one step lowers PSNR by {two(-gain)} dB{few}"]
    if ("indi", best, lpips) in mean.index:
        y, found = mean[INPUT, 0, lpips], mean["indi", best, lpips]
        if (found < y) if _higher(lpips) else (found > y):
            to = f"from {two(y)} to {two(found)}"
            return [f"{where} {best} steps bring {label(lpips)} {to}, worse than the input"]
    return []


def _samplers(mean: pd.Series, most: int) -> list[str]:
    said = [
        f"{called} has {two(abs(gap))} dB {'less' if gap < 0 else 'more'} PSNR"
        for name, called in _SAMPLERS.items()
        if most > 1 and (name, most, "psnr") in mean.index
        for gap in [mean[name, most, "psnr"] - mean["indi", most, "psnr"]]
    ]
    return [f"With {most} steps, {' and '.join(said)} than InDI."] if said else []


def _toy(rows: pd.DataFrame, profile: str) -> list[str]:
    most = int(rows["steps"].max())
    share = rows.set_index(["case", "sampler", "steps"])["fraction"]
    lines = []
    for case in rows["case"].unique():
        at = {name: f"{share[case, name, most]:.0%}" for name in SAMPLER_LABELS}
        lines.append(
            f"In case {case.partition(' ')[0]}, {share[case, 'indi', 1]:.0%} of the points are at a mode after one "
            f"step; after {most} steps it is {at['indi']} for InDI, {at['naive']} for naive and "
            f"{at['cold_diffusion']} for Cold Diffusion."
        )
    return lines


def _gains(rows: pd.DataFrame, profile: str) -> list[str]:
    most = int(rows["steps"].max())
    equal = rows[(rows["s"] == rows["sigma"]) & (rows["steps"] == most)].set_index("sampler")
    gain = equal["gain"].map(two)
    lines = [
        "When signal and noise are equally strong, the right variance needs the gain "
        f"{two(equal.loc['indi', 'limit'])}; after {most} steps InDI has {gain['indi']}, naive {gain['naive']} and "
        f"Cold Diffusion {gain['cold_diffusion']}."
    ]
    if lost := load("deterministic", profile):
        part = lost.rows
        end = int(part["steps"].max())
        variance = part.set_index(["eps", "steps"])["variance"]
        lines.append(
            f"A coordinate that is lost without noise should have the variance 1: after {end} steps InDI gives it "
            f"{two(variance[0.0, end])} with ε = 0 and {two(variance[0.06, end])} with ε = 0.06."
        )
    return lines


def _identities(rows: pd.DataFrame, profile: str) -> list[str]:
    lines = [
        f"All {len(rows)} identities of the samplers were computed for a random network; the largest error is "
        f"{rows['largest difference'].max():.0e}."
    ]
    if errata := load("errata", profile):
        lines.append(
            f"{errata.rows['number'].nunique()} errata have a number that tells the printed form from the correct one."
        )
    return lines


def _sizes(rows: pd.DataFrame, profile: str) -> list[str]:
    return [
        f"One topology gives the number of parameters of {rows['agrees'].sum()} of the {len(rows)} networks "
        "of Table 2, to the last printed digit."
    ]


def _generated(rows: pd.DataFrame, profile: str) -> list[str]:
    metric, level = rows["metric"].iloc[0], means(rows)
    best = best_steps(level, metric)
    many, one, start = (two(level[key][metric]) for key in (("indi", best), ("indi", 1), (INPUT, 0)))
    lines = [
        f"By {label(metric)} ({_way(metric)}), InDI generates best with {best} steps: {many}, against {one} with one "
        f"step and {start} for the noise itself."
    ]
    others = [
        f"{LOOKS[name].label} {two(level[name, n, metric])} (N = {n})"
        for name in ("naive", "cold_diffusion")
        if name in set(rows["sampler"])
        for n in [best_steps(level, metric, name)]
    ]
    return [*lines, f"The other samplers at their best: {', '.join(others)}."] if others else lines


def _compared(rows: pd.DataFrame, profile: str) -> list[str]:
    """Chapter 9: the other samplers against InDI, all with the most steps, over the tasks that have so many."""
    most, lines = int(rows["steps"].max()), []
    tables = [table.rows for task in profiles.RESTORATION if (table := load(task, profile))]
    for name, called in _SAMPLERS.items():
        psnr, better = [], 0
        for table in tables:
            mean, metric = means(table), perception(table)
            if (name, most, "psnr") not in mean.index:
                continue
            gap = {m: mean[name, most, m] - mean["indi", most, m] for m in ("psnr", metric)}
            psnr.append(gap["psnr"])
            better += (gap[metric] > 0) == _higher(metric) and gap[metric] != 0
        if psnr:
            ends = sorted(psnr, key=abs)
            side = "below" if max(psnr) < 0 else "above" if min(psnr) > 0 else "below or above"
            lines.append(
                f"With {most} steps, the PSNR of {called} is {two(abs(ends[0]))} to {two(abs(ends[-1]))} dB "
                f"{side} InDI's, and its mean LPIPS is better in {better} of {len(psnr)} tasks."
            )
    return lines


def _by_setting(
    rows: pd.DataFrame, name: Callable[[pd.Series], str]
) -> tuple[str, dict[str, tuple[float, int]]]:
    """The perceptual metric, and setting -> (mean at its own best N, that N), the best first."""
    metric = perception(rows)
    part = rows[(rows["metric"] == metric) & (rows["sampler"] == "indi")]
    level = part.assign(setting=part.apply(name, axis=1)).groupby(["setting", "steps"])["value"].mean()
    found: dict[str, tuple[float, int]] = {}
    for (setting, steps), value in level.sort_values(ascending=not _higher(metric), kind="stable").items():
        found.setdefault(setting, (value, steps))
    return metric, found


def _times(rows: pd.DataFrame, profile: str) -> list[str]:
    metric, found = _by_setting(rows, lambda row: f"`{row['p_t']}`")
    best, worst, uniform = next(iter(found)), list(found)[-1], "`linear_0`"
    gap = abs(found[best][0] - found[worst][0])
    said = (
        f"By mean {label(metric)}, each at its own best N, {best} is the best p(t). It is {two(gap)} better "
        f"than {worst}, the worst"
    )
    if uniform in found and uniform not in (best, worst):
        said += f", and {two(abs(found[best][0] - found[uniform][0]))} better than the uniform one"
    return [f"{said}."]


def _noises(rows: pd.DataFrame, profile: str) -> list[str]:
    def setting(row: pd.Series) -> str:
        return f"ε = {row['eps']:g}" + (f", {row['schedule']}" if row["eps"] else "")

    metric, found = _by_setting(rows, setting)
    best = next(iter(found))
    (least, at), (top, steps) = found["ε = 0"], found[best]
    lines = [
        f"Without noise the best mean {label(metric)} is {two(least)}, at N = {at}. The best of all is "
        f"{two(top)}, with {best}, at N = {steps} ({_way(metric)})."
    ]
    mean = rows.groupby(["eps", "schedule", "steps", "metric"])["value"].mean()
    most, levels = int(rows["steps"].max()), rows.loc[rows["schedule"] == "brownian", "eps"]
    if len(levels):
        eps = float(levels.max())
        gaps = {m: mean[eps, "brownian", most, m] - mean[eps, "constant", most, m] for m in ("psnr", metric)}
        side = {m: "above" if gap > 0 else "below" for m, gap in gaps.items()}
        lines.append(
            f"At ε = {eps:g} and N = {most}, the PSNR of Brownian noise is {two(abs(gaps['psnr']))} dB {side['psnr']} "
            f"that of constant noise, and its {label(metric)} {two(abs(gaps[metric]))} {side[metric]}."
        )
    return lines


def _ddpm(rows: pd.DataFrame, profile: str) -> list[str]:
    metric = perception(rows)
    mean = rows.groupby(["sampler", "metric", "schedule", "steps"])["value"].mean()
    level = {name: two(mean[name, metric].min()) for name in ("indi", "ddpm", INPUT)}
    steps = {name: mean[name, metric].idxmin()[1] for name in ("indi", "ddpm")}  # of (schedule, N)
    lines = [
        f"The best mean {label(metric)} of InDI is {level['indi']}, at N = {steps['indi']}; that of the "
        "conditional DDPM is "
        f"{level['ddpm']}, at N = {steps['ddpm']}; the input has {level[INPUT]} (lower is better)."
    ]
    try:
        reasons = unfair(collect(profile, ("conditional_ddpm",)))
    except NotTested:
        return lines
    if reasons:
        why = "; ".join(reasons)
        lines.append(
            f"But the DDPM is not a fair baseline here ({why}), so its number of steps decides nothing."
        )
    return lines


def _alternatives(found: pd.DataFrame, profile: str) -> list[str]:
    """Chapter 14: the largest gain in LPIPS over InDI at as many calls; the losses at one step."""
    metric = perception(found)
    several = found[(found["metric"] == metric) & (found["calls"] > 1) & (found["verdict"] != "same")]
    gain = several["mean"] * (1 if _higher(metric) else -1)
    top = several.loc[gain.idxmax()]
    name, margin = beyond.METHODS[str(top["method"])].label, MARGINS.get(metric, 0.0)
    most = f"by more than {two(gain.max())} ({name}, {top['calls']} calls)" if gain.max() > 0 else "at all"
    lines = [
        "At equal numbers of calls, two or more, no other step schedule, solver or loss improves InDI's mean "
        f"{label(metric)} {most}; the claims count a change only from {margin:g} on."
    ]
    one = found[(found["method"] == "squared") & (found["calls"] == 1) & (found["metric"] == "psnr")]
    if len(one) and one["high"].iloc[0] < 0:
        lines.append(
            f"With one step the squared loss has {two(-one['mean'].iloc[0])} dB less PSNR than the absolute loss, "
            "although it trains for PSNR: both trainings were too short to compare the losses."
            f"{_at_equal_psnr('squared', 'the squared loss', metric, profile)}"
        )
    return lines


def _at_equal_psnr(method: str, name: str, metric: str, profile: str) -> str:
    """A sentence, with a blank before it: how far a method of chapter 14 lies above InDI; "" where not known."""
    if (table := load("beyond", profile)) is None:
        return ""
    found = Measured(table.rows)
    try:
        gap = found.gap(metric, curve(found, method), curve(found, "indi"), "")
    except NotTested:
        return ""
    side = "above" if gap.value > 0 else "below"
    bounds = f"[{two(gap.low)}, {two(gap.high)}]"
    return (
        f" At equal PSNR, the {label(metric)} of {name} lies {two(abs(gap.value))} {side} that of the absolute loss "
        f"(difference {bounds}; {_way(metric)})."
    )


def _choices(rows: pd.DataFrame, profile: str) -> list[str]:
    """Chapter 15: which alternatives are better or worse than the choice of this book, by paired intervals."""
    metric, most = perception(rows), int(rows["steps"].max())
    part = rows[(rows["metric"] == metric) & (rows["steps"] == most) & (rows["sampler"] == "indi")]
    wide = part.pivot_table(index="image", columns="choice", values="value")
    said: dict[str, list[str]] = {"better": [], "worse": [], "not told apart": []}
    for choice in [name for name in wide if name != "as chosen"]:
        found = metrics.paired_difference(wide[choice], wide["as chosen"])
        low, high = (found.low, found.high) if _higher(metric) else (-found.high, -found.low)
        word = "better" if low > 0 else "worse" if high < 0 else "not told apart"
        said[word].append(f"*{choice}* ({found.mean:+.2g})")
    better, worse, open_ = (len(names) or "none" for names in said.values())
    listed = "; ".join(f"{word}: {', '.join(names)}" for word, names in said.items() if names)
    return [
        f"Of {sum(map(len, said.values()))} other choices, {label(metric)} at N = {most} is better with {better}, "
        f"worse with {worse} and not told apart from the choice of this book with {open_}.",
        f"{capital(listed)} ({_way(metric)}).",
    ]


def _robust(verdicts: pd.DataFrame, profile: str) -> list[str]:
    """Chapter 16: on how many tasks each sampler passed both rules, and what explains the fall."""
    rules = [column for column in verdicts if column.startswith("(")]
    if verdicts[rules].apply(lambda column: column.str.startswith("not judged")).to_numpy().all():
        return []
    passed = verdicts[rules].apply(lambda column: column.str.startswith("holds")).all(axis=1)
    tasks = verdicts["task"].nunique()
    count = passed.groupby(verdicts["method"], sort=False).sum()
    whole = [str(method) for method, n in count.items() if n == tasks]
    others = [f"by {method} on {n}" for method, n in count.items() if n < tasks]
    tried = load("robust_quality", profile)
    up_to = f" up to {tried.rows['steps'].max()} steps" if tried else ""
    kept = verdicts.loc[verdicts["method"] == "InDI", rules[0]].str.partition(" ")[0].value_counts()
    rest = ", ".join(f"{kept[word]} {said}" for word, said in _LEFT.items() if word in kept)
    passing = " and ".join(whole).replace("anchored", "our sampler anchored")
    both = "Both rules of chapter 16 (quality lasts; half the calls of InDI's best N are enough) are"
    passed_by = (
        f"{both} passed by {passing} on all {tasks} tasks{''.join(f', {one}' for one in others)}"
        if whole
        else f"{both} shown for no sampler on all {tasks} tasks ({', '.join(others)}), so InDI stays the default"
    )
    return [
        f"InDI keeps its quality{up_to} on {kept.get('holds', 0)} of {tasks} tasks{f' ({rest})' if rest else ''}.",
        f"{passed_by}{_generation_falls(['InDI', *whole], profile)}.",
        *_own_states(profile),
    ]


#: What chapter 16 says of a rule that does not hold, for a bracket.
_LEFT = {"open": "open", "fails": "lost", "not": "not tested"}


def _generation_falls(samplers: Sequence[str], profile: str) -> str:
    """The end of a sentence: which of them, as far as there is a claim, lose quality in generation by rule (d)."""
    if (table := load("robust_generation", profile)) is None:
        return ""
    wanted = {"keeps-generating": "InDI", "anchored-keeps-generating": "anchored"}
    entries = claims.judge(profile, [c for c in robust.CLAIMS if wanted.get(c.id) in samplers])
    ways = {"reproduced": ("keeps", "keep"), "not reproduced": ("does not keep", "do not keep")}
    steps, said = table.rows["steps"].max(), []
    for outcome, (one, several) in ways.items():
        names = [wanted[entry.claim.id] for entry in entries if entry.verdict.outcome == outcome]
        verb = f"{one} its" if len(names) == 1 else f"{several} their"
        said += [f"{' and '.join(names)} {verb} best Fréchet distance up to {steps} steps"] if names else []
    return f"; in generation, {'; '.join(said)}" if said else ""


def _own_states(profile: str) -> list[str]:
    """What explains the fall: near t = 0, blocks of F for JPEG and power of the state for 4x super-resolution."""
    if (table := load("robust_states", profile)) is None:
        return []
    rows = table.rows[table.rows["t"] == table.rows["t"].min()]
    mean = rows.groupby(["task", "quantity", "octave", "steps"])[["forward", "own"]].mean()
    few, many = int(rows["steps"].min()), int(rows["steps"].max())
    blocks = mean.loc["jpeg", "blocks of F", -1, many]
    power = mean.loc["super_resolution", "power of x_t", 0]
    left = [f"{power['own'][n] / power['forward'][n]:.0%}" for n in (few, many)]
    return [
        f"Near the end (t = {rows['t'].iloc[0]:g}), the predictions for JPEG have a blockiness of {blocks['own']:.2f} "
        f"on the sampler's own states and of {blocks['forward']:.2f} on states as in training (1 is right); for 4× "
        f"super-resolution the own state has {left[0]} of the right power in the top octave after {few} steps, and "
        f"{left[1]} after {many}."
    ]


def _scaled(effects: pd.DataFrame, profile: str) -> list[str]:
    """Chapter 17: on how many tasks three effects stand at the longest training, and how many move with its length."""
    longest = effects.loc[effects.groupby(["task", "effect"])["budget"].idxmax()]
    said = []
    for name, words in (
        ("several", "several steps have a better LPIPS than one"),
        ("cost", "one step has the better PSNR"),
        ("detail", "more steps have more fine detail"),
    ):
        part = longest[longest["effect"] == name]
        if len(part):
            said.append(f"{words} on {(part['low'] > 0).sum()} of {len(part)} tasks")
    steps = f"{longest['budget'].max():,}"
    answer = [f"After the longest training ({steps} steps), {'; '.join(said)}."] if said else []
    fits = load("scale_fits", profile)
    if fits is None or fits.rows.empty:
        return answer
    times = min(
        PAPER[row.task].batch_size * PAPER[row.task].steps / row.crops for row in longest.itertuples()
    )
    moving = ((fits.rows["slope_low"] > 0) | (fits.rows["slope_high"] < 0)).sum()
    same = ""
    if table := load("scale_verdicts", profile):
        marks = table.rows.drop(columns="claim").map(lambda cell: str(cell).partition(" ")[0])
        change = marks.nunique(axis=1) > 1
        names = [name.replace(": ", " (") + ")" for name in table.rows.loc[change, "claim"]]
        listed = f" (not: {', '.join(names)})" if names else ""
        same = f", and {(~change).sum()} of {len(change)} verdicts are the same at every length{listed}"
    return [
        *answer,
        f"Of {len(fits.rows)} effects, {moving} change with the length of the training by more than their interval"
        f"{same}.",
        f"The paper trains on at least {two(times)} times as many crops: our lines say nothing certain about it.",
    ]


#: Chapter -> what says its sentences, and the tables that they rest on, of which the first has to be there.
_SAY: dict[str, tuple[Callable[[pd.DataFrame, str], list[str]], tuple[str, ...]]] = {
    "01_toy_example": (_toy, ("toy",)),
    "02_closed_forms": (_gains, ("gaussian_gains", "deterministic")),
    "02b_checks": (_identities, ("identities", "errata")),
    "03_network": (_sizes, ("network",)),
    "08_generation": (_generated, ("generation_sets",)),
    "09_samplers": (_compared, profiles.RESTORATION),
    "10_time_distribution": (_times, ("time_distribution",)),
    "11_noise": (_noises, ("noise",)),
    "12_conditional_ddpm": (_ddpm, ("conditional_ddpm",)),
    "14_beyond": (_alternatives, ("beyond_comparisons", "beyond")),
    "15_open_choices": (_choices, ("open_choices",)),
    "16_why_quality_falls": (
        _robust,
        ("robust_verdicts", "robust_quality", "robust_generation"),
    ),
    "17_scale": (_scaled, ("scale_effects", "scale_fits")),
}
#: Chapter -> the tables that its box links.
TABLES = {task.chapter: (name,) for name, task in profiles.TASKS.items()} | {
    chapter: tables for chapter, (_, tables) in _SAY.items()
}

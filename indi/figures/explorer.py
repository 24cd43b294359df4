"""The step explorer of the book: restorations of a few evaluation images, and the page that shows them.

`make` restores the images once more and stores pictures and numbers as a result; `pages` puts them into the
book. The page's script is book/_static/explorer.js.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from indi import evaluation, figures, paths, training
from indi.data import datasets
from indi.errors import InDIError, unknown
from indi.evaluation import metrics, protocols
from indi.files import writable
from indi.records import provenance, results
from indi.training import recipes

#: Task -> its chapter.
CHAPTERS = {
    "jpeg": "04_jpeg",
    "motion": "05_motion",
    "super_resolution": "06_super_resolution",
    "defocus": "07_defocus",
}

#: The task shown on the front page.
FRONT = "motion"

#: The naive sampler runs away: its curve stops at this many steps, and the page says so.
NAIVE_UP_TO = 20

#: Side of the square that is shown, pixels; a larger crop is cut to its middle.
SIDE = 192

#: WebP, lossy: at 90 a picture differs from what was measured by 39 dB or more, and takes some 9 kB.
QUALITY = 90

#: A restoration is the one that was measured if its PSNR is the stored one to this many dB.
TOLERANCE = 0.005

#: Columns of the strip that stands in where there is no JavaScript.
STRIP = (1, 5, 20)

_BASE = ("indi", 1)


def folder(task: str, profile: str) -> Path:
    """Where the explorer of a task is stored: results/<profile>/explorer/<task>/."""
    return paths.results(profile) / "explorer" / task


def make(task: str, profile: str) -> Path:
    """Restore the telling images of a task's evaluation once more; store pictures, numbers and provenance.

    The images are chosen from the stored table by `choose`, restored by the trained or shipped model in the
    batches that they were measured in, and every number is that of the table. The folder is replaced as a
    whole.

    Returns:
        The record, results/<profile>/explorer/<task>/explorer.json.

    Raises:
        InDIError: no such task, no table or one that is stale, no model or another one than the table's, or a
            picture whose PSNR is not the stored one.
    """
    if task not in CHAPTERS:
        raise unknown("task", task, CHAPTERS)
    table = results.load(task, profile)
    rerun = f"run its chapter first: indi run notebooks/{CHAPTERS[task]}.ipynb --profile {profile}"
    if table.stale:
        raise InDIError(f"the table {task} of {profile} is stale ({', '.join(table.changes)}): {rerun}.")
    recipe = recipes.recipe(task, profile)
    trained = training.load(recipe)
    if trained.checkpoint not in [one["checkpoint"] for one in table.provenance["trainings"]]:
        raise InDIError(
            f"the table {task} of {profile} is that of other weights than {trained.folder}: {rerun}."
        )
    rows = table.rows
    names = _shown(rows)
    choices = choose(rows, names[1])
    counts = tuple(sorted(int(n) for n in rows.loc[rows["sampler"] == "indi", "steps"].unique()))
    settings = protocols.evaluation(
        task, profile, step_counts=counts, images=rows["image"].nunique(), seed=table.provenance["seed"]
    )
    images = datasets.load(settings.data, "evaluate")
    if images.hash != table.provenance["data"]:
        raise InDIError(
            f"the images of {images.name} are not those of the table {task} of {profile}: {rerun}."
        )
    chosen = [choice["image"] for choice in choices]
    restored = evaluation.evaluate(
        trained.F,
        images,
        recipes.degradation_of(recipe),
        settings,
        eps=recipe.eps,
        schedule=recipe.schedule,
        samplers=[name for name in figures.SAMPLER_LABELS if name in set(rows["sampler"])],
        metric_names=("psnr",),
        keep=chosen,
        only=chosen,
    )
    difference = _check(restored.rows[restored.rows["image"].isin(chosen)], rows, task, profile)
    target = folder(task, profile)
    new = writable(target.parent / f".{task}.partial")
    try:
        files, encoded = _write_pictures(restored.kept, chosen, new)
        record = {
            "task": task,
            "profile": profile,
            "table": {"name": task, "sha256": table.provenance["sha256"]},
            "set": images.name,
            "images": int(rows["image"].nunique()),
            "crop": settings.crop,
            "steps": counts,
            "metrics": [_metric(name) for name in names],
            "choices": [
                {**choice, "values": _values(rows, choice["image"], names), "files": files[choice["image"]]}
                for choice in choices
            ],
            "curve": _curve(rows, names),
            "checked": {
                "what": "PSNR of every picture against its row of the table, before encoding, dB",
                "pictures": len(restored.kept) - 2 * len(chosen),
                "largest_difference": difference,
            },
            "encoding": {"format": "WebP", "quality": QUALITY, "lowest_psnr": encoded},
            "seed": settings.seed,
            "data": images.hash,
            "trainings": [trained.record()],
            **provenance.collect(),
        }
        (new / "explorer.json").write_text(json.dumps(record, indent=1, default=str) + "\n", encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        new.rename(target)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return target / "explorer.json"


def choose(rows: pd.DataFrame, perception: str) -> list[dict[str, str]]:
    """The images to show, by rules that were fixed before the pictures were seen.

    The largest, the median and the smallest gain in `perception` of InDI's best N over one step, the best N
    being that of the mean over images; then the largest loss of PSNR from one to the most steps, and the
    image where as many naive steps are worst against InDI. An image that is taken already gives way to the
    next; of fewer than five images each is shown once.

    Args:
        rows: as `evaluation.evaluate` gives them, with "psnr" and `perception`.

    Returns:
        For each image its name, a `title` and the rule, `why`, in words.
    """
    sign = -1.0 if metrics.describe(perception).direction == "lower" else 1.0
    wide = rows.pivot_table(index="image", columns=["metric", "sampler", "steps"], values="value")
    better = sign * wide[perception]
    indi = better["indi"]
    best = int(indi.drop(columns=1).mean().idxmax()) if indi.shape[1] > 1 else 1
    last = int(indi.columns.max())
    label = metrics.describe(perception).label
    gain = (indi[best] - indi[1]).sort_values(ascending=False, kind="stable")
    count = len(gain)
    middle = list(gain.index[np.argsort(np.abs(np.arange(count) - (count - 1) / 2), kind="stable")])
    loss = (wide["psnr", "indi", last] - wide["psnr", "indi", 1]).sort_values(kind="stable")
    rules = [
        (list(gain.index), "Steps help most", f"the largest gain in {label} from N = 1 to {best}"),
        (middle, "A typical image", f"the median gain in {label} from N = 1 to {best}"),
        (list(gain.index[::-1]), "Steps help least", f"the smallest gain in {label} from N = 1 to {best}"),
        (list(loss.index), "Most PSNR lost", f"the largest loss of PSNR from N = 1 to {last}"),
    ]
    if "naive" in better.columns.get_level_values(0):
        worse = (better["naive"][last] - indi[last]).sort_values(kind="stable")
        why = f"the naive sampler's {label} furthest behind InDI's at N = {last}"
        rules.append((list(worse.index), "Naive fails most", why))
    chosen: list[dict[str, str]] = []
    for order, title, why in rules:
        free = [str(name) for name in order if str(name) not in [c["image"] for c in chosen]]
        if free:
            chosen.append({"image": free[0], "title": title, "why": f"of {count} images, {why}"})
    return chosen


def _shown(rows: pd.DataFrame) -> list[str]:
    """Distortion and perception first, then what else of interest was measured."""
    there = list(dict.fromkeys(rows["metric"]))
    perception = next((name for name in there if name.startswith("lpips")), "ssim")
    return ["psnr", perception, *(name for name in ("blockiness", "detail_ratio") if name in there)]


def _metric(name: str) -> dict[str, Any]:
    metric = metrics.describe(name)
    return {
        "name": name,
        "label": metric.label,
        "unit": metric.unit,
        "direction": metric.direction,
        "digits": 2 if metric.unit == "dB" or metric.direction == "none" else 3,
    }


def _key(sampler: str, steps: int) -> str:
    return f"{sampler} {steps}"


def _values(rows: pd.DataFrame, image: str, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Per "sampler N": metric -> the table's value of one image."""
    mine = rows[(rows["image"].astype(str) == image) & rows["metric"].isin(names)]
    out: dict[str, dict[str, float]] = {}
    for row in mine.itertuples():
        out.setdefault(_key(str(row.sampler), int(row.steps)), {})[str(row.metric)] = float(row.value)
    return out


def _curve(rows: pd.DataFrame, names: Sequence[str]) -> list[dict[str, Any]]:
    """A point per sampler and N: mean, low, high of each metric, as `evaluation.changes` gives them."""
    points: dict[tuple[str, int], dict[str, Any]] = {}
    for row in evaluation.changes(rows[rows["metric"].isin(names)], _BASE).itertuples():
        key = (str(row.sampler), int(row.steps))
        if key[0] == "naive" and key[1] > NAIVE_UP_TO:
            continue
        point = points.setdefault(key, {"sampler": key[0], "steps": key[1], "n": int(row.n)})
        point[str(row.metric)] = [float(row.mean), float(row.low), float(row.high)]
    return list(points.values())


def _check(found: pd.DataFrame, stored: pd.DataFrame, task: str, profile: str) -> float:
    """The largest difference in dB between what was restored now and the table.

    Raises:
        InDIError: it is above `TOLERANCE`.
    """
    keys = ["image", "sampler", "steps"]
    now = found[found["metric"] == "psnr"].astype({"image": str}).set_index(keys)["value"]
    then = stored[stored["metric"] == "psnr"].astype({"image": str}).set_index(keys)["value"]
    gap = (now - then.reindex(now.index)).abs()
    if gap.isna().any() or gap.max() > TOLERANCE:
        image, sampler, steps = gap.fillna(np.inf).idxmax()
        raise InDIError(
            f"{task} of {profile}: {image}, {sampler} with {steps} steps, came out at "
            f"{now[image, sampler, steps]:.4f} dB and not at the table's {then[image, sampler, steps]:.4f} dB: "
            f"run indi run notebooks/{CHAPTERS[task]}.ipynb --profile {profile} on this machine first."
        )
    return float(gap.max())


def _write_pictures(
    kept: Mapping[tuple[str, str, int], np.ndarray], chosen: Collection[str], into: Path
) -> tuple[dict[str, dict[str, str]], float]:
    """One file for each different picture; image -> "sampler N" -> its name, and the lowest PSNR of a file."""
    files: dict[str, dict[str, str]] = {image: {} for image in chosen}
    known: dict[bytes, str] = {}
    lowest = np.inf
    for (image, sampler, steps), picture in kept.items():
        top, left = ((np.array(picture.shape[:2]) - SIDE) // 2).clip(min=0)
        window = np.ascontiguousarray(picture[top : top + SIDE, left : left + SIDE])
        digest = hashlib.sha256(window.tobytes()).digest()
        if digest not in known:
            known[digest] = f"{image}-{sampler}{f'-{steps}' if steps else ''}.webp"
            memory = io.BytesIO()
            Image.fromarray(window).save(memory, "WEBP", quality=QUALITY, method=6)
            (into / known[digest]).write_bytes(memory.getvalue())
            error = np.asarray(Image.open(memory).convert("RGB"), dtype=float) - window
            lowest = min(lowest, 10 * np.log10(255**2 / max((error**2).mean(), 1e-9)))
        files[image][_key(sampler, steps)] = known[digest]
    return files, round(float(lowest), 2)

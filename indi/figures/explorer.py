"""The step explorer of the book: restorations of a few evaluation images, and the page that shows them.

`make` restores the images once more and stores pictures and numbers as a result; `pages` puts them into the
book. The page's script is book/_static/explorer.js.
"""

from __future__ import annotations

import hashlib
import html
import io
import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
from PIL import Image

from indi import evaluation, figures, numerics, paths, profiles, training
from indi.data import datasets
from indi.errors import InDIError, unknown
from indi.evaluation import INPUT, metrics, protocols
from indi.evaluation.measure import TRUTH
from indi.figures.plots import middle
from indi.files import writable
from indi.records import provenance, results
from indi.training import recipes

#: The task shown on the front page.
FRONT = "jpeg"

#: The naive sampler runs away: its curve stops at this many steps, and the page says so.
NAIVE_UP_TO = 20

#: Side of the square that is shown, pixels; a larger crop is cut to its middle.
SIDE = 192

#: WebP, lossy: the four tasks of five images take 3 MB; each record tells how near its pictures stay. Its own blocks
#: must not pass for JPEG's: on photographs the blockiness rises by .04 at 90, .07 at 85, .13 at 75, where the method
#: differs by .3 and more.
QUALITY = 84

#: A restoration is the one that was measured if its PSNR is the stored one to this many dB.
TOLERANCE = 0.005

#: N without pictures: three steps look like two or five, and the folder has to stay small.
LEFT_OUT = (3,)

#: In place of an explorer of older numbers than its chapter's.
_OLD = """```{{note}}
The step explorer is left out: its pictures are those of older numbers than this chapter's. Make it again with `{}`.
```
"""

#: Columns of the strip that stands in where there is no JavaScript.
STRIP = (1, 5, 20)


def folder(task: str, profile: str) -> Path:
    """Where the explorer of a task is stored: results/<profile>/explorer/<task>/."""
    return paths.results(profile) / "explorer" / task


def make(task: str, profile: str) -> Path:
    """Restore the telling images of a task's evaluation once more; store pictures, numbers and provenance.

    The images are chosen from the stored table by `choose`, restored by the trained or shipped model in the
    batches that they were measured in, and every number is that of the table. Pictures that are there and rest
    on the same are kept. The folder is replaced as a whole.

    Returns:
        The record, results/<profile>/explorer/<task>/explorer.json.

    Raises:
        InDIError: no such task, no table or one that is stale, no model or another one than the table's, or a
            picture whose PSNR is not the stored one.
    """
    if task not in profiles.RESTORATION:
        raise unknown("task", task, profiles.RESTORATION)
    table = results.load(task, profile)
    rerun = (
        f"run its chapter first: indi run notebooks/{profiles.TASKS[task].chapter}.ipynb --profile {profile}"
    )
    if table.stale:
        raise InDIError(f"the table {task} of {profile} is stale ({', '.join(table.changes)}): {rerun}.")
    recipe = recipes.recipe(task, profile)
    trained = training.load(recipe)
    if trained.checkpoint not in [one["checkpoint"] for one in table.provenance["trainings"]]:
        raise InDIError(
            f"the table {task} of {profile} is that of other weights than {trained.folder}: {rerun}."
        )
    rows = table.rows[~table.rows["steps"].isin(LEFT_OUT)]
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
    values = {image: _values(rows, image, names) for image in chosen}
    basis = {
        "images": chosen,
        "quality": QUALITY,
        "settings": json.loads(json.dumps(asdict(settings))),
        "data": images.hash,
        "trainings": [trained.record()],
        "numerics": numerics.versions(),
    }
    target = folder(task, profile)
    new = writable(target.parent / f".{task}.partial")
    try:
        if (pictures := _again(task, profile, basis, values, new)) is None:
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
            found = restored.rows[restored.rows["image"].isin(chosen)]
            files, lowest = _write_pictures(restored.kept, chosen, new)
            pictures = {
                "files": files,
                "checked": {
                    "what": "PSNR of each restored image before encoding against its row of the table, dB",
                    "images": len(found),
                    "largest_difference": _check(found, values, f"{task} of {profile}", rerun),
                },
                "lowest_psnr_of_encoding": lowest,
                "basis": basis,
                **provenance.collect(),
            }
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
                {**choice, "values": values[image], "files": pictures["files"][image]}
                for choice, image in zip(choices, chosen, strict=True)
            ],
            "curve": _curve(rows, names),
            "pictures": {key: value for key, value in pictures.items() if key != "files"},
            **provenance.collect(),
        }
        text = json.dumps(record, indent=1, default=str, allow_nan=False)
        (new / "explorer.json").write_text(text + "\n", encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        new.rename(target)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return target / "explorer.json"


def _again(
    task: str, profile: str, basis: Mapping[str, Any], values: Mapping[str, Any], into: Path
) -> dict[str, Any] | None:
    """The stored pictures, copied, where they rest on the same and still fit the table; else None."""
    record = stored(task, profile)
    if record is None or record["pictures"]["basis"] != basis:
        return None
    for choice in record["choices"]:
        for key, then in choice["values"].items():
            if abs(values[choice["image"]][key]["psnr"] - then["psnr"]) > TOLERANCE:
                return None
    for path in folder(task, profile).glob("*.webp"):
        shutil.copy(path, into)
    return {**record["pictures"], "files": {choice["image"]: choice["files"] for choice in record["choices"]}}


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
    label = _metric(perception)["label"]
    gain = (indi[best] - indi[1]).sort_values(ascending=False, kind="stable")
    count = len(gain)
    middle = list(gain.index[np.argsort(np.abs(np.arange(count) - (count - 1) / 2), kind="stable")])
    loss = (wide["psnr", "indi", last] - wide["psnr", "indi", 1]).sort_values(kind="stable")
    hurts = gain.iloc[-1] < 0
    least, change = ("hurt most", "largest loss") if hurts else ("help least", "smallest gain")
    rules = [
        (list(gain.index), "Steps help most", f"the largest gain in {label} from N = 1 to {best}"),
        (middle, "A typical image", f"the median gain in {label} from N = 1 to {best}"),
        (list(gain.index[::-1]), f"Steps {least}", f"the {change} in {label} from N = 1 to {best}"),
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
    others = [name for name in ("blockiness", "detail_ratio") if name in set(rows["metric"])]
    return ["psnr", figures.perception(rows), *others]


def _metric(name: str) -> dict[str, Any]:
    metric = metrics.describe(name)
    return {
        "name": name,
        "label": metric.label.split(" (")[0],
        "in_full": metric.label,
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
    for row in evaluation.changes(rows[rows["metric"].isin(names)], ("indi", 1)).itertuples():
        key = (str(row.sampler), int(row.steps))
        if key[0] == "naive" and key[1] > NAIVE_UP_TO:
            continue
        point = points.setdefault(key, {"sampler": key[0], "steps": key[1], "n": int(row.n)})
        # one step is the same with every sampler: no change, and no interval of one
        mean, low, high = float(row.mean), float(row.low), float(row.high)
        point[str(row.metric)] = [mean, mean, mean] if key[1] == 1 else [mean, low, high]
    return list(points.values())


def _check(found: pd.DataFrame, values: Mapping[str, Any], table: str, rerun: str) -> float:
    """The largest difference in dB between what was restored now and the table; an error above `TOLERANCE`."""
    largest = 0.0
    for row in found[found["metric"] == "psnr"].itertuples():
        then = values[str(row.image)][_key(str(row.sampler), int(row.steps))]["psnr"]
        largest = max(largest, abs(float(row.value) - then))
        if largest > TOLERANCE:
            raise InDIError(
                f"{table}: {row.image}, {row.sampler} with {row.steps} steps, came out at {row.value:.4f} dB and not "
                f"at the table's {then:.4f} dB: on this machine, {rerun}."
            )
    return largest


def _write_pictures(
    kept: Mapping[tuple[str, str, int], np.ndarray], chosen: Collection[str], into: Path
) -> tuple[dict[str, dict[str, str]], float]:
    """One file for each different picture; image -> "sampler N" -> its name, and the lowest PSNR of a file."""
    files: dict[str, dict[str, str]] = {image: {} for image in chosen}
    known: dict[bytes, str] = {}
    lowest = np.inf
    for (image, sampler, steps), picture in kept.items():
        window = np.ascontiguousarray(middle(picture, SIDE))
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


def pages(wanted: Mapping[Path, bytes], profile: str) -> dict[Path, bytes]:
    """The explorers as files of the book: pictures, the chapters that show them, and the front page's part.

    Args:
        wanted: path -> content of the book's files so far, the pages of the executed chapters among them.

    Returns:
        What to add to `wanted` or to put in its place: the pictures and their record, each task's chapter with
        the explorer under its box, and results/explorer.md, which the front page includes; it is empty
        where nothing was made.
    """
    book = paths.root() / "book"
    front = book / "results" / "explorer.md"
    added: dict[Path, bytes] = {front: b"% The step explorer was not made under this profile.\n"}
    for task in profiles.BY_CHAPTER:
        record = stored(task, profile)
        if record is None:
            continue
        added |= {
            book / "results" / "explorer" / task / path.name: path.read_bytes()
            for path in sorted(folder(task, profile).iterdir())
        }
        current = _current(record)
        page = book / "notebooks" / f"{profiles.TASKS[task].chapter}.ipynb"
        if page in wanted:
            notebook = nbformat.reads(wanted[page].decode(), as_version=4)
            shown = _raw(fragment(record, "../")) if current else _OLD.format(_command(task, profile))
            text = f"({task}-explorer)=\n## Step by step\n\n{shown}"
            below = 2 if len(notebook.cells) > 1 and notebook.cells[1].get("id") == "in-short" else 1
            notebook.cells.insert(below, nbformat.v4.new_markdown_cell(text, id="explorer"))
            added[page] = (nbformat.writes(notebook) + "\n").encode()
        if task == FRONT and current:
            added[front] = _raw(fragment(record, "", front=True)).encode()
    return added


def stored(task: str, profile: str) -> dict[str, Any] | None:
    """What `make` stored, or None (InDIError: the record cannot be read)."""
    path = folder(task, profile) / "explorer.json"
    if not path.is_file():
        return None
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise InDIError(f"{path} cannot be read: make it again with {_command(task, profile)}.") from error


def _current(record: Mapping[str, Any]) -> bool:
    """Whether the stored table is still the one that the explorer's numbers are."""
    try:
        table = results.load(record["task"], record["profile"])
    except InDIError:
        return False
    return bool(table.provenance["sha256"] == record["table"]["sha256"])


def _command(task: str, profile: str) -> str:
    return f"indi explorer {task} --profile {profile}"


def _raw(text: str) -> str:
    return f"```{{raw}} html\n{text}\n```\n"


def fragment(record: Mapping[str, Any], base: str, front: bool = False) -> str:
    """The explorer as HTML: a still strip, which the page's script replaces, a caption, and the data.

    Args:
        record: as `make` stores it.
        base: from the page to the book's folder: "" or "../".
        front: folded, the strip alone, until the reader opens it.
    """
    at = f"{base}explorer/{record['task']}/"
    choice = record["choices"][min(1, len(record["choices"]) - 1)]
    steps = [n for n in STRIP if n in record["steps"]]
    columns = [
        ("degraded y", _key(INPUT, 0)),
        *((f"N = {n}", _key("indi", n)) for n in steps),
        ("truth x", _key(TRUTH, 0)),
    ]
    strip = "\n".join(
        f'<div><img src="{at}{choice["files"][key]}" width="{SIDE}" height="{SIDE}" loading="lazy" '
        f'alt="{html.escape(label)} of photograph {html.escape(choice["image"])}">{html.escape(label)}</div>'
        for label, key in columns
    )
    shown = {name: record[name] for name in ("task", "images", "steps", "metrics", "choices", "curve")}
    shown["strip"] = [0, *steps]
    shown["naive_cut"] = NAIVE_UP_TO if max(record["steps"]) > NAIVE_UP_TO else None
    data = json.dumps(shown, separators=(",", ":")).replace("</", "<\\/")
    set_name, crop, profile = html.escape(record["set"]), record["crop"], record["profile"]
    size = f"{crop}×{crop} pixels" if crop else "whole images"
    if not crop or crop > SIDE:
        size += f", of which the middle {SIDE}×{SIDE} are shown"
    measured = ", ".join(m["in_full"] for m in record["metrics"] if m["in_full"] != m["label"])
    measured = f"In full, the perceptual metric is {measured}." if measured else ""
    task = profiles.words(record["task"])
    return f"""<figure class="indi-explorer" data-base="{at}"{" data-front" if front else ""}>
<div class="ex-still">
{strip}
</div>
<figcaption>
{html.escape(figures.capital(task))}: y restored by InDI with N steps, and the truth x.
Ours, profile {profile}; photographs of {set_name}, {size}, shown in the explorer at twice their size.
<details><summary>What the numbers are</summary><p>The numbers are those of the stored table, measured before the
pictures were compressed for this page; each picture was restored again, and its PSNR is the one in the table.
In brackets: 95 % intervals over {record["images"]} images of the <em>change</em> against one step, added to that
step's mean. Where an interval excludes the value at N = 1, the change is significant. {html.escape(measured)}
<a href="{at}explorer.json" download>All values and their provenance (JSON)</a>.</p></details>
</figcaption>
<script type="application/json">{data}</script>
</figure>"""

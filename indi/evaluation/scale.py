"""What longer training, more seeds and other widths change: the campaign's trainings, all tried alike.

A training that ends is evaluated once, and its rows outlast its weights: tables scale_<task>, one row per image
and setting with a column for each metric, and scale_generation with distances between sets. They grow while the
campaign goes on.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pandas as pd

from indi import training
from indi.data import datasets
from indi.errors import InDIError
from indi.evaluation import experiment, protocols
from indi.evaluation.protocols import Evaluation
from indi.records import results
from indi.training import campaign, recipes, store
from indi.training.recipes import Recipe

NOTEBOOK = "17_scale"

FIELDS = ("channels", "steps", "seed")
"""Of a recipe: what differs between the trainings of a task."""

LABELS = ["channels", "budget", "seed"]
"""Columns that name a training: these fields; its steps are its budget, for `steps` are those of the sampler."""

DIGITS = 6
"""After the point; metrics are of order 1, PSNR of order 10 dB, and rows are many."""


def trainings(task: str, profile: str) -> list[Recipe]:
    """What the chapter on scale compares: budgets, seeds and widths, each with its snapshots.

    In smoke two short trainings with a snapshot, which it makes itself. In laptop those of the campaign; other
    profiles have none.
    """
    if profile == "smoke":
        short = recipes.ablation(task, profile)
        return [replace(short, seed=seed, steps=short.steps // k) for seed in (0, 1) for k in (4, 2, 1)]
    if profile != "laptop":
        return []
    found: dict[Recipe, None] = {}
    for item in campaign.queue():
        if item.recipe.task == task and item.part.startswith(("a:", "d:")):
            steps = (*(s for s in campaign.SNAPSHOTS if s < item.until), item.until)
            found |= dict.fromkeys(replace(item.recipe, steps=s) for s in steps)
    return list(found)


def settings(task: str, profile: str) -> Evaluation:
    """What each is tried on: the images and crops of comparisons, N as in the chapters of the tasks."""
    if task == "generation":
        return protocols.evaluation(task, profile, images=None if profile == "smoke" else 200)
    counts = protocols.evaluation(task, profile).step_counts
    return protocols.ablation(task, profile, step_counts=counts)


def evaluate(task: str, profile: str) -> pd.DataFrame:
    """The table scale_<task>, after trainings that have ended and are not in it were added.

    Its rows are stored after each training. Rows of an older version of the numbers go, and are measured anew
    where the training is at hand. Empty where nothing is stored and no training has ended.

    Raises:
        InDIError: of the data, or of a training that is damaged.
    """
    name = f"scale_{task}"
    rows, records = _stored(name, profile)
    chosen = settings(task, profile)
    images = None
    known = {tuple(one[field] for field in FIELDS) for one in (record["recipe"] for record in records)}
    for recipe in trainings(task, profile):
        if tuple(getattr(recipe, field) for field in FIELDS) in known:
            continue
        if profile != "smoke" and not store.finished(recipe):
            continue
        started = time.perf_counter()
        trained = training.train(recipe)
        images = images or datasets.load(chosen.data, "evaluate")
        sets = ("fd", "kd") if task == "generation" else ()
        found = experiment.measure(
            trained, images, chosen, metric_names=experiment.few_metrics(recipe), set_names=sets
        )
        one = found.sets.drop(columns=list(results.BESIDE)) if sets else _wide(found.rows)
        labels = {label: getattr(recipe, field) for label, field in zip(LABELS, FIELDS, strict=True)}
        rows = pd.concat([rows, one.assign(**labels).round(DIGITS)], ignore_index=True)
        records = [*records, trained.record()]
        results.save(
            name,
            rows,
            profile,
            notebook=NOTEBOOK,
            seed=chosen.seed,
            trained=records,
            data=images.hash,
            seconds=time.perf_counter() - started,
            by_notebook=False,
        )
    return rows


def tidy(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of a scale table as everywhere else: one per image, sampler, steps and metric, with `LABELS`."""
    keys = ["image", "sampler", "steps", *LABELS]
    return rows.melt(id_vars=keys, var_name="metric", value_name="value").dropna(subset="value")


def _wide(rows: pd.DataFrame) -> pd.DataFrame:
    keys = ["image", "sampler", "steps"]
    wide = rows.pivot_table(index=keys, columns="metric", values="value", sort=False)
    return wide.reset_index().rename_axis(columns=None)


def _stored(name: str, profile: str) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    try:
        table = results.load(name, profile)
    except InDIError:
        return pd.DataFrame(), []
    return (pd.DataFrame(), []) if table.stale else (table.rows, table.provenance["trainings"])

"""A chapter's experiment: train a recipe or variants of it, evaluate, store the rows."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch

from indi import evaluation, numerics, paths, training
from indi.data import datasets
from indi.data.datasets import ImageSet
from indi.errors import InDIError
from indi.evaluation import Evaluated, Method, generation, metrics, protocols
from indi.evaluation.protocols import Evaluation
from indi.files import replacing
from indi.method.samplers import indi
from indi.records import results
from indi.training import Trained, recipes, store
from indi.training.recipes import Recipe


@dataclass(frozen=True)
class Experiment:
    """A trained and evaluated recipe.

    Attributes:
        name: of the stored tables.
        recipe, settings: what was trained, and how it was tried.
        trained: the network and its log.
        images: the evaluation set.
        evaluated: rows, distances between sets, kept images, and what is missing.
    """

    name: str
    recipe: Recipe
    settings: Evaluation
    trained: Trained
    images: ImageSet
    evaluated: Evaluated

    @property
    def rows(self) -> pd.DataFrame:
        """One row per image, sampler, number of steps and metric."""
        return self.evaluated.rows

    @property
    def metric_names(self) -> list[str]:
        """The metrics that were measured, one value per image."""
        return list(dict.fromkeys(self.rows["metric"]))

    @property
    def perception(self) -> str:
        """The perceptual metric at hand: LPIPS, or SSIM where its weights are missing."""
        lpips = metrics.resolve("lpips")
        return lpips if lpips in self.metric_names else "ssim"

    @property
    def caption(self) -> str:
        """On what the numbers rest."""
        return _caption(self.recipe.profile, self.rows, self.images, self.settings)


@dataclass(frozen=True)
class Sweep:
    """Trained and evaluated variants of one recipe.

    Attributes:
        name: of the stored tables.
        varied: the fields that differ, the seed last: columns of the tables.
        settings: how all were tried.
        trained: the trainings, in the order of the variants, for each its seeds.
        images: the evaluation set.
        rows: one per variant, image, sampler, number of steps and metric.
        sets: one per variant, sampler, number of steps and distance.
        missing: metric -> why it was not measured.
    """

    name: str
    varied: tuple[str, ...]
    settings: Evaluation
    trained: list[Trained]
    images: ImageSet
    rows: pd.DataFrame
    sets: pd.DataFrame
    missing: dict[str, str]

    @property
    def log(self) -> pd.DataFrame:
        """The logs of all trainings, with the columns of what was varied."""
        logs = [run.log.assign(**_labels(run.recipe, self.varied)) for run in self.trained]
        return pd.concat(logs, ignore_index=True)

    @property
    def caption(self) -> str:
        """On what the numbers rest."""
        recipe = self.trained[0].recipe
        seeds = len({run.recipe.seed for run in self.trained})
        return (
            f"{_caption(recipe.profile, self.rows, self.images, self.settings)}, {recipe.steps:,} optimiser steps, "
            f"{seeds} training{'s' if seeds > 1 else ''} of each"
        )


def _caption(profile: str, rows: pd.DataFrame, images: ImageSet, settings: Evaluation) -> str:
    crop = f"centre crops of {settings.crop} pixels" if settings.crop else "whole images"
    return f"profile {profile}: {rows['image'].nunique()} images of {images.name}, {crop}"


def _labels(recipe: Recipe, names: Sequence[str]) -> dict[str, Any]:
    values = {name: getattr(recipe, name) for name in names}
    return {name: str(value) if isinstance(value, tuple) else value for name, value in values.items()}


def measure(
    trained: Trained, images: ImageSet, settings: Evaluation, paired: bool = False, **options: Any
) -> Evaluated:
    """`evaluation.evaluate` with what the model was trained with: degradation, eps, schedule.

    Args:
        trained, images, settings: what is tried on what, and how.
        paired: the images bring their own y.
        options: of `evaluation.evaluate`.
    """
    recipe = trained.recipe
    degradation = None if paired else recipes.degradation_of(recipe)
    return evaluation.evaluate(
        trained.F, images, degradation, settings, eps=recipe.eps, schedule=recipe.schedule, **options
    )


def kept(
    trained: Trained, rests_on: Mapping[str, Any], measure: Callable[[], Sequence[pd.DataFrame]]
) -> list[pd.DataFrame]:
    """Tables that take an hour to measure: kept under runs/, as a training is, and found again.

    They belong to the weights, to the versions of the numbers, to PyTorch's, and to all that `rests_on` says.
    INDI_RETRAIN=1 measures anew. What is damaged is measured anew, too.

    Args:
        trained: what is measured.
        rests_on: whatever else decides the numbers, ready for JSON.
        measure: gives the tables.
    """
    given = {
        "weights": trained.checkpoint,
        "recipe": recipes.recipe_hash(trained.recipe),
        "numerics": numerics.versions(),
        "torch": torch.__version__.partition("+")[0],
        **rests_on,
    }
    path = (
        paths.runs()
        / "evaluations"
        / f"{trained.recipe.task}-{_digest(json.dumps(given, sort_keys=True))[:16]}.json"
    )
    if not store.retrain():
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            written = json.loads(path.read_text(encoding="utf-8"))
            if written["sha256"] == _digest(written["tables"]):
                return [pd.DataFrame(**table) for table in json.loads(written["tables"])]
    found = list(measure())
    tables = json.dumps([table.to_dict("split", index=False) for table in found])
    with replacing(path) as partial:
        record = {"sha256": _digest(tables), "rests_on": given, "tables": tables}
        partial.write_text(json.dumps(record), encoding="utf-8")
    return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def measured_once(
    trained: Trained,
    images: ImageSet,
    settings: Evaluation,
    *,
    samplers: Sequence[str] | Mapping[str, Method],
    metric_names: Sequence[str],
    set_names: Sequence[str] = (),
    choosing: bool = False,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows and distances between sets of `measure`, `kept`. Samplers are told apart by their names."""
    size = (settings.crop, settings.crop) if settings.crop else None
    rests_on = {
        "images": images.hash,
        "settings": asdict(settings),
        "samplers": list(samplers),
        "metrics": list(metrics.per_image(metric_names, size)),
        "sets": [name for name in map(metrics.resolve, set_names) if name not in metrics.missing(set_names)],
    }

    def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
        found = measure(
            trained,
            images,
            settings,
            samplers=samplers,
            metric_names=metric_names,
            set_names=set_names,
            choosing=choosing,
        )
        return found.rows, found.sets

    rows, sets = kept(trained, rests_on, tables)
    return rows, sets


def sweep(
    task: str,
    profile: str,
    *,
    over: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]],
    notebook: str,
    name: str,
    seeds: Sequence[int] = (0,),
    recipe: Recipe | None = None,
    settings: Evaluation | None = None,
    samplers: Sequence[str] = ("indi",),
    metric_names: Sequence[str] | None = None,
    set_names: Sequence[str] = ("fd",),
    choosing: bool = False,
    **changes: Any,
) -> Sweep:
    """Train (or find) variants of a recipe, evaluate them alike, and store tables <name> and <name>_sets.

        experiment.sweep("jpeg", profile, over={"p_t": ("linear_0", "bias_t1")}, seeds=(0, 1), ...)

    Args:
        task, profile: name the recipe, at the budget of comparisons; `changes` replace single fields of it.
        over: field of the recipe -> its values, of which every combination is a variant; or the variants one
            by one, each as the fields that it changes.
        notebook: the chapter, for the provenance.
        name: of the tables; what was varied, and the seed, are columns of theirs.
        seeds: of the trainings of each variant.
        recipe: what is varied instead of the task's own recipe.
        settings: of the evaluation; None: the profile's for comparisons.
        samplers, metric_names, set_names: see `evaluation.evaluate`.
        choosing: evaluate on the training images, to choose settings by; never to report.

    Raises:
        InDIError: no variant or seed, a field or value that no recipe has; or of any of the parts.
    """
    if isinstance(over, Mapping):
        variants = [dict(zip(over, values, strict=True)) for values in itertools.product(*over.values())]
    else:
        variants = [dict(variant) for variant in over]
    varied = (*dict.fromkeys(field for variant in variants for field in variant if field != "seed"), "seed")
    base = recipes.changed(recipe or recipes.ablation(task, profile), **changes)
    # all of them before the first training: a mistake in the last is found at once
    wanted = [recipes.changed(base, **{"seed": seed, **variant}) for variant in variants for seed in seeds]
    if not wanted:
        raise InDIError(f"the sweep {name} has no variant or no seed: give `over` and `seeds` values.")
    settings = settings or protocols.ablation(task, profile)
    images = datasets.load(base.data if choosing else settings.data, "train" if choosing else "evaluate")
    started = time.perf_counter()
    trained, rows, sets = [], [], []
    missing: dict[str, str] = {}
    for variant in dict.fromkeys(wanted):
        trained.append(training.train(variant))
        found = measure(
            trained[-1],
            images,
            settings,
            samplers=samplers,
            metric_names=metric_names,
            set_names=set_names,
            choosing=choosing,
        )
        labels = _labels(variant, varied)
        rows.append(found.rows.assign(**labels))
        sets.append(found.sets.assign(**labels))
        missing |= found.missing
    tables = (pd.concat(rows, ignore_index=True), pd.concat(sets, ignore_index=True))
    save(name, tables, profile, notebook, settings, trained, images, started)
    return Sweep(name, varied, settings, trained, images, *tables, missing)


def save(
    name: str,
    tables: Sequence[pd.DataFrame],
    profile: str,
    notebook: str,
    settings: Evaluation,
    trained: Sequence[Trained],
    images: ImageSet,
    started: float,
) -> None:
    """Store rows as the table `name` and distances between sets, where given, as <name>_sets."""
    for suffix, rows in zip(("", "_sets"), tables, strict=False):
        results.save(
            name + suffix,
            rows,
            profile,
            notebook=notebook,
            seed=settings.seed,
            trained=trained,
            data=images.hash,
            seconds=time.perf_counter() - started,
        )


def run(
    task: str,
    profile: str,
    *,
    notebook: str,
    name: str | None = None,
    seed: int = 0,
    samplers: Sequence[str] = ("indi", "naive", "cold_diffusion"),
    metric_names: Sequence[str] | None = None,
    set_names: Sequence[str] = ("fd", "kd"),
    keep: int = 3,
    recipe: Recipe | None = None,
    settings: Evaluation | None = None,
    **changes: Any,
) -> Experiment:
    """Train a task's recipe, evaluate it with the samplers, and store tables <name> and <name>_sets.

    Args:
        task, profile: name the recipe; `changes` replace single fields of it (None: as it is).
        notebook: the chapter, for the provenance.
        name: of the tables; None: the task.
        seed: of the training.
        recipe: what to train instead of the task's own recipe (an ablation's, say); then `seed` and
            `changes` are not used.
        samplers, metric_names, set_names: see `evaluation.evaluate`; of JPEG the blockiness is measured, too.
        keep: how many restored images are kept for galleries.
        settings: of the evaluation; None: the profile's.
    """
    given = {field: value for field, value in changes.items() if value is not None}
    recipe = recipe or recipes.recipe(task, profile, seed=seed, **given)
    settings = settings or protocols.evaluation(task, profile)
    trained = training.train(recipe)
    images = datasets.load(settings.data, "evaluate")
    if metric_names is None:
        metric_names = (*metrics.DEFAULT, *_artifacts(recipe))
    started = time.perf_counter()
    evaluated = measure(
        trained,
        images,
        settings,
        samplers=samplers,
        metric_names=metric_names,
        set_names=set_names,
        keep=images.names[:keep],
    )
    name = name or task
    save(name, (evaluated.rows, evaluated.sets), profile, notebook, settings, [trained], images, started)
    return Experiment(name, recipe, settings, trained, images, evaluated)


def many_steps(
    task: str, profile: str, *, notebook: str, recipe: Recipe | None = None, **changes: Any
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The samplers at very many steps: both tables, <task>_many and <task>_many_sets, by `protocols.many`.

    Distances between sets of InDI are over twice as many images as the others', so that they are compared
    with one another only in generation, where all are of the same number.

    Args:
        task, profile, notebook, recipe: as in `run`.
        changes: to fields of the evaluation, e.g. images=2 to see how long it takes.
    """
    trained = training.train(recipe or recipes.recipe(task, profile))
    ours, theirs = protocols.many(task, profile, **changes)
    names = few_metrics(trained.recipe)
    images = _truths(task, ours)
    started = time.perf_counter()
    # one sampler at a time: one that was interrupted does not cost what the others have done
    found = [
        measured_once(trained, images, settings, samplers=(name,), metric_names=names, set_names=("fd", "kd"))
        for name, settings in (("indi", ours), ("naive", theirs), ("cold_diffusion", theirs))
    ]
    keys = ["image", "sampler", "steps", "metric"]
    rows = pd.concat([part[0] for part in found]).drop_duplicates(keys)  # y is measured each time
    sets = pd.concat([part[1] for part in found]).drop_duplicates(keys[1:])
    save(f"{task}_many", (rows, sets), profile, notebook, ours, [trained], images, started)
    return rows, sets


def equal_psnr(
    tasks: Sequence[str], profile: str, *, notebook: str, **changes: Any
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Curves with real points between one and two steps: both tables, samplers_equal_psnr and its _sets.

    InDI with equal steps, with two unequal steps (`protocols.BETWEEN`), and Cold Diffusion; the column `task` tells
    tasks apart. InDI's "steps" are 1, then 1000 s of two steps 1, s, 0, then 1000 N: numbers that tell its points
    apart in their order. (From t = 1 the naive sampler's two steps are InDI's.)

    Args:
        tasks, profile: whose recipes.
        notebook: the chapter, for the provenance.
        changes: to fields of the evaluation.
    """
    parts: list[tuple[pd.DataFrame, pd.DataFrame]] = []
    started = time.perf_counter()
    every = []
    for task in tasks:
        trained = training.train(recipes.recipe(task, profile))
        every.append(trained)
        settings = protocols.ablation(task, profile, **changes)
        images = datasets.load(settings.data, "evaluate")
        unequal = {f"{s}": Method(indi, partial(_two_steps, s)) for s in protocols.BETWEEN}
        for methods, counts in ((("indi", "cold_diffusion"), settings.step_counts), (unequal, (2,))):
            found = measured_once(
                trained,
                images,
                replace(settings, step_counts=counts),
                samplers=methods,
                metric_names=("psnr", "lpips"),
                set_names=("fd", "kd"),
            )
            rows, sets = (_points(table).assign(task=task) for table in found)
            parts.append((rows, sets))
    rows, sets = (pd.concat(tables, ignore_index=True) for tables in zip(*parts, strict=True))
    save("samplers_equal_psnr", (rows, sets), profile, notebook, settings, every, images, started)
    return rows, sets


def _two_steps(s: float, steps: int) -> np.ndarray:
    return np.array([1.0, s, 0.0])


def _points(table: pd.DataFrame) -> pd.DataFrame:
    """Restored rows, InDI's "steps" as `equal_psnr` says; its two equal steps go, they are s = 1/2."""
    table = table[(table["sampler"] != evaluation.INPUT)]
    equal = table["sampler"].isin(("indi", "naive", "cold_diffusion"))
    table = table[~((table["sampler"] == "indi") & (table["steps"] == 2))]
    ours = table["sampler"] == "indi"
    steps = table["steps"].where(~(ours & (table["steps"] > 2)), 1000 * table["steps"])
    between = (1000 * pd.to_numeric(table["sampler"].where(~equal), errors="coerce")).round()
    return table.assign(
        steps=between.where(~equal, steps).astype(int), sampler=table["sampler"].where(equal, "indi")
    )


def _truths(task: str, settings: Evaluation) -> ImageSet:
    images = datasets.load(settings.data, "evaluate")
    return generation.tiles(images, settings.crop) if task == "generation" else images


def few_metrics(recipe: Recipe) -> tuple[str, ...]:
    """Metrics of images where much is tried: what the claims rest on. Generated images have no truth, so none."""
    return () if recipe.task == "generation" else ("psnr", "lpips", "detail_ratio", *_artifacts(recipe))


def _artifacts(recipe: Recipe) -> tuple[str, ...]:
    """Metrics of what the degradation leaves, where it is known how to see it: the blocks of JPEG."""
    return ("blockiness",) if recipe.degradation == "jpeg" else ()

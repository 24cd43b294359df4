"""One chapter's experiment: train a recipe, evaluate it, store the rows. Notebooks show what comes of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from indi import evaluation, training
from indi.data import datasets
from indi.data.datasets import ImageSet
from indi.evaluation import Evaluated, metrics, protocols
from indi.evaluation.protocols import Evaluation
from indi.records import results
from indi.training import Trained, recipes
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
        count = self.rows["image"].nunique()
        crop = f"centre crops of {self.settings.crop} pixels" if self.settings.crop else "whole images"
        return f"profile {self.recipe.profile}: {count} images of {self.images.name}, {crop}"


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
        samplers, metric_names, set_names: see `evaluation.evaluate`.
        keep: how many restored images are kept for galleries.
        settings: of the evaluation; None: the profile's.

    Raises:
        InDIError: of any of the parts.
    """
    given = {field: value for field, value in changes.items() if value is not None}
    recipe = recipe or recipes.recipe(task, profile, seed=seed, **given)
    settings = settings or protocols.evaluation(task, profile)
    trained = training.train(recipe)
    images = datasets.load(settings.data, "evaluate")
    started = time.perf_counter()
    evaluated = evaluation.evaluate(
        trained.F,
        images,
        recipes.degradation_of(recipe),
        settings,
        eps=recipe.eps,
        schedule=recipe.schedule,
        samplers=samplers,
        metric_names=metric_names,
        set_names=set_names,
        keep=images.names[:keep],
    )
    name = name or task
    for suffix, rows in (("", evaluated.rows), ("_sets", evaluated.sets)):
        results.save(
            name + suffix,
            rows,
            profile,
            notebook=notebook,
            seed=settings.seed,
            trained=[trained],
            data=images.hash,
            seconds=time.perf_counter() - started,
        )
    return Experiment(name, recipe, settings, trained, images, evaluated)

"""Finished trainings: where they are kept, and how they are read.

Two places may hold one: the folder of its run, and a copy that is shipped with the project (see `models.ship`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from indi import numerics, paths
from indi.data import datasets
from indi.data.datasets import ImageSet
from indi.errors import InDIError
from indi.files import sha256
from indi.records import forms
from indi.training import checkpoints, recipes
from indi.training.recipes import Recipe, as_dict, network_of, public, recipe_hash


@dataclass(frozen=True)
class Trained:
    """A finished training.

    Attributes:
        recipe: what was trained.
        F: the averaged network in evaluation mode, float32: F(x, t) with x (B, 3, H, W), t (B,).
        folder: of the run, or of the shipped model.
        log: one row per logged interval: step, loss, images_per_second, seconds.
        seconds: wall time of the training, over all its resumptions.
        checkpoint: SHA-256 of the weights file.
        data: content hash of the images it was trained on.
        numerics: versions of the rooms that trained it.
    """

    recipe: Recipe
    F: nn.Module
    folder: Path
    log: pd.DataFrame
    seconds: float
    checkpoint: str
    data: str
    numerics: dict[str, int]

    @property
    def stale(self) -> bool:
        """Whether a room that trains has another version now."""
        return bool(numerics.raised(self.numerics))

    def record(self) -> dict[str, Any]:
        """What a result that rests on this training says of it, ready for JSON."""
        return {
            "recipe": public(self.recipe),
            "checkpoint": self.checkpoint,
            "data": self.data,
            "numerics": self.numerics,
        }


#: What is kept of a finished training. The record comes last: where it is, the others are whole.
FILES = ("weights.safetensors", "log.jsonl", "done.json")


def run_folder(recipe: Recipe) -> Path:
    """Where the training of `recipe` is kept: runs/<task>-<hash>."""
    return paths.runs() / _name(recipe)


def shipped_folder(recipe: Recipe) -> Path:
    """Where a copy of it is kept that comes with the project: results/<profile>/models/<task>-<hash>."""
    return paths.results(recipe.profile) / "models" / _name(recipe)


def _name(recipe: Recipe) -> str:
    return f"{recipe.task}-{recipe_hash(recipe)}"


def retrain() -> bool:
    """Whether what is kept from before is to be set aside: INDI_RETRAIN=1."""
    return os.environ.get("INDI_RETRAIN") == "1"


def _kept(recipe: Recipe) -> Path:
    """The folder to read: of the run if that is complete, else of the shipped model, else of the run."""
    run, shipped = run_folder(recipe), shipped_folder(recipe)
    if (run / "done.json").is_file() or retrain():
        return run
    # A part of a shipped model is a damaged one, and `load` says so: it is not replaced by hours of training.
    return shipped if any((shipped / name).is_file() for name in FILES) else run


def finished(recipe: Recipe, images: Callable[[], ImageSet] | None = None) -> bool:
    """Whether the training is complete, here or shipped, and to be used again; see `training.train`.

    `images` loads its training images; None: as the recipe says.

    Raises:
        InDIError: it was trained here on other images than its data set holds now. Of a shipped model the
            images may be absent; its record names those that it was trained on.
    """
    folder = _kept(recipe)
    shipped = folder == shipped_folder(recipe)
    try:
        done = forms.checked(forms.Finished, (folder / "done.json").read_text())
    except FileNotFoundError:
        return shipped  # `load` says what is missing
    except ValueError:
        return True  # `load` says what is wrong
    data, versions = done["data"], done["numerics"]
    try:
        images = images or partial(datasets.load, recipe.data, "train")
        now = data if shipped else images().hash
    except InDIError:
        now = data  # trained weights are of use where their images are not
    if data != now:
        raise InDIError(
            f"the images of {recipe.data} have changed since {folder} was trained: delete it to train anew."
        )
    again = recipe.profile == "smoke" or retrain()
    return not (again and numerics.raised(versions))


def load(recipe: Recipe) -> Trained:
    """The finished training of `recipe`: that in its run folder if complete, else the shipped one.

    With INDI_RETRAIN=1 shipped ones are not used.

    Raises:
        InDIError: it is not complete, or its files are damaged.
    """
    folder = _kept(recipe)
    shipped = folder == shipped_folder(recipe)
    if shipped:
        anew = f"restore it (git restore {folder}), or train anew with INDI_RETRAIN=1"
    else:
        anew = f"delete {folder} to train anew"
    try:
        done = forms.checked(forms.Finished, (folder / "done.json").read_text())
        log = forms.log((folder / "log.jsonl").read_text())
    except FileNotFoundError as error:
        if shipped or (folder / "done.json").is_file():
            raise InDIError(f"{folder} is not whole ({error.filename} is missing): {anew}.") from error
        why = "INDI_RETRAIN=1 sets shipped models aside" if retrain() else "no model is shipped"
        raise InDIError(
            f"{recipe.task} under {recipe.profile} is not trained, or not to the end ({folder} holds no "
            f"done.json, and {why}): {_how_to_train(recipe)}."
        ) from error
    except ValueError as error:
        raise InDIError(f"{folder} holds a damaged record ({error}): {anew}.") from error
    seconds, digest, data, versions = (done[k] for k in ("seconds", "checkpoint", "data", "numerics"))
    path = folder / "weights.safetensors"
    if not path.is_file() or sha256(path) != digest:
        raise InDIError(f"{path} is missing or not the file that the training wrote: {anew}.")
    network = network_of(recipe)
    weights = checkpoints.load_weights(path, public(recipe))
    if problem := checkpoints.misfit(weights, network.state_dict()):
        raise InDIError(f"{path} does not fit the network of its recipe ({problem}): {anew}.")
    network.load_state_dict(weights)
    network = network.to(memory_format=torch.channels_last).eval().requires_grad_(False)
    return Trained(recipe, network, folder, log, seconds, digest, data, versions)


def _how_to_train(recipe: Recipe) -> str:
    plain = recipes.recipe(recipe.task, recipe.profile)
    if recipe == plain:
        return f"train it with indi train {recipe.task} --profile {recipe.profile}"
    changed = [name for name, value in as_dict(recipe).items() if value != as_dict(plain).get(name)]
    return f"train it with training.train (it differs from the profile's recipe in {', '.join(changed)})"

"""Finished trainings: where they are kept, and how they are read."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from indi import checkpoints, datasets, paths, provenance
from indi.errors import InDIError
from indi.recipes import Recipe, as_dict, network_of, recipe_hash


@dataclass(frozen=True)
class Trained:
    """A finished training.

    Attributes:
        recipe: what was trained.
        F: the averaged network in evaluation mode, float32: F(x, t) with x (B, 3, H, W), t (B,).
        folder: of the run.
        log: one row per logged interval: step, loss, images_per_second, seconds.
        seconds: wall time of the training, over all its resumptions.
        checkpoint: SHA-256 of the weights file.
        data: content hash of the images it was trained on.
        training_code: hash of the code that trained it.
    """

    recipe: Recipe
    F: nn.Module
    folder: Path
    log: pd.DataFrame
    seconds: float
    checkpoint: str
    data: str
    training_code: str

    @property
    def stale(self) -> bool:
        """Whether the code that trains has changed since."""
        return self.training_code != provenance.code_hash(modules=provenance.TRAINING)

    def record(self) -> dict[str, Any]:
        """What a result that rests on this training says of it, ready for JSON."""
        return {
            "recipe": as_dict(self.recipe),
            "checkpoint": self.checkpoint,
            "data": self.data,
            "training_code": self.training_code,
        }


def run_folder(recipe: Recipe) -> Path:
    """Where the training of `recipe` is kept: runs/<task>-<hash>."""
    return paths.runs() / f"{recipe.task}-{recipe_hash(recipe)}"


def finished(recipe: Recipe) -> bool:
    """Whether the training is complete and to be used again; see `training.train`.

    Raises:
        InDIError: it was trained on other images than its data set holds now.
    """
    folder = run_folder(recipe)
    try:
        done = json.loads((folder / "done.json").read_text())
        data, code = done["data"], done["training_code"]
    except FileNotFoundError:
        return False
    except (ValueError, KeyError, TypeError):
        return True  # `load` says what is wrong
    try:
        now = datasets.load(recipe.data, "train").hash
    except InDIError:
        now = data  # trained weights are of use where their images are not
    if data != now:
        raise InDIError(
            f"the images of {recipe.data} have changed since {folder} was trained: delete it to train anew."
        )
    again = recipe.profile == "smoke" or os.environ.get("INDI_RETRAIN") == "1"
    return not (again and code != provenance.code_hash(modules=provenance.TRAINING))


def load(recipe: Recipe) -> Trained:
    """The finished training of `recipe`.

    Raises:
        InDIError: it is not complete, or its files are damaged.
    """
    folder = run_folder(recipe)
    anew = f"delete {folder} to train anew"
    try:
        done = json.loads((folder / "done.json").read_text())
        log = pd.read_json(folder / "log.jsonl", lines=True)
        seconds, digest, data, code = (done[k] for k in ("seconds", "checkpoint", "data", "training_code"))
    except FileNotFoundError as error:
        raise InDIError(
            f"{recipe.task} under {recipe.profile} is not trained, or not whole ({error.filename} is missing): "
            f"train it, or {anew}."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InDIError(f"{folder} holds a damaged record: {anew}.") from error
    path = folder / "weights.safetensors"
    if not path.is_file() or checkpoints.sha256(path) != digest:
        raise InDIError(f"{path} is missing or not the file that the training wrote: {anew}.")
    network = network_of(recipe)
    network.load_state_dict(checkpoints.load_weights(path, as_dict(recipe)))
    network = network.to(memory_format=torch.channels_last).eval().requires_grad_(False)
    return Trained(recipe, network, folder, log, seconds, digest, data, code)

"""Finished trainings: where they are kept, and how they are read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from indi import checkpoints, paths, provenance
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
        stale: the code that makes numbers has changed since.
    """

    recipe: Recipe
    F: nn.Module
    folder: Path
    log: pd.DataFrame
    seconds: float
    checkpoint: str
    stale: bool


def run_folder(recipe: Recipe) -> Path:
    """Where the training of `recipe` is kept: runs/<task>-<hash>."""
    return paths.runs() / f"{recipe.task}-{recipe_hash(recipe)}"


def load(recipe: Recipe) -> Trained:
    """The finished training of `recipe`.

    Raises:
        InDIError: it is not complete, or its files are damaged.
    """
    folder = run_folder(recipe)
    try:
        done = json.loads((folder / "done.json").read_text())
        log = pd.read_json(folder / "log.jsonl", lines=True)
    except FileNotFoundError as error:
        raise InDIError(f"{recipe.task} under {recipe.profile} is not trained ({folder}).") from error
    except ValueError as error:
        raise InDIError(f"{folder} holds a damaged record: delete the folder to train anew.") from error
    network = network_of(recipe)
    network.load_state_dict(checkpoints.load_weights(folder / "weights.safetensors", as_dict(recipe)))
    network = network.to(memory_format=torch.channels_last).eval().requires_grad_(False)
    return Trained(
        recipe=recipe,
        F=network,
        folder=folder,
        log=log,
        seconds=done["seconds"],
        checkpoint=done["checkpoint"],
        stale=done["code_hash"] != provenance.code_hash(),
    )

"""Shipped models: finished trainings copied into the project, so that nobody has to train them again.

A shipped model is a folder results/<profile>/models/<task>-<recipe hash> with exact copies of the
weights, the log and the record of a run, and a model card (README.md). `training.train` and
`training.load` find it where there is no complete run.
"""

from __future__ import annotations

import json
from pathlib import Path

from indi import training
from indi.data.datasets import SOURCES
from indi.errors import InDIError
from indi.files import replacing, sha256
from indi.models import card as model_card
from indi.records import provenance
from indi.training.recipes import Recipe
from indi.training.store import FILES

CARD = "README.md"


def ship(recipe: Recipe) -> Path:
    """Copy the finished training of `recipe` to where models are shipped, and write its card.

    Each file is whole or absent, and the record comes last. What is shipped already and not in the
    run folder keeps its files; its card is written anew, with the results that are there now.

    Returns:
        The folder of the shipped model.

    Raises:
        InDIError: it is not finished, is damaged, was trained by older code or on images of the
            user's own, its record tells of this machine, or the folder cannot be written to.
    """
    unknown_sets = [name for name in recipe.data.split("+") if name not in SOURCES]
    if unknown_sets:
        raise InDIError(
            f"{recipe.task} was trained on {recipe.data}, whose terms are not known here: only models trained "
            f"on registered sets are shipped ({', '.join(SOURCES)})."
        )
    trained = training.load(recipe)
    if trained.stale:
        raise InDIError(
            f"{trained.folder} was trained by older code and is not shipped: train it anew "
            f"(INDI_RETRAIN=1 indi train {recipe.task} --profile {recipe.profile})."
        )
    contents = {name: (trained.folder / name).read_bytes() for name in FILES}
    record = contents["done.json"].decode()
    if told := provenance.local_paths_in(record):
        raise InDIError(f"{trained.folder / 'done.json'} names folders of this machine: {', '.join(told)}.")
    folder = training.shipped_folder(recipe)
    with replacing(folder / CARD) as partial:
        partial.write_text(model_card.card(trained, json.loads(record)), encoding="utf-8", newline="\n")
    if trained.folder != folder:
        for name in FILES:
            with replacing(folder / name) as partial:
                partial.write_bytes(contents[name])
    if sha256(folder / "weights.safetensors") != trained.checkpoint:
        raise InDIError(f"{folder} is not what was written: check the disk, and ship again.")
    return folder

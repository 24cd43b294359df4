"""What a rerun does not do again: chapters whose trainings are not here stay as they were published."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from indi import paths
from indi.book import run as runner
from indi.errors import InDIError


def kept(profile: str) -> list[str]:
    """The chapters that `make reproduce` leaves as they are, because they would train for hours.

    Such a chapter has an executed notebook, as the published ones have, and its tables rest on trainings of
    which none is in runs/ or among the published weights: where there is one, the rest of the chapter is
    short. None is kept under smoke, where trainings are quick, and with INDI_RETRAIN=1.

    Raises:
        InDIError: a record of a table or of a run cannot be read.
    """
    if profile == "smoke" or os.environ.get("INDI_RETRAIN") == "1":
        return []
    return [
        name
        for name, recipes in sorted(_trained(profile).items())
        if recipes and not any(map(_at_hand, recipes)) and runner.load_run(name, profile)
    ]


def _trained(profile: str) -> dict[str, list[dict[str, Any]]]:
    """Chapter -> the recipes that its tables rest on."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted((paths.results(profile) / "tables").glob("*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(record, dict):  # the ledger of claims, which is no table's record
                continue
            recipes = [training["recipe"] for training in record.get("trainings", [])]
            found.setdefault(record["notebook"], []).extend(recipes)
        except (ValueError, KeyError, TypeError) as error:
            raise InDIError(
                f"{path} is not a provenance record: restore it with git, or rerun its chapter."
            ) from error
    return found


def _at_hand(fields: dict[str, Any]) -> bool:
    """Whether the training of a recorded recipe is complete, in runs/ or among the published weights."""
    # Here, because they import torch, which takes seconds.
    from indi.training.recipes import Recipe
    from indi.training.store import run_folder, shipped_folder

    try:
        # JSON has no tuples: a recipe takes its options by name, too
        options = dict(fields.get("degradation_options", ()))
        recipe = Recipe(**fields | {"degradation_options": options})
    except (TypeError, ValueError, InDIError):  # a field or a value that today's code does not know
        return False
    return any(_complete(folder) for folder in (run_folder(recipe), shipped_folder(recipe)))


def _complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in ("done.json", "weights.safetensors"))

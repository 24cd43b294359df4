"""Files of a training: states to resume from, and the weights that remain.

Nothing here executes code on loading: states are read with `weights_only`, weights are safetensors.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from indi.errors import InDIError
from indi.files import replacing, sha256


def save_state(folder: Path, step: int, state: dict[str, Any], keep: int = 2) -> None:
    """Write folder/state-<step>.pt whole or not at all, then delete all but the last `keep`.

    The file begins with the SHA-256 of the rest, so that a flipped bit is seen.
    """
    # through a buffer, because torch's own writer hides a full disk behind a RuntimeError
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getbuffer()
    with replacing(folder / f"state-{step:08d}.pt") as partial, partial.open("wb") as file:
        file.write(hashlib.sha256(content).digest())
        file.write(content)
    for old in _states(folder)[:-keep]:
        old.unlink()


def load_state(folder: Path, recipe_hash: str, data: str, versions: dict[str, int]) -> dict[str, Any] | None:
    """The newest whole state in `folder`, on the CPU; None if there is none.

    A damaged state is passed over for the one before it, and states of other numbers than `versions` (room ->
    version) are deleted; both with a warning.

    Raises:
        InDIError: a state belongs to another recipe or other images (`data` is their content hash), or
            none of those present can be read.
    """
    paths = _states(folder)
    for path in reversed(paths):
        state = _read_state(path)
        if state is None:
            warnings.warn(f"{path} is damaged; trying the state before it.", stacklevel=2)
            continue
        if state.get("recipe_hash") != recipe_hash:
            raise InDIError(
                f"{path} belongs to recipe {state.get('recipe_hash')}, not {recipe_hash}: move it away."
            )
        if state.get("data") != data:
            raise InDIError(f"the training images have changed since {path}: delete {folder} to train anew.")
        if state.get("numerics") != versions:
            warnings.warn(
                f"{folder} was begun by code of other numbers ({state.get('numerics')}, now {versions}): the "
                "training starts anew.",
                stacklevel=2,
            )
            delete_states(folder)
            return None
        return state
    if paths:
        raise InDIError(f"no state in {folder} can be read: delete the folder to train anew.")
    return None


def _read_state(path: Path) -> dict[str, Any] | None:
    """A state, or None where the file is not what was written."""
    try:
        content = path.read_bytes()
        if hashlib.sha256(content[32:]).digest() != content[:32]:
            return None
        state = torch.load(io.BytesIO(content[32:]), map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile):
        return None
    return state if isinstance(state, dict) else None


def delete_states(folder: Path) -> None:
    """Delete the states once the weights are written."""
    for path in _states(folder):
        path.unlink()


def _states(folder: Path) -> list[Path]:
    return sorted(folder.glob("state-*.pt"))


def save_weights(path: Path, weights: dict[str, Tensor], recipe: dict[str, Any]) -> str:
    """Write weights as safetensors in half precision, with their recipe in the header; returns the file's SHA-256.

    Half precision moves a weight by at most 2^-11 of itself, less than the bfloat16 that trained it, and
    halves what is shipped: results are computed from the very file that others are given.
    """
    contiguous = {name: w.detach().cpu().half().contiguous() for name, w in weights.items()}
    with replacing(path) as partial:
        partial.write_bytes(save(contiguous, metadata={"recipe": json.dumps(recipe, sort_keys=True)}))
    return sha256(path)


def load_weights(path: Path, recipe: dict[str, Any]) -> dict[str, Tensor]:
    """The weights in `path`, on the CPU, in half precision.

    Raises:
        InDIError: no such file, damaged, or made by another recipe (the first field that differs is named).
    """
    if not path.is_file():
        raise InDIError(f"no weights at {path}: run the training that makes them.")
    try:
        with safe_open(path, framework="pt") as file:
            stored = json.loads((file.metadata() or {}).get("recipe", "{}"))
            if not isinstance(stored, dict):
                raise ValueError("its header holds no recipe")
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise InDIError(
            f"{path} is damaged or no safetensors file ({' '.join(str(error).split())}): delete it and train anew."
        ) from error
    for name, value in recipe.items():
        if stored.get(name) != value:
            raise InDIError(
                f"{path} was trained with another recipe ({name} = {stored.get(name)!r}, wanted {value!r})."
            )
    return weights


def misfit(weights: dict[str, Tensor], wanted: dict[str, Tensor]) -> str:
    """The first way in which `weights` cannot be those of a network whose own are `wanted`, "" if there is none."""
    if odd := sorted(weights.keys() ^ wanted.keys()):
        return f"{odd[0]!r} is {'missing' if odd[0] in wanted else 'unknown'}"
    for name, weight in weights.items():
        if (
            weight.shape != wanted[name].shape
            or weight.is_floating_point() != wanted[name].is_floating_point()
        ):
            return f"{name!r} has another shape or type"
        if not weight.isfinite().all():
            return f"{name!r} is not finite"
    return ""

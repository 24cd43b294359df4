"""Every training as one frozen value: Table 2 to the letter, and its scaling to smaller profiles.

A recipe holds all that decides the weights, so its hash names the training: the same recipe is the
same run, wherever it is asked for. How fast it runs (device, compilation, workers) is not part of it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, cast, get_args

import torch

from indi.data import degradations
from indi.errors import InDIError, unknown
from indi.method.process import noise_schedule, time_distribution
from indi.method.unet import Output, UNet, Upsample
from indi.numerics import NUMERICS

Precision = Literal["32-true", "bf16-mixed"]
Method = Literal["indi", "cddpm"]


@dataclass(frozen=True)
class Recipe:
    """One training. The defaults are what all tasks of the paper share (Appendix B).

    Attributes:
        task: motion, defocus, jpeg, super_resolution or generation.
        profile: smoke, laptop, gpu or paper.
        data: image set to train on, as `datasets.load` knows it.
        channels, multipliers: width and depth of the U-Net (Table 2).
        eps: level of the perturbation, images in [-1, 1] ("noise" in Table 2).
        p_t: distribution of t (Fig. 10a).
        batch_size: images per step, over all processes together.
        crop: side of the square training crops, pixels.
        steps: optimiser steps.
        learning_rate: of Adam, fixed.
        degradation: name and options of how y is made from x; None where the data set brings y.
        schedule: noise schedule, none, constant or brownian.
        loss_p: 1 for the absolute error of the paper, 2 for the squared error (erratum 9).
        ema_decay: of the weights used for evaluation, after a warm-up (see `training.ema_decay`).
        precision: of the training; weights and optimiser stay float32.
        seed: of initialisation, data, times and noise.
        output, time_scale, zero_init, upsample: what Table 2 leaves open, see `unet.UNet`.
        method: "indi", or "cddpm", the conditional DDPM of Sec. 6.5, for which eps, p_t and schedule
            do not apply; see `conditional`.
    """

    task: str
    profile: str
    data: str
    channels: int
    multipliers: tuple[int, ...]
    eps: float
    p_t: str
    batch_size: int
    crop: int
    steps: int = 500_000
    learning_rate: float = 1e-4
    degradation: str | None = None
    degradation_options: tuple[tuple[str, Any], ...] = ()
    schedule: str = "constant"
    loss_p: int = 1
    ema_decay: float = 0.9999
    precision: Precision = "bf16-mixed"
    seed: int = 0
    output: Output = "velocity"
    time_scale: float = 1000.0
    zero_init: bool = True
    upsample: Upsample = "nearest"
    method: Method = "indi"

    def __post_init__(self) -> None:
        """Raise InDIError on a value of another type or outside its range, before anything is computed with it.

        Values are stored as their field's type (1e3 steps as 1000, a list as a tuple), so that equal
        recipes have equal hashes.
        """
        for field in fields(self):
            value = _as_type(field.name, str(field.type), getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        noise_schedule(self.schedule)
        time_distribution(self.p_t)
        if self.loss_p not in (1, 2):
            raise InDIError(f"loss_p is 1 (absolute error) or 2 (squared error), not {self.loss_p!r}.")
        if self.output not in get_args(Output):
            raise unknown("output", self.output, get_args(Output))
        if self.precision not in get_args(Precision):
            raise unknown("precision", self.precision, get_args(Precision))
        if self.method not in get_args(Method):
            raise unknown("method", self.method, get_args(Method))
        if not self.multipliers or min(self.multipliers) < 1:
            raise InDIError(f"multipliers must be positive, as (1, 2, 4), not {self.multipliers!r}.")
        if self.seed < 0:
            raise InDIError(f"seed must not be negative, as {self.seed!r} is.")
        for name in ("channels", "batch_size", "crop", "steps", "learning_rate", "time_scale"):
            if getattr(self, name) <= 0:
                raise InDIError(f"{name} must be positive, not {getattr(self, name)!r}.")
        if self.channels % 2 or self.channels < 4:  # sines and cosines of two frequencies of t or more
            raise InDIError(f"channels must be even and at least 4, not {self.channels!r}.")
        if self.eps < 0 or not 0 <= self.ema_decay < 1:
            raise InDIError(f"eps >= 0 and 0 <= ema_decay < 1, not {self.eps!r} and {self.ema_decay!r}.")


def _as_type(name: str, kind: str, value: Any) -> Any:
    """`value` as the field `name`, annotated with `kind`, holds it; InDIError where it is none.

    Annotations without a case are names out of a list, which are checked where the list is.
    """
    # abs(): neither nan, nor infinite, nor more than torch takes
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2**63
    match kind:
        case "int" if number and value == int(value):
            return int(value)
        case "int":
            wanted = "a whole number"
        case "float" if number:
            return float(value)
        case "float":
            wanted = "a finite number"
        case "bool" if not isinstance(value, bool):
            wanted = "True or False"
        case "tuple[int, ...]" if isinstance(value, (tuple, list)):
            return tuple(_as_type(name, "int", item) for item in value)
        case "tuple[int, ...]":
            wanted = "a list of whole numbers, as [1, 2, 4]"
        case "str" if not isinstance(value, str):
            wanted = "text"
        case "str | None" if not isinstance(value, (str, type(None))):
            wanted = "text or None"
        case "tuple[tuple[str, Any], ...]" if isinstance(value, dict):
            return tuple(value.items())
        case "tuple[tuple[str, Any], ...]" if not isinstance(value, tuple):
            wanted = "options by name, as {quality: 15}"
        case _:
            return value
    raise InDIError(f"{name} must be {wanted}, not {value!r}.")


# Table 2 (Appendix B), and for "generation" Sec. 6.1: it starts from noise at 64x64 on CelebA and
# states no more; width, p(t), batch size and eps are ours there.
PAPER: dict[str, Recipe] = {
    "motion": Recipe("motion", "paper", "gopro", 64, (1, 2, 3, 4), 0.0, "bias_t1", 256, 128),
    "defocus": Recipe("defocus", "paper", "dpdd", 64, (1, 2, 4, 4), 0.0, "linear_0.5", 1024, 128),
    "jpeg": Recipe(
        "jpeg", "paper", "div2k", 64, (1, 2, 4, 4), 0.06, "linear_1.0", 1024, 128,
        degradation="jpeg", degradation_options=(("quality", 15),),
    ),
    "super_resolution": Recipe(
        "super_resolution", "paper", "div2k", 96, (1, 2, 3, 4), 0.015, "bias_t1", 256, 256,
        degradation="super_resolution",
    ),
    "generation": Recipe(
        "generation", "paper", "celeba", 64, (1, 2, 3, 4), 0.0, "linear_0", 256, 64,
        degradation="noise",
    ),
}  # fmt: skip

TASKS = tuple(PAPER)

# Sets with paired y (GoPro, DPDD) give way to a synthetic degradation where others stand in.
_SYNTHETIC = {"motion": "motion", "defocus": "defocus"}

# The rate: 1e-4 belongs to 500,000 steps; shorter runs want more. Without normalisation there is little
# room: 4e-3 collapses to the identity, and at 1e-3 one laptop training (motion) ended in nan at step 555.
_SCALES: dict[str, dict[str, Any]] = {
    "smoke": {"channels": 8, "batch_size": 8, "crop": 48, "steps": 300, "learning_rate": 1e-3},
    "laptop": {"channels": 16, "batch_size": 16, "crop": 64, "steps": 3_000, "learning_rate": 5e-4},
    "gpu": {"batch_size": 64, "steps": 5_000, "learning_rate": 3e-4},
    "paper": {},
}

# Ablations compare recipes with one another, so that equal, smaller budgets do; on a CPU smaller crops, too.
_ABLATIONS: dict[str, dict[str, Any]] = {
    "smoke": {"steps": 60},
    "laptop": {"steps": 700, "crop": 48},
    "gpu": {"steps": 2_500},
    "paper": {},
}

PROFILES = tuple(_SCALES)

_DATA = {
    "smoke": {"train": "embedded", "evaluate": "embedded", "generation": "embedded"},
    "laptop": {"train": "bsds500+photos", "evaluate": "bsds500", "generation": "celeba_reduced"},
    "gpu": {"train": "bsds500+photos", "evaluate": "bsds500", "generation": "celeba_reduced"},
}


def recipe(task: str, profile: str, /, **changes: Any) -> Recipe:
    """The recipe of a task under a profile, with `changes` to single fields (an ablation's, say).

    Raises:
        InDIError: no such task, profile or field, `task` or `profile` among the changes, or a value
            of another type or outside its range.
    """
    _checked(task, profile)
    for name in ("task", "profile"):
        if name in changes:
            raise InDIError(
                f"{name} chooses the recipe (here {task} under {profile}) and is no change to it."
            )
    scaled = PAPER[task]
    if profile != "paper":
        data = _DATA[profile]["generation" if task == "generation" else "train"]
        scaled = replace(
            scaled,
            profile=profile,
            data=data,
            degradation=scaled.degradation or _SYNTHETIC[task],
            **_SCALES[profile],
        )
        if task == "generation":
            scaled = replace(scaled, crop=min(scaled.crop, 64))
    valid = [f.name for f in fields(Recipe)]
    for name in changes:
        if name not in valid:
            raise unknown("recipe field", name, valid)
    return replace(scaled, **changes)


def ablation(task: str, profile: str, /, **changes: Any) -> Recipe:
    """As `recipe`, at the smaller budget that comparisons of recipes are made at.

    Raises:
        InDIError: as `recipe`.
    """
    return recipe(task, profile, **{**_ABLATIONS[_checked(task, profile)], **changes})


def conditional(recipe: Recipe) -> Recipe:
    """The conditional DDPM with the data, the network and the budget of `recipe`; what is InDI's own is neutral.

    The output stays too: "velocity" is here z + level net, exact where z is pure noise, as InDI's is
    exact at t = 0. "direct" asks the network to copy z; at 200 smoke steps (one seed) its loss was
    0.24 against 0.14, and its one-step PSNR 6 dB against 22 dB.
    """
    return replace(recipe, method="cddpm", eps=0.0, schedule="none", p_t="linear_0")


def _checked(task: str, profile: str) -> str:
    if task not in PAPER:
        raise unknown("task", task, PAPER)
    if profile not in _SCALES:
        raise unknown("profile", profile, _SCALES)
    return profile


def degradation_of(recipe: Recipe) -> degradations.Degradation | None:
    """How the recipe makes y from x; None where its data set brings y."""
    if recipe.degradation is None:
        return None
    return degradations.get(recipe.degradation, **dict(recipe.degradation_options))


def network_of(recipe: Recipe) -> UNet:
    """The untrained network of a recipe, initialised by its seed alone.

    That of a conditional DDPM sees the noisy image and y side by side and returns the noise.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return UNet(
            recipe.channels,
            recipe.multipliers,
            in_channels=6 if recipe.method == "cddpm" else 3,
            output=recipe.output,
            time_scale=recipe.time_scale,
            zero_init=recipe.zero_init,
            upsample=recipe.upsample,
        )


def as_dict(recipe: Recipe) -> dict[str, Any]:
    """The fields as plain JSON values, in their order."""
    return cast(dict[str, Any], json.loads(json.dumps(asdict(recipe))))


def recipe_hash(recipe: Recipe) -> str:
    """Sixteen hexadecimal digits that name the recipe: SHA-256 of its fields as sorted JSON.

    The version of the training's numbers is one of them from 2 on.
    """
    named = as_dict(recipe)
    if (version := NUMERICS["training"]) > 1:
        named["numerics"] = version
    canonical = json.dumps(named, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]

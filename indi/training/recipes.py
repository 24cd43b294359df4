"""Every training as one frozen value: Table 2 to the letter, and its scaling to smaller profiles.

A recipe holds all that decides the weights, so its hash names the training: the same recipe is the
same run, wherever it is asked for. How fast it runs (device, compilation, workers) is not part of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from typing import Annotated, Any, Literal, cast

import torch
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from indi import profiles
from indi.data import degradations
from indi.data.datasets.image_set import public_name
from indi.errors import InDIError, unknown
from indi.method.cddpm import Prediction
from indi.method.process import noise_schedule, time_distribution
from indi.method.unet import Output, UNet, Upsample
from indi.numerics import NUMERICS

Precision = Literal["32-true", "bf16-mixed"]
Method = Literal["indi", "cddpm", "cddpm_v"]


def _whole(value: Any) -> Any:
    """1e3 steps as 1000."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _tuples(value: Any) -> Any:
    """Lists as tuples, options by name as pairs, however deep, so that a recipe can be compared and hashed."""
    if isinstance(value, dict):
        value = value.items()
    elif not isinstance(value, (list, tuple)):
        return value
    return tuple(_tuples(item) for item in value)


# torch takes whole numbers below 2**63
Whole = Annotated[int, BeforeValidator(_whole), Field(lt=2**63)]
Count = Annotated[Whole, Field(gt=0)]
Positive = Annotated[float, Field(gt=0)]
Options = Annotated[tuple[tuple[str, Any], ...], BeforeValidator(_tuples)]


def _known(lookup: Callable[[str], object]) -> AfterValidator:
    """A name that `lookup` finds; its InDIError says which there are."""

    def check(name: str) -> str:
        lookup(name)
        return name

    return AfterValidator(check)


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))
class Recipe:
    """One training. The defaults are what all tasks of the paper share (Appendix B).

    A value of another type or outside its range is refused before anything is computed with it, in one line
    (InDIError). Values are stored as their field's type, so that equal recipes have equal hashes.

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
        turned: crops are turned by 90 degrees, as well as mirrored; see `crops.TrainingCrops`. The paper says so of
            motion. Faces are upright, and what is to generate them has to see them so.
        method: "indi", or "cddpm", the conditional DDPM of Sec. 6.5, for which eps, p_t and schedule
            do not apply; "cddpm_v": the same, predicting v. See `conditional`.
    """

    task: str
    profile: str
    data: str
    channels: Annotated[
        Count, Field(ge=4, multiple_of=2)
    ]  # sines and cosines of two frequencies of t or more
    multipliers: Annotated[tuple[Count, ...], BeforeValidator(_tuples), Field(min_length=1)]
    eps: Annotated[float, Field(ge=0)]
    p_t: Annotated[str, _known(time_distribution)]
    batch_size: Count
    crop: Count
    steps: Count = 500_000
    learning_rate: Positive = 1e-4
    degradation: str | None = None
    degradation_options: Options = ()
    schedule: Annotated[str, _known(noise_schedule)] = "constant"
    loss_p: Annotated[Whole, Field(ge=1, le=2)] = 1
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.9999
    precision: Precision = "bf16-mixed"
    seed: Annotated[Whole, Field(ge=0)] = 0
    output: Output = "velocity"
    time_scale: Positive = 1000.0
    zero_init: bool = True
    upsample: Upsample = "nearest"
    method: Method = "indi"
    turned: bool = True

    @property
    def conditional(self) -> bool:
        """Whether this trains the conditional DDPM."""
        return self.method != "indi"

    @model_validator(mode="wrap")
    @classmethod
    def _in_one_line(cls, values: Any, validate: Callable[[Any], Recipe]) -> Recipe:
        try:
            return validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            name, *place = first["loc"]
            said = first["msg"].replace("Input should", "must").replace("Tuple should", "must")
            where = f" (item {place[0]})" if place else ""
            raise InDIError(
                f"{name}{where} {said[0].lower()}{said[1:]}: {first['input']!r} does not do."
            ) from None


# Table 2 (Appendix B), and for "generation" Sec. 6.1: it starts from noise at 64x64 on CelebA and
# states no more; width, p(t), batch size, eps and that faces stay upright are ours there.
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
        degradation="noise", turned=False,
    ),
}  # fmt: skip

TASKS = tuple(profiles.TASKS)
PROFILES = tuple(profiles.PROFILES)

# Sets with paired y (GoPro, DPDD) give way to a synthetic degradation where others stand in.
_SYNTHETIC = {"motion": "motion", "defocus": "defocus"}


def recipe(task: str, profile: str, /, **changes: Any) -> Recipe:
    """The recipe of a task under a profile, with `changes` to single fields (an ablation's, say).

    Raises:
        InDIError: no such task, profile or field, `task` or `profile` among the changes, or a value
            of another type or outside its range.
    """
    if task not in PAPER:
        raise unknown("task", task, PAPER)
    sizes = profiles.get(profile)
    scaled: dict[str, Any] = {"profile": profile, **sizes.recipe, **sizes.tasks.get(task, {})}
    if data := sizes.generation if task == "generation" else sizes.train:
        scaled |= {"data": data, "degradation": PAPER[task].degradation or _SYNTHETIC[task]}
    if task == "generation":
        scaled["crop"] = min(scaled.get("crop", 64), 64)
    return changed(replace(PAPER[task], **scaled), **changes)


def changed(recipe: Recipe, /, **changes: Any) -> Recipe:
    """`recipe` with `changes` to single fields.

    Raises:
        InDIError: no such field, `task` or `profile` among them, or a value of another type or outside its range.
    """
    valid = [field.name for field in fields(Recipe)]
    for name in changes:
        if name in ("task", "profile"):
            raise InDIError(
                f"{name} chooses the recipe (here {recipe.task} under {recipe.profile}) and is no change to it."
            )
        if name not in valid:
            raise unknown("recipe field", name, valid)
    return replace(recipe, **changes)


def ablation(task: str, profile: str, /, **changes: Any) -> Recipe:
    """As `recipe`, at the smaller budget that comparisons of recipes are made at."""
    return recipe(task, profile, **{**profiles.get(profile).ablation, **changes})


def conditional(recipe: Recipe, prediction: Prediction = "noise") -> Recipe:
    """The conditional DDPM with the data, the network and the budget of `recipe`; what is InDI's own is neutral.

    Where it predicts v the network returns it as it is ("direct"), as is usual. Where it predicts the noise the
    output stays too: "velocity" is here z + level net, exact where z is pure noise, as InDI's is
    exact at t = 0. "direct" asks the network to copy z; at 200 smoke steps (one seed) its loss was
    0.24 against 0.14, and its one-step PSNR 6 dB against 22 dB.
    """
    neutral = replace(recipe, method="cddpm", eps=0.0, schedule="none", p_t="linear_0")
    return neutral if prediction == "noise" else replace(neutral, method="cddpm_v", output="direct")


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
            in_channels=6 if recipe.conditional else 3,
            output=recipe.output,
            time_scale=recipe.time_scale,
            zero_init=recipe.zero_init,
            upsample=recipe.upsample,
        )


def as_dict(recipe: Recipe) -> dict[str, Any]:
    """The fields as plain JSON values, in their order; `turned` where it is not.

    That field came later: so trainings from before keep their names.
    """
    named = cast(dict[str, Any], json.loads(json.dumps(asdict(recipe))))
    if recipe.turned:
        del named["turned"]
    return named


def public(recipe: Recipe) -> dict[str, Any]:
    """As `as_dict`, for what is stored and shown: a user's own folder by its name alone.

    Where it lies is nobody's business, and which images it holds is said by their content hash beside it.
    """
    return {**as_dict(recipe), "data": public_name(recipe.data)}


def recipe_hash(recipe: Recipe) -> str:
    """Sixteen hexadecimal digits that name the recipe: SHA-256 of its fields as sorted JSON.

    The version of the training's numbers is one of them from 2 on.
    """
    named = as_dict(recipe)
    if (version := NUMERICS["training"]) > 1:
        named["numerics"] = version
    canonical = json.dumps(named, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]

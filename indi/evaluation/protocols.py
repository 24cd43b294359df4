"""What a trained model is tried on, by task and profile: images, crops, numbers of steps.

None of it changes the weights, so none of it is in the recipe.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from indi import profiles
from indi.errors import unknown
from indi.training import recipes
from indi.training.recipes import Precision


@dataclass(frozen=True)
class Evaluation:
    """What a trained model is tried on.

    Attributes:
        data: image set, split "evaluate".
        crop: side of the centre crop, pixels; 0: whole images.
        images: how many images, in the order of the set; None for all.
        step_counts: numbers of steps N.
        batch_size: images per call of F.
        seed: of the degradation and of the perturbation; the same for every sampler and N, so that
            differences are paired.
        precision: of F; the states and the metrics stay float32. On a CPU with bf16 instructions
            "bf16-mixed" is 2.6 times as fast; on JPEG it moved PSNR by 0.001 dB.
    """

    data: str
    crop: int = 0
    images: int | None = None
    step_counts: tuple[int, ...] = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500)
    batch_size: int = 8
    seed: int = 0
    precision: Precision = "32-true"


def evaluation(task: str, profile: str, /, **changes: Any) -> Evaluation:
    """What the model of a task is tried on under a profile, with `changes` to single fields.

    Raises:
        InDIError: no such task, profile or field.
    """
    recipe, sizes = recipes.recipe(task, profile), profiles.get(profile)
    valid = [field.name for field in fields(Evaluation)]
    for name in changes:
        if name not in valid:
            raise unknown("evaluation field", name, valid)
    chosen: dict[str, Any] = {"data": sizes.evaluate or recipe.data, **sizes.evaluation}
    if task == "generation":  # samples have no size of their own
        crop = min(chosen.get("crop") or recipe.crop, 64)
        chosen |= {"data": recipe.data, "crop": crop, **sizes.generation_evaluation}
    return Evaluation(**{**chosen, **changes})


def ablation(task: str, profile: str, /, **changes: Any) -> Evaluation:
    """As `evaluation`, with what comparisons of many trainings are made on."""
    return evaluation(task, profile, **{**profiles.get(profile).ablation_evaluation, **changes})


MANY = (1, 2, 5, 10, 20, 50, 100, 200, 500)
"""Numbers of steps of InDI where very many are tried: those of Table 3 and more between them."""

MANY_OTHERS = (2, 5, 10, 20, 100, 500)
"""Those of the naive sampler and of Cold Diffusion; one step is InDI's."""

BETWEEN = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5)
"""Second time s of two steps 1, s, 0: points of the curve from N = 1 (s = 0) to N = 2 (s = 1/2)."""


def many(task: str, profile: str, /, **changes: Any) -> tuple[Evaluation, Evaluation]:
    """What very many steps are tried on: for InDI, and for the other two samplers, on the first half of its images.

    Crops of 96 pixels. About 100,000 calls of F a task, in laptop 40 minutes of a core. In smoke three steps in
    place of hundreds, to see that it runs. Generation: 64 pixels, to 200 steps, all three on the same images.

    Args:
        changes: to fields of both.
    """
    faces = task == "generation"
    images = 4 if profile == "smoke" else 200 if faces else 64
    usual: dict[str, Any] = {"crop": 64 if faces else 96, "images": images, "step_counts": MANY}
    ours = evaluation(task, profile, **{**usual, **changes})
    ours = replace(
        ours, batch_size=max(8, ours.batch_size)
    )  # crops this small fit the caches of a CPU by eights
    if faces:
        ours = replace(ours, step_counts=tuple(n for n in MANY if n <= 200))
        return ours, ours
    theirs = replace(ours, images=max(1, (ours.images or 2) // 2), step_counts=MANY_OTHERS)
    if profile == "smoke":
        return replace(ours, step_counts=(1, 2, 3)), replace(theirs, step_counts=(2, 3))
    return ours, theirs

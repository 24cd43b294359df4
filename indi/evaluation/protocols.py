"""What a trained model is tried on, by task and profile: images, crops, numbers of steps.

None of it changes the weights, so none of it is in the recipe.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from indi.errors import unknown
from indi.training import recipes
from indi.training.recipes import Precision


@dataclass(frozen=True)
class Evaluation:
    """What a trained model is tried on.

    Attributes:
        data: image set, split "evaluate".
        crop: side of the centre crop, pixels.
        images: how many images, in the order of the set; None for all.
        step_counts: numbers of steps N.
        batch_size: images per call of F.
        seed: of the degradation and of the perturbation; the same for every sampler and N, so that
            differences are paired.
        precision: of F; the states and the metrics stay float32. On a CPU with bf16 instructions
            "bf16-mixed" is 2.6 times as fast; on JPEG it moved PSNR by 0.001 dB.
    """

    data: str
    crop: int
    images: int | None
    step_counts: tuple[int, ...]
    batch_size: int = 8
    seed: int = 0
    precision: Precision = "32-true"


_EVALUATIONS: dict[str, Evaluation] = {
    "smoke": Evaluation("embedded", 128, None, (1, 2, 5, 20)),
    # two images at a time fit the caches of a CPU, where eight took 1.4 times as long
    "laptop": Evaluation("bsds500", 192, 100, (1, 2, 3, 5, 10, 20), batch_size=2, precision="bf16-mixed"),
    "gpu": Evaluation(
        "bsds500", 256, 100, (1, 2, 3, 5, 10, 20, 50, 100, 200, 500), batch_size=32, precision="bf16-mixed"
    ),
    "paper": Evaluation("", 0, None, (1, 2, 3, 5, 10, 20, 50, 100, 200, 500)),
}

# Ablations compare many trainings. On a CPU, smaller crops of fewer images keep that affordable; there
# are enough of them for every interval.
_ABLATIONS: dict[str, dict[str, Any]] = {
    "smoke": {},
    "laptop": {"crop": 128, "images": 32, "step_counts": (1, 2, 5, 10, 20)},
    "gpu": {},
    "paper": {},
}

# A sample of 64x64 pixels costs a ninth of a laptop's photograph: more steps are affordable.
_GENERATION: dict[str, dict[str, Any]] = {
    "smoke": {},
    "laptop": {"step_counts": (1, 2, 5, 10, 20, 50), "batch_size": 16},
    "gpu": {},
    "paper": {},
}


def evaluation(task: str, profile: str, /, **changes: Any) -> Evaluation:
    """What the model of a task is tried on under a profile, with `changes` to single fields.

    Raises:
        InDIError: no such task, profile or field.
    """
    recipe = recipes.recipe(task, profile)
    settings = _EVALUATIONS[profile]
    if profile == "paper":
        settings = replace(settings, data=recipe.data)
    if task == "generation":
        crop = min(settings.crop or recipe.crop, 64)
        settings = replace(settings, data=recipe.data, crop=crop, **_GENERATION[profile])
    valid = [f.name for f in fields(Evaluation)]
    for name in changes:
        if name not in valid:
            raise unknown("evaluation field", name, valid)
    return replace(settings, **changes)


def ablation(task: str, profile: str, /, **changes: Any) -> Evaluation:
    """As `evaluation`, with what comparisons of many trainings are made on.

    Raises:
        InDIError: as `evaluation`.
    """
    evaluation(task, profile)  # refuses an unknown profile
    return evaluation(task, profile, **{**_ABLATIONS[profile], **changes})

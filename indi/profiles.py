"""The sizes in which everything runs, and which chapter shows what. The only place that knows; imports no torch.

A profile holds what differs from the paper: every recipe starts at Table 2 (`training.recipes`) and every
evaluation at `evaluation.protocols`, and the blocks below say what is changed, and why. A new size is a new
block; a new chapter is a line of `CHAPTERS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from indi.errors import unknown


@dataclass(frozen=True)
class Profile:
    """One size. Each mapping is field -> value; what is not named stays.

    Attributes:
        train, evaluate: image sets of the four restoration tasks; None: those of the paper's task.
        generation: image set of generation, to train and to evaluate on; None: the paper's.
        recipe: changes to Table 2, in `recipes.Recipe`.
        tasks: further ones of single tasks.
        ablation: further ones where recipes are compared with one another.
        evaluation: what trained models are tried on, in `protocols.Evaluation`.
        ablation_evaluation, generation_evaluation: changes to it for comparisons, and for generation.
        job: what a training chapter asks of a cluster: runtime in minutes, mem_mb, gpu.
        disk: GiB that trainings, states and decoded images take: smoke and laptop as measured, rounded up; the
            others estimated.
    """

    train: str | None = None
    evaluate: str | None = None
    generation: str | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ablation: Mapping[str, Any] = field(default_factory=dict)
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    ablation_evaluation: Mapping[str, Any] = field(default_factory=dict)
    generation_evaluation: Mapping[str, Any] = field(default_factory=dict)
    job: Mapping[str, int] = field(default_factory=dict)
    disk: float = 100.0


#: Simulated shakes as long as recorded ones. Levin's kernels extend (above 5 % of their peak) over 8 to 22 pixels,
#: 28 along the diagonal; their extents, not their shapes, were looked at. Radii of the simulated defocus (5 to
#: 95 %: .7 to 8 pixels) already cover those of Lytro's photographs (1 to 7).
SHAKE = {"motion": {"degradation_options": (("extent", (3.0, 28.0)),)}}

PROFILES: dict[str, Profile] = {
    # Shows that everything runs, in minutes, on photographs inside installed packages. About quality it says nothing.
    "smoke": Profile(
        train="embedded",
        evaluate="embedded",
        generation="embedded",
        recipe={"channels": 8, "batch_size": 8, "crop": 48, "steps": 300, "learning_rate": 1e-3},
        ablation={"steps": 60},
        evaluation={"crop": 128, "step_counts": (1, 2, 5, 20)},
        job={"runtime": 30, "mem_mb": 8_000},
        disk=0.5,
    ),
    # What the published book shows: hours on two cores.
    "laptop": Profile(
        train="bsds500",
        evaluate="bsds500",
        generation="celeba_reduced",
        # The rate: 1e-4 belongs to 500,000 steps; shorter runs want more. Without normalisation there is
        # little room: 4e-3 collapses to the identity, and at 1e-3 a training (motion) ended in nan at step 555.
        recipe={"channels": 16, "batch_size": 16, "crop": 64, "steps": 6_000, "learning_rate": 5e-4},
        tasks=SHAKE,
        # equal, smaller budgets do to compare recipes; on a CPU smaller crops, too. They stay those of the
        # published comparisons until the campaign's (1,500 steps, three seeds, BSDS500 alone) have ended.
        ablation={"data": "bsds500+photos", "steps": 700, "crop": 48},
        evaluation={
            "crop": 192,
            "images": 100,
            "step_counts": (1, 2, 3, 5, 10, 20),
            "batch_size": 2,  # fits the caches of a CPU, where eight took 1.4 times as long
            "precision": "bf16-mixed",
        },
        # many trainings: smaller crops of fewer images, still enough for every interval
        ablation_evaluation={"crop": 128, "images": 32, "step_counts": (1, 2, 5, 10, 20)},
        # a sample of 64x64 pixels costs a ninth of a photograph: more steps are affordable
        generation_evaluation={"step_counts": (1, 2, 5, 10, 20, 50), "batch_size": 16},
        job={"runtime": 240, "mem_mb": 16_000},
        disk=1.0,
    ),
    # The networks of Table 2 on one large GPU, small data.
    "gpu": Profile(
        train="bsds500",
        evaluate="bsds500",
        generation="celeba_reduced",
        recipe={"batch_size": 64, "steps": 5_000, "learning_rate": 3e-4},
        tasks=SHAKE,
        ablation={"steps": 2_500},
        evaluation={"crop": 256, "images": 100, "batch_size": 32, "precision": "bf16-mixed"},
        job={"runtime": 240, "mem_mb": 64_000, "gpu": 1},
        disk=10.0,
    ),
    # Table 2 to the letter, whole images: a cluster. Planned and costed, not run.
    "paper": Profile(job={"runtime": 1440, "mem_mb": 128_000, "gpu": 8}),
}


class Task(NamedTuple):
    """A task of the paper: the chapter that trains it, and its name for readers."""

    chapter: str
    words: str


#: In the order of Table 2; generation is Sec. 6.1.
TASKS: dict[str, Task] = {
    "motion": Task("05_motion", "motion blur"),
    "defocus": Task("07_defocus", "defocus"),
    "jpeg": Task("04_jpeg", "JPEG artifacts"),
    "super_resolution": Task("06_super_resolution", "4× super-resolution"),
    "generation": Task("08_generation", "generation from noise"),
}
#: The tasks that restore an image, and the same in the order of their chapters.
RESTORATION = tuple(task for task in TASKS if task != "generation")
BY_CHAPTER = tuple(sorted(RESTORATION, key=lambda task: TASKS[task].chapter))

_OF_TASKS = tuple(sorted(task.chapter for task in TASKS.values()))
#: Chapters of formulas alone: their numbers are the same in every profile.
EXACT = ("01_toy_example", "02_closed_forms", "02b_checks", "03_network")
_ABLATIONS = ("10_time_distribution", "11_noise", "12_conditional_ddpm", "15_open_choices")

#: Chapter -> chapters whose trainings or tables it reads.
CHAPTERS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys((*EXACT, *_OF_TASKS, *_ABLATIONS, "14_beyond"), ()),
    "02b_checks": ("02_closed_forms",),
    "09_samplers": _OF_TASKS,
    "16_why_quality_falls": _OF_TASKS,
    "17_scale": (),
    "13_claims": (*EXACT, *_OF_TASKS, "09_samplers", *_ABLATIONS),
}
#: Chapters that train nothing: one core each, side by side.
LIGHT = (*EXACT, "09_samplers", "13_claims")
#: Chapter -> the tasks whose models it evaluates.
EVALUATES = {"09_samplers": RESTORATION, **{task.chapter: (name,) for name, task in TASKS.items()}}
#: Chapters that compare trainings of one task, JPEG.
COMPARING = tuple(name for name in CHAPTERS if name not in LIGHT and name not in EVALUATES)
#: Chapter -> image sets without which it leaves a section out.
EXTRA = {"05_motion": ("levin",), "06_super_resolution": ("set5", "set14"), "07_defocus": ("lytro",)}


def words(task: str, otherwise: str = "") -> str:
    """A task's name for readers; `otherwise` where that is no task."""
    return TASKS[task].words if task in TASKS else otherwise


def get(name: str) -> Profile:
    """The profile of that name. Whatever takes the name of a profile asks here, and nowhere checks again.

    Raises:
        InDIError: no such profile.
    """
    if name not in PROFILES:
        raise unknown("profile", name, PROFILES)
    return PROFILES[name]

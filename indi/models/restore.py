"""A photograph from a file restored by a trained model into another file."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from indi import training
from indi.data import degradations
from indi.data.images import from_arrays, read_image, to_arrays, write_image
from indi.errors import InDIError
from indi.method.samplers import sampler, uniform_times
from indi.training.recipes import TASKS, Recipe


@dataclass(frozen=True)
class Restored:
    """What `restore` did: the file written, its size in pixels, and the wall time of the sampler in seconds."""

    path: Path
    height: int
    width: int
    seconds: float


def restore(
    recipe: Recipe,
    source: Path,
    output: Path,
    *,
    steps: int = 10,
    method: str = "indi",
    seed: int = 0,
    enlarged: bool = False,
    accelerator: str = "auto",
) -> Restored:
    """Restore the picture in `source` with the trained or shipped model of `recipe`; write it to `output`.

    The whole image goes through the network at once, in float32, clipped and rounded to 8 bits at the
    end. The perturbation has the recipe's eps and schedule and is drawn on the CPU, so that another
    device changes the result by no more than rounding.

    Args:
        recipe: whose model is taken.
        source: degraded as the training images were, of any kind that `images.read_image` takes.
        output: PNG, written whole or not at all; not the file that is read.
        steps: number of steps N, that is of calls of F.
        method: name of the sampler.
        seed: of the perturbation; without effect where eps = 0.
        enlarged: for super_resolution: the picture has its final size already. Otherwise it is first
            enlarged bilinearly by the recipe's factor, 4, as the training images were.
        accelerator: "auto" (CUDA where there is one, else the CPU), "cpu", "cuda" or "mps".

    Raises:
        InDIError: the task restores no image, no model is there or it is damaged, the picture cannot be
            read, the output would replace it or is no PNG, or the memory does not suffice.
    """
    if recipe.task == "generation":
        choices = ", ".join(task for task in TASKS if task != "generation")
        raise InDIError(f"generation starts from pure noise and restores no image. Choices: {choices}.")
    if recipe.method != "indi":
        raise InDIError(
            f"a model of {recipe.method} is not sampled with InDI: choose a recipe of method 'indi'."
        )
    sample, times = sampler(method), uniform_times(steps)
    _check_output(source, output)
    device = _device(accelerator)
    y = from_arrays([read_image(source)])
    if recipe.task == "super_resolution" and not enlarged:
        y = degradations.upscale(y, dict(recipe.degradation_options).get("factor", 4))
    height, width = y.shape[2:]
    network = training.load(recipe).F
    generator = torch.Generator().manual_seed(seed)
    started = time.perf_counter()
    try:
        moved = y.to(device).contiguous(memory_format=torch.channels_last)
        x: Tensor = sample(network.to(device), moved, times, recipe.eps, recipe.schedule, generator)
        (restored,) = to_arrays(x)
    except (MemoryError, RuntimeError) as error:
        # torch.OutOfMemoryError on a GPU; on a CPU a RuntimeError of the allocator
        if not isinstance(error, MemoryError) and "memory" not in str(error):
            raise
        raise InDIError(
            f"{source}: too little memory on {device.type} for {width}x{height} pixels at once: cut the image "
            "into parts, or choose another accelerator."
        ) from error
    seconds = time.perf_counter() - started
    write_image(output, restored)
    return Restored(output, height, width, seconds)


def _check_output(source: Path, output: Path) -> None:
    """Refuse early what could not, or must not, be written at the end."""
    if output.suffix.lower() != ".png":
        raise InDIError(f"{output}: images are written as PNG; end the name in .png.")
    if output.is_dir():
        raise InDIError(f"{output} is a folder: name a file to write.")
    same = output.resolve() == source.resolve()
    if same or (output.exists() and source.exists() and output.samefile(source)):
        raise InDIError(f"{output} is the image to restore, which is not overwritten: choose another output.")


def _device(accelerator: str) -> torch.device:
    if accelerator == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(accelerator, False):
        usable = ", ".join(["auto", *(name for name, ok in there.items() if ok)])
        raise InDIError(f"accelerator {accelerator!r} cannot be used here. Choices: {usable}.")
    return torch.device(accelerator)

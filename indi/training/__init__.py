"""The one training loop of every experiment: Adam at a fixed rate, with an averaged copy of the weights.

`train(recipe)` is content-addressed. A finished run is returned at once, an interrupted one goes on
from its last state, bit for bit on a CPU: the batch, the times and the noise of a step are functions
of (seed, step) alone, so that weights, averages, optimiser and step number are the whole state.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path

import lightning_fabric as lf
import torch
from lightning_fabric.loggers.tensorboard import TensorBoardLogger
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.utilities.exceptions import MisconfigurationException

from indi.data import datasets
from indi.errors import InDIError
from indi.files import only_one, writable
from indi.stopping import asked
from indi.training import cost, loop, precision
from indi.training.loop import Execution, ema_decay
from indi.training.loss import loss_function, objective
from indi.training.recipes import Recipe
from indi.training.store import Trained, finished, load, run_folder, shipped_folder

logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it announces its precision


def train(recipe: Recipe, execution: Execution | None = None) -> Trained:
    """Train `recipe`, resume it, or return it if it is complete, here or shipped.

    Two processes that ask for the same recipe wait for one another instead of training it twice. A model
    that is shipped with the project is returned as it is, where there is no complete run. What older code
    has trained is returned too, and known as stale; always in the smoke profile, which is quick, it is
    trained anew. With INDI_RETRAIN=1 so is everything stale, and nothing shipped is used.

    With `execution.until` the training of that many steps is returned, and the longer one goes on from there
    when it is asked for. After `execution.stop_after` seconds, or on SIGTERM, it ends with a state instead.

    Raises:
        Again: it was stopped; called again, it goes on from there, bit for bit on a CPU.
        InDIError: the accelerator is not here, the data are missing, have changed or are too small for
            the crop, a file of the run is damaged or belongs to another recipe, or the disk is full or
            read-only.
    """
    execution = execution or Execution()
    folder = run_folder(recipe)
    wanted = replace(recipe, steps=min(recipe.steps, execution.until or recipe.steps))
    images = cache(partial(datasets.load, recipe.data, "train"))  # once, and only if it is needed
    if not finished(wanted, images):
        many = fabric(recipe, execution, folder)
        many.launch()
        cost.require_memory(recipe, many.device, execution.micro_batch, many.world_size)
        with asked(execution.stop_after) as stop, _only_one(many, recipe, folder, stop):
            if not finished(wanted, images):
                loop.run(recipe, execution, many, folder, images(), stop)
    return load(wanted)


def fabric(recipe: Recipe, execution: Execution, folder: Path) -> lf.Fabric:
    """Fabric on the accelerator and the processes asked for. "auto" is CUDA where it is, else the CPU.

    Fabric's own "auto" would take MPS on Apple Silicon, where nothing here was tried; "mps" asks for it.
    """
    accelerator = execution.accelerator
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    there = torch.cuda.device_count() if accelerator == "cuda" else os.cpu_count() or 1
    # torchrun has counted what it starts; without it Fabric starts as many processes itself
    if accelerator in ("cpu", "cuda") and 0 < there < execution.devices and "LOCAL_RANK" not in os.environ:
        raise InDIError(
            f"{execution.devices} devices were asked for, and {there} {'GPUs' if accelerator == 'cuda' else 'cores'} "
            f"are here: at most --devices {there}, or torchrun over several machines (book/rerun.md)."
        )
    machines = int(os.environ.get("GROUP_WORLD_SIZE", "1"))  # torchrun's word for them
    try:
        return lf.Fabric(
            accelerator=accelerator,
            devices=execution.devices,
            num_nodes=machines,
            strategy="ddp" if execution.devices * machines > 1 else "auto",
            precision=precision.resolve(recipe.precision, torch.device(accelerator)),
            # inside a Slurm job Fabric would leave it to srun to start the processes
            plugins=[] if TorchElasticEnvironment.detect() else [LightningEnvironment()],
            # scalars in the run's folder; pip install -e ".[tensorboard]" brings it
            loggers=[TensorBoardLogger(folder, name="tensorboard", version="")]
            if find_spec("tensorboard")
            else [],
        )
    except (ValueError, RuntimeError, MisconfigurationException) as error:
        raise InDIError(
            f"accelerator {accelerator!r} with {execution.devices} device(s) cannot be used here: "
            f"{' '.join(str(error).split())} Choices: auto, cpu, cuda, mps."
        ) from error


@contextmanager
def _only_one(fabric: lf.Fabric, recipe: Recipe, folder: Path, stop: Callable[[], bool]) -> Iterator[None]:
    writable(folder)
    doing = f"the training of {recipe.task} under {recipe.profile}, {folder.name}"
    with only_one(folder / ".lock", doing, stop=stop) if fabric.is_global_zero else nullcontext():
        fabric.barrier()
        yield
        fabric.barrier()

"""The loop itself: Adam at a fixed rate, an averaged copy of the weights, states to resume from."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import lightning_fabric as lf
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from indi import numerics
from indi.data.crops import TrainingCrops, torch_seed
from indi.data.datasets import ImageSet
from indi.data.degradations import Degradation
from indi.data.images import from_uint8
from indi.errors import InDIError
from indi.files import explaining, replacing
from indi.method import cddpm
from indi.method.process import randn_like, time_distribution
from indi.progress import progress
from indi.records import forms, provenance
from indi.stopping import Again
from indi.training import checkpoints, precision
from indi.training.loss import loss_function, objective
from indi.training.recipes import Recipe, degradation_of, network_of, public, recipe_hash
from indi.training.store import run_folder

_AGREE_EVERY = 10  # steps
_TIMES, _NOISE, _DEGRADATION = range(1, 4)  # streams of random numbers beside the crops


@dataclass(frozen=True)
class Execution:
    """How a training runs: its speed, and results by no more than rounding, but for the device.

    Any number of processes trains on the same crops, blurs, times and noise. A GPU draws other times, noise
    and blurs than a CPU.

    Attributes:
        accelerator: "auto" (CUDA where there is one, else the CPU), "cpu", "cuda", or "mps", which is untested.
        devices: processes on this machine. Fabric starts them, unless torchrun has.
        workers: of the data loader; None: none on a CPU, 8 beside a GPU.
        compile: torch.compile; None: where a GPU is.
        micro_batch: images at a time where the batch does not fit the memory; gradients add up.
        checkpoint_every: steps between states; None: a tenth of the run, at most 500.
        snapshots: numbers of steps after which the averaged weights are kept. At a constant rate they are
            those of the same recipe with so many steps, and are kept as that recipe's training.
        until: stop after so many steps, with a snapshot, and a state to go on from.
        stop_after: seconds after which to stop, with a state to go on from.
    """

    accelerator: str = "auto"
    devices: int = 1
    workers: int | None = None
    compile: bool | None = None
    micro_batch: int | None = None
    checkpoint_every: int | None = None
    snapshots: tuple[int, ...] = ()
    until: int | None = None
    stop_after: float | None = None


def ema_decay(step: int, limit: float) -> float:
    """The decay of the average after `step` updates: (1 + step) / (10 + step), at most `limit`.

    At the paper's 0.9999 an average spans 10,000 steps; without the warm-up a run of a few hundred
    would be evaluated at its initialisation. The limit is reached after 90,000 steps.
    """
    return min(limit, (1 + step) / (10 + step))


def run(
    recipe: Recipe,
    execution: Execution,
    fabric: lf.Fabric,
    folder: Path,
    images: ImageSet,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Train `recipe` on `images` from its last state in `folder` to its last step; write weights, log and record.

    With `execution.until` it ends at that step, with a state in place of weights. So it does at the step after
    which `stop` says that it is time.

    Raises:
        Again: it was stopped.
        InDIError: see `training.train`.
    """
    degradation = degradation_of(recipe)
    share = (fabric.global_rank, fabric.world_size)
    batch = (recipe.crop, recipe.batch_size, recipe.seed)
    crops = TrainingCrops(images, degradation, *batch, *share, turned=recipe.turned)
    on_gpu = fabric.device.type == "cuda"
    computed_in = precision.resolve(recipe.precision, fabric.device)
    compile_it = on_gpu if execution.compile is None else execution.compile
    workers = (8 if on_gpu else 0) if execution.workers is None else execution.workers
    network = network_of(recipe).to(memory_format=torch.channels_last)
    compiled = cast(nn.Module, torch.compile(network)) if compile_it else network
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
    model, optimizer = fabric.setup(compiled, optimizer)

    def average(averaged: Any, current: Any, count: Tensor | int) -> None:
        get_ema_multi_avg_fn(ema_decay(int(count), recipe.ema_decay))(averaged, current, count)

    # of the bare network: its parameters are the ones that the wrappers of Fabric and compile train
    ema = AveragedModel(network, multi_avg_fn=average)

    versions = numerics.versions(numerics.OF_TRAINING)
    state = checkpoints.load_state(folder, recipe_hash(recipe), images.hash, versions)
    state = state or {"step": 0, "seconds": 0.0}
    first = state["step"]
    if first:
        network.load_state_dict(state["network"])
        ema.load_state_dict(state["ema"])
        optimizer.load_state_dict(state["optimizer"])
    _truncate_log(folder / "log.jsonl", first)

    last = min(recipe.steps, execution.until or recipe.steps)
    snapshots = {*execution.snapshots, last} - {recipe.steps}
    log_every = max(1, recipe.steps // 240)
    save_every = execution.checkpoint_every or min(500, max(1, recipe.steps // 10))
    since = state.get("loss_sum", torch.zeros(())).to(fabric.device)
    started = time.perf_counter() - state["seconds"]

    def elapsed() -> float:
        return time.perf_counter() - started

    def stop_here(mine: bool) -> bool:
        if fabric.world_size == 1:
            return mine
        any_of_all = fabric.all_reduce(torch.tensor(float(mine), device=fabric.device), reduce_op="sum")
        return bool(cast(Tensor, any_of_all) > 0)

    loader = DataLoader(
        crops,
        sampler=range(first, last),
        batch_size=None,  # an item is a whole batch
        num_workers=workers,
        pin_memory=on_gpu,
    )
    bar = progress(loader, initial=first, total=last, desc=f"train {recipe.task}", unit="step")
    lap = elapsed()
    for step, (x, y) in enumerate(bar, first):
        since += _step(recipe, execution, fabric, model, optimizer, degradation, step, x, y)
        ema.update_parameters(network)
        done = step + 1

        if done % log_every == 0 or done == recipe.steps:
            count = log_every if done % log_every == 0 else done % log_every
            loss = float(cast(Tensor, fabric.all_reduce(since, reduce_op="mean"))) / count
            rate = count * recipe.batch_size / max(elapsed() - lap, 1e-9)
            lap = elapsed()
            since.zero_()
            if not loss < float("inf"):
                checkpoints.delete_states(folder)  # one of them may hold the weights that diverged
                raise InDIError(
                    f"the loss of {recipe.task} is {loss} at step {done}: lower learning_rate "
                    f"(now {recipe.learning_rate:g}) or use precision='32-true'."
                )
            bar.set_postfix_str(f"loss {loss:.4f}, {rate:.0f} images/s")
            if fabric.is_global_zero:
                row = {"step": done, "loss": loss, "images_per_second": rate, "seconds": elapsed()}
                fabric.log_dict({"loss": loss, "images_per_second": rate}, step=done)
                with explaining(folder / "log.jsonl"), (folder / "log.jsonl").open("a") as file:
                    file.write(json.dumps(row) + "\n")

        if done in snapshots and fabric.is_global_zero:
            shorter = replace(recipe, steps=done)
            if not (run_folder(shorter) / "done.json").is_file():
                lines = (folder / "log.jsonl").read_text()
                with replacing(run_folder(shorter) / "log.jsonl") as partial:
                    partial.write_text(lines)
                _finish(shorter, run_folder(shorter), ema, images.hash, elapsed(), computed_in)

        # Processes stop at the same step or not at all. To agree, a GPU has to be waited for: not at every step.
        stopped = done < last and (fabric.world_size == 1 or done % _AGREE_EVERY == 0) and stop_here(stop())
        due = done % save_every == 0 or done == last or stopped
        if due and done < recipe.steps and fabric.is_global_zero:
            checkpoints.save_state(
                folder,
                done,
                {
                    "recipe_hash": recipe_hash(recipe),
                    "data": images.hash,
                    "numerics": versions,
                    "step": done,
                    "seconds": elapsed(),
                    "loss_sum": since.cpu(),
                    "network": network.state_dict(),
                    "ema": ema.state_dict(),
                    "optimizer": optimizer.state_dict(),
                },
            )
        if stopped:
            fabric.barrier()  # a process that ends before the state is whole would take the others with it
            raise Again(
                f"the training of {recipe.task} under {recipe.profile} stopped at step {done:,} of {last:,}, with a "
                "state: the same command goes on from there."
            )

    if fabric.is_global_zero and last == recipe.steps:
        _finish(recipe, folder, ema, images.hash, elapsed(), computed_in)
        checkpoints.delete_states(folder)


def _finish(
    recipe: Recipe, folder: Path, ema: AveragedModel, data: str, seconds: float, computed_in: str
) -> None:
    """Write the averaged weights and, last, the record that says that they are whole."""
    digest = checkpoints.save_weights(folder / "weights.safetensors", ema.module.state_dict(), public(recipe))
    record = {
        "recipe": public(recipe),
        "checkpoint": digest,
        "data": data,
        "seconds": seconds,
        "precision": computed_in,
        **provenance.collect(rooms=numerics.OF_TRAINING),
    }
    with replacing(folder / "done.json") as partial:
        partial.write_text(json.dumps(record, indent=2, default=str))


def _step(
    recipe: Recipe,
    execution: Execution,
    fabric: lf.Fabric,
    model: Any,
    optimizer: torch.optim.Optimizer,
    degradation: Degradation | None,
    step: int,
    x: Tensor,
    y: Tensor | None,
) -> Tensor:
    """One optimiser step on uint8 crops; returns the loss, detached."""

    def generator(*stream: int) -> torch.Generator:
        seed = torch_seed(recipe.seed, step, *stream)
        return torch.Generator(fabric.device).manual_seed(seed)

    x = from_uint8(x.to(fabric.device, non_blocking=True))
    if y is not None:
        y = from_uint8(y.to(fabric.device, non_blocking=True))
    else:
        assert degradation is not None
        # the 0 is history: it was the rank, when every process drew blurs of its own
        y = degradation(x, generator(_DEGRADATION, 0), (fabric.global_rank, fabric.world_size))
    if degradation is not None and (m := degradation.margin):
        x, y = x[..., m:-m, m:-m], y[..., m:-m, m:-m]

    # As blurs, times and noise are drawn for the whole batch, so that one process and many train on the same.
    mine = slice(fabric.global_rank, None, fabric.world_size)
    times = cddpm.training_levels() if recipe.conditional else time_distribution(recipe.p_t)
    t = times.sample(recipe.batch_size, generator(_TIMES))[mine]
    noise = None
    if recipe.eps > 0 or recipe.conditional:
        whole = x.new_empty(recipe.batch_size, *x.shape[1:])
        noise = randn_like(whole, generator(_NOISE))[mine]
    inputs, t, target = objective(recipe, x, y, t, noise)
    inputs = inputs.contiguous(memory_format=torch.channels_last)

    optimizer.zero_grad()
    total = torch.zeros((), device=fabric.device)
    size = execution.micro_batch or len(x)
    for start in range(0, len(x), size):
        part = slice(start, start + size)
        last = start + size >= len(x)
        with fabric.no_backward_sync(model, enabled=not last):
            share = len(x[part]) / len(x)
            loss = share * loss_function(model(inputs[part], t[part]), target[part], recipe.loss_p)
            fabric.backward(loss)
        total += loss.detach()
    optimizer.step()
    return total


def _truncate_log(path: Path, step: int) -> None:
    """Drop the lines after `step`: they belong to steps that will be taken again."""
    lines = path.read_text().splitlines() if path.is_file() else []
    kept = [line for line in lines if (row := forms.log_row(line)) and row["step"] <= step]
    with replacing(path) as partial:
        partial.write_text("".join(f"{line}\n" for line in kept))

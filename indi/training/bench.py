"""How fast this machine is, in one run: rates that are to be compared take turns, for machines are noisy.

On a CPU all is timed on one thread, as trainings run, and in seconds of processor time, so that other load does
not count; on a GPU in seconds of the clock.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from unittest.mock import patch

import torch
from torch import Tensor

from indi import training
from indi.data import datasets
from indi.data.crops import TrainingCrops
from indi.data.images import from_uint8
from indi.method.samplers import indi, predict, uniform_times
from indi.method.unet import forward_flops
from indi.training import precision
from indi.training.cost import waiting
from indi.training.recipes import TASKS, Precision, Recipe, degradation_of, network_of, recipe

CALLS = 10
"""Steps of the sampler that is timed."""


@dataclass(frozen=True)
class Row:
    """One line of the benchmark.

    Attributes:
        what: was measured.
        value: in `unit`.
        unit: images/s, GFLOP/s or a plain ratio.
        target: in words; empty where there is none.
    """

    what: str
    value: float
    unit: str
    target: str = ""


def bench(profile: str = "laptop", seconds: float = 20.0, data: str | None = None) -> list[Row]:
    """Time the training loop against a bare one, the precisions, the sampler and the loading of data.

    Training is timed on the JPEG recipe of the profile: whole runs of the loop, set-up left out, beside a loop of
    forward, backward and Adam on one batch. Runs take turns; the median of the ratios is told.

    Args:
        profile: whose network, batch and crop.
        seconds: about how long each part takes.
        data: image set to train on; None: the photographs inside installed packages.

    Raises:
        InDIError: the data are not there.
    """
    chosen = recipe("jpeg", profile, data=data or "embedded")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu":
        torch.set_num_threads(1)
    rows = _training(chosen, device, seconds)
    rows += _sampling(chosen, device, seconds / 2)
    return rows + _loading(profile, chosen.data, rows[0].value, seconds / 10)


def _training(chosen: Recipe, device: torch.device, seconds: float) -> list[Row]:
    allowed = precision.resolve(chosen.precision, device)
    other: Precision = "32-true" if allowed == "bf16-mixed" else "bf16-mixed"
    bare = {name: _bare_loop(chosen, device, name) for name in (allowed, other)}
    first = bare[allowed](1)
    steps = max(4, round(seconds / 12 / max(first, 1e-3)))
    loop, ratios, others = [], [], []
    for turn in range(4):
        ours = _loop_seconds(replace(chosen, seed=turn), steps, device)
        alone = bare[allowed](steps)
        others.append(bare[other](max(1, steps // 3)) / max(1, steps // 3) / (alone / steps))
        loop.append(steps * chosen.batch_size / ours)
        ratios.append(alone / ours)
    rate = median(loop)
    network = network_of(chosen)
    flops = 3 * forward_flops(network, chosen.crop, chosen.crop)
    matmul = _matmul_flops(device, allowed)
    return [
        Row(f"training loop, {allowed}", rate, "images/s"),
        Row("loop over bare loop", median(ratios), "", "at least .97"),
        Row(f"{allowed} over {other}, bare loops", median(others), "", "above 1, else the choice is wrong"),
        Row(f"loop over bare {other} loop", median([a * b for a, b in zip(ratios, others, strict=True)]), ""),
        Row(f"matrix products, {allowed}", matmul / 1e9, "GFLOP/s"),
        Row("training over matrix products", rate * flops / matmul, "", "at least .4 on a GPU"),
    ]


def _loop_seconds(chosen: Recipe, steps: int, device: torch.device) -> float:
    """Seconds that `steps` steps of a real training take: longer less shorter, without set-up and states."""
    took = []
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, INDI_RUNS=folder):
        for count in (2, steps + 2):
            started = _now(device)
            training.train(replace(chosen, steps=count), training.Execution(checkpoint_every=steps + 3))
            took.append(_now(device) - started)
    return took[1] - took[0]


def _bare_loop(chosen: Recipe, device: torch.device, name: Precision) -> Callable[[int], float]:
    """Forward, backward and Adam on one batch, without data, average or log; gives the seconds of n steps."""
    network = network_of(chosen).to(device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=chosen.learning_rate)
    shape = (chosen.batch_size, 3, chosen.crop, chosen.crop)
    x = torch.zeros(shape, device=device).contiguous(memory_format=torch.channels_last)
    t = torch.linspace(0, 1, chosen.batch_size, device=device)

    def run(steps: int) -> float:
        started = _now(device)
        for _ in range(steps):
            optimizer.zero_grad()
            with torch.autocast(device.type, torch.bfloat16, enabled=name == "bf16-mixed"):
                prediction = network(x, t)
            (prediction.float() - x).abs().mean().backward()
            optimizer.step()
        return _now(device) - started

    run(2)
    return run


def _matmul_flops(device: torch.device, name: Precision) -> float:
    """Operations a second of the best of many matrix products, large enough to fill the device."""
    size = 8192 if device.type == "cuda" else 1024
    kind = torch.bfloat16 if name == "bf16-mixed" else torch.float32
    a = torch.randn(size, size, device=device).to(kind)
    best = float("inf")
    for _ in range(30):
        started = _now(device)
        a @ a
        best = min(best, _now(device) - started)
    return 2 * size**3 / best


def _sampling(chosen: Recipe, device: torch.device, seconds: float) -> list[Row]:
    network = network_of(chosen).to(device).to(memory_format=torch.channels_last).eval()
    y = torch.zeros(2, 3, 2 * chosen.crop, 2 * chosen.crop, device=device)
    y = y.contiguous(memory_format=torch.channels_last)
    times = uniform_times(CALLS)

    def sampler() -> Tensor:
        return indi(network, y, times, chosen.eps, chosen.schedule, torch.Generator(device).manual_seed(0))

    def calls() -> Tensor:
        x = y
        with torch.no_grad():
            for t in times[:-1]:
                x = predict(network, x, float(t))
        return x

    best = {sampler: float("inf"), calls: float("inf")}
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or float("inf") in best.values():
        for part in best:
            started = _now(device)
            part()
            best[part] = min(best[part], _now(device) - started)
    ratio = best[sampler] / best[calls]
    return [Row(f"InDI, N = {CALLS}, over {CALLS} calls of F", ratio, "", "at most 1.02")]


def _loading(profile: str, data: str, training_rate: float, seconds: float) -> list[Row]:
    """Crops and their degradation on one process of the CPU, over the rate of training."""
    rows = []
    images = datasets.load(data, "train")
    for task in TASKS:
        chosen = recipe(task, profile, data=data)
        degradation = degradation_of(chosen)
        crops = TrainingCrops(images, degradation, chosen.crop, chosen.batch_size, 0)
        count, started = 0, time.process_time()
        while count == 0 or time.process_time() - started < seconds:
            x, y = crops[count]
            if y is None and degradation is not None:
                degradation(from_uint8(x), torch.Generator().manual_seed(count))
            count += 1
        rate = count * chosen.batch_size / (time.process_time() - started)
        rows.append(Row(f"loading and degrading, {task}", rate, "images/s"))
        rows.append(Row("  over training", rate / training_rate, "", "at least 1.5"))
    return rows


def _now(device: torch.device) -> float:
    """Seconds, once all that was asked of the device is done; of the processor's time where it is a CPU."""
    return _clock(device) if device.type == "cuda" else time.process_time()


def communication(profile: str, devices: int, seconds: float = 20.0) -> list[Row] | None:
    """What a step of JPEG's training spends in communication and in waiting, where several processes share a batch.

    Three kinds of step take turns, each begun together: without communication; gradients alone; a whole one. Times
    are of the clock, medians over steps and of the slowest process. On processors with other work they say little.

    Args:
        profile: whose network, batch and crop.
        devices: number of processes. Fabric starts them, unless torchrun has.
        seconds: about how long all takes.

    Returns:
        The rows in the first process, None in the others.
    """
    chosen = recipe("jpeg", profile, data="embedded")
    fabric = training.fabric(chosen, training.Execution(devices=devices), Path())
    fabric.launch()
    if fabric.device.type == "cpu":
        torch.set_num_threads(1)
    network = network_of(chosen).to(memory_format=torch.channels_last)
    parameters = sum(p.numel() for p in network.parameters())
    model, optimizer = fabric.setup(network, torch.optim.Adam(network.parameters(), lr=1e-6))
    images = len(range(fabric.global_rank, chosen.batch_size, fabric.world_size))
    x = torch.zeros(images, 3, chosen.crop, chosen.crop, device=fabric.device)
    x = x.contiguous(memory_format=torch.channels_last)
    t = torch.linspace(0, 1, images, device=fabric.device)
    gradient = torch.zeros(parameters, device=fabric.device)

    def compute(sync: bool) -> None:
        optimizer.zero_grad()
        with fabric.no_backward_sync(model, enabled=not sync):
            fabric.backward((model(x, t) - x).abs().mean())

    times: dict[str, list[float]] = {}
    parts: dict[str, Callable[[], object]] = {
        "compute": partial(compute, False),
        "gradients": lambda: torch.distributed.all_reduce(gradient),
        "both": partial(compute, True),
        "update": optimizer.step,
    }
    compute(True)
    optimizer.step()
    began = time.perf_counter()
    while fabric.broadcast(time.perf_counter() - began < seconds or not times):
        for name, part in parts.items():
            fabric.barrier()
            started = _clock(fabric.device)
            part()
            mine = _clock(fabric.device) - started
            slowest, mean = (torch.tensor(mine, device=fabric.device) for _ in range(2))
            torch.distributed.all_reduce(slowest, torch.distributed.ReduceOp.MAX)
            torch.distributed.all_reduce(mean)
            times.setdefault(name, []).append(float(slowest))
            if name == "compute":
                times.setdefault("uneven", []).append(float(slowest - mean / devices))
    if not fabric.is_global_zero:
        return None
    took = {name: median(values) for name, values in times.items()}
    link = 2 * (devices - 1) / devices * 4 * parameters / took["gradients"]
    modelled = took["compute"] + waiting(parameters, took["compute"], devices, link)
    step = took["both"] + took["update"]
    count = len(times["both"])
    return [
        Row(f"a step on {devices} {fabric.device.type}, {images} images each, {count} steps", step, "s"),
        Row("  forward and backward, no communication", took["compute"], "s"),
        Row("  update", took["update"], "s"),
        Row("  of it in communication and waiting for it", (took["both"] - took["compute"]) / step, ""),
        Row("  of it in waiting for the slowest process", took["uneven"] / step, ""),
        Row(f"gradients alone, {4 * parameters / 1e6:.3g} MB", took["gradients"], "s"),
        Row("  rate past each process", link / 1e9, "GB/s"),
        Row("forward, backward and communication", took["both"], "s"),
        Row("  modelled from the rate and the overlap", modelled, "s"),
    ]


def _clock(device: torch.device) -> float:
    """Seconds of the clock, once all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def text(rows: list[Row]) -> str:
    """The rows for a terminal."""
    width = max(len(row.what) for row in rows) + 2
    return "\n".join(
        f"{row.what:<{width}}{row.value:>10.3g} {row.unit:<10}{row.target}".rstrip() for row in rows
    )

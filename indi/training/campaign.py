"""The trainings that the published laptop results rest on, in order of worth, by as many processes as asked for.

Trainings are found by their recipes, so that it does not matter who trains them, in which order, or how
often the queue is stopped and started: every process takes the first that is neither finished nor taken.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from filelock import FileLock, Timeout

from indi import processes, stopping, training
from indi.errors import InDIError
from indi.training.recipes import TASKS, Recipe, conditional, recipe
from indi.training.store import finished, run_folder

#: Numbers of steps whose averaged weights are kept: each is the training of so many steps.
SNAPSHOTS = (750, 1_500, 3_000, 6_000, 10_000)
STEPS = 12_000
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Item:
    """A training of the queue: `recipe` to its first `until` steps, for part `part` of the campaign."""

    part: str
    recipe: Recipe
    until: int

    @property
    def wanted(self) -> Recipe:
        """The recipe whose training this is."""
        return replace(self.recipe, steps=self.until)


def main_recipe(task: str, seed: int = 0, /, **changes: object) -> Recipe:
    """The laptop recipe of a task, to as many steps as the campaign goes."""
    return recipe(task, "laptop", steps=STEPS, seed=seed, **changes)


def queue() -> list[Item]:
    """Every training, in order of worth. Where several parts share one, the first has it."""
    first: dict[Recipe, Item] = {}
    for item in _items():
        first.setdefault(item.wanted, item)
    return list(first.values())


def _items() -> Iterator[Item]:
    for task in TASKS:
        yield Item("a: main tasks", main_recipe(task), 6_000)
    for seed in SEEDS[1:]:
        for task in TASKS:
            yield Item("a: more seeds", main_recipe(task, seed), 3_000)
    for seed in SEEDS:
        for eps in (0.0, 0.01, 0.03, 0.06, 0.12):
            yield Item("b: eps, JPEG", main_recipe("jpeg", seed, eps=eps), 1_500)
        for eps in (0.03, 0.06):
            brownian = main_recipe("jpeg", seed, eps=eps, schedule="brownian")
            yield Item("b: eps, JPEG", brownian, 1_500)
        for eps in (0.0, 0.015, 0.03):
            yield Item("b: eps, 4x", main_recipe("super_resolution", seed, eps=eps), 3_000)
        for p_t in ("linear_0", "linear_0.5", "linear_1.0", "bias_t1", "bias_t0", "bias_t0_t1"):
            yield Item("b: p(t), JPEG", main_recipe("jpeg", seed, p_t=p_t), 1_500)
    yield Item("c: conditional DDPM", conditional(main_recipe("jpeg"), "v"), 3_000)
    yield Item("c: conditional DDPM", conditional(main_recipe("jpeg")), 10_000)
    for task in ("jpeg", "super_resolution"):
        yield Item("d: width", main_recipe(task, channels=8), 12_000)
        yield Item("d: width", main_recipe(task, channels=32), 6_000)
    for loss_p in (2,):
        yield Item("e: beyond", main_recipe("jpeg", loss_p=loss_p), 3_000)
    for choice in (
        {"output": "residual"},
        {"output": "direct"},
        {"zero_init": False},
        {"time_scale": 1.0},
        {"upsample": "bilinear"},
    ):
        yield Item("e: open choices", main_recipe("jpeg", **choice), 1_500)
    for task in TASKS:
        yield Item("a: main tasks, longer", main_recipe(task), 12_000)


def _done(item: Item) -> bool:
    try:
        return finished(item.wanted)
    except InDIError:
        return False


def work() -> None:
    """Train what is left of the queue on one thread, one after another."""
    torch.set_num_threads(1)
    while item := _take():
        chosen, lock = item
        _say(
            f"begins {chosen.part}, {chosen.recipe.task} to {chosen.until:,} steps, seed {chosen.recipe.seed}"
        )
        started = time.perf_counter()
        try:
            snapshots = tuple(steps for steps in SNAPSHOTS if steps < chosen.until)
            execution = training.Execution(snapshots=snapshots, until=chosen.until)
            trained = training.train(chosen.recipe, execution)
            loss = trained.log["loss"].iloc[-1]
            _say(f"ended {trained.folder.name}: loss {loss:.4f}, {time.perf_counter() - started:.0f} s")
        finally:
            lock.release()


def _take() -> tuple[Item, FileLock] | None:
    """The first item that is neither finished nor in work elsewhere, and the lock that says so."""
    for item in queue():
        if _done(item):
            continue
        folder = run_folder(item.recipe)
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".queue.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        if not _done(item):
            return item, lock
        lock.release()
    return None


def run(jobs: int) -> int:
    """Work on the queue with `jobs` processes of one thread each; returns the number that failed.

    Two processes of one thread train more images a second than one of two threads. SIGTERM is passed on: each
    process writes a state and ends.

    Raises:
        Again: it was stopped so.
    """
    environment = {**processes.environment(threads=1), "INDI_PROGRESS": "0"}
    command = [sys.executable, "-m", "indi", "campaign", "--worker"]
    workers = [subprocess.Popen(command, env=environment) for _ in range(jobs)]
    with stopping.asked() as stop:
        while any(worker.poll() is None for worker in workers) and not stop():
            time.sleep(0.5)
        if stop():
            for worker in workers:
                worker.terminate()
        failed = sum(worker.wait() != 0 for worker in workers)
        if stop():
            raise stopping.Again("the campaign was stopped: the same command goes on with it.")
    return failed


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def text() -> str:
    """The queue, a line an item."""
    lines = []
    for item in queue():
        state = "done" if _done(item) else "begun" if any(run_folder(item.recipe).glob("state-*")) else ""
        lines.append(
            f"{item.part:<24}{item.recipe.task:<18}{item.until:>7,}  seed {item.recipe.seed}  "
            f"{run_folder(item.wanted).name:<36}{state}"
        )
    return "\n".join(lines)

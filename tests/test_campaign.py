"""The queue of the published trainings: nothing twice, and any number of workers end with the same weights."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from indi import training
from indi.stopping import Again
from indi.training import campaign, recipes
from indi.training.recipes import Recipe


def test_the_queue_trains_nothing_twice_and_the_main_tasks_first() -> None:
    items = campaign.queue()
    wanted = [item.wanted for item in items]
    assert len(set(wanted)) == len(wanted)
    assert [item.recipe.task for item in items[:5]] == list(recipes.TASKS)
    assert {item.until for item in items[:5]} == {6_000}
    # what others can fetch, but for the faces
    assert {item.recipe.data for item in items} == {"bsds500", "celeba_reduced"}


def test_workers_share_the_queue_and_leave_what_is_done(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def small(seed: int) -> Recipe:
        return recipes.recipe("jpeg", "smoke", steps=4, batch_size=2, crop=16, channels=4, seed=seed)

    items = [campaign.Item("x", small(seed), until) for seed, until in ((0, 2), (1, 2), (0, 4))]
    monkeypatch.setattr(campaign, "queue", lambda: items)
    taken = campaign._take()
    assert taken is not None
    other = campaign._take()
    assert other is not None
    assert (taken[0], other[0]) == (items[0], items[1])
    assert campaign._take() is None, "the longer training of the first is in work, too"
    for _, lock in (taken, other):
        lock.release()

    campaign.work()
    assert campaign._take() is None
    assert all(line.endswith("done") for line in campaign.text().splitlines())
    assert training.load(items[2].recipe).log["step"].tolist() == [1, 2, 3, 4]


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGTERM")
def test_a_campaign_that_is_terminated_ends_its_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def worker(
        command: list[str], env: dict[str, str], begin: type = subprocess.Popen
    ) -> subprocess.Popen[bytes]:
        started.append(begin([sys.executable, "-c", "import time; time.sleep(600)"]))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", worker)
    threading.Timer(1, os.kill, (os.getpid(), signal.SIGTERM)).start()
    with pytest.raises(Again, match="goes on"):
        campaign.run(2)
    assert [one.returncode for one in started] == [-signal.SIGTERM] * 2

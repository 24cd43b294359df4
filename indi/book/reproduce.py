"""`make reproduce`: the workflow with a look at what is missing before it, a line for each notebook, and no silence.

Snakemake knows what has to run and in which order; what it and its jobs say goes to a log. Of that, this shows
the lines in which the jobs report that they begin and end, and everything that is wrong.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from indi import paths, profiles
from indi.book import compare as comparing
from indi.book import run as runner
from indi.errors import InDIError, require
from indi.files import only_one
from indi.progress import REPORTING

HEARTBEAT = 20.0
"""Seconds after which a line says what runs, where nothing has ended."""

Say = Callable[[str], object]


def reproduce(profile: str, cores: str = "all", *, anyway: bool = False, say: Say = print) -> int:
    """Run what is not up to date under a profile, and the book; say what happens.

    Args:
        cores: as Snakemake takes it, a number or "all".
        anyway: leave out the chapters whose images are not here, instead of refusing.

    Returns:
        0, or 1 where something failed.

    Raises:
        InDIError: no such profile, images are missing, the workflow is wrong, or somebody else runs here.
        KeyboardInterrupt: interrupted; everything that it started has ended then.
    """
    profiles.get(profile)
    if cores != "all" and not (cores.isdigit() and int(cores)):
        raise InDIError(f"CORES is a number of processors or all, not {cores!r}.")
    require("snakemake", "workflow")
    started = time.time()
    folder = paths.root() / ".snakemake"
    with only_one(folder / "indi.lock", f"make reproduce PROFILE={profile}", wait=False):
        _heal(folder, say)
        config = [f"profile={profile}"]
        planned, book = _planned(cores, config, say)
        if planned:
            left_out = _preflight(planned, profile, anyway, say)
            if left_out:
                config.append("skip=" + "+".join(left_out))
                planned, book = _planned(cores, config, say)
        failed = False
        if planned or book:
            failed = not _follow(_command(cores, config), planned, folder / "reproduce.log", say)
    from indi.book import build

    say("")
    say(build.summary(profile, started))
    if (compared := _compared(profile)) is not None:
        say("")
        say(compared)
    return int(failed)


def _command(cores: str, config: Sequence[str]) -> list[str]:
    options = ["--cores", cores, "--keep-going", "--rerun-incomplete", "--nocolor", "--config", *config]
    return [sys.executable, "-m", "snakemake", *options]


def _heal(folder: Path, say: Say) -> None:
    """Remove Snakemake's lock where the process that took it is gone; refuse where one still runs here."""
    import psutil  # comes with Snakemake

    for process in psutil.process_iter(["pid", "cmdline", "cwd", "status"]):
        known = process.info
        words = known["cmdline"] or []
        if known["status"] == psutil.STATUS_ZOMBIE or known["cwd"] != str(folder.parent):
            continue
        if any(Path(word).name == "snakemake" for word in words[:4]):
            number = known["pid"]
            raise InDIError(
                f"a workflow still runs here (process {number}): wait until it ends, or stop it: kill {number}"
            )
    if any((folder / "locks").glob("*.lock")):
        unlock = [sys.executable, "-m", "snakemake", "--unlock", "--cores", "1"]
        subprocess.run(unlock, cwd=folder.parent, capture_output=True, check=False)
        say("an earlier run was cut off; its lock is removed, and what was finished is kept")


def _planned(cores: str, config: Sequence[str], say: Say) -> tuple[list[str], bool]:
    """The notebooks that are to run, and whether the book is to be built.

    Raises:
        InDIError: the workflow is wrong: its words were said before.
    """
    command = [*_command(cores, config), "--dry-run", "--printshellcmds"]
    dry = subprocess.run(command, cwd=paths.root(), capture_output=True, text=True, check=False)
    if dry.returncode:
        said = (dry.stdout + dry.stderr).strip().splitlines()
        say("\n".join(said[-15:]))
        raise InDIError(
            "the workflow cannot start: what is wrong with it stands above, in Snakemake's words."
        )
    runs = re.findall(r"-m indi run '?notebooks/(\w+)\.ipynb", dry.stdout)
    return sorted(set(runs)), " -m indi book " in dry.stdout


# -- before ----------------------------------------------------------------------------------------


def _preflight(planned: Sequence[str], profile: str, anyway: bool, say: Say) -> list[str]:
    """Say everything that is missing, with what gets it, and the time to expect; the chapters to leave out.

    Raises:
        InDIError: chapters lack their images, and `anyway` is false; or the disk is full.
    """
    say(f"profile {profile}: {len(planned)} notebooks to run")
    say(_expected(planned, profile))
    free = shutil.disk_usage(paths.root()).free / 2**30
    lacking, notes = _images(planned, profile)
    if profile != "smoke":  # its numbers mean nothing
        notes += _weights()
    if free < (wanted := profiles.get(profile).disk):
        notes.append(f"disk: {free:.1f} GiB free, about {wanted:g} wanted")
    for note in notes:
        say(f"  {note}")
    if not lacking:
        return []
    chapters = sorted({chapter for needing in lacking.values() for chapter in needing})
    say("images that are missing:")
    for name, needing in lacking.items():
        say(f"  {_source(name)}\n    for {', '.join(needing)}")
    if not anyway:
        raise InDIError(
            f"{len(chapters)} of {len(planned)} notebooks lack images under {paths.data_root()} (INDI_DATA). Get "
            "them with the commands above, or leave these notebooks out with ANYWAY=1 (indi reproduce --anyway)."
        )
    say(f"left out: {', '.join(chapters)}")
    return chapters


def _expected(planned: Sequence[str], profile: str) -> str:
    """What earlier runs of these notebooks took, and where."""
    runs = [run for run in (runner.load_run(name, profile) for name in planned) if run]
    if not runs:
        return "  time: none of them was run here before; the README says what to expect"
    total = sum(run.seconds for run in runs)
    machines = {run.provenance["machine"]["cpu"]: run.provenance["machine"]["cores"] for run in runs}
    where = ", ".join(f"{cpu}, {cores} cores" for cpu, cores in machines.items())
    some = "" if len(runs) == len(planned) else f" ({len(runs)} of the {len(planned)})"
    minutes = f"{total / 60:.0f} minutes" if total >= 120 else f"{total:.0f} s"
    return f"  time: the last runs{some} took {minutes} in sum on {where}; here are {os.cpu_count()} cores"


def _images(planned: Sequence[str], profile: str) -> tuple[dict[str, list[str]], list[str]]:
    """Sets of which no image is here -> the chapters that need them, and notes on what is wanted besides."""
    # here, because they import torch, which takes seconds
    from indi.data import datasets
    from indi.evaluation import protocols
    from indi.training import recipes
    from indi.training.store import finished

    needed: dict[str, list[str]] = {}
    for chapter in planned:
        comparing = chapter in profiles.COMPARING
        names: list[str] = []
        for task in profiles.EVALUATES.get(chapter, ("jpeg",) if comparing else ()):
            recipe = recipes.recipe(task, profile)
            names.append(protocols.evaluation(task, profile).data)
            if comparing or chapter == "06_super_resolution":  # which compares trainings, too
                names.append(recipes.ablation(task, profile).data)
            if not finished(recipe):
                names.append(recipe.data)
        for name in dict.fromkeys(part for joined in names for part in joined.split("+")):
            needed.setdefault(name, []).append(chapter)
    lacking, notes = {}, []
    for name, chapters in needed.items():
        report = datasets.check(name, decode=False)
        if not any(report.present.values()) or report.unmatched:
            lacking[name] = chapters
        elif not report.ok:
            notes.append(f"{name} is not complete (indi data check {name}): its numbers will be others")
    for chapter in planned:
        for name in profiles.EXTRA.get(chapter, ()) if profile != "smoke" else ():
            if not any(datasets.check(name, decode=False).present.values()):
                notes.append(f"without {name} a section of {chapter} is left out: {_source(name)}")
    return lacking, notes


def _source(name: str) -> str:
    from indi.data import datasets

    source = datasets.SOURCES[name]
    return f"indi data fetch {name} ({source.size if source.downloads else 'says what to do by hand'})"


def _weights() -> list[str]:
    from indi.evaluation.metrics import weights

    return [
        f"without {known.what} its metrics are not measured: indi data weights fetch {name} "
        f"({known.megabytes:g} MB)"
        for name, known in weights.KNOWN.items()
        if weights.find(name) is None
    ]


# -- meanwhile -------------------------------------------------------------------------------------


@dataclass
class _Progress:
    """What the jobs have reported. `running`: name -> when it began, seconds of `time.monotonic`."""

    total: int
    say: Say
    running: dict[str, float] = field(default_factory=dict)
    ended: int = 0
    wrong: bool = False
    spoke: float = field(default_factory=time.monotonic)

    def tell(self, line: str) -> None:
        self.say(line)
        self.spoke = time.monotonic()

    def take(self, line: str) -> None:
        """A line of the log."""
        if line.startswith("indi: "):
            self.tell(line)
        if not line.startswith(REPORTING):
            return
        _, event, name = line.split(maxsplit=2)
        now = time.monotonic()
        if event == "begins":
            self.running[name] = now
            return
        took = now - self.running.pop(name, now)
        self.wrong |= event == "fails"
        state = {"fails": "  FAILED", "stops": "  stopped"}.get(event, "")
        if name == "book" or name.startswith("training "):
            self.tell(f"        {name} {took:.0f} s{state}")
        else:
            self.ended += 1
            self.tell(f"[{self.ended}/{self.total}] {name} {took:.0f} s{state}")

    def beat(self) -> None:
        """Say what runs where nothing was said for a while."""
        now = time.monotonic()
        if now - self.spoke >= HEARTBEAT:
            names = ", ".join(f"{name} {now - began:.0f} s" for name, began in self.running.items())
            self.tell(f"        running: {names or 'the workflow is between two notebooks'}")


def _follow(command: Sequence[str], planned: Sequence[str], log: Path, say: Say) -> bool:
    """Run the workflow and report its progress; whether all of it succeeded.

    What it says goes to a file and not to a pipe: it does not depend on who reads.
    """
    progress = _Progress(len(planned), say)
    environment = {**os.environ, REPORTING: "1", "PYTHONUNBUFFERED": "1"}
    with (
        open(log, "w", encoding="utf-8") as written,
        open(log, encoding="utf-8", errors="replace") as lines,
        subprocess.Popen(
            command,
            cwd=paths.root(),
            env=environment,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that it ends with all that it started, or not at all
        ) as workflow,
        _ending(workflow),
    ):
        rest = ""
        while True:
            over = workflow.poll() is not None
            rest += lines.read()
            *whole, rest = rest.split("\n")
            for line in whole:
                progress.take(line)
            if over:
                break
            progress.beat()
            time.sleep(0.2)
    for name in progress.running:
        say(f"{name} ended without a word: it was killed, most often for lack of memory")
    if workflow.returncode and not progress.wrong:
        whole_log = log.read_text(encoding="utf-8", errors="replace")
        said = [line for line in whole_log.splitlines() if line.strip()]
        say("\n".join(["the workflow failed; it said last:", *said[-15:]]))
    if workflow.returncode:
        say(f"all that was said: {log.relative_to(paths.root())}")
    return workflow.returncode == 0


@contextmanager
def _ending(workflow: subprocess.Popen[bytes]) -> Iterator[None]:
    """End the workflow and its jobs with this process: on Ctrl-C, SIGTERM, or when the terminal closes."""

    def interrupted(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {
        number: signal.signal(number, interrupted)
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN  # as under nohup
    }
    try:
        yield
    finally:
        for number in before:
            signal.signal(number, signal.SIG_IGN)  # the clean-up is not to be interrupted again
        for number, patience in ((signal.SIGTERM, 30), (signal.SIGKILL, 5)):
            if workflow.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(workflow.pid, number)
                with suppress(subprocess.TimeoutExpired):
                    workflow.wait(patience)
        for number, handler in before.items():
            signal.signal(number, handler)


# -- after -----------------------------------------------------------------------------------------


def _compared(profile: str) -> str | None:
    """How the tables that were run again differ from the committed ones; None where none are committed."""
    if shutil.which("git") is None:
        return None
    committed = ["git", "-C", str(paths.root()), "cat-file", "-e", f"HEAD:results/{profile}/tables"]
    if subprocess.run(committed, capture_output=True, check=False).returncode:
        return None
    found = comparing.compare(profile)
    comparing.record(found, profile)
    return comparing.text(found)

"""The command line, `indi ...` or `python -m indi ...`. Each command is a few lines around the library."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import click

from indi import __version__, profiles, stopping
from indi.errors import InDIError, printable, require


class _Group(click.Group):
    """Turns an InDIError, or what the system says of a file, into one line and exit code 1; 75 for `Again`."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except stopping.Again as error:
            if _first():
                _complain(str(error))
            sys.exit(stopping.AGAIN)
        except InDIError as error:
            _complain(str(error))
        except OSError as error:
            if error.filename is None or error.strerror is None:
                raise
            _complain(f"{os.fsdecode(error.filename)}: {error.strerror}; choose another name or place.")
        sys.exit(1)


def _first() -> bool:
    """Whether this process speaks, where a training has many, by torchrun or Fabric's own launcher."""
    return os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0"


def _complain(message: str) -> None:
    click.echo(f"indi: {printable(message)}", err=True)


_Command = TypeVar("_Command", bound=Callable[..., Any])

_folder = click.Path(path_type=Path, file_okay=False, resolve_path=True)
_count = click.IntRange(min=1)
_positive = click.FloatRange(min=0, min_open=True)


def _known(ctx: click.Context, param: click.Parameter, name: str) -> str:
    profiles.get(name)
    return name


class _Duration(click.ParamType):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return stopping.seconds(value)
        except InDIError as error:
            self.fail(str(error), param, ctx)


_stop_after = click.option(
    "--stop-after",
    type=_Duration(),
    metavar="DURATION",
    help="Stop after 90s, 9m or 2h, with a state, and exit code 75: the same command goes on. So does SIGTERM.",
)


def _profile_option(default: str, what: str = "") -> Callable[[_Command], _Command]:
    """The door for profiles: whatever a command calls may take the name as a good one."""
    help_text = f"{what}{', '.join(profiles.PROFILES)}."
    return click.option("--profile", default=default, callback=_known, help=help_text)


def _assignments(help_text: str) -> Callable[[_Command], _Command]:
    return click.option(
        "-p", "--parameter", "assignments", multiple=True, metavar="NAME=VALUE", help=help_text
    )


_profile = _profile_option("smoke")
_accelerator = click.option(
    "--accelerator",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    default="auto",
    help="auto is cuda where there is one, else cpu; mps is untested.",
)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(__version__)
@click.option("--data-root", type=_folder, help="Where image sets lie; sets INDI_DATA for the command.")
@click.option("--weights-root", type=_folder, help="Where metric weights lie; sets INDI_WEIGHTS.")
def main(data_root: Path | None, weights_root: Path | None) -> None:
    """Inversion by Direct Iteration, reproduced: recipes, trainings, notebooks, results and the book.

    The two roots stand before the command: indi --data-root FOLDER run NOTEBOOK. They hold for all
    that it starts, notebooks included; without them INDI_DATA and INDI_WEIGHTS do, else the user's
    cache folder.
    """
    for variable, folder in {"INDI_DATA": data_root, "INDI_WEIGHTS": weights_root}.items():
        if folder is not None:
            os.environ[variable] = str(folder)


@main.command()
@click.argument("notebook", type=click.Path(path_type=Path))
@_profile
@_assignments("Set a parameter.")
@click.option("--cell-limit", type=_positive, default=24.0, help="Hours after which a cell is stopped.")
@_stop_after
def run(notebook: Path, profile: str, assignments: tuple[str, ...], **limits: Any) -> None:
    """Execute NOTEBOOK under a profile; the good copy is replaced only if it succeeds."""
    from indi.book import run as runner

    parameters = runner.parse_parameters(list(assignments))
    click.echo(runner.run_notebook(notebook, profile, parameters, **limits))


@main.command()
@_profile
@click.option("--cores", default="all", help="Processors to use at once.")
@click.option("--anyway", is_flag=True, help="Leave out the chapters whose images are not here.")
def reproduce(profile: str, cores: str, anyway: bool) -> None:
    """Run every notebook that is not up to date, then build the book; `make reproduce` calls this."""
    from indi.book import reproduce as workflow

    sys.exit(workflow.reproduce(profile, cores, anyway=anyway, say=click.echo))


@main.group(name="recipe")
def recipe_group() -> None:
    """Table 2 and its scaling."""


@recipe_group.command("list")
def recipe_list() -> None:
    """The tasks and profiles."""
    click.echo(f"tasks:    {', '.join(profiles.TASKS)}\nprofiles: {', '.join(profiles.PROFILES)}")


@recipe_group.command("show")
@click.argument("task")
@_profile
@click.option("--json", "as_json", is_flag=True, help="As JSON, for other programs.")
def recipe_show(task: str, profile: str, as_json: bool) -> None:
    """Every number of a training, and the hash that names it."""
    from indi.training import recipes

    chosen = recipes.recipe(task, profile)
    shown = {**recipes.as_dict(chosen), "hash": recipes.recipe_hash(chosen)}
    if as_json:
        click.echo(json.dumps(shown, indent=2))
        return
    width = max(map(len, shown))
    for name, value in shown.items():
        click.echo(f"{name:<{width}}  {value if value is not None else '(the data set brings y)'}")


@main.command()
@_profile
@click.option("--tflops", type=_positive, default=300.0, help="Sustained rate of the GPU, TFLOP/s.")
@click.option("--devices", type=_count, default=1, help="GPUs that share a batch.")
def plan(profile: str, tflops: float, devices: int) -> None:
    """Steps, operations, memory and GPU time of each training, without training."""
    from indi.training import cost as planning
    from indi.training import recipes

    rate = tflops * 1e12
    click.echo(
        f"{'task':<17}{'parameters':>12}{'steps':>9}{'batch':>7}{'crop':>6}{'PFLOP':>12}"
        f"{'GiB a GPU':>11}{'GPU hours':>11}{'days':>7}{'speed-up':>10}"
    )
    scaling = []
    for task in profiles.TASKS:
        chosen = recipes.recipe(task, profile)
        cost = planning.cost(chosen)
        memory = cost.memory(-(-chosen.batch_size // devices)) / 2**30
        first = planning.CLUSTERS[0]
        days = chosen.steps * cost.step(chosen, devices, rate, first) / 86_400
        faster = devices * cost.efficiency(chosen, devices, rate, first)
        click.echo(
            f"{task:<17}{cost.parameters:>12,}{chosen.steps:>9,}{chosen.batch_size:>7}{chosen.crop:>6}"
            f"{cost.flops / 1e15:>12,.1f}{memory:>11,.1f}{cost.seconds(rate) / 3600:>11,.2f}{days:>7.2f}{faster:>10.2f}"
        )
        limits = [cost.scales_to(chosen, rate, cluster) for cluster in planning.CLUSTERS]
        scaling.append(f"{task:<17}" + "".join(f"{limit:>31}" for limit in limits))
    click.echo(
        f"Operations are counted, 2 per multiply-add, a step as three forward passes. All times are computed, none is "
        f"measured: for {tflops:g} TFLOP/s sustained (--tflops). Memory is per GPU, the batch split over {devices} "
        "(--devices), without library workspaces: choose --micro-batch to fit yours. Days and speed-up are those of "
        f"{devices} of the GPUs below, {planning.CLUSTERS[0].name}."
    )
    click.echo(
        "\nThe most GPUs that are at least 95 % as fast as one each, by a model of bytes and link rates:"
    )
    click.echo(f"{'task':<17}" + "".join(f"{cluster.name:>31}" for cluster in planning.CLUSTERS))
    click.echo("\n".join(scaling))


@main.command()
@click.argument("task")
@_profile
@_accelerator
@click.option("--devices", type=_count, default=1, help="Processes, one for each GPU or core.")
@click.option("--micro-batch", type=_count, help="Images at a time where the batch does not fit.")
@click.option("--workers", type=click.IntRange(min=0), help="Of the data loader.")
@_stop_after
@_assignments("Change a recipe field.")
def train(task: str, profile: str, assignments: tuple[str, ...], **how: Any) -> None:
    """Train a recipe, resume it, or say that it is complete."""
    from indi import training
    from indi.book import run as runner
    from indi.progress import report
    from indi.training import recipes

    chosen = recipes.recipe(task, profile, **runner.parse_parameters(list(assignments)))
    execution = training.Execution(**how)
    if _first():
        report("begins", f"training {task}")
    try:
        trained = training.train(chosen, execution)
    except InDIError as error:
        if _first():
            report("stops" if isinstance(error, stopping.Again) else "fails", f"training {task}")
        raise
    if not _first():
        return
    report("ends", f"training {task}")
    last = trained.log.iloc[-1]
    click.echo(
        f"{task} ({profile}): {int(last['step'])} steps, loss {last['loss']:.4f}, "
        f"{trained.seconds:.0f} s\n{trained.folder}"
    )


@main.command()
@click.option("--jobs", type=_count, default=2, help="Processes, of one thread each.")
@click.option("--list", "only_list", is_flag=True, help="Print the queue and what of it is done.")
@click.option(
    "--evaluate",
    is_flag=True,
    help="Evaluate trainings that have ended: tables scale_TASK, which keep their rows.",
)
@click.option("--worker", is_flag=True, hidden=True)
def campaign(jobs: int, only_list: bool, evaluate: bool, worker: bool) -> None:
    """Train all that the published laptop results rest on; stop and start it as you like."""
    from indi.training import campaign as trainings

    if only_list:
        click.echo(trainings.text())
    elif worker:
        trainings.work()
    elif evaluate:
        from indi.evaluation import scale

        for task in profiles.TASKS:
            rows = scale.evaluate(task, "laptop")
            count = len(rows[scale.LABELS].drop_duplicates()) if len(rows) else 0
            click.echo(f"{task}: {count} trainings in the table scale_{task}")
    elif failed := trainings.run(jobs):
        raise InDIError(f"{failed} of {jobs} processes failed: see above, and start the campaign again.")


@main.command()
@_profile
@click.option("--seconds", type=click.FloatRange(min=1), default=20.0, help="About how long a part takes.")
@click.option("--data", "data_set", help="Image set to train on; default: photographs inside packages.")
@click.option("--devices", type=_count, default=1, help="More: what their communication takes.")
def bench(profile: str, seconds: float, data_set: str | None, devices: int) -> None:
    """How fast this machine trains, samples and loads, and how much of it is overhead of ours.

    With --devices it times instead what several processes spend in communication and waiting.
    """
    from indi.training import bench as benchmark

    if devices == 1:
        click.echo(benchmark.text(benchmark.bench(profile, seconds, data_set)))
    elif rows := benchmark.communication(profile, devices, seconds):
        click.echo(benchmark.text(rows))


@main.command()
@click.argument("tasks", nargs=-1, metavar="[TASK]...")
@_profile_option("laptop")
def ship(tasks: tuple[str, ...], profile: str) -> None:
    """Copy finished trainings into results/PROFILE/models, each with a model card; without TASK, all five.

    What is shipped is found by everything that trains, and by restore. Weights that are shipped already
    stay, and their cards are written anew with the results that are there.
    """
    from indi.models import ship as shipping
    from indi.training import recipes

    for chosen in [recipes.recipe(task, profile) for task in tasks or profiles.TASKS]:
        click.echo(shipping.ship(chosen))


@main.command()
@click.argument("task")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="The PNG file to write, or a folder for files of the images' names.",
)
@_profile_option("laptop", "Whose model: ")
@click.option("--steps", type=click.IntRange(1, 100_000), default=10, help="N, the number of calls of F.")
@click.option(
    "--sampler",
    default="indi",
    help="indi, naive, cold_diffusion (the paper's); anchored (ours, see chapter 16).",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, help="Of the perturbation.")
@click.option(
    "--small/--enlarged",
    default=True,
    help="super_resolution: IMAGE is to be enlarged 4 times, or was already (bilinearly).",
)
@click.option(
    "--tile",
    type=click.IntRange(min=0),
    metavar="PIXELS",
    help="Side of the squares that go through the network; 0: the whole image. Default: by the free memory.",
)
@click.option("--overwrite", is_flag=True, help="Replace results that are in the folder already.")
@_accelerator
def restore(
    task: str,
    images: tuple[Path, ...],
    output: Path,
    profile: str,
    sampler: str,
    small: bool,
    overwrite: bool,
    **how: Any,
) -> None:
    """Restore each IMAGE, degraded as TASK's training images were, with its shipped or trained model.

    TASK is motion, defocus, jpeg or super_resolution. IMAGE is a file, or a folder of files. An image that
    cannot be restored does not stop the others; the exit code is then 1. No IMAGE is ever written to.
    """
    from indi.models import restore
    from indi.training import recipes

    planned = restore.outputs(images, output, overwrite)
    problems = [goal for _, goal in planned if isinstance(goal, InDIError)]
    pairs = [(source, goal) for source, goal in planned if isinstance(goal, Path)]
    chosen = recipes.recipe(task, profile)
    results = restore.restore_all(chosen, pairs, method=sampler, enlarged=not small, **how)
    failed = 0
    for done in chain(problems, results):
        if isinstance(done, InDIError):
            if len(planned) == 1:
                raise done
            _complain(str(done))
            failed += 1
            continue
        tiles = f" in tiles of {done.tile}" if done.tile else ""
        click.echo(
            f"{printable(str(done.path))}: {task} ({profile}), {sampler}, steps {how['steps']}, "
            f"{done.width}x{done.height} pixels{tiles}, {done.seconds:.1f} s"
        )
    if failed:
        raise InDIError(f"{failed} of {len(planned)} images were not restored: see above.")


@main.group()
def data() -> None:
    """Image sets and the weights of metrics: what there is, whether it is whole, and how to get it."""


_data_root = click.option(
    "--data-root", type=_folder, help="Where the sets lie; default: INDI_DATA, else the user's cache folder."
)


@data.command("list")
@_data_root
def data_list(data_root: Path | None) -> None:
    """Every known set: source, licence, size, layout, and what of it is here (counted, not opened)."""
    from indi import paths
    from indi.data import datasets

    click.echo(f"data root: {data_root or paths.data_root()}")
    for name in datasets.names():
        report = datasets.check(name, data_root, decode=False)
        here = ", ".join(f"{split} {count}" for split, count in report.present.items())
        state = "complete" if report.ok else "incomplete" if any(report.present.values()) else "not there"
        click.echo(f"\n{datasets.describe(name)}\n  here     {state} ({here})")


@data.command("check")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@_data_root
@click.option("--count", is_flag=True, help="Count the files only; by default each is opened.")
def data_check(names: tuple[str, ...], data_root: Path | None, count: bool) -> None:
    """Name everything missing, damaged or unmatched in a set, or in folder:PATH. Exit code 1 if anything is."""
    from indi.data import datasets

    reports = [datasets.check(name, data_root, decode=not count) for name in names]
    click.echo("\n".join(report.text for report in reports))
    sys.exit(0 if all(report.ok for report in reports) else 1)


@data.command("fetch")
@click.argument("name")
@_data_root
def data_fetch(name: str, data_root: Path | None) -> None:
    """Download a set, or say what to do by hand where a licence is to be accepted (exit code 1).

    Run again after an interruption, it goes on where it stopped.
    """
    from indi.data import datasets

    done, said = datasets.fetch(name, data_root)
    click.echo(said)
    sys.exit(0 if done else 1)


@data.group("weights")
def data_weights() -> None:
    """Weights that LPIPS, FID, KID and NIQE need."""


@data_weights.command("list")
def data_weights_list() -> None:
    """Every file of weights: what it is, its size and source, and whether it is here."""
    from indi import paths
    from indi.evaluation.metrics import weights

    click.echo(f"weights root: {paths.weights_root()}")
    for name, known in weights.KNOWN.items():
        found = weights.find(name)
        click.echo(f"\n{name}: {known.what}, {known.megabytes:g} MB\n  from  {known.url}")
        click.echo(f"  here  {found or 'no'}")


@data_weights.command("fetch")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def data_weights_fetch(names: tuple[str, ...]) -> None:
    """Download weights into the weights root (INDI_WEIGHTS), unless they are there."""
    from indi.evaluation import metrics

    for name in names:
        click.echo(metrics.fetch_weights(name))


@main.command()
@click.argument("tasks", nargs=-1, metavar="[TASK]...")
@_profile_option("laptop")
def explorer(tasks: tuple[str, ...], profile: str) -> None:
    """Make the pictures of the book's step explorer from a chapter's results; without TASK, of all four.

    A few images of the stored evaluation are restored again, with every sampler and number of steps, and
    checked against the stored numbers: results/PROFILE/explorer/TASK. `indi book` shows them.
    """
    from indi.figures import explorer as explorers

    for task in tasks or profiles.BY_CHAPTER:
        click.echo(explorers.make(task, profile))


@main.command()
@_profile
def status(profile: str) -> None:
    """What was run under a profile, when, how long, and whether it is stale."""
    from indi.book import build as book

    click.echo(book.status(profile).to_string(index=False))


@main.command()
@_profile
@click.option("--json", "as_json", is_flag=True, help="Print all of it, with every number, as JSON.")
def claims(profile: str, as_json: bool) -> None:
    """Judge the paper's claims, and ours, from the stored results; write tables/claims.csv and claims_ledger.json.

    Exit code 0: the data of every claim is there and fresh. 2: some is missing or stale.
    """
    from indi import claims as ledger
    from indi.claims import robust

    entries = ledger.judge(profile)
    # printed first: a folder that cannot be written hides no verdict
    if as_json:
        click.echo(ledger.as_json(entries, profile))
    else:
        click.echo(ledger.text(entries))
        click.echo("\nclaims of ours, not counted above\n")
        click.echo(ledger.text(ledger.judge(profile, robust.CLAIMS)))
    path = ledger.save(entries, profile)
    if not as_json:
        click.echo(path)
    sys.exit(ledger.exit_code(entries))


@main.command()
@_profile
@click.option("--against", default="HEAD", help="A commit, or a folder with the published results.")
def compare(profile: str, against: str) -> None:
    """Say how the numbers of the tables that were run again differ from the published ones.

    What it finds is written to results/PROFILE/compared.json. Exit code 0: all are the same or inside their
    published 95 % intervals. 2: some are outside or missing.
    """
    from indi.book import compare as comparing

    found = comparing.compare(profile, against)
    click.echo(comparing.text(found))
    if path := comparing.record(found, profile, against):
        click.echo(path)
    sys.exit(0 if comparing.as_published(found) else 2)


@main.command()
def readme() -> None:
    """Write the results that README.md shows, and its picture, anew from those of the laptop profile."""
    from indi.book import readme as page

    click.echo(page.write())


@main.command()
@_profile
def book(profile: str) -> None:
    """Build the book from the executed notebooks and results of a profile."""
    from indi import paths
    from indi.book import build as building
    from indi.files import only_one
    from indi.progress import report

    require("jupyter_book", "book")
    with only_one(paths.root() / "book" / "_build" / ".lock", f"indi book --profile {profile}"):
        report("begins", "book")
        try:
            building.assemble(profile)
            page = building.build(profile)
        except InDIError:
            report("fails", "book")
            raise
        report("ends", "book")
    click.echo(page)


@main.command()
@_profile
@click.option("--all", "whole", is_flag=True, help="The whole book, not the report alone.")
def pdf(profile: str, whole: bool) -> None:
    """Print the reproducibility report, or the whole book, with the Chromium of this machine.

    The book of the profile is built first.
    """
    from indi.book import pdf as printing

    printing.browser()  # before the minute that the book takes
    click.get_current_context().invoke(book, profile=profile)
    click.echo(printing.make(whole))


def entry() -> None:
    """The program `indi`. What computes for long runs with the settings of `processes`."""
    if {"train", "bench", "restore"} & set(sys.argv[1:4]):
        from indi import processes

        processes.restart()
    main()

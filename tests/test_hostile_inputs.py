"""What a stranger's files, names and arguments do: one clear line and a code that says so, or a right result.

Inputs are drawn with a fixed seed. Case k of a family is the same in the short and in the long test; a
failure names it, and `python tests/test_hostile_inputs.py FAMILY K` runs it alone.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import struct
import sys
import tarfile
import tempfile
import traceback
import warnings
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import save

from indi import profiles, training
from indi.cli import main
from indi.data import images
from indi.data.datasets.fetch import unpack
from indi.data.images import read_image
from indi.errors import InDIError
from indi.records import results
from indi.training import checkpoints, recipes

SHORT, LONG = 25, 250  # cases a family

SMALL: dict[str, Any] = {"steps": 1, "batch_size": 1, "crop": 16, "channels": 4, "learning_rate": 1e-2}
FORMATS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "bmp": "BMP", "tif": "TIFF", "ppm": "PPM"}
VERSIONS = {"training": 1}

Random = np.random.Generator


@dataclass
class World:
    """A project of one case: a copy of the template, with a trained model, a table, a state and pictures."""

    home: Path
    model: Path
    rng: Random

    def pick(self, items: Sequence[Any]) -> Any:
        return items[int(self.rng.integers(len(items)))]

    @property
    def picture(self) -> Path:
        return self.home / "photos" / "y.png"

    @property
    def output(self) -> Path:
        return self.home / "out" / "x.png"


@dataclass(frozen=True)
class Outcome:
    """What came of an input: "" where it is as it should be, else what is wrong."""

    fault: str
    said: str


def command(*arguments: str | Path, right: Callable[[], bool] = lambda: True) -> Outcome:
    """`indi ARGUMENTS`: one line of error and a code, or code 0 and a right result."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a warning is no traceback; that a state is damaged is one
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    said = result.stderr.strip()
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        where = traceback.extract_tb(result.exception.__traceback__)[-1]
        at = f"{Path(where.filename).name}:{where.lineno}"
        return Outcome(f"traceback: {type(result.exception).__name__}: {result.exception} ({at})", said)
    if result.exit_code == 0:
        return Outcome("" if right() else "a wrong result with code 0", said)
    if result.exit_code == 2 and "Usage:" in said:  # click's own: usage, a hint, and the error
        return Outcome(
            "" if sum(line.startswith("Error: ") for line in said.splitlines()) == 1 else "no line", said
        )
    if result.exit_code == 2 and not said:  # claims, compare: something is missing, and the report says what
        return Outcome("" if result.stdout.strip() else "silent", said)
    if not said and result.stdout.strip():  # data check, data fetch: the report is the answer
        return Outcome("", said)
    lines = said.splitlines()
    fine = len(lines) == 1 and lines[0].startswith("indi: ") and lines[0].isprintable()
    return Outcome("" if fine else f"{len(lines)} lines", said)


def call(function: Callable[[], object], right: Callable[[Any], bool]) -> Outcome:
    """The same for what no command reaches without a network or a training."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = function()
    except InDIError as error:
        return Outcome("" if len(str(error).splitlines()) == 1 else "several lines", str(error))
    except OSError as error:  # the command line says these in one line
        named = error.filename is not None and error.strerror is not None
        return Outcome("" if named else f"traceback: {error}", str(error))
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        return Outcome(f"traceback: {type(error).__name__}: {error} ({at.name}:{at.lineno})", "")
    return Outcome("" if right(found) else "a wrong result", "")


def damaged(content: bytes, rng: Random) -> bytes:
    """Cut, flipped, overwritten, spliced, emptied, prefixed, or exchanged for noise."""
    kind, at = int(rng.integers(8)), int(rng.integers(max(1, len(content))))
    some = rng.bytes(int(rng.integers(1, 40)))
    if kind == 0:
        return content[:at]
    if kind <= 2:
        whole = bytearray(content)
        for _ in range(1 if kind == 1 else 20):
            whole[int(rng.integers(len(whole)))] ^= 1 << int(rng.integers(8))
        return bytes(whole)
    if kind == 3:  # early, where headers are
        at = min(at, int(rng.integers(64)))
        return content[:at] + some + content[at + len(some) :]
    if kind == 4:
        return content[:at] + some + content[at:]
    if kind == 5:
        return content[:at] + content[at + len(some) :]
    return b"" if kind == 6 else some


ODD_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1e308, 2**70, "", "text", "../../etc/passwd", "$\\frac$", "\udcff", "a\nb", [], [[]], {},
    {"a": 1}, "<script>", "NaN", float("nan"), float("inf"),
)  # fmt: skip

HOSTILE_NAMES = (
    "$\\frac$", "$", "a\nb", "\x1b[31mred", "a" * 240, "a" * 256, "é" * 127, "\udcff\udcfe", "-o", "--help", " ",
    "..", ".", "a b", "'\"`;$(touch owned)", "%s%n{0}", "\u202egnp.exe", "con", "a\tb", "\\", "*", "~", "\U0001f4f7",
    "@args", "a=b",
)  # fmt: skip


def arguments(world: World) -> Outcome:
    commands = (
        ("recipe", "show"), ("recipe", "list"), ("plan",), ("train",), ("ship",), ("restore",), ("data", "check"),
        ("data", "fetch"), ("data", "weights", "fetch"), ("claims",), ("compare",), ("status",), ("run",),
        ("nothing",),
    )  # fmt: skip
    odd = ("", "-1", "0", "nan", "1e400", "10000000000", "None", "true", "--", "-", "jpge", "laptopp", "folder:", "a+b",
           "embedded+nothing", "\udcff", "$\\frac$", "x" * 5000, "../..", "/dev/null/x", "😀", "a\nb")  # fmt: skip
    options = ("--profile", "--steps", "--sampler", "--seed", "--tile", "--devices", "--tflops", "-o", "--json", "-p",
               "--no-such-option", "--jobs", "--micro-batch", "--accelerator")  # fmt: skip
    chosen = list(world.pick(commands))
    if chosen[0] == "nothing":
        chosen = [world.pick(odd)]
    if chosen[0] in ("restore", "train", "show") and world.rng.random() < 0.5:
        chosen.append("jpeg")
    if chosen[0] == "restore" and world.rng.random() < 0.7:
        chosen += [str(world.picture), "-o", str(world.output)]
    chosen += [world.pick(odd)] if world.rng.random() < 0.5 or chosen[0] in ("train", "run") else []
    for _ in range(int(world.rng.integers(3))):
        chosen += [world.pick(options), world.pick(odd)]
    return command(*chosen)


def parameters(world: World) -> Outcome:
    names = list(recipes.as_dict(recipes.recipe("jpeg", "smoke")))
    # none that would be right: a training would start
    values = ("nan", "-inf", "-3", "1e400", "[]", "[[1]]", "{a: 1}", "2001-01-01", "!!binary aGk=", "!!set {a}", "''",
              "&a [*a]", "{? [a] : b}", "!!python/object:os.system x", "[1, 'a']", "\udcff", "~", "text", "0x", ".5.5",
              "- - a", "?", "12:30:45", "*x", "{[]: 1}")  # fmt: skip
    name, value = world.pick(names), world.pick(values)
    assignment = world.pick(
        (f"{name}={value}", f"{name}={value}", f"{name}={value}", f"{value}={name}", name, f"={value}")
    )
    if world.rng.random() < 0.3:
        notebook = Path(__file__).parent.parent / "notebooks" / "01_toy_example.ipynb"
        notebook = world.pick(
            [world.home / "none.ipynb", world.picture, *([notebook] if notebook.is_file() else [])]
        )
        return command("run", notebook, "-p", f"no_such={value}")
    before = set(training.run_folder(recipes.recipe("jpeg", "smoke")).parent.iterdir())

    def right() -> bool:  # some values are right for some fields: then another model was trained
        return set(training.run_folder(recipes.recipe("jpeg", "smoke")).parent.iterdir()) >= before

    return command("train", "jpeg", "-p", assignment, "-p", "data=nowhere", right=right)


def pictures(world: World) -> Outcome:
    source = world.home / "photos" / f"y.{world.pick(list(FORMATS))}"
    source.write_bytes(damaged(source.read_bytes(), world.rng))
    if world.rng.random() < 0.2:
        source = source.rename(source.with_suffix(f".{world.pick(list(FORMATS))}"))
    return restored(world, source)


def restored(world: World, source: Path | str, *more: str | Path, output: Path | None = None) -> Outcome:
    output = output or world.output

    def right() -> bool:
        expected = read_image(source)
        written = output / f"{Path(source).stem}.png" if output.is_dir() else output
        return read_image(written).shape == expected.shape

    return command(
        "restore",
        "jpeg",
        "--profile",
        "smoke",
        "--steps",
        "1",
        *more,
        "-o",
        output,
        "--",
        source,
        right=right,
    )


def archives(world: World) -> Outcome:
    members = {"a/b.png": b"picture" * 9, "c.txt": b"text"}
    evil = {
        **dict.fromkeys(("../out.txt", "/abs.txt", "a/../../b", "C:\\x", "..\\y", "\\\\host\\z"), b"evil"),
        "n" * 300: b"long",
        "a\nb": b"break",
        "\udcff": b"bytes",
        "": b"none",
        "c.txt/d": b"below a file",
    }
    if world.rng.random() < 0.5:
        name = world.pick(list(evil))
        members[name] = evil[name]
    buffer, rng = io.BytesIO(), world.rng
    kind = world.pick(("zip", "zip", "w", "w:gz", "w:bz2"))
    try:
        if kind == "zip":
            with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
                for name, content in members.items():
                    file.writestr(name, content)
        else:
            with tarfile.open(fileobj=buffer, mode=kind) as tar:
                for name, content in members.items():
                    entry = tarfile.TarInfo(name)
                    entry.size = len(content)
                    tar.addfile(entry, io.BytesIO(content))
                if rng.random() < 0.5:
                    link = tarfile.TarInfo("link")
                    link.type, link.linkname = world.pick((tarfile.SYMTYPE, tarfile.LNKTYPE)), "../../out.txt"
                    tar.addfile(link)
    except (ValueError, IndexError, UnicodeError):  # a name that the format cannot hold
        return Outcome("", "")
    content = buffer.getvalue()
    if (
        at := content.find(b"PK\x01\x02")
    ) >= 0 and rng.random() < 0.3:  # "encrypted", or an unknown compression
        content = bytearray(content)  # type: ignore[assignment]
        for header, flags, method in ((b"PK\x01\x02", 8, 10), (b"PK\x03\x04", 6, 8)):
            at = content.find(header)
            where, value = world.pick(((flags, 1), (method, 99)))
            struct.pack_into("<H", content, at + where, value)
    elif rng.random() < 0.6:
        content = damaged(content, rng)
    archive = world.home / "archive"
    archive.write_bytes(content)
    folder = world.home / "unpacked"

    def right(_: object) -> bool:
        found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        return not any(p.is_symlink() for p in folder.rglob("*")) and all(
            # a plain tar has no checksum of contents
            kind == "w" or members.get(name, content) == content
            for name, content in found.items()
        )

    outcome = call(lambda: unpack(archive, folder), right)
    if outcome.said and any(p.is_file() for p in folder.rglob("*")):
        return Outcome("refused, but something was unpacked", outcome.said)
    return outcome


def records(world: World) -> Outcome:
    tables = world.home / "results" / "smoke" / "tables"
    files = ["notebooks/04_jpeg.json", "tables/jpeg.json", "tables/jpeg.csv"]
    file = world.pick(
        [world.model / "done.json", world.model / "log.jsonl"] + [tables.parent / name for name in files]
    )
    content = file.read_bytes()
    if file.suffix == ".json" and world.rng.random() < 0.7:
        record = json.loads(content)
        key = world.pick(list(record))
        if world.rng.random() < 0.3:
            del record[key]
        else:
            record[key] = world.pick(ODD_VALUES)
        record = world.pick((record, record, record, record, [], None, 3, "text", {}))
        content = json.dumps(record).encode()
    else:
        content = damaged(content, world.rng)
    file.write_bytes(content)
    if file.suffix == ".csv" and world.rng.random() < 0.5 and file.name == "jpeg.csv":  # as if it were meant
        record = json.loads((tables / "jpeg.json").read_text())
        record["sha256"] = hashlib.sha256(content).hexdigest()
        (tables / "jpeg.json").write_text(json.dumps(record))
    if file.parent == world.model:
        return (
            restored(world, world.picture)
            if world.rng.random() < 0.7
            else command("ship", "jpeg", "--profile", "smoke")
        )
    if file.parent.name == "notebooks":
        return command("status")
    published = ("compare", "--against", str(world.home / "published"))
    return command(*world.pick((published, published, ("claims",))))


def weights(world: World) -> Outcome:
    path, rng = world.model / "weights.safetensors", world.rng
    content = path.read_bytes()
    kind = int(rng.integers(4))
    recipe = recipes.as_dict(recipes.recipe("jpeg", "smoke"))
    if kind == 0:  # another header of the right form
        tensors = {f"{i}": torch.zeros(2) for i in range(3)}
        recipe[world.pick(list(recipe))] = world.pick(ODD_VALUES[:12])
        header = {"recipe": world.pick((json.dumps(recipe, sort_keys=True), "[]", "null", "{", "3", ""))}
        content = save(tensors, metadata=header)
    elif kind == 1:  # a header that claims to be of any length
        content = struct.pack("<Q", int(rng.integers(2**62))) + content[8:]
    elif kind == 2:  # of another shape, under the right recipe
        changed = checkpoints.load_weights(path, recipe)
        name = world.pick(list(changed))
        changed[name] = world.pick(
            (torch.zeros(1), torch.full_like(changed[name], torch.nan), changed[name].int())
        )
        if rng.random() < 0.5:
            del changed[name]
        content = save(changed, metadata={"recipe": json.dumps(recipe, sort_keys=True)})
    else:
        content = damaged(content, rng)
    path.write_bytes(content)
    if rng.random() < 0.7:  # the record agrees, as if the file had been exchanged on purpose
        done = json.loads((world.model / "done.json").read_text())
        done["checkpoint"] = checkpoints.sha256(path)
        (world.model / "done.json").write_text(json.dumps(done))
    return restored(world, world.picture)


class _Evil:
    """Unpickled without care, it would leave a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("owned-by-a-pickle",)


def states(world: World) -> Outcome:
    folder, rng = world.home / "state", world.rng
    (path,) = folder.glob("state-*.pt")
    original = path.read_bytes()
    payload = original[32:]
    if rng.random() < 0.5:
        foreign: Any = world.pick(
            ([], 3, None, {}, {"recipe_hash": []}, {"recipe_hash": "r"}, _Evil(), "x", {1: 2})
        )
        buffer = io.BytesIO()
        torch.save(foreign, buffer)
        payload = buffer.getvalue()
    content = hashlib.sha256(payload).digest() + payload
    if rng.random() < 0.6:
        content = damaged(content, rng)
    path.write_bytes(content)

    def right(found: Any) -> bool:
        return found is None or (content == original and torch.equal(found["tensor"], torch.arange(9.0)))

    return call(lambda: checkpoints.load_state(folder, "r", "d", VERSIONS), right)


def names(world: World) -> Outcome:
    name, suffix = world.pick(HOSTILE_NAMES), world.pick((".png", ".png", ".png", "", ".PNG", ".jpg"))
    kind = int(world.rng.integers(8))
    folder = world.home / "photos"
    try:
        path = folder / f"{name}{suffix}"
        if kind <= 2:
            shutil.copy(world.picture, path)
        elif kind == 3:
            path.symlink_to(path.name)  # a loop
        elif kind == 4:
            path.mkdir()
        elif kind == 5:
            os.mkfifo(path)
    except (OSError, ValueError, shutil.Error):
        pass  # the name cannot exist: the command is to say so
    if kind == 1:
        (world.home / "out").mkdir()
        return restored(world, path, output=world.home / "out")
    if kind == 7:
        return command(
            "data", "check", world.pick((f"folder:{path}", f"folder:{folder}", str(path), f"embedded+{name}"))
        )
    if kind == 6:
        below = world.pick(
            (world.picture / f"{name}.png", folder / name / "x.png", world.home / "new" / f"{name}.png")
        )
        return restored(world, world.picture, output=below)
    return restored(world, path)


FAMILIES: dict[str, Callable[[World], Outcome]] = {
    family.__name__: family
    for family in (arguments, parameters, pictures, archives, records, weights, states, names)
}


def make_template(home: Path) -> str:
    """Everything that a case may spoil; returns the name of the model's folder."""
    rng = np.random.default_rng(0)
    pixels = Image.fromarray(rng.integers(0, 256, (19, 23, 3), dtype=np.uint8))
    (home / "photos").mkdir(parents=True)
    for suffix, kind in FORMATS.items():
        pixels.save(home / "photos" / f"y.{suffix}", format=kind)
    trained = training.train(recipes.recipe("jpeg", "smoke"))
    for file in trained.folder.iterdir():
        if file.is_dir():
            shutil.rmtree(file)
    rows = pd.DataFrame(
        [(f"image {i}", "indi", n, "psnr", 20.0 + i + n) for i in range(4) for n in (1, 5)],
        columns=["image", "sampler", "steps", "metric", "value"],
    )
    results.save("jpeg", rows, "smoke", notebook="04_jpeg", trained=[trained])
    shutil.copytree(home / "results" / "smoke", home / "published")
    notebooks = home / "results" / "smoke" / "notebooks"
    notebooks.mkdir()
    record = {"notebook": "04_jpeg", "profile": "smoke", "parameters": {}, "seconds": 1.0, "reads": {},
              "provenance": json.loads((home / "results" / "smoke" / "tables" / "jpeg.json").read_text())}  # fmt: skip
    (notebooks / "04_jpeg.json").write_text(json.dumps(record))
    (home / "notebooks").mkdir()
    for folder in (notebooks, home / "notebooks"):  # `status` reads the runs of those that are there
        (folder / "04_jpeg.ipynb").write_text(
            '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
        )
    for answer in (command("status"), command("compare", "--against", home / "published")):
        assert (answer.fault, answer.said) == ("", "")  # else the cases below would try nothing
    content = {"recipe_hash": "r", "data": "d", "numerics": VERSIONS, "tensor": torch.arange(9.0)}
    (home / "state").mkdir()
    checkpoints.save_state(home / "state", 1, content)
    return trained.folder.name


def contents(home: Path) -> dict[str, bytes]:
    """Every file that a command may not change; the ledger's own are written by `claims`."""
    written = ("claims.csv", "claims.json", "claims_ledger.json", "published.csv")
    return {
        str(path): path.read_bytes()
        for path in home.rglob("*")
        if path.is_file()
        and not path.is_symlink()
        and path.name not in written
        and path.suffix not in (".pt", ".lock")
    }


def case(template: Path, model: str, family: str, number: int) -> Outcome:
    """Case `number` of a family, in a copy of the template."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        home = Path(name, "project")
        shutil.copytree(template, home)
        environment(patch, home)
        patch.chdir(name)
        rng = np.random.default_rng([list(FAMILIES).index(family), number])
        world = World(home, home / "runs" / model, rng)
        seen: dict[str, bytes] = {}
        invoke = CliRunner.invoke

        def watching(*args: Any, **kwargs: Any) -> Any:
            seen.update(contents(home))  # now: what the case itself spoils, it has spoilt before
            return invoke(*args, **kwargs)

        patch.setattr(CliRunner, "invoke", watching)
        outcome = FAMILIES[family](world)
        after = contents(home)
        spoilt = [path for path, content in seen.items() if after.get(path) != content]
        if spoilt:
            return Outcome(f"changed {spoilt}", outcome.said)
        if beside := [path.name for path in Path(name).iterdir() if path != home]:
            return Outcome(f"left {beside} outside of the project", outcome.said)
        if partial := [path.name for path in home.rglob("*partial*")]:
            return Outcome(f"left {partial}", outcome.said)
        return outcome


def environment(patch: pytest.MonkeyPatch, home: Path) -> None:
    for variable, folder in {"INDI_HOME": ".", "INDI_RUNS": "runs", "INDI_DATA": "data", "INDI_WEIGHTS": "weights",
                             "INDI_CACHE": "cache", "TORCH_HOME": "torch"}.items():  # fmt: skip
        patch.setenv(variable, str(home / folder))
    patch.setenv("COLUMNS", "200")
    patch.setitem(profiles.PROFILES, "smoke", replace(profiles.PROFILES["smoke"], recipe=SMALL))
    patch.setattr(images, "MAX_PIXELS", 10**6)  # a header may claim any size: it is not to take the time


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    home = tmp_path_factory.mktemp("template") / "project"
    with pytest.MonkeyPatch.context() as patch:
        environment(patch, home)
        model = make_template(home)
    return home, model


def faults(template: tuple[Path, str], family: str, count: int) -> list[str]:
    found = [(number, case(*template, family, number)) for number in range(count)]
    return [f"{family} {number}: {o.fault} | {o.said[:200]}" for number, o in found if o.fault]


@pytest.mark.parametrize("family", list(FAMILIES))
def test_hostile_inputs(template: tuple[Path, str], family: str) -> None:
    found = faults(template, family, SHORT)
    assert not found, "\n".join(found)


@pytest.mark.long
@pytest.mark.parametrize("family", list(FAMILIES))
def test_many_hostile_inputs(template: tuple[Path, str], family: str) -> None:
    found = faults(template, family, LONG)
    print(f"{family}: {LONG} tried, {LONG - len(found)} correct, {len(found)} violations")
    assert not found, "\n".join(found)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch, pytest.MonkeyPatch.context() as patched:
        project = Path(scratch, "project")
        environment(patched, project)
        print(case(project, make_template(project), sys.argv[1], int(sys.argv[2])))

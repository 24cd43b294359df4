"""pyproject.toml, constraints.txt, environment.yml and the Makefile describe one environment."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
PINS = {
    canonicalize_name(name): version
    for name, _, version in (
        line.partition("==")
        for line in (CHECKOUT / "constraints.txt").read_text().splitlines()
        if line and not line.startswith("#")
    )
}
REQUIREMENTS = [
    Requirement(text)
    for texts in [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    for text in texts
]


def test_constraints_are_names_and_exact_versions() -> None:
    for line in (CHECKOUT / "constraints.txt").read_text().splitlines():
        if not line.startswith("#"):
            assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.!-]*", line), line


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=str)
def test_every_requirement_is_pinned_at_a_version_it_allows(requirement: Requirement) -> None:
    assert PINS[canonicalize_name(requirement.name)] in requirement.specifier


def test_everything_that_is_installed_for_it_is_pinned() -> None:
    """Walks what the requirements bring along, as installed here."""
    if metadata.version("torch").split("+")[0] != PINS[canonicalize_name("torch")]:
        pytest.skip("another torch than the pinned one brings other packages along")
    todo, seen = list(REQUIREMENTS), set()
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        extras = requirement.extras or {""}
        if name in seen:
            continue
        try:
            brought = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # an extra that is not installed here
        seen.add(name)
        for inner in map(Requirement, brought):
            if inner.marker is None or any(inner.marker.evaluate({"extra": e}) for e in extras):
                todo.append(inner)
    assert len(seen) > 100, "the environment of the tests is not the project's"
    # pip does not list the tools it installs with, and pins of them would change the user's pip
    assert seen - set(PINS) - {"setuptools", "pip", "wheel"} == set()


def test_conda_and_make_install_what_pyproject_says() -> None:
    conda = yaml.safe_load((CHECKOUT / "environment.yml").read_text())
    assert conda["name"] == PROJECT["name"]
    *plain, pip = conda["dependencies"]
    python = next(Requirement(text) for text in plain if text.startswith("python"))
    assert {Requirement(text).name for text in plain} == {"python", "pip"}
    assert python.specifier == SpecifierSet(PROJECT["requires-python"])
    assert pip["pip"] == ["-c constraints.txt", "-e .[book,workflow,test]"]
    makefile = (CHECKOUT / "Makefile").read_text()
    assert '-c constraints.txt -e ".[$(EXTRAS)]"' in makefile
    assert "EXTRAS := book,workflow,test\n" in makefile
    for supported in ("3.11", "3.12", "3.13"):
        assert supported in python.specifier
        assert supported in SpecifierSet(PROJECT["requires-python"])


def dry(folder: Path, *words: str, **environment: str) -> str:
    """What make would do. What an outer `make test PROFILE=...` hands down is taken out."""
    shutil.copy(CHECKOUT / "Makefile", folder)
    for name in ("pyproject.toml", "constraints.txt"):
        (folder / name).touch()
    outer = ("PROFILE", "RETRAIN", "MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL")
    kept = {name: value for name, value in os.environ.items() if name not in outer}
    ran = subprocess.run(
        ["make", "-n", *words],
        cwd=folder,
        env=kept | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_the_book_is_the_published_one_and_a_reproduction_the_smallest(tmp_path: Path) -> None:
    assert "indi book --profile laptop\n" in dry(tmp_path, "book")
    assert "indi book --profile smoke\n" in dry(tmp_path, "book", "PROFILE=smoke")
    assert "indi book --profile gpu\n" in dry(tmp_path, "book", PROFILE="gpu")
    for words in ([], ["reproduce"]):
        assert "indi reproduce --profile smoke" in dry(tmp_path, *words)
    assert "indi reproduce --profile laptop --cores all" in dry(tmp_path, "reproduce", PROFILE="laptop")
    assert "--anyway" in dry(tmp_path, "reproduce", "ANYWAY=1")
    assert "results/smoke" in dry(tmp_path, "clean")
    assert "laptop" not in dry(tmp_path, "clean", "PROFILE=laptop")


def test_the_library_imports_nothing_that_only_an_extra_brings() -> None:
    installed, todo = set(), [Requirement(text).name for text in PROJECT["dependencies"]]
    while todo:
        name = canonicalize_name(todo.pop())
        if name not in installed:
            installed.add(name)
            inner = map(Requirement, metadata.requires(name) or [])
            todo += [r.name for r in inner if r.marker is None or r.marker.evaluate({"extra": ""})]
    distributions = metadata.packages_distributions()
    imported = set()
    for path in (CHECKOUT / "indi").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).partition(".")[0])
    imported -= {*sys.stdlib_module_names, "indi"}
    assert len(imported) > 15
    for module in imported:
        assert installed & {canonicalize_name(name) for name in distributions[module]}, module


@pytest.mark.parametrize(
    ("command", "module", "extra"), [("book", "jupyter_book", "book"), ("reproduce", "snakemake", "workflow")]
)
def test_a_command_without_its_extra_says_so_in_one_line(
    tmp_path: Path, command: str, module: str, extra: str
) -> None:
    code = f"import sys; sys.modules[{module!r}] = None; from indi.cli import main; main([{command!r}])"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"INDI_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert len(ran.stderr.splitlines()) == 1
    assert f".[{extra}]" in ran.stderr
    assert extra in PROJECT["optional-dependencies"]
    assert not list(tmp_path.iterdir())


def test_everything_that_is_distributed_has_terms() -> None:
    assert PROJECT["license"] == "MIT"
    assert (CHECKOUT / "LICENSE").read_text().startswith("MIT License\n")
    citation = yaml.safe_load((CHECKOUT / "CITATION.cff").read_text())
    assert citation["license"] == PROJECT["license"]
    assert citation["version"] == metadata.version("indi")
    weights = (CHECKOUT / "LICENSE-WEIGHTS.md").read_text()
    for done in (CHECKOUT / "results").glob("*/models/*/done.json"):
        recipe = json.loads(done.read_text())["recipe"]
        assert recipe["task"] in weights
        for name in recipe["data"].split("+"):
            assert f"`{name}`" in weights


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_published_results_are_tracked_and_what_is_made_again_is_not() -> None:
    if not (CHECKOUT / ".git").exists():
        pytest.skip("not a git checkout")
    folder = "results/laptop"
    tracked = [
        f"{folder}/compared.json",
        *(f"{folder}/tables/jpeg{suffix}" for suffix in (".csv", ".json")),
        f"{folder}/figures/jpeg_steps.svg",
        *(f"{folder}/notebooks/04_jpeg{suffix}" for suffix in (".ipynb", ".json")),
        *(f"{folder}/models/jpeg-0/{name}" for name in ("weights.safetensors", "done.json", "log.jsonl")),
    ]
    ignored = [
        f"{folder}/notebooks/.04_jpeg.done",
        f"{folder}/notebooks/04_jpeg.failed.ipynb",
        f"{folder}/tables/.jpeg.0123abcd.partial.csv",
        "results/smoke/tables/jpeg.csv",
        "runs/jpeg-0/weights.safetensors",
        "book/_build/html/index.html",
        "book/notebooks/04_jpeg.ipynb",
        "book/results/tables/status.csv",
    ]
    ran = subprocess.run(
        ["git", "-C", str(CHECKOUT), "check-ignore", *tracked, *ignored],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.splitlines() == ignored


def test_the_tracked_text_names_no_folder_of_a_machine() -> None:
    """Whoever clones the project must not meet paths that exist on one machine only."""
    own = str(CHECKOUT.parent)
    for name in ("README.md", "Makefile", "Snakefile", "environment.yml", "pyproject.toml"):
        assert own + "/" not in (CHECKOUT / name).read_text(), name

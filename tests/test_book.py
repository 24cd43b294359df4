"""The book is whole, of one profile, and tells nothing about the machine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest

from indi.book import build as book
from indi.book import rerun
from indi.book import run as runner
from indi.errors import InDIError
from indi.records import provenance

TOC = """format: jb-book
root: intro
chapters:
  - file: notebooks/01_toy_example
  - file: notebooks/04_jpeg
"""
CONFIG = """title: A book
only_build_toc_files: true
exclude_patterns: [_build, results]
execute: {execute_notebooks: "off"}
"""
INTRO = """# Introduction

See [](notebooks/04_jpeg) and {ref}`jpeg`.

```{csv-table}
:file: results/tables/status.csv
:header-rows: 1
```
"""


def write_notebook(path: Path, title: str, output: str = "") -> None:
    page = nbformat.v4.new_notebook(metadata={"language_info": {"name": "python"}})
    page.cells = [nbformat.v4.new_markdown_cell(title)]
    if output:
        stream = nbformat.v4.new_output("stream", text=output)
        page.cells.append(nbformat.v4.new_code_cell("1", outputs=[stream], execution_count=1))
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(page, path)


def finish(notebook: str, profile: str, output: str, **changes: Any) -> None:
    """Leave behind what a run leaves, without the run."""
    executed = runner.executed_path(notebook, profile)
    write_notebook(executed, f"# {notebook}", output)
    made = provenance.collect() | changes
    record = runner.Run(notebook, profile, {"profile": profile}, 61.6, made)
    executed.with_suffix(".json").write_text(json.dumps(asdict(record)))


@pytest.fixture
def manuscript(project: Path) -> Path:
    """A project of two chapters, none of which has run."""
    write_notebook(project / "notebooks" / "01_toy_example.ipynb", "# The toy\n\nText.")
    write_notebook(project / "notebooks" / "04_jpeg.ipynb", "(jpeg)=\n# JPEG\n\nText.")
    folder = project / "book"
    folder.mkdir()
    (folder / "_config.yml").write_text(CONFIG)
    (folder / "_toc.yml").write_text(TOC)
    (folder / "intro.md").write_text(INTRO)
    return project


def test_status_of_each_notebook(manuscript: Path) -> None:
    assert list(book.status("smoke")["state"]) == ["missing", "missing"]

    finish("01_toy_example", "smoke", "x", commit="0123456789abcdef", dirty=True)
    finish("04_jpeg", "smoke", "x", numerics={"method": 0}, commit=None, dirty=None)
    rows = book.status("smoke")
    assert list(rows["state"]) == ["done", "stale"]
    first = rows.iloc[0]
    assert first["time"] == "1 min 2 s"
    assert first["commit"] == "0123456789ab+"
    assert first["finished"].endswith(" UTC")
    assert rows.iloc[1]["commit"] == ""

    runner.executed_path("04_jpeg", "smoke").with_suffix(".failed.ipynb").write_text("{}")
    assert list(book.status("smoke")["state"]) == ["done", "failed"]
    assert list(book.status("laptop")["state"]) == ["missing", "missing"]
    with pytest.raises(InDIError, match=r"unknown profile 'lptop'\. Did you mean 'laptop'"):
        book.status("lptop")


def kept_by_git(project: Path) -> dict[str, bytes]:
    """Every file that is not made by the book."""
    made = tuple(f"book/{name}/" for name in book.GENERATED)
    files = (path for path in project.rglob("*") if path.is_file())
    named = {path.relative_to(project).as_posix(): path for path in files}
    return {name: path.read_bytes() for name, path in named.items() if not name.startswith(made)}


def test_assemble_holds_one_profile_and_nothing_stale(manuscript: Path) -> None:
    for profile, name in (("smoke", "a"), ("laptop", "b")):
        for kind in ("tables", "figures"):
            folder = manuscript / "results" / profile / kind
            folder.mkdir(parents=True)
            (folder / f"{name}.csv").write_text(profile)
    finish("01_toy_example", "smoke", "from smoke")
    finish("04_jpeg", "laptop", "from laptop")
    folder = manuscript / "book"
    written = kept_by_git(manuscript)

    book.assemble("laptop")
    book.assemble("smoke")
    assert kept_by_git(manuscript) == written
    pages = {path.name: path.read_text() for path in (folder / "notebooks").iterdir()}
    assert set(pages) == {"01_toy_example.ipynb", "04_jpeg.ipynb"}
    assert "from smoke" in pages["01_toy_example.ipynb"]
    (cell,) = nbformat.reads(pages["04_jpeg.ipynb"], as_version=4).cells
    assert cell.source.startswith("(jpeg)=\n# JPEG\n")
    assert "indi run notebooks/04_jpeg.ipynb --profile smoke" in cell.source
    copied = {p.relative_to(folder).as_posix() for p in (folder / "results").rglob("*.csv")}
    assert copied == {"results/tables/a.csv", "results/tables/status.csv", "results/figures/a.csv"}
    table = pd.read_csv(folder / "results" / "tables" / "status.csv", keep_default_na=False)
    assert list(table["notebook"]) == ["01_toy_example", "04_jpeg"]
    assert list(table["state"]) == ["done", "missing"]

    page = folder / "notebooks" / "01_toy_example.ipynb"
    before = page.stat().st_mtime_ns
    book.assemble("smoke")
    assert page.stat().st_mtime_ns == before, "what does not change is not written"


def test_the_book_builds_and_a_bad_one_does_not_replace_it(manuscript: Path) -> None:
    finish("01_toy_example", "smoke", "a number: 42")
    written = kept_by_git(manuscript)
    book.assemble("smoke")
    index = book.build("smoke")
    assert kept_by_git(manuscript) == written
    assert index == manuscript / "book" / "_build" / "html" / "index.html"
    html = index.parent
    assert "a number: 42" in (html / "notebooks" / "01_toy_example.html").read_text()
    assert "was not run under the profile" in (html / "notebooks" / "04_jpeg.html").read_text()
    for path in html.rglob("*"):
        if path.is_file():
            assert str(manuscript).encode() not in path.read_bytes(), path

    good = index.read_bytes()
    (manuscript / "book" / "intro.md").write_text("# Introduction\n\n{ref}`nowhere`\n")
    with pytest.raises(InDIError, match=r"(?s)the book was not built.*intro\.md:3.*nowhere") as bad:
        book.build("smoke")
    assert str(manuscript) not in str(bad.value)
    assert index.read_bytes() == good


def test_a_page_that_names_a_path_of_the_machine_is_refused(project: Path) -> None:
    html = project / "html"
    html.mkdir()
    (html / "a.html").write_text("<p>./results</p>")
    book._check_portable(html)
    (html / "b.html").write_text(f"<p>{project}/results/x.csv</p>")
    with pytest.raises(InDIError, match=r"b\.html of the book names"):
        book._check_portable(html)


@pytest.mark.parametrize("packed", [True, False])
def test_a_downloaded_notebook_brings_its_package(manuscript: Path, tmp_path: Path, packed: bool) -> None:
    """Its second cell, which pages leave out, finds the project beside it, packed or not, and goes into that."""
    finish("04_jpeg", "smoke", "x")
    book.assemble("smoke")
    page = nbformat.read(manuscript / "book" / "notebooks" / "04_jpeg.ipynb", as_version=4)
    cell = page.cells[1]
    assert cell.metadata["tags"] == ["remove-cell"]

    folder = tmp_path / "downloads"
    (folder / "indi" / "indi").mkdir(parents=True)  # as `git archive --prefix=indi/` has it
    (folder / "indi" / "indi" / "__init__.py").touch()
    (folder / "indi" / "pyproject.toml").touch()
    if packed:
        shutil.make_archive(str(folder / "indi"), "zip", folder, "indi")
        shutil.rmtree(folder / "indi")
    # pip has nothing to do with it: what it is asked for is written down
    code = (
        "import subprocess, sys\nsys.path[:] = ['', *(p for p in sys.path if 'site-packages' not in p)]\n"
        "subprocess.run = lambda command, check: print(command[-1])\n"
        "sys.meta_path = [f for f in sys.meta_path if 'editable' not in repr(f).lower()]\n"
        f"{cell.source}\nimport indi, os\nprint(os.getcwd(), indi.__file__)"
    )
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    project = folder / "indi-project" / "indi" if packed else folder / "indi-project"
    assert ran.stdout.split() == [str(project), str(project), str(project / "indi" / "__init__.py")]


def test_a_book_built_by_hand_is_not_the_one_that_snakemake_made(manuscript: Path) -> None:
    """Else `make book`, of another profile, would pass for the book of the next `make reproduce`."""
    stamp = manuscript / "book" / "_build" / ".done"
    stamp.parent.mkdir()
    stamp.touch()
    (manuscript / "book" / "_toc.yml").write_text("format: jb-book\nroot: nowhere\n")
    with pytest.raises(InDIError, match="the book was not built"):
        book.build("smoke")
    assert not stamp.exists()


def test_summary_tells_what_was_kept(manuscript: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finish("01_toy_example", "laptop", "x")
    finish("04_jpeg", "laptop", "x", time="2020-01-01T00:00:00+00:00")
    monkeypatch.setattr(rerun, "kept", lambda profile: ["01_toy_example", "04_jpeg"])
    lines = book.summary("laptop", pd.Timestamp.now().timestamp() - 60).splitlines()
    assert lines[1].endswith("  ran now"), "what ran was not kept"
    assert lines[2].endswith("  kept as it is; RETRAIN=1 trains it")


def test_summary_tells_what_ran_now(manuscript: Path) -> None:
    finish("01_toy_example", "smoke", "x", time="2020-01-01T00:00:00+00:00")
    finish("04_jpeg", "smoke", "x")
    started = pd.Timestamp.now().timestamp() - 60
    lines = book.summary("smoke", started).splitlines()
    assert lines[0] == "profile smoke: 1 of 2 notebooks ran now"
    assert lines[1].split() == ["01_toy_example", "done", "1", "min", "2", "s"]
    assert lines[2].split() == ["04_jpeg", "done", "1", "min", "2", "s", "ran", "now"]
    assert lines[3].startswith("all together 1 min")
    assert len(lines) == 4, "no book was built"

    index = manuscript / "book" / "_build" / "html" / "index.html"
    index.parent.mkdir(parents=True)
    index.touch()
    assert book.summary("smoke", started).splitlines()[-1] == f"book: {index}"
    runner.executed_path("04_jpeg", "smoke").with_suffix(".failed.ipynb").touch()
    assert "not built again" in book.summary("smoke", started)

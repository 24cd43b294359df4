"""Fixtures of all tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from indi.book import pdf
from indi.errors import InDIError

BOOK = Path(__file__).resolve().parent.parent / "book"


def _external(variable: str, what: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"needs {what}: set {variable}")
    folder = Path(value).expanduser()
    if not folder.is_dir():
        pytest.skip(f"needs {what}: {variable} names no folder")
    return folder.resolve()


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of image sets, `INDI_DATA`; without it the test is skipped."""
    return _external("INDI_DATA", "the image sets")


@pytest.fixture(scope="session")
def weights_root() -> Path:
    """The folder of the metrics' weights, `INDI_WEIGHTS`; without it the test is skipped."""
    return _external("INDI_WEIGHTS", "the metrics' weights")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project folder: results and runs of the test go there."""
    monkeypatch.setenv("INDI_HOME", str(tmp_path))
    monkeypatch.setenv("INDI_RUNS", str(tmp_path / "runs"))
    return tmp_path


@pytest.fixture
def generator() -> torch.Generator:
    """A CPU generator with a fixed seed."""
    return torch.Generator().manual_seed(0)


@pytest.fixture(autouse=True)
def _same_global_state() -> Iterator[None]:
    """Tests neither depend on nor leave behind torch's global random state and thread count."""
    threads = torch.get_num_threads()
    # a test that imports a kernel would turn progress bars on for those after it
    os.environ.setdefault("INDI_PROGRESS", "0")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
    torch.set_num_threads(threads)


# ---------------------------------------------------------------- pages in a browser


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The Chromium that `indi pdf` prints with, without a window and without services of its own."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra 'test'")
    try:
        program = pdf.browser()
    except InDIError as missing:
        pytest.skip(str(missing))
    flags = [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ]  # fmt: skip
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=program, args=flags)
        yield running
        running.close()


@pytest.fixture
def open_at(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page at its address; at the end, nothing may have failed, nor been asked for outside."""
    contexts, wrong = [], []

    def opened(
        address: str, width: int = 1280, height: int = 900, theme: str = "light", **options: Any
    ) -> Any:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        context.set_default_timeout(120_000)  # a machine that trains beside the tests is slow
        if theme != "light":  # which is what a first visit shows
            context.add_init_script(f"localStorage.setItem('mode', '{theme}')")
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append((address, str(error))))
        page.on("request", lambda asked: wrong.append((address, asked.url)) if _outside(asked.url) else None)
        page.on("console", lambda said: wrong.append((address, said.text)) if said.type == "error" else None)
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


def _outside(url: str) -> bool:
    return not url.startswith(("file:", "data:", "blob:", "about:"))


@pytest.fixture(scope="session")
def small_book() -> Callable[..., Path]:
    """Builds a book of two pages, the named one in `folder` and another, with the book's own settings."""

    def build(folder: Path, chapter: str, *options: str) -> Path:
        for name in ("_config.yml", "references.bib"):
            shutil.copy(BOOK / name, folder)
        for name in ("_static", "_ext"):
            shutil.copytree(BOOK / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "other.md").write_text("# Another page\n")
        (folder / "_toc.yml").write_text(f"format: jb-book\nroot: other\nchapters:\n  - file: {chapter}\n")
        program = "import sys; from jupyter_book.cli.main import main; sys.exit(main())"
        subprocess.run(
            [sys.executable, "-c", program, "build", *options, "--quiet", str(folder)],
            check=True,
            capture_output=True,
        )
        return folder / "_build" / "html"

    return build

"""The reproducibility report, or the whole book, as a PDF: printed by a Chromium that is on the machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from indi import paths
from indi.book import build
from indi.errors import InDIError
from indi.files import replacing

#: Programs that print, the first that is there.
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def browser() -> str:
    """The Chromium of this machine, or the one that CHROMIUM names (InDIError: there is none)."""
    asked = os.environ.get("CHROMIUM", "")
    found = next((path for name in (asked, *BROWSERS) if name and (path := shutil.which(name))), None)
    if found is None:
        raise InDIError(
            "a PDF is printed by Chromium, and there is none: install it (Debian, Ubuntu: `apt-get install chromium`; "
            "macOS: `brew install --cask chromium`), or set CHROMIUM to its program."
        )
    return found


def make(whole: bool = False) -> Path:
    """Print the report, or all of the book, from the pages that were built last.

    Returns:
        book/_build/report.pdf or book/_build/book.pdf.

    Raises:
        InDIError: no Chromium, no book, or nothing was printed.
    """
    program = browser()
    folder = paths.root() / "book" / "_build"
    page = folder / "html" / "report.html"
    if not page.is_file():
        raise InDIError(f"there is no book yet ({page}): build it first with `indi book --profile laptop`.")
    if not whole:
        return _printed(program, page, folder / "report.pdf")
    one = build.single_page()
    try:
        return _printed(program, one, folder / "book.pdf")
    finally:
        shutil.rmtree(folder / "single", ignore_errors=True)


def _printed(program: str, page: Path, target: Path) -> Path:
    # its own profile folder: another Chromium of this user may be open
    with replacing(target) as partial, tempfile.TemporaryDirectory(prefix="indi-pdf-") as own:
        options = [
            "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync",
            "--disable-component-update", "--disable-quic", "--no-pdf-header-footer", "--virtual-time-budget=60000",
            f"--user-data-dir={own}", f"--print-to-pdf={partial}", page.as_uri(),
        ]  # fmt: skip
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            options.insert(0, "--no-sandbox")  # Chromium refuses its sandbox to root
        ran = subprocess.run([program, *options], capture_output=True, text=True, check=False, timeout=600)
        if not (partial.is_file() and partial.read_bytes()[:5] == b"%PDF-"):
            last = (ran.stderr.strip().splitlines() or ["nothing"])[-1]
            raise InDIError(f"{Path(program).name} printed no PDF of {page.name}; it said: {last}")
    return target

"""What single pages of the book need beside their text.

Jupyter Book loads every .js and .css file of _static/ on every page. Here a script NAME.js, and a style sheet
of that name, is loaded only where the page holds an element of the class or id indi-NAME.

Pictures that a script loads, and the figures, tables and records that captions offer for download, are not known
to Sphinx: they are copied as they are.

A page that is opened as a file is a page like any other: nothing of the theme logs an error there.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path, PurePosixPath
from typing import Any

from sphinx.application import Sphinx


def _leave_out(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    context.setdefault("default_mode", "auto")  # else the theme's script calls "" a mistake of ours
    scripts = {path.stem for path in (Path(app.srcdir) / "_static").glob("*.js")}
    # what scrolls is reached by the keyboard
    wide = '<div class="pst-scrollable-table-container"'
    context["body"] = context.get("body", "").replace(wide, f'{wide} tabindex="0"')
    # a list may hold entries of a bibliography no longer (ARIA 1.2), and Sphinx writes both roles
    context["body"] = context["body"].replace(
        '<div role="list" class="citation-list"', '<div class="citation-list"'
    )
    unused = {name for name in scripts if f'"indi-{name}"' not in context.get("body", "")}
    for kind in ("script_files", "css_files"):
        context[kind] = [
            file
            for file in context[kind]
            if PurePosixPath(str(getattr(file, "filename", file) or "")).stem not in unused
        ]


def _copy(app: Sphinx, exception: Exception | None) -> None:
    results = Path(app.srcdir) / "results"
    for source, target in (
        ("explorer", "explorer"),
        ("figures", "results/figures"),
        ("tables", "results/tables"),
    ):
        if exception is None and (results / source).is_dir():
            shutil.copytree(results / source, Path(app.outdir) / target, dirs_exist_ok=True)


def _no_font_early(app: Sphinx, exception: Exception | None) -> None:
    """Browsers refuse fonts that a page opened as a file asks for before its style sheet does, and log an error."""
    for page in Path(app.outdir).rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        page.write_text(re.sub(r'<link rel="preload" as="font"[^>]*>\n?', "", text), encoding="utf-8")


def _slim(app: Sphinx, exception: Exception | None) -> None:
    """MathJax comes in ten combinations of input and output, of which a page loads one: 14 MB less."""
    used = PurePosixPath(app.config.mathjax_path or "").name
    for combined in (Path(app.outdir) / "_static" / "mathjax").glob("*-*.js"):
        if used and combined.name != used:
            combined.unlink()


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", _leave_out)
    app.connect("build-finished", _copy)
    app.connect("build-finished", _no_font_early)
    app.connect("build-finished", _slim, priority=900)  # after MathJax is there
    return {"parallel_read_safe": True, "parallel_write_safe": True}

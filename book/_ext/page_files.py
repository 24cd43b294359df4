"""A script or style sheet in _static/ that is named like a page is loaded on that page alone.

Jupyter Book loads every .js and .css file of _static/ on every page.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from sphinx.application import Sphinx


def _leave_out(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    others = app.env.found_docs - {page}
    for kind in ("script_files", "css_files"):
        context[kind] = [
            file
            for file in context[kind]
            if PurePosixPath(str(getattr(file, "filename", file) or "")).stem not in others
        ]


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", _leave_out)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

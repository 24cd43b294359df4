"""Executed notebooks with links in place of the figures that are stored beside them.

A notebook would hold every figure a second time, and most of its size would be that.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat

_SVG = "image/svg+xml"
_SAVED = re.compile(r"""save_figure\(\s*["']([\w-]+)["']""")
KEY = "indi_figure"
"""Metadata of an output: the name of the stored figure. `captions.put` shows it in the book."""


_RENDERED = re.compile(r"\bledger\.(?:overview|details)\(")


def leave_out_rendered(page: nbformat.NotebookNode) -> None:
    """Empty, in place, what the book renders anew from the ledger when it is assembled: the claims' list, 120 KB."""
    for cell in page.cells:
        if cell.cell_type == "code" and _RENDERED.search(cell.source):
            for output in cell.outputs:
                if "text/html" in output.get("data", {}):
                    output.data["text/html"] = "<p>Shown in the book, with today's verdicts.</p>"


def link_figures(page: nbformat.NotebookNode, figures: Path) -> None:
    """Replace, in place, what a cell drew and stored under a literal name by a link to the stored figure.

    Args:
        page: an executed notebook, to lie in a folder beside `figures`.
        figures: folder of the stored figures. What is not there stays as it was drawn.
    """
    for cell in page.cells:
        if cell.cell_type != "code":
            continue
        names = _SAVED.findall(cell.source)
        drawn = [output for output in cell.outputs if _SVG in output.get("data", {})]
        if len(names) != len(drawn) or not all((figures / f"{name}.svg").is_file() for name in names):
            continue
        for name, output in zip(names, drawn, strict=True):
            output.data = nbformat.from_dict({"text/markdown": f"![{name}](../{figures.name}/{name}.svg)"})
            output.metadata[KEY] = name

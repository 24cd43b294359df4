"""The look of every plot and table: one module per family of chapters beside this one.

Colours are those of Okabe and Ito, which readers with any colour vision can tell apart; every series
also differs in its marker or its line style, so that a grey print can be read.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import pandas as pd
import seaborn as sns
from IPython import get_ipython
from IPython.display import Markdown
from matplotlib_inline.backend_inline import set_matplotlib_formats
from pandas.io.formats.style import Styler

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, RED, PURPLE, GREY = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#767676",
)  # fmt: skip
PALETTE = (BLUE, RED, GREEN, ORANGE, PURPLE, SKY, BLACK, GREY)

#: Key of `samplers.SAMPLERS` -> colour, marker, line style and the name shown to readers.
SAMPLER_COLOURS = {"indi": BLUE, "naive": RED, "cold_diffusion": GREEN}
SAMPLER_MARKERS = {"indi": "o", "naive": "s", "cold_diffusion": "^"}
SAMPLER_LINES = {"indi": "-", "naive": "--", "cold_diffusion": "-."}
SAMPLER_LABELS = {"indi": "InDI", "naive": "naive", "cold_diffusion": "Cold Diffusion"}


def use_style() -> None:
    """Set matplotlib and seaborn to the book's look; in a notebook, figures become SVG."""
    sns.set_theme(
        context="notebook",
        style="ticks",
        palette=sns.color_palette(PALETTE),
        rc={
            "figure.dpi": 100,
            "figure.figsize": (7.0, 3.6),
            "figure.constrained_layout.use": True,
            "figure.facecolor": "white",  # stays readable on the book's dark pages
            "savefig.facecolor": "white",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#dddddd",
            "grid.linewidth": 0.6,
            "axes.titlesize": 11,
            "axes.labelsize": 10,
            "legend.fontsize": 9,
            "legend.frameon": False,
            "xtick.labelsize": 9,
            "ytick.labelsize": 9,
            "lines.linewidth": 1.6,
            "lines.markersize": 5,
            "svg.fonttype": "path",
            "svg.hashsalt": "indi",  # an unchanged figure is an unchanged file
        },
    )
    if get_ipython() is not None:
        set_matplotlib_formats("svg")


def show_table(
    rows: pd.DataFrame,
    caption: str | None = None,
    digits: int = 3,
    formats: Mapping[str, Any] | None = None,
) -> Styler:
    """`rows` as a table for a notebook or a page: no index, floats to `digits` decimals, "–" for missing.

    Args:
        rows: what to show; the column names are the headings.
        caption: shown above the table; say there on what data and how many.
        digits: decimals of float columns.
        formats: column -> format string or function, where `digits` does not suit.
    """
    style = rows.style.hide(axis="index")
    style = style.format(precision=digits, na_rep="–", thousands=",", escape="html")
    if formats:
        style = style.format(dict(formats), na_rep="–")
    if caption:
        style = style.set_caption(caption)
    # pandas draws a random id otherwise, and an unchanged notebook would change at every run
    return style.set_uuid(f"{zlib.crc32((rows.to_csv() + str(caption)).encode()):08x}")


def say(text: str) -> Markdown | None:
    """Markdown for a notebook, and nothing at all for an empty text."""
    return Markdown(text) if text.strip() else None

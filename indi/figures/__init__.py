"""The look of every plot and table: one module per family of chapters beside this one.

Colours are those of Okabe and Ito, which readers with any colour vision can tell apart; every series
also differs in its marker or its line style, so that a grey print can be read.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pandas as pd
import seaborn as sns
from IPython import get_ipython
from IPython.display import Markdown
from matplotlib_inline.backend_inline import set_matplotlib_formats
from pandas.io.formats.style import Styler

from indi.evaluation import metrics

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, RED, PURPLE, GREY = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#767676",
)  # fmt: skip
PALETTE = (BLUE, RED, GREEN, ORANGE, PURPLE, SKY, BLACK, GREY)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
SOLID, DASHED, DASHDOT, DOTTED = (), (4, 1.5), (4, 1.5, 1, 1.5), (1, 1.2)
DASHES: tuple[tuple[float, ...], ...] = (SOLID, DASHED, DASHDOT, DOTTED, (6, 1, 1, 1, 1, 1), (8, 2))


class Look(NamedTuple):
    """How a series is drawn: its name for readers, colour, marker, and dashes (lengths on, off; empty: solid)."""

    label: str
    colour: str
    marker: str
    dash: tuple[float, ...]


LOOKS = {
    "indi": Look("InDI", BLUE, "o", SOLID),
    "naive": Look("naive", RED, "s", DASHED),
    "cold_diffusion": Look("Cold Diffusion", GREEN, "^", DASHDOT),
    "ddpm": Look("conditional DDPM", ORANGE, "D", DASHED),
    "ddim": Look("conditional DDPM, DDIM", PURPLE, "v", DASHDOT),
}
"""What stands in the column `sampler` -> its look. Others take theirs from the lists above, see `looks`."""

SAMPLER_LABELS = {name: LOOKS[name].label for name in ("indi", "naive", "cold_diffusion")}


def looks(names: Iterable[Any], labels: Mapping[Any, str] | None = None) -> dict[Any, Look]:
    """A look for each name: its own in `LOOKS`, else the next of the lists; its label is that of `labels`, if any."""
    found = {}
    for k, name in enumerate(dict.fromkeys(names)):
        own = Look(str(name), PALETTE[k % len(PALETTE)], MARKERS[k % len(MARKERS)], DASHES[k % len(DASHES)])
        look = LOOKS.get(name, own)
        found[name] = look._replace(label=(labels or {}).get(name, look.label))
    return found


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
            "svg.fonttype": "none",  # text stays text: it can be searched, read aloud, and is smaller
            "svg.hashsalt": "indi",  # an unchanged figure is an unchanged file
        },
    )
    if get_ipython() is not None:
        set_matplotlib_formats("svg")


def capital(text: str) -> str:
    """The text with a capital letter first, the others as they are."""
    return text[:1].upper() + text[1:]


def span(values: Iterable[int]) -> str:
    """ "3", or "1 to 3"."""
    found = sorted(set(values))
    return f"{found[0]:,}" if len(found) == 1 else f"{found[0]:,} to {found[-1]:,}"


def perception(rows: pd.DataFrame) -> str:
    """LPIPS, of whichever network was measured; SSIM where none was."""
    return next((name for name in rows["metric"].unique() if name.startswith("lpips")), "ssim")


def metric_label(name: str) -> str:
    """ "PSNR [dB] ↑": name, unit, and the direction that is better; for a detail ratio, "(1 is right)"."""
    metric = metrics.describe(name)
    unit = f" [{metric.unit}]" if metric.unit else ""
    return f"{metric.label}{unit} " + {"higher": "↑", "lower": "↓", "none": "(1 is right)"}[metric.direction]


def interval(numbers: Iterable[float], metric: str, *, plus: bool = False, times: float = 1) -> str:
    """A number with its interval as everywhere in this book: "23.81 [23.10, 24.52]".

    Args:
        numbers: itself, and the bounds low and high, in the unit of `metric`; NaN: there is no interval.
        metric: decides the decimals: two for dB and multiples, one for Fréchet distances, else three.
        plus: with their signs, for differences.
        times: shown as such a multiple.
    """
    mean, low, high = (times * number for number in numbers)
    two = metrics.describe(metric).unit == "dB" or times > 1
    form = f"{'+' if plus else ''}.{2 if two else 1 if metric.startswith('f') else 3}f"
    return f"{mean:{form}} " + ("[no interval]" if math.isnan(low) else f"[{low:{form}},\u00a0{high:{form}}]")


def difference(numbers: Iterable[float], metric: str) -> str:
    """As `interval`, with signs; one that covers zero says so."""
    mean, low, high = numbers
    shown = interval((mean, low, high), metric, plus=True)
    return f"{shown}: none shown" if low <= 0 <= high else shown


def show_table(
    rows: pd.DataFrame, caption: str | None = None, digits: int = 3, formats: Mapping[str, Any] | None = None
) -> Styler:
    """`rows` as a table for a notebook or a page: no index, floats to `digits` decimals, "–" for missing.

    Args:
        rows: what to show; the column names are the headings.
        caption: shown above the table; say there on what data and how many.
        digits: decimals of float columns.
        formats: column -> format string or function, where `digits` does not suit.
    """
    # one call: a second one would take the decimals from the columns that it does not name
    style = rows.style.hide(axis="index").format(
        dict(formats) if formats else None, precision=digits, na_rep="–", thousands=",", escape="html"
    )
    if caption:
        style = style.set_caption(caption)
    # pandas draws a random id otherwise, and an unchanged notebook would change at every run
    return style.set_uuid(f"{zlib.crc32((rows.to_csv() + str(caption)).encode()):08x}")


def say(text: str) -> Markdown | None:
    """Markdown for a notebook, and nothing at all for an empty text."""
    return Markdown(text) if text.strip() else None

"""One progress bar for everything that takes long, and reports to who waits for a whole workflow."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

REPORTING = "INDI_REPORT"
"""Where this variable is set, `report` speaks."""


def report(event: str, what: str) -> None:
    """Tell `indi reproduce`, on standard output, that something "begins", "ends", "fails" or "stops"."""
    if REPORTING in os.environ:
        print(f"{REPORTING} {event} {what}", flush=True)


def progress(items: Iterable[Any] | None = None, **options: Any) -> tqdm:
    """A tqdm bar on a terminal and in a live notebook, silent in logs and with INDI_PROGRESS=0."""
    interactive = sys.stderr.isatty() or "ipykernel.kernelapp" in sys.modules  # that of a live kernel
    silent = os.environ.get("INDI_PROGRESS") == "0" or not interactive
    return tqdm(items, disable=silent, dynamic_ncols=True, **options)

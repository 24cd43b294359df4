"""Stopping in time: at a limit, or when the system asks with SIGTERM, as schedulers do before they kill.

What stops so keeps what it has done, and ends with the exit code `AGAIN`: the same command goes on from there.
"""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from indi.errors import InDIError

AGAIN = 75
"""EX_TEMPFAIL of sysexits.h: not done, nothing wrong, to be run again."""

_UNITS = {"s": 1, "m": 60, "h": 3600}


class Again(InDIError):
    """Stopped before the end, as asked: the same command goes on from there. Its exit code is `AGAIN`."""


def seconds(text: str) -> float:
    """The length of "90s", "9m", "1.5h" or "1h30m", in seconds.

    Raises:
        InDIError: it is not of this form, or zero.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)([smh])", text)
    total = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text or not 0 < total < float("inf"):
        raise InDIError(f"{text!r} is no duration: write 90s, 9m, 2h or 1h30m.")
    return total


@contextmanager
def asked(after: float | None = None) -> Iterator[Callable[[], bool]]:
    """Within, SIGTERM ends nothing: the yielded function says whether it has come, or `after` seconds are over.

    Outside the main thread only the time counts: there Python lets nobody take a signal.
    """
    until = float("inf") if after is None else time.monotonic() + after
    terminated = False

    def handler(number: int, frame: FrameType | None) -> None:
        nonlocal terminated
        terminated = True

    try:
        before = signal.signal(signal.SIGTERM, handler)
    except ValueError:
        yield lambda: time.monotonic() >= until
        return
    try:
        yield lambda: terminated or time.monotonic() >= until
    finally:
        signal.signal(signal.SIGTERM, before)

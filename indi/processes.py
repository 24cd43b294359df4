"""How the processes that this package starts are set up: for speed alone, no number depends on it."""

from __future__ import annotations

import os
import sys

#: Memory that was freed is kept for the next step instead of going back to the system and coming again, page by
#: page; threads that wait sleep, where spinning ones slow whatever runs beside them.
SETTINGS = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "8000000000",
    "OMP_WAIT_POLICY": "passive",
    "GOMP_SPINCOUNT": "0",
}


def environment(threads: int | None = None) -> dict[str, str]:
    """The environment for a process that computes: the user's own settings win.

    Args:
        threads: of OpenMP; None: as the user has it, else as many as there are cores.
    """
    asked = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    return {**SETTINGS, **os.environ, **asked}


def restart() -> None:
    """Start this command anew with the settings, in the same process, unless it runs with them already.

    They are read by the C library before Python starts.
    """
    if sys.platform == "linux" and not SETTINGS.keys() <= os.environ.keys():
        os.execve(sys.executable, [sys.executable, "-m", "indi", *sys.argv[1:]], environment())

"""Where things are: the project, its runs and results, and the data and weights it never contains."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from indi import profiles


def root() -> Path:
    """The project folder: `INDI_HOME`, else the checkout this package is installed from, else the working folder."""
    if home := os.environ.get("INDI_HOME"):
        return Path(home).expanduser().resolve()
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()


def runs() -> Path:
    """Trainings, one folder per recipe: `INDI_RUNS`, else `runs/` in the project."""
    return Path(os.environ.get("INDI_RUNS") or root() / "runs").expanduser()


def results(profile: str) -> Path:
    """What was measured under `profile`: tables/, figures/ and notebooks/.

    Raises:
        InDIError: no such profile.
    """
    profiles.get(profile)
    return root() / "results" / profile


def data_root() -> Path:
    """Image sets: `INDI_DATA`, else the user's cache folder."""
    return Path(os.environ.get("INDI_DATA") or platformdirs.user_cache_path("indi") / "data").expanduser()


def weights_root() -> Path:
    """Weights of metrics: `INDI_WEIGHTS`, else the user's cache folder."""
    return Path(
        os.environ.get("INDI_WEIGHTS") or platformdirs.user_cache_path("indi") / "weights"
    ).expanduser()


def cache() -> Path:
    """Decoded images, which can be deleted any time: `INDI_CACHE`, else the user's cache folder."""
    return Path(os.environ.get("INDI_CACHE") or platformdirs.user_cache_path("indi")).expanduser()

"""Inversion by Direct Iteration (Delbracio & Milanfar, TMLR 2023), reproduced.

The flow goes one way: recipe -> data -> degradation -> training -> sampling -> metrics -> records
-> claims -> figures, tables, pages -> book. Nothing lower imports anything higher.

The folders method, data, training and evaluation hold all that can move a number (see `numerics`); the others
hold words and pictures. What notebooks and users need is here by one name each: `from indi import samplers`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what __getattr__ gives, for type checkers
    from indi.data import datasets as datasets
    from indi.data import degradations as degradations
    from indi.data import images as images
    from indi.evaluation import ddpm_steps as comparison
    from indi.evaluation import experiment as experiment
    from indi.evaluation import generation as generation
    from indi.evaluation import metrics as metrics
    from indi.evaluation import protocols as protocols
    from indi.evaluation import real_blur as real
    from indi.method import cddpm as cddpm
    from indi.method import closed_form as closed_form
    from indi.method import process as process
    from indi.method import samplers as samplers
    from indi.method import solvers as solvers
    from indi.method import unet as unet
    from indi.records import results as results
    from indi.training import recipes as recipes

__version__ = "0.1.0"

_HOMES = {
    "cddpm": "method.cddpm",
    "closed_form": "method.closed_form",
    "comparison": "evaluation.ddpm_steps",
    "datasets": "data.datasets",
    "degradations": "data.degradations",
    "experiment": "evaluation.experiment",
    "generation": "evaluation.generation",
    "images": "data.images",
    "metrics": "evaluation.metrics",
    "process": "method.process",
    "protocols": "evaluation.protocols",
    "real": "evaluation.real_blur",
    "recipes": "training.recipes",
    "results": "records.results",
    "samplers": "method.samplers",
    "solvers": "method.solvers",
    "unet": "method.unet",
}


def __getattr__(name: str) -> Any:
    """A public module, imported on first use: `import indi` alone takes no time."""
    if name not in _HOMES:
        raise AttributeError(f"module 'indi' has no attribute {name!r}")
    return import_module(f"indi.{_HOMES[name]}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})

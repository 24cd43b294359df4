"""Degradations: how y is made from x. `get("jpeg", quality=15)(x, generator)` gives y."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from indi.data.degradations import defocus, jpeg, motion, noise
from indi.data.degradations.base import Degradation
from indi.data.degradations.resample import downscale, super_resolution, upscale
from indi.errors import unknown

_FACTORIES: dict[str, Callable[..., Degradation]] = {
    "defocus": defocus.defocus,
    "jpeg": jpeg.jpeg,
    "motion": motion.motion,
    "noise": noise.noise,
    "super_resolution": super_resolution,
}


def names() -> tuple[str, ...]:
    """The names that `get` knows."""
    return tuple(sorted(_FACTORIES))


def get(name: str, **options: Any) -> Degradation:
    """The degradation of that name with its options, for example `get("jpeg", quality=15)`.

    Raises:
        InDIError: unknown name or option (with the valid ones), or a value out of range.
    """
    if name not in _FACTORIES:
        raise unknown("degradation", name, _FACTORIES)
    valid = list(inspect.signature(_FACTORIES[name]).parameters)
    for option in options:
        if option not in valid:
            raise unknown(f"option of {name}", option, valid or ["(none)"])
    return _FACTORIES[name](**options)

"""The versions of the numbers. This file alone decides whether a stored number is older than the code.

A number is the work of four rooms of the library. Each carries a version, raised by hand when one of its
golden numbers (`tests/numbers.json`) moves beyond rounding. A record stores the versions that it rests on,
so that an edit that moves no number costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: Room -> version. method: process, samplers, solvers, networks, closed forms, conditional DDPM. data: image
#: sets, crops, degradations. training: recipes, loop, loss. evaluation: protocols, metrics, comparisons.
NUMERICS: dict[str, int] = {"method": 1, "data": 1, "training": 1, "evaluation": 1}

#: What the weights of a training rest on.
OF_TRAINING = ("method", "data", "training")


def versions(rooms: Sequence[str] = tuple(NUMERICS)) -> dict[str, int]:
    """The versions of `rooms`, as a record stores them."""
    return {room: NUMERICS[room] for room in rooms}


def raised(record: Mapping[str, int] | None) -> list[str]:
    """The rooms whose version is another one now than in `record`; all where there is none, as in old files."""
    if record is None:
        return list(NUMERICS)
    return [room for room, version in record.items() if NUMERICS.get(room) != version]

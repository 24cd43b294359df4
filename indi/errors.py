"""The one exception a user is meant to read, the wording of 'no such name', and text fit to be shown."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InDIError(Exception):
    """A problem the user can act on: one line that names the thing, the choices and the next step."""


def unknown(kind: str, name: object, valid: Iterable[str]) -> InDIError:
    """The error for a `name` that is not among the `valid` names of a `kind` ("task", "profile", ...).

    Returned, not raised, so that the `raise` stands at the place of the fault.
    """
    names = sorted(valid)
    near = difflib.get_close_matches(str(name), names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return InDIError(f"unknown {kind} {name!r}.{hint} Valid: {', '.join(names)}.")


def printable(text: str) -> str:
    """`text` in one line that any terminal shows: breaks, control codes and broken UTF-8 of file names escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)

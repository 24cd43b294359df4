"""The one exception a user is meant to read, 'no such name', 'not installed', and text fit to be shown."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib.util import find_spec


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


def require(module: str, extra: str) -> None:
    """Ask for a package that comes with an extra of this one, before anything is begun that needs it.

    Raises:
        InDIError: it is not installed.
    """
    if find_spec(module) is None:
        raise InDIError(
            f"{module.replace('_', '-')} is not installed: pip install -c constraints.txt -e '.[{extra}]' in the "
            "project folder brings it, and so does make."
        )

"""`python -m indi` is `indi`."""

from indi.cli import entry

entry()

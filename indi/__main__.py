"""`python -m indi` is `indi`."""

from indi.cli import main

main()

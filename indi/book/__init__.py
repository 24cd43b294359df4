"""The book: its notebooks are run, and assembled with the prose into pages."""

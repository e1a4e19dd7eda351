"""The one exception that commands raise when the program cannot do its work; `main` prints it and exits with 2."""

from __future__ import annotations


class CannotError(Exception):
    """What could not be done, and what to do about it, in one line."""

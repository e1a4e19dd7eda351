"""Where output goes: standard output or a file, with or without colour. Used by every command."""

from __future__ import annotations

import os
import sys

from repro_audit.cli.problem import CannotError
from repro_audit.report.visible import encodable


def emit(text: str, output: str | None = None) -> None:
    """Write `text` to the file `output`, else to standard output; raises CannotError."""
    if output is None or output == "-":
        stream = sys.stdout
        stream.write(encodable(text))
        stream.flush()
        return
    beside = f"{output}.{os.getpid()}.tmp"
    try:
        if os.path.exists(output) and not os.path.isfile(output):
            # A device or a pipe is written to, never replaced.
            with open(output, "w", encoding="utf-8", newline="") as file:
                file.write(encodable(text))
            return
        with open(beside, "x", encoding="utf-8", newline="") as file:
            file.write(encodable(text))
        os.replace(beside, output)
    except (OSError, ValueError) as error:
        if os.path.lexists(beside):
            os.unlink(beside)
        raise CannotError(f"{output}: cannot be written: {getattr(error, 'strerror', None) or error}") from None


def note(text: str) -> None:
    """Write one line for the user beside the report."""
    sys.stderr.write(f"repro-audit: {encodable(text)}\n")


def wants_color(choice: str | None, output: str | None = None) -> bool:
    """Whether to use colour: as asked, else on a terminal that has not said no (`NO_COLOR`, `TERM=dumb`)."""
    if choice in ("always", "never"):
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return output is None and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def width() -> int:
    """How many columns a line may take."""
    try:
        return max(40, min(os.get_terminal_size(sys.stdout.fileno()).columns, 160))
    except (OSError, ValueError):
        return 120

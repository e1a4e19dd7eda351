"""The command `repro-audit`: takes the arguments apart, runs a command, and turns whatever happens into an exit status.

0: nothing at or above `--fail-on`; 1: findings; 2: the program could not do its work; 130: interrupted.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence

COMMANDS = ("check", "inputs", "fix", "rules", "explain", "ast", "init", "build", "verify", "smoke")

_WITH_ENGINES = ("build", "verify", "smoke")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; never raises, never shows a traceback unless `REPRO_AUDIT_DEBUG` is set."""
    if argv is None:
        # Syntax trees live as long as the run: looking through them for garbage costs a fifth of it and finds none.
        gc.set_threshold(50_000, 20, 50)
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        # What is shown may hold bytes of file names that no encoding has.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _interrupted(cleaned=arguments[:1] != [] and arguments[0] in _WITH_ENGINES)
    except BrokenPipeError:
        return _nobody_reads()
    except Exception as error:
        return _failed(error)
    return status


def _run(argv: list[str]) -> int:
    if "_REPRO_AUDIT_COMPLETE" not in os.environ and argv[:1] != ["--help"]:
        from repro_audit.cli.options import explicit, read

        named = bool(argv) and argv[0] in COMMANDS
        if not named or argv[0] == "check":
            rest = explicit(argv[1:] if named else argv)
            options = read(rest)
            if options is not None:
                from repro_audit.cli.check import check

                return check(options)
            argv = ["check", *rest] if named else rest
    from repro_audit.cli.app import run

    return run(argv)


def _failed(error: Exception) -> int:
    from repro_audit.cli.problem import CannotError

    if isinstance(error, CannotError):
        text = str(error)
    else:
        if os.environ.get("REPRO_AUDIT_DEBUG"):
            import traceback

            traceback.print_exception(error)
        kind = type(error).__name__
        text = f"internal error: {kind}: {error} (REPRO_AUDIT_DEBUG=1 shows where; please report it)"
    try:
        sys.stderr.write("repro-audit: " + " ".join(text.split("\n")) + "\n")
        sys.stderr.flush()
    except OSError:
        pass
    return 2


def _interrupted(*, cleaned: bool) -> int:
    more = "; what was started for it is stopped and removed" if cleaned else ""
    try:
        sys.stderr.write(f"repro-audit: interrupted{more}\n")
        sys.stderr.flush()
    except OSError:
        pass
    return 130


def _nobody_reads() -> int:
    """The reader of a pipe went away, as `head` does: nothing is wrong, and nothing more can be said."""
    try:
        handle = os.open(os.devnull, os.O_WRONLY)
        os.dup2(handle, sys.stdout.fileno())
        os.close(handle)
    except (OSError, ValueError):
        pass
    return 141

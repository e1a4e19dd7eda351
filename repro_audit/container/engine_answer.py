"""Short questions to an engine's program, and what it answers: it may hang, die or say anything at all."""

from __future__ import annotations

import json

from repro_audit.container.engine_error import EngineError
from repro_audit.container.process import Outcome, ProcessError, run

# Seconds that a question may take: one that starts nothing, one that starts a builder, and removing something.
SHORT = 20.0
START = 120.0
REMOVAL = 60.0
# Seconds in which a program that does not answer may end by itself.
_GRACE = 2.0
_LONGEST = 18


def ask(*argv: str, timeout: float | None = None) -> Outcome:
    """Ask a program something short; raises EngineError where it cannot be started."""
    try:
        return run(argv, timeout=SHORT if timeout is None else timeout, grace=_GRACE)
    except ProcessError as error:
        raise EngineError(str(error)) from None


def document(text: str) -> dict[str, object] | None:
    """The JSON object that the answer is; None where it is none."""
    try:
        found = json.loads(text)
        json.dumps(found)  # what is nested too deep for one may not be for the other
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def part(found: object, *names: str) -> object:
    """What lies under these names; None where there is nothing."""
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def whole(text: str) -> int | None:
    """The number that the answer is; None where it is none, or one too long for any size."""
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= _LONGEST else None

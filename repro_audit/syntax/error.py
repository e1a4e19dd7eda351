"""The node that stands where a file could not be read."""

from __future__ import annotations

from repro_audit.record import dataclass
from repro_audit.source import Span


@dataclass(slots=True, frozen=True)
class Error:
    """A part that could not be read, and the reason in the words of the reference implementation where it has some.

    `code` names the rule that reports it; `` stands for the rule `syntax`.
    """

    span: Span
    message: str
    code: str = ""

"""What keeps an engine from doing what it was asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class EngineError(Exception):
    """Something that an engine could not do, and not because the image is wrong: in one line, with what to do."""


@dataclass(slots=True, frozen=True)
class Attempt:
    """An engine that does not work here: why, and how to get it."""

    engine: str
    reason: str
    remedy: str


class NoEngineError(EngineError):
    """No engine works. `attempts` says what was tried."""

    def __init__(self, attempts: Sequence[Attempt]) -> None:
        self.attempts = tuple(attempts)
        tried = "; ".join(f"{a.engine}: {a.reason} ({a.remedy})" for a in attempts)
        super().__init__(f"no container engine works here. Tried {tried}")

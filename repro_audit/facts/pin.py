"""The pin ladder: how firmly an input is held to what it was when somebody last looked."""

from __future__ import annotations

from enum import IntEnum

from repro_audit.record import dataclass


class Level(IntEnum):
    """The rungs, loosest first."""

    FLOATING = 0  # tomorrow's build takes whatever is newest
    RANGED = 1  # bounded, still moves
    PERISHABLE = 2  # exact, but whoever serves it may replace or delete it
    IMMUTABLE = 3  # exact, and the index promises not to change it
    HASHED = 4  # exact, and verified by content
    LOCAL = 5  # comes from the build context or an earlier stage

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(slots=True, frozen=True)
class Pin:
    """A level and, in a few words a user understands, why it is that one (`no tag`, `live archive deletes old
    versions`).
    """

    level: Level
    reason: str

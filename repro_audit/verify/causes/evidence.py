"""What a cause is shown of a difference, and how it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from repro_audit.container.archive import Entry


@dataclass(slots=True, frozen=True)
class Varied:
    """The conditions that verify gave the second build and not the first; None where both had the same.

    `folders` are where the first and the second build had their context, `umasks` what their engines ran with, and
    `checkouts` the umasks that their files seem to have been checked out under.
    """

    hostname: str | None = None
    locale: str | None = None
    zone: str | None = None
    folders: tuple[str, str] | None = None
    umasks: tuple[int, int] | None = None
    checkouts: tuple[int, int] | None = None


@dataclass(slots=True, frozen=True, eq=False)
class Evidence:
    """One differing file. `left` and `right` are its bytes where they were fetched; `whole` when they are all of
    them.

    `created_by` is the command that wrote it. `twin` is the path on the other side that this file seems to have
    there, for one that stands on one side only. `owner` is the moved package that it belongs to.
    `varied` is what verify changed between the builds. `depth` counts the archives around it; `names` are what
    the two sides are called.
    """

    path: str
    kinds: frozenset[str]
    left: bytes | None = None
    right: bytes | None = None
    whole: bool = True
    left_entry: Entry | None = None
    right_entry: Entry | None = None
    created_by: str = ""
    twin: str | None = None
    owner: str | None = None
    varied: Varied = field(default=Varied())
    depth: int = 0
    names: tuple[str, str] = ("the first", "the second")

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def pair(self) -> tuple[bytes, bytes] | None:
        """The bytes of both sides, where both were fetched."""
        return (self.left, self.right) if self.left is not None and self.right is not None else None


@dataclass(slots=True, frozen=True)
class Verdict:
    """A cause of the catalogue, with a sentence of its own where `why` is given, lines about what differs inside, and
    a remedy of its own where the catalogue's is too general.
    """

    cause: str
    why: str | None = None
    inside: tuple[str, ...] = field(default=())
    remedy: str | None = None


Detector = Callable[[Evidence], "Verdict | None"]

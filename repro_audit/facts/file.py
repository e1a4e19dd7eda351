"""The facts that one file gives, with what the engine needs to report on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro_audit.record import dataclass
from repro_audit.source import Source
from repro_audit.syntax.error import Error

if TYPE_CHECKING:
    from repro_audit.discover import File
    from repro_audit.facts.project import Project


@dataclass(slots=True, frozen=True, eq=False)
class FileFacts:
    """What one file gives.

    `ast` is its syntax tree, `facts` every fact that stands in it, in order of place, itself not included; `errors`
    are its syntax errors; `comments` are `(line, text after the comment sign)` pairs, for suppressions. `project`
    leads to the rest. Rules of type `file` and of the file's kind (`dockerfile`, `compose`, ...) see this object.
    """

    source: Source
    file: File
    ast: object
    facts: tuple[object, ...]
    errors: tuple[Error, ...]
    comments: tuple[tuple[int, str], ...]
    project: Project

"""An `Installation`: one command that installs packages, with all that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro_audit.record import dataclass
from repro_audit.source import Source, Span

if TYPE_CHECKING:
    from repro_audit.facts.command import Command
    from repro_audit.facts.input import Package
    from repro_audit.facts.stage import Stage


@dataclass(slots=True, frozen=True, eq=False)
class Installation:
    """`ecosystem` is that of its packages (see `Package`); `packages` are those named on the command line.

    `redirected` are packages whose unquoted `>` or `<` the shell takes for a redirection, each with the place of what
    was meant as one word.
    """

    source: Source
    span: Span
    ecosystem: str
    packages: tuple[Package, ...]
    command: Command
    stage: Stage | None = None
    redirected: tuple[tuple[str, Span], ...] = ()


@dataclass(slots=True, frozen=True, eq=False)
class IndexOption:
    """`--extra-index-url URL`, `--find-links URL` or the like, on a command line or in a requirements file.

    `option` is its long form, `tool` the program that reads it (`pip`, `uv`, or `requirements` for a file).
    `held` when hashes hold everything that is installed with it, so that it does not matter which index serves it.
    """

    source: Source
    span: Span
    option: str
    value: str
    tool: str
    command: Command | None = None
    held: bool = False

"""What a command takes from outside, whatever its tool: one door to the readers of each ecosystem's commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from repro_audit.source import Span

if TYPE_CHECKING:
    from repro_audit.facts.command import Command
    from repro_audit.facts.input import Input
    from repro_audit.facts.python_install import Install
    from repro_audit.facts.stage import Stage


@dataclass(slots=True, frozen=True, eq=False)
class Taken:
    """`inputs` that the command names itself, and the `files` (path as written, place) it installs from."""

    inputs: tuple[Input, ...] = ()
    files: tuple[tuple[str, Span], ...] = ()
    python: Install | None = None


NOTHING = Taken()

"""An `Instruction` of a Dockerfile as rules see it: the parsed one with its stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro_audit.record import dataclass
from repro_audit.source import Source, Span
from repro_audit.syntax import dockerfile

if TYPE_CHECKING:
    from repro_audit.facts.command import Command
    from repro_audit.facts.stage import Stage


@dataclass(slots=True, frozen=True, eq=False)
class Instruction:
    """`keyword` is upper case (`RUN`); `stage` is None before the first FROM; `index` counts from 0 in the file.

    `words` is the value with variables expanded as BuildKit would (None where a value is unknown). `commands` are
    the simple commands it runs. `workdir` and `user` are those in force before it.
    """

    source: Source
    span: Span
    keyword: str
    index: int
    node: dockerfile.Instruction
    stage: Stage | None
    words: tuple[str | None, ...]
    commands: tuple[Command, ...]
    workdir: str | None = None
    user: str | None = None

    @property
    def json(self) -> bool:
        """Whether the JSON (exec) form was used."""
        return self.node.json

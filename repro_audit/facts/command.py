"""A `Command`: one simple shell command, wherever it stands, with what a rule needs to judge it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from repro_audit.record import dataclass
from repro_audit.source import Source, Span
from repro_audit.syntax import shell

if TYPE_CHECKING:
    from repro_audit.facts.instruction import Instruction
    from repro_audit.facts.stage import Stage


@dataclass(slots=True, frozen=True, eq=False)
class Command:
    """One simple command.

    `name` is the program's base name (`pip3` stays `pip3`, `/usr/bin/curl` is `curl`; empty when unknown). `args` are
    the words after it with known variables filled in, `words` the same words (program first) with their places.
    `where` is `run`, `cmd`, `entrypoint`, `healthcheck`, `compose`, `workflow`, `devcontainer` or `apptainer`; `when`
    is `build`, `start`, `health`, `create` (devcontainer lifecycle) or `ci`. `script` is the script it stands in,
    `node` its place there; `variables` the environment it sees, as far as known (None: set, but unknown).
    `cache_mounts` are the targets of the RUN's cache mounts. `user` is the user it runs as where known. `workdir`
    likewise. `pipefail` tells whether a failing part of a pipe fails it.
    """

    source: Source
    span: Span
    name: str
    words: tuple[shell.Word, ...]
    args: tuple[str, ...]
    where: str
    when: str
    node: shell.SimpleCommand
    script: shell.Script
    variables: Mapping[str, str | None]
    workdir: str | None = None
    user: str | None = None
    cache_mounts: tuple[str, ...] = ()
    instruction: Instruction | None = None
    stage: Stage | None = None
    exec_form: bool = False
    pipefail: bool = False

    @property
    def siblings(self) -> tuple[shell.SimpleCommand, ...]:
        """All simple commands of the same script, in order."""
        return self.script.commands

    def has(self, *options: str) -> bool:
        """Whether one of these options is among the arguments (`--flag`, `--flag=x`, `-f`, or `f` within `-xfv`)."""
        for arg in self.args:
            if arg == "--":
                return False
            for option in options:
                if arg == option or (option.startswith("--") and arg.startswith(option + "=")):
                    return True
                if (
                    len(option) == 2
                    and option[0] == "-"
                    and arg[:1] == "-"
                    and arg[1:2] != "-"
                    and option[1] in arg[1:]
                ):
                    return True
        return False

    def value(self, *options: str) -> str | None:
        """The value of the first of these options (`-o x`, `--opt x`, `--opt=x`, `-ox`), or None."""
        args = self.args
        for index, arg in enumerate(args):
            for option in options:
                if arg == option:
                    return args[index + 1] if index + 1 < len(args) else None
                if option.startswith("--") and arg.startswith(option + "="):
                    return arg[len(option) + 1 :]
                if len(option) == 2 and option[1] != "-" and arg.startswith(option) and not arg.startswith("--"):
                    return arg[2:]
        return None

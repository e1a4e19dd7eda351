"""Facts made from a few lines of text, for the tests of what reads facts."""

from __future__ import annotations

from collections.abc import Mapping

from repro_audit.facts import shell_commands
from repro_audit.facts.command import Command
from repro_audit.source import Source, Span
from repro_audit.syntax import shell


def commands(
    script: str,
    *,
    variables: Mapping[str, str | None] | None = None,
    workdir: str | None = "/",
    user: str | None = None,
    cache_mounts: tuple[str, ...] = (),
) -> list[Command]:
    """The commands of a RUN instruction whose text is `script`."""
    source = Source("Dockerfile", script)
    parsed = shell.parse(source.excerpt(Span(0, len(script))))
    return list(
        shell_commands.commands(
            parsed,
            variables or {},
            where="run",
            when="build",
            workdir=workdir,
            user=user,
            cache_mounts=cache_mounts,
        )
    )


def written(command: Command, span: Span) -> str:
    """What stands at a place of the command's file."""
    return command.source.slice(span)

"""Checks of the `determinism` family: does the same input give the same image?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from repro_audit.facts.install import taken_by
from repro_audit.facts.pin import Level
from repro_audit.finding import Problem

if TYPE_CHECKING:
    from repro_audit.facts.command import Command
    from repro_audit.facts.input import Download
    from repro_audit.facts.instruction import Instruction

# What a working copy collects and an image must not have, as it lies at the top of a context.
_UNWANTED = (
    *(".git", ".env", ".venv", "venv", "env", "node_modules", "__pycache__", ".ipynb_checkpoints", "wandb", "mlruns"),
    *("checkpoints", "outputs", "runs", "logs", ".aws", ".ssh", ".netrc", "id_rsa"),
)


def cache_mount_loses_output(download: Download) -> Iterator[Problem]:
    """A model, dataset or file whose place is inside a cache mount of its RUN."""
    if download.cache_mount is not None:
        yield Problem(download.source, download.span, values={"mount": download.cache_mount})


def copy_all_no_ignore(instruction: Instruction) -> Iterator[Problem]:
    """COPY of the whole context that no `.dockerignore` narrows enough."""
    if instruction.keyword not in ("COPY", "ADD") or instruction.node.flag("from") is not None:
        return
    sources = instruction.words[:-1]
    if not any(s in (".", "./", "/", "*", "./*") for s in sources):
        return
    context = instruction.stage.context if instruction.stage is not None else None
    if context is None:
        return
    if context.ignore is None:
        why = ", and there is no `.dockerignore`"
    else:
        present = [n for n in _UNWANTED if context.state(n) == "found"]
        if not present:
            return
        names = " and ".join(f"`{n}`" for n in present[:3])
        why = f": `{context.ignore_path}` lets {names} in"
    written = " ".join(instruction.source.slice(instruction.span).split())
    yield Problem(instruction.source, instruction.span, values={"written": written, "why_all": why})


def install_at_start(command: Command) -> Iterator[Problem]:
    """An installation in CMD, ENTRYPOINT, a compose command or a devcontainer's lifecycle."""
    if command.when not in ("start", "create"):
        return
    taken = taken_by(command)
    outside = [p for p in taken.packages if p.pin.level != Level.LOCAL]
    python = taken.python
    if not outside and not taken.files:
        if python is None or not python.projects or "--no-deps" in python.flags:
            return
    text = " ".join(command.source.slice(command.span).split())
    yield Problem(command.source, command.span, values={"text": text if len(text) <= 60 else text[:57] + "..."})

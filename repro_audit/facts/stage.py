"""A build `Stage` of a Dockerfile: where it starts from and what is in force at its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from repro_audit.record import dataclass
from repro_audit.source import Source, Span

if TYPE_CHECKING:
    from repro_audit.facts.command import Command
    from repro_audit.facts.context import BuildContext
    from repro_audit.facts.input import ImageRef, Package
    from repro_audit.facts.instruction import Instruction


@dataclass(slots=True, eq=False)
class Stage:
    """One stage. Built up while its Dockerfile is read, and left alone after.

    `name` is the `AS` name, lower case, or None; `index` counts from 0. `base` is what FROM names; `parent` is the
    stage of the same file it starts from, if it does. `span` is the FROM instruction. `user`, `workdir`, `shell`,
    `env`, `entrypoint`, `cmd` and `healthcheck` are those in force at the stage's end, inherited through `parent`;
    a user or workdir that the external base may set is None. `env` maps to None where the value is unknown.
    `own_packages` are those its own instructions install by name; `manifests` are the files of the project from which
    they install more, `read_lists` reads those. `context` is the folder it is built in, the likeliest where nothing
    names one. `final` marks the last stage of the file. `lineage` is this stage and those it starts from, nearest
    first.
    """

    source: Source
    span: Span
    index: int
    name: str | None
    base: ImageRef
    parent: Stage | None
    final: bool = False
    user: str | None = None
    workdir: str | None = None
    shell: tuple[str, ...] = ("/bin/sh", "-c")
    env: dict[str, str | None] | None = None
    entrypoint: Instruction | None = None
    cmd: Instruction | None = None
    healthcheck: Instruction | None = None
    instructions: tuple[Instruction, ...] = ()
    platform: str | None = None
    own_packages: tuple[Package, ...] = ()
    manifests: tuple[str, ...] = ()
    context: BuildContext | None = None

    read_lists: Callable[[Stage], tuple[Package, ...]] | None = None
    _listed: tuple[Package, ...] | None = None

    @property
    def packages(self) -> tuple[Package, ...]:
        """What the stage's own instructions install, by name or from lists of the project, which are read only now."""
        if self._listed is None:
            self._listed = self.read_lists(self) if self.read_lists is not None else ()
        return (*self.own_packages, *self._listed)

    @property
    def lineage(self) -> tuple[Stage, ...]:
        """This stage and the stages of the file that it starts from, nearest first."""
        found: list[Stage] = []
        stage: Stage | None = self
        while stage is not None:  # which ends, as a stage starts from an earlier one
            found.append(stage)
            stage = stage.parent
        return tuple(found)

    @property
    def root(self) -> ImageRef:
        """The image outside the file that this stage goes back to."""
        stage = self
        while stage.parent is not None:
            stage = stage.parent
        return stage.base

    @property
    def commands(self) -> tuple[Command, ...]:
        """The commands of the stage's own instructions, in order."""
        return tuple(c for i in self.instructions for c in i.commands)

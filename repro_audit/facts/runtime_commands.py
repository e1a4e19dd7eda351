"""The commands that compose files, devcontainers, workflows and Apptainer definitions start -> `Command` facts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from repro_audit.facts import shell_commands
from repro_audit.facts.command import Command
from repro_audit.source import Excerpt, join
from repro_audit.syntax import shell
from repro_audit.syntax.apptainer import SCRIPTS, Definition
from repro_audit.syntax.compose import Service
from repro_audit.syntax.compose_value import CommandLine
from repro_audit.syntax.devcontainer import Devcontainer
from repro_audit.syntax.tree import Entry, Scalar
from repro_audit.syntax.workflow import Workflow

_EXPRESSION = re.compile(r"\$\{\{[^{}]*\}\}")
# In a definition's `%environment` and the sections of an app, the same shell runs; `%setup` and `%pre` run on the host.
_BUILD_SECTIONS = frozenset(("pre", "setup", "post", "appinstall", "test"))


def of_service(service: Service) -> Iterator[Command]:
    """The commands of a service's entrypoint, command and health check, in this order."""
    variables = {v.name: v.value.text if v.value else None for v in service.environment}
    user, workdir = service.value("user"), service.value("working_dir")
    check = service.healthcheck
    for line, where, when in (
        (service.entrypoint, "compose", "start"),
        (service.command, "compose", "start"),
        (check.test if check and not check.disabled else None, "healthcheck", "health"),
    ):
        if line is None or not line.words or line.source is not service.source:
            continue
        yield from shell_commands.commands(
            _script(line),
            variables,
            where=where,
            when=when,
            workdir=workdir.text if workdir else None,
            user=user.text if user else None,
            exec_form=not line.shell,
        )


def _script(line: CommandLine) -> shell.Script:
    if line.shell:
        return shell.parse(line.text)
    return shell.parse_exec(line.words, line.text)


def of_devcontainer(file: Devcontainer) -> Iterator[Command]:
    """The commands of the lifecycle hooks. `initializeCommand` runs on the host, and is left out."""
    variables = {e.key.text: e.value.text if isinstance(e.value, Scalar) else None for e in file.container_env}
    user = file.remote_user or file.container_user
    for hook in file.lifecycle:
        if hook.hook == "initializeCommand":
            continue
        script = shell.parse(hook.text) if hook.words is None else shell.parse_exec(hook.words, hook.text)
        yield from shell_commands.commands(
            script,
            variables,
            where="devcontainer",
            when="create" if hook.hook in ("onCreateCommand", "updateContentCommand", "postCreateCommand") else "start",
            user=user.text if user else None,
            exec_form=hook.words is not None,
        )


def of_workflow(file: Workflow) -> Iterator[Command]:
    """The commands of every step that a POSIX shell runs. `${{ ... }}` is a value that only a run can tell."""
    for job in file.jobs:
        known = _env((*file.env, *job.env))
        for step in job.steps:
            if step.run is None or not _posix(step.shell):
                continue
            # GitHub starts `bash -e {0}` by default, and with pipefail where `shell: bash` is written out.
            script = shell.parse(without_expressions(step.run), errexit=True, pipefail=step.shell == "bash")
            variables = {**known, **_env(step.env)}
            yield from shell_commands.commands(
                script, variables, where="workflow", when="ci", workdir=step.workdir, pipefail=step.shell == "bash"
            )


def of_definition(file: Definition) -> Iterator[Command]:
    """The commands of an Apptainer definition: those that build the image, and those that run in it."""
    for stage in file.stages:
        for section in stage.sections:
            if section.name in SCRIPTS:
                when = "build" if section.name in _BUILD_SECTIONS else "start"
                script = shell.parse(section.body, errexit=section.name in ("post", "setup"))
                yield from shell_commands.commands(script, {}, where="apptainer", when=when)


def _posix(name: str | None) -> bool:
    return name is None or not name.strip() or name.split()[0].rpartition("/")[2] in ("bash", "sh")


def _env(entries: Sequence[Entry]) -> Mapping[str, str | None]:
    found: dict[str, str | None] = {}
    for entry in entries:
        value = entry.value
        known = isinstance(value, Scalar) and "${{" not in value.text
        found[entry.key.text] = value.text if known and isinstance(value, Scalar) else None
    return found


def without_expressions(text: Excerpt) -> Excerpt:
    """The script with each `${{ ... }}` as a variable that has no value, since a shell cannot read it as it stands."""
    if "${{" not in text.text:
        return text
    parts: list[tuple[str, int, int]] = []
    at = 0

    def copy(start: int, end: int) -> None:
        piece = text.sub(start, end)
        for index, (begin, place, length) in enumerate(piece.pieces):
            stop = piece.pieces[index + 1][0] if index + 1 < len(piece.pieces) else len(piece.text)
            parts.append((piece.text[begin:stop], place, length))

    for match in _EXPRESSION.finditer(text.text):
        copy(at, match.start())
        span = text.span(match.start(), match.end())
        parts.append(("${GITHUB_EXPRESSION}", span.start, span.end - span.start))
        at = match.end()
    copy(at, len(text.text))
    return join(text.source, parts)

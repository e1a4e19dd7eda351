"""Facts of the files that say how images are run or built: compose, devcontainer, workflow, Apptainer, pre-commit.

Called by `Project` for each such file, through `readers`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from typing import TYPE_CHECKING

from repro_audit.facts import actions, containers, docker_run, health, image_reference, runtime_commands
from repro_audit.facts.command import Command
from repro_audit.facts.container import Container
from repro_audit.facts.file import FileFacts
from repro_audit.facts.install import facts_in
from repro_audit.facts.place import in_order
from repro_audit.facts.readers import comments
from repro_audit.record import replace
from repro_audit.source import Source
from repro_audit.syntax import apptainer as apptainer_syntax
from repro_audit.syntax import compose as compose_syntax
from repro_audit.syntax import compose_merge, compose_schema, interpolate
from repro_audit.syntax import devcontainer as devcontainer_syntax
from repro_audit.syntax import precommit as precommit_syntax
from repro_audit.syntax import workflow as workflow_syntax

if TYPE_CHECKING:
    from repro_audit.discover import File
    from repro_audit.facts.project import Project


def stated(project: Project, file: File, source: Source) -> tuple[object, tuple[Container, ...]]:
    """The AST of a compose file or devcontainer and its containers, before they are linked to what they build."""
    folder = posixpath.dirname(file.path)
    if file.kind == "compose":
        variables = _env_file(project, folder)
        node = compose_syntax.parse(source, variables)
        return node, _merged(project, file, node, variables)
    said = devcontainer_syntax.parse(source)
    container = containers.of_devcontainer(said, folder)
    return said, (container,) if container is not None else ()


def _env_file(project: Project, folder: str) -> dict[str, str]:
    """The values of the `.env` file that Compose reads from the folder of its file; the environment goes before it."""
    source = project.source(posixpath.join(folder, ".env"))
    return {**(interpolate.env_file(source) if source is not None else {}), **project.variables}


def _merged(
    project: Project, file: File, node: compose_syntax.Compose, variables: dict[str, str]
) -> tuple[Container, ...]:
    """The containers as their own file states them, each with what it becomes by overrides and `extends`."""
    folder = posixpath.dirname(file.path)
    own = containers.of_compose(node, folder)
    files = [node]
    stem, dot, ending = posixpath.basename(file.path).rpartition(".")
    if stem in ("compose", "docker-compose") and dot:
        for name in (f"{stem}.override.{e}" for e in dict.fromkeys((ending, "yml", "yaml"))):
            source = project.source(posixpath.join(folder, name))
            if source is not None:
                files.append(compose_syntax.parse(source, variables))
                break
    if len(files) == 1 and not any(service.extends for service in node.services):
        return own

    def reader(path: str, of: str) -> compose_syntax.Compose | None:
        # Paths are as reports name them, so the folder of the naming file is found from that of ours.
        beside = posixpath.relpath(posixpath.dirname(of) or ".", posixpath.dirname(node.source.path) or ".")
        source = project.source(posixpath.normpath(posixpath.join(folder, beside, path)))
        return compose_syntax.parse(source, variables) if source is not None else None

    effective = {c.name: c for c in containers.of_compose(compose_merge.merge(files, reader, variables), folder)}
    return tuple(replace(c, merged=effective.get(c.name)) for c in own)


def compose(project: Project, file: File, source: Source) -> FileFacts:
    """Services with what they run, and where the file does not fit the specification."""
    node, found = project.stated(file)
    assert isinstance(node, compose_syntax.Compose)
    errors = node.errors
    if not errors:
        violations = compose_schema.violations(node.document.root)
        errors = tuple(replace(e, code=e.code or "compose-schema") for e in violations)
    facts = _of_containers(project, found)
    errors = (*errors, *image_reference.errors(facts))
    return FileFacts(source, file, node, in_order(facts), errors, comments(source), project)


def devcontainer(project: Project, file: File, source: Source) -> FileFacts:
    """The development container, its features and lifecycle commands."""
    node, found = project.stated(file)
    assert isinstance(node, devcontainer_syntax.Devcontainer)
    facts = _of_containers(project, found)
    facts += actions.of_features(node)
    facts += _of_commands(runtime_commands.of_devcontainer(node))
    return FileFacts(source, file, node, in_order(facts), node.errors, comments(source), project)


def workflow(project: Project, file: File, source: Source) -> FileFacts:
    """A workflow's or composite action's jobs: containers, actions, and the commands of its steps."""
    node = workflow_syntax.parse(source)
    commands = tuple(runtime_commands.of_workflow(node))
    built = docker_run.built(commands)
    started = [c for command in commands if (c := docker_run.container_of(command, built)) is not None]
    facts = _of_containers(project, (*containers.of_workflow(node), *started))
    facts += actions.of_workflow(node)
    facts += _of_commands(commands)
    return FileFacts(source, file, node, in_order(facts), node.errors, comments(source), project)


def apptainer(project: Project, file: File, source: Source) -> FileFacts:
    """An Apptainer definition: its base image and the commands of its sections."""
    node = apptainer_syntax.parse(source)
    facts: list[object] = [*containers.of_definition(node)]
    facts += _of_commands(runtime_commands.of_definition(node))
    return FileFacts(source, file, node, in_order(facts), node.errors, comments(source), project)


def precommit(project: Project, file: File, source: Source) -> FileFacts:
    """The hooks' repositories."""
    node = precommit_syntax.parse(source)
    return FileFacts(source, file, node, in_order(actions.of_precommit(node)), node.errors, comments(source), project)


def _of_containers(project: Project, found: Iterable[Container]) -> list[object]:
    facts: list[object] = []
    found = tuple(found)
    built = {image_reference.full_name(c.image) for c in found if c.build is not None and c.image is not None}
    for stated_one in found:
        container = stated_one
        if built and container.image is not None and image_reference.full_name(container.image) in built:
            container = replace(container, image=image_reference.built_here(container.image))
        if container.build is not None:
            container = replace(container, stage=project.stage(container.build))
        facts.append(container)
        if container.image is not None:
            facts.append(container.image)
        facts += container.build.images if container.build is not None else ()
        facts += health.of_container(container)
        facts += _of_commands(container.commands)
    return facts


def _of_commands(commands: Iterable[Command]) -> list[object]:
    facts: list[object] = []
    for command in commands:
        facts.append(command)
        facts += facts_in(command)
    return facts

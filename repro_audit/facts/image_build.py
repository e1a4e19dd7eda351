"""Builds of images in a workflow whose image goes on from there. Called by checks of how images are built."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from repro_audit.facts.command import Command
from repro_audit.source import Span
from repro_audit.syntax.tree import Entry, Scalar
from repro_audit.syntax.workflow import Step, Workflow

if TYPE_CHECKING:
    from repro_audit.facts.file import FileFacts

_ENGINES = frozenset(("docker", "podman", "buildah", "nerdctl"))
_OUTPUT = re.compile(r"push=true|type=registry\b")


class ImageBuild(NamedTuple):
    """One build: what does it (an action or a command's first words) and where it stands. `bake` where a file of its
    own says how.
    """

    what: str
    span: Span
    bake: bool = False


def published(facts: FileFacts) -> Iterator[ImageBuild]:
    """The builds of a workflow or action whose image is pushed, in order of place; one that is only tried is not."""
    workflow = facts.ast
    if not isinstance(workflow, Workflow):
        return
    for job in workflow.jobs:
        for step in job.steps:
            name = step.uses.text.partition("@")[0].lower() if step.uses is not None else ""
            if name in ("docker/build-push-action", "docker/bake-action") and _leaves(step):
                assert step.uses is not None
                yield ImageBuild(name, step.uses.span, name == "docker/bake-action")
    commands = [f for f in facts.facts if isinstance(f, Command) and f.name in _ENGINES]
    pushes = {c.name for c in commands if "push" in c.args[:2] and "compose" not in c.args[:1]}
    for command in commands:
        action = _builds(command)
        if action and (command.name in pushes or command.has("--push") or _OUTPUT.search(_outputs(command))):
            yield ImageBuild(f"{command.name} {action}", command.span, action.endswith("bake"))


def _builds(command: Command) -> str:
    """`build`, `buildx build` or the like, empty for another subcommand."""
    first = [arg for arg in command.args[:4] if not arg.startswith("-")][:2]
    if first[:1] in (["build"], ["bud"]):
        return first[0]
    return " ".join(first) if first[:1] == ["buildx"] and first[1:] in (["build"], ["bake"], ["b"]) else ""


def _outputs(command: Command) -> str:
    return command.value("--output", "-o") or ""


def _leaves(step: Step) -> bool:
    """Whether an action's inputs push the image."""
    given = {entry.key.text: _text(entry) for entry in step.with_}
    if given.get("push", "false").strip().lower() not in ("false", "", "no"):
        return True
    return any(_OUTPUT.search(given.get(name, "")) for name in ("outputs", "set"))


def _text(entry: Entry) -> str:
    return entry.value.text if isinstance(entry.value, Scalar) else ""

"""The names under which a Dockerfile's builds hand it further contexts: what `FROM name` and `COPY --from=name` take
then is that folder or image, and none of a registry's. Called for each Dockerfile.

https://docs.docker.com/reference/cli/docker/buildx/build/#build-context
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from repro_audit.facts import image_reference
from repro_audit.facts.image_reference import Parts
from repro_audit.source import Source

if TYPE_CHECKING:
    from repro_audit.facts.project import Project

_NAME = r"[\w][\w./:-]*"
_OPTION = re.compile(rf"--build-context[= ]\s*[\"']?({_NAME})=")
# `build-contexts` of docker/build-push-action: a line each
_INPUT = re.compile(rf"\bbuild-contexts:[ \t]*(?:[|>][-+0-9]*[ \t]*)?((?:\s*{_NAME}=\S+[ \t]*(?=\n|\Z))+)")
_LINE = re.compile(rf"^\s*({_NAME})=", re.MULTILINE)


def named_contexts(project: Project, dockerfile: str, source: Source) -> frozenset[str]:
    """The names, as `image_reference.full_name` writes them: from compose files that build this Dockerfile, from the
    workflows of the project, and from the command line that the Dockerfile's own comments give.
    """
    names = {name for build, _ in project.builds(dockerfile) for name in build.contexts}
    names |= project.contexts_of_workflows()
    if "--build-context" in source.text:
        names.update(_OPTION.findall("\n".join(line for line in source.text.splitlines() if line.startswith("#"))))
    return frozenset(_full(image_reference.parse(name)) for name in names if name)


def of_workflow(source: Source) -> frozenset[str]:
    """The names that a workflow or action gives to contexts."""
    text = source.text
    if "build-context" not in text:
        return frozenset()
    listed = (name for block in _INPUT.findall(text) for name in _LINE.findall(block))
    return frozenset((*_OPTION.findall(text), *listed))


def _full(parts: Parts) -> str:
    return f"{parts.registry or ''}/{parts.repository}:{parts.tag or 'latest'}"

"""What a compose service says of its build, as a `BuildRequest` has it. Called by `cli.build_plan`.

What the keys mean: https://github.com/compose-spec/compose-spec/blob/main/build.md
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from repro_audit.cli.output import note
from repro_audit.cli.problem import CannotError
from repro_audit.container.engine_names import is_address
from repro_audit.container.engine_request import Secret

if TYPE_CHECKING:
    from collections.abc import Collection

    from repro_audit.facts.container import Build, BuildTerms, Container

_NETWORKS = ("default", "none", "host")


@dataclass(slots=True, frozen=True)
class ServiceBuild:
    """Paths are those of this machine. `dockerfile` is None where the service leaves it to the context; `inline` is the
    Dockerfile's text where the compose file has it, and `origin` that file.
    """

    context: str
    dockerfile: str | None
    inline: str | None
    origin: str
    target: str | None
    args: tuple[tuple[str, str | None], ...]
    contexts: tuple[tuple[str, str], ...]
    secrets: tuple[Secret, ...]
    network: str
    platform: str | None
    no_cache: bool


def of_service(container: Container, root: str, given: Collection[str] = ()) -> ServiceBuild:
    """What builds the service; `root` is what the paths of its project are relative to, `given` the ids of secrets that
    come from elsewhere. Raises CannotError.
    """
    build, name = container.build, container.name
    if build is None or build.terms is None:
        raise CannotError(f"the service {name} has no `build:`; it runs an image that is built elsewhere")
    terms = build.terms
    if terms.unset:
        are = "is" if len(terms.unset) == 1 else "are"
        raise CannotError(f"the build of the service {name} needs {', '.join(terms.unset)}, which {are} not set")
    if is_address(terms.context):
        raise CannotError(f"the service {name} is built from {terms.context}; get a copy, and build that")
    folder = os.path.join(root, terms.folder)
    context = _place(folder, terms.context)
    if not os.path.isdir(context):
        raise CannotError(f"the service {name} is built from {terms.context}, and there is no folder {context}")
    _tell(name, terms)
    return ServiceBuild(
        context,
        _place(context, terms.dockerfile) if terms.dockerfile is not None else None,
        terms.inline,
        container.source.path,
        build.target,
        tuple((each.name, each.value) for each in build.args),
        tuple((each, _context(name, each, value, folder)) for each, value in terms.contexts),
        tuple(_secrets(build, name, folder, given)),
        terms.network if terms.network in _NETWORKS else "default",
        terms.platforms[0] if len(terms.platforms) == 1 else None,
        terms.no_cache,
    )


def _place(folder: str, path: str) -> str:
    return os.path.normpath(os.path.join(folder, os.path.expanduser(path)))


def _context(service: str, name: str, value: str, folder: str) -> str:
    if value.startswith("service:"):
        other = value.removeprefix("service:")
        raise CannotError(
            f"the service {service} takes {name} from the image of the service {other}: build that first, with "
            f"`--service {other} --tag NAME`, and then this with `--build-context {name}=docker-image://NAME`"
        )
    return value if is_address(value) else _place(folder, value)


def _secrets(build: Build, service: str, folder: str, given: Collection[str]) -> list[Secret]:
    found = []
    for each in build.terms.secrets if build.terms is not None else ():
        if each.id in given:
            continue
        if each.file is None and each.variable is None:
            way = f"--secret id={each.id},src=FILE"
            raise CannotError(f"the secret {each.id} of the service {service} is kept elsewhere; hand it over: {way}")
        found.append(Secret(each.id, _place(folder, each.file) if each.file is not None else None, each.variable))
    return found


def _tell(name: str, terms: BuildTerms) -> None:
    """Say in one line what the service asks for and does not get."""
    left = [*terms.others]
    if terms.network is not None and terms.network not in _NETWORKS:
        left.append(f"network: {terms.network}")
    if len(terms.platforms) > 1:
        left.append("platforms (several; --platform chooses one)")
    if left:
        note(f"not taken over from the build of the service {name}: {', '.join(left)}")

"""From the options of `build`, `verify` and `smoke` to what is to be built: the context, the Dockerfile, and what the
project's own files say about both.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from repro_audit.cli.problem import CannotError
from repro_audit.container.engine_error import EngineError
from repro_audit.container.engine_request import BuildRequest, Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from repro_audit.cli.build_options import BuildOptions
    from repro_audit.cli.build_service import ServiceBuild
    from repro_audit.facts.container import Container
    from repro_audit.facts.project import Project
    from repro_audit.facts.stage import Stage
    from repro_audit.syntax.dockerfile import Dockerfile


@dataclass(slots=True, frozen=True)
class Plan:
    """What to build. `shown` is the Dockerfile as reports name it; `inline` where a compose file has its text."""

    request: BuildRequest
    shown: str
    inline: bool = False

    @property
    def settings(self) -> tuple[str, ...]:
        """What the image depends on beside files, for a digest over the inputs; what looks secret is left out."""
        from repro_audit.container.engine_secrets import looks_secret

        said = [f"arg {n}" if looks_secret(n, v) else f"arg {n}={v}" for n, v in sorted(self.request.argument_values())]
        said += [self._context(name, value) for name, value in self.request.contexts]
        return (f"target {self.request.target or ''}", f"platform {self.request.platform or ''}", *said)

    def _context(self, name: str, value: str) -> str:
        from repro_audit.container.build_context import FOLDER

        if not os.path.isabs(value):
            return f"context {name}={value}"
        return f"{FOLDER}{name}={os.path.relpath(value, self.request.context)}"


def plan(asked: BuildOptions, *, tag: str | None = None, network: str = "default", no_cache: bool = False) -> Plan:
    """The plan that the options make; what stands on the command line goes before what a compose file says. Raises
    CannotError.
    """
    folder, file = asked.context or ".", asked.file
    if not os.path.isdir(folder):
        raise CannotError(
            f"{folder}: {'the build context is no folder' if os.path.lexists(folder) else 'there is no such folder'}"
        )
    service = _service(asked, folder) if asked.service is not None else None
    shown: str | None = None
    arguments: dict[str, str | None] = {}
    contexts: dict[str, str] = {}
    secrets: dict[str, Secret] = {}
    if service is not None:
        folder = service.context
        arguments, contexts = dict(service.args), dict(service.contexts)
        secrets = {each.id: each for each in service.secrets}
        if file is None and service.inline is not None:
            file = _written(service.inline)
            shown = f"{service.origin}, dockerfile_inline of {asked.service}"
        file = file or service.dockerfile
    for text in asked.build_arg or ():
        name, equals, value = text.partition("=")
        arguments[name] = value if equals else None
    for text in asked.build_context or ():
        name, equals, value = text.partition("=")
        if not name or not value:
            raise CannotError(f"--build-context {text}: expected NAME=FOLDER or NAME=docker-image://IMAGE")
        contexts[name] = value
    secrets |= {each.id: each for each in map(secret, asked.secret or ())}
    dockerfile = file or _default(folder)
    request = BuildRequest(
        folder,
        dockerfile,
        asked.target or (service.target if service is not None else None),
        tuple(arguments.items()),
        tuple(secrets.values()),
        asked.platform or (service.platform if service is not None else None),
        tag,
        no_cache or (service is not None and service.no_cache),
        network=service.network if service is not None and network == "default" else network,
        contexts=tuple(contexts.items()),
    )
    try:
        return Plan(request.checked(), shown or os.path.relpath(dockerfile), inline=shown is not None)
    except EngineError as error:
        raise CannotError(str(error)) from None


def _service(asked: BuildOptions, folder: str) -> ServiceBuild:
    from repro_audit.cli.build_service import of_service

    container, root = find_service(folder, asked.service or "")
    return of_service(container, root, {secret(text).id for text in asked.secret or ()})


def _written(text: str) -> str:
    """The path of a Dockerfile with this text, which is there until the program ends."""
    import atexit
    import shutil
    import tempfile

    place = tempfile.mkdtemp(prefix="repro-audit-")
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    path = os.path.join(place, "Dockerfile")
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    return path


def _default(folder: str) -> str:
    for name in ("Dockerfile", "Containerfile"):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            return path
    others = _others(folder)
    meant = f"; there is {' and '.join(others)}" if others else " (--file names another)"
    raise CannotError(f"{folder}: there is no Dockerfile{meant}")


_OFFERED = 4


def _others(folder: str) -> list[str]:
    """The options that would name another Dockerfile, or a service, of those that the folder has."""
    try:
        found = project_of(folder)
    except (CannotError, OSError):
        return []
    files = [
        f"`--file {os.path.normpath(os.path.join(folder, f.path))}`" for f in found.files if f.kind == "dockerfile"
    ]
    services = dict.fromkeys(
        f"`--service {each.name}`" for each in found.containers if each.origin == "compose" and each.build is not None
    )
    offered = [*files, *services]
    more = len(offered) - _OFFERED
    return [*offered[:_OFFERED], *([f"{more} more"] if more > 0 else [])]


def secret(text: str) -> Secret:
    """`id=NAME,src=FILE` or `id=NAME,env=VARIABLE`, as docker has it; raises CannotError."""
    import csv

    try:
        fields = dict(part.split("=", 1) for part in next(csv.reader([text])))
    except (ValueError, StopIteration, csv.Error):
        fields = {}
    name = fields.get("id")
    file = fields.get("src") or fields.get("source")
    variable = fields.get("env")
    if fields.get("type") == "env":
        variable, file = variable or file or name, None
    if not name or set(fields) - {"id", "src", "source", "env", "type"}:
        raise CannotError(f"--secret {text.partition('=')[0]}...: expected id=NAME,src=FILE or id=NAME,env=VARIABLE")
    if file is None and variable is None:
        # as docker does: a variable of that name, else a file
        variable = name if name in os.environ else None
        file = None if variable else name
    return Secret(name, file, variable)


def find_service(folder: str, name: str) -> tuple[Container, str]:
    """The compose service called `name` below the folder, and the root that its paths are relative to."""
    found = project_of(folder, os.environ)
    services = [c for c in found.containers if c.origin == "compose"]
    # an override file states a part of a service only, and is part of what the main file's becomes
    for each in sorted(services, key=lambda c: ".override." in c.source.path):
        if each.name == name:
            return each.effective, found.root
    if not services:
        raise CannotError(f"{folder}: there is no compose file with services, so none is called {name}")
    known = ", ".join(sorted({c.name for c in services}))
    raise CannotError(f"{folder}: no compose file there has a service {name}; there are: {known}")


def project_of(path: str, variables: Mapping[str, str] | None = None) -> Project:
    """What the files at the path say, with `variables` in force; raises CannotError."""
    from repro_audit.discover import discover
    from repro_audit.facts.project import Project

    trees = discover([path])
    if not trees:
        raise CannotError(f"{path}: there is nothing to read")
    return Project(trees[0], variables=variables)


def parsed(request: BuildRequest) -> Dockerfile | None:
    """The Dockerfile's syntax tree, None where it cannot be read."""
    from repro_audit.source import Source
    from repro_audit.syntax import dockerfile

    try:
        with open(request.dockerfile, "rb") as file:
            return dockerfile.parse(Source.from_bytes(os.path.relpath(request.dockerfile), file.read(1 << 24)))
    except OSError:
        return None


def stages(request: BuildRequest) -> list[Stage]:
    """The stages that the build goes through: the one that is built and those it starts from, first ones first."""
    from repro_audit.facts.stage import Stage

    project = project_of(request.dockerfile)
    name = os.path.relpath(request.dockerfile, project.root).replace(os.sep, "/")
    found = [fact for fact in project.facts(name).facts if isinstance(fact, Stage)]
    if not found:
        return []
    last: Stage | None = found[-1]
    if request.target is not None:
        wanted = request.target.lower()
        last = next((s for s in found if s.name == wanted or str(s.index) == wanted), None)
    return list(reversed(last.lineage)) if last is not None else []

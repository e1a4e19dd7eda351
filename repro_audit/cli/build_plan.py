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
    from repro_audit.cli.build_options import BuildOptions
    from repro_audit.facts.container import Container
    from repro_audit.facts.project import Project
    from repro_audit.facts.stage import Stage
    from repro_audit.syntax.dockerfile import Dockerfile


@dataclass(slots=True, frozen=True)
class Plan:
    """What to build. `shown` is the Dockerfile as reports name it."""

    request: BuildRequest
    shown: str

    @property
    def settings(self) -> tuple[str, ...]:
        """What the image depends on beside files, for a digest over the inputs; what looks secret is left out."""
        from repro_audit.container.engine_secrets import looks_secret

        said = [f"arg {n}" if looks_secret(n, v) else f"arg {n}={v}" for n, v in sorted(self.request.argument_values())]
        return (f"target {self.request.target or ''}", f"platform {self.request.platform or ''}", *said)


def plan(asked: BuildOptions, *, tag: str | None = None, network: str = "default", no_cache: bool = False) -> Plan:
    """The plan that the options make; what stands on the command line goes before what a compose file says. Raises
    CannotError.
    """
    folder, file, target, service = asked.context or ".", asked.file, asked.target, asked.service
    if not os.path.isdir(folder):
        raise CannotError(f"{folder}: the build context is no folder")
    arguments: dict[str, str | None] = {}
    if service is not None:
        container, root = find_service(folder, service)
        build = container.build
        if build is None:
            raise CannotError(f"the service {service} has no `build:`; it runs an image that is built elsewhere")
        if build.context is None:
            raise CannotError(f"the service {service} is built from a context outside of {folder}, or an unknown one")
        folder = os.path.join(root, build.context)
        if file is None and build.dockerfile is not None:
            file = os.path.join(root, build.dockerfile)
        target = target or build.target
        arguments = {each.name: each.value for each in build.args}
    for text in asked.build_arg or ():
        name, equals, value = text.partition("=")
        arguments[name] = value if equals else None
    dockerfile = file or _default(folder)
    request = BuildRequest(
        folder,
        dockerfile,
        target,
        tuple(arguments.items()),
        tuple(secret(text) for text in asked.secret or ()),
        asked.platform,
        tag,
        no_cache,
        network=network,
    )
    try:
        return Plan(request.checked(), os.path.relpath(dockerfile))
    except EngineError as error:
        raise CannotError(str(error)) from None


def _default(folder: str) -> str:
    for name in ("Dockerfile", "Containerfile"):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            return path
    raise CannotError(f"{folder}: there is no Dockerfile (--file names another)")


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
    found = project_of(folder)
    services = [c for c in found.containers if c.origin == "compose"]
    # an override file states a part of a service only, and is part of what the main file's becomes
    for each in sorted(services, key=lambda c: ".override." in c.source.path):
        if each.name == name:
            return each.effective, found.root
    known = ", ".join(sorted({c.name for c in services})) or "none"
    raise CannotError(f"{folder}: no compose file there has a service {name}; there are: {known}")


def project_of(path: str) -> Project:
    """What the files at the path say; raises CannotError."""
    from repro_audit.discover import discover
    from repro_audit.facts.project import Project

    trees = discover([path])
    if not trees:
        raise CannotError(f"{path}: there is nothing to read")
    return Project(trees[0])


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

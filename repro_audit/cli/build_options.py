"""The options that `build`, `verify` and `smoke` share: what is to be built, and with which engine."""

from __future__ import annotations

import enum
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, Any, get_type_hints

import typer

LIMIT_HELP = "Seconds that a build may take (default: no limit)."


class EngineName(str, enum.Enum):
    """The engines there are."""

    auto = "auto"
    docker = "docker"
    buildx = "buildx"
    podman = "podman"
    buildah = "buildah"


class RunEngineName(str, enum.Enum):
    """The engines that run containers as well."""

    auto = "auto"
    docker = "docker"
    buildx = "buildx"
    podman = "podman"


class Network(str, enum.Enum):
    """What RUN instructions may reach."""

    default = "default"
    none = "none"
    host = "host"


@dataclass(slots=True, frozen=True)
class BuildOptions:
    """What the command line says about a build, each field with the option that it comes from."""

    context: Annotated[
        str | None, typer.Argument(metavar="[CONTEXT]", help="The build context. Default: here.", show_default=False)
    ] = None
    file: Annotated[str | None, typer.Option("--file", "-f", help="The Dockerfile.", metavar="FILE")] = None
    target: Annotated[str | None, typer.Option(help="The stage to build.", metavar="STAGE")] = None
    build_arg: Annotated[
        list[str] | None, typer.Option(help="A build argument, NAME=VALUE or NAME.", metavar="NAME=VALUE")
    ] = None
    secret: Annotated[
        list[str] | None,
        typer.Option(help="A build secret, id=NAME,src=FILE or id=NAME,env=VARIABLE.", metavar="SECRET"),
    ] = None
    platform: Annotated[str | None, typer.Option(help="The platform to build for.", metavar="OS/ARCH")] = None
    engine: Annotated[EngineName, typer.Option(help="Which engine; `auto` takes the first that works.")] = (
        EngineName.auto
    )
    service: Annotated[
        str | None,
        typer.Option(help="Take context, Dockerfile, arguments and target from this compose service.", metavar="NAME"),
    ] = None
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Do not show what the engine says.")] = False
    build_context: Annotated[
        list[str] | None,
        typer.Option(help="A further context, NAME=FOLDER or an image by its address.", metavar="NAME=VALUE"),
    ] = None


RUN_ENGINE = Annotated[
    RunEngineName,
    typer.Option(help="Which engine; `auto` takes the first that works (buildah builds, and runs no containers)."),
]


def with_build_options(command: Callable[..., int], engine: Any = None) -> Callable[..., int]:
    """The command, which takes `BuildOptions` first, as Typer has to see it: with an option for each field. `engine`
    is another annotation for that option.
    """
    names = [field.name for field in fields(BuildOptions)]

    def spread(**values: Any) -> int:
        values["engine"] = EngineName(values["engine"].value)
        return command(BuildOptions(**{name: values.pop(name) for name in names}), **values)

    hints = get_type_hints(BuildOptions, include_extras=True) | get_type_hints(command, include_extras=True)
    hints["engine"] = engine or hints["engine"]
    own = list(inspect.signature(command).parameters.values())[1:]
    defaults = {field.name: field.default for field in fields(BuildOptions)} | {each.name: each.default for each in own}
    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hints[name])
        for name, default in defaults.items()
    ]
    spread.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    spread.__annotations__ = {each.name: each.annotation for each in parameters}
    spread.__doc__ = command.__doc__
    return spread

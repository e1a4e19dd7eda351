"""Finds an engine that works: the one asked for, or the first of all. Called by `build`, `verify` and `smoke`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro_audit.container.engine import ENGINES, Engine, EngineInfo
from repro_audit.container.engine_error import Attempt, EngineError, NoEngineError

if TYPE_CHECKING:
    from collections.abc import Collection

CHOICES = ("auto", *ENGINES)


def choose(name: str = "auto", *, need: Collection[str] = ()) -> Engine:
    """The engine called `name`, or the first that works and has the features in `need`. Raises NoEngineError, which
    says what was tried.
    """
    if name not in CHOICES:
        raise EngineError(f"{name!r} is no engine; there are {', '.join(CHOICES)}")
    attempts: list[Attempt] = []
    for each in ENGINES if name == "auto" else (name,):
        found = detect(each)
        if isinstance(found, Attempt):
            attempts.append(found)
            continue
        lacking = [feature for feature in need if feature not in found.features]
        if lacking:
            attempts.append(Attempt(each, f"it cannot {', '.join(lacking)} here", "use another engine"))
            continue
        chosen = engine(found)
        chosen.passed = tuple(attempts)
        return chosen
    raise NoEngineError(attempts)


def detect(name: str) -> EngineInfo | Attempt:
    """Try one engine."""
    if name == "buildx":
        from repro_audit.container import engine_buildx

        return engine_buildx.detect()
    if name == "docker":
        from repro_audit.container import engine_docker

        return engine_docker.detect()
    from repro_audit.container import engine_podman

    return engine_podman.detect(name)


def engine(info: EngineInfo) -> Engine:
    """What drives the engine that was found."""
    if info.name == "buildx" or "plugin" in info.features:
        from repro_audit.container.engine_buildx import Buildx

        return Buildx(info)
    if info.name == "docker":
        from repro_audit.container.engine_docker import Docker

        return Docker(info)
    from repro_audit.container.engine_podman import Podman

    return Podman(info)

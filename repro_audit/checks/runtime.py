"""Checks of the `runtime` family: how containers behave once they run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from repro_audit.facts import base_image
from repro_audit.facts.container import Container
from repro_audit.facts.stage import Stage
from repro_audit.finding import Edit, Fix, Problem, Severity

if TYPE_CHECKING:
    from repro_audit.facts.file import FileFacts
    from repro_audit.facts.health import Health

# Frameworks whose import alone takes seconds.
_SLOW_IMPORT = re.compile(
    r"\b(?:import|from)\s+(torch|tensorflow|jax|transformers|keras|paddle|mxnet|diffusers|vllm|cupy|torchvision)\b"
)
_SLOW_SECONDS = 10.0


def healthcheck_missing(facts: FileFacts) -> Iterator[Problem]:
    """A final stage that serves a port (EXPOSE and a start command) without HEALTHCHECK, where the base image has none
    either; a warning where a compose file of the project runs it as a service.
    """
    stage = next((f for f in facts.facts if isinstance(f, Stage) and f.final), None)
    if stage is None or stage.healthcheck is not None or (stage.cmd is None and stage.entrypoint is None):
        return
    if stage.root.unknown or base_image.checks_health(stage.root) is not False:
        return
    port = next(
        (i.words[0] for s in stage.lineage for i in s.instructions if i.keyword == "EXPOSE" and i.words and i.words[0]),
        None,
    )
    if port is None:
        return
    services = [
        c.effective
        for b, c in facts.project.builds(facts.file.path)
        if b.target is None or b.target.lower() == stage.name
    ]
    if any(c.healthcheck is not None for c in services):
        return
    serves = any(c.ports for c in services)
    yield Problem(stage.source, stage.base.span, values={"port": port}, severity=None if serves else Severity.INFO)


def healthcheck_too_slow(health: Health) -> Iterator[Problem]:
    """A health check that imports a framework within a short timeout."""
    if health.timeout is None or health.timeout_span is None or health.timeout >= _SLOW_SECONDS:
        return
    found = _SLOW_IMPORT.search(health.text)
    if found is None:
        return
    fix = Fix("Give the check 30 seconds", (Edit(health.timeout_span, "30s"),))
    written = health.source.slice(health.timeout_span)
    yield Problem(
        health.source, health.timeout_span, values={"framework": found[1], "timeout": written.strip("\"'")}, fix=fix
    )


def limits_missing(container: Container) -> Iterator[Problem]:
    """A compose service without a memory limit that is given a GPU; only a note for any other that is built here."""
    whole = container.effective
    if container.origin != "compose" or whole.memory is not None or ".devcontainer" in container.source.path:
        return
    if container.image is None and container.build is None:
        return  # Part of a service that another file describes.
    if whole.gpus:
        yield Problem(container.source, container.span)
    elif whole.build is not None:
        yield Problem(container.source, container.span, severity=Severity.INFO)

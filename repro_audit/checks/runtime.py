"""Checks of the `runtime` family: how containers behave once they run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from repro_audit.facts.container import Container
from repro_audit.finding import Edit, Fix, Problem, Severity

if TYPE_CHECKING:
    from repro_audit.facts.health import Health
    from repro_audit.facts.stage import Stage

# Frameworks whose import alone takes seconds.
_SLOW_IMPORT = re.compile(
    r"\b(?:import|from)\s+(torch|tensorflow|jax|transformers|keras|paddle|mxnet|diffusers|vllm|cupy|torchvision)\b"
)
_SLOW_SECONDS = 10.0


def healthcheck_missing(stage: Stage) -> Iterator[Problem]:
    """A final stage that serves a port (EXPOSE and a start command) without HEALTHCHECK."""
    if not stage.final or stage.healthcheck is not None or (stage.cmd is None and stage.entrypoint is None):
        return
    for each in stage.lineage:
        for instruction in each.instructions:
            if instruction.keyword == "EXPOSE" and instruction.words and instruction.words[0]:
                yield Problem(stage.source, stage.base.span, values={"port": instruction.words[0]})
                return


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
    """A compose service without a memory limit; only a note for one that runs somebody else's image."""
    whole = container.effective
    if (
        container.origin != "compose"
        or whole.memory is not None
        or (container.image is None and container.build is None)
    ):
        return
    ours = whole.build is not None or bool(whole.gpus)
    yield Problem(container.source, container.span, severity=None if ours else Severity.INFO)

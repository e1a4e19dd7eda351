"""A `Health` check, whether HEALTHCHECK or a compose file's `healthcheck:` says it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from repro_audit.record import dataclass
from repro_audit.source import Source, Span

if TYPE_CHECKING:
    from repro_audit.facts.container import Container
    from repro_audit.facts.instruction import Instruction
    from repro_audit.facts.stage import Stage


@dataclass(slots=True, frozen=True, eq=False)
class Health:
    """`text` is the command in one string; `timeout` in seconds as given (None when it is not), `timeout_span` its
    value's place.
    """

    source: Source
    span: Span
    text: str
    timeout: float | None
    timeout_span: Span | None
    stage: Stage | None = None
    container: Container | None = None


_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float | None:
    """A Go duration (`1m30s`) in seconds, or None where it is none."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def of_instruction(instruction: Instruction) -> list[Health]:
    """The check that a HEALTHCHECK instruction sets up; nothing for `HEALTHCHECK NONE`."""
    node = instruction.node
    if not node.value or node.value[0].text.upper() == "NONE":
        return []
    flag = node.flag("timeout")
    timeout = seconds(flag.value) if flag is not None and flag.value else None
    place = flag.value_span if flag is not None and timeout is not None else None
    text = " ".join(w.text for w in node.value[1:])
    return [Health(instruction.source, instruction.span, text, timeout, place, stage=instruction.stage)]


def of_container(container: Container) -> list[Health]:
    """The check that a compose service sets up."""
    check = container.healthcheck
    if check is None or check.disabled or not check.test:
        return []
    return [
        Health(
            container.source, check.span, " ".join(check.test), check.timeout, check.timeout_span, container=container
        )
    ]

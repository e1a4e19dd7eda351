"""The order of facts in a file."""

from __future__ import annotations

from collections.abc import Iterable

from repro_audit.source import Span


def in_order(facts: Iterable[object]) -> tuple[object, ...]:
    """The facts by where they start; those that start together keep their order."""
    return tuple(sorted(facts, key=_start))


def _start(fact: object) -> int:
    span: Span = fact.span  # type: ignore[attr-defined]
    return span.start

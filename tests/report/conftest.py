"""Findings and results to report on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from repro_audit.facts.pin import Level
from repro_audit.finding import Edit, Finding, Fix, Related, Severity
from repro_audit.result import InputRecord, Note, Result, RuleRecord, RuleText
from repro_audit.source import Position, Source, Span

if TYPE_CHECKING:
    from collections.abc import Callable

DOCKERFILE = """\
FROM python
RUN pip install numpy
CMD python train.py
"""
COMPOSE = "version: '3'\nservices:\n  app:\n    ports:\n      - 8080:80\n"


def _finding(
    text: str,
    place: str,
    *,
    rule: str = "image-latest",
    family: str = "pinning",
    severity: Severity = Severity.ERROR,
    message: str = "`python` is whatever the registry serves today",
    path: str = "Dockerfile",
    fix: Fix | None = None,
    related: tuple[Related, ...] = (),
    aliases: tuple[str, ...] = (),
    source: Source | None = None,
) -> Finding:
    """A finding at the first occurrence of `place` in `text`."""
    start = text.index(place)
    span = Span(start, start + len(place))
    return Finding(rule, family, severity, message, source or Source(path, text), span, fix, related, aliases)


@pytest.fixture
def finding() -> Callable[..., Finding]:
    return _finding


@pytest.fixture
def sample() -> Result:
    """Four findings in two files, with a fix of each kind, a related place and inputs on several rungs."""
    dockerfile = Source("Dockerfile", DOCKERFILE)
    compose = Source("docker/compose.yaml", COMPOSE)
    findings = (
        _finding(DOCKERFILE, "python", source=dockerfile, aliases=("DL3006",)),
        _finding(
            DOCKERFILE,
            "numpy",
            source=dockerfile,
            rule="pip-unpinned",
            message="`numpy` has no version",
            related=(Related(compose, Span(14, 22), "the service that runs it"),),
        ),
        _finding(
            COMPOSE,
            "version: '3'",
            source=compose,
            rule="version-obsolete",
            family="syntax",
            severity=Severity.WARNING,
            message="`version` has had no effect since Compose v2",
            fix=Fix("Remove `version`", (Edit(Span(0, 13), ""),)),
        ),
        _finding(
            COMPOSE,
            "8080:80",
            source=compose,
            rule="port-on-all-interfaces",
            family="security",
            severity=Severity.INFO,
            message="port 8080 can be reached from everywhere",
            fix=Fix("Publish on 127.0.0.1 only", (Edit(Span(58, 58), "127.0.0.1:"),), safe=False),
        ),
    )

    def record(kind: str, name: str, pin: Level, path: str, line: int) -> InputRecord:
        return InputRecord(kind, "", name, "", pin, "a reason", path, Position(line, 6), Position(line, 12), "from")

    return Result(
        findings,
        inputs=(
            record("image", "python", Level.FLOATING, "Dockerfile", 1),
            record("package", "numpy", Level.FLOATING, "Dockerfile", 2),
            record("image", "redis:7", Level.RANGED, "docker/compose.yaml", 9),
            record("image", "builder", Level.LOCAL, "Dockerfile", 3),
        ),
        level=0,
        files=5,
        rules_run=44,
        rules={
            f.rule: RuleRecord(
                f.rule, f.family, f"Summary of {f.rule}", f.severity, ("DL3006",), ("https://example.org/a b",)
            )
            for f in findings
        },
        suppressed=2,
        baselined=1,
        notes=(Note("the setting `jobs` had no effect", "pyproject.toml"),),
        text=lambda rule: RuleText(f"Why {rule} matters.", f"Mend {rule} so. And more.", ("https://example.org/a b",)),
    )

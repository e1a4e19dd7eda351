"""The JUnit report: a suite for each file, a case for each finding; those that fail the run are failures."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from repro_audit.report import summary
from repro_audit.report.visible import visible

if TYPE_CHECKING:
    from repro_audit.finding import Finding
    from repro_audit.result import Result

_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\ufffe": "", "\uffff": ""})


def render(result: Result) -> str:
    """The report. A run without findings has one case that passes, since some servers refuse a report without any."""
    suites = [
        _suite(result, path, list(group)) for path, group in groupby(result.findings, key=lambda finding: finding.path)
    ]
    failures = sum(_fails(result, finding) for finding in result.findings)
    if not suites:
        passed = f'<testcase classname="repro-audit" name="{_xml(summary.found(result))}"/>'
        suites = [
            '<testsuite name="repro-audit" tests="1" failures="0" errors="0" skipped="0">',
            passed,
            "</testsuite>",
        ]
    head = f'<testsuites name="repro-audit" tests="{max(len(result.findings), 1)}" failures="{failures}" errors="0">'
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *suites, "</testsuites>"]) + "\n"


def _suite(result: Result, path: str, findings: list[Finding]) -> str:
    failures = sum(_fails(result, finding) for finding in findings)
    head = (
        f'<testsuite name="{_xml(path or ".")}" tests="{len(findings)}" failures="{failures}" errors="0" skipped="0">'
    )
    return "\n".join([head, *(_case(result, finding) for finding in findings), "</testsuite>"])


def _case(result: Result, finding: Finding) -> str:
    start = finding.source.position(finding.span.start)
    severity = summary.severity_name(finding.severity)
    path, message = _xml(finding.path or "."), _xml(finding.message)
    text = f"{path}:{start.line}:{start.column}: {severity}: {message}"
    name = f"{_xml(finding.rule)} {start.line}:{start.column}"
    head = f'<testcase classname="{path}" name="{name}" file="{path}" line="{start.line}">'
    if _fails(result, finding):
        return f'{head}<failure type="{severity}" message="{message}">{text}</failure></testcase>'
    return f"{head}<system-out>{text}</system-out></testcase>"


def _fails(result: Result, finding: Finding) -> bool:
    return result.fail_on is not None and finding.severity >= result.fail_on


def _xml(text: str) -> str:
    """Text for element or attribute; what XML 1.0 cannot hold (control characters, broken bytes) is spelt out."""
    return visible(text).translate(_ENTITIES)

"""The JSON report; `repro_audit/schema/report-1.json` is its schema. The same input gives the same bytes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from repro_audit.report import summary
from repro_audit.report.visible import encodable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from repro_audit.finding import Finding, Fix, Related
    from repro_audit.result import InputRecord, Note, Result
    from repro_audit.source import Position, Source, Span

VERSION = 1


def render(result: Result) -> str:
    """The report, one finding or input a line: good for `grep` and `diff`, and the fast way through the encoder."""
    return (
        f'{{"version": {VERSION},\n'
        f'"summary": {json.dumps(_summary(result))},\n'
        f'"level": {json.dumps(result.level)},\n'
        f'"findings": {_array([_finding(finding) for finding in result.findings])},\n'
        f'"inputs": {_array([input_object(record) for record in result.inputs])},\n'
        f'"notes": {_array([_note(note) for note in result.notes])}}}\n'
    )


def _array(items: Sequence[object]) -> str:
    return "[\n" + ",\n".join(map(json.dumps, items)) + "\n]" if items else "[]"


def _summary(result: Result) -> dict[str, object]:
    counts = summary.counts(result.findings)
    return {
        "findings": len(result.findings),
        "error": counts.error,
        "warning": counts.warning,
        "info": counts.info,
        "fixable": counts.fixable,
        "fixable_unsafe": counts.fixable_unsafe,
        "suppressed": result.suppressed,
        "baselined": result.baselined,
        "files": result.files,
        "rules": result.rules_run,
        "fail_on": "never" if result.fail_on is None else str(result.fail_on),
        "failed": result.failed,
    }


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "rule": encodable(finding.rule),
        "family": encodable(finding.family),
        "severity": summary.severity_name(finding.severity),
        "message": encodable(finding.message),
        "path": encodable(finding.path),
        **_range(finding.source, finding.span),
        "fix": None if finding.fix is None else _fix(finding.source, finding.fix),
        "aliases": [encodable(alias) for alias in finding.aliases],
        "related": [_related(related) for related in finding.related],
    }


def _fix(source: Source, fix: Fix) -> dict[str, object]:
    return {
        "title": encodable(fix.title),
        "safe": fix.safe,
        "edits": [{**_range(source, edit.span), "text": encodable(edit.text)} for edit in fix.edits],
    }


def _related(related: Related) -> dict[str, object]:
    return {
        "path": encodable(related.source.path),
        **_range(related.source, related.span),
        "message": encodable(related.message),
    }


def input_object(record: InputRecord) -> dict[str, object]:
    """An external input as the JSON report lists it."""
    return {
        "kind": record.kind,
        "ecosystem": record.ecosystem or None,
        "name": encodable(record.name),
        "requested": encodable(record.requested),
        "pin": str(record.pin),
        "reason": encodable(record.reason),
        "path": encodable(record.path),
        "line": record.start.line,
        "column": record.start.column,
        "end": _place(record.end),
        "where": record.where,
    }


def _note(note: Note) -> dict[str, object]:
    return {"message": encodable(note.message), "path": None if note.path is None else encodable(note.path)}


def _range(source: Source, span: Span) -> dict[str, object]:
    return {"start": _place(source.position(span.start)), "end": _place(source.position(span.end))}


def _place(position: Position) -> dict[str, int]:
    return {"line": position.line, "column": position.column}

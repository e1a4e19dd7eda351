"""The SARIF 2.1.0 report, with what GitHub code scanning wants: rule help, fingerprints, regions, relative URIs."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING
from urllib.parse import quote

from repro_audit import __version__
from repro_audit.credential import masked_line
from repro_audit.finding import Finding, Fix, Severity
from repro_audit.report import summary
from repro_audit.report.fingerprint import fingerprints
from repro_audit.report.place import bounds, trimmed
from repro_audit.report.prose import first_sentence
from repro_audit.report.visible import encodable
from repro_audit.result import RuleRecord

if TYPE_CHECKING:
    from repro_audit.result import Note, Result
    from repro_audit.source import Position, Source, Span

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT = "reproAudit/v1"
_LEVEL = {"error": "error", "warning": "warning", "info": "note"}
# GitHub sorts findings of rules tagged `security` by this score of 0.1 to 10, kept as a string.
_SECURITY_SCORE = {"error": "8.0", "warning": "5.0", "info": "2.0"}
_LONGEST_SNIPPET = 200
_LONGEST_DESCRIPTION = 1024  # GitHub's limit for the short and the full description
_MOST_RESULTS = 25_000  # GitHub's limit for one run: it refuses the file beyond that


def render(result: Result) -> str:
    """The log with one run. Results stand one to a line."""
    rules = _rules(result)
    index = {rule.id: at for at, rule in enumerate(rules)}
    head: dict[str, object] = {
        "tool": {"driver": _driver(result, rules)},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"%SRCROOT%": {"description": {"text": "The folder in which repro-audit was started."}}},
        "invocations": [_invocation(result)],
        "properties": {"reproducibilityLevel": result.level},
    }
    results = ",\n".join(
        json.dumps(_result(finding, index[finding.rule], fingerprint))
        for finding, fingerprint in zip(result.findings, fingerprints(result.findings), strict=True)
    )
    start = json.dumps(head, indent=1)[:-2]  # without the closing "\n}"
    return f'{{"$schema": "{SCHEMA}",\n"version": "2.1.0",\n"runs": [{start},\n "results": [\n{results}\n]}}]}}\n'


def _rules(result: Result) -> list[RuleRecord]:
    rules = dict(result.rules)
    for finding in result.findings:
        if finding.rule not in rules:
            rules[finding.rule] = RuleRecord(finding.rule, finding.family, "", finding.severity)
    named = {finding.rule for finding in result.findings}
    return sorted((rule for rule in rules.values() if rule.id in named), key=lambda rule: rule.id)


def _driver(result: Result, rules: list[RuleRecord]) -> dict[str, object]:
    return {
        "name": "repro-audit",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [_rule(result, rule) for rule in rules],
    }


def _rule(result: Result, rule: RuleRecord) -> dict[str, object]:
    text = result.text(rule.id)
    name = summary.severity_name(rule.severity)
    short = encodable(rule.summary or rule.id)[:_LONGEST_DESCRIPTION]
    full = encodable(first_sentence(text.why, _LONGEST_DESCRIPTION)) or short
    references = rule.references or text.references
    sections = [encodable(text.why.strip())] if text.why.strip() else []
    sections += [f"**What to do**\n\n{encodable(text.fix.strip())}"] if text.fix.strip() else []
    sections += ["\n".join(f"- <{encodable(url)}>" for url in references)] if references else []
    help_text = "\n\n".join(sections) or short
    properties: dict[str, object] = {
        "tags": list(dict.fromkeys(["reproducibility", encodable(rule.family)])),
        "precision": "high",
        "problem.severity": "recommendation" if name == "info" else name,
    }
    if rule.family == "security":
        properties["security-severity"] = _SECURITY_SCORE[name]
    if rule.aliases:
        properties["aliases"] = [encodable(alias) for alias in rule.aliases]
    descriptor: dict[str, object] = {
        "id": encodable(rule.id),
        "name": "".join(part[:1].upper() + part[1:] for part in encodable(rule.id).split("-"))[:255] or "Rule",
        "shortDescription": {"text": short},
        "fullDescription": {"text": full},
        "help": {"text": help_text, "markdown": help_text},
        "defaultConfiguration": {"enabled": rule.severity is not Severity.OFF, "level": _LEVEL[name]},
        "properties": properties,
    }
    url = next((url for url in references if url.startswith(("https://", "http://"))), None)
    if url is not None:
        descriptor["helpUri"] = quote(encodable(url), safe="/:?#[]@!$&'()*+,;=%~-._")
    return descriptor


def _invocation(result: Result) -> dict[str, object]:
    notifications = [_notification(note) for note in result.notes]
    if len(result.findings) > _MOST_RESULTS:
        message = (
            f"GitHub code scanning takes at most {_MOST_RESULTS:,} results in a run and this one has "
            f"{len(result.findings):,}; select fewer rules or paths for the upload."
        )
        notifications.append({"level": "warning", "message": {"text": message}})
    return {"executionSuccessful": True, "toolExecutionNotifications": notifications}


def _notification(note: Note) -> dict[str, object]:
    shown: dict[str, object] = {"level": "note", "message": {"text": encodable(note.message) or "-"}}
    if note.path is not None:
        shown["locations"] = [{"physicalLocation": {"artifactLocation": _artifact(note.path)}}]
    return shown


def _result(finding: Finding, rule_index: int, fingerprint: str) -> dict[str, object]:
    source = finding.source
    shown: dict[str, object] = {
        "ruleId": encodable(finding.rule),
        "ruleIndex": rule_index,
        "level": _LEVEL[summary.severity_name(finding.severity)],
        "message": {"text": _message(finding.message) or finding.rule},
        "locations": [{"physicalLocation": _physical(source, finding.span)}],
        "partialFingerprints": {FINGERPRINT: fingerprint},
    }
    if finding.related:
        shown["relatedLocations"] = [
            {
                "id": number,
                "physicalLocation": _physical(related.source, related.span),
                "message": {"text": _message(related.message)},
            }
            for number, related in enumerate(finding.related, 1)
        ]
    if finding.fix is not None and finding.fix.edits:
        shown["fixes"] = [_fix(source, finding.fix)]
    if finding.aliases:
        shown["properties"] = {"aliases": [encodable(alias) for alias in finding.aliases]}
    return shown


def _fix(source: Source, fix: Fix) -> dict[str, object]:
    title = fix.title if fix.safe else f"{fix.title} (changes behaviour)"
    return {
        "description": {"text": _message(title)},
        "artifactChanges": [
            {
                "artifactLocation": _artifact(source.path),
                "replacements": [
                    {
                        "deletedRegion": _region(source.position(edit.span.start), source.position(edit.span.end)),
                        "insertedContent": {"text": encodable(edit.text)},
                    }
                    for edit in fix.edits
                ],
            }
        ],
    }


def _physical(source: Source, span: Span) -> dict[str, object]:
    region: dict[str, object] = {**_region(*bounds(source, span))}
    start, end = trimmed(source, span)
    if 0 < end - start <= _LONGEST_SNIPPET and end <= len(source.text):
        region["snippet"] = {"text": encodable(masked_line(source.text[start:end]))}
    return {"artifactLocation": _artifact(source.path), "region": region}


def _region(start: Position, end: Position) -> dict[str, int]:
    return {"startLine": start.line, "startColumn": start.column, "endLine": end.line, "endColumn": end.column}


def _artifact(path: str) -> dict[str, str]:
    """A path as a percent-encoded URI, relative to the source root unless it is absolute.

    A colon is encoded too: in the first segment of a relative URI it would end a scheme (RFC 3986, 4.2).
    """
    uri = quote(os.fsencode(path) if not _unencodable(path) else encodable(path).encode(), safe="/")
    if path.startswith("/"):
        return {"uri": f"file://{uri}" if not path.startswith("//") else f"file:///{uri.lstrip('/')}"}
    while uri.startswith("./"):
        uri = uri[2:]
    return {"uri": uri or ".", "uriBaseId": "%SRCROOT%"}


def _unencodable(path: str) -> bool:
    try:
        os.fsencode(path)
    except UnicodeError:
        return True
    return False


def _message(text: str) -> str:
    """A message in which no part of an audited file reads as an embedded link (SARIF 2.1.0, 3.11.6)."""
    text = encodable(text)
    return text.replace("[", "\\[").replace("]", "\\]") if "](" in text else text

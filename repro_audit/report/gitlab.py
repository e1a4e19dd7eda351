"""GitLab's Code Quality report: a JSON array in the form of a Code Climate subset."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from repro_audit.report.fingerprint import fingerprints
from repro_audit.report.place import bounds
from repro_audit.report.summary import severity_name
from repro_audit.report.visible import encodable

if TYPE_CHECKING:
    from repro_audit.finding import Finding
    from repro_audit.result import Result

_SEVERITY = {"error": "critical", "warning": "major", "info": "info"}
_CATEGORIES = {
    "security": "Security",
    "syntax": "Bug Risk",
    "runtime": "Bug Risk",
    "gpu": "Compatibility",
    "image": "Style",
}


def render(result: Result) -> str:
    """The report; each entry's fingerprint is its own, and stays when lines move."""
    entries = [
        json.dumps(_entry(finding, fingerprint))
        for finding, fingerprint in zip(result.findings, fingerprints(result.findings), strict=True)
    ]
    return "[\n" + ",\n".join(entries) + "\n]\n" if entries else "[]\n"


def _entry(finding: Finding, fingerprint: str) -> dict[str, object]:
    start, end = bounds(finding.source, finding.span)
    path = encodable(finding.path)
    return {
        "type": "issue",
        "check_name": encodable(finding.rule),
        "description": encodable(finding.message),
        "categories": [_CATEGORIES.get(finding.family, "Bug Risk")],
        "severity": _SEVERITY[severity_name(finding.severity)],
        "fingerprint": fingerprint,
        "location": {
            "path": path.removeprefix("./") or ".",  # GitLab knows paths without the `./`
            "lines": {"begin": start.line, "end": end.line},
        },
    }

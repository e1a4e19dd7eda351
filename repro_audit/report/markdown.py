"""The Markdown report, for the summary of a GitHub workflow step or a comment: counts, the level and a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro_audit.report import summary
from repro_audit.report.prose import code, markdown_inline
from repro_audit.report.visible import visible

if TYPE_CHECKING:
    from repro_audit.finding import Finding
    from repro_audit.result import Result

# GitHub drops a step summary of more than 1 MiB; some room is left for what else the step writes.
_LARGEST = 900_000


def render(result: Result) -> str:
    """The report. The table ends where GitHub would drop the whole, and says how many findings are missing."""
    out = ["## repro-audit", ""]
    for line in summary.lines(result):
        out += [markdown_inline(visible(line)), ""]
    for note in result.notes:
        where = f"{code(visible(note.path))}: " if note.path else ""
        out += [f"> {where}{markdown_inline(visible(note.message))}", ""]
    if result.findings:
        out += ["| Severity | Place | Rule | Message |", "| --- | --- | --- | --- |"]
        size = 0
        for number, finding in enumerate(result.findings):
            row = _row(finding)
            size += len(row.encode()) + 1
            if size > _LARGEST:
                out += ["", f"{len(result.findings) - number} more findings are left out here."]
                break
            out.append(row)
        out.append("")
    return "\n".join(out)


def _row(finding: Finding) -> str:
    line = finding.source.position(finding.span.start).line
    severity = summary.severity_name(finding.severity)
    place = code(f"{visible(finding.path or '.')}:{line}")
    return f"| {severity} | {place} | {code(visible(finding.rule))} | {markdown_inline(visible(finding.message))} |"

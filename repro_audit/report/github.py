"""GitHub workflow commands: printed in a job's log, each finding becomes an annotation on the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro_audit.report import summary
from repro_audit.report.place import bounds
from repro_audit.report.visible import visible

if TYPE_CHECKING:
    from repro_audit.finding import Finding
    from repro_audit.result import Result

_COMMAND = {"error": "error", "warning": "warning", "info": "notice"}
_SHOWN = 10  # annotations of one kind that GitHub shows for a step


def render(result: Result) -> str:
    """A line for each finding, then the summary."""
    out = [_annotation(finding) for finding in result.findings]
    counts = summary.counts(result.findings)
    out += [_inert(visible(line)) for line in summary.lines(result)]
    if max(counts.error, counts.warning, counts.info) > _SHOWN:
        out.append(
            f"GitHub shows {_SHOWN} annotations of each kind for a step; the log above has all. "
            "`--format sarif` or `--format markdown` show them all on the page."
        )
    return "\n".join(out) + "\n"


def _annotation(finding: Finding) -> str:
    start, end = bounds(finding.source, finding.span)
    command = _COMMAND[summary.severity_name(finding.severity)]
    if not finding.path:  # about the project as a whole
        return f"::{command} title={_property(finding.rule)}::{_data(finding.message)}"
    place = f"file={_property(finding.path)},line={start.line},endLine={end.line}"
    if start.line == end.line:  # GitHub takes columns within one line only
        place += f",col={start.column},endColumn={end.column}"
    return f"::{command} {place},title={_property(finding.rule)}::{_data(finding.message)}"


def _data(text: str) -> str:
    """A message with its line breaks kept in the runner's own escapes, and no other control character."""
    shown = "\n".join(visible(line) for line in text.split("\n"))
    return _inert(shown.replace("%", "%25").replace("\n", "%0A"))


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _inert(text: str) -> str:
    """Without the old form of a workflow command, which the runner obeys anywhere in a line."""
    return text.replace("##[", "## [")

"""The report for people at a terminal: grouped by file, the place underlined, what to do, and a closing summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro_audit.report import Look, summary
from repro_audit.report.frame import frame
from repro_audit.report.prose import first_sentence
from repro_audit.report.visible import visible

if TYPE_CHECKING:
    from repro_audit.finding import Finding
    from repro_audit.result import Result

_RESET = "\x1b[0m"
_BOLD = "\x1b[1m"
_DIM = "\x1b[2m"
_GREEN = "\x1b[32m"
_SEVERITY = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "info": "\x1b[1;36m"}
_LONGEST = 1000  # characters of a message; a value in it may be a file's whole content


def render(result: Result, look: Look) -> str:
    """The whole report."""
    paint = _painted if look.color else _plain
    out: list[str] = []
    path: str | None = None
    helped: set[str] = set()
    for finding in result.findings:
        if finding.path != path:
            path = finding.path
            out.append(paint(_BOLD, visible(path or ".")))
        out += _finding(result, finding, look, helped)
        out.append("")
    for note in result.notes:
        where = f"{visible(note.path)}: " if note.path else ""
        out.append(f"{paint(_BOLD, 'note:')} {where}{_message(note.message)}")
    if result.notes:
        out.append("")
    if look.summary:
        out += [_summary_line(line, paint) for line in summary.lines(result)]
    elif out:
        out.pop()  # the blank line before the summary
    return "\n".join(out) + "\n" if out else ""


def _finding(result: Result, finding: Finding, look: Look, helped: set[str]) -> list[str]:
    paint = _painted if look.color else _plain
    name = summary.severity_name(finding.severity)
    color = _SEVERITY[name]
    start = finding.source.position(finding.span.start)
    head = f"{paint(color, name)}[{visible(finding.rule)}]"
    out = [f"  {start.line}:{start.column} {head} {_message(finding.message)}"]
    rows = frame(finding.source, finding.span, max(look.width - 12, 40))
    if finding.source.text:
        margin = max(len(str(max(row.number or 0 for row in rows))), 4)
        bar = paint(_DIM, "|")
        for row in rows:
            number = "..." if row.number is None else str(row.number)
            text = paint(_DIM, row.text) if row.number is None else row.text
            out.append(f"  {paint(_DIM, number.rjust(margin))} {bar} {text}".rstrip())
            if row.under:
                gap = len(row.under) - len(row.under.lstrip())
                out.append(f"  {' ' * margin} {bar} {row.under[:gap]}{paint(color, row.under[gap:])}")
    else:
        margin = 4
    indent = " " * (margin + 5)
    for related in finding.related:
        at = related.source.position(related.span.start)
        place = (
            f"line {at.line}" if related.source.path == finding.path else f"{visible(related.source.path)}:{at.line}"
        )
        out.append(f"{indent}{paint(_DIM, 'see')} {place}: {_message(related.message)}")
    if finding.fix is not None:
        kind = "fix:" if finding.fix.safe else "fix (unsafe):"
        out.append(f"{indent}{paint(_GREEN, kind)} {_message(finding.fix.title)}")
    elif finding.rule not in helped:
        hint = first_sentence(result.text(finding.rule).fix)
        if hint:
            out.append(f"{indent}{paint(_GREEN, 'help:')} {_message(hint)}")
    # Once a report is enough: the same advice under each of a hundred findings hides the findings.
    helped.add(finding.rule)
    return out


def _summary_line(line: str, paint: _Paint) -> str:
    head, colon, rest = visible(line).partition(":")
    if colon and head.startswith("Reproducibility level"):
        return f"{paint(_BOLD, head + colon)}{rest}"
    return visible(line)


def _message(text: str) -> str:
    return visible(text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "...")


if TYPE_CHECKING:
    from collections.abc import Callable

    _Paint = Callable[[str, str], str]


def _painted(color: str, text: str) -> str:
    return f"{color}{text}{_RESET}"


def _plain(_color: str, text: str) -> str:
    return text

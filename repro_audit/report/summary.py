"""What a run came to, in sentences: counts, what can be fixed, the reproducibility level and what would raise it.

Shared by the reports that people read (text, GitHub, Markdown, HTML). Code in the sentences stands in backticks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from repro_audit.facts.pin import Level
from repro_audit.finding import Finding, Severity

if TYPE_CHECKING:
    from repro_audit.result import InputRecord, Result

_NAMED = 3  # how many of the inputs that hold the level down are named


class Counts(NamedTuple):
    """Numbers of findings; rules that are off by default count as `info` when they are selected."""

    error: int
    warning: int
    info: int
    fixable: int
    fixable_unsafe: int
    paths: int


def severity_name(severity: Severity) -> str:
    """`error`, `warning` or `info`."""
    return "error" if severity >= Severity.ERROR else "warning" if severity is Severity.WARNING else "info"


def counts(findings: tuple[Finding, ...]) -> Counts:
    """How many findings there are of each severity, how many carry edits, and in how many files they stand."""
    tally = {"error": 0, "warning": 0, "info": 0}
    safe = unsafe = 0
    paths = set()
    for finding in findings:
        tally[severity_name(finding.severity)] += 1
        paths.add(finding.path)
        if finding.fix is not None:
            if finding.fix.safe:
                safe += 1
            else:
                unsafe += 1
    return Counts(tally["error"], tally["warning"], tally["info"], safe, unsafe, len(paths))


def found(result: Result) -> str:
    """What was found, in one sentence."""
    if not result.findings:
        if not result.files:
            return "Nothing to audit: no Dockerfile, requirements, compose or other known file was found."
        return f"No findings in {number(result.files, 'file')}."
    n = counts(result.findings)
    parts = [number(n.error, "error")] if n.error else []
    parts += [number(n.warning, "warning")] if n.warning else []
    parts += [f"{n.info} info"] if n.info else []
    where = f"{n.paths} of {number(result.files, 'file')}" if result.files > n.paths else number(n.paths, "file")
    return f"{', '.join(parts)} in {where}."


def fixable(result: Result) -> str | None:
    """How to apply the fixes that findings carry; None when none does."""
    n = counts(result.findings)
    if n.fixable and n.fixable_unsafe:
        return f"{n.fixable} can be fixed with `repro-audit fix`, {n.fixable_unsafe} more with `--unsafe`."
    if n.fixable:
        return f"{n.fixable} can be fixed with `repro-audit fix`."
    if n.fixable_unsafe:
        return f"{n.fixable_unsafe} can be fixed with `repro-audit fix --unsafe`."
    return None


def hidden(result: Result) -> str | None:
    """How many findings were left out because somebody said so; None when none was."""
    parts = [f"{result.suppressed} suppressed by a comment"] if result.suppressed else []
    parts += [f"{result.baselined} known to the baseline"] if result.baselined else []
    return f"Not shown: {', '.join(parts)}." if parts else None


def level(result: Result) -> str | None:
    """The reproducibility level, what holds it there and what would raise it; None when there was nothing to judge."""
    at = result.level
    if at is None:
        return "Reproducibility level not known: not everything could be read." if result.files else None
    head = f"Reproducibility level {at} of 4: "
    inputs = [i for i in result.inputs if i.pin is not Level.LOCAL]
    if at == 0:
        floating = _gravest([i for i in inputs if i.pin is Level.FLOATING])
        return f"{head}{_held(floating, 'floats', 'float')}. Pin {_them(floating)} to reach 1."
    if at == 1:
        moving = _gravest([i for i in inputs if i.pin in (Level.RANGED, Level.PERISHABLE)])
        return (
            f"{head}{_held(moving, 'can still change', 'can still change')}. "
            f"Hold {_them(moving)} by digest, hash, lock file or snapshot to reach 2."
        )
    if at == 2:
        held = "every input is held" if inputs else "nothing was found that is taken from outside"
        return f"{head}{held}. Run `repro-audit verify` to show that two builds give the same files (3)."
    if at == 3:
        return f"{head}two builds gave the same files; the same digest twice makes it 4."
    return f"{head}two builds gave the same digest."


def explanation(result: Result) -> str | None:
    """Where to read why the worst finding matters; None when there is none."""
    if not result.findings:
        return None
    worst = max(result.findings, key=lambda finding: finding.severity)
    return f"Why a rule matters: `repro-audit explain {worst.rule}`."


def lines(result: Result) -> list[str]:
    """All that there is to say at the end of a report, a sentence or two each."""
    said = (found(result), fixable(result), hidden(result), level(result), explanation(result))
    return [line for line in said if line]


def number(count: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _them(inputs: list[InputRecord]) -> str:
    return "it" if len(inputs) == 1 else "them"


def _gravest(inputs: list[InputRecord]) -> list[InputRecord]:
    """Images first, since all else stands on them, and what only a workflow takes last."""
    return sorted(inputs, key=lambda i: (".github/" in i.path, i.kind != "image"))


def _held(inputs: list[InputRecord], one: str, many: str) -> str:
    """`2 inputs float (numpy in requirements.txt:2, python in Dockerfile:1)`; each name once."""
    names: dict[str, None] = {}
    for record in inputs:
        if len(names) > _NAMED:
            break
        names[f"{_short(record.name)} in {record.path}:{record.start.line}"] = None
    named = list(names)[:_NAMED]
    if len(inputs) > len(named):
        named.append("...")
    return f"{number(len(inputs), 'input')} {one if len(inputs) == 1 else many} ({', '.join(named)})"


def _short(name: str) -> str:
    return name if len(name) <= 60 else name[:57] + "..."

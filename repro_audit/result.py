"""A run's `Result`: everything a report may show. Made by the engine (or the CLI), read by `report/` and `fix.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from repro_audit.facts.pin import Level
from repro_audit.finding import Finding, Severity
from repro_audit.record import dataclass, field
from repro_audit.source import Position


class InputRecord(NamedTuple):
    """One external input as reports list it.

    `kind` is `image`, `package`, `download`, `git`, `model`, `dataset`, `action` or `feature`; `ecosystem` is given
    for packages (`apt`, `pip`, ...), else empty. `requested` is what the file asks for beyond the name (`==1.26.4`, a
    tag, a revision; empty for nothing). `where` says what it stands in (`from`, `requirements`, `curl`, ...).
    """

    kind: str
    ecosystem: str
    name: str
    requested: str
    pin: Level
    reason: str
    path: str
    start: Position
    end: Position
    where: str = ""


class RuleRecord(NamedTuple):
    """What a report may say about a rule without opening its file. `severity` is the one in force in this run."""

    id: str
    family: str
    summary: str
    severity: Severity
    aliases: tuple[str, ...] = ()
    references: tuple[str, ...] = ()


class RuleText(NamedTuple):
    """The prose of a rule's file: why it matters and what to do, in Markdown."""

    why: str
    fix: str
    references: tuple[str, ...] = ()


class Note(NamedTuple):
    """Something the user should know that is no finding: a limit that was hit, a setting that had no effect."""

    message: str
    path: str | None = None


def _no_text(_rule: str) -> RuleText:
    return RuleText("", "")


@dataclass(slots=True, frozen=True, eq=False, repr=False)
class Result:
    """What a run found.

    `findings` are sorted by path, place and rule; those that were suppressed or known to the baseline are only counted.
    `level` is the reproducibility level (0 to 4), None where there was nothing to judge. `files` is how many files
    were read, `rules_run` how many rules were selected. `rules` has an entry for each rule that a finding names.
    `fail_on` is the severity from which findings fail the run (None: never). `duration` is in seconds.
    `text` gives a rule's prose by id; it opens the rule's file, so call it only where the format shows it.
    """

    findings: tuple[Finding, ...]
    inputs: tuple[InputRecord, ...] = ()
    level: int | None = None
    files: int = 0
    rules_run: int = 0
    rules: Mapping[str, RuleRecord] = field(default_factory=dict)
    suppressed: int = 0
    baselined: int = 0
    notes: tuple[Note, ...] = ()
    duration: float = 0.0
    fail_on: Severity | None = Severity.ERROR
    text: Callable[[str], RuleText] = _no_text

    def count(self, severity: Severity) -> int:
        """How many findings have exactly this severity."""
        return sum(f.severity is severity for f in self.findings)

    @property
    def failed(self) -> bool:
        """Whether a finding is at or above `fail_on`."""
        return self.fail_on is not None and any(f.severity >= self.fail_on for f in self.findings)


def level_of(pins: Iterable[Level]) -> int:
    """The reproducibility level that inputs with these pins allow: 0 if any floats, 1 if any may move."""
    lowest = min(pins, default=Level.LOCAL)
    if lowest == Level.FLOATING:
        return 0
    return 1 if lowest <= Level.PERISHABLE else 2

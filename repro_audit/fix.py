"""Fixes: chooses among the edits that findings carry, applies them and checks the outcome. Called by the CLI, which
shows the change with `diff` or writes the file with `save`.

A fix is atomic: all of its edits or none. Nothing outside the spans of the chosen edits changes, line endings and
encoding included, and a fix after which the file no longer parses as well as before is dropped.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from repro_audit.diff import unified_diff as unified_diff  # what the CLI shows of a fix
from repro_audit.record import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from repro_audit.finding import Edit, Finding, Fix
    from repro_audit.source import Source

ROUNDS = 10


class Skipped(NamedTuple):
    """A finding whose fix was not applied, and why."""

    finding: Finding
    reason: str


@dataclass(slots=True, frozen=True)
class Plan:
    """`chosen` are findings whose fixes fit together, in order of place; `skipped` those that did not."""

    chosen: tuple[Finding, ...]
    skipped: tuple[Skipped, ...]

    @property
    def fixes(self) -> tuple[Fix, ...]:
        """The fixes to apply; two findings that want the very same edits share one."""
        unique: dict[frozenset[Edit], Fix] = {}
        for finding in self.chosen:
            if finding.fix is not None:
                unique.setdefault(frozenset(finding.fix.edits), finding.fix)
        return tuple(unique.values())


@dataclass(slots=True, frozen=True)
class Mended:
    """What came of fixing one file: the new source, whose findings were fixed, and which fixes were left out.

    `stable` tells that another run would change nothing more.
    """

    source: Source
    applied: tuple[Finding, ...]
    skipped: tuple[Skipped, ...]
    stable: bool


def plan(findings: Iterable[Finding], *, unsafe: bool = False) -> Plan:
    """Choose among the fixes of findings in one file, with `unsafe` also those that may change behaviour.

    Where two collide, the safe one wins, then the one that starts first, then the shorter, then the rule's name. Two
    edits collide when their spans share a character, when one inserts inside the other's span, or when both insert
    at one place. The outcome does not depend on the order of `findings`.
    """
    chosen: list[Finding] = []
    skipped: list[Skipped] = []
    taken: list[tuple[int, int]] = []
    wanted: set[frozenset[Edit]] = set()
    for finding in sorted((f for f in findings if _applies(f, unsafe)), key=_preference):
        edits = finding.fix.edits if finding.fix is not None else ()
        spans = sorted((edit.span.start, edit.span.end) for edit in edits)
        if frozenset(edits) in wanted:
            chosen.append(finding)
        elif not _valid(spans, len(finding.source.text)):
            skipped.append(Skipped(finding, "its edits do not fit the file"))
        elif any(_collides(taken, span) for span in spans):
            skipped.append(Skipped(finding, "it overlaps another fix"))
        else:
            wanted.add(frozenset(edits))
            for span in spans:
                insort(taken, span)
            chosen.append(finding)
    chosen.sort(key=lambda finding: (finding.span, finding.rule))
    return Plan(tuple(chosen), tuple(skipped))


def apply(source: Source, fixes: Iterable[Fix]) -> str:
    """The source's text after the fixes, which must fit together as those of a `Plan` do.

    A line break in an edit becomes the ending that the line it stands on has.
    """
    edits = sorted((edit for fix in fixes for edit in fix.edits), key=lambda edit: edit.span)
    text = source.text
    out: list[str] = []
    at = 0
    for edit in edits:
        out.append(text[at : edit.span.start])
        out.append(_with_endings(source, edit))
        at = edit.span.end
    out.append(text[at:])
    return "".join(out)


def mend(
    source: Source,
    findings: Sequence[Finding],
    *,
    unsafe: bool = False,
    reparse: Callable[[Source], int],
    audit: Callable[[Source], Sequence[Finding]] | None = None,
    rounds: int = ROUNDS,
) -> Mended:
    """Fix one file until nothing more can be fixed, at most `rounds` times over.

    `findings` are those in `source`; those elsewhere are passed over. `reparse` counts the syntax errors of a text: a
    fix after which there are more is left out. `audit` finds again in the changed text; without it there is one round.
    """
    applied: list[Finding] = []
    skipped: list[Skipped] = []
    barred: set[tuple[object, ...]] = set()
    seen = {source.text}
    errors = reparse(source)
    own = [finding for finding in findings if finding.path == source.path]
    for _ in range(rounds):
        allowed = [finding for finding in own if _identity(finding) not in barred]
        planned = plan(allowed, unsafe=unsafe)
        good, bad = _proven(source, planned.chosen, errors, reparse)
        for finding in bad:
            barred.add(_identity(finding))
            skipped.append(Skipped(finding, "the file would no longer parse"))
        text = apply(source, Plan(tuple(good), ()).fixes)
        if text == source.text:
            stable = not bad or not planned.skipped
            if stable:
                return Mended(source, tuple(applied), (*skipped, *planned.skipped), True)
            continue  # what gave way to a fix that is now barred gets its turn
        if text in seen:
            reason = "it undoes another fix"
            return Mended(source, tuple(applied), (*skipped, *(Skipped(f, reason) for f in good)), False)
        seen.add(text)
        applied += good
        source = with_text(source, text)
        if audit is None:
            return Mended(source, tuple(applied), (*skipped, *planned.skipped), not planned.skipped)
        errors = reparse(source)
        own = [finding for finding in audit(source) if finding.path == source.path]
    return Mended(source, tuple(applied), tuple(skipped), False)


def with_text(source: Source, text: str) -> Source:
    """The same file with another text."""
    return replace(source, text=text, _line_starts=[])


def _applies(finding: Finding, unsafe: bool) -> bool:
    return finding.fix is not None and bool(finding.fix.edits) and (unsafe or finding.fix.safe)


def _preference(finding: Finding) -> tuple[object, ...]:
    fix = finding.fix
    assert fix is not None
    spans = sorted(edit.span for edit in fix.edits)
    texts = sorted(edit.text for edit in fix.edits)
    return (not fix.safe, spans[0].start, spans[-1].end, finding.rule, spans, texts, finding.span, finding.message)


def _valid(spans: list[tuple[int, int]], size: int) -> bool:
    """Whether sorted spans lie within a text of `size` characters and do not collide with each other."""
    if any(not 0 <= start <= end <= size for start, end in spans):
        return False
    return all(not _share(one, two) for one, two in pairwise(spans))


def _collides(taken: list[tuple[int, int]], span: tuple[int, int]) -> bool:
    """Whether `span` collides with one of the sorted, disjoint spans `taken`; only its neighbours can."""
    at = bisect_left(taken, span)
    return any(_share(other, span) for other in taken[max(at - 1, 0) : at + 2])


def _share(one: tuple[int, int], two: tuple[int, int]) -> bool:
    if one == two:
        return True
    return max(one[0], two[0]) < min(one[1], two[1]) or _inside(one, two) or _inside(two, one)


def _inside(insertion: tuple[int, int], other: tuple[int, int]) -> bool:
    return insertion[0] == insertion[1] and other[0] < insertion[0] < other[1]


def _with_endings(source: Source, edit: Edit) -> str:
    if "\n" not in edit.text:
        return edit.text
    line = source.position(edit.span.start).line
    if line == source.line_count:  # the last line has no ending of its own: the line before says
        line -= 1
    plain = edit.text.replace("\r\n", "\n")
    after = source.offset(line + 1)
    windows = line >= 1 and source.text[max(after - 2, 0) : after] == "\r\n"
    return plain.replace("\n", "\r\n") if windows else plain


def _identity(finding: Finding) -> tuple[object, ...]:
    """What makes a fix the same fix in a text where places have moved."""
    fix = finding.fix
    edits = () if fix is None else tuple((finding.source.slice(edit.span), edit.text) for edit in fix.edits)
    return finding.rule, finding.source.slice(finding.span), edits


def _proven(
    source: Source, chosen: Sequence[Finding], errors: int, reparse: Callable[[Source], int]
) -> tuple[list[Finding], list[Finding]]:
    """The findings whose fixes leave no more syntax errors than there were, and the others.

    All are tried together first, then by halves: a bad one among n costs about log n parses.
    """
    good: list[Finding] = []
    bad: list[Finding] = []
    groups = [list(chosen)] if chosen else []
    while groups:
        group = groups.pop()
        fixes = Plan((*good, *group), ()).fixes
        if reparse(with_text(source, apply(source, fixes))) <= errors:
            good += group
        elif len(group) == 1:
            bad += group
        else:
            middle = len(group) // 2
            groups += [group[middle:], group[:middle]]
    return good, bad

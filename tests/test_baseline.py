"""The baseline knows findings again by what they stand on, not by where."""

from __future__ import annotations

import pytest

from repro_audit import baseline
from repro_audit.finding import Finding, Severity
from repro_audit.source import Source, Span


def finding(text: str, part: str, rule: str = "image-latest", path: str = "Dockerfile", nth: int = 0) -> Finding:
    source = Source(path, text)
    start = -1
    for _ in range(nth + 1):
        start = text.index(part, start + 1)
    return Finding(rule, "pinning", Severity.ERROR, "m", source, Span(start, start + len(part)))


def test_a_finding_stays_known_when_its_line_moves_and_its_spacing_changes() -> None:
    known = baseline.load(baseline.dump([finding("FROM python\n", "python")]))
    moved = finding("# a comment\n\nFROM   python  \n", "python")
    assert baseline.compare([moved], known) == baseline.Compared((), 1, 0)


def test_a_finding_on_a_changed_line_in_another_file_or_of_another_rule_is_new() -> None:
    known = baseline.load(baseline.dump([finding("FROM python\n", "python")]))
    for other in (
        finding("FROM python AS build\n", "python"),
        finding("FROM python\n", "python", path="other/Dockerfile"),
        finding("FROM python\n", "python", rule="image-eol"),
    ):
        assert baseline.compare([other], known) == baseline.Compared((other,), 0, 1)


def test_equal_lines_are_known_as_often_as_they_were_there() -> None:
    text = "FROM python\nFROM python\n"
    known = baseline.load(baseline.dump([finding(text, "python")]))
    both = [finding(text, "python"), finding(text, "python", nth=1)]
    assert baseline.compare(both, known).new == (both[1],)
    assert baseline.compare(both, baseline.load(baseline.dump(both))).known == 2


def test_the_same_findings_give_the_same_file_in_any_order() -> None:
    one, two = finding("FROM python\n", "python"), finding("FROM a\n", "a")
    assert baseline.dump([one, two]) == baseline.dump([two, one])


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"version": 9, "findings": []}', '{"version": 1, "findings": [1]}', "[" * 100_000]
)
def test_what_is_no_baseline_is_refused(text: str) -> None:
    with pytest.raises(baseline.BaselineError):
        baseline.load(text)

"""Fixes: which edits are chosen, that nothing else changes, that a bad one is left out, that a second run changes nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro_audit.finding import Edit, Finding, Fix, Severity
from repro_audit.fix import apply, mend, plan, with_text
from repro_audit.source import Source, Span


def found(source: Source, *edits: tuple[int, int, str], rule: str = "rule", safe: bool = True) -> Finding:
    fix = Fix("mend it", tuple(Edit(Span(start, end), text) for start, end, text in edits), safe)
    first = edits[0] if edits else (0, 0, "")
    return Finding(rule, "syntax", Severity.WARNING, "message", source, Span(first[0], first[1]), fix)


def fixed(source: Source, *findings: Finding, unsafe: bool = False) -> str:
    return apply(source, plan(findings, unsafe=unsafe).fixes)


ABC = Source("f", "abcdefgh")


def test_only_the_spans_of_the_edits_change():
    assert fixed(ABC, found(ABC, (0, 1, "A"), (4, 6, "")), found(ABC, (8, 8, "!"))) == "Abcdgh!"


def test_unsafe_fixes_are_applied_only_when_asked_for():
    findings = (found(ABC, (0, 1, "A")), found(ABC, (1, 2, "B"), safe=False))
    assert fixed(ABC, *findings) == "Abcdefgh"
    assert fixed(ABC, *findings, unsafe=True) == "ABcdefgh"


def test_a_fix_is_applied_whole_or_not_at_all():
    plans = plan([found(ABC, (0, 2, "x"), rule="a"), found(ABC, (1, 3, "y"), (6, 7, "z"), rule="b")])
    assert apply(ABC, plans.fixes) == "xcdefgh"
    assert [(s.finding.rule, s.reason) for s in plans.skipped] == [("b", "it overlaps another fix")]


def test_safe_fixes_win_over_unsafe_ones_that_start_before_them():
    assert fixed(ABC, found(ABC, (0, 4, "u"), safe=False), found(ABC, (2, 3, "S")), unsafe=True) == "abSdefgh"


def test_edits_that_touch_fit_together_and_insertions_at_one_place_do_not():
    assert fixed(ABC, found(ABC, (0, 2, "x")), found(ABC, (2, 4, "y"))) == "xyefgh"
    assert fixed(ABC, found(ABC, (0, 2, "x")), found(ABC, (2, 2, "y"))) == "xycdefgh"
    assert fixed(ABC, found(ABC, (2, 2, "x"), rule="a"), found(ABC, (2, 2, "y"), rule="b")) == "abxcdefgh"
    assert fixed(ABC, found(ABC, (1, 4, "x")), found(ABC, (2, 2, "y"))) == "axefgh"


def test_two_findings_that_want_the_same_edits_are_both_fixed_by_one():
    plans = plan([found(ABC, (0, 1, "X"), rule="a"), found(ABC, (0, 1, "X"), rule="b")])
    assert (len(plans.chosen), len(plans.fixes), plans.skipped) == (2, 1, ())
    assert apply(ABC, plans.fixes) == "Xbcdefgh"


@pytest.mark.parametrize("edits", [((5, 99, "x"),), ((-1, 2, "x"),), ((4, 2, "x"),), ((0, 3, "x"), (2, 4, "y"))])
def test_a_fix_whose_edits_do_not_fit_the_file_is_left_out(edits):
    plans = plan([found(ABC, *edits)])
    assert plans.chosen == ()
    assert plans.skipped[0].reason == "its edits do not fit the file"


def test_findings_without_edits_are_no_business_of_a_plan():
    plans = plan([found(ABC), Finding("r", "f", Severity.ERROR, "m", ABC, Span(0, 1))])
    assert (plans.chosen, plans.skipped) == ((), ())


def test_line_breaks_of_an_edit_take_the_ending_of_their_line():
    windows = Source("f", "a\r\nb\r\nc")
    assert fixed(windows, found(windows, (3, 4, "x\ny"))) == "a\r\nx\r\ny\r\nc"
    assert fixed(windows, found(windows, (7, 7, "\nd\r\n"))) == "a\r\nb\r\nc\r\nd\r\n"
    mixed = Source("f", "a\r\nb\nc\n")
    assert fixed(mixed, found(mixed, (3, 4, "x\ny"))) == "a\r\nx\ny\nc\n"
    unix = Source("f", "a\nb")
    assert fixed(unix, found(unix, (0, 1, "x\r\ny"))) == "x\ny\nb"


def test_encoding_and_byte_order_mark_survive():
    for data in (b"\xef\xbb\xbfab\xff\n", "ab\u65e5".encode("utf-16")):
        source = Source.from_bytes("f", data)
        text = fixed(source, found(source, (0, 1, "X")))
        assert source.encode(text) == source.encode(source.text).replace(b"a", b"X")


SPANS = st.tuples(st.integers(0, 30), st.integers(0, 5)).map(lambda p: (p[0], p[0] + p[1]))
FIXES = st.lists(
    st.tuples(
        st.lists(st.tuples(SPANS, st.text("XYZ", max_size=3)), min_size=1, max_size=3),
        st.booleans(),
        st.sampled_from("abc"),
    ),
    max_size=8,
)
LETTERS = Source("f", "abcdefghijklmnopqrstuvwxyz0123456789")


@settings(max_examples=200, deadline=None)
@given(FIXES, st.randoms(use_true_random=False))
def test_whatever_is_chosen_every_character_outside_its_spans_stays(fixes, random):
    findings = [
        found(LETTERS, *((s[0], s[1], text) for s, text in edits), rule=rule, safe=safe) for edits, safe, rule in fixes
    ]
    plans = plan(findings, unsafe=True)
    text = apply(LETTERS, plans.fixes)
    gone = set()
    for chosen in plans.fixes:
        for edit in chosen.edits:
            covered = set(range(edit.span.start, edit.span.end))
            assert not covered & gone
            gone |= covered
    kept = "".join(c for i, c in enumerate(LETTERS.text) if i not in gone)
    assert re.sub("[XYZ]", "", text) == kept
    assert sorted(re.findall("[XYZ]", text)) == sorted(c for f in plans.fixes for e in f.edits for c in e.text)
    assert len(plans.chosen) + len(plans.skipped) == len(findings)
    random.shuffle(findings)
    assert apply(LETTERS, plan(findings, unsafe=True).fixes) == text


def _replacing(word: str, by: str):
    """An audit with one rule: `word` should be `by`."""

    def audit(source: Source) -> list[Finding]:
        return [
            found(source, (m.start(), m.end(), by), rule=word)
            for m in re.finditer(rf"\b{re.escape(word)}\b", source.text)
        ]

    return audit


def _several(*audits):
    return lambda source: [finding for audit in audits for finding in audit(source)]


def _no_errors(source: Source) -> int:
    return 0


def test_fixing_goes_on_until_nothing_is_left_and_a_second_run_changes_nothing():
    audit = _several(_replacing("one", "two"), _replacing("two", "three"))
    source = Source("f", "one two one")
    done = mend(source, audit(source), reparse=_no_errors, audit=audit)
    assert (done.source.text, done.stable, len(done.applied)) == ("three three three", True, 5)
    again = mend(done.source, audit(done.source), reparse=_no_errors, audit=audit)
    assert (again.source.text, again.applied) == (done.source.text, ())


def test_fixes_that_undo_each_other_end():
    audit = _several(_replacing("one", "two"), _replacing("two", "one"))
    source = Source("f", "one")
    done = mend(source, audit(source), reparse=_no_errors, audit=audit)
    assert not done.stable
    assert done.source.text == "two"
    assert done.skipped[-1].reason == "it undoes another fix"


def test_a_fix_that_grows_the_file_for_ever_is_stopped():
    audit = _replacing("x", "x x")
    source = Source("f", "x")
    done = mend(source, audit(source), reparse=_no_errors, audit=audit, rounds=4)
    assert not done.stable
    assert done.source.text == " ".join("x" * 16)


def test_a_fix_after_which_the_file_does_not_parse_is_left_out_and_the_others_are_not():
    words = " ".join(f"w{i}" for i in range(200))
    source = Source("f", words)
    audit = _several(*(_replacing(f"w{i}", "!" if i in (3, 77) else f"v{i}") for i in range(200)))
    parses = []

    def reparse(changed: Source) -> int:
        parses.append(1)
        return changed.text.count("!")

    done = mend(source, audit(source), reparse=reparse, audit=audit)
    assert done.source.text == " ".join(f"w{i}" if i in (3, 77) else f"v{i}" for i in range(200))
    assert [(s.finding.rule, s.reason) for s in done.skipped] == [
        ("w3", "the file would no longer parse"),
        ("w77", "the file would no longer parse"),
    ]
    assert done.stable
    assert len(parses) < 60


def test_errors_that_were_there_before_do_not_stop_a_fix():
    source = Source("f", "! a")
    done = mend(source, _replacing("a", "b")(source), reparse=lambda s: s.text.count("!"))
    assert done.source.text == "! b"


def test_what_gave_way_to_a_fix_that_breaks_the_file_gets_its_turn():
    source = Source("f", "abc")

    def audit(changed: Source) -> list[Finding]:
        if changed.text != "abc":
            return []
        return [found(changed, (0, 2, "!"), rule="a"), found(changed, (1, 3, "xy"), rule="b")]

    done = mend(source, audit(source), reparse=lambda s: s.text.count("!"), audit=audit)
    assert done.source.text == "axy"
    assert [f.rule for f in done.applied] == ["b"]


def test_findings_in_other_files_are_passed_over():
    other = Source("g", "one")
    source = Source("f", "one")
    assert mend(source, _replacing("one", "two")(other), reparse=_no_errors).source.text == "one"


def test_a_changed_source_has_the_lines_of_its_own_text():
    source = Source("f", "a\nb\n")
    assert source.position(2).line == 2
    assert with_text(source, "a b").position(2).line == 1


def test_a_hundred_thousand_fixes_are_linear_work():
    source = Source("f", "ab" * 100_000)
    findings = [found(source, (i * 2, i * 2 + 1, "x")) for i in range(100_000)]
    assert fixed(source, *findings) == "xb" * 100_000

"""Patterns of rule files: what they mean is what Python's `re` says, what they cost is linear."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro_audit import pattern

atoms = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", "[a-c]", r"\d", r"\w", r"\s", r"\.", "(?:ab)", "(a|b)", "(a|)"])
signs = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,2}", "{,2}", "*?", "{1,}", "{,}", "{02}", "{٢}", "{}", "{"])
patterns = st.lists(
    st.one_of(st.builds("{}{}".format, atoms, signs), st.sampled_from(["^", "$", r"\b", "|"])), max_size=6
).map("".join)


@given(patterns, st.text("ab1 .c\n", max_size=12))
@settings(max_examples=200, deadline=None)
def test_a_pattern_means_what_it_means_to_python(text: str, subject: str) -> None:
    expected = re.search(text, subject) is not None
    assert pattern.search(text)(subject) is expected
    assert pattern.search(f"(?:(?:{text})(?:a*b*)*)")(subject) is expected  # through the machine, never through `re`


def test_a_pattern_that_hangs_backtracking_engines_takes_linear_time(linear) -> None:
    search = pattern.search("^(a+)+$")
    assert not search("a" * 5000 + "!")
    linear(lambda size: search("a" * size + "!"), 1000)
    assert search("a" * 5000)


def test_case_may_be_ignored() -> None:
    assert pattern.search("(?i)^(gpu+)+$")("GPUu")
    assert not pattern.search("^(gpu+)+$")("GPUu")
    assert pattern.search("(?i)[^a-c]+(x+)+")("dX")


@pytest.mark.parametrize(
    "text",
    [
        "(",
        ")",
        "[",
        "a**",
        "*a",
        r"(a)\1",
        "(?=a)",
        "(?P<n>a)",
        "a{3,2}",
        "a{1001}",
        f"a{{{'9' * 5000}}}",
        "{0}",
        "a|{2}",
        "({,3})",
        "\\",
        "^*",
        "((a{100}){100}){100}",
        "[b-a]",
        "(" * 60 + ")" * 60,
        r"[\q]",
        r"\q",
        r"\B",
    ],
)
def test_what_is_broken_or_not_available_is_an_error(text: str) -> None:
    with pytest.raises(pattern.PatternError):
        pattern.search(text)


@given(st.text(max_size=30), st.text(max_size=30))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_pattern_with_its_meaning_in_python_or_an_error(text: str, subject: str) -> None:
    try:
        search = pattern.search(text)
    except pattern.PatternError:
        return
    assert search(subject) is (re.search(text, subject) is not None)
    escaped = pattern.search(re.escape(text))
    assert escaped(subject + text) and escaped(subject) is (text in subject)

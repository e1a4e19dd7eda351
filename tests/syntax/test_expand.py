"""Variables, quotes and escapes, as BuildKit's shell lexer treats them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro_audit.syntax.expand import PREDEFINED_ARGS, expand

VARIABLES = {
    "HOME": "/srv/app",
    "SHELL": "bash",
    "EMPTY": "",
    "TAG": "v1.2.3-rc.1",
    "LIST": "a  b c",
    "PATH_": "foo/bar/baz.tar.gz",
    "UNKNOWN": None,
}


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("plain", "plain"),
        ("it''s", "its"),
        ("'a b'c", "a bc"),
        (r"it\'s", "it's"),
        (r"a\tb", "atb"),
        (r'"a\tb"', r"a\tb"),
        (r'"a\\b"', r"a\b"),
        (r"'a\b'", r"a\b"),
        ("end\\", "end"),
        ("$HOME/x", "/srv/app/x"),
        (r"\$HOME", "$HOME"),
        (r'"\$HOME"', "$HOME"),
        ("'$HOME'", "$HOME"),
        ('"$HOME"', "/srv/app"),
        ("${HOME}x", "/srv/appx"),
        ("$.", "$."),
        ("a$1b", "ab"),
        ("${MISSING}x", "x"),
        ("${MISSING:-d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${MISSING-d}", "d"),
        ("${HOME:-d}", "/srv/app"),
        ("${MISSING:-${EMPTY:-deep}}", "deep"),
        ("${HOME:+yes}", "yes"),
        ("${EMPTY:+yes}", ""),
        ("${EMPTY+yes}", "yes"),
        ("${MISSING+yes}", ""),
        ("${HOME:?no}", "/srv/app"),
        ("${TAG#v}", "1.2.3-rc.1"),
        ("${TAG%-*}", "v1.2.3"),
        ("${TAG%%.*}", "v1"),
        ("${PATH_##*/}", "baz.tar.gz"),
        ("${PATH_#*/}", "bar/baz.tar.gz"),
        ("${PATH_%.*}", "foo/bar/baz.tar"),
        ("${TAG#?1}", ".2.3-rc.1"),
        ("${TAG/./-}", "v1-2.3-rc.1"),
        ("${TAG//./-}", "v1-2-3-rc-1"),
        (r"${PATH_//\//-}", "foo-bar-baz.tar.gz"),
        ("${TAG//[0-9]/x}", "v1.2.3-rc.1"),
        ("${TAG//*/x}", "x"),
        ('${PATH_#"foo"}', "/bar/baz.tar.gz"),
        ("a < b << c", "a < b << c"),
    ],
)
def test_a_word_becomes_what_buildkit_makes_of_it(word: str, value: str) -> None:
    expansion = expand(word, VARIABLES)
    assert expansion.error is None
    assert (expansion.value, expansion.text) == (value, value)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("it's", "unexpected end of statement while looking for matching single-quote"),
        ('say "x', "unexpected end of statement while looking for matching double-quote"),
        ("${}", "syntax error: bad substitution"),
        ("${{x}}", "syntax error: bad substitution"),
        ("${HOME", "unsupported modifier (\ufffd) in substitution"),
        ("${HOME:-x", "syntax error: missing '}'"),
        ("${", "syntax error: missing '}'"),
        ("${HOME:x}", "unsupported modifier (:x) in substitution"),
        ("${HOME:#x}", "unsupported modifier (:#) in substitution"),
        ("${.}", "unsupported modifier (.) in substitution"),
        ("${HOME/x}", "syntax error: missing '/' in ${}"),
        (r"${HOME#\a}", "invalid pattern (\\a) in substitution: invalid escape '\\a'"),
        ("${MISSING:?set it}", "MISSING: set it"),
        ("${MISSING?}", "MISSING: is not allowed to be unset"),
        ("${EMPTY:?}", "EMPTY: is not allowed to be empty"),
    ],
)
def test_what_buildkit_refuses_is_told_in_its_words(word: str, reason: str) -> None:
    expansion = expand(word, VARIABLES)
    assert expansion.value is None
    assert expansion.error is not None
    assert expansion.error.startswith("failed to process ")
    assert expansion.error.endswith(": " + reason)


def test_the_backtick_escapes_where_the_file_says_so() -> None:
    assert expand("a`$HOME", VARIABLES, "`").value == "a$HOME"
    assert expand(r"c:\$SHELL", VARIABLES, "`").value == r"c:\bash"


def test_an_unknown_variable_leaves_the_value_open_and_the_text_as_written() -> None:
    expansion = expand("$HOME/${UNKNOWN%.*}-$SHELL", VARIABLES)
    assert expansion.value is None
    assert expansion.text == "/srv/app/${UNKNOWN%.*}-bash"
    assert expansion.unknown == ("UNKNOWN",)
    assert expansion.error is None


def test_an_unknown_variable_that_decides_nothing_does_no_harm() -> None:
    expansion = expand("${HOME:-$UNKNOWN}", VARIABLES)
    assert (expansion.value, expansion.unknown) == ("/srv/app", ())
    assert expand("${MISSING:-$UNKNOWN}", VARIABLES).unknown == ("UNKNOWN",)
    assert expand("'$UNKNOWN'", VARIABLES).value == "$UNKNOWN"


def test_names_that_were_not_found_are_told_once_and_in_order() -> None:
    assert expand("$B$A${B}$HOME", VARIABLES).unset == ("B", "A")


def test_buildkits_own_arguments_are_known() -> None:
    assert {"HTTP_PROXY", "no_proxy", "TARGETPLATFORM", "BUILDARCH", "TARGETVARIANT"} <= PREDEFINED_ARGS


@pytest.mark.parametrize("word", ["${x:-" * 50_000, "${x/" * 50_000, '"$x"' * 50_000, "${x#" + "*a" * 50 + "}"])
def test_hostile_words_end_soon_and_with_a_reason(word: str) -> None:
    assert expand(word, {"x": "a" * 5000}).error is not None


_PIECES = st.sampled_from(
    ["$x", "${x", "}", ":-", "#", "%", "//", "/", "*", "\\", "`", "'", '"', " ", "a", "<<", "é", "\ufeff", "\udcff"]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(_PIECES | st.text(max_size=3), max_size=12).map("".join), st.sampled_from(["\\", "`"]))
def test_any_word_has_a_value_or_a_reason_why_it_has_none(word: str, escape: str) -> None:
    for variables in ({}, {"x": "a b"}, {"x": None}):
        expansion = expand(word, variables, escape)
        assert (expansion.value is None) == bool(expansion.unknown or expansion.error)
        assert set(expansion.unknown) <= {"x"} if "x" in variables else expansion.unknown == ()

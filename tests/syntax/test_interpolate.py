import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro_audit.source import Source, Span
from repro_audit.syntax.interpolate import Expansion, env_file, expand


def expanded(text: str, **variables: str) -> Expansion:
    return expand(Source("compose.yaml", text).excerpt(Span(0, len(text))), variables)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("$A-x", "1-x"),
        ("${A}", "1"),
        ("$$A", "$A"),
        ("${A:-d}", "1"),
        ("${E:-d}", "d"),
        ("${E-d}", ""),
        ("${X-d}", "d"),
        ("${X:-}", ""),
        ("${X:-a$${b}", "a${b"),
        ("${X:-${A}}", "1"),
        ("${X:-${Y:-deep}}", "deep"),
        ("${A:+yes}", "yes"),
        ("${E:+yes}", ""),
        ("${E+yes}", "yes"),
        ("${A:?must}", "1"),
        ("a/${A}/b/${A}", "a/1/b/1"),
    ],
)
def test_variables_are_filled_in_as_compose_does(text: str, value: str) -> None:
    found = expanded(text, A="1", E="")
    assert found.known == value
    assert not found.errors


def test_a_variable_without_value_or_default_is_named_and_left_as_written() -> None:
    found = expanded("a:${TAG}-$B${C:?set C}")
    assert found.unknown == ("TAG", "B", "C")
    assert found.known is None
    assert found.text.text == "a:${TAG}-$B${C:?set C}"


def test_a_lone_dollar_is_an_error_with_its_place() -> None:
    for text, start in (("a $ b", 2), ("x${", 1), ("${1}", 0), ("${A!}", 0)):
        errors = expanded(text).errors
        assert errors
        assert errors[0].span.start == start


def test_what_follows_a_variable_keeps_its_place() -> None:
    found = expanded("run ${A} --flag", A="a much longer value")
    at = found.text.text.index("--flag")
    assert found.text.span(at, at + 6) == Span(9, 15)


def test_defaults_nested_without_measure_end() -> None:
    assert expanded("${A:-" * 5000 + "}" * 5000).errors


def test_an_env_file_gives_its_variables() -> None:
    text = (
        "# note\nTAG=1.2\nexport NAME = app # why\nIMAGE=${NAME}:$TAG\nRAW='$TAG #'\n"
        'TWO="a\\nb # c"\nEMPTY=\nnot a variable\n'
    )
    assert env_file(Source(".env", text)) == {
        "TAG": "1.2",
        "NAME": "app",
        "IMAGE": "app:1.2",
        "RAW": "$TAG #",
        "TWO": "a\nb # c",
        "EMPTY": "",
    }


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="${}AB:-+?x \n", max_size=40))
def test_any_text_is_expanded_with_places_inside_it(text: str) -> None:
    found = expanded(text, A="v")
    assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name) for name in env_file(Source(".env", text)))
    assert expanded(text.replace("$", "$$")).known == text
    assert len(found.text.text) <= len(text)
    whole = found.text.whole
    assert 0 <= whole.start <= whole.end <= len(text)
    for error in found.errors:
        assert 0 <= error.span.start <= error.span.end <= len(text)

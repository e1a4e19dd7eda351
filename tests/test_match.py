"""The `match` vocabulary."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from repro_audit.facts.pin import Level
from repro_audit.match import MatchError, compile_match
from repro_audit.vocabulary import check_paths


@dataclass
class Part:
    final: bool = True
    env: dict[str, str] = field(default_factory=lambda: {"CUDA": "12"})


@dataclass
class Fact:
    tag: str | None = None
    args: tuple[str, ...] = ()
    level: Level = Level.FLOATING
    stage: Part | None = field(default_factory=Part)
    parts: tuple[Part, ...] = (Part(False), Part(True))


@pytest.mark.parametrize(
    ("spec", "fact", "expected"),
    [
        ({}, Fact(), True),
        ({"tag": None}, Fact(), True),
        ({"tag": None}, Fact("x"), False),
        ({"tag": [None, "latest"]}, Fact("latest"), True),
        ({"tag": [None, "latest"]}, Fact("3"), False),
        ({"tag": 22}, Fact("22"), True),
        ({"level": ["floating", "ranged"]}, Fact(), True),
        ({"level": "hashed"}, Fact(), False),
        ({"args": "--pre"}, Fact(args=("-U", "--pre")), True),
        ({"args": {"not": "--pre"}}, Fact(args=("-U", "--pre")), False),
        ({"args": {"all": ["-U", "--pre"]}}, Fact(args=("-U", "--pre")), True),
        ({"args": {"any": ["-x", {"regex": "^--p"}]}}, Fact(args=("-U", "--pre")), True),
        ({"args": {"missing": True}}, Fact(), True),
        ({"args": {"missing": False}}, Fact(args=("a",)), True),
        ({"nothing": {"missing": True}}, Fact(), True),
        ({"tag": {"regex": "^cu.*-devel"}}, Fact("cu12-devel-x"), True),
        ({"tag": {"regex": "a"}}, Fact(), False),
        ({"tag": {"version": "<20.04"}}, Fact("18.04-slim"), True),
        ({"tag": {"version": "<20.04"}}, Fact("20.04"), False),
        ({"tag": {"version": ">=3.9,<3.10"}}, Fact("3.9.18"), True),
        ({"tag": {"version": ">=3.9,<3.10"}}, Fact("3.10"), False),
        ({"tag": {"version": "==20.4"}}, Fact("v20.04.0"), True),
        ({"tag": {"version": "<20.04"}}, Fact("latest"), False),
        ({"tag": {"version": "<20.04"}}, Fact(), False),
        ({"stage.final": True}, Fact(), True),
        ({"stage.final": True}, Fact(stage=None), False),
        ({"stage.env.CUDA": "12"}, Fact(), True),
        ({"stage.env.ROCM": {"missing": True}}, Fact(), True),
        ({"parts.final": True}, Fact(), True),
        ({"parts.final": {"not": True}}, Fact(), False),
        ({"any": [{"tag": "a"}, {"level": "floating"}]}, Fact(), True),
        ({"all": [{"tag": "a"}, {"level": "floating"}]}, Fact(), False),
        ({"not": {"tag": "a"}}, Fact(), True),
        ({"tag": "a", "level": "floating"}, Fact("b"), False),
    ],
)
def test_a_match_holds_when_all_its_conditions_do(spec: object, fact: Fact, expected: bool) -> None:
    assert compile_match(spec)(fact) is expected


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ([], "expected a mapping"),
        ({"tag": 3.1}, "in quotes"),
        ({"tag": {"regexp": "a"}}, "unknown condition `regexp`"),
        ({"tag": {"regex": "("}}, "missing `)`"),
        ({"tag": {"version": "20"}}, "no bound"),
        ({"tag": {}}, "empty condition"),
        ({"any": {"tag": "a"}}, "expected a list"),
        ({"tag": {"missing": "yes"}}, "expected true or false"),
    ],
)
def test_what_is_not_in_the_vocabulary_is_an_error_that_says_what_is(spec: object, said: str) -> None:
    with pytest.raises(MatchError, match=said.replace("(", r"\(").replace(")", r"\)")):
        compile_match(spec)


def test_an_attribute_that_no_such_fact_has_is_an_error_naming_the_nearest() -> None:
    with pytest.raises(MatchError, match=r"ImageRef has no attribute `tga`; did you mean `tag`"):
        check_paths({"tga": None}, ("image",))
    with pytest.raises(MatchError, match="Stage has no attribute `fnal`"):
        check_paths({"any": [{"stage.fnal": True}]}, ("image",))


def test_paths_through_facts_tuples_and_mappings_are_known() -> None:
    check_paths({"stage.env.CUDA": None, "stage.root.repository": "x", "not": {"pin.level": "floating"}}, ("image",))
    check_paths({"ports.host_ip": None, "image.tag": None, "stage.user": None}, ("container",))
    check_paths({"node.json": True, "commands.name": "x"}, ("instruction",))
    check_paths({"specifier": "", "tag": "x"}, ("input",))
    check_paths({"file.kind": "dockerfile", "project.files.path": "x"}, ("dockerfile",))

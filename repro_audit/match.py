"""The `match` vocabulary of rule files, compiled to functions. Called by the engine and the rule book.

A match is a mapping from a fact's attributes to conditions, all of which must hold:

    tag: [null, latest]            equal to one of these
    stage.final: true              a dotted path goes on into the attribute's own attributes (or a mapping's keys)
    repository: {regex: "^acme/"}  a pattern occurs in it (the safe language of `pattern`)
    digest: {missing: true}        None, empty, or not there
    tag: {version: ">=18.04,<22"}  the number at its start lies in a range
    user: {not: [root, "0"]}       the condition does not hold
    args: {all: [--foo, {regex: ^x}]}   each of these holds; `any`: one of them does

`any`, `all` and `not` may also stand in place of an attribute, with whole matches. An attribute that holds several
values (`args`, `ports`) fulfils a condition when one of them does.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping

from repro_audit import pattern

Test = Callable[[object], bool]

_OPERATORS = ("regex", "not", "missing", "version", "any", "all")
_MANY = (tuple, list, frozenset, set)
# Longer subjects are no names, tags or words; the pattern engine is linear, but slow in its constant.
_SUBJECT_LIMIT = 20_000


class MatchError(ValueError):
    """A `match` that is not in the vocabulary; the message says where and why."""


def compile_match(spec: object) -> Test:
    """The function that tells whether a fact fulfils `spec`; raises MatchError."""
    if not isinstance(spec, Mapping):
        raise MatchError(f"match: expected a mapping from attributes to conditions, found {_shown(spec)}")
    return _all([_clause(str(key), value) for key, value in spec.items()])


def paths(spec: object) -> list[str]:
    """The attribute paths that a match names, for checking that they exist."""
    found: list[str] = []
    if isinstance(spec, Mapping):
        for key, value in spec.items():
            if key in ("any", "all"):
                found += [path for part in value if isinstance(value, list) for path in paths(part)]
            elif key == "not":
                found += paths(value)
            else:
                found.append(str(key))
    return found


def _clause(key: str, value: object) -> Test:
    if key in ("any", "all"):
        if not isinstance(value, list):
            raise MatchError(f"match.{key}: expected a list of matches, found {_shown(value)}")
        tests = [compile_match(part) for part in value]
        return _any(tests) if key == "any" else _all(tests)
    if key == "not":
        test = compile_match(value)
        return lambda fact: not test(fact)
    condition = _condition(key, value)
    if "." not in key:
        return lambda fact: condition(getattr(fact, key, None))
    first, *rest = key.split(".")

    def reach(fact: object) -> bool:
        found = getattr(fact, first, None)
        for name in rest:
            found = _step(found, name)
        return condition(found)

    return reach


def _step(value: object, name: str) -> object:
    if isinstance(value, Mapping):
        return value.get(name)
    if isinstance(value, _MANY):
        found: list[object] = []
        for item in value:
            inner = _step(item, name)
            found.extend(inner) if isinstance(inner, _MANY) else found.append(inner)
        return tuple(found)
    return getattr(value, name, None)


def _condition(key: str, spec: object) -> Test:
    if isinstance(spec, list):
        if all(item is None or isinstance(item, str) for item in spec):
            return _each(_one_of(frozenset(spec)))
        return _any([_condition(key, item) for item in spec])
    if isinstance(spec, Mapping):
        if not spec:
            raise MatchError(f"match.{key}: an empty condition")
        return _all([_operator(key, str(name), value) for name, value in spec.items()])
    if spec is None or isinstance(spec, str):
        return _each(_one_of(frozenset((spec,))))
    if isinstance(spec, bool):
        return _each(lambda value: value is spec)
    if isinstance(spec, int):
        # A tag written without quotes (`tag: 22`) is a number to YAML and text in the fact.
        return _each(lambda value: value is not True and value is not False and value in (spec, str(spec)))
    if isinstance(spec, float):
        raise MatchError(f'match.{key}: write {spec} in quotes ("{spec}"), or 3.10 becomes 3.1')
    raise MatchError(f"match.{key}: cannot compare with {_shown(spec)}")


def _operator(key: str, name: str, value: object) -> Test:
    place = f"match.{key}.{name}"
    if name == "regex":
        if not isinstance(value, str):
            raise MatchError(f"{place}: expected text, found {_shown(value)}")
        try:
            search = pattern.search(value)
        except pattern.PatternError as error:
            raise MatchError(f"{place}: {error}") from None
        return _each(lambda found: isinstance(found, str) and search(found[:_SUBJECT_LIMIT]))
    if name == "not":
        test = _condition(key, value)
        return lambda found: not test(found)
    if name == "missing":
        if not isinstance(value, bool):
            raise MatchError(f"{place}: expected true or false, found {_shown(value)}")
        return lambda found: (found is None or found == "" or (isinstance(found, _MANY) and not found)) is value
    if name == "version":
        if not isinstance(value, str):
            raise MatchError(f'{place}: expected a range such as "<20.04", found {_shown(value)}')
        return _each(_version(place, value))
    if name in ("any", "all"):
        if not isinstance(value, list):
            raise MatchError(f"{place}: expected a list of conditions, found {_shown(value)}")
        tests = [_condition(key, item) for item in value]
        return _any(tests) if name == "any" else _all(tests)
    raise MatchError(f"match.{key}: unknown condition `{name}`; known are {', '.join(_OPERATORS)}")


def _one_of(allowed: frozenset[str | None]) -> Test:
    def test(value: object) -> bool:
        if isinstance(value, enum.Enum):
            return value.name.lower() in allowed
        return (value is None or isinstance(value, str)) and value in allowed

    return test


def _each(test: Test) -> Test:
    def some(value: object) -> bool:
        if isinstance(value, _MANY):
            return any(test(item) for item in value)
        return test(value)

    return some


def _any(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]
    return lambda value: any(test(value) for test in tests)


def _all(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]
    return lambda value: all(test(value) for test in tests)


_BOUND = re.compile(r"\s*(<=|>=|==|!=|<|>)\s*v?(\d{1,9}(?:\.\d{1,9}){0,9})\s*\Z")
_NUMBER = re.compile(r"v?(\d{1,9}(?:\.\d{1,9}){0,9})")
_COMPARE: dict[str, Callable[[int], bool]] = {
    "<": lambda sign: sign < 0,
    "<=": lambda sign: sign <= 0,
    ">": lambda sign: sign > 0,
    ">=": lambda sign: sign >= 0,
    "==": lambda sign: sign == 0,
    "!=": lambda sign: sign != 0,
}


def _version(place: str, text: str) -> Test:
    """A test for the number at the start of a text (`20.04-slim` is 20.04); text without one fulfils no range."""
    bounds: list[tuple[Callable[[int], bool], tuple[int, ...]]] = []
    for part in text.split(","):
        found = _BOUND.match(part)
        if found is None:
            raise MatchError(f'{place}: "{part}" is no bound such as "<20.04" or ">=3.8"')
        bounds.append((_COMPARE[found[1]], _numbers(found[2])))

    def test(value: object) -> bool:
        found = _NUMBER.match(value) if isinstance(value, str) else None
        if found is None:
            return False
        numbers = _numbers(found[1])
        return all(holds((numbers > bound) - (numbers < bound)) for holds, bound in bounds)

    return test


def _numbers(text: str) -> tuple[int, ...]:
    numbers = [int(part) for part in text.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()  # 20.4.0 is 20.4
    return tuple(numbers)


def _shown(value: object) -> str:
    return f"{type(value).__name__} {str(value)[:40]!r}"

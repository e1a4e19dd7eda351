"""Values of variables as a shell expands them (POSIX 2.6.2 and bash's `/`), where they are known."""

from __future__ import annotations

import re
from collections.abc import Mapping

from repro_audit.syntax.shell_node import Variable
from repro_audit.syntax.shell_word import detached

_DEPTH = 8
_LONGEST = 256  # characters of a value that a pattern is matched against: the time grows with its cube
_WILD = re.compile(r"[*?\[\\]")


def value(variable: Variable, variables: Mapping[str, str | None]) -> str | None:
    """What the variable stands for; None when unknown. For `:-` and its like a name not in the mapping is unset."""
    return _value(variable.name, variable.operator, variable.operand, variables, 0)


def _value(name: str, operator: str, operand: str, variables: Mapping[str, str | None], depth: int) -> str | None:
    if depth > _DEPTH or not (name[0].isalpha() or name[0] == "_"):
        return None
    known = variables.get(name)
    missing = name not in variables
    if not operator:
        return known
    if operator in (":-", ":=", "-", "="):
        if missing or (known == "" and operator[0] == ":"):
            return _text(operand, variables, depth)
        return known
    if operator in (":+", "+"):
        if missing or (known == "" and operator[0] == ":"):
            return ""
        return None if known is None else _text(operand, variables, depth)
    if known is None:
        return None
    if operator in (":?", "?"):
        return known
    if operator in ("^^", ",,") and not operand:
        return known.upper() if operator == "^^" else known.lower()
    if operator in ("^", ",") and not operand:
        return (known[:1].upper() if operator == "^" else known[:1].lower()) + known[1:]
    if operator[0] == "/":
        return _replaced(known, operator, operand, variables, depth)
    if operator[0] in "#%":
        pattern = _text(operand, variables, depth)
        return None if pattern is None else _trimmed(known, operator, pattern)
    return None


def _text(operand: str, variables: Mapping[str, str | None], depth: int) -> str | None:
    texts: list[str] = []
    for segment in detached(operand):
        if segment.kind == "L":
            texts.append(segment.text)
            continue
        if segment.kind == "S":
            return None
        inner = _value(segment.name, segment.operator, segment.operand, variables, depth + 1)
        if inner is None:
            return None
        texts.append(inner)
    return "".join(texts)


def _regex(pattern: str, lazy: bool) -> re.Pattern[str] | None:
    """A shell pattern of `*` and `?` as a regular expression; None for more than that."""
    if "[" in pattern or "\\" in pattern or pattern.count("*") > 2:
        return None
    star = ".*?" if lazy else ".*"
    return re.compile("".join(star if c == "*" else "." if c == "?" else re.escape(c) for c in pattern), re.DOTALL)


def _trimmed(text: str, operator: str, pattern: str) -> str | None:
    if _WILD.search(pattern) is None:
        if operator[0] == "#":
            return text.removeprefix(pattern)
        return text.removesuffix(pattern)
    if len(text) > _LONGEST:
        return None
    regex = _regex(pattern, lazy=operator == "#")
    if regex is None:
        return None
    if operator[0] == "#":
        match = regex.match(text)
        return text[match.end() :] if match else text
    # A suffix: the shortest one starts latest, the longest earliest.
    starts = range(len(text), -1, -1) if operator == "%" else range(len(text) + 1)
    for start in starts:
        if regex.fullmatch(text, start):
            return text[:start]
    return text


def _replaced(text: str, operator: str, operand: str, variables: Mapping[str, str | None], depth: int) -> str | None:
    slash, escaped = len(operand), False
    for at, sign in enumerate(operand):  # the first slash that is not escaped parts pattern and replacement
        if sign == "/" and not escaped:
            slash = at
            break
        escaped = sign == "\\" and not escaped
    pattern, replacement = _text(operand[:slash], variables, depth), _text(operand[slash + 1 :], variables, depth)
    if pattern is None or replacement is None or len(text) > _LONGEST:
        return None
    if not pattern:
        return text
    regex = _regex(pattern, lazy=False)
    if regex is None:
        return None
    if operator.endswith("#"):
        match = regex.match(text)
        return replacement + text[match.end() :] if match else text
    if operator.endswith("%"):
        return next((text[:i] + replacement for i in range(len(text) + 1) if regex.fullmatch(text, i)), text)
    return regex.sub(lambda _: replacement, text, count=0 if operator == "//" else 1)

"""Words of a shell script: quotes removed, escapes processed, variables and substitutions told apart.

Follows POSIX 2.2 (quoting) and 2.6 (expansions) with bash's `$'...'`. Called for every word of every command.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from repro_audit.source import Excerpt, Span, join
from repro_audit.syntax.shell_heredoc import pieces
from repro_audit.syntax.shell_node import Literal, Part, Substitution, Variable, Word
from repro_audit.syntax.shell_place import Places

_SPECIAL = re.compile(r"[\\'\"$`]")
_PLAIN_RUN = re.compile(r"[^\\'\"$`]+")
_QUOTED_RUN = re.compile(r"[^\\\"$`]+")
_OPERATOR = r":?[-+=?]|##?|%%?|//?[#%]?|\^\^?|,,?"
_NAME = re.compile(r"\$(?:([A-Za-z_][A-Za-z0-9_]*)|([@*#?$!0-9-]))")
_BRACED = re.compile(rf"\$\{{([A-Za-z_][A-Za-z0-9_]*|[@*#?$!0-9-])(?:({_OPERATOR})([^{{}}$`'\"\\]*))?\}}")
_INSIDE = re.compile(rf"([A-Za-z_][A-Za-z0-9_]*|[@*#?$!0-9-])(?:({_OPERATOR})(.*))?\Z", re.DOTALL)
_NESTING = re.compile(r"\\.|\$\(|\$\{|[()}'\"`]", re.DOTALL)
_ANSI = re.compile(
    r"\\(?:([abeEfnrtv\\'\"?])|([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8})|c(.))",
    re.DOTALL,
)
_ANSI_NAMED = {"a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class Segment(NamedTuple):
    """A stretch `[start, end)` of the script and what it stands for.

    `kind` is `L` (fixed text, in `text`), `V` (variable, with `name`, `operator`, `operand`) or `S` (substitution).
    """

    kind: str
    text: str
    start: int
    end: int
    quoted: bool
    name: str = ""
    operator: str = ""
    operand: str = ""


def word(places: Places, start: int, end: int) -> Word:
    """The word that stands at `[start, end)` of the script."""
    raw = places.text[start:end]
    span = places.span(start, end)
    if _SPECIAL.search(raw) is None:
        if raw[:2] in ("<(", ">("):
            return Word(raw, span, (Substitution(raw, span),))
        return Word(raw, span, (Literal(raw, span),))
    first, last = raw[0], raw[-1]
    if first == last and first in "'\"" and len(raw) > 1 and _SPECIAL.search(raw, 1, len(raw) - 1) is None:
        return Word(raw, span, (Literal(raw[1:-1], Span(span.start + 1, span.end - 1)),), True)
    return _assembled(places, raw, span, segments(places.text, start, end))


def _assembled(places: Places, raw: str, span: Span, found: list[Segment]) -> Word:
    parts: list[Part] = []
    texts: list[str] = []
    low = high = -1
    quoted = True
    for segment in found:
        quoted = quoted and segment.quoted
        if segment.kind == "L":
            if not texts:
                low = segment.start
            texts.append(segment.text)
            high = segment.end
            continue
        if texts:
            parts.append(Literal("".join(texts), places.span(low, high)))
            texts = []
        place = places.span(segment.start, segment.end)
        if segment.kind == "V":
            parts.append(Variable(segment.name, segment.operator, segment.operand, place, segment.text, segment.quoted))
        else:
            parts.append(Substitution(segment.text, place))
    if texts:
        parts.append(Literal("".join(texts), places.span(low, high)))
    if not parts:
        parts.append(Literal("", span))
    return Word(raw, span, tuple(parts), quoted)


def taken(excerpt: Excerpt) -> Word:
    """A word of an exec form: its text is what it is, whatever signs stand in it."""
    span = excerpt.whole
    return Word(excerpt.text, span, (Literal(excerpt.text, span),), True)


def detached(text: str) -> tuple[Segment, ...]:
    """The segments of text that has no place of its own, such as the operand of `${x:-...}`."""
    return tuple(segments(text, 0, len(text)))


def nested(excerpt: Excerpt, found: list[Segment]) -> Excerpt:
    """What the word comes to as a script of its own, each character leading back to the file.

    Variables and substitutions stay as written: the inner shell sees their values, which are not known here.
    """
    parts: list[tuple[str, int, int]] = []
    for segment in found:
        if len(segment.text) == segment.end - segment.start:
            parts.extend(pieces(excerpt.sub(segment.start, segment.end)))
        else:
            place = excerpt.span(segment.start, segment.end)
            parts.append((segment.text, place.start, place.end - place.start))
    return join(excerpt.source, parts)


def segments(text: str, start: int, end: int) -> list[Segment]:
    """The word at `[start, end)` of the text in pieces, quotes and dropped line ends left out."""
    found: list[Segment] = []
    add = found.append
    i = start
    double = False
    empty = True  # nothing at all seen inside the current quotes
    while i < end:
        sign = text[i]
        if sign == "\\":
            following = text[i + 1 : i + 2] if i + 1 < end else ""
            if following == "\n":
                pass
            elif not following:
                add(Segment("L", "\\", i, end, double))
            elif double and following not in '$`"\\':
                add(Segment("L", "\\" + following, i, i + 2, True))
            else:
                add(Segment("L", following, i, i + 2, double))
            empty = False
            i += 2
        elif sign == '"':
            if double and empty:
                add(Segment("L", "", i, i, True))
            double = not double
            empty = True
            i += 1
        elif sign == "'" and not double:
            close = text.find("'", i + 1, end)
            close = end if close < 0 else close
            add(Segment("L", text[i + 1 : close], i + 1, close, True))
            i = close + 1
        elif sign == "$":
            empty = False
            i = _dollar(text, i, end, double, add)
        elif sign == "`":
            empty = False
            close = _backquote(text, i + 1, end)
            add(Segment("S", text[i:close], i, close, double))
            i = close
        elif sign in "<>" and not double and text.startswith("(", i + 1):
            close = closing(text, i + 2, end, ")")
            add(Segment("S", text[i:close], i, close, False))
            i = close
        else:
            match = (_QUOTED_RUN if double else _PLAIN_RUN).match(text, i, end)
            assert match is not None
            add(Segment("L", match.group(), i, match.end(), double))
            empty = False
            i = match.end()
    return found


def _dollar(text: str, i: int, end: int, double: bool, add: object) -> int:
    """Adds what the `$` at `i` begins and returns where it ends."""
    emit = add
    assert callable(emit)
    following = text[i + 1] if i + 1 < end else ""
    match = _NAME.match(text, i, end)
    if match is not None:
        name = match.group(1) or match.group(2)
        emit(Segment("V", match.group(), i, match.end(), double, name))
        return match.end()
    if following == "{":
        match = _BRACED.match(text, i, end)
        if match is not None:
            name, operator, operand = match.group(1), match.group(2) or "", match.group(3) or ""
            emit(Segment("V", match.group(), i, match.end(), double, name, operator, operand))
            return match.end()
        close = closing(text, i + 2, end, "}")
        inside = _INSIDE.match(text[i + 2 : close - 1]) if text[close - 1] == "}" else None
        if inside is not None:
            name, operator, operand = inside.group(1), inside.group(2) or "", inside.group(3) or ""
            emit(Segment("V", text[i:close], i, close, double, name, operator, operand))
        else:
            emit(Segment("S", text[i:close], i, close, double))
        return close
    if following == "(":
        close = closing(text, i + 2, end, ")")
        emit(Segment("S", text[i:close], i, close, double))
        return close
    if following == "'" and not double:
        close = i + 2
        while close < end and text[close] != "'":
            close += 2 if text[close] == "\\" else 1
        close = min(close, end)
        emit(Segment("L", _ANSI.sub(_ansi, text[i + 2 : close]), i + 2, close, True))
        return close + 1
    if following == '"' and not double:
        return i + 1
    emit(Segment("L", "$", i, i + 1, double))
    return i + 1


def _ansi(match: re.Match[str]) -> str:
    named, octal, hexa, short, long, control = match.groups()
    if named is not None:
        return _ANSI_NAMED.get(named, named)
    if control is not None:
        return chr(ord(control) & 31)
    code = int(octal, 8) & 255 if octal is not None else int(hexa or short or long, 16)
    return chr(code) if code <= 0x10FFFF else ""


def _backquote(text: str, i: int, end: int) -> int:
    while i < end and text[i] != "`":
        i += 2 if text[i] == "\\" else 1
    return min(i + 1, end)


def closing(text: str, i: int, end: int, closer: str) -> int:
    """Where what was opened before `i` ends: past its `closer`, quotes and nesting respected, or `end`."""
    stack = [closer]
    while stack:
        match = _NESTING.search(text, i, end)
        if match is None:
            return end
        sign = match.group()
        i = match.end()
        top = stack[-1]
        if sign[0] == "\\":
            continue
        if sign == "$(":
            stack.append(")")
        elif sign == "${":
            stack.append("}")
        elif top == '"':
            if sign == '"':
                stack.pop()
            elif sign == "`":
                stack.append("`")
        elif sign == top:
            stack.pop()
        elif sign in '"`':
            stack.append(sign)
        elif sign == "'":
            close = text.find("'", i, end)
            i = end if close < 0 else close + 1
        elif sign == "(":
            stack.append(")")
    return i

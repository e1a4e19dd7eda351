"""What a YAML scalar says: the value of a plain one, and where each character of any of them stands in the file.

Called by `syntax.yaml` for every scalar.
"""

from __future__ import annotations

import re

from repro_audit.source import Excerpt, Source, join

_WORDS: dict[str, str | int | float | bool | None] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}
_INTEGER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_BLANK = " \t\r\n\x85\u2028\u2029"
_CHUNK = re.compile(rf"[^{_BLANK}]+(?:[ \t]+[^{_BLANK}]+)*")
_SINGLE = re.compile(rf"''|[^{_BLANK}']+(?:[ \t]+[^{_BLANK}']+)*")
_DOUBLE = re.compile(
    r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|\r?\n[ \t]*|[^\r\n])"
    rf"|[^{_BLANK}\\]+(?:[ \t]+[^{_BLANK}\\]+)*"
)
_ESCAPES = {
    "0": "\0",
    "a": "\a",
    "b": "\b",
    "t": "\t",
    "\t": "\t",
    "n": "\n",
    "v": "\v",
    "f": "\f",
    "r": "\r",
    "e": "\x1b",
    " ": " ",
    "N": "\x85",
    "_": "\xa0",
    "L": "\u2028",
    "P": "\u2029",
}


def plain_value(text: str) -> str | int | float | bool | None:
    """What go-yaml v3 makes of a plain scalar: `yes`, `on` and dates are strings, `017` is octal, `1_000` a number."""
    first = text[:1]
    if first in "+-.0123456789" and first:
        if text in _WORDS:
            return _WORDS[text]
        if first == ".":
            return float(text) if _FLOAT.match(text) else text
        digits = text.replace("_", "") if "_" in text else text
        if len(digits) <= 20 and _INTEGER.match(digits):
            return _integer(digits)
        if _FLOAT.match(digits):
            return float(digits)
        return text
    if len(text) < 6:
        return _WORDS.get(text, text)
    return text


def _integer(digits: str) -> int:
    sign = -1 if digits[0] == "-" else 1
    body = digits.lstrip("+-").lower()
    if body[:2] in ("0x", "0b", "0o"):
        return sign * int(body, 0)
    return sign * int(body, 8 if body[0] == "0" else 10)


def content_of(source: Source, text: str, value: str, style: str | None, start: int, end: int) -> Excerpt:
    """`value` with the place of each character. `text[start:end]` is the scalar as written, quotes or `|` included."""
    if style in ("'", '"') and end - start == len(value) + 2:
        return Excerpt(source, value, ((0, start + 1, len(value)),))
    if not value:
        return Excerpt(source, "", ((0, min(start + 1, end) if style else start, 0),))
    parts: list[tuple[str, int, int]] | None
    if style == "|":
        parts = _literal(text, value, start, end)
    elif style == ">":
        header = text.find("\n", start, end)
        parts = _aligned(text, value, _CHUNK, header + 1, end)
    elif style == "'":
        parts = _aligned(text, value, _SINGLE, start + 1, end - 1)
    elif style == '"':
        parts = _aligned(text, value, _DOUBLE, start + 1, end - 1)
    else:
        parts = _aligned(text, value, _CHUNK, start, end)
    if parts is None:
        return Excerpt(source, value, ((0, start, end - start),))
    return join(source, parts)


def _literal(text: str, value: str, start: int, end: int) -> list[tuple[str, int, int]] | None:
    """A `|` block, line by line: each line of the value is the end of its line in the file."""
    header = _LINE_END.search(text, start, end)
    if header is None:
        return None
    parts: list[tuple[str, int, int]] = []
    at, place = 0, header.end()
    size = len(value)
    indent = -1
    while at < size:
        stop = value.find("\n", at)
        line = value[at : stop if stop != -1 else size]
        ending = _LINE_END.search(text, place, end)
        line_end, next_place = (ending.start(), ending.end()) if ending else (end, end)
        begin = line_end - len(line)
        if begin < place or text[begin:line_end] != line:
            # Only a line separator of another kind inside the line gets here.
            return None
        if line and indent < 0:
            indent = begin - place
        if stop == -1:
            parts.append((line, begin, len(line)))
            break
        if next_place - line_end == 1:
            parts.append((value[at : stop + 1], begin, stop + 1 - at))
        else:
            parts.append((line, begin, len(line)))
            parts.append(("\n", line_end, next_place - line_end))
        at, place = stop + 1, next_place
    return parts


def _aligned(text: str, value: str, token: re.Pattern[str], start: int, end: int) -> list[tuple[str, int, int]] | None:
    """Value and file agree on everything but white space (which folding changes) and escapes: match them up in turn."""
    parts: list[tuple[str, int, int]] = []
    at, place = 0, start
    size = len(value)
    for match in token.finditer(text, start, end):
        raw = match.group()
        made = raw
        if token is _DOUBLE and raw[0] == "\\":
            made = _unescaped(raw)
        elif raw == "''":
            made = "'"
        if (made and made[0] not in " \n\t\r") or made == raw:
            gap = at
            while gap < size and value[gap] in " \n\t\x85\u2028\u2029" and not value.startswith(made, gap):
                gap += 1
        else:
            gap = value.find(made, at) if made else at
        if gap > at:
            parts.append((value[at:gap], place, match.start() - place))
        if not value.startswith(made, gap):
            return None
        parts.append((made, match.start(), len(raw)))
        at, place = gap + len(made), match.end()
    if at < size:
        parts.append((value[at:], place, max(end - place, 0)))
    return parts


def _unescaped(raw: str) -> str:
    kind = raw[1]
    if kind in "xuU":
        try:
            return chr(int(raw[2:], 16))
        except (ValueError, OverflowError):
            return raw
    if kind in "\r\n":
        return ""
    return _ESCAPES.get(kind, kind)

"""Parser directives (`# syntax=`, `# escape=`, `# check=`), and where BuildKit takes them for more than a comment.

Called by `syntax.dockerfile` only. BuildKit reads them twice, by different rules: its Dockerfile parser wants the
escape character and allows spaces before the `#`; whoever looks for `syntax` and `check` skips a first line that
begins with `#!` and allows no spaces there.
"""

from __future__ import annotations

import re

from repro_audit.source import Span
from repro_audit.syntax.go_text import SPACE

_DIRECTIVE = re.compile(r"([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=[\t\n\f\r ]*([^\n]+?)[\t\n\f\r ]*\Z")
_KNOWN = ("syntax", "escape", "check")


class Top:
    """What the top of a file says. `lines` are the indexes of lines that the parser takes for directives."""

    __slots__ = ("errors", "escape", "found", "lines")

    def __init__(self) -> None:
        self.escape = "\\"
        self.found: list[tuple[str, str, Span, Span]] = []
        self.errors: list[tuple[Span, str]] = []
        self.lines: set[int] = set()


def read(text: str, lines: list[str]) -> Top:
    """The directives of a file given as its text and its lines; `found` is in file order."""
    top = Top()
    if not lines:
        return top
    if lines[0].lstrip(SPACE)[:1] == "#":
        _read_escape(lines, top)
        _find(lines, "#", ("syntax", "check"), top)
        top.found.sort(key=lambda directive: directive[2])
    shebang = lines[0].startswith("#!")
    start = lines[1] if shebang and len(lines) > 1 else lines[0]
    if start[:2] == "//" and not any(directive[0] == "syntax" for directive in top.found):
        _find(lines, "//", ("syntax",), top)
    elif start.lstrip()[:1] == "{":
        _find_json(text[len(lines[0]) :] if shebang else text, top)
    return top


def _read_escape(lines: list[str], top: Top) -> None:
    """What the Dockerfile parser itself makes of the directives: the escape character, and errors."""
    seen: set[str] = set()
    offset = 0
    for index, raw in enumerate(lines):
        line = raw.rstrip("\r")
        body = line.lstrip(SPACE)
        if body[:1] != "#":
            return
        match = _DIRECTIVE.match(body[1:].lstrip(SPACE))
        name = match.group(1).lower() if match else ""
        if match is None or name not in _KNOWN:
            return
        span = Span(offset + len(line) - len(body), offset + len(line))
        if name in seen:
            top.errors.append((span, f"only one {name} parser directive can be used"))
        else:
            seen.add(name)
            top.lines.add(index)
            if name == "escape":
                value = match.group(2)
                if value in ("`", "\\"):
                    top.escape = value
                    start = offset + line.rindex(value)
                    top.found.append((name, value, span, Span(start, start + 1)))
                else:
                    top.errors.append((span, f"invalid escape token '{value}' does not match ` or \\"))
        offset += len(raw) + 1


def _find(lines: list[str], mark: str, names: tuple[str, ...], top: Top) -> None:
    """What those see that look for one directive without parsing the file."""
    offset = 0
    seen: set[str] = set()
    for index, raw in enumerate(lines):
        if index == 0 and raw.startswith("#!"):
            offset += len(raw) + 1
            continue
        if not raw.startswith(mark):
            return
        body = raw[len(mark) :].lstrip(SPACE)
        match = _DIRECTIVE.match(body)
        name = match.group(1).lower() if match else ""
        if match is None or name not in _KNOWN or name in seen:
            return
        seen.add(name)
        if name in names:
            start = offset + len(raw) - len(body)
            value_span = Span(start + match.start(2), start + match.end(2))
            top.found.append((name, match.group(2), Span(offset, offset + len(raw.rstrip("\r"))), value_span))
            top.lines.add(index)
        offset += len(raw) + 1


def _find_json(text: str, top: Top) -> None:
    """`{"syntax": "..."}`, for front ends whose files are JSON."""
    if '"syntax"' not in text or len(text) > 1_000_000:
        return
    import json

    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return
    value = content.get("syntax") if isinstance(content, dict) else None
    if isinstance(value, str):
        start = text.find('"syntax"')
        span = Span(start, start + len('"syntax"'))
        top.found.append(("syntax", value, span, span))

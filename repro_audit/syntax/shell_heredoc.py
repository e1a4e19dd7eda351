"""Here-documents of a shell script, taken out before the grammar sees it: it loses its way with several on one line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from repro_audit.source import Excerpt, join

_SIGN = re.compile(r"\\.|[\n'\"`()]|\$\(|<<<|<<-?|(?<![^\s;&|(])#", re.DOTALL)
_DELIMITER = re.compile(r"[ \t]*((?:[^\s<>|&;()\"'\\]|\\.|'[^'\n]*'|\"[^\"\n]*\")+)")
_QUOTING = re.compile(r"\\(.)|['\"]", re.DOTALL)


class Heredoc(NamedTuple):
    """One here-document: its operator and where that stands, its body, whether variables count in it."""

    at: int
    op: str
    body: Excerpt
    expand: bool
    terminated: bool


def with_bodies(text: Excerpt, heredocs: Iterable[tuple[str, Excerpt]]) -> Excerpt:
    """A command line followed by its here-documents (delimiter and body), as a shell reads it from a file."""
    end = text.whole.end
    parts = pieces(text)
    for name, body in heredocs:
        parts.append(("\n", end, 0))
        parts.extend(pieces(body))
        end = max(end, body.whole.end)
        parts.append((name if not body.text or body.text.endswith("\n") else "\n" + name, end, 0))
    return join(text.source, parts)


def pieces(text: Excerpt) -> list[tuple[str, int, int]]:
    """The excerpt in the parts that `join` takes."""
    stops = [piece[0] for piece in text.pieces[1:]] + [len(text.text)]
    return [(text.text[at:stop], place, length) for (at, place, length), stop in zip(text.pieces, stops, strict=True)]


def take_out(excerpt: Excerpt) -> tuple[str, dict[int, Heredoc]]:
    """The text with `<<X` turned into `< X` and bodies blanked, its length unchanged; and the bodies by place."""
    text = excerpt.text
    if "<<" not in text:
        return text, {}
    found: dict[int, Heredoc] = {}
    waiting: list[tuple[int, str, str, bool]] = []
    out: list[str] = []  # the text up to `copied`, rewritten
    copied = 0
    stack: list[str] = []  # what is open: `"` or `)`
    i, size = 0, len(text)
    while match := _SIGN.search(text, i):
        sign = match.group()
        i = match.end()
        top = stack[-1] if stack else ""
        if sign[0] == "\\":
            continue
        if sign == '"':
            if top == '"':
                stack.pop()
            else:
                stack.append('"')
        elif sign == "$(" or (sign == "(" and top != '"'):
            if text.startswith("(", i):  # arithmetic, where `<<` shifts
                close = text.find("))", i)
                i = size if close < 0 else close + 2
            else:
                stack.append(")")
        elif top == '"':
            continue
        elif sign == "'":
            close = text.find("'", i)
            i = size if close < 0 else close + 1
        elif sign == ")":
            if top == ")":
                stack.pop()
        elif sign == "#":
            close = text.find("\n", i)
            i = size if close < 0 else close
        elif sign in ("<<", "<<-"):
            delimiter = _DELIMITER.match(text, i)
            if delimiter is not None:
                raw = delimiter.group(1)
                name = _QUOTING.sub(lambda m: m.group(1) or "", raw)
                waiting.append((match.start(), sign, name, name == raw))
                out.append(text[copied : match.start()])
                out.append("<" + " " * (len(sign) - 1))
                copied = i
                i = delimiter.end()
        elif sign == "\n" and waiting:
            out.append(text[copied:i])
            copied = i
            for at, op, name, expand in waiting:
                body_end, line_end, terminated = _end(text, i, name, op == "<<-")
                body = excerpt.sub(i, body_end)
                found[at] = Heredoc(at, op, _without_tabs(body) if op == "<<-" else body, expand, terminated)
                i = line_end
            waiting = []
            out.append(" " * (i - copied))
            copied = i
    for at, op, _, expand in waiting:
        found[at] = Heredoc(at, op, excerpt.sub(size, size), expand, False)
    out.append(text[copied:])
    return "".join(out), found


def _end(text: str, start: int, name: str, tabs: bool) -> tuple[int, int, bool]:
    """Where the body that starts at `start` ends, where its delimiter's line ends, and whether there is one."""
    close = re.compile(rf"^{chr(9) + '*' if tabs else ''}{re.escape(name)}(?:\r?\n|\Z)", re.MULTILINE).search(
        text, start
    )
    if close is None:
        return len(text), len(text), False
    return close.start(), close.end(), True


def _without_tabs(body: Excerpt) -> Excerpt:
    parts: list[Excerpt] = []
    at = 0
    for line in body.text.splitlines(keepends=True):
        parts.append(body.sub(at + len(line) - len(line.lstrip("\t")), at + len(line)))
        at += len(line)
    return join(body.source, [piece for part in parts for piece in pieces(part)])

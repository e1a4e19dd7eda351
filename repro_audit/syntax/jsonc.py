"""JSON with comments and trailing commas, as editors read `devcontainer.json`; plain JSON is a part of it.

Called by the reader of devcontainers and of lock files in JSON. Iterative, so no depth of nesting can hurt it.
"""

from __future__ import annotations

import re

from repro_audit.source import Excerpt, Source, Span, join
from repro_audit.syntax.error import Error
from repro_audit.syntax.tree import Document, Entry, Mapping, Node, Scalar, Sequence

# As for YAML: deeper than any real file, shallow enough for later walks to recurse.
MAX_DEPTH = 200

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n\ufeff]+|//[^\n]*|/\*)
    |(?P<mark>[{}\[\],:])
    |(?P<string>"(?:[^"\\\r\n]|\\[^\r\n])*"?)
    |(?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?(?![\w.+-]))
    |(?P<word>[^\s{}\[\],:"/]+|/)
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)")
_SIMPLE = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_LITERALS: dict[str, bool | None] = {"true": True, "false": False, "null": None}


def parse(source: Source) -> Document:
    """The file's one value. Reading goes on after an error as far as the brackets still make sense."""
    return _Reader(source).read()


class _Open:
    """An object or array whose end has not come yet, with its key in waiting."""

    __slots__ = ("children", "entries", "key", "mapping", "ready", "start")

    def __init__(self, mapping: bool, start: int) -> None:
        self.mapping = mapping
        self.start = start
        self.entries: list[Entry] = []
        self.children: list[Node] = []
        self.key: Scalar | None = None
        # What may come: `item` (a key or value), `colon`, `value`, `comma`.
        self.ready = "item"


class _Reader:
    """One pass over the tokens with a stack of open brackets."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.errors: list[Error] = []
        self.stack: list[_Open] = []
        self.root: Node | None = None
        self.beyond = 0

    def error(self, start: int, end: int, message: str) -> None:
        # After a hundred complaints the rest says nothing new.
        if len(self.errors) < 100:
            self.errors.append(Error(Span(start, end), message))

    def read(self) -> Document:
        text = self.source.text
        match_at = _TOKEN.match
        at, size = 0, len(text)
        while at < size:
            match = match_at(text, at)
            if match is None:
                self.error(at, at + 1, "this character is not allowed here")
                at += 1
                continue
            kind = match.lastgroup
            start, at = at, match.end()
            if kind == "space":
                if text.startswith("/*", start):
                    end = text.find("*/", at)
                    if end == -1:
                        self.error(start, start + 2, "comment without an end")
                        break
                    at = end + 2
            elif kind == "mark":
                self.mark(text[start], start)
            elif self.beyond:
                continue
            elif kind == "string":
                self.string(match.group(), start, at)
            elif kind == "number":
                self.value(self.number(match.group(), start, at))
            else:
                self.word(match.group(), start, at)
        if self.stack or self.beyond:
            opened = self.stack[-1].start if self.stack else 0
            self.error(opened, opened + 1, "bracket without an end")
        while self.stack:
            self.close(size)
        return Document(self.source, self.root, tuple(self.errors))

    def mark(self, sign: str, at: int) -> None:
        if sign in "{[":
            if self.beyond or len(self.stack) >= MAX_DEPTH:
                if not self.beyond:
                    self.error(at, at + 1, f"nested more than {MAX_DEPTH} deep; what is deeper is not read")
                    self.value(Scalar(Span(at, at + 1), "", None, self.source.excerpt(Span(at, at))))
                self.beyond += 1
            elif self.expects_value(at):
                self.stack.append(_Open(sign == "{", at))
            else:
                # A value where none may stand: read it so that its brackets match, then drop it.
                self.beyond += 1
        elif sign in "}]":
            if self.beyond:
                self.beyond -= 1
            elif not self.stack:
                self.error(at, at + 1, f"`{sign}` closes nothing")
            else:
                opened = self.stack[-1]
                wanted = "}" if opened.mapping else "]"
                if sign != wanted:
                    self.error(at, at + 1, f"`{sign}` where `{wanted}` was expected")
                self.close(at + 1)
        elif self.beyond:
            return
        elif not self.stack:
            self.error(at, at + 1, f"`{sign}` stands outside of any object or array")
        else:
            opened = self.stack[-1]
            if sign == ":" and opened.ready == "colon":
                opened.ready = "value"
            elif sign == "," and opened.ready == "comma":
                opened.ready = "item"
            else:
                self.error(at, at + 1, f"`{sign}` where {self.wanted(opened)} was expected")
                if sign == "," and opened.mapping:
                    self.flush(opened)
                    opened.ready = "item"

    @staticmethod
    def wanted(opened: _Open) -> str:
        if opened.ready == "item":
            return "a key in double quotes" if opened.mapping else "a value"
        return {"colon": "`:`", "value": "a value", "comma": "`,`"}[opened.ready]

    def expects_value(self, at: int) -> bool:
        """Whether a value may stand here; says so when not. A missing comma is forgiven, with an error."""
        if not self.stack:
            if self.root is not None:
                self.error(at, at + 1, "more than one value in the file")
                return False
            return True
        opened = self.stack[-1]
        if opened.ready == "value" or (opened.ready == "item" and not opened.mapping):
            return True
        self.error(at, at + 1, f"{self.wanted(opened)} was expected")
        if opened.ready == "comma" and not opened.mapping:
            return True
        return False

    def string(self, raw: str, start: int, end: int) -> None:
        node = self.scalar(raw, start, end)
        if self.stack and self.stack[-1].mapping:
            opened = self.stack[-1]
            if opened.ready == "comma":
                self.error(start, end, "`,` was expected")
                opened.ready = "item"
            if opened.ready == "item":
                opened.key = node
                opened.ready = "colon"
                return
        self.value(node)

    def scalar(self, raw: str, start: int, end: int) -> Scalar:
        closed = len(raw) > 1 and raw[-1] == '"'
        if not closed:
            self.error(start, end, "string without an end")
        body = raw[1:-1] if closed else raw[1:]
        source = self.source
        if "\\" not in body:
            content = Excerpt(source, body, ((0, start + 1, len(body)),))
        else:
            content = self.unescaped(body, start + 1)
        return Scalar(Span(start, end), content.text, content.text, content)

    def unescaped(self, body: str, start: int) -> Excerpt:
        parts: list[tuple[str, int, int]] = []
        done = 0
        for match in _ESCAPE.finditer(body):
            at, raw = match.start(), match.group()
            if at > done:
                parts.append((body[done:at], start + done, at - done))
            if raw[1] == "u" and len(raw) == 12:
                high, low = int(raw[2:6], 16), int(raw[8:], 16)
                made = chr(0x10000 + ((high - 0xD800) << 10) + low - 0xDC00)
            elif raw[1] == "u" and len(raw) == 6:
                made = chr(int(raw[2:], 16))
            else:
                found = _SIMPLE.get(raw[1])
                if found is None:
                    self.error(start + at, start + match.end(), f"`{raw}` is no escape that JSON knows")
                made = raw[1] if found is None else found
            parts.append((made, start + at, len(raw)))
            done = match.end()
        if done < len(body):
            parts.append((body[done:], start + done, len(body) - done))
        return join(self.source, parts)

    def number(self, raw: str, start: int, end: int) -> Scalar:
        span = Span(start, end)
        value: int | float
        try:
            value = int(raw)
        except ValueError:  # a fraction, or more digits than Python reads
            value = float(raw)
        return Scalar(span, raw, value, Excerpt(self.source, raw, ((0, start, len(raw)),)))

    def word(self, raw: str, start: int, end: int) -> None:
        value: str | bool | None = raw
        if raw in _LITERALS:
            value = _LITERALS[raw]
        else:
            self.error(start, end, f"`{raw[:40]}` is no value that JSON knows; strings stand in double quotes")
        node = Scalar(Span(start, end), raw, value, Excerpt(self.source, raw, ((0, start, len(raw)),)))
        opened = self.stack[-1] if self.stack else None
        if opened and opened.mapping and opened.ready in ("item", "comma"):
            if raw in _LITERALS:
                self.error(start, end, "a key in double quotes was expected")
            opened.key = node
            opened.ready = "colon"
            return
        self.value(node)

    def value(self, node: Node) -> None:
        if self.expects_value(node.span.start):
            self.put(node)

    def put(self, node: Node) -> None:
        if not self.stack:
            self.root = node
            return
        opened = self.stack[-1]
        opened.ready = "comma"
        if opened.mapping:
            if opened.key is not None:
                opened.entries.append(Entry(opened.key, node))
                opened.key = None
        else:
            opened.children.append(node)

    def flush(self, opened: _Open) -> None:
        """A key whose value never came counts as null."""
        if opened.key is not None:
            at = opened.key.span.end
            empty = Scalar(Span(at, at), "", None, Excerpt(self.source, "", ((0, at, 0),)))
            opened.entries.append(Entry(opened.key, empty))
            opened.key = None

    def close(self, end: int) -> None:
        opened = self.stack.pop()
        if opened.ready in ("colon", "value"):
            if self.errors[-1:] == [] or self.errors[-1].span.end < end - 1:
                self.error(end - 1, end, f"{self.wanted(opened)} was expected")
            self.flush(opened)
        span = Span(opened.start, end)
        self.put(Mapping(span, tuple(opened.entries)) if opened.mapping else Sequence(span, tuple(opened.children)))

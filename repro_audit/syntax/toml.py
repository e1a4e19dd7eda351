"""TOML 1.0 into the shared data tree, with the place of every key and value.

For pyproject, lock files, Pipfile and our own configuration. An invalid statement becomes an `Error` in the words of
Python's `tomllib`, and reading goes on after it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from repro_audit.source import Excerpt, Source, Span, join
from repro_audit.syntax.error import Error
from repro_audit.syntax.tree import Document, Entry, Mapping, Node, Scalar, Sequence

# What a string or comment may not hold (a tab may stand everywhere, a newline only in multi-line strings).
_CTRL = r"\x00-\x08\n-\x1f\x7f"
_NUMBER = (
    r"0(?:x[0-9A-Fa-f](?:_?[0-9A-Fa-f])*|b[01](?:_?[01])*|o[0-7](?:_?[0-7])*)"
    r"|[+-]?(?:0|[1-9](?:_?[0-9])*)(?:\.[0-9](?:_?[0-9])*)?(?:[eE][+-]?[0-9](?:_?[0-9])*)?|[+-]?(?:inf|nan)"
)
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?"
_VALUE = re.compile(
    rf"(?P<multi>\"\"\"|''')|\"(?P<basic>[^\"\\{_CTRL}]*)\"|'(?P<literal>[^'{_CTRL}]*)'"
    rf"|(?P<escaped>\"[^\"\\{_CTRL}]*(?:\\[^{_CTRL}][^\"\\{_CTRL}]*)*\")|(?P<open>[\[{{])|(?P<bool>true|false)"
    rf"|(?P<date>(?P<day>[0-9]{{4}}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01]))"
    rf"(?:[Tt ]{_TIME}(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?)?|{_TIME})|(?P<number>{_NUMBER})"
)
_KEY = re.compile(
    rf"([A-Za-z0-9_-]+)|\"(?P<basic>[^\"\\{_CTRL}]*)\"|'(?P<literal>[^'{_CTRL}]*)'"
    rf"|(?P<escaped>\"[^\"\\{_CTRL}]*(?:\\[^{_CTRL}][^\"\\{_CTRL}]*)*\")"
)
# The greater part of any real file: `name = "text"` alone on its line.
_SIMPLE = re.compile(
    rf"[ \t]*([A-Za-z0-9_-]+)[ \t]*=[ \t]*\"([^\"\\{_CTRL}]*)\"[ \t]*(?:#[^{_CTRL}]*)?(?:\r?\n|(?![\s\S]))"
)
_INDENT = re.compile(r"[ \t]*")
_BLANK = re.compile(rf"(?:[ \t\n]+|\r\n|#[^{_CTRL}]*(?=\r?\n|(?![\s\S])))*")
_LINE_END = re.compile(rf"[ \t]*(?:#[^{_CTRL}]*)?(?:\r?\n|(?![\s\S]))")
_DOT = re.compile(r"[ \t]*\.[ \t]*")
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([btnfr\"\\])|([ \t]*\r?\n[ \t\r\n]*))|\r\n|\\")
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}
_BAD_IN_BASIC = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")
_UNDECODED = re.compile("[\udc80-\udcff]")
_LONGEST_INTEGER = 4000  # digits; Python refuses to convert more than 4300


class _InvalidError(Exception):
    """Where a statement goes wrong, and why."""

    def __init__(self, start: int, end: int, message: str) -> None:
        self.span = Span(start, max(start, end))
        self.message = message


_IMPLIED, _DECLARED, _DOTTED, _INLINE = range(4)


class _Table:
    """A mapping that still grows. A table made by dotted keys may grow only under the header `section`."""

    __slots__ = ("end", "entries", "kind", "names", "section", "start")

    def __init__(self, start: int, kind: int, section: int = 0) -> None:
        self.start = start
        self.end = start
        self.kind = kind
        self.section = section
        self.entries: list[tuple[Scalar, _Growing]] = []
        self.names: dict[str, _Growing] = {}

    def add(self, key: Scalar, value: _Growing) -> None:
        self.entries.append((key, value))
        self.names[key.text] = value
        self.end = max(self.end, key.span.end)


class _Tables:
    """An array of tables (`[[name]]`)."""

    __slots__ = ("items", "start")

    def __init__(self, start: int) -> None:
        self.start = start
        self.items: list[_Table] = []


_Growing = Scalar | Sequence | _Table | _Tables


class _Open(NamedTuple):
    """An array or inline table whose end has not been seen; `table` and `key` for the latter."""

    start: int
    items: list[_Growing]
    table: _Table | None


def parse(source: Source) -> Document:
    """The document; its root is a mapping always. Dates and times are scalars whose value is their text."""
    return _Reader(source).document()


class _Reader:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.text = source.text
        self.errors: list[Error] = []
        self.section = 0

    def document(self) -> Document:
        text, size = self.text, len(self.text)
        root = table = _Table(0, _DECLARED)
        if undecoded := _UNDECODED.search(text):
            self.errors.append(Error(Span(*undecoded.span()), "The file is not valid UTF-8"))
        at = 0
        while at < size:
            if simple := _SIMPLE.match(text, at):
                name = simple[1]
                value = self._plain(simple.start(2) - 1, simple.end(2) + 1, simple[2])
                self._set(table, self._plain(*simple.span(1), name), value)
                table.end = value.span.end
                at = simple.end()
                continue
            at = _BLANK.match(text, at).end()  # type: ignore[union-attr]
            if at >= size:
                break
            start = at
            try:
                if text[at] == "[":
                    table, at = self._header(root, at)
                else:
                    at = self._pair(table, at)
                end = _LINE_END.match(text, at)
                if not end:
                    raise _InvalidError(at, self._line_end(at), "Expected newline or end of document after a statement")
                at = end.end()
            except _InvalidError as invalid:
                self.errors.append(Error(invalid.span, invalid.message))
                at = self._resume(start, invalid.span.start)
        root.end = size
        return Document(self.source, _freeze(root), tuple(self.errors))

    def _resume(self, start: int, wrong: int) -> int:
        """Where to read on: at the line that went wrong where that is not the statement's own, else after it."""
        line = self.text.rfind("\n", start, wrong) + 1
        return line if line > start else self._line_end(wrong) + 1

    def _line_end(self, at: int) -> int:
        end = self.text.find("\n", at)
        return len(self.text) if end < 0 else end

    # -- statements

    def _header(self, root: _Table, at: int) -> tuple[_Table, int]:
        text, start = self.text, at
        many = text.startswith("[[", at)
        close = "]]" if many else "]"
        keys, at = self._keys(_INDENT.match(text, at + len(close)).end())  # type: ignore[union-attr]
        if not text.startswith(close, at):
            kind = "an array" if many else "a table"
            raise _InvalidError(at, at, f"Expected '{close}' at the end of {kind} declaration")
        at += len(close)
        self.section += 1
        span = (keys[0].span.start, keys[-1].span.end)
        table = root
        for key in keys[:-1]:
            below = table.names.get(key.text)
            if isinstance(below, _Tables):
                table = below.items[-1]
            elif isinstance(below, _Table) and below.kind != _INLINE:
                table = below
            elif below is None:
                above, table = table, _Table(start, _IMPLIED)
                above.add(key, table)
            else:
                raise _InvalidError(*span, "Cannot overwrite a value")
        last = keys[-1]
        existing = table.names.get(last.text)
        if many:
            if existing is None:
                existing = _Tables(start)
                table.add(last, existing)
            if not isinstance(existing, _Tables):
                raise _InvalidError(*span, "Cannot overwrite a value")
            fresh = _Table(start, _DECLARED)
            existing.items.append(fresh)
        elif existing is None:
            fresh = _Table(start, _DECLARED)
            table.add(last, fresh)
        elif isinstance(existing, _Table) and existing.kind == _IMPLIED:
            fresh = existing
            fresh.kind, fresh.start = _DECLARED, min(start, fresh.start)
        else:
            name = ", ".join(repr(key.text) for key in keys)
            self.errors.append(Error(Span(*span), f"Cannot declare ({name}) twice"))
            # What follows is still worth reading; it stands in a table that nobody else sees.
            fresh = _Table(start, _DECLARED)
            if isinstance(existing, _Table) and existing.kind == _DECLARED:
                fresh = existing
        fresh.end = max(fresh.end, at)
        return fresh, at

    def _pair(self, table: _Table, at: int) -> int:
        text = self.text
        keys, at = self._keys(at)
        if not text.startswith("=", at):
            raise _InvalidError(at, at, "Expected '=' after a key in a key/value pair")
        value, at, wrong = self._value(_INDENT.match(text, at + 1).end())  # type: ignore[union-attr]
        if value is not None:
            self._place(table, keys, value)
            table.end = max(table.end, at)
        if wrong:
            raise wrong
        return at

    def _place(self, table: _Table, keys: list[Scalar], value: _Growing) -> None:
        """Put a value under a dotted key, making the tables between."""
        for key in keys[:-1]:
            below = table.names.get(key.text)
            if below is None:
                above, table = table, _Table(key.span.start, _DOTTED, self.section)
                above.add(key, table)
                continue
            if not isinstance(below, _Table):
                raise _InvalidError(*key.span, "Cannot overwrite a value")
            if below.kind == _INLINE:
                raise _InvalidError(*key.span, "Cannot mutate immutable namespace")
            if below.kind == _DECLARED or (below.kind == _DOTTED and below.section != self.section):
                raise _InvalidError(*key.span, "Cannot redefine namespace")
            below.kind, below.section = _DOTTED, self.section
            table = below
        self._set(table, keys[-1], value)
        table.end = max(table.end, value.span.end if isinstance(value, (Scalar, Sequence)) else table.end)

    def _set(self, table: _Table, key: Scalar, value: _Growing) -> None:
        if key.text in table.names:
            self.errors.append(Error(key.span, "Cannot overwrite a value"))
        table.add(key, value)

    # -- keys and values

    def _plain(self, start: int, end: int, text: str) -> Scalar:
        """A scalar whose text stands in the file letter by letter, perhaps between quotes."""
        inner = start if end - start == len(text) else start + 1
        return Scalar(Span(start, end), text, text, Excerpt(self.source, text, ((0, inner, len(text)),)))

    def _keys(self, at: int) -> tuple[list[Scalar], int]:
        """The parts of a dotted key and the offset after it and the blanks that follow it."""
        text = self.text
        keys: list[Scalar] = []
        while True:
            found = _KEY.match(text, at)
            if not found:
                message = "Invalid initial character for a key part" if keys else "Invalid statement"
                raise _InvalidError(at, self._line_end(at), message)
            if found["escaped"] is not None:
                keys.append(self._string(at, found.end(), 1))
            else:
                keys.append(self._plain(at, found.end(), found[found.lastindex or 0]))
            at = found.end()
            dot = _DOT.match(text, at)
            if not dot:
                return keys, _INDENT.match(text, at).end()  # type: ignore[union-attr]
            at = dot.end()

    def _value(self, at: int) -> tuple[_Growing | None, int, _InvalidError | None]:
        """A value of any depth and the offset after it; of a broken one, what was read and what stopped that."""
        text = self.text
        stack: list[_Open] = []
        pending: list[list[Scalar]] = []  # the keys of the open inline tables' current pairs
        value: _Growing | None = None
        try:
            while True:
                # Here a value must stand.
                found = _VALUE.match(text, at)
                if not found:
                    raise _InvalidError(at, at + 1, "Invalid value")
                if found["open"]:
                    is_table = found["open"] == "{"
                    stack.append(_Open(at, [], _Table(at, _INLINE) if is_table else None))
                    value = None
                    at = self._after_open(at + 1, is_table)
                    if not text.startswith("}" if is_table else "]", at):
                        if is_table:
                            at = self._inline_key(at, pending)
                        continue
                else:
                    value, at = self._scalar(found, at)
                # A value is complete, or the innermost container is empty: close all that closes here.
                while stack:
                    opened = stack[-1]
                    if value is not None:
                        if opened.table is None:
                            opened.items.append(value)
                        else:
                            self._place(opened.table, pending.pop(), value)
                    at = self._after_open(at, opened.table is not None)
                    char = text[at : at + 1]
                    if char == "," and value is not None:
                        at = self._after_open(at + 1, opened.table is not None)
                        if opened.table is not None:
                            at = self._inline_key(at, pending)
                            break
                        if not text.startswith("]", at):
                            break
                        char = "]"
                    if char != ("]" if opened.table is None else "}"):
                        kind = "array" if opened.table is None else "inline table"
                        raise _InvalidError(at, at + 1, f"Unclosed {kind}")
                    at += 1
                    value = _close(stack.pop(), at)
                else:
                    return value, at, None
        except _InvalidError as invalid:
            while stack:
                opened = stack.pop()
                above = _close(opened, invalid.span.start)
                if not stack:
                    return above, at, invalid
                outer = stack[-1]
                if outer.table is None:
                    outer.items.append(above)
                elif pending:
                    keys = pending.pop()
                    if len(keys) == 1:
                        outer.table.add(keys[0], above)
            return None, at, invalid

    def _after_open(self, at: int, is_table: bool) -> int:
        return (_INDENT if is_table else _BLANK).match(self.text, at).end()  # type: ignore[union-attr]

    def _inline_key(self, at: int, pending: list[list[Scalar]]) -> int:
        keys, at = self._keys(at)
        if not self.text.startswith("=", at):
            raise _InvalidError(at, at, "Expected '=' after a key in a key/value pair")
        pending.append(keys)
        return _INDENT.match(self.text, at + 1).end()  # type: ignore[union-attr]

    def _scalar(self, found: re.Match[str], at: int) -> tuple[Scalar, int]:
        kind, end = found.lastgroup, found.end()
        if kind == "basic" or kind == "literal":
            return self._plain(at, end, found[kind]), end
        if kind == "escaped":
            return self._string(at, end, 1), end
        if kind == "multi":
            return self._multi_line(at, found["multi"])
        raw = found[0]
        value: str | int | float | bool = raw
        if kind == "bool":
            value = raw == "true"
        elif kind == "number":
            value = self._number(raw, at, end)
        elif (day := found["day"]) is not None and not _is_day(day):
            raise _InvalidError(at, end, "Invalid date or datetime")
        return Scalar(Span(at, end), raw, value, Excerpt(self.source, raw, ((0, at, end - at),)), plain=True), end

    def _number(self, raw: str, at: int, end: int) -> int | float:
        if raw[:2] in ("0x", "0o", "0b"):
            return int(raw, 0)
        if raw.isdigit() or not any(c in raw for c in ".eEin"):
            if len(raw) > _LONGEST_INTEGER:
                raise _InvalidError(at, end, "The integer is too long")
            return int(raw)
        return float(raw)

    def _multi_line(self, at: int, quote: str) -> tuple[Scalar, int]:
        text, look = self.text, at + 3
        while True:
            end = text.find(quote, look)
            if end < 0:
                raise _InvalidError(at, at + 3, "Unterminated string")
            slashes = end - 1
            while quote == '"""' and slashes >= at + 3 and text[slashes] == "\\":
                slashes -= 1
            if quote == "'''" or (end - slashes) % 2:
                break
            look = end + 1
        end += 3
        for _ in range(2):  # one or two quotes may stand right before the closing three
            if text.startswith(quote[0], end):
                end += 1
        if bad := _BAD_IN_BASIC.search(text, at, end):
            raise _InvalidError(bad.start(), bad.end(), f"Illegal character {bad[0]!r}")
        return self._string(at, end, 3, raw=quote == "'''"), end

    def _string(self, start: int, end: int, width: int, *, raw: bool = False) -> Scalar:
        """A string with escapes or line breaks, whose every character is led back to its place."""
        text = self.text
        at, stop = start + width, end - width
        if width == 3:
            at += 1 if text.startswith("\n", at) else 2 if text.startswith("\r\n", at) else 0
        parts: list[tuple[str, int, int]] = []
        look = at
        while found := _ESCAPE.search(text, look, stop):
            if raw and found[0] != "\r\n":
                look = found.start() + 1
                continue
            parts.append((text[at : found.start()], at, found.start() - at))
            short, long, letter, fold = found.group(1, 2, 3, 4)
            length = found.end() - found.start()
            if found[0] == "\r\n":
                parts.append(("\n", found.start(), 2))
            elif letter:
                parts.append((_ESCAPES[letter], found.start(), length))
            elif fold is not None and width == 3:
                pass
            elif short or long:
                code = int(short or long, 16)
                if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
                    raise _InvalidError(*found.span(), "Escaped character is not a Unicode scalar value")
                parts.append((chr(code), found.start(), length))
            else:
                raise _InvalidError(found.start(), found.start() + 2, "Unescaped '\\' in a string")
            at = look = found.end()
        parts.append((text[at:stop], at, stop - at))
        content = join(self.source, parts)
        return Scalar(Span(start, end), content.text, content.text, content)


def _is_day(text: str) -> bool:
    import datetime as dt

    try:
        dt.date(int(text[:4]), int(text[5:7]), int(text[8:10]))
    except ValueError:
        return False
    return True


def _close(opened: _Open, end: int) -> _Growing:
    if opened.table is not None:
        opened.table.end = end
        return opened.table
    # Inline tables inside become mappings when everything does; a sequence of plain values is final already.
    return Sequence(Span(opened.start, end), tuple(opened.items))  # type: ignore[arg-type]


def _freeze(root: _Table) -> Mapping:
    """The finished tree, made from the leaves up without recursion: documents may be nested very deep."""
    order: list[_Growing] = []
    todo: list[_Growing] = [root]
    while todo:
        node = todo.pop()
        order.append(node)
        if isinstance(node, _Table):
            todo += [value for _, value in node.entries if not isinstance(value, Scalar)]
        elif isinstance(node, _Tables):
            todo += node.items
        elif isinstance(node, Sequence):
            todo += [item for item in node.items if not isinstance(item, Scalar)]  # type: ignore[misc]
    made: dict[int, Node] = {}
    done: Node
    for node in reversed(order):
        if isinstance(node, _Table):
            done = Mapping(
                Span(node.start, node.end), tuple([Entry(key, _made(made, value)) for key, value in node.entries])
            )
        elif isinstance(node, _Tables):
            done = Sequence(
                Span(node.start, max((t.end for t in node.items), default=node.start)),
                tuple([made[id(table)] for table in node.items]),
            )
        elif isinstance(node, Sequence):
            done = Sequence(node.span, tuple([made.get(id(item), item) for item in node.items]))
        else:
            done = node
        made[id(node)] = done
    root_node = made[id(root)]
    assert isinstance(root_node, Mapping)
    return root_node


def _made(made: dict[int, Node], value: _Growing) -> Node:
    return value if isinstance(value, Scalar) else made[id(value)]

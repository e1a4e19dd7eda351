"""Text with places: every file is read into a `Source`, and everything said about it points at a `Span` of it.

Used by every later step. An `Excerpt` is text assembled from pieces of a source (a RUN line without its
continuations, a YAML block without its indentation); it leads every one of its characters back to the file.
"""

from __future__ import annotations

import codecs
from bisect import bisect_right
from typing import NamedTuple

from repro_audit.record import dataclass, field


class Position(NamedTuple):
    """A place as people name it: `line` and `column`, both counted from 1, the column in characters."""

    line: int
    column: int


class Span(NamedTuple):
    """The half-open range `[start, end)` of character offsets in `Source.text`."""

    start: int
    end: int


_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(slots=True, frozen=True, eq=False)
class Source:
    """One file's text. `path` is how reports name the file; `text` has no byte-order mark.

    Bytes that are no valid UTF-8 stand in `text` as surrogate escapes, so `encode` gives back exactly what was read.
    """

    path: str
    text: str
    encoding: str = "utf-8"
    bom: bytes = b""
    _line_starts: list[int] = field(default_factory=list, repr=False)

    @classmethod
    def from_bytes(cls, path: str, data: bytes) -> Source:
        """Decode `data` by its byte-order mark, else as UTF-8; any bytes are accepted."""
        for bom, encoding in _BOMS:
            if data.startswith(bom):
                body = data[len(bom) :]
                text = body.decode(encoding, "surrogateescape" if encoding == "utf-8" else "replace")
                return cls(path, text, encoding, bom)
        return cls(path, data.decode("utf-8", "surrogateescape"))

    def encode(self, text: str) -> bytes:
        """`text` as bytes in this file's own encoding and with its byte-order mark."""
        return self.bom + text.encode(self.encoding, "surrogateescape" if self.encoding == "utf-8" else "strict")

    def position(self, offset: int) -> Position:
        """The line and column of a character offset; offsets past the end count as the end."""
        starts = self._starts()
        offset = max(0, min(offset, len(self.text)))
        line = bisect_right(starts, offset)
        return Position(line, offset - starts[line - 1] + 1)

    def offset(self, line: int, column: int = 1) -> int:
        """The character offset of a 1-based line and column, kept inside the text."""
        starts = self._starts()
        if line > len(starts):
            return len(self.text)
        return min(starts[max(line, 1) - 1] + column - 1, len(self.text))

    def line(self, number: int) -> str:
        """The text of a 1-based line, without its line ending."""
        starts = self._starts()
        if not 1 <= number <= len(starts):
            return ""
        end = starts[number] if number < len(starts) else len(self.text)
        return self.text[starts[number - 1] : end].rstrip("\r\n")

    @property
    def line_count(self) -> int:
        """How many lines there are; an empty file has one."""
        return len(self._starts())

    def slice(self, span: Span) -> str:
        """The characters that a span covers."""
        return self.text[span.start : span.end]

    def excerpt(self, span: Span) -> Excerpt:
        """The span's text as an `Excerpt` of one piece."""
        return Excerpt(self, self.slice(span), ((0, span.start, span.end - span.start),))

    def _starts(self) -> list[int]:
        starts = self._line_starts
        if not starts:
            starts.append(0)
            find = self.text.find
            at = find("\n")
            while at != -1:
                starts.append(at + 1)
                at = find("\n", at + 1)
        return starts


@dataclass(slots=True, frozen=True, eq=False)
class Excerpt:
    """Text assembled from pieces of a source, each character of which knows its place there.

    `pieces` are `(offset in text, offset in source, length in source)`, ascending. A piece runs to the start of the
    next one. Where its length in the text equals its length in the source, the characters correspond one to one;
    otherwise (an escape such as `\\u0041`) the piece is one unit.
    """

    source: Source
    text: str
    pieces: tuple[tuple[int, int, int], ...]

    def offset(self, at: int, *, end: bool = False) -> int:
        """The source offset of character `at`; with `end`, of the end of the character before `at`."""
        pieces = self.pieces
        if not pieces:
            return 0
        look = at - 1 if end and at > 0 else at
        index = max(bisect_right(pieces, (look, float("inf"), 0)) - 1, 0)
        start, place, length = pieces[index]
        stop = pieces[index + 1][0] if index + 1 < len(pieces) else len(self.text)
        if stop - start != length:
            return place + (length if end or look >= stop else 0)
        return place + min(at - start, length)

    def span(self, start: int, end: int) -> Span:
        """The source range from which `text[start:end]` was made, with what was dropped inside it."""
        first = self.offset(start)
        return Span(first, max(first, self.offset(end, end=True)) if end > start else first)

    @property
    def whole(self) -> Span:
        """The source range of all of the text."""
        return self.span(0, len(self.text))

    def sub(self, start: int, end: int) -> Excerpt:
        """The part `text[start:end]` as an excerpt of its own."""
        pieces: list[tuple[int, int, int]] = []
        count = len(self.pieces)
        index = max(bisect_right(self.pieces, (start, float("inf"), 0)) - 1, 0)
        while index < count and self.pieces[index][0] < end:
            at, place, length = self.pieces[index]
            stop = self.pieces[index + 1][0] if index + 1 < count else len(self.text)
            low, high = max(at, start), min(stop, end)
            if high > low or not pieces:
                if stop - at == length:
                    pieces.append((max(low - start, 0), place + low - at, max(high - low, 0)))
                else:
                    pieces.append((max(low - start, 0), place, length))
            index += 1
        return Excerpt(self.source, self.text[start:end], tuple(pieces))


def join(source: Source, parts: list[tuple[str, int, int]]) -> Excerpt:
    """An excerpt from `(text, offset in source, length in source)` parts in order."""
    pieces: list[tuple[int, int, int]] = []
    texts: list[str] = []
    at = 0
    for text, place, length in parts:
        if not text:
            continue
        pieces.append((at, place, length))
        texts.append(text)
        at += len(text)
    return Excerpt(source, "".join(texts), tuple(pieces))

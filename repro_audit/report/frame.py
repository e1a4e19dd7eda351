"""The lines of a source that a span covers, with the place underlined: what the text report shows of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from repro_audit.credential import masked_line
from repro_audit.report.visible import cells, visible

if TYPE_CHECKING:
    from repro_audit.source import Source, Span

_TAB = 4
_MOST_LINES = 3
_CUT = "..."


class Row(NamedTuple):
    """A line as shown: its number (None for lines left out), its text, and the underline beneath it."""

    number: int | None
    text: str
    under: str


def frame(source: Source, span: Span, width: int) -> list[Row]:
    """The span's lines, each at most `width` columns wide: a longer line is cut to a window around the place.

    Of a span over many lines the first ones and the last are shown. The cost does not depend on the length of a line.
    """
    start = min(max(span.start, 0), len(source.text))
    end = min(max(span.end, start), len(source.text))
    first = source.position(start).line
    # A span that ends with its line's ending does not reach into the next line.
    last = max(first, source.position(end - 1).line if end > start else first)
    if last - first < _MOST_LINES:
        return [_row(source, number, start, end, width) for number in range(first, last + 1)]
    shown = [_row(source, number, start, end, width) for number in range(first, first + _MOST_LINES - 1)]
    left_out = last - first - (_MOST_LINES - 1)
    shown.append(Row(None, f"({left_out} more line{'s' if left_out > 1 else ''})", ""))
    shown.append(_row(source, last, start, end, width))
    return shown


def _row(source: Source, number: int, start: int, end: int, width: int) -> Row:
    text = source.text
    low = source.offset(number)
    high = source.offset(number + 1) if number < source.line_count else len(text)
    while high > low and text[high - 1] in "\r\n":
        high -= 1
    place = min(max(start, low), high)
    if start < low:  # the place came from an earlier line: its underline skips the indentation
        place = low + _indentation(text[low : min(high, low + width)])
    stop = min(max(end, place), high)
    row = _window(text, low, high, place, stop, width)
    return row._replace(number=number, text=masked_line(row.text))


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))


def _window(text: str, low: int, high: int, place: int, stop: int, width: int) -> Row:
    """The part of `text[low:high]` around `[place, stop)` that fits into `width` columns."""
    if high - low <= width:
        left, column = _shown(text[low:place], 0)
        middle, column = _shown(text[place:stop], column)
        right, column = _shown(text[stop:high], column)
        if column <= width:
            return Row(None, left + middle + right, _under(left, middle))
    before = text[max(low, place - width) : place]
    room = max(width // 3, 8)
    left, column = _shown(before, 0)
    if place - low > len(before) or column > room:
        left, column = _shown(_last(before, room - len(_CUT)), len(_CUT))
        left = _CUT + left
    room = max(width - column, 8)
    if stop - place > room or cells(_shown(text[place:stop], column)[0]) > room:
        middle, column = _shown(_first(text[place : min(stop, place + room)], column, room - len(_CUT)), column)
        return Row(None, left + middle + _CUT, _under(left, middle))
    middle, column = _shown(text[place:stop], column)
    after = text[stop : min(high, stop + width)]
    right, end = _shown(after, column)
    if stop + len(after) < high or end > width:
        right = _shown(_first(after, column, width - column - len(_CUT)), column)[0] + _CUT
    return Row(None, left + middle + right, _under(left, middle))


def _under(left: str, middle: str) -> str:
    return " " * cells(left) + "^" * max(1, cells(middle))


def _shown(text: str, column: int) -> tuple[str, int]:
    """`text` with tabs expanded and control characters visible, and the column after it."""
    if "\t" not in text:
        shown = visible(text)
        return shown, column + cells(shown)
    parts = []
    for index, piece in enumerate(text.split("\t")):
        if index:
            blank = _TAB - column % _TAB
            parts.append(" " * blank)
            column += blank
        shown = visible(piece)
        parts.append(shown)
        column += cells(shown)
    return "".join(parts), column


def _first(text: str, column: int, room: int) -> str:
    """The longest beginning of `text` that takes at most `room` columns."""
    limit = column + room
    for index, character in enumerate(text):
        column = _shown(character, column)[1]
        if column > limit:
            return text[:index]
    return text


def _last(text: str, room: int) -> str:
    """The longest end of `text` that takes at most `room` columns, however its tabs fall."""
    for index in range(len(text) - 1, -1, -1):
        room -= _TAB if text[index] == "\t" else cells(visible(text[index]))
        if room < 0:
            return text[index + 1 :]
    return text

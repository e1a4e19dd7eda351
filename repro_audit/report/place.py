"""Where a finding stands, as servers mark it: line and column of its first character and after its last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro_audit.source import Span

if TYPE_CHECKING:
    from repro_audit.source import Position, Source


def trimmed(source: Source, span: Span) -> Span:
    """The span without the line ending that closes it.

    A span over a whole line ends, taken exactly, at the start of the next one, which would be marked as well.
    """
    start, end = span.start, max(span.start, span.end)
    text = source.text
    if end - start > 1 and text[end - 1 : end] == "\n":
        end -= 1
        if end - start > 1 and text[end - 1] == "\r":
            end -= 1
    return Span(start, end)


def bounds(source: Source, span: Span) -> tuple[Position, Position]:
    """Start and end of the trimmed span."""
    start, end = trimmed(source, span)
    return source.position(start), source.position(end)

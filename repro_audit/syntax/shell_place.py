"""Where a script's characters stand in the file: `Excerpt.span`, made fast for the many words of one script."""

from __future__ import annotations

from bisect import bisect_right

from repro_audit.source import Excerpt, Span


class Places:
    """The places of one excerpt's characters."""

    __slots__ = ("_pieces", "_shift", "_starts", "_stops", "excerpt", "text")

    def __init__(self, excerpt: Excerpt) -> None:
        self.excerpt = excerpt
        self.text = excerpt.text
        pieces = excerpt.pieces
        self._pieces = pieces
        self._starts = [piece[0] for piece in pieces]
        self._stops = [*self._starts[1:], len(excerpt.text)]
        single = len(pieces) == 1 and pieces[0][2] == len(excerpt.text)
        self._shift = pieces[0][1] if single else None

    def span(self, start: int, end: int) -> Span:
        """The source range from which `text[start:end]` was made."""
        shift = self._shift
        if shift is not None:
            return Span(start + shift, end + shift)
        index = bisect_right(self._starts, start) - 1
        if index >= 0 and start < end <= self._stops[index]:
            at, place, length = self._pieces[index]
            if self._stops[index] - at == length:
                return Span(place + start - at, place + end - at)
        return self.excerpt.span(start, end)

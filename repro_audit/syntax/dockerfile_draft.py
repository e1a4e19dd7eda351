"""One logical line of a Dockerfile: its keyword, flags and value, each led back to the file.

Called by `syntax.dockerfile_reader` only.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right

from repro_audit.source import Excerpt, Span
from repro_audit.syntax.dockerfile import Comment, Flag, Heredoc, Instruction
from repro_audit.syntax.dockerfile_words import (
    BLANK,
    Cut,
    NotStringsError,
    json_strings,
    split_blank,
    split_first,
    split_flags,
    split_words,
)
from repro_audit.syntax.go_text import SPACE, SURROGATE, quoted

_INSTRUCTIONS = {
    "add": "json or list",
    "arg": "words",
    "cmd": "json",
    "copy": "json or list",
    "entrypoint": "json",
    "env": "pairs",
    "expose": "list",
    "from": "list",
    "healthcheck": "health",
    "label": "pairs",
    "maintainer": "string",
    "onbuild": "onbuild",
    "run": "json",
    "shell": "json",
    "stopsignal": "string",
    "user": "string",
    "volume": "json or list",
    "workdir": "string",
}

#: Every keyword BuildKit knows, in lower case.
KEYWORDS = frozenset(_INSTRUCTIONS)

_MAY_HOLD_HEREDOC = frozenset({"add", "copy", "run"})
_HEAD = re.compile(f"([^{BLANK}]*)[{BLANK}]*")
_NOT_STRINGS = "when using JSON array syntax, arrays must be comprised of strings only"
# ONBUILD ONBUILD is rejected by BuildKit; how far a joke is followed.
_DEEPEST_ONBUILD = 8
_MAY_BEGIN_FLAGS = "-\udc85\udca0"
_ENDLESS = float("inf")


class Draft:
    """An instruction whose last line is not known yet. `reason` is why BuildKit's parser would refuse it."""

    __slots__ = (
        "args",
        "args_start",
        "flags",
        "inner",
        "json",
        "keyword",
        "keyword_end",
        "line",
        "low",
        "raw_keyword",
        "reason",
        "value",
    )

    def __init__(self, line: Excerpt, low: int, high: int, escape: str, depth: int, whole: bool) -> None:
        """Read `line.text[low:high]`; with `whole` its arguments are not split."""
        text = line.text
        head = _HEAD.match(text, low, high)
        assert head is not None  # it matches the empty string too
        self.line = line
        self.low = low
        self.raw_keyword = head.group(1)
        self.keyword_end = head.end(1)
        keyword = self.raw_keyword
        self.keyword = keyword = keyword.lower() if keyword.isascii() else keyword.replace("\u0130", "i").lower()
        self.json = False
        self.inner: Draft | None = None
        self.reason = ""
        self.flags: tuple[Flag, ...] = ()
        at = head.end()
        if at < high and text[at] in _MAY_BEGIN_FLAGS and not whole:
            words, at = split_flags(text, at, high, escape)
            self.flags = tuple(_flag(line, word) for word in words)
        while at < high and text[at] in SPACE:
            at += 1
        self.args = _cut(line, at, high)
        self.args_start = at
        form = _INSTRUCTIONS.get(keyword)
        if form is None:
            self.value: tuple[Excerpt, ...] = (_cut(line, at, at),)
        elif at >= high:
            self.value = ()
        elif form == "string" or whole:
            self.value = (self.args,)
        elif form == "list":
            self.value = tuple(_cut(line, start, end) for _, start, end in split_blank(text, at, high))
        elif form == "words":
            self.value = tuple(_word(line, word) for word in split_words(text, at, high, escape))
        elif form == "pairs":
            self.value = self._pairs(at, high, escape)
        elif form == "onbuild":
            self.value = ()
            if depth < _DEEPEST_ONBUILD:
                self.inner = Draft(line, at, high, escape, depth + 1, whole)
                self.reason = self.inner.reason
        elif form == "health":
            self.value = self._health(at, high)
        else:
            self.value = self._json_or(form, at, high)

    def _json_or(self, form: str, at: int, high: int) -> tuple[Excerpt, ...]:
        line = self.line
        if line.text[at] == "[":
            try:
                items = json_strings(line.text, at, high)
            except NotStringsError:
                self.reason = _NOT_STRINGS
                return (_cut(line, at, high),)
            if items is not None:
                self.json = True
                return tuple(_pieced(line, item) for item in items)
        if form == "json":
            return (self.args if at == self.args_start else _cut(line, at, high),)
        return tuple(_cut(line, start, end) for _, start, end in split_blank(line.text, at, high))

    def _health(self, at: int, high: int) -> tuple[Excerpt, ...]:
        line, text = self.line, self.line.text
        first, rest = split_first(text, at, high)
        if not first.text:
            return ()
        kind = _whole(line, first)
        if not rest.text:
            return (kind,)
        if text[rest.start : rest.end] != rest.text:
            return (kind, _whole(line, rest))
        return (kind, *self._json_or("json", rest.start, high))

    def _pairs(self, at: int, high: int, escape: str) -> tuple[Excerpt, ...]:
        line, text = self.line, self.line.text
        words = split_words(text, at, high, escape)
        if not words:
            return ()
        if "=" not in words[0].text:
            name = _HEAD.match(text, at, high)
            assert name is not None
            if name.end() == name.end(1):
                self.reason = f"{self.keyword.upper()} must have two arguments"
                return (_cut(line, at, high),)
            return (_cut(line, at, name.end(1)), _cut(line, name.end(), high), _cut(line, high, high))
        value: list[Excerpt] = []
        for word in words:
            equals = word.text.find("=")
            if equals < 0:
                if not self.reason:
                    shown = quoted(SURROGATE.sub("\ufffd", word.text))
                    self.reason = f"Syntax error - can't find = in {shown}. Must be of the form: name=value"
                continue
            middle = word.start + equals
            value.append(_word(line, Cut(word.text[:equals], word.start, middle)))
            value.append(_word(line, Cut(word.text[equals + 1 :], middle + 1, word.end)))
            value.append(_cut(line, middle, middle + 1))
        return tuple(value)

    @property
    def may_hold_heredoc(self) -> bool:
        """Whether BuildKit looks for heredocs here: ADD, COPY and RUN, not in JSON form, and one ONBUILD before."""
        draft = self.inner if self.keyword == "onbuild" and self.inner is not None else self
        return draft.keyword in _MAY_HOLD_HEREDOC and not draft.json

    def finish(
        self,
        start_line: int,
        end_line: int,
        end: int,
        heredocs: tuple[Heredoc, ...],
        comments: tuple[Comment, ...],
        empty_lines: tuple[int, ...],
    ) -> Instruction:
        """The instruction, now that its end is known."""
        line, inner = self.line, self.inner
        _, place, length = line.pieces[0]
        if self.keyword_end <= length:
            start, keyword_end = place + self.low, place + self.keyword_end
        else:
            start = line.offset(self.low)
            keyword_end = max(start, line.offset(self.keyword_end, end=True))
        return Instruction(
            self.keyword,
            self.raw_keyword,
            Span(start, keyword_end),
            Span(start, max(start, end)),
            start_line,
            end_line,
            self.flags,
            self.json,
            self.value,
            self.args,
            heredocs,
            None if inner is None else inner.finish(start_line, end_line, end, heredocs, (), ()),
            comments,
            empty_lines,
        )


def _cut(line: Excerpt, start: int, end: int) -> Excerpt:
    """`line.text[start:end]`; unlike `Excerpt.sub` this keeps the place of an empty part."""
    pieces = line.pieces
    if len(pieces) == 1:
        return Excerpt(line.source, line.text[start:end], ((0, pieces[0][1] + start, end - start),))
    if end <= start:
        return Excerpt(line.source, "", ((0, line.offset(start), 0),))
    # Every piece of a logical line stands in the file as it is, which is what makes this simpler than `Excerpt.sub`.
    first = bisect_right(pieces, (start, _ENDLESS)) - 1
    last = bisect_left(pieces, (end,)) - 1
    at, place, length = pieces[first]
    if first == last:
        return Excerpt(line.source, line.text[start:end], ((0, place + start - at, end - start),))
    made = [(at - start, place, length) for at, place, length in pieces[first : last + 1]]
    made[0] = (0, place + start - at, at + length - start)
    at, place, length = pieces[last]
    made[-1] = (at - start, place, end - at)
    return Excerpt(line.source, line.text[start:end], tuple(made))


def _word(line: Excerpt, word: Cut) -> Excerpt:
    """A word that BuildKit puts together character by character: bytes that are no UTF-8 become U+FFFD."""
    excerpt = _cut(line, word.start, word.end)
    if excerpt.text.isascii() or not SURROGATE.search(excerpt.text):
        return excerpt
    return Excerpt(excerpt.source, SURROGATE.sub("\ufffd", excerpt.text), excerpt.pieces)


def _whole(line: Excerpt, cut: Cut) -> Excerpt:
    """A part whose text may not be what stands in the line: then it is one piece."""
    if line.text[cut.start : cut.end] == cut.text:
        return _cut(line, cut.start, cut.end)
    place = line.offset(cut.start)
    return Excerpt(line.source, cut.text, ((0, place, max(line.offset(cut.end, end=True) - place, 0)),))


def _pieced(line: Excerpt, cuts: list[Cut]) -> Excerpt:
    """A JSON string; each of its escapes is a piece of its own."""
    if len(cuts) == 1 and len(cuts[0].text) == cuts[0].end - cuts[0].start:
        return _word(line, cuts[0])
    texts: list[str] = []
    pieces: list[tuple[int, int, int]] = []
    at = 0
    for cut in cuts:
        if len(cut.text) == cut.end - cut.start:
            part = _word(line, cut)
            texts.append(part.text)
            pieces.extend((at + offset, place, length) for offset, place, length in part.pieces)
        else:
            texts.append(cut.text)
            place = line.offset(cut.start)
            pieces.append((at, place, line.offset(cut.end, end=True) - place))
        at += len(texts[-1])
    return Excerpt(line.source, "".join(texts), tuple(pieces))


def _flag(line: Excerpt, word: Cut) -> Flag:
    span = line.span(word.start, word.end)
    name, equals, value = word.text[2:].partition("=")
    if not equals:
        return Flag(name, None, word.text, span, Span(span.end, span.end))
    middle = line.text.find("=", word.start, word.end) + 1
    if middle >= word.end:
        return Flag(name, value, word.text, span, Span(span.end, span.end))
    return Flag(name, value, word.text, span, line.span(middle, word.end))

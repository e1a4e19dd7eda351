"""Dockerfiles, read exactly as BuildKit's `frontend/dockerfile/parser` reads them."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass

from repro_audit.source import Excerpt, Source, Span, join
from repro_audit.syntax import dockerfile_directives
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
from repro_audit.syntax.error import Error
from repro_audit.syntax.expand import SPACE, delimiter, quoted, raw_words

_NOWHERE = Span(0, 0)


@dataclass(slots=True, frozen=True, eq=False)
class Directive:
    """A parser directive that counts (`# syntax=`, `# escape=`, `# check=`). `name` is lower case.

    Of a `syntax` directive BuildKit takes the part of `value` before the first space as the image.
    """

    name: str
    value: str
    span: Span
    value_span: Span


@dataclass(slots=True, frozen=True, eq=False)
class Comment:
    """A comment line that is no directive. `text` is what follows the `#`, stripped."""

    text: str
    span: Span
    line: int


@dataclass(slots=True, frozen=True, eq=False)
class Flag:
    """`--name=value`; `value` is None where there is no `=`. `raw` is the flag as BuildKit's parser gives it."""

    name: str
    value: str | None
    raw: str
    span: Span
    value_span: Span


@dataclass(slots=True, frozen=True, eq=False)
class Heredoc:
    """A here-document of an instruction.

    `name` is the delimiter without quotes, `marker` where `<<EOF` stands, `body` its lines (tabs stripped for `<<-`),
    `expand` whether variables are expanded in it, `terminated` whether its end was found, `fd` the number before `<<`.
    `lines` covers the lines of the body in the file, the one with the delimiter left out.
    """

    name: str
    marker: Span
    body: Excerpt
    expand: bool
    chomp: bool
    terminated: bool
    fd: int = 0
    lines: Span = _NOWHERE

    @property
    def content(self) -> str:
        """The lines as BuildKit's parser gives them: leading tabs are still there."""
        return self.body.source.slice(self.lines)


@dataclass(slots=True, frozen=True, eq=False)
class Instruction:
    """One instruction.

    `keyword` is lower case; `raw_keyword` as written. `value` is what BuildKit's parser gives after flags are taken
    off: one item for the shell form, one per word otherwise (ENV and LABEL: `name, value, "="` in turns), each with
    its places. `text` is the logical line after keyword and flags (continuations joined, comments dropped).
    `json` when the JSON form was used. `onbuild` holds the instruction after ONBUILD, which has the same heredocs.
    `span` covers the keyword to the end of the last line, heredocs included; lines count from 1.
    `comments` are those right above that BuildKit keeps with it, `empty_lines` the numbers of the empty lines that
    stand between its continuations. An unknown keyword has one empty `value`, as in BuildKit.
    """

    keyword: str
    raw_keyword: str
    keyword_span: Span
    span: Span
    start_line: int
    end_line: int
    flags: tuple[Flag, ...]
    json: bool
    value: tuple[Excerpt, ...]
    text: Excerpt
    heredocs: tuple[Heredoc, ...] = ()
    onbuild: Instruction | None = None
    comments: tuple[Comment, ...] = ()
    empty_lines: tuple[int, ...] = ()

    def flag(self, name: str) -> Flag | None:
        """The last flag called `name`, or None."""
        for flag in reversed(self.flags):
            if flag.name == name:
                return flag
        return None


@dataclass(slots=True, frozen=True, eq=False)
class Dockerfile:
    """A parsed Dockerfile. `escape` is the escape character in force; `comments` are all comment lines."""

    source: Source
    escape: str
    directives: tuple[Directive, ...]
    instructions: tuple[Instruction, ...]
    comments: tuple[Comment, ...]
    errors: tuple[Error, ...]

    def directive(self, name: str) -> Directive | None:
        """The directive called `name`, or None."""
        return next((d for d in self.directives if d.name == name), None)


def parse(source: Source) -> Dockerfile:
    """The file as BuildKit reads it; what its parser would reject becomes an `Error` with its reason.

    BuildKit stops at the first error. Here what follows is read all the same, so `errors[0]` is BuildKit's reason.
    """
    return _Reader(source).read()


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
_HEREDOC = re.compile(r"([0-9]*)<<(-?)[\t\n\f\r ]*([^<]*)\Z")
_PLAIN_DELIMITER = re.compile(r"[A-Za-z0-9_.-]+\Z")
_LEADING_TABS = re.compile(r"^\t+", re.MULTILINE)
_SURROGATE = re.compile("[\ud800-\udfff]")
_NOT_STRINGS = "when using JSON array syntax, arrays must be comprised of strings only"
_LONGEST_LINE = 65535  # bytes; bufio.MaxScanTokenSize - 1
# ONBUILD ONBUILD is rejected by BuildKit; how far a joke is followed.
_DEEPEST_ONBUILD = 8
_MAY_BEGIN_FLAGS = "-\udc85\udca0"
_HIGHEST_FD = 2**64 - 1
_FD_DIGITS = 20


class _Reader:
    """One pass over one file."""

    __slots__ = (
        "at",
        "comments",
        "directives",
        "errors",
        "escape",
        "instructions",
        "lines",
        "offset",
        "pending",
        "source",
        "terminators",
        "text",
    )

    def __init__(self, source: Source) -> None:
        self.source = source
        self.text = source.text
        self.lines = self.text.split("\n")
        if not self.lines[-1]:
            self.lines.pop()
        self.at = 0  # the index of the next line
        self.offset = 0  # where it begins
        self.escape = "\\"
        self.directives: list[Directive] = []
        self.comments: list[Comment] = []
        self.pending: list[Comment] = []
        self.instructions: list[Instruction] = []
        self.errors: list[Error] = []
        self.terminators: _Terminators | None = None

    def read(self) -> Dockerfile:
        """Read the whole file."""
        lines = self.lines
        count = len(lines)
        top = dockerfile_directives.read(self.text, lines)
        self.escape = top.escape
        self.directives = [Directive(*directive) for directive in top.found]
        self.errors = [Error(span, message) for span, message in top.errors]
        taken = top.lines
        while self.at < count:
            raw = lines[self.at]
            body = raw.lstrip(SPACE)
            if not body:
                self.at += 1
                self.offset += len(raw) + 1
            elif body[0] == "#":
                if self.at not in taken:
                    comment = self._comment(raw, body)
                    if comment.text:
                        self.pending.append(comment)
                    else:
                        self.pending.clear()
                self.at += 1
                self.offset += len(raw) + 1
            else:
                self._instruction(raw, body)
        if not self.instructions:
            self.errors.append(Error(Span(0, 0), "file with no instructions"))
        if count and len(max(lines, key=len)) > _LONGEST_LINE // 4:
            self._check_lengths()
        self.errors.sort(key=lambda error: error.span.start)
        return Dockerfile(
            self.source,
            self.escape,
            tuple(self.directives),
            tuple(self.instructions),
            tuple(self.comments),
            tuple(self.errors),
        )

    def _comment(self, raw: str, body: str) -> Comment:
        start = self.offset + len(raw) - len(body)
        body = body.rstrip("\r")
        comment = Comment(body[1:].strip(SPACE), Span(start, start + len(body)), self.at + 1)
        self.comments.append(comment)
        return comment

    def _check_lengths(self) -> None:
        offset = 0
        for line in self.lines:
            if len(line) > _LONGEST_LINE // 4 and len(line.encode("utf-8", "surrogatepass")) > _LONGEST_LINE:
                message = f"dockerfile line greater than max allowed size of {_LONGEST_LINE}"
                self.errors.append(Error(Span(offset, offset + len(line)), message))
                return
            offset += len(line) + 1

    def _instruction(self, raw: str, body: str) -> None:
        """Read the instruction whose first line is `raw`, with its continuations and heredocs."""
        escape, lines, count = self.escape, self.lines, len(self.lines)
        first_line = self.at + 1
        start = self.offset + len(raw) - len(body)
        body = body.rstrip("\r")
        end = start + len(body)
        self.at += 1
        self.offset += len(raw) + 1
        empty_lines: list[int] = []
        tail = body.rstrip(" \t")
        if tail[-1:] != escape or tail[-2:-1] == escape:
            line = Excerpt(self.source, body, ((0, start, end - start),))
        else:
            parts = [(tail[:-1], start, len(tail) - 1)]
            at, offset = self.at, self.offset
            open_ended = True
            while open_ended and at < count:
                raw = lines[at]
                piece = raw.rstrip("\r")
                body = piece.lstrip(SPACE)
                at += 1
                end = offset + len(piece)
                if not body:
                    empty_lines.append(at)
                elif body[0] == "#":
                    self.at, self.offset = at - 1, offset
                    self._comment(raw, body)
                else:
                    tail = piece.rstrip(" \t")
                    if tail[-1:] == escape and tail[-2:-1] != escape:
                        piece = tail[:-1]
                    else:
                        open_ended = False
                    parts.append((piece, offset, len(piece)))
                offset += len(raw) + 1
            self.at, self.offset = at, offset
            line = join(self.source, parts)
            if not line.pieces:
                line = Excerpt(self.source, "", ((0, start, 0),))
        text = line.text
        low = len(text) - len(text.lstrip(SPACE))
        draft = _Draft(line, low, max(len(text.rstrip(SPACE)), low), escape, 0)
        heredocs: tuple[Heredoc, ...] = ()
        reason = draft.reason
        if "<<" in text and draft.may_hold_heredoc:
            heredocs, end, heredoc_reason = self._heredocs(line, end)
            reason = reason or heredoc_reason
        instruction = draft.finish(
            first_line, self.at, end, heredocs, tuple(self.pending) if self.pending else (), tuple(empty_lines)
        )
        self.instructions.append(instruction)
        self.pending.clear()
        if reason:
            self.errors.append(Error(instruction.span, reason))

    def _heredocs(self, line: Excerpt, end: int) -> tuple[tuple[Heredoc, ...], int, str]:
        """The heredocs of a line, the end of the last one's lines, and what is wrong with them."""
        found: list[Heredoc] = []
        reason = ""
        for word, start, stop in raw_words(line.text):
            match = _HEREDOC.match(word) if "<<" in word else None
            if match is None or not match.group(3):
                continue
            name, expand = match.group(3), True
            if not _PLAIN_DELIMITER.match(name):
                try:
                    read = delimiter(name)
                except ValueError as error:
                    return tuple(found), end, reason or str(error)
                if read is None:
                    continue
                name, expand = read
            chomp = match.group(2) == "-"
            first, first_offset = self.at, self.offset
            last, terminated = self._terminator(name, chomp)
            self.offset += sum(map(len, self.lines[first:last])) + last - first
            lines = Span(first_offset, min(self.offset, len(self.text)))
            if last < len(self.lines):
                closing = self.lines[last]
                end = self.offset + len(closing.rstrip("\r"))
                self.offset += len(closing) + 1
                self.at = last + 1
            else:
                end = max(end, lines.start + len(self.text[lines.start : lines.end].rstrip("\r\n")))
                self.at = last
            if not terminated:
                reason = reason or "unterminated heredoc"
            digits = match.group(1)
            # Go's ParseUint gives the highest number for one that is too high.
            fd = min(int(digits or 0), _HIGHEST_FD) if len(digits) <= _FD_DIGITS else _HIGHEST_FD
            found.append(
                Heredoc(
                    name,
                    line.span(start, stop),
                    self._body(lines, chomp),
                    expand,
                    chomp,
                    terminated,
                    fd,
                    lines,
                )
            )
        return tuple(found), end, reason

    def _terminator(self, name: str, chomp: bool) -> tuple[int, bool]:
        """The index of the line that ends a heredoc, and whether it really does.

        Where no line does, BuildKit gives up at the end of the file. Here a line that holds the delimiter among
        spaces is then taken for the end, so that what follows is still read; else the body goes to the file's end.
        """
        lines, count = self.lines, len(self.lines)
        if self.terminators is None:
            for index in range(self.at, count):
                line = lines[index].rstrip("\r")
                if line == name or (chomp and line.lstrip("\t") == name):
                    return index, True
            self.terminators = _Terminators(lines)
        exact = self.terminators.next(name, self.at, 1 if chomp else 0)
        if exact is not None:
            return exact, True
        loose = self.terminators.next(name.strip(), self.at, 2)
        return (count if loose is None else loose), False

    def _body(self, lines: Span, chomp: bool) -> Excerpt:
        excerpt = self.source.excerpt(lines)
        if not chomp or "\t" not in excerpt.text:
            return excerpt
        parts: list[tuple[str, int, int]] = []
        at = 0
        text = excerpt.text
        for match in _LEADING_TABS.finditer(text):
            if match.start() > at:
                parts.append((text[at : match.start()], lines.start + at, match.start() - at))
            at = match.end()
        if at < len(text):
            parts.append((text[at:], lines.start + at, len(text) - at))
        return join(self.source, parts) if parts else self.source.excerpt(Span(lines.start, lines.start))


class _Terminators:
    """Where each line's text stands, so that many heredocs without end do not each read the whole file."""

    __slots__ = ("exact", "loose", "tabbed")

    def __init__(self, lines: list[str]) -> None:
        self.exact: dict[str, list[int]] = {}
        self.tabbed: dict[str, list[int]] = {}
        self.loose: dict[str, list[int]] = {}
        for index, raw in enumerate(lines):
            line = raw.rstrip("\r")
            self.exact.setdefault(line, []).append(index)
            self.tabbed.setdefault(line.lstrip("\t"), []).append(index)
            self.loose.setdefault(line.strip(), []).append(index)

    def next(self, name: str, start: int, how: int) -> int | None:
        """The first line from `start` that is `name`: exactly (0), after tabs (1), or among spaces (2)."""
        found = (self.exact, self.tabbed, self.loose)[how].get(name)
        if not found:
            return None
        at = bisect_left(found, start)
        return found[at] if at < len(found) else None


class _Draft:
    """An instruction whose last line is not known yet. `reason` is why BuildKit's parser would refuse it."""

    __slots__ = (
        "args",
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

    def __init__(self, line: Excerpt, low: int, high: int, escape: str, depth: int) -> None:
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
        self.inner: _Draft | None = None
        self.reason = ""
        self.flags: tuple[Flag, ...] = ()
        at = head.end()
        if text[at : at + 1] in _MAY_BEGIN_FLAGS and at < high:
            words, at = split_flags(text, at, high, escape)
            self.flags = tuple(_flag(line, word) for word in words)
        while at < high and text[at] in SPACE:
            at += 1
        self.args = _cut(line, at, high)
        form = _INSTRUCTIONS.get(keyword)
        if form is None:
            self.value: tuple[Excerpt, ...] = (_cut(line, at, at),)
        elif at >= high:
            self.value = ()
        elif form == "string":
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
                self.inner = _Draft(line, at, high, escape, depth + 1)
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
            return (_cut(line, at, high),)
        return tuple(_cut(line, start, end) for _, start, end in split_blank(line.text, at, high))

    def _health(self, at: int, high: int) -> tuple[Excerpt, ...]:
        line, text = self.line, self.line.text
        first, rest = split_first(text, at, high)
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
                    shown = quoted(_SURROGATE.sub("\ufffd", word.text))
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
        start = line.offset(self.low) if line.text else line.pieces[0][1]
        return Instruction(
            self.keyword,
            self.raw_keyword,
            Span(start, max(start, line.offset(self.keyword_end, end=True))),
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
    return line.sub(start, end)


def _word(line: Excerpt, word: Cut) -> Excerpt:
    """A word that BuildKit puts together character by character: bytes that are no UTF-8 become U+FFFD."""
    excerpt = _cut(line, word.start, word.end)
    if excerpt.text.isascii() or not _SURROGATE.search(excerpt.text):
        return excerpt
    return Excerpt(excerpt.source, _SURROGATE.sub("\ufffd", excerpt.text), excerpt.pieces)


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

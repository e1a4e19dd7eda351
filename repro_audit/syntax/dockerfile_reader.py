"""The pass over a Dockerfile's lines: comments, continuations and heredocs.

Called by `syntax.dockerfile.parse` only; `syntax.dockerfile_draft` reads what stands in one logical line.
"""

from __future__ import annotations

import re
from bisect import bisect_left

from repro_audit.source import Excerpt, Source, Span, join
from repro_audit.syntax import dockerfile_directives
from repro_audit.syntax.dockerfile import Comment, Directive, Dockerfile, Heredoc, Instruction
from repro_audit.syntax.dockerfile_draft import Draft
from repro_audit.syntax.error import Error
from repro_audit.syntax.go_text import SPACE

HEREDOC_MARKER = re.compile(r"([0-9]*)<<(-?)[\t\n\f\r ]*([^<]*)\Z")
_PLAIN_DELIMITER = re.compile(r"[A-Za-z0-9_.-]+\Z")
_LEADING_TABS = re.compile(r"^\t+", re.MULTILINE)
LONGEST_LINE = 65535  # bytes; bufio.MaxScanTokenSize - 1
_HIGHEST_FD = 2**64 - 1
_FD_DIGITS = 20


class Reader:
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
        if count and len(max(lines, key=len)) > LONGEST_LINE // 4:
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
            if len(line) > LONGEST_LINE // 4 and len(line.encode("utf-8", "surrogatepass")) > LONGEST_LINE:
                message = f"dockerfile line greater than max allowed size of {LONGEST_LINE}"
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
        # BuildKit refuses a file with such a line; splitting megabytes of it into words would serve nobody.
        whole = len(text) > LONGEST_LINE and any(len(raw) > LONGEST_LINE for raw in lines[first_line - 1 : self.at])
        low = len(text) - len(text.lstrip(SPACE))
        draft = Draft(line, low, max(len(text.rstrip(SPACE)), low), escape, 0, whole)
        heredocs: tuple[Heredoc, ...] = ()
        reason = draft.reason
        if "<<" in text and not whole and draft.may_hold_heredoc:
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
        from repro_audit.syntax.expand_lexer import delimiter, raw_words

        found: list[Heredoc] = []
        reason = ""
        for word, start, stop in raw_words(line.text):
            match = HEREDOC_MARKER.match(word) if "<<" in word else None
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
            first, first_offset = self.at, min(self.offset, len(self.text))
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

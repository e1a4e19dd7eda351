"""`.dockerignore`: which files of a build context never reach the builder.

Reads and matches as moby's `patternmatcher` does. Called where a COPY is followed to the files it names.
"""

from __future__ import annotations

import re
from posixpath import normpath

from repro_audit.record import dataclass, field
from repro_audit.source import Source, Span
from repro_audit.syntax.error import Error

_CLASS = re.compile(r"\[\^?(?:\\.|[^\]\\])+\]")
_SPECIAL = re.compile(r"[*?\[\]\\]")
_TOKEN = re.compile(r"\*\*/?|\*|\?|\[|\\.|[^*?\[\\]+", re.DOTALL)

# A pattern's pieces: fixed text, or one of these.
_STAR, _ANY, _DIRECTORIES, _REST = "*", "?", "**/", "**"
_Piece = tuple[str, str | None, "re.Pattern[str] | None"]


@dataclass(slots=True, frozen=True, eq=False)
class Pattern:
    """One line. `text` is cleaned (`./a//b/` is `a/b`) and without the `!` that makes it `negated`."""

    text: str
    negated: bool
    span: Span
    pieces: tuple[_Piece, ...]
    _quick: re.Pattern[str] | None = None

    def matches(self, path: str) -> bool:
        """Whether the path itself, not a folder above it, fits the pattern. Linear in `len(path)` for each piece."""
        pieces = self.pieces
        if len(pieces) == 1 and pieces[0][0]:
            return path == pieces[0][0]
        if self._quick is not None:
            return self._quick.match(path) is not None
        places = {0}
        size = len(path)
        for text, kind, letters in pieces:
            if not places:
                return False
            if kind is None:
                length = len(text)
                places = {p + length for p in places if path.startswith(text, p)}
            elif kind == _STAR:
                places = _spread(path, places)
            elif kind == _ANY:
                places = {p + 1 for p in places if p < size and path[p] != "/"}
            elif kind == _DIRECTORIES:
                first = min(places)
                places |= {p + 1 for p in range(first, size) if path[p] == "/"}
            elif kind == _REST:
                return True
            else:
                assert letters is not None
                places = {p + 1 for p in places if p < size and letters.match(path, p)}
        return size in places


def _spread(path: str, places: set[int]) -> set[int]:
    """Every place that `*` can lead to: on to the end of the path's component."""
    reached: set[int] = set()
    for place in sorted(places):
        if place in reached:
            continue
        end = path.find("/", place)
        reached.update(range(place, (len(path) if end == -1 else end) + 1))
    return reached


@dataclass(slots=True, frozen=True, eq=False)
class IgnoreFile:
    """The file's patterns in order. Later ones overrule earlier ones."""

    source: Source
    patterns: tuple[Pattern, ...]
    errors: tuple[Error, ...] = ()
    comments: tuple[tuple[int, str], ...] = ()
    _seen: dict[str, tuple[bool, ...]] = field(default_factory=dict, repr=False)

    def excludes(self, path: str) -> bool:
        """Whether the file or folder is left out. `path` is relative to the context, with slashes."""
        decision = self.decided_by(path)
        return decision is not None and not decision.negated

    def decided_by(self, path: str) -> Pattern | None:
        """The last pattern that fits the path or a folder above it; it decides. None where none does."""
        path = path.strip("/")
        if not self.patterns or not path or path == ".":
            return None
        matched = self._matched(path)
        for index in range(len(matched) - 1, -1, -1):
            if matched[index]:
                return self.patterns[index]
        return None

    def _matched(self, path: str) -> tuple[bool, ...]:
        """For each pattern, whether the path or a folder above it fits. Folders are remembered, files are not."""
        above: tuple[bool, ...] | None = None
        cut = path.find("/")
        while cut != -1:
            folder = path[:cut]
            found = self._seen.get(folder)
            if found is None:
                found = self._against(folder, above)
                self._seen[folder] = found
            above = found
            cut = path.find("/", cut + 1)
        return self._seen.get(path) or self._against(path, above)

    def _against(self, path: str, above: tuple[bool, ...] | None) -> tuple[bool, ...]:
        if above is None:
            return tuple(p.matches(path) for p in self.patterns)
        return tuple(known or p.matches(path) for known, p in zip(above, self.patterns))


def parse(source: Source) -> IgnoreFile:
    """The file's patterns. One that moby refuses (`!` alone, `[` without an end) is an `Error`."""
    patterns: list[Pattern] = []
    errors: list[Error] = []
    comments: list[tuple[int, str]] = []
    place = 0
    for number, line in enumerate(source.text.split("\n"), 1):
        start, place = place, place + len(line) + 1
        if line.startswith("#"):
            comments.append((number, line[1:].strip()))
            continue
        text = line.strip()
        if not text:
            continue
        start += len(line) - len(line.lstrip())
        span = Span(start, start + len(text))
        negated = text[0] == "!"
        if negated:
            text = text[1:].strip()
            if not text:
                errors.append(Error(span, 'illegal exclusion pattern: "!"'))
                continue
        text = normpath(text)
        if len(text) > 1 and text[0] == "/":
            text = text.lstrip("/")
        pieces = _pieces(text)
        if pieces is None:
            errors.append(Error(span, f"syntax error in pattern: {text}"))
        else:
            patterns.append(Pattern(text, negated, span, pieces, _quick(pieces)))
    return IgnoreFile(source, tuple(patterns), tuple(errors), tuple(comments))


def _quick(pieces: tuple[_Piece, ...]) -> re.Pattern[str] | None:
    """A regular expression for the usual pattern; None where so many wildcards could make it slow."""
    if not pieces or sum(p[1] in (_STAR, _DIRECTORIES, _REST) for p in pieces) > 2:
        return None
    made = []
    for text, kind, letters in pieces:
        if kind is None:
            made.append(re.escape(text))
        elif letters is not None:
            made.append(letters.pattern)
        else:
            made.append({_STAR: "[^/]*", _ANY: "[^/]", _DIRECTORIES: "(?:.*/)?", _REST: ".*"}[kind])
    return re.compile("".join(made) + r"\Z", re.DOTALL)


def _pieces(text: str) -> tuple[_Piece, ...] | None:
    """The pattern taken apart, or None where it is malformed."""
    pieces: list[_Piece] = []
    fixed: list[str] = []

    def flush() -> None:
        if fixed:
            pieces.append(("".join(fixed), None, None))
            fixed.clear()

    at, size = 0, len(text)
    while at < size:
        token = _TOKEN.match(text, at)
        if token is None:  # a backslash at the end
            return None
        raw = token.group()
        at = token.end()
        if raw[0] == "*":
            flush()
            if len(raw) == 1:
                if not pieces or pieces[-1][1] != _STAR:
                    pieces.append(("", _STAR, None))
            elif at == size:
                # A pattern's end `**` takes all that follows, folders and files.
                pieces.append(("", _REST, None))
            elif not pieces and not raw.endswith("/"):
                # `**name` at the start compares ends of paths only, unless wildcards follow.
                pieces.append(("", _DIRECTORIES, None))
                if not _SPECIAL.search(text, at):
                    pieces.append(("", _STAR, None))
            else:
                pieces.append(("", _DIRECTORIES, None))
        elif raw == "?":
            flush()
            pieces.append(("", _ANY, None))
        elif raw == "[":
            found = _CLASS.match(text, at - 1)
            letters = _compiled(found.group()) if found else None
            if found is None or letters is None:
                return None
            flush()
            pieces.append(("", "[", letters))
            at = found.end()
        else:
            fixed.append(raw[1] if raw[0] == "\\" else raw)
    flush()
    return tuple(pieces)


def _compiled(letters: str) -> re.Pattern[str] | None:
    import warnings

    inside = letters[1:-1].replace("[", r"\[")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return re.compile(f"[{inside}]")
    except re.error:
        return None

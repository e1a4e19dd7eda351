"""What git leaves out: reads `.gitignore` files the way git does. Used by `discover`, which asks while it walks.

The rules are those of gitignore(5) and of git's own `wildmatch`: patterns are matched as bytes, the last pattern that
matches decides, a deeper file comes after a shallower one, and nothing below a folder that is left out comes back.
Matching takes time linear in the path for each pattern, since a pattern may come from a repository nobody trusts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from repro_audit.record import dataclass

_Part = Callable[[bytes], object]

_BOM = b"\xef\xbb\xbf"
# Longer lines than any path are what no person wrote, and nothing is left out for them.
_MAX_LINE = 16 * 1024
_PLAIN = re.compile(rb"[^*?\[\\/]+")
_CLASSES = {
    b"alnum": b"0-9A-Za-z",
    b"alpha": b"A-Za-z",
    b"blank": b" \\t",
    b"cntrl": b"\\x00-\\x1f\\x7f",
    b"digit": b"0-9",
    b"graph": b"\\x21-\\x7e",
    b"lower": b"a-z",
    b"print": b"\\x20-\\x7e",
    b"punct": b"\\x21-\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\x7e",
    b"space": b" \\t\\n\\r\\x0b\\x0c",
    b"upper": b"A-Z",
    b"xdigit": b"0-9A-Fa-f",
}


@dataclass(slots=True, frozen=True, eq=False)
class Pattern:
    """One line of an ignore file.

    `parts` match the components of a path, None standing for `**`; without `anchored` there is one part, for the last
    component alone. `negated` patterns bring back, `folders_only` ones speak of folders.
    """

    parts: tuple[_Part | None, ...]
    anchored: bool
    negated: bool
    folders_only: bool

    def matches(self, components: list[bytes], is_folder: bool) -> bool:
        """Whether the pattern speaks of the path with these components, counted from the ignore file's folder."""
        if self.folders_only and not is_folder:
            return False
        if not self.anchored:
            part = self.parts[0]
            return part is None or part(components[-1]) is not None
        return _match_components(self.parts, components)


@dataclass(slots=True, frozen=True, eq=False)
class IgnoreList:
    """The patterns of one ignore file. `depth` is how many components of a path lie above the file's folder."""

    patterns: tuple[Pattern, ...]
    depth: int

    def verdict(self, components: list[bytes], is_folder: bool) -> bool | None:
        """True to leave the path out, False to keep it, None when no pattern speaks of it."""
        below = components[self.depth :]
        if not below:
            return None  # A folder above the file, of which it cannot speak.
        for pattern in reversed(self.patterns):
            if pattern.matches(below, is_folder):
                return not pattern.negated
        return None


def parse(data: bytes, depth: int = 0) -> IgnoreList | None:
    """The patterns in an ignore file's bytes, or None when there are none; what git could never match is dropped."""
    patterns = tuple(_patterns(data.removeprefix(_BOM).split(b"\n")))
    return IgnoreList(patterns, depth) if patterns else None


def is_ignored(lists: list[IgnoreList], components: list[bytes], is_folder: bool) -> bool:
    """Whether ignore files, shallowest first, leave out a path whose folder they keep."""
    for ignore in reversed(lists):
        verdict = ignore.verdict(components, is_folder)
        if verdict is not None:
            return verdict
    return False


def _patterns(lines: list[bytes]) -> Iterator[Pattern]:
    for line in lines:
        text = line.removesuffix(b"\r")
        if not text or text.startswith(b"#") or len(text) > _MAX_LINE:
            continue
        text = _without_trailing_spaces(text)
        negated = text.startswith(b"!")
        text = text[negated:]
        folders_only = text.endswith(b"/")
        text = text[: len(text) - folders_only]
        anchored = b"/" in text
        text = text[1:] if text.startswith(b"/") else text
        if not text:
            continue
        parts = _parts(text)
        if parts is not None and (anchored or len(parts) == 1):
            yield Pattern(parts, anchored, negated, folders_only)


def _without_trailing_spaces(line: bytes) -> bytes:
    kept = len(line.rstrip(b" "))
    if kept < len(line):
        slashes = kept - len(line[:kept].rstrip(b"\\"))
        kept += slashes % 2
    return line[:kept]


def _parts(pattern: bytes) -> tuple[_Part | None, ...] | None:
    """The pattern's components as functions, or None where git's matcher can never succeed."""
    parts: list[_Part | None] = []
    pieces: list[bytes] = [b""]
    stars = at = 0
    while at <= len(pattern):
        char = pattern[at : at + 1]
        if char in (b"", b"/"):
            if stars > 1 and pieces == [b"", b""]:
                parts.append(None)
            else:
                parts.append(re.compile(_component(pieces), re.DOTALL).match)
            pieces, stars, at = [b""], 0, at + 1
        elif char == b"*":
            run = len(pattern) - at - len(pattern[at:].lstrip(b"*"))
            stars, at = stars + run, at + run
            pieces.append(b"")
        elif char == b"?":
            pieces[-1] += b"."
            at += 1
        elif char == b"[":
            found = _bracket(pattern, at)
            if found is None:
                return None
            piece, at = found
            pieces[-1] += piece
        elif char == b"\\":
            if at + 1 == len(pattern):
                return None
            if pattern[at + 1 : at + 2] != b"/":
                pieces[-1] += re.escape(pattern[at + 1 : at + 2])
                at += 1
            at += 1
        else:
            plain = _PLAIN.match(pattern, at)
            assert plain is not None
            pieces[-1] += re.escape(plain.group())
            at = plain.end()
    return tuple(parts)


def _component(pieces: list[bytes]) -> bytes:
    """An expression for fixed pieces with `*` between them; each piece is taken at its first place, for good."""
    first, *rest = pieces
    if not rest:
        return first + rb"\Z"
    middle = b"".join(b"(?=(?P<p%d>.*?%s))(?P=p%d)" % (n, piece, n) for n, piece in enumerate(rest[:-1]) if piece)
    return first + middle + b".*" + rest[-1] + rb"\Z"


def _bracket(pattern: bytes, at: int) -> tuple[bytes, int] | None:
    """The expression for the set that opens at `at` and the offset after it; None where git gives up on the pattern."""
    end = len(pattern)
    at += 1
    negated = pattern[at : at + 1] in (b"!", b"^") and at < end
    at += negated
    items: list[bytes] = []
    previous = -1
    first = True
    while True:
        if at >= end:
            return None
        char = pattern[at]
        if char == 0x5D and not first:
            break
        first = False
        low = char
        if char == 0x5C:
            at += 1
            if at >= end:
                return None
            low = pattern[at]
            items.append(b"\\x%02x" % low)
        elif char == 0x2D and previous >= 0 and at + 1 < end and pattern[at + 1] != 0x5D:
            at += 1
            high = pattern[at]
            if high == 0x5C:
                at += 1
                if at >= end:
                    return None
                high = pattern[at]
            if previous <= high:
                items.append(b"\\x%02x-\\x%02x" % (previous, high))
            low = -1
        elif char == 0x5B and pattern[at + 1 : at + 2] == b":":
            close = pattern.find(b"]", at + 2)
            if close == -1:
                return None
            if close > at + 2 and pattern[close - 1] == 0x3A:
                name = _CLASSES.get(pattern[at + 2 : close - 1])
                if name is None:
                    return None
                items.append(name)
                at, low = close, -1
            else:
                items.append(b"\\x5b")
        else:
            items.append(b"\\x%02x" % char)
        previous = low
        at += 1
    body = b"".join(items)
    if negated:
        return (b"[^" + body + b"]" if body else b"."), at + 1
    return (b"[" + body + b"]" if body else b"(?!)"), at + 1


def _match_components(parts: tuple[_Part | None, ...], components: list[bytes]) -> bool:
    """Match with `**` as any number of components, at least one where it is last; remembers one place to go back to."""
    part = at = 0
    retry_part = retry_at = -1
    while True:
        if part < len(parts):
            match = parts[part]
            if match is None:
                if part + 1 == len(parts):
                    return at < len(components)
                retry_part, retry_at = part + 1, at
                part += 1
                continue
            if at < len(components) and match(components[at]) is not None:
                part, at = part + 1, at + 1
                continue
        elif at == len(components):
            return True
        if retry_part < 0 or retry_at >= len(components):
            return False
        retry_at += 1
        part, at = retry_part, retry_at

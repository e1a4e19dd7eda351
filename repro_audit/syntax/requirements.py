"""pip's requirements format: requirements and constraints files and `*.in`, read as pip's own `req_file` reads them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from repro_audit.record import dataclass
from repro_audit.source import Excerpt, Source, Span, join
from repro_audit.syntax import requirement
from repro_audit.syntax.error import Error
from repro_audit.syntax.requirement import RequirementLine, parse_requirement

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["OptionLine", "RequirementLine", "Requirements", "parse", "parse_line", "parse_requirement"]


@dataclass(slots=True, frozen=True, eq=False)
class OptionLine:
    """A global option such as `--index-url URL`; `name` in its long form (`-r` is `--requirement`)."""

    name: str
    value: str | None
    span: Span
    value_span: Span
    line: int


@dataclass(slots=True, frozen=True, eq=False)
class Requirements:
    """A parsed requirements file. `comments` are `(line, text)` pairs, for suppressions."""

    source: Source
    requirements: tuple[RequirementLine, ...]
    options: tuple[OptionLine, ...]
    errors: tuple[Error, ...]
    comments: tuple[tuple[int, str], ...] = ()

    def values(self, name: str) -> tuple[OptionLine, ...]:
        """All options called `name` (long form, with dashes)."""
        return tuple(o for o in self.options if o.name == name)


# Options with a value and without, by every spelling, to the one that pip documents.
_VALUED = {
    "-i": "--index-url",
    "--index-url": "--index-url",
    "--pypi-url": "--index-url",
    "--extra-index-url": "--extra-index-url",
    "-c": "--constraint",
    "--constraint": "--constraint",
    "-r": "--requirement",
    "--requirement": "--requirement",
    "-e": "--editable",
    "--editable": "--editable",
    "-f": "--find-links",
    "--find-links": "--find-links",
    "--no-binary": "--no-binary",
    "--only-binary": "--only-binary",
    "--all-releases": "--all-releases",
    "--only-final": "--only-final",
    "--trusted-host": "--trusted-host",
    "--use-feature": "--use-feature",
    "--hash": "--hash",
    "-C": "--config-settings",
    "--config-settings": "--config-settings",
    "--global-option": "--global-option",  # until pip 25; still found in files
}
_FLAGS = ("--no-index", "--prefer-binary", "--require-hashes", "--no-require-hashes", "--pre")
_LONG = (*(name for name in _VALUED if name.startswith("--")), *_FLAGS)
_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}

_ONLY_HASHES = re.compile(
    r"(?:[ \t]*--hash(?:=|[ \t]+)"
    r"(?:sha256:[0-9A-Fa-f]{64}|sha384:[0-9A-Fa-f]{96}|sha512:[0-9A-Fa-f]{128})(?![^ \t]))+[ \t]*"
)
_HEX = re.compile(r"[0-9A-Fa-f]*\Z")
_HASH = re.compile(r"--hash(?:=|[ \t]+)([^ \t]+)")
# shlex, as far as `shlex.split` without comments goes.
_SHELL_TOKEN = re.compile(r"([ \t\r\n]+)|([^ \t\r\n\"'\\]+)|\"((?:[^\"\\]|\\[\s\S])*)\"|'([^']*)'|\\([\s\S])")
_QUOTED_ESCAPE = re.compile(r"\\([\"\\])")
_LINE_ENDS = "\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029"  # what `str.splitlines`, and so pip, splits at
_UNDECODED = re.compile("[\udc80-\udcff]")
_CODING = re.compile(r"coding[:=]\s*([-\w.]+)")


def parse(source: Source) -> Requirements:
    """The file as pip reads it; what pip would refuse becomes an `Error` with pip's reason."""
    file = _File(source)
    for line, text in _logical_lines(source):
        file.read(line, text)
    errors = file.errors
    if (undecoded := _UNDECODED.search(source.text)) and not _declares_coding(source.text):
        reason = "The file is not valid UTF-8: pip reads it in whatever encoding the machine it runs on prefers"
        errors.append(Error(Span(*undecoded.span()), reason))
    return Requirements(source, tuple(file.requirements), tuple(file.options), tuple(errors), tuple(file.comments))


def parse_line(text: Excerpt) -> Requirements:
    """One logical line that stands elsewhere, such as an item of a conda environment's pip section."""
    file = _File(text.source)
    file.read(text.source.position(text.offset(0)).line, text)
    return Requirements(text.source, tuple(file.requirements), tuple(file.options), tuple(file.errors))


def _declares_coding(text: str) -> bool:
    return any(line.startswith("#") and _CODING.search(line) for line in text[:1000].split("\n")[:2])


def _logical_lines(source: Source) -> Iterator[tuple[int, Excerpt]]:
    """The lines with continuations joined by pip's rules, each with the number of its first line."""
    at, number, first = 0, 1, 0
    parts: list[tuple[str, int, int]] = []
    for full in source.text.splitlines(keepends=True):
        text = full.rstrip(_LINE_ENDS)
        stripped = text.lstrip()
        is_comment = stripped.startswith("#")
        if text.endswith("\\") and not is_comment:
            if not parts:
                first = number
            inner = text.strip("\\")
            parts.append((inner, at + len(text) - len(text.lstrip("\\")), len(inner)))
        elif parts:
            if is_comment:
                parts.append((" ", at, 0))
            parts.append((text, at, len(text)))
            yield first, join(source, parts)
            parts = []
        elif stripped:
            yield number, Excerpt(source, text, ((0, at, len(text)),))
        at += len(full)
        if full.endswith("\n"):
            number += 1
    if parts:
        yield first, join(source, parts)


class _File:
    """What has been read of a file so far."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.requirements: list[RequirementLine] = []
        self.options: list[OptionLine] = []
        self.errors: list[Error] = []
        self.comments: list[tuple[int, str]] = []

    def read(self, line: int, logical: Excerpt) -> None:
        text = logical.text
        sign = text.find("#")
        while sign > 0 and not text[sign - 1].isspace():
            sign = text.find("#", sign + 1)
        if sign >= 0:
            place = line if len(logical.pieces) == 1 else self.source.position(logical.offset(sign)).line
            self.comments.append((place, text[sign + 1 :].strip()))
            text = text[:sign]
        start, end = len(text) - len(text.lstrip()), len(text.rstrip())
        if start >= end:
            return
        if text[start] == "-":
            self._options(line, logical, start, end)
            return
        option = text.find(" -", start, end)
        if option < 0:
            self._requirement(line, _part(logical, start, end), ())
            return
        stop = len(text[:option].rstrip())
        hashes: tuple[str, ...] = ()
        if _ONLY_HASHES.fullmatch(text, option, end):
            hashes = tuple(_HASH.findall(text, option, end))
        else:
            found = self._option_words(line, logical, option, end)
            if found is None:
                return
            hashes = tuple([o.value for o in found if o.name == "--hash" and o.value])
        self._requirement(line, _part(logical, start, stop), hashes)

    def _requirement(self, line: int, text: Excerpt, hashes: tuple[str, ...], *, editable: bool = False) -> None:
        made = requirement.read(text, line, editable=editable, hashes=hashes)
        if isinstance(made, Error):
            self.errors.append(made)
            return
        self.requirements.append(made)
        if editable and made.name is None and made.url and requirement.is_vcs(made.url):
            shown = made.raw[:200]
            reason = f"Could not detect requirement name for {shown!r}, please specify one with your_package_name @ URL"
            self.errors.append(Error(made.span, reason))

    def _options(self, line: int, logical: Excerpt, start: int, end: int) -> None:
        """A line without a requirement: `-e` makes it one; of `-r` and `-c`, pip heeds one only."""
        options = self._option_words(line, logical, start, end)
        if options is None:
            return
        editable = next((o for o in options if o.name == "--editable"), None)
        if editable is not None:
            place = editable.value_span
            value = join(self.source, [(editable.value or "", place.start, place.end - place.start)])
            self._requirement(line, value, (), editable=True)
            return
        include = next((o for o in options if o.name == "--requirement"), None)
        include = include or next((o for o in options if o.name == "--constraint"), None)
        links = next((o for o in options if o.name == "--find-links"), None)
        for option in options:
            once = {"--requirement": include, "--constraint": include, "--find-links": links}.get(option.name, option)
            if option is once and option.name not in ("--hash", "--config-settings", "--global-option"):
                self.options.append(option)

    def _option_words(self, line: int, logical: Excerpt, start: int, end: int) -> list[OptionLine] | None:
        """The options between two offsets, as `optparse` takes them; None after reporting what it refuses."""
        words = _split(logical.text, start, end)
        if words is None:
            text = logical.text[start:end]
            self.errors.append(Error(logical.span(start, end), f"Could not split options: {text[:200]}"))
            return None
        found: list[OptionLine] = []
        index = 0
        while index < len(words):
            word, low, high = words[index]
            index += 1
            if word == "--":
                break
            if word[:1] != "-" or word == "-":
                continue  # pip drops stray arguments silently
            value: str | None = None
            value_place = (high, high)
            if word.startswith("--"):
                spelling, equals, rest = word.partition("=")
                name = _long_option(spelling)
                if equals:
                    value, value_place = rest, (high - len(rest) if logical.text[low:high] == word else low, high)
            else:
                spelling = word[:2]
                name = _VALUED.get(spelling) or f"no such option: {spelling}"
                if len(word) > 2:
                    value, value_place = word[2:], (high - len(word) + 2 if high - low == len(word) else low, high)
            if not name.startswith("--"):
                self.errors.append(Error(logical.span(low, high), name))
                return None
            if name in _FLAGS:
                if value is not None:
                    self.errors.append(Error(logical.span(low, high), f"{name} option does not take a value"))
                    return None
            elif value is None:
                if index >= len(words):
                    self.errors.append(Error(logical.span(low, high), f"{spelling} option requires 1 argument"))
                    return None
                value, *place = words[index]
                value_place = (place[0], place[1])
                if logical.text[place[0] + 1 : place[1] - 1] == value:
                    value_place = (place[0] + 1, place[1] - 1)
                index += 1
            if name == "--hash" and (wrong := _hash_error(value or "")):
                self.errors.append(Error(logical.span(low, max(high, value_place[1])), wrong))
                return None
            span = logical.span(low, max(high, value_place[1]))
            if name == "--hash" and (wrong := _digest_error(value or "")):
                # pip reads the line, and stops when no download has this hash.
                self.errors.append(Error(span, wrong))
                continue
            found.append(OptionLine(name, value, span, logical.span(*value_place), line))
        return found


def _part(text: Excerpt, start: int, end: int) -> Excerpt:
    """`text.sub(start, end)`, quickly where the part lies in the first piece, as nearly all do."""
    pieces = text.pieces
    if len(pieces) == 1 or end <= pieces[1][0]:
        if start == 0 and end == len(text.text):
            return text
        return Excerpt(text.source, text.text[start:end], ((0, pieces[0][1] + start, end - start),))
    return text.sub(start, end)


def _split(text: str, start: int, end: int) -> list[tuple[str, int, int]] | None:
    """`shlex.split` with places; None where it would raise."""
    words: list[tuple[str, int, int]] = []
    word: list[str] = []
    at = low = start
    while at < end:
        token = _SHELL_TOKEN.match(text, at, end)
        if not token:
            return None
        kind = token.lastindex
        if kind == 1:
            if word:
                words.append(("".join(word), low, at))
                word = []
        else:
            if not word:
                low = at
            piece = token[kind or 0]
            word.append(_QUOTED_ESCAPE.sub(r"\1", piece) if kind == 3 else piece)
        at = token.end()
    if word:
        words.append(("".join(word), low, end))
    return words


def _long_option(spelling: str) -> str:
    """The option that `optparse` takes a spelling for, which may be cut short; a message where there is none."""
    if spelling in _VALUED:
        return _VALUED[spelling]
    if spelling in _FLAGS:
        return spelling
    meant = [name for name in _LONG if name.startswith(spelling)]
    if len(meant) == 1:
        return _VALUED.get(meant[0], meant[0])
    if meant:
        return f"ambiguous option: {spelling} ({', '.join(sorted(meant))}?)"
    return f"no such option: {spelling}"


def _hash_error(value: str) -> str | None:
    algorithm, colon, _ = value.partition(":")
    if not colon:
        return "Arguments to --hash must be a hash name followed by a value, like --hash=sha256:abcde..."
    if algorithm not in _DIGITS:
        return f"Allowed hash algorithms for --hash are {', '.join(_DIGITS)}."
    return None


def _digest_error(value: str) -> str | None:
    algorithm, _, digest = value.partition(":")
    digits = _DIGITS[algorithm]
    if len(digest) == digits and _HEX.match(digest):
        return None
    return f"No file has the hash {value[:200]!r}: {algorithm} has {digits} hexadecimal digits"

"""Variables in compose files: `$X`, `${X:-default}`, `${X:?message}`, `$$`, read as compose-go reads them.

Called by `syntax.compose` for every value; works on excerpts, so that a command's words keep their places.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from repro_audit.record import dataclass
from repro_audit.source import Excerpt, Source, join
from repro_audit.syntax.error import Error

_DOLLAR = re.compile(r"\$(?:(?P<escaped>\$)|(?P<named>[A-Za-z_][A-Za-z0-9_]*)|(?P<open>\{))?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":?[-+?]")
_BRACE = re.compile(r"\$\{|\}|\$\$")
_ASSIGNMENT = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)[ \t]*[=:][ \t]*
        (?:'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<bare>[^\r\n]*))""",
    re.MULTILINE | re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$$"}
# Defaults within defaults; nobody writes more than two.
_MAX_NESTING = 20


@dataclass(slots=True, frozen=True, eq=False)
class Expansion:
    """`text` with every known variable filled in; the others stand as written and are named in `unknown`."""

    text: Excerpt
    unknown: tuple[str, ...] = ()
    errors: tuple[Error, ...] = ()

    @property
    def known(self) -> str | None:
        """The text, or None where it depends on a variable with no known value."""
        return None if self.unknown else self.text.text


def expand(content: Excerpt, variables: Mapping[str, str]) -> Expansion:
    """`content` with its variables looked up.

    A variable that is missing from `variables` is unknown rather than empty: whoever runs the file may set it. Its
    default counts as its value, since that is what the file itself says.
    """
    if "$" not in content.text:
        return Expansion(content)
    reading = _Reading(content, variables)
    reading.read(0, len(content.text))
    return Expansion(join(content.source, reading.parts), tuple(dict.fromkeys(reading.unknown)), tuple(reading.errors))


def env_file(source: Source) -> dict[str, str]:
    """The variables of a `.env` file, as compose reads it; lines that are none are passed over.

    Values in single quotes are literal, others may refer to variables above them.
    """
    found: dict[str, str] = {}
    for match in _ASSIGNMENT.finditer(source.text):
        name, single, double, bare = match.group("name", "single", "double", "bare")
        if single is not None:
            found[name] = single
        else:
            value = _ESCAPE.sub(lambda m: _ESCAPES.get(m[1], m[0]), double) if double is not None else bare
            if double is None:
                value = re.split(r"[ \t]#", bare, maxsplit=1)[0].strip()
            excerpt = Excerpt(source, value, ((0, match.start(), len(value)),))
            found[name] = expand(excerpt, found).text.text
    return found


class _Reading:
    """One pass over `content`. `parts` collects the result piece by piece, each with the place that it comes from."""

    __slots__ = ("content", "depth", "errors", "parts", "unknown", "variables")

    def __init__(self, content: Excerpt, variables: Mapping[str, str]) -> None:
        self.content = content
        self.variables = variables
        self.parts: list[tuple[str, int, int]] = []
        self.unknown: list[str] = []
        self.errors: list[Error] = []
        self.depth = 0

    def read(self, start: int, end: int) -> None:
        """Read from `start` to `end`."""
        text, at = self.content.text, start
        while at < end:
            match = _DOLLAR.search(text, at, end)
            if match is None:
                self._copy(at, end)
                return
            self._copy(at, match.start())
            at = match.end()
            if match.group("escaped"):
                self._put("$", match.start(), at)
            elif match.group("named"):
                value = self.variables.get(match.group("named"))
                if value is None:
                    self.unknown.append(match.group("named"))
                    value = match.group()
                self._put(value, match.start(), at)
            elif match.group("open"):
                at = self._braced(match.start(), at, end)
            else:
                self._fail(match.start(), at)

    def _braced(self, start: int, inside: int, end: int) -> int:
        """Handles `${...}` beginning at `start`, and says where it ends."""
        text = self.content.text
        close = _closing(text, inside, end)
        name = _NAME.match(text, inside, end)
        operator = _OPERATOR.match(text, name.end(), end) if name else None
        if close < 0 or name is None or (operator is None and name.end() != close) or self.depth >= _MAX_NESTING:
            stop = close + 1 if close >= 0 else end
            self._fail(start, stop)
            return stop
        value = self.variables.get(name.group())
        sign = operator.group() if operator else ""
        empty = value is None or (value == "" and sign.startswith(":"))
        if sign[-1:] == "+":
            if value is None:
                self.unknown.append(name.group())
            elif not empty and operator:
                self._nested(operator.end(), close)
        elif sign[-1:] == "-" and empty and operator:
            self._nested(operator.end(), close)
        elif value is None or (empty and sign[-1:] == "?"):
            self.unknown.append(name.group())
            self._copy(start, close + 1)
        else:
            self._put(value, start, close + 1)
        return close + 1

    def _nested(self, start: int, end: int) -> None:
        self.depth += 1
        self.read(start, end)
        self.depth -= 1

    def _fail(self, start: int, end: int) -> None:
        """What cannot be read stays as it is written."""
        shown = self.content.text[start : min(end, start + 60)]
        message = f"invalid interpolation format: `{shown}`; write `$$` for a dollar sign of your own"
        self.errors.append(Error(self.content.span(start, end), message))
        self._copy(start, end)

    def _copy(self, start: int, end: int) -> None:
        if end > start:
            piece = self.content.sub(start, end)
            count = len(piece.pieces)
            for index, (at, place, length) in enumerate(piece.pieces):
                stop = piece.pieces[index + 1][0] if index + 1 < count else len(piece.text)
                self.parts.append((piece.text[at:stop], place, length))

    def _put(self, value: str, start: int, end: int) -> None:
        span = self.content.span(start, end)
        self.parts.append((value, span.start, span.end - span.start))


def _closing(text: str, at: int, end: int) -> int:
    """Where the `}` stands that belongs to the `${` before `at`; -1 where there is none."""
    depth = 0
    for match in _BRACE.finditer(text, at, end):
        if match.group() == "${":
            depth += 1
        elif match.group() == "}":
            if depth == 0:
                return match.start()
            depth -= 1
    return -1

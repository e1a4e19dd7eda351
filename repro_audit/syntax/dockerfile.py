"""Dockerfiles, read exactly as BuildKit's `frontend/dockerfile/parser` reads them."""

from __future__ import annotations

from repro_audit.record import dataclass
from repro_audit.source import Excerpt, Source, Span
from repro_audit.syntax.error import Error

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
    from repro_audit.syntax.dockerfile_reader import Reader

    return Reader(source).read()

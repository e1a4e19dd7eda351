"""pip's requirements format: requirements and constraints files, `*.in`, and requirement strings found elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from repro_audit.source import Excerpt, Source, Span
from repro_audit.syntax.error import Error


@dataclass(slots=True, frozen=True, eq=False)
class RequirementLine:
    """One thing to install.

    `name` is normalised (PEP 503), None where only a URL or path is given. `specifiers` are `(operator, version)`
    pairs in file order. `url` is a direct reference (`https://`, `git+https://`, `file:`) or local path;
    `editable` for `-e`. `hashes` are `algorithm:hexdigest`. `marker` is the text after `;`.
    `span` covers the requirement itself, `spec_span` its specifiers (empty, at the end of the name, where there are none).
    """

    raw: str
    span: Span
    name: str | None
    name_span: Span
    extras: tuple[str, ...]
    specifiers: tuple[tuple[str, str], ...]
    spec_span: Span
    url: str | None
    editable: bool
    hashes: tuple[str, ...]
    marker: str | None
    line: int


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


def parse(source: Source) -> Requirements:
    """The file as pip reads it."""
    raise NotImplementedError


def parse_requirement(text: Excerpt, *, editable: bool = False) -> RequirementLine | Error:
    """One requirement as it stands in `pip install ARG`, in pyproject or in a conda file's pip section."""
    raise NotImplementedError

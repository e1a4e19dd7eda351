"""What a rule says: a `Finding` at a place of a file, perhaps with the `Edit`s that mend it."""

from __future__ import annotations

from enum import IntEnum

from repro_audit.record import dataclass, field
from repro_audit.source import Source, Span


class Severity(IntEnum):
    """How much a finding matters; a higher number is worse. `OFF` rules run only when selected."""

    OFF = 0
    INFO = 1
    WARNING = 2
    ERROR = 3

    @classmethod
    def parse(cls, name: str) -> Severity:
        """The severity called `name`; raises KeyError for another word."""
        return cls[name.upper()]

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(slots=True, frozen=True)
class Edit:
    """Replace the characters of `span` by `text`; an empty span inserts."""

    span: Span
    text: str


@dataclass(slots=True, frozen=True)
class Fix:
    """Edits to the finding's own file that belong together. `safe` when they cannot change what the file is meant to
    do.
    """

    title: str
    edits: tuple[Edit, ...]
    safe: bool = True


@dataclass(slots=True, frozen=True)
class Related:
    """A second place that explains a finding."""

    source: Source
    span: Span
    message: str


@dataclass(slots=True, frozen=True)
class Problem:
    """What a check yields: where and what. The engine adds the rule and makes it a `Finding`.

    `message` replaces the rule's message; `values` fill the `{names}` of the rule's message that the fact itself
    does not have. `severity` and `aliases` replace the rule's where this case differs from the general one.
    """

    source: Source
    span: Span
    message: str | None = None
    values: dict[str, object] = field(default_factory=dict)
    fix: Fix | None = None
    related: tuple[Related, ...] = ()
    severity: Severity | None = None
    aliases: tuple[str, ...] | None = None


@dataclass(slots=True, frozen=True)
class Finding:
    """One thing that one rule found at one place."""

    rule: str
    family: str
    severity: Severity
    message: str
    source: Source
    span: Span
    fix: Fix | None = None
    related: tuple[Related, ...] = ()
    aliases: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The file, as reports name it."""
        return self.source.path

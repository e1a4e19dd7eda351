"""The data tree that YAML, JSON with comments and TOML all become: mappings, sequences and scalars with spans.

Filled by `syntax.yaml`, `syntax.jsonc` and `syntax.toml`; walked by the readers of compose files, workflows,
devcontainers, conda environments, pyproject and lock files.
"""

from __future__ import annotations

from collections.abc import Iterator

from repro_audit.record import dataclass, field
from repro_audit.source import Excerpt, Source, Span
from repro_audit.syntax.error import Error


@dataclass(slots=True, frozen=True, eq=False)
class Scalar:
    """A leaf. `text` is its content as a string; `value` is what the format makes of it (str, int, float, bool or
    None).

    `content` is the text with its places, so a command in a block scalar can be traced line by line.
    `plain` is true for an unquoted YAML scalar. `tag` is an explicit YAML tag: `str` for `!!str`, `!reset` as it
    stands.
    """

    span: Span
    text: str
    value: str | int | float | bool | None
    content: Excerpt
    plain: bool = False
    tag: str | None = None


@dataclass(slots=True, frozen=True, eq=False)
class Entry:
    """One key of a mapping with its value. `merged` when it came in by a YAML merge key (`<<`)."""

    key: Scalar
    value: Node
    merged: bool = False


@dataclass(slots=True, frozen=True, eq=False)
class Mapping:
    """Keys in file order. Duplicate keys stay in `entries`; `get` gives the last, as the formats do."""

    span: Span
    entries: tuple[Entry, ...]
    tag: str | None = None
    _index: dict[str, Entry] = field(default_factory=dict, repr=False)

    def get(self, key: str) -> Node | None:
        """The value of `key`, or None where it is missing."""
        entry = self.entry(key)
        return entry.value if entry else None

    def entry(self, key: str) -> Entry | None:
        """The key and its value, or None where it is missing."""
        if not self._index and self.entries:
            # Own keys win over merged ones; the last of two own keys wins.
            for entry in self.entries:
                if not (entry.merged and entry.key.text in self._index):
                    self._index[entry.key.text] = entry
        return self._index.get(key)

    def at(self, *path: str) -> Node | None:
        """The value reached by following `path` through nested mappings, or None."""
        node: Node | None = self
        for key in path:
            node = node.get(key) if isinstance(node, Mapping) else None
        return node


@dataclass(slots=True, frozen=True, eq=False)
class Sequence:
    """Items in file order."""

    span: Span
    items: tuple[Node, ...]
    tag: str | None = None


Node = Scalar | Mapping | Sequence


@dataclass(slots=True, frozen=True, eq=False)
class Document:
    """A parsed file. `root` is None for an empty or unreadable one; a YAML file's further documents are in `more`."""

    source: Source
    root: Node | None
    errors: tuple[Error, ...] = ()
    more: tuple[Node, ...] = ()


def text_of(node: Node | None) -> str | None:
    """A scalar's text, or None for anything else (and for null)."""
    return node.text if isinstance(node, Scalar) and node.value is not None else None


def items_of(node: Node | None) -> tuple[Node, ...]:
    """A sequence's items, or nothing for anything else."""
    return node.items if isinstance(node, Sequence) else ()


def entries_of(node: Node | None) -> Iterator[Entry]:
    """The effective entries of a mapping (each key once), or nothing for anything else."""
    if isinstance(node, Mapping):
        node.entry("")
        yield from node._index.values()

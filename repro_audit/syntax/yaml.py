"""YAML as Docker Compose reads it (go-yaml v3: YAML 1.2 types, merge keys, no duplicate keys), with places.

Built on libyaml's events, so nothing is ever constructed: a tag such as `!!python/object` is a word like any other.
Called by the readers of compose files, workflows, conda environments, pre-commit and user rules.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from repro_audit.source import Excerpt, Source, Span
from repro_audit.syntax.error import Error
from repro_audit.syntax.tree import Document, Entry, Mapping, Node, Scalar, Sequence
from repro_audit.syntax.yaml_scalar import content_of, plain_value

if TYPE_CHECKING:
    from collections.abc import Iterator

# Deeper nesting than any real file has; it lets every later walk over the tree be a plain recursion.
MAX_DEPTH = 200
# How many nodes all aliases together may stand for, so that a walk that follows them ends (the "billion laughs").
MAX_ALIASED = 1_000_000

_UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PROPERTIES = re.compile(r"(?:[&!][^\s,\[\]{}]*(?:[ \t]|\r?\n|#[^\n]*\n)*)*")
_CORE = "tag:yaml.org,2002:"
_TAB = "found character that cannot start any token"


def parse(source: Source) -> Document:
    """The file's documents. What cannot be read is an `Error`; what stands before it is kept.

    Duplicate keys, undefined aliases and merges of what is no mapping are errors as they are for go-yaml.
    """
    return _Builder(source).build()


class _Open:
    """A mapping or sequence whose end has not come yet."""

    __slots__ = ("anchor", "children", "flow", "mapping", "start", "tag")

    def __init__(self, mapping: bool, start: int, flow: bool, anchor: str | None, tag: str | None) -> None:
        self.mapping = mapping
        self.start = start
        self.flow = flow
        self.anchor = anchor
        self.tag = tag
        self.children: list[Node] = []


class _Builder:
    """Turns libyaml's events into nodes, with a stack of its own: nesting costs no recursion."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.errors: list[Error] = []
        self.roots: list[Node] = []
        self.stack: list[_Open] = []
        self.anchors: dict[str, Node | None] = {}
        self.sizes: dict[int, tuple[int, int]] = {}
        self.aliased = 0

    def build(self) -> Document:
        text = self.source.text
        unreadable = _UNREADABLE.search(text)
        if unreadable:
            at = unreadable.start()
            self.error(at, at + 1, "control characters are not allowed")
            text = _UNREADABLE.sub("\ufffd", text)
        if not text.isspace() and text:
            self.read(text)
        roots = self.roots
        return Document(self.source, roots[0] if roots else None, tuple(self.errors), tuple(roots[1:]))

    def read(self, text: str) -> None:
        import yaml

        events: Any = yaml  # its types lack what the C reader's events carry
        try:
            for event in events.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
                kind = type(event)
                if kind is events.ScalarEvent:
                    self.add(self.scalar(text, event), event.anchor)
                elif kind is events.MappingStartEvent or kind is events.SequenceStartEvent:
                    if len(self.stack) >= MAX_DEPTH:
                        at = event.start_mark.index
                        self.error(at, at + 1, f"nested more than {MAX_DEPTH} deep; the rest of the file is not read")
                        break
                    start = event.start_mark.index
                    if event.anchor or event.tag:
                        start = _PROPERTIES.match(text, start).end()  # type: ignore[union-attr]
                    mapping = kind is events.MappingStartEvent
                    if event.anchor:
                        self.anchors[event.anchor] = None
                    self.stack.append(_Open(mapping, start, event.flow_style, event.anchor, _short(event.tag)))
                elif kind is events.MappingEndEvent or kind is events.SequenceEndEvent:
                    self.close(event.end_mark.index)
                elif kind is events.AliasEvent:
                    self.alias(event)
                elif kind is events.DocumentStartEvent:
                    self.anchors.clear()
        except yaml.YAMLError as problem:
            self.broken(problem)
        except RecursionError:  # only the pure-Python reader, where libyaml is missing
            self.error(0, 0, "nested too deeply")
        while self.stack:
            self.close(None)

    def broken(self, problem: Exception) -> None:
        mark = getattr(problem, "problem_mark", None) or getattr(problem, "context_mark", None)
        at = min(mark.index if mark else 0, len(self.source.text))
        words = [w for w in (getattr(problem, "context", None), getattr(problem, "problem", None)) if w]
        message = ": ".join(words) or str(problem)
        if _TAB in message and self.source.text[at : at + 1] == "\t":
            message += " (a tab; YAML is indented with spaces only)"
        self.error(at, min(at + 1, len(self.source.text)), message)

    def error(self, start: int, end: int, message: str) -> None:
        self.errors.append(Error(Span(start, end), message))

    def scalar(self, text: str, event: Any) -> Scalar:
        start: int = event.start_mark.index
        end: int = event.end_mark.index
        value: str = event.value
        style = event.style or None
        tag = event.tag
        if event.anchor or tag:
            # libyaml counts anchor and tag in; an empty scalar after them has no place of its own.
            start = min(_PROPERTIES.match(text, start, end).end(), end)  # type: ignore[union-attr]
        source = self.source
        if end - start == len(value) and style is None:
            content = Excerpt(source, value, ((0, start, end - start),))
        else:
            content = content_of(source, text, value, style, start, end)
            if style in ("|", ">"):
                while end > start and text[end - 1] in "\r\n \t":
                    end -= 1
        short = _short(tag)
        if short is None:
            plain = style is None
            return Scalar(Span(start, end), value, plain_value(value) if plain else value, content, plain)
        made = plain_value(value) if style is None and short not in ("str", "binary") else value
        if short in ("int", "float", "bool", "null"):
            made = plain_value(value)
        return Scalar(Span(start, end), value, made, content, False, short)

    def add(self, node: Node, anchor: str | None) -> None:
        if anchor:
            self.anchors[anchor] = node
        if self.stack:
            self.stack[-1].children.append(node)
        else:
            self.roots.append(node)

    def alias(self, event: Any) -> None:
        start, end = event.start_mark.index, event.end_mark.index
        name = event.anchor
        node = self.anchors.get(name)
        if node is None:
            known = name in self.anchors
            message = f"anchor '{name}' value contains itself" if known else f"unknown anchor '{name}' referenced"
            self.error(start, end, message)
        else:
            weight, height = self.size(node)
            self.aliased += weight
            if self.aliased > MAX_ALIASED:
                if self.aliased - weight <= MAX_ALIASED:
                    self.error(start, end, "document contains excessive aliasing")
                self.aliased = MAX_ALIASED + 1
                node = None
            elif len(self.stack) + height > MAX_DEPTH:
                self.error(start, end, f"nested more than {MAX_DEPTH} deep through its aliases")
                node = None
        if node is None:
            span = Span(start, end)
            node = Scalar(span, "", None, Excerpt(self.source, "", ((0, start, 0),)), True)
        self.add(node, None)

    def size(self, node: Node) -> tuple[int, int]:
        """How many nodes `node` stands for with its aliases followed, and how deep it is. Each node is counted once."""
        sizes = self.sizes
        todo: list[tuple[Node, bool]] = [(node, False)]
        while todo:
            item, ready = todo.pop()
            if id(item) in sizes:
                continue
            if isinstance(item, Scalar):
                sizes[id(item)] = (1, 0)
                continue
            children = item.items if isinstance(item, Sequence) else tuple(e.value for e in item.entries)
            if ready:
                weight, height = 1, 0
                for child in children:
                    inner = sizes[id(child)]
                    weight += inner[0] + 1
                    height = max(height, inner[1])
                sizes[id(item)] = (weight, height + 1)
            else:
                todo.append((item, True))
                todo.extend((child, False) for child in children)
        return sizes[id(node)]

    def close(self, end: int | None) -> None:
        opened = self.stack.pop()
        children = opened.children
        if not opened.flow or end is None:
            # A block ends, for libyaml, where the next token starts; for people, where its last part ends.
            last = children[-1].span.end if children else opened.start
            end = max(last, opened.start)
        start = opened.start
        span = Span(start, end)
        node: Node
        if opened.mapping:
            node = Mapping(span, self.entries(children), opened.tag)
        else:
            node = Sequence(span, tuple(children), opened.tag)
        self.add(node, opened.anchor)

    def entries(self, children: list[Node]) -> tuple[Entry, ...]:
        if len(children) % 2:
            at = children[-1].span.end
            children.append(Scalar(Span(at, at), "", None, Excerpt(self.source, "", ((0, at, 0),)), True))
        entries: list[Entry] = []
        keys: dict[str, Scalar] = {}
        merges = False
        for index in range(0, len(children), 2):
            key = children[index]
            if not isinstance(key, Scalar):
                raw = self.source.excerpt(key.span)
                key = Scalar(key.span, raw.text, raw.text, raw)
                self.error(key.span.start, key.span.end, "a mapping key that is no string")
            text = key.text
            if text == "<<" and key.plain:
                merges = True
            if text in keys:
                line = self.source.position(keys[text].span.start).line
                self.error(key.span.start, key.span.end, f'mapping key "{text}" already defined at line {line}')
            else:
                keys[text] = key
            entries.append(Entry(key, children[index + 1]))
        return tuple(self.merged(entries, keys)) if merges else tuple(entries)

    def merged(self, entries: list[Entry], keys: dict[str, Scalar]) -> Iterator[Entry]:
        """The entries with those of every `<<` put in its place; own keys win, then earlier merges."""
        for entry in entries:
            if not (entry.key.text == "<<" and entry.key.plain):
                yield entry
                continue
            value = entry.value
            for part in value.items if isinstance(value, Sequence) else (value,):
                if not isinstance(part, Mapping):
                    if not (isinstance(part, Scalar) and part.value is None and self.errors):
                        span = part.span
                        message = "map merge requires map or sequence of maps as the value"
                        self.error(span.start, span.end, message)
                    continue
                for inner in part.entries:
                    if inner.key.text not in keys:
                        keys[inner.key.text] = inner.key
                        yield Entry(inner.key, inner.value, True)


def _short(tag: str | None) -> str | None:
    """`str` for `!!str`; a tag of somebody's own (`!reset`) keeps its mark; None for no tag."""
    if not tag:
        return None
    return tag[len(_CORE) :] if tag.startswith(_CORE) else tag

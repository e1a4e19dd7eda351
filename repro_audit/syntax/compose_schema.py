"""Checks a compose file against the published schema of the compose specification.

A validator for exactly the keywords that this schema uses, over nodes with places, with one message per fault.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from repro_audit.source import Span
from repro_audit.syntax.error import Error
from repro_audit.syntax.tree import Entry, Mapping, Node, Scalar, Sequence

# The schema is JSON: its shape is known only to itself.
Schema: TypeAlias = dict[str, Any]

_NOUNS = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "null": "empty",
    "object": "a mapping",
    "array": "a list",
}
_cache: list[Schema] = []


def schema() -> Schema:
    """The schema, read once."""
    if not _cache:
        import json
        from importlib.resources import files

        text = files("repro_audit").joinpath("knowledge/compose-spec.json").read_text("utf-8")
        _cache.append(json.loads(text))
    return _cache[0]


def violations(root: Node | None, *, unique: bool = False) -> tuple[Error, ...]:
    """What in the file breaks the schema, in order of place.

    Repeated items are complained about with `unique` only: the schema forbids them, but compose drops them before it
    looks (`EnforceUnicity` in compose-go), so such a file runs.
    """
    if root is None:
        return ()
    whole = schema()
    checker = _Checker(whole, unique)
    if isinstance(root, Mapping):
        old = _version_one(root)
        if old is not None:
            return (old,)
    checker.check(root, whole, "the file")
    return tuple(sorted(checker.errors, key=lambda e: e.span))


def _version_one(root: Mapping) -> Error | None:
    if root.entry("services") or root.entry("include"):
        return None
    for entry in root.entries:
        value = entry.value
        if isinstance(value, Mapping) and (value.entry("image") or value.entry("build")):
            if not entry.key.text.startswith("x-"):
                message = (
                    f"`{entry.key.text}` stands at the top level as in version 1; services belong under `services:`"
                )
                return Error(entry.key.span, message)
    return None


class _Checker:
    """One run over a file. A node shared by aliases is checked once for each schema it meets."""

    def __init__(self, root: Schema, unique: bool) -> None:
        self.root = root
        self.repeats = unique
        self.errors: list[Error] = []
        self.seen: set[tuple[int, int]] = set()
        self.patterns: dict[str, re.Pattern[str]] = {}

    def check(self, node: Node, part: Schema, name: str) -> None:
        part = self.resolved(part)
        if not part:
            return
        if not isinstance(node, Scalar):
            mark = (id(node), id(part))
            if mark in self.seen:
                return
            self.seen.add(mark)
        choices = part.get("oneOf")
        if choices is not None:
            self.one_of(node, choices, name)
        types = part.get("type")
        if types is not None and not fits(node, types):
            self.error(node.span, f"{name} must be {_nouns(types)}")
            return
        if isinstance(node, Scalar):
            self.scalar(node, part, name)
        elif isinstance(node, Mapping):
            self.mapping(node, part, name)
        else:
            items = part.get("items")
            if items is not None:
                for index, item in enumerate(node.items):
                    self.check(item, items, f"{name}[{index}]")
            if self.repeats and part.get("uniqueItems"):
                self.unique(node, name)

    def resolved(self, part: Schema) -> Schema:
        reference = part.get("$ref")
        while reference is not None:
            part = self.root["definitions"][reference.rpartition("/")[2]]
            reference = part.get("$ref")
        return part

    def error(self, span: Span, message: str) -> None:
        self.errors.append(Error(span, message))

    def one_of(self, node: Node, choices: list[Schema], name: str) -> None:
        """Complaints come from the one choice of the node's own kind; the schema never has two of a kind that fit."""
        resolved = [self.resolved(c) for c in choices]
        for choice in resolved:
            types = choice.get("type")
            if "oneOf" in choice or fits(node, types):
                self.check(node, choice, name)
                return
        nouns: dict[str, None] = {}
        for choice in resolved:
            types = choice.get("type", [])
            nouns.update(dict.fromkeys([types] if isinstance(types, str) else types))
        self.error(node.span, f"{name} must be {_nouns(list(nouns))}")

    def scalar(self, node: Scalar, part: Schema, name: str) -> None:
        value = node.value
        if isinstance(value, str):
            if "$" in value:
                return
            allowed = part.get("enum")
            if allowed is not None and value not in allowed:
                self.error(node.span, f"{name} must be one of {', '.join(allowed)}{_nearest(value, allowed)}")
            pattern = part.get("pattern")
            if pattern is not None and not self.pattern(pattern).search(value):
                self.error(node.span, f"{name} does not match `{pattern}`")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            if "minimum" in part and value < part["minimum"]:
                self.error(node.span, f"{name} must be at least {part['minimum']}")
            if "maximum" in part and value > part["maximum"]:
                self.error(node.span, f"{name} must be at most {part['maximum']}")

    def pattern(self, text: str) -> re.Pattern[str]:
        found = self.patterns.get(text)
        if found is None:
            found = self.patterns[text] = re.compile(text)
        return found

    def mapping(self, node: Mapping, part: Schema, name: str) -> None:
        properties: Schema = part.get("properties", {})
        patterns: Schema = part.get("patternProperties", {})
        closed = part.get("additionalProperties") is False
        prefix = "" if name == "the file" else name + "."
        node.entry("")
        entries: list[Entry] = list(node._index.values())
        for entry in entries:
            key = entry.key.text
            if entry.value.tag == "!reset":
                continue
            known = properties.get(key)
            if known is not None:
                self.check(entry.value, known, prefix + key)
            matched = False
            for pattern, inner in patterns.items():
                if self.pattern(pattern).search(key):
                    matched = True
                    if inner:
                        self.check(entry.value, inner, prefix + key)
            if known is None and not matched and closed:
                self.unknown(entry, list(properties), name)
        for key in part.get("required", ()):
            if node.entry(key) is None:
                self.error(node.span, f"{name} lacks `{key}`")

    def unknown(self, entry: Entry, known: list[str], name: str) -> None:
        key = entry.key.text
        if not known:
            self.error(entry.key.span, f"`{key}` is no valid name in {name}: letters, digits, `.`, `_` and `-` only")
            return
        # Looking for the nearest word is slow; nobody reads the hundredth suggestion.
        near = _nearest(key, known) if len(self.errors) < 100 else ""
        self.error(entry.key.span, f"`{key}` is no key of {name}{near}")

    def unique(self, node: Sequence, name: str) -> None:
        seen: set[object] = set()
        for item in node.items:
            frozen = _frozen(item)
            if frozen in seen:
                self.error(item.span, f"{name} names `{getattr(item, 'text', 'this')}` twice")
            seen.add(frozen)


def fits(node: Node, types: str | list[str] | None) -> bool:
    """Whether the node is of one of these JSON types. A value with a variable in it may become any scalar."""
    if types is None:
        return True
    if isinstance(types, str):
        types = [types]
    if isinstance(node, Mapping):
        return "object" in types
    if isinstance(node, Sequence):
        return "array" in types
    value = node.value
    if value is None:
        return "null" in types
    if isinstance(value, bool):
        return "boolean" in types
    if isinstance(value, str):
        return "string" in types or ("$" in value and bool({"integer", "number", "boolean"} & set(types)))
    if "number" in types:
        return True
    return "integer" in types and (isinstance(value, int) or value.is_integer())


def _nouns(types: str | list[str]) -> str:
    nouns = [_NOUNS[t] for t in ([types] if isinstance(types, str) else types)]
    return nouns[0] if len(nouns) == 1 else f"{', '.join(nouns[:-1])} or {nouns[-1]}"


def _nearest(word: str, known: list[str]) -> str:
    import difflib

    found = difflib.get_close_matches(word, known, 1, 0.6)
    return f"; did you mean `{found[0]}`?" if found else ""


def _frozen(node: Node) -> object:
    """A hashable stand-in that is equal for equal values. Lists that must be unique hold small things only."""
    if isinstance(node, Scalar):
        value = node.value
        return (type(value) is bool, value)
    if isinstance(node, Sequence):
        return tuple(_frozen(i) for i in node.items)
    node.entry("")
    return frozenset((k, _frozen(e.value)) for k, e in node._index.items())

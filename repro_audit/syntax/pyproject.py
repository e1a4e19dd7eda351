"""pyproject.toml: what a project depends on, in the standard tables (PEP 621, 735, 518) and in those of the tools.

The tools are poetry, pdm, uv and hatch. A Pipfile, which says the same in tables of its own, is read here too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from repro_audit.record import dataclass
from repro_audit.source import Excerpt, Source, Span
from repro_audit.syntax import requirement, toml
from repro_audit.syntax.error import Error
from repro_audit.syntax.requirement import RequirementLine
from repro_audit.syntax.tree import Document, Mapping, Scalar, Sequence, entries_of, items_of, text_of

if TYPE_CHECKING:
    from repro_audit.syntax.tree import Node


@dataclass(slots=True, frozen=True, eq=False)
class Dependency:
    """One dependency.

    `group` tells the list it stands in: `project`, `build-system`, `optional:NAME`, `group:NAME`, or `packages` and
    `dev-packages` (Pipfile). `form` is `pep508` (then `requirement` is set), `poetry` or `pipfile` (a name with a
    constraint). `constraint` is the version asked for as written (empty for none, `*` for any), `constraint_span` its
    place. `url` is a git address, another URL or a path; `revision` a commit, tag or branch with its kind in
    `revision_kind` (`rev`, `tag`, `branch`). `index` names the source it is to come from.
    """

    name: str
    name_span: Span
    span: Span
    group: str
    form: str
    requirement: RequirementLine | None
    constraint: str
    constraint_span: Span
    extras: tuple[str, ...] = ()
    marker: str | None = None
    url: str | None = None
    url_kind: str | None = None
    revision: str | None = None
    revision_kind: str | None = None
    editable: bool = False
    index: str | None = None


@dataclass(slots=True, frozen=True, eq=False)
class Index:
    """A package index. `supplemental` unless it replaces PyPI; `explicit` when only packages that name it use it."""

    name: str
    url: str
    span: Span
    tool: str
    supplemental: bool
    explicit: bool = False


@dataclass(slots=True, frozen=True, eq=False)
class Override:
    """`[tool.uv.sources]`: where a package is to come from instead of its index."""

    name: str
    span: Span
    url: str | None
    url_kind: str | None
    revision: str | None
    revision_kind: str | None
    index: str | None


@dataclass(slots=True, frozen=True, eq=False)
class PyProject:
    """A parsed pyproject.toml or Pipfile.

    `tools` are the tables under `[tool]`. `requires_python` is the constraint as written. `dynamic` lists what the
    build backend computes. `includes` are `(group, included group)`.
    """

    source: Source
    document: Document
    name: str | None
    requires_python: str | None
    requires_python_span: Span | None
    dependencies: tuple[Dependency, ...]
    indexes: tuple[Index, ...]
    overrides: tuple[Override, ...]
    tools: tuple[str, ...]
    dynamic: tuple[str, ...]
    includes: tuple[tuple[str, str], ...]
    errors: tuple[Error, ...]


def parse(source: Source) -> PyProject:
    """The project's declarations; a requirement that cannot be read becomes an `Error` and the rest stands."""
    document = toml.parse(source)
    reading = _Reading(source, document)
    root = document.root if isinstance(document.root, Mapping) else None
    at = root.at if root else lambda *_: None
    reading.pep508(at("project", "dependencies"), "project")
    for entry in entries_of(at("project", "optional-dependencies")):
        reading.pep508(entry.value, f"optional:{entry.key.text}")
    for entry in entries_of(at("dependency-groups")):
        reading.pep508(entry.value, f"group:{entry.key.text}")
    reading.pep508(at("build-system", "requires"), "build-system")
    reading.pep508(at("tool", "uv", "dev-dependencies"), "group:dev")
    for entry in entries_of(at("tool", "pdm", "dev-dependencies")):
        reading.pep508(entry.value, f"group:{entry.key.text}")
    for entry in entries_of(at("tool", "hatch", "envs")):
        for key in ("dependencies", "extra-dependencies"):
            if isinstance(entry.value, Mapping):
                reading.pep508(entry.value.get(key), f"group:{entry.key.text}")
    reading.poetry(at("tool", "poetry", "dependencies"), "project")
    reading.poetry(at("tool", "poetry", "dev-dependencies"), "group:dev")
    for entry in entries_of(at("tool", "poetry", "group")):
        if isinstance(entry.value, Mapping):
            reading.poetry(entry.value.get("dependencies"), f"group:{entry.key.text}")
    _indexes(reading, at("tool", "uv"), at("tool", "poetry", "source"), at("tool", "pdm", "source"))
    for entry in entries_of(at("tool", "uv", "sources")):
        for node in (entry.value, *items_of(entry.value)):
            if isinstance(node, Mapping):
                reading.override(entry.key, node)
    python = at("project", "requires-python") or at("tool", "poetry", "dependencies", "python")
    return reading.done(
        text_of(at("project", "name")) or text_of(at("tool", "poetry", "name")),
        python if isinstance(python, Scalar) else None,
        tuple([entry.key.text for entry in entries_of(at("tool"))]),
        tuple([text for item in items_of(at("project", "dynamic")) if (text := text_of(item))]),
    )


def parse_pipfile(source: Source) -> PyProject:
    """A Pipfile."""
    document = toml.parse(source)
    reading = _Reading(source, document)
    root = document.root if isinstance(document.root, Mapping) else None
    python: Node | None = None
    for entry in entries_of(root):
        key = entry.key.text
        if key == "source":
            for number, node in enumerate(items_of(entry.value)):
                reading.index(node, "pipenv", supplemental=number > 0)
        elif key == "requires" and isinstance(entry.value, Mapping):
            python = entry.value.get("python_full_version") or entry.value.get("python_version")
        elif key not in ("pipenv", "scripts"):
            reading.poetry(entry.value, key, form="pipfile")
    return reading.done(None, python if isinstance(python, Scalar) else None, (), ())


def exact_version(constraint: str, form: str) -> str | None:
    """The one version that a constraint of poetry (`1.2.3`, `==1.2.3`) or of a Pipfile (`==1.2.3`) allows, or None."""
    pattern = _POETRY_EXACT if form == "poetry" else _PIPFILE_EXACT
    found = pattern.fullmatch(constraint.strip())
    return found[1] if found else None


_POETRY_EXACT = re.compile(r"(?:===?|=)?\s*v?([0-9][0-9A-Za-z.!+_-]*)")
_PIPFILE_EXACT = re.compile(r"===?\s*v?([0-9][0-9A-Za-z.!+_-]*)")


def _indexes(reading: _Reading, uv: Node | None, poetry: Node | None, pdm: Node | None) -> None:
    if isinstance(uv, Mapping):
        for node in items_of(uv.get("index")):
            default = isinstance(node, Mapping) and text_of(node.get("default")) == "true"
            reading.index(node, "uv", supplemental=not default)
        table = uv.get("pip")
        for key in ("index-url", "extra-index-url"):
            for place in (uv, table):
                given = place.get(key) if isinstance(place, Mapping) else None
                for item in (given, *items_of(given)):
                    if isinstance(item, Scalar):
                        reading.indexes.append(Index("", item.text, item.span, "uv", key != "index-url"))
    for node in items_of(poetry):
        priority = text_of(node.get("priority")) if isinstance(node, Mapping) else None
        reading.index(
            node, "poetry", supplemental=priority not in (None, "primary", "default"), explicit=priority == "explicit"
        )
    for node in items_of(pdm):
        name = text_of(node.get("name")) if isinstance(node, Mapping) else None
        reading.index(node, "pdm", supplemental=name != "pypi")


class _Reading:
    """What has been read of a project so far."""

    def __init__(self, source: Source, document: Document) -> None:
        self.source = source
        self.document = document
        self.dependencies: list[Dependency] = []
        self.indexes: list[Index] = []
        self.overrides: list[Override] = []
        self.includes: list[tuple[str, str]] = []
        self.errors: list[Error] = list(document.errors)

    def done(
        self, name: str | None, python: Scalar | None, tools: tuple[str, ...], dynamic: tuple[str, ...]
    ) -> PyProject:
        return PyProject(
            self.source,
            self.document,
            name,
            python.text if python else None,
            python.span if python else None,
            tuple(sorted(self.dependencies, key=lambda d: d.span)),
            tuple(self.indexes),
            tuple(self.overrides),
            tools,
            dynamic,
            tuple(self.includes),
            tuple(self.errors),
        )

    def pep508(self, node: Node | None, group: str) -> None:
        if node is not None and not isinstance(node, Sequence):
            self.errors.append(Error(node.span, "Expected an array of requirements"))
            return
        for item in items_of(node):
            if isinstance(item, Mapping) and (included := text_of(item.get("include-group"))):
                self.includes.append((group.partition(":")[2], included))
            elif isinstance(item, Scalar) and isinstance(item.value, str):
                self._requirement(item, group)
            else:
                self.errors.append(Error(item.span, "Expected a requirement in a string"))

    def _requirement(self, item: Scalar, group: str) -> None:
        text: Excerpt = item.content
        editable = text.text.startswith(("-e ", "--editable "))  # pdm's development dependencies allow it
        if editable:
            text = text.sub(text.text.index(" ") + 1, len(text.text))
        read = requirement.parse_requirement(text, editable=editable)
        if isinstance(read, Error):
            self.errors.append(read)
            return
        spec = "".join([f",{operator}{version}" for operator, version in read.specifiers])[1:]
        self.dependencies.append(
            Dependency(
                read.name or read.url or read.raw,
                read.name_span,
                read.span,
                group,
                "pep508",
                read,
                spec,
                read.spec_span,
                read.extras,
                read.marker,
                read.url,
                editable=read.editable,
            )
        )

    def poetry(self, node: Node | None, group: str, *, form: str = "poetry") -> None:
        for entry in entries_of(node):
            if form == "poetry" and entry.key.text.lower() == "python":
                continue
            choices = items_of(entry.value) if isinstance(entry.value, Sequence) else (entry.value,)
            for choice in choices:
                self.dependencies.append(self._named(entry.key, choice, group, form))

    def _named(self, key: Scalar, value: Node, group: str, form: str) -> Dependency:
        end = value.span.end
        table = value if isinstance(value, Mapping) else None
        version = table.get("version") if table else value
        constraint = version.text if isinstance(version, Scalar) else ""
        place = version.content.whole if isinstance(version, Scalar) else Span(end, end)
        url, kind, revision, revision_kind, index = _origin(table)
        extras = tuple([text for item in items_of(table.get("extras") if table else None) if (text := text_of(item))])
        return Dependency(
            requirement.normalize(key.text),
            key.span,
            Span(key.span.start, end) if key.span.start < end else key.span,
            group,
            form,
            None,
            constraint,
            place,
            extras,
            text_of(table.get("markers")) if table else None,
            url,
            kind,
            revision,
            revision_kind,
            text_of(table.get("develop") or table.get("editable")) == "true" if table else False,
            index,
        )

    def index(self, node: Node, tool: str, *, supplemental: bool, explicit: bool = False) -> None:
        url = node.get("url") if isinstance(node, Mapping) else None
        if isinstance(node, Mapping) and isinstance(url, Scalar):
            explicit = explicit or text_of(node.get("explicit")) == "true"
            name = text_of(node.get("name")) or ""
            self.indexes.append(Index(name, url.text, url.span, tool, supplemental, explicit))

    def override(self, key: Scalar, node: Mapping) -> None:
        self.overrides.append(
            Override(
                requirement.normalize(key.text), Span(key.span.start, max(node.span.end, key.span.end)), *_origin(node)
            )
        )


def _origin(table: Mapping | None) -> tuple[str | None, str | None, str | None, str | None, str | None]:
    """URL, its kind (`git`, `url`, `path`, `file`, `workspace`), revision, its kind, and the named index of a table."""
    if table is None:
        return None, None, None, None, None
    kind = next((k for k in ("git", "url", "path", "file", "workspace") if table.get(k) is not None), None)
    url = text_of(table.get(kind)) if kind else None
    revision_kind = next((k for k in ("rev", "tag", "branch", "ref") if table.get(k) is not None), None)
    revision = text_of(table.get(revision_kind)) if revision_kind else None
    index = text_of(table.get("source") or table.get("index"))
    return url, kind, revision, "rev" if revision_kind == "ref" else revision_kind, index

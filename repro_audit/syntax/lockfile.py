"""Lock files of Python's tools: uv, poetry, pdm, PEP 751, pipenv and conda-lock, as the list of what they lock.

Locks are large and written by machines: the packages of the TOML ones are cut out by patterns where every line has the
shape such a machine writes, and read as TOML otherwise (a merge conflict, a hand's edit).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from repro_audit.record import dataclass
from repro_audit.source import Source, Span
from repro_audit.syntax.error import Error
from repro_audit.syntax.requirement import normalize
from repro_audit.syntax.tree import Document, Mapping, Scalar, Sequence, entries_of, items_of, text_of

if TYPE_CHECKING:
    from repro_audit.syntax.tree import Node


@dataclass(slots=True, frozen=True, eq=False)
class LockedPackage:
    """One locked package. `hashes` tells how many of its files are held by a hash; `source_url` where it comes from
    (an index, a git address with its commit, a path); `source_kind` is `registry git url path virtual conda`.
    """

    name: str
    version: str | None
    hashes: int
    source_url: str | None
    source_kind: str
    span: Span
    ecosystem: str = "pip"


@dataclass(slots=True, frozen=True, eq=False)
class Lock:
    """A parsed lock file. `kind` is `uv poetry pdm pylock pipfile conda-lock`. `content_hash` is what the tool computes
    from the manifest to see whether the lock is stale.
    """

    kind: str
    source: Source
    packages: tuple[LockedPackage, ...]
    errors: tuple[Error, ...]
    requires_python: str | None = None
    content_hash: str | None = None


# Every line of a lock as its tool writes it; a line of another shape sends the whole file to the TOML reader.
_ODD_LINE = re.compile(
    r"(?m)^(?![ \t]*(?:#.*|\[\[?[\w.\"@+ -]+\]\]?|[\w.\"'@+-]+[ \t]*=[ \t]*\S.*"
    r"|[\[{\"'].*,|[\[{].*[\]}]|\"[^\"]*\"|[\]}],?)?\r?$)"
)
_BLOCK = re.compile(r"(?m)^\[\[(package|packages)\]\][ \t]*\r?$")
_TABLE = re.compile(r"(?m)^\[")
_FIELD = re.compile(r"(?m)^(name|version|source|commit|sdist|vcs|directory|path|url|ref|index)[ \t]*=[ \t]*([^\r\n]+)")
_TEXT = re.compile(r"\"([^\"\\]*)\"")
_HASH = re.compile(r"\bhash[ \t]*=[ \t]*\"|\bhashes[ \t]*=[ \t]*\{[^}]*\"|^\[package[s.\w]*hashes\]", re.MULTILINE)
_TOP = re.compile(
    r"(?m)^(requires-python|python-versions|content-hash|content_hash|requires_python)[ \t]*=[ \t]*\"([^\"]*)\""
)
_PAIR = re.compile(r"(\w+)[ \t]*=[ \t]*\"([^\"]*)\"")


def parse(source: Source, kind: str) -> Lock:
    """The lock as the tool `kind` (`uv`, `poetry`, `pdm`, `pylock`, `pipfile`, `conda-lock`) writes it.

    The kinds of files (`uv-lock`, `pipfile-lock`, ...) will do as well.
    """
    if kind != "conda-lock":
        kind = kind.removesuffix("-lock")
    if kind == "pipfile":
        return _pipfile(source)
    if kind == "conda-lock":
        return _conda_lock(source)
    text = source.text
    if '"""' not in text and "'''" not in text and not _ODD_LINE.search(text):
        return _by_patterns(source, kind)
    from repro_audit.syntax import toml

    return _from_toml(source, kind, toml.parse(source))


def _by_patterns(source: Source, kind: str) -> Lock:
    text = source.text
    starts = [found.start() for found in _BLOCK.finditer(text)]
    packages: list[LockedPackage] = []
    first = starts[0] if starts else len(text)
    tail = first
    old_hashes = _poetry_hashes(text) if kind == "poetry" and "\n[metadata.files]" in text else {}
    for index, start in enumerate(starts):
        stop = starts[index + 1] if index + 1 < len(starts) else len(text)
        if index + 1 == len(starts) and (metadata := text.find("\n[metadata]", start)) >= 0:
            stop = metadata
        block = text[start:stop]
        tail = stop
        fields: dict[str, str] = {}
        for field in _FIELD.finditer(block):
            fields.setdefault(field[1], field[2])
        name = _TEXT.match(fields.get("name", ""))
        if not name:
            continue
        version = _TEXT.match(fields.get("version", ""))
        hashes = len(_HASH.findall(block)) or old_hashes.get(name[1].lower(), 0)
        url, where = _pattern_source(kind, fields, block)
        place = max(text.find("\nname", start, stop) + 1, start)
        end = text.find("\n", place)
        packages.append(
            LockedPackage(
                normalize(name[1]),
                version[1] if version else None,
                hashes,
                url,
                where,
                Span(place, (stop if end < 0 else end) - (text[end - 1 : end] == "\r")),
            )
        )
    top = {found[1].replace("_", "-"): found[2] for found in _TOP.finditer(text[:first])}
    top |= {found[1].replace("_", "-"): found[2] for found in _TOP.finditer(text[tail:])}
    python = top.get("requires-python") or top.get("python-versions")
    return Lock(kind, source, tuple(packages), (), python, top.get("content-hash"))


def _poetry_hashes(text: str) -> dict[str, int]:
    """How many hashes poetry before 1.3 lists for each package, in a table of their own."""
    found: dict[str, int] = {}
    for chunk in re.split(r"(?m)^\]", text[text.index("\n[metadata.files]") + 17 :]):
        name = re.match(r"\s*\"?([\w.-]+)\"? = \[", chunk)
        if name:
            found[name[1].lower()] = chunk.count('hash = "')
    return found


def _pattern_source(kind: str, fields: dict[str, str], block: str) -> tuple[str | None, str]:
    if kind == "poetry":
        at = block.find("\n[package.source]")
        if at < 0:
            return None, "registry"
        pairs = dict(_PAIR.findall(block[at:]))
        return _with_commit(pairs.get("url"), pairs.get("resolved_reference")), _POETRY_KINDS.get(
            pairs.get("type", ""), "registry"
        )
    if kind == "uv":
        pairs = dict(_PAIR.findall(fields.get("source", "")))
        for key, where in _UV_KINDS.items():
            if key in pairs:
                return pairs[key], where
        return None, "registry"
    if kind == "pylock":
        for key, where in (("vcs", "git"), ("directory", "path")):
            if key in fields:
                pairs = dict(_PAIR.findall(fields[key]))
                return _with_commit(
                    pairs.get("url") or pairs.get("path"), pairs.get("commit-id") or _commit(fields[key])
                ), where
        index = _TEXT.match(fields.get("index", ""))
        return index[1] if index else None, "registry"
    values = {key: found[1] for key in ("commit", "path", "url", "ref") if (found := _TEXT.match(fields.get(key, "")))}
    git = re.search(r"(?m)^git[ \t]*=[ \t]*\"([^\"]*)\"", block)
    if git:
        return _with_commit(git[1], values.get("commit") or _revision(block)), "git"
    if "path" in values:
        return values["path"], "path"
    return values.get("url"), "url" if "url" in values else "registry"


def _revision(block: str) -> str | None:
    found = re.search(r"(?m)^revision[ \t]*=[ \t]*\"([^\"]*)\"", block)
    return found[1] if found else None


def _commit(text: str) -> str | None:
    found = re.search(r"commit-id[ \t]*=[ \t]*\"([^\"]*)\"", text)
    return found[1] if found else None


def _with_commit(url: str | None, commit: str | None) -> str | None:
    return f"{url}@{commit}" if url and commit else url


_POETRY_KINDS = {"git": "git", "url": "url", "directory": "path", "file": "path", "legacy": "registry"}
_UV_KINDS = {
    "registry": "registry",
    "git": "git",
    "url": "url",
    "path": "path",
    "directory": "path",
    "editable": "path",
    "virtual": "virtual",
}


def _from_toml(source: Source, kind: str, document: Document) -> Lock:
    root = document.root if isinstance(document.root, Mapping) else None
    packages: list[LockedPackage] = []
    files = root.at("metadata", "files") if root else None
    for node in items_of(root.get("packages" if kind == "pylock" else "package") if root else None):
        if not isinstance(node, Mapping) or not isinstance(name := node.get("name"), Scalar):
            continue
        hashes = _count_hashes(node)
        if not hashes and isinstance(files, Mapping):
            hashes = _count_hashes(files.get(name.text))
        url, where = _tree_source(kind, node)
        entry = node.entry("name")
        span = Span(entry.key.span.start if entry else name.span.start, name.span.end)
        packages.append(LockedPackage(normalize(name.text), text_of(node.get("version")), hashes, url, where, span))
    python = content = None
    if root:
        python = text_of(
            root.get("requires-python")
            or root.at("metadata", "python-versions")
            or root.at("metadata", "requires_python")
        )
        content = text_of(root.at("metadata", "content-hash") or root.at("metadata", "content_hash"))
    return Lock(kind, source, tuple(packages), document.errors, python, content)


def _count_hashes(root: Node | None) -> int:
    """How many `hash` and `hashes` keys stand anywhere below a node."""
    todo: list[Node] = [root] if root is not None else []
    count = 0
    while todo:
        node = todo.pop()
        if isinstance(node, Mapping):
            for entry in entries_of(node):
                if entry.key.text in ("hash", "hashes"):
                    count += 1
                elif not isinstance(entry.value, Scalar):
                    todo.append(entry.value)
        elif isinstance(node, Sequence):
            todo += [item for item in node.items if not isinstance(item, Scalar)]
    return count


def _tree_source(kind: str, node: Mapping) -> tuple[str | None, str]:
    table = node.get("source") if kind in ("uv", "poetry") else node
    if not isinstance(table, Mapping):
        return None, "registry"
    if kind == "poetry":
        where = _POETRY_KINDS.get(text_of(table.get("type")) or "", "registry")
        return _with_commit(text_of(table.get("url")), text_of(table.get("resolved_reference"))), where
    if kind == "uv":
        for key, where in _UV_KINDS.items():
            if (url := text_of(table.get(key))) is not None:
                return url, where
        return None, "registry"
    if kind == "pylock":
        for key, where in (("vcs", "git"), ("directory", "path")):
            if isinstance(inner := table.get(key), Mapping):
                url = text_of(inner.get("url") or inner.get("path"))
                return _with_commit(url, text_of(inner.get("commit-id"))), where
        return text_of(table.get("index")), "registry"
    for key, where in (("git", "git"), ("path", "path"), ("url", "url")):
        if (url := text_of(table.get(key))) is not None:
            return _with_commit(url, text_of(table.get("revision")) if key == "git" else None), where
    return None, "registry"


def _pipfile(source: Source) -> Lock:
    from repro_audit.syntax import jsonc

    document = jsonc.parse(source)
    root = document.root if isinstance(document.root, Mapping) else None
    packages: list[LockedPackage] = []
    for section in entries_of(root):
        if section.key.text == "_meta":
            continue
        for entry in entries_of(section.value):
            if not isinstance(table := entry.value, Mapping):
                continue
            version = text_of(table.get("version"))
            url, where = text_of(table.get("index")), "registry"
            for key, kind in (("git", "git"), ("path", "path"), ("file", "url")):
                if (found := text_of(table.get(key))) is not None:
                    url, where = _with_commit(found, text_of(table.get("ref"))), kind
            count = len(items_of(table.get("hashes")))
            number = version.lstrip("=") if version else None
            packages.append(LockedPackage(normalize(entry.key.text), number, count, url, where, entry.key.span))
    python = content = None
    if root:
        python = text_of(root.at("_meta", "requires", "python_version"))
        content = text_of(root.at("_meta", "hash", "sha256"))
    return Lock("pipfile", source, tuple(packages), document.errors, python, content)


_CONDA_ITEM = re.compile(r"(?m)^- ")
_CONDA_FIELD = re.compile(r"(?m)^(?:- |  )(name|version|manager|url):[ \t]*['\"]?([^'\"\r\n]*)")


def _conda_lock(source: Source) -> Lock:
    """conda-lock's unified file: YAML that the tool writes with one key a line."""
    text = source.text
    at = text.find("\npackage:")
    if at < 0 and not text.startswith("package:"):
        return Lock("conda-lock", source, (), (Error(Span(0, 0), "No `package` list"),))
    starts = [found.start() for found in _CONDA_ITEM.finditer(text, max(at, 0))]
    packages: list[LockedPackage] = []
    for start, stop in zip(starts, [*starts[1:], len(text)], strict=True):
        block = text[start:stop]
        fields = dict(_CONDA_FIELD.findall(block))
        if name := fields.get("name", "").strip():
            hashes = len(re.findall(r"(?m)^    (?:md5|sha256):", block))
            manager = fields.get("manager", "conda")
            place = start + 2
            end = text.find("\n", place)
            span = Span(place, stop if end < 0 else end)
            kind = "conda" if manager == "conda" else "registry"
            packages.append(
                LockedPackage(name.lower(), fields.get("version"), hashes, fields.get("url"), kind, span, manager)
            )
    return Lock("conda-lock", source, tuple(packages), ())

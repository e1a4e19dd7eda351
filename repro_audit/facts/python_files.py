"""Facts of the files that say which Python and conda packages to install. Called by `Project`, through `readers`."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from repro_audit.facts import python_packages
from repro_audit.facts.context import ContextFile, git_ignores
from repro_audit.facts.file import FileFacts
from repro_audit.facts.input import Package
from repro_audit.facts.installation import IndexOption
from repro_audit.facts.place import in_order
from repro_audit.facts.readers import comments
from repro_audit.record import replace
from repro_audit.source import Source
from repro_audit.syntax import conda as conda_syntax
from repro_audit.syntax import lockfile
from repro_audit.syntax import pyproject as pyproject_syntax
from repro_audit.syntax import requirements as requirements_syntax

if TYPE_CHECKING:
    from repro_audit.discover import File
    from repro_audit.facts.project import Project
    from repro_audit.syntax.requirements import OptionLine, Requirements

_INDEX_OPTIONS = frozenset(("--index-url", "--extra-index-url", "--find-links"))
_LOCKS = {
    "uv.lock": "uv-lock",
    "poetry.lock": "poetry-lock",
    "pdm.lock": "pdm-lock",
    "pylock.toml": "pylock",
    "Pipfile.lock": "pipfile-lock",
}


def requirements(project: Project, file: File, source: Source) -> FileFacts:
    """A requirements or constraints file, held by its constraints and by what was compiled from it."""
    node = requirements_syntax.parse(source)
    via = "constraints" if file.kind == "constraints" else "requirements"
    packages = python_packages.from_requirements(node, via=via)
    if via == "requirements":
        packages = python_packages.with_constraints(packages, _constraints(project, file.path, node))
        packages = _compiled(project, file.path, packages)
    if project.audits(file.path) and _for_developers(file.path) and not project.installs(file.path):
        packages = tuple(replace(p, installed=False) for p in packages)
    facts: list[object] = [*packages]
    facts += _indexes(source, node.options, held=bool(packages) and all(p.hashes for p in packages))
    facts += _included(project, file.path, node)
    return FileFacts(source, file, node, in_order(facts), node.errors, node.comments or comments(source), project)


def _included(project: Project, path: str, node: Requirements) -> list[ContextFile]:
    """The files that a requirements file names and that are not beside it, where nothing makes them."""
    found = []
    folder = posixpath.dirname(path)
    for option in (*node.values("--requirement"), *node.values("--constraint")):
        name = option.value
        # A variable, a template's blank, an address, or a file of the machine that it is installed on.
        if not name or any(c in name for c in "${%<:\\") or name.startswith(("/", "~")):
            continue
        inner = posixpath.normpath(posixpath.join(folder, name))
        if inner.startswith("..") or project.tree.exists(inner):
            continue
        beside = posixpath.dirname(inner)
        made = bool(beside and not project.tree.exists(beside)) or git_ignores(project.tree, inner)
        found.append(
            ContextFile(node.source, option.value_span, name, inner, "missing", "include", folder, None, made=made)
        )
    return found


# Tools and documentation, which are in no image unless a Dockerfile installs from the file.
_DEVELOPERS = re.compile(
    r"(?:^|[/._-])(?:docs?|documentation|tests?|testing|dev|develop(?:ment|er)?s?|lint(?:ing|er)?|style|format(?:ting)?|"
    r"examples?|demos?|samples?|tutorials?|notebooks?|benchmarks?|ci|release|typing|mypy|pre-commit|build|packaging)(?=[/._-])"
)


def _for_developers(path: str) -> bool:
    """Whether a requirements file is, by its name or folder, for those who work on the project."""
    return _DEVELOPERS.search(path.lower()) is not None


def pyproject(project: Project, file: File, source: Source) -> FileFacts:
    """A `pyproject.toml`: the project's dependencies, held by the lock file beside it."""
    node = pyproject_syntax.parse(source)
    made = python_packages.from_pyproject(node)
    packages = _locked(project, file.path, made, ("uv.lock", "poetry.lock", "pdm.lock"))
    if not project.installs(file.path):
        packages = tuple(replace(p, installed=False) for p in packages)
    else:
        # Extras and groups are installed where somebody asks for them, which is rarely an image.
        groups = {d.span: d.group for d in node.dependencies}
        packages = tuple(replace(p, installed=False) if ":" in groups.get(p.span, "") else p for p in packages)
    return FileFacts(source, file, node, in_order(packages), node.errors, comments(source), project)


def pipfile(project: Project, file: File, source: Source) -> FileFacts:
    """A Pipfile, held by its lock."""
    node = pyproject_syntax.parse_pipfile(source)
    packages = python_packages.from_pyproject(node, via="pipfile")
    packages = _locked(project, file.path, packages, ("Pipfile.lock",))
    return FileFacts(source, file, node, in_order(packages), node.errors, comments(source), project)


def lock(project: Project, file: File, source: Source) -> FileFacts:
    """A lock file and all that it holds."""
    node = lockfile.parse(source, file.kind)
    packages = python_packages.from_lock(node)
    return FileFacts(source, file, node, in_order(packages), node.errors, comments(source), project)


def conda(project: Project, file: File, source: Source) -> FileFacts:
    """A conda environment with its pip section."""
    node = conda_syntax.parse(source)
    packages = python_packages.from_conda(node)
    facts = [*packages, *_indexes(source, node.pip_options)]
    return FileFacts(source, file, node, in_order(facts), node.errors, comments(source), project)


def _indexes(source: Source, options: Iterable[OptionLine], *, held: bool = False) -> list[IndexOption]:
    return [
        IndexOption(source, o.span, o.name, o.value, "requirements", held=held)
        for o in options
        if o.name in _INDEX_OPTIONS and o.value
    ]


def _constraints(project: Project, path: str, node: Requirements) -> tuple[Package, ...]:
    """What the constraints files that a requirements file names hold."""
    held: list[Package] = []
    for option in node.values("--constraint"):
        if option.value and "://" not in option.value:
            inner = posixpath.normpath(posixpath.join(posixpath.dirname(path), option.value))
            if (source := project.source(inner)) is not None and inner != path:
                held += python_packages.from_requirements(requirements_syntax.parse(source), via="constraints")
    return tuple(held)


def _compiled(project: Project, path: str, packages: tuple[Package, ...]) -> tuple[Package, ...]:
    """The packages of a `.in` file as the `.txt` file that pip-compile or uv made of it holds them."""
    stem, dot, ending = path.rpartition(".")
    if ending != "in" or not dot:
        return packages
    source = project.source(f"{stem}.txt")
    if source is None:
        return packages
    made = python_packages.from_requirements(requirements_syntax.parse(source))
    held = {p.name: p for p in made if p.version is not None}
    return tuple(
        replace(p, pin=held[p.name].pin, version=held[p.name].version, locked=source.path) if p.name in held else p
        for p in packages
    )


def _locked(project: Project, path: str, packages: tuple[Package, ...], names: tuple[str, ...]) -> tuple[Package, ...]:
    """The packages as the first lock file beside `path` holds them."""
    folder = posixpath.dirname(path)
    for name in names:
        beside = posixpath.join(folder, name)
        source = project.source(beside)
        if source is not None:
            return python_packages.with_lock(packages, lockfile.parse(source, _LOCKS[name]))
    return packages

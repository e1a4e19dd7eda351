"""Python and conda packages as inputs: what requirements, manifests, locks and environments ask for, and how firmly.

Called by the readers of those files, and by `python_install` for what stands on a command line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from repro_audit.facts import address
from repro_audit.facts.input import Package
from repro_audit.facts.pin import Level, Pin
from repro_audit.record import replace
from repro_audit.source import Source
from repro_audit.syntax import requirement as requirement_syntax

if TYPE_CHECKING:
    from repro_audit.facts.command import Command
    from repro_audit.facts.stage import Stage
    from repro_audit.syntax.conda import Environment, MatchSpec
    from repro_audit.syntax.lockfile import Lock, LockedPackage
    from repro_audit.syntax.pyproject import Dependency, Override, PyProject
    from repro_audit.syntax.requirement import RequirementLine
    from repro_audit.syntax.requirements import Requirements

_COMMIT = re.compile(r"[0-9a-fA-F]{40}(?:[0-9a-fA-F]{24})?")
_CHECKSUM = re.compile(r"[#&](sha(?:256|384|512))=[0-9a-fA-F]{16,}")
_MOVING = re.compile(r"(?:^|[/@=_.-])(latest|master|main|nightly|HEAD|trunk|develop)(?=$|[/@=_.?#-])")

_DATE_VERSION = re.compile(r"=+\d{6,}")

_EXACT = Pin(Level.IMMUTABLE, "exact version")
_HASHED = Pin(Level.HASHED, "exact version with hashes")
_OPEN = Pin(Level.FLOATING, "no version")
_RANGE = Pin(Level.RANGED, "a range of versions")
_WILDCARD = Pin(Level.RANGED, "a wildcard takes every release that begins so")
_UNKNOWN = Pin(Level.FLOATING, "value unknown")
_UNKNOWN_VERSION = Pin(Level.PERISHABLE, "value unknown: the version stands in a variable that the file does not set")
_LOCAL = Pin(Level.LOCAL, "a local path")


# -- requirements


def from_requirements(parsed: Requirements, *, via: str = "requirements") -> tuple[Package, ...]:
    """The packages of a requirements file; `via="constraints"` for a constraints file."""
    return tuple([from_requirement(parsed.source, line, via=via) for line in parsed.requirements])


def from_requirement(
    source: Source, line: RequirementLine, *, via: str, command: Command | None = None, stage: Stage | None = None
) -> Package:
    """One requirement as a package; one without a name is called by its address."""
    version, pin = _requirement_pin(line)
    specifier = ",".join([operator + text for operator, text in line.specifiers]) if line.specifiers else ""
    return Package(
        source,
        line.span,
        "pip",
        line.name or line.url or line.raw,
        specifier,
        version,
        pin,
        via,
        line.spec_span,
        line.url,
        line.hashes,
        line.extras,
        line.marker,
        command,
        stage,
    )


def _requirement_pin(line: RequirementLine) -> tuple[str | None, Pin]:
    if line.url is not None:
        exact = line.specifiers[0][1] if line.specifiers else None
        if line.unknown and requirement_syntax.is_remote(line.url):
            return exact, Pin(Level.PERISHABLE, "value unknown: part of the address stands in a variable")
        return exact, url_pin(line.url, hashed=bool(line.hashes))
    for operator, version in line.specifiers:
        if operator == "===" or (operator == "==" and not version.endswith("*")):
            if line.unknown and "$" in version:
                return None, _UNKNOWN_VERSION
            if line.hashes:
                return version, _HASHED
            if "+" in version:
                label = version.partition("+")[2]
                return version, Pin(
                    Level.PERISHABLE, f"`+{label}` builds are not on PyPI, and the index that has them may replace them"
                )
            return version, _EXACT
    if line.unknown:
        return None, _UNKNOWN
    if not line.specifiers:
        return None, _OPEN
    return None, _WILDCARD if line.specifiers[0][0] == "==" else _RANGE


def url_pin(url: str, *, hashed: bool = False) -> Pin:
    """How firmly a direct reference holds: a version control address, a file's address or a local path."""
    if requirement_syntax.is_vcs(url):
        return revision_pin(vcs_revision(url))
    if not requirement_syntax.is_remote(url):
        return _LOCAL
    if hashed or _CHECKSUM.search(url):
        return Pin(Level.HASHED, "an address with a checksum")
    address = url.partition("#")[0]
    if moving := _MOVING.search(address):
        return Pin(Level.FLOATING, f"`{moving[1]}` in the address moves")
    return Pin(Level.PERISHABLE, "an address without a checksum: what it serves may change")


def vcs_revision(url: str) -> str | None:
    """What stands after `@` in `git+https://host/path@revision#...`."""
    address = url.partition("#")[0].partition("?")[0]
    _, _, rest = address.partition("://")
    path = rest.partition("/")[2]
    return path.rpartition("@")[2] or None if "@" in path else None


def revision_pin(revision: str | None, kind: str | None = None) -> Pin:
    """A commit, tag or branch; `kind` (`rev`, `tag`, `branch`) where the file tells which."""
    if revision is None or kind == "branch":
        name = f"branch `{revision}`" if revision else "the default branch"
        return Pin(Level.FLOATING, f"{name} moves")
    if kind == "tag":
        return Pin(Level.PERISHABLE, f"tag `{revision}` can be moved")
    return address.of_revision(revision)


# -- manifests


def from_pyproject(project: PyProject, *, via: str = "pyproject") -> tuple[Package, ...]:
    """A project's dependencies, those of its build system with `via="build-system"`; `via="pipfile"` for a Pipfile."""
    overrides = {o.name: o for o in project.overrides}
    made: list[Package] = []
    for dependency in project.dependencies:
        where = "build-system" if dependency.group == "build-system" else via
        package = _from_dependency(project.source, dependency, where)
        override = overrides.get(package.name)
        made.append(_overridden(package, override) if override and override.url else package)
    return tuple(made)


def _from_dependency(source: Source, dependency: Dependency, via: str) -> Package:
    if dependency.requirement is not None:
        return from_requirement(source, dependency.requirement, via=via)
    from repro_audit.syntax.pyproject import exact_version

    constraint = dependency.constraint
    version = exact_version(constraint, dependency.form)
    url = dependency.url
    if url is not None:
        pin, version = _origin_pin(url, dependency.url_kind, dependency.revision, dependency.revision_kind), None
        url = _address(url, dependency.url_kind, dependency.revision)
    elif version is not None:
        pin = _EXACT
    elif constraint.strip() in ("", "*"):
        pin = _OPEN
    else:
        pin = _RANGE
    specifier = "" if constraint == "*" else constraint
    span, place = dependency.span, dependency.constraint_span
    extras, marker = dependency.extras, dependency.marker
    return Package(source, span, "pip", dependency.name, specifier, version, pin, via, place, url, (), extras, marker)


def _overridden(package: Package, override: Override) -> Package:
    url = override.url or ""
    pin = _origin_pin(url, override.url_kind, override.revision, override.revision_kind)
    return replace(package, pin=pin, version=None, url=_address(url, override.url_kind, override.revision))


def _origin_pin(url: str, kind: str | None, revision: str | None, revision_kind: str | None) -> Pin:
    if kind == "git":
        return revision_pin(revision, revision_kind)
    if kind in ("path", "workspace") or (kind == "file" and "://" not in url):
        return _LOCAL
    return url_pin(url)


def _address(url: str, kind: str | None, revision: str | None) -> str:
    if kind == "git":
        return f"git+{url}@{revision}" if revision else f"git+{url}"
    return url


# -- locks and constraints


def from_lock(lock: Lock) -> tuple[Package, ...]:
    """Everything that a lock holds."""
    return tuple([_from_locked(lock, locked) for locked in lock.packages])


def _from_locked(lock: Lock, locked: LockedPackage) -> Package:
    specifier = f"=={locked.version}" if locked.version else ""
    ecosystem = "pip" if locked.ecosystem == "pip" else "conda"
    url = locked.source_url if locked.source_kind in ("git", "url", "path") else None
    if url and locked.source_kind == "git" and not url.startswith("git+"):
        url = f"git+{url}"
    pin = _locked_pin(locked)
    return Package(
        lock.source, locked.span, ecosystem, locked.name, specifier, locked.version, pin, "lock", locked.span, url
    )


def _locked_pin(locked: LockedPackage) -> Pin:
    if locked.source_kind in ("path", "virtual"):
        return _LOCAL
    if locked.source_kind == "git":
        url = locked.source_url or ""
        revision = url.rpartition("#")[2] if "#" in url else vcs_revision(url)
        return (
            Pin(Level.HASHED, "locked to a commit")
            if revision and _COMMIT.fullmatch(revision)
            else revision_pin(revision)
        )
    if locked.hashes:
        return Pin(Level.HASHED, "locked with hashes")
    if locked.version:
        return Pin(Level.IMMUTABLE, "locked to an exact version, without hashes")
    return Pin(Level.FLOATING, "in the lock without a version")


def with_lock(packages: Iterable[Package], lock: Lock) -> tuple[Package, ...]:
    """The packages with the level, version and name of the lock; those that it does not hold stay as they are."""
    held = {locked.name: locked for locked in lock.packages}
    made: list[Package] = []
    for package in packages:
        locked = held.get(package.name)
        if locked is None or package.via == "build-system" or package.pin.level == Level.LOCAL:
            made.append(package)
            continue
        pin = _locked_pin(locked)
        made.append(replace(package, pin=pin, version=locked.version or package.version, locked=lock.source.path))
    return tuple(made)


def with_constraints(packages: Iterable[Package], constraints: Iterable[Package]) -> tuple[Package, ...]:
    """The packages as a constraints file holds them, where it holds them more firmly than they do themselves."""
    firm: dict[str, Package] = {}
    for constraint in constraints:
        known = firm.get(constraint.name)
        if known is None or constraint.pin.level > known.pin.level:
            firm[constraint.name] = constraint
    made: list[Package] = []
    for package in packages:
        held = firm.get(package.name)
        if (
            held is not None
            and held.pin.level > package.pin.level
            and package.ecosystem == "pip"
            and package.url is None
        ):
            pin = Pin(held.pin.level, f"{held.pin.reason}, by the constraints in {held.source.path}")
            package = replace(package, pin=pin, version=held.version or package.version)
        made.append(package)
    return tuple(made)


# -- conda


def from_conda(environment: Environment) -> tuple[Package, ...]:
    """A conda environment's packages, those of its pip section with the ecosystem `pip`."""
    source = environment.source
    made = [from_match_spec(source, spec, via="conda") for spec in environment.specs]
    made += [from_requirement(source, line, via="conda") for line in environment.pip]
    return tuple(made)


def from_match_spec(
    source: Source, spec: MatchSpec, *, via: str, command: Command | None = None, stage: Stage | None = None
) -> Package:
    """One conda match specification as a package."""
    from repro_audit.syntax.conda import exact_version

    specifier = spec.version + (f"={spec.build}" if spec.build else "")
    version = exact_version(spec)
    pin = match_spec_pin(spec)
    return Package(
        source,
        spec.span,
        "conda",
        spec.name,
        specifier,
        version,
        pin,
        via,
        spec.spec_span,
        spec.url,
        (spec.checksum,) if spec.checksum else (),
        command=command,
        stage=stage,
    )


def match_spec_pin(spec: MatchSpec) -> Pin:
    """How firmly conda is held: a version alone lets the solver take any build of it, also one made later."""
    if spec.url is not None:
        if spec.checksum:
            return Pin(Level.HASHED, "an address with a checksum")
        if "://" not in spec.url or spec.url.startswith("file:"):
            return _LOCAL
        return Pin(Level.PERISHABLE, "an address without a checksum")
    from repro_audit.syntax.conda import exact_version

    version = exact_version(spec)
    if "$" in spec.version:
        return _UNKNOWN_VERSION
    if version is not None:
        if spec.build and "*" not in spec.build:
            return Pin(Level.IMMUTABLE, "version and build given")
        return Pin(Level.PERISHABLE, "exact version, but any build of it")
    if spec.version in ("", "*", "=*", "==*"):
        return Pin(Level.FLOATING, "no version")
    if spec.version.startswith("=") and not any(c in spec.version for c in "<>!~,|"):
        if _DATE_VERSION.fullmatch(spec.version):
            return Pin(Level.PERISHABLE, "exact version, but any build of it")
        return Pin(Level.RANGED, f"`{spec.version}` takes every release that begins so")
    return _RANGE

"""Checks of packages: does the build install what it installed last time?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from repro_audit.checks.ease import eased, eased_package
from repro_audit.facts.pin import Level
from repro_audit.finding import Edit, Fix, Problem, Severity
from repro_audit.source import Span

if TYPE_CHECKING:
    from repro_audit.facts.input import Package
    from repro_audit.facts.installation import IndexOption, Installation

OS_ECOSYSTEMS = frozenset("apt apk dnf yum microdnf tdnf zypper pacman".split())


def _listed(packages: list[Package]) -> str:
    names = [f"`{p.name}{p.specifier}`" for p in packages]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def os_package_unpinned(install: Installation) -> Iterator[Problem]:
    """A distribution's packages without a version and without a dated archive: one finding for a command.

    Where several versions fit, the archive of a release has but one of them at a time: more than that cannot be asked.
    """
    if install.ecosystem not in OS_ECOSYSTEMS:
        return
    found = [p for p in install.packages if p.pin.level == Level.FLOATING and "$" not in p.name]
    if found:
        values: dict[str, object] = {"names": _listed(found)}
        yield Problem(install.source, found[0].span, values=values, severity=eased(install.command, Severity.WARNING))


def os_package_perishable(install: Installation) -> Iterator[Problem]:
    """Exact versions in an archive that deletes them: one finding for a command."""
    if install.ecosystem not in OS_ECOSYSTEMS:
        return
    from repro_audit.facts.os_packages import VENDOR

    found = [p for p in install.packages if p.pin.level == Level.PERISHABLE and p.url is None and p.pin != VENDOR]
    if found:
        yield Problem(install.source, found[0].span, values={"names": _listed(found)})


def _judged(package: Package, ecosystem: str) -> bool:
    """Whether a rule speaks of this package: one that somebody asked for by name and that no lock file covers."""
    return (
        package.ecosystem == ecosystem
        and package.via not in ("constraints", "lock", "build-system")
        and package.url is None
        and package.locked is None
        and "$" not in package.name
        and not (package.via in ("pyproject", "pipfile") and not package.installed)
    )


_INSTALLERS = frozenset(("pip", "setuptools", "wheel", "uv"))


def pip_unpinned(package: Package) -> Iterator[Problem]:
    """No version at all. An upgrade of pip itself is another matter."""
    if not _judged(package, "pip") or package.pin.level != Level.FLOATING:
        return
    if (package.name in _INSTALLERS and package.command is not None) or _redirected(package):
        return
    aliases = ("DL3013",) if package.command is not None else ()
    yield Problem(package.source, package.span, aliases=aliases, severity=eased_package(package, Severity.ERROR))


def pip_range(package: Package) -> Iterator[Problem]:
    """Bounded, but open inside the bounds."""
    if _judged(package, "pip") and package.pin.level == Level.RANGED:
        if package.name not in _INSTALLERS or package.command is None:
            yield Problem(package.source, package.span, severity=eased_package(package, Severity.WARNING))


def pip_vcs_unpinned(package: Package) -> Iterator[Problem]:
    """`git+https://...` at a branch, or at a tag."""
    url = package.url
    if package.ecosystem != "pip" or url is None or not re.match(r"(?:git|hg|svn|bzr)\+", url):
        return
    if package.via in ("constraints", "lock") or package.locked is not None:
        return
    if package.pin.level <= Level.PERISHABLE:
        floats = package.pin.level == Level.FLOATING
        severity = eased_package(package, Severity.ERROR if floats else Severity.WARNING)
        values: dict[str, object] = {"name": package.name or url, "reason": package.pin.reason}
        yield Problem(package.source, package.span, values=values, severity=severity)


def pip_index_ambiguous(option: IndexOption) -> Iterator[Problem]:
    """`--extra-index-url`, or `--find-links` on an address."""
    if option.tool == "uv" or option.held:
        return  # uv asks the indexes in order and stops at the first that has the package.
    if option.option == "--extra-index-url" or (option.option == "--find-links" and "://" in option.value):
        if not option.value.startswith("file:"):
            yield Problem(option.source, option.span)


def conda_unpinned(package: Package) -> Iterator[Problem]:
    """A conda package without a version."""
    if _judged(package, "conda") and package.pin.level == Level.FLOATING and package.name not in _CONDA_SWITCHES:
        yield Problem(package.source, package.span, severity=eased_package(package, Severity.ERROR))


# Packages without content, there to choose a build of others.
_CONDA_SWITCHES = frozenset(("cpuonly", "nomkl", "blas", "libblas", "cuda-version", "pytorch-cuda", "pytorch-mutex"))


def conda_range(package: Package) -> Iterator[Problem]:
    """A conda package held to a range, `numpy=1.26` and `numpy>=1.26` alike."""
    if _judged(package, "conda") and package.pin.level == Level.RANGED and package.name not in _CONDA_SWITCHES:
        yield Problem(package.source, package.span, severity=eased_package(package, Severity.WARNING))


def pip_self_upgrade(install: Installation) -> Iterator[Problem]:
    """`pip install --upgrade pip`: the installer itself, without a version."""
    if install.ecosystem != "pip":
        return
    found = [p for p in install.packages if p.name in _INSTALLERS and p.pin.level <= Level.RANGED and p.url is None]
    if found:
        yield Problem(install.source, found[0].span, values={"names": _listed(found)})


def pip_url_unverified(package: Package) -> Iterator[Problem]:
    """A wheel or archive by its address, without its hash."""
    url = package.url
    if (
        package.ecosystem != "pip"
        or url is None
        or package.via in ("constraints", "lock")
        or package.locked is not None
    ):
        return
    if not re.match(r"(?:https?|ftp)://", url) or package.pin.level >= Level.IMMUTABLE:
        return
    yield Problem(package.source, package.span, severity=eased_package(package, Severity.WARNING))


def requirement_redirected(install: Installation) -> Iterator[Problem]:
    """`pip install numpy>=1.2` without quotes: a redirection to a file, not a version."""
    text = install.source.text
    for name, span in install.redirected:
        word = text[span.start : span.end]
        fix = Fix("Quote the requirement", _quoted(install, span)) if _quotable(install, word) else None
        yield Problem(install.source, span, values={"name": name, "written": word}, fix=fix)


def _quotable(install: Installation, word: str) -> bool:
    """Whether quotes can be put around the word: not where quotes around the whole command would end there."""
    command = install.command
    inner = {"sh", "bash", "dash", "ash", "zsh", "ksh", "su"}.intersection(command.node.via)
    return command.where == "run" and not command.exec_form and not inner and not re.search(r"[\s\"'`]", word)


def _quoted(install: Installation, span: Span) -> tuple[Edit, ...]:
    # In single quotes the shell leaves `$` alone.
    quote = "'" if "$" not in install.source.slice(span) else '"'
    return (Edit(Span(span.start, span.start), quote), Edit(Span(span.end, span.end), quote))


def _redirected(package: Package) -> bool:
    """Whether a redirection follows without a space, which `requirement-redirected` speaks of."""
    redirects = package.command.node.redirects if package.command is not None else ()
    return any(r.span.start == package.span.end and r.op in (">", "<", ">>") for r in redirects)


def language_unpinned(package: Package) -> Iterator[Problem]:
    """A package of another language that a command names without an exact version."""
    if package.command is None or package.pin.level > Level.RANGED or "$" in package.name:
        return
    values: dict[str, object] = {"bounds": "inside that range" if package.pin.level == Level.RANGED else "there is"}
    yield Problem(package.source, package.span, values=values, severity=eased(package.command, Severity.WARNING))


def npm_unpinned(package: Package) -> Iterator[Problem]:
    """npm, yarn, pnpm or bun."""
    if package.ecosystem in ("npm", "yarn", "pnpm", "bun"):
        yield from language_unpinned(package)


def gem_unpinned(package: Package) -> Iterator[Problem]:
    """RubyGems."""
    if package.ecosystem == "gem":
        yield from language_unpinned(package)


def go_unpinned(package: Package) -> Iterator[Problem]:
    """`go install path@latest`."""
    if package.ecosystem == "go":
        yield from language_unpinned(package)


def cargo_unpinned(package: Package) -> Iterator[Problem]:
    """`cargo install name`."""
    if package.ecosystem == "cargo":
        yield from language_unpinned(package)

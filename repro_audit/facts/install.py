"""What a command takes from outside, whatever its tool: one door to the readers of each ecosystem's commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from repro_audit.facts.installation import IndexOption, Installation
from repro_audit.record import dataclass
from repro_audit.source import Span

if TYPE_CHECKING:
    from repro_audit.facts.command import Command
    from repro_audit.facts.input import Download, Package
    from repro_audit.facts.python_install import Install

_OS = frozenset("apt apt-get aptitude apk dnf dnf5 yum microdnf tdnf zypper pacman".split())
_PYTHON = frozenset(
    "pip pip2 pip3 uv uvx poetry pipenv pdm pipx easy_install conda mamba micromamba python python2 python3".split()
)
_LANGUAGE = frozenset(
    "npm npx yarn pnpm bun gem bundle go cargo composer R Rscript r install2.r installGithub.r julia "
    "luarocks cpan cpanm".split()
)


@dataclass(slots=True, frozen=True, eq=False)
class Taken:
    """`packages` and `downloads` that the command names itself, and the `files` (path as written, place) it installs
    from.

    `python` is how pip, conda and their like read the command.
    """

    packages: tuple[Package, ...] = ()
    downloads: tuple[Download, ...] = ()
    files: tuple[tuple[str, Span], ...] = ()
    python: Install | None = None
    ecosystem: str = ""


NOTHING = Taken()


def taken_by(command: Command, *, snapshot: bool = False, later: Sequence[Command] = ()) -> Taken:
    """What `command` takes. `snapshot`: its distribution's archive is a dated one. `later` may check its downloads."""
    name = command.name
    if not name:
        return NOTHING
    if name in _OS:
        from repro_audit.facts import os_packages

        return Taken(packages=os_packages.packages(command, snapshot=snapshot), ecosystem="os")
    if name in _PYTHON or name.startswith(("pip3.", "python3.", "pip2.", "python2.")):
        from repro_audit.facts import python_install

        install = python_install.install(command)
        if install is not None:
            install = python_install.held_elsewhere(install)
            files = (*install.requirement_files, *install.environment_files)
            return Taken(install.packages, (), files, install, install.ecosystem)
    if name in _LANGUAGE:
        from repro_audit.facts import language_packages

        packages = language_packages.packages(command)
        if packages:
            return Taken(packages=packages, ecosystem=packages[0].ecosystem)
    from repro_audit.facts import download

    if name in download.TOOLS or name.startswith("python"):
        return Taken(downloads=download.downloads(command, later=later))
    return NOTHING


def facts_in(command: Command) -> list[object]:
    """The facts that stand in one command which no Dockerfile surrounds."""
    return facts_of(command, taken_by(command))


def facts_of(command: Command, taken: Taken) -> list[object]:
    """The facts that stand in one command: its packages, downloads, the installation as a whole and its indexes."""
    if taken is NOTHING:
        return []
    facts: list[object] = [*taken.packages, *taken.downloads]
    if taken.packages:
        ecosystem = taken.packages[0].ecosystem
        redirected = taken.python.redirected if taken.python is not None else ()
        facts.append(
            Installation(command.source, command.span, ecosystem, taken.packages, command, command.stage, redirected)
        )
    if taken.python is not None:
        python = taken.python
        held = "--require-hashes" in python.flags
        for option, values in (("--extra-index-url", python.extra_index_urls), ("--find-links", python.find_links)):
            facts += [IndexOption(command.source, v.span, option, v.text, python.tool, command, held) for v in values]
    return facts

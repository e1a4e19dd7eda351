"""What a command of pip, uv, poetry, pipenv, pdm, pipx, easy_install, conda or its kin installs, and from where."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from repro_audit.facts import python_options, python_packages
from repro_audit.facts.input import Package
from repro_audit.facts.pin import Level, Pin
from repro_audit.record import dataclass, replace
from repro_audit.source import Excerpt, Span, join
from repro_audit.syntax import requirement
from repro_audit.syntax.error import Error

if TYPE_CHECKING:
    from repro_audit.facts.command import Command
    from repro_audit.facts.python_options import Tool
    from repro_audit.syntax.shell import Word


@dataclass(slots=True, frozen=True, eq=False)
class Value:
    """An option's value, variables filled in as far as known, with its place."""

    text: str
    span: Span


@dataclass(slots=True, frozen=True, eq=False)
class Install:
    """One command that installs Python or conda packages.

    `tool` is the program as its manual calls it (`pip`, `uv`, `mamba`, ...), `action` the subcommand (`install`,
    `pip install`, `env create`, ...). `packages` are those named; files are given as written. `projects` are local
    folders to install; `manifest` when the project of the working directory is installed from its manifest or lock.
    `index_url` replaces PyPI, `extra_index_urls` and `find_links` add to it; `channels` are conda's. `flags` are long
    options without a value that matter (`--upgrade`, `--no-deps`, `--require-hashes`, `--pre`, `--frozen`, `--locked`,
    `--no-index`, `--no-cache-dir`, ...). `installs_self` are the installers among the packages (`pip`, `wheel`, ...).
    `redirected` are packages whose unquoted `>` or `<` makes the shell write or read a file instead (`numpy>=1.2`).
    `newest` is the date after which nothing published counts (`--exclude-newer`, `--uploaded-prior-to`).
    """

    ecosystem: str
    tool: str
    action: str
    command: Command
    span: Span
    packages: tuple[Package, ...] = ()
    requirement_files: tuple[tuple[str, Span], ...] = ()
    constraint_files: tuple[tuple[str, Span], ...] = ()
    environment_files: tuple[tuple[str, Span], ...] = ()
    projects: tuple[tuple[str, Span], ...] = ()
    manifest: bool = False
    index_url: Value | None = None
    extra_index_urls: tuple[Value, ...] = ()
    find_links: tuple[Value, ...] = ()
    channels: tuple[Value, ...] = ()
    flags: frozenset[str] = frozenset()
    installs_self: tuple[str, ...] = ()
    redirected: tuple[tuple[str, Span], ...] = ()
    errors: tuple[Error, ...] = ()
    newest: Value | None = None

    @property
    def upgrade(self) -> bool:
        """Whether what is already there is replaced by something newer."""
        return "--upgrade" in self.flags

    @property
    def frozen(self) -> bool:
        """Whether the command takes the lock file as it is, and fails where it does not fit."""
        return bool(self.flags & {"--frozen", "--locked", "--deploy", "--frozen-lockfile"}) or self.action == "sync"


_INSTALLERS = ("pip", "setuptools", "wheel", "uv")
_AT_VERSION = re.compile(r"[A-Za-z0-9][\w.-]*@(?:latest|[0-9][\w.]*)")
_REDIRECTED = re.compile(r"=?[ \t]*v?[0-9]")


@dataclass(slots=True, frozen=True, eq=False)
class _Argument:
    """A word of the command as the program sees it, with places; `masked` has `0` for every unknown character."""

    text: Excerpt
    masked: str
    word: Word


def install(command: Command) -> Install | None:
    """What `command` installs, or None where it installs nothing of Python's or conda's."""
    found = python_options.tool_of(command.name, command.args)
    if found is None:
        return None
    tool, skip, action = found
    arguments = [a for word in command.words[skip + 1 :] for a in _arguments(command, word)]
    reading = _Reading(command, tool, action)
    reading.read(arguments)
    return reading.done()


_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_LOCAL = Pin(Level.LOCAL, "from files that are already there (`--no-index`)")


def held_elsewhere(install: Install) -> Install:
    """`install` with its packages as something beside their own version holds them.

    That is a date after which nothing counts, a folder of files, or constraints. What constraints say is not known
    here: they stand in a file, or in a variable; where they may hold a package, it is not said to float.
    """
    pin: Pin | None = None
    if "--no-index" in install.flags:
        pin = _LOCAL
    elif install.newest is not None and _DAY.match(install.newest.text):
        pin = Pin(Level.IMMUTABLE, f"nothing newer than {install.newest.text} is taken")
    elif install.ecosystem == "pip" and (file := _constraints(install)):
        pin = Pin(Level.PERISHABLE, f"held, if at all, by the constraints in `{file}`")
    if pin is None:
        return install
    packages = tuple(replace(p, pin=pin) if p.pin.level < pin.level and p.url is None else p for p in install.packages)
    return replace(install, packages=packages)


def _constraints(install: Install) -> str | None:
    if install.constraint_files:
        return install.constraint_files[0][0]
    variables = install.command.variables
    return variables.get("UV_CONSTRAINT" if install.tool == "uv" else "PIP_CONSTRAINT")


def _arguments(command: Command, word: Word) -> list[_Argument]:
    """A word's arguments: one, or several where an unquoted variable holds several words."""
    literal = word.literal
    source = command.source
    if literal is not None:
        text, length = word.span.start, len(literal)
        raw = source.slice(word.span)
        if raw == literal:
            return [_Argument(Excerpt(source, literal, ((0, text, length),)), literal, word)]
        if raw[1:-1] == literal:
            return [_Argument(Excerpt(source, literal, ((0, text + 1, length),)), literal, word)]
    parts: list[tuple[str, int, int]] = []
    masked: list[str] = []
    known = True
    from repro_audit.syntax.shell import Literal, Variable
    from repro_audit.syntax.shell_expand import value

    for part in word.parts:
        span = part.span
        raw = source.slice(span)
        if isinstance(part, Literal):
            shown: str | None = part.text
            at = span.start if raw == shown else span.start + 1 if raw[1:-1] == shown else -1
            if at >= 0:
                parts.append((part.text, at, len(part.text)))
                masked.append(part.text)
                continue
        else:
            shown = value(part, command.variables) if isinstance(part, Variable) else None
        if shown is None:
            known = False
            parts.append((raw, span.start, len(raw)))
            masked.append("0" * len(raw))
        else:
            parts.append((shown, span.start, span.end - span.start))
            masked.append(shown)
    text_of_word = join(source, parts)
    whole = "".join(masked)
    if known and not word.quoted and literal is None and len(pieces := whole.split()) > 1:
        # Every piece stands where the variable does: there is no better place for it.
        span = word.span
        return [_Argument(join(source, [(piece, span.start, span.end - span.start)]), piece, word) for piece in pieces]
    return [_Argument(text_of_word, whole, word)]


class _Reading:
    """The arguments read so far."""

    def __init__(self, command: Command, tool: Tool, action: str) -> None:
        self.command = command
        self.tool = tool
        self.action = action
        self.packages: list[Package] = []
        self.values: dict[str, list[tuple[str, Span]]] = {}
        self.projects: list[tuple[str, Span]] = []
        self.flags: set[str] = set()
        self.errors: list[Error] = []
        self.named: list[tuple[Word, str]] = []

    def read(self, arguments: list[_Argument]) -> None:
        tool = self.tool
        index = 0
        options = True
        while index < len(arguments):
            argument = arguments[index]
            text = argument.text.text
            index += 1
            if not options or text == "-" or not text.startswith("-"):
                running = tool.name == "uvx" or self.action in ("run", "tool run")
                if text and not (tool.name == "uv" and self.action == "run"):
                    self._positional(argument, 0)
                if running:
                    break  # what follows is for the program that is run
                continue
            if text == "--":
                options = False
                continue
            name, value_at = tool.split(text)
            if name is None:
                continue
            if not tool.takes_value(name, self.action):
                self.flags.add(tool.long(name))
                continue
            if value_at >= 0:
                self._option(tool.long(name), argument, value_at)
            elif index < len(arguments):
                self._option(tool.long(name), arguments[index], 0)
                index += 1

    def _option(self, name: str, argument: _Argument, at: int) -> None:
        text = argument.text.text[at:]
        if name in ("--editable", "--with", "--from", "--upgrade-package", "--spec", "--with-editable"):
            if name == "--upgrade-package":
                self.flags.add("--upgrade")
            elif name == "--with" and self.tool.name == "poetry":
                self.values.setdefault(name, []).append((text, argument.text.span(at, at + len(text))))
            else:
                self._positional(argument, at, editable=name.endswith("editable"))
            return
        self.values.setdefault(name, []).append((text, argument.text.span(at, at + len(text))))

    def _positional(self, argument: _Argument, at: int, *, editable: bool = False) -> None:
        text = argument.text.sub(at, len(argument.text.text)) if at else argument.text
        masked = argument.masked[at:]
        if self.tool.ecosystem == "conda":
            self._conda(argument.word, text, masked)
        elif text.text.endswith((".txt", ".in")) and self.action in ("pip sync", "sync"):
            self.values.setdefault("--requirement", []).append((text.text, text.whole))
        else:
            self._pip(argument.word, text, masked, editable=editable)

    def _pip(self, word: Word, text: Excerpt, masked: str, *, editable: bool) -> None:
        command = self.command
        if masked != text.text and not masked.strip("0"):
            self._unknown(word, text, "pip")
            return
        if "@" in masked and "://" not in masked and (self.tool.name == "poetry" or _AT_VERSION.fullmatch(masked)):
            self._at_version(word, text)
            return
        made = requirement.read(text, 0, editable=editable, masked=masked)
        if isinstance(made, Error):
            self.errors.append(made)
            return
        if made.url is not None and not requirement.is_remote(made.url) and not made.specifiers:
            if not made.url.lower().endswith((".whl", ".tar.gz", ".zip", ".tgz", ".tar.bz2")):
                self.projects.append((made.url, made.span))
                return
        package = python_packages.from_requirement(
            command.source, made, via="command", command=command, stage=command.stage
        )
        self.packages.append(package)
        self.named.append((word, package.name))

    def _at_version(self, word: Word, text: Excerpt) -> None:
        """`poetry add name@^1.2`, `uvx name@1.2`."""
        from repro_audit.syntax.pyproject import exact_version

        name, _, constraint = text.text.partition("@")
        version = exact_version(constraint, "poetry")
        pin = Pin(Level.RANGED, "a range of versions")
        if version is not None:
            pin = Pin(Level.IMMUTABLE, "exact version")
        elif constraint in ("", "*", "latest"):
            pin = Pin(Level.FLOATING, "whatever version is newest")
        place = text.span(len(name) + 1, len(text.text))
        self._add(text, "pip", requirement.normalize(name), constraint, version, pin, place)
        self.named.append((word, name))

    def _conda(self, word: Word, text: Excerpt, masked: str) -> None:
        from repro_audit.syntax import conda

        if masked != text.text and not masked.strip("0"):
            self._unknown(word, text, "conda")
            return
        made = conda.parse_spec(Excerpt(text.source, masked, text.pieces) if masked != text.text else text)
        if isinstance(made, Error):
            self.errors.append(made)
            return
        package = python_packages.from_match_spec(
            self.command.source, made, via="command", command=self.command, stage=self.command.stage
        )
        if masked != text.text:
            after = text.text[len(made.name) :] if not made.channel else text.text.partition("::")[2][len(made.name) :]
            reason = "value unknown: the version stands in a variable that the file does not set"
            self._add(text, "conda", made.name, after, None, Pin(Level.PERISHABLE, reason), made.spec_span)
        else:
            self.packages.append(package)
        self.named.append((word, made.name))

    def _unknown(self, word: Word, text: Excerpt, ecosystem: str) -> None:
        end = word.span.end
        self._add(text, ecosystem, text.text, "", None, Pin(Level.FLOATING, "value unknown"), Span(end, end))

    def _add(
        self, text: Excerpt, ecosystem: str, name: str, specifier: str, version: str | None, pin: Pin, place: Span
    ) -> None:
        command = self.command
        self.packages.append(
            Package(
                command.source,
                text.whole,
                ecosystem,
                name,
                specifier,
                version,
                pin,
                "command",
                place,
                command=command,
                stage=command.stage,
            )
        )

    def done(self) -> Install:
        command, tool = self.command, self.tool
        get = self.values.get
        last_index = (get("--index-url") or get("--default-index") or [])[-1:]
        files = [f for f in get("--file", []) if tool.ecosystem == "conda"]
        extra = [*get("--extra-index-url", []), *get("--index", [])]
        names = {p.name for p in self.packages}
        manifest = tool.installs_manifest(self.action) and not self.packages
        return Install(
            tool.ecosystem,
            tool.name,
            self.action,
            command,
            command.span,
            tuple(self.packages),
            (*get("--requirement", []), *get("--with-requirements", [])),
            tuple(get("--constraint", [])),
            tuple(files),
            tuple(self.projects),
            manifest,
            Value(*last_index[0]) if last_index else None,
            tuple([Value(*v) for v in extra]),
            tuple([Value(*v) for v in get("--find-links", [])]),
            tuple([Value(*v) for v in get("--channel", [])]),
            frozenset(self.flags),
            tuple([name for name in _INSTALLERS if name in names]),
            self._redirected(),
            tuple(self.errors),
            self._newest(),
        )

    def _newest(self) -> Value | None:
        given = self.values.get("--exclude-newer") or self.values.get("--uploaded-prior-to")
        if given:
            return Value(*given[-1])
        text = self.command.variables.get("UV_EXCLUDE_NEWER") if self.tool.name in ("uv", "uvx") else None
        return Value(text, self.command.span) if text else None

    def _redirected(self) -> tuple[tuple[str, Span], ...]:
        """Packages that a redirection touches and whose target reads as a version."""
        ends = {word.span.end: (word, name) for word, name in self.named}
        found: list[tuple[str, Span]] = []
        for redirect in self.command.node.redirects:
            if redirect.op not in (">", "<", ">>") or redirect.target is None:
                continue
            touched = ends.get(redirect.span.start)
            if touched and _REDIRECTED.match(redirect.target.raw):
                found.append((touched[1], Span(touched[0].span.start, redirect.span.end)))
        return tuple(found)

"""Packages of programming languages other than Python that a command names: npm, gem, go, cargo, composer, R, Julia."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from repro_audit.facts.input import Package
from repro_audit.facts.operand import Operand, operands
from repro_audit.facts.pin import Level, Pin
from repro_audit.source import Span

if TYPE_CHECKING:
    from repro_audit.facts.command import Command

_NPM_VALUED = frozenset(
    "--registry --prefix -C --dir --cwd --filter -w --workspace --tag --cache --loglevel --network-timeout --reporter"
    " --store-dir --cache-folder --modules-folder --mutex --before --omit --include --global-dir".split()
)
_NPM_VERBS = {
    "npm": frozenset(("install", "i", "add", "in", "exec", "x")),
    "npx": frozenset(),
    "pnpm": frozenset(("add", "install", "i", "dlx")),
    "yarn": frozenset(("add", "dlx")),
    "bun": frozenset(("add", "install", "i")),
}
_GEM_VALUED = frozenset("-v --version -i --install-dir -n --bindir -s --source -P --trust-policy --platform".split())
_CARGO_VALUED = frozenset(
    "--version --vers --git --branch --tag --rev --path --root --registry --index --features -F --profile --target"
    " --target-dir -j --jobs --bin --example --config -Z".split()
)
_COMMIT = re.compile(r"[0-9a-f]{12,40}\Z")
_NUMBER = re.compile(r"v?\d+(?:\.\d+){2,3}(?:[-+][\w.+-]+)?\Z")
_GEM_NUMBER = re.compile(r"\d+(?:\.\w+)*\Z")
_LOCAL = ("./", "../", "/", "file:", "~/", ".")
_NONE = Pin(Level.FLOATING, "no version: the newest is taken")
_R_CALL = re.compile(
    r"(install\.packages|install_github|BiocManager::install|install_version|pak::pak|pak::pkg_install|renv::install|"
    r"install_cran|install_bioc)\s*\("
)
_STRING = re.compile(r"(['\"])([^'\"\n]*)\1")
_DATED = re.compile(r"/\d{4}-\d{2}-\d{2}(?:/|\b)|snapshot|/mran\.")


def packages(command: Command) -> tuple[Package, ...]:
    """The packages that the command names; none for a command that installs what a manifest lists."""
    name = command.name
    if name in _NPM_VERBS:
        return tuple(_npm(command))
    reader = {
        "gem": _gem,
        "go": _go,
        "cargo": _cargo,
        "composer": _composer,
        "R": _r,
        "r": _r,
        "Rscript": _r,
        "install2.r": _littler,
        "installGithub.r": _littler,
        "julia": _julia,
    }.get(name)
    return tuple(reader(command)) if reader is not None else ()


def _made(
    command: Command, ecosystem: str, operand: Operand, name: str, specifier: str, pin: Pin, url: str | None = None
) -> Package:
    exact = pin.level in (Level.IMMUTABLE, Level.PERISHABLE) and bool(specifier)
    return Package(
        source=command.source,
        span=operand.span,
        ecosystem=ecosystem,
        name=name,
        specifier=specifier,
        version=specifier.lstrip("@=: ") if exact and operand.unknown is None else None,
        pin=pin,
        via="command",
        spec_span=operand.part(len(operand.text) - len(specifier))
        if operand.text.endswith(specifier)
        else operand.span,
        url=url,
        command=command,
        stage=command.stage,
    )


def _given(operand: Operand) -> Pin:
    return Pin(Level.PERISHABLE, f"`{operand.unknown}` gives the version")


def _unknown(operand: Operand) -> Pin:
    return Pin(Level.FLOATING, f"the value of `{operand.unknown}` is unknown")


def _npm(command: Command) -> Iterator[Package]:
    tool = command.name
    found = list(operands(command, _NPM_VALUED))
    if tool == "npx":
        # Without these it mostly runs what the project's own lock file has put there.
        names = found[:1] if command.has("-y", "--yes", "-p", "--package") else []
    else:
        if tool == "yarn" and found and found[0].text == "global":
            found = found[1:]
        if not found or found[0].text not in _NPM_VERBS[tool]:
            return
        names = found[1:2] if found[0].text in ("exec", "x", "dlx") else found[1:]
    ecosystem = "npm" if tool == "npx" else tool
    for item in names:
        text = item.text
        if text.startswith(_LOCAL) or (text.endswith(".tgz") and "://" not in text):
            yield _made(command, ecosystem, item, text, "", Pin(Level.LOCAL, "a file that is already there"))
            continue
        if (
            "://" in text
            or text.startswith(("git+", "github:", "git@"))
            or re.fullmatch(r"[\w.-]+/[\w.-]+(?:#.*)?", text)
        ):
            from repro_audit.facts.address import of_revision, of_url

            revision = text.partition("#")[2]
            pin = of_url(text) if text.endswith(".tgz") else of_revision(revision)
            yield _made(command, ecosystem, item, text, "", pin, url=text)
            continue
        at = text.find("@", 1)
        name, specifier = (text, "") if at < 0 else (text[:at], text[at:])
        if specifier.startswith("@npm:"):
            at = specifier.find("@", 6)
            specifier = specifier[at:] if at > 0 else ""
        version = specifier[1:]
        if item.unknown is not None and item.unknown in name:
            yield _made(command, ecosystem, item, text, "", _unknown(item))
        elif item.unknown is not None and specifier:
            yield _made(command, ecosystem, item, name, specifier, _given(item))
        else:
            yield _made(command, ecosystem, item, name, specifier, _npm_pin(version))


def _npm_pin(version: str) -> Pin:
    if not version:
        return _NONE
    if _NUMBER.match(version.lstrip("=")):
        return Pin(Level.IMMUTABLE, "the registry does not change a published version")
    if re.match(r"[\^~<>=*]|v?\d", version):
        return Pin(Level.RANGED, "several versions fit")
    return Pin(Level.FLOATING, f"`{version}` is a tag, which moves")


def _gem(command: Command) -> Iterator[Package]:
    found = list(operands(command, _GEM_VALUED))
    if not found or found[0].text not in ("install", "i"):
        return
    version = command.value("--version", "-v") or ""
    for item in found[1:]:
        name, sign, own = item.text.partition(":")
        specifier = own if sign else version
        if name.endswith(".gem") or name.startswith(_LOCAL):
            yield _made(command, "gem", item, item.text, "", Pin(Level.LOCAL, "a file that is already there"))
        elif item.unknown is not None and item.unknown in name:
            yield _made(command, "gem", item, item.text, "", _unknown(item))
        elif not specifier:
            yield _made(command, "gem", item, name, "", _NONE)
        elif _GEM_NUMBER.match(specifier.lstrip("= ")) or "$" in specifier:
            pin = Pin(Level.IMMUTABLE, "the index does not change a published version")
            yield _made(command, "gem", item, name, specifier, pin)
        else:
            yield _made(command, "gem", item, name, specifier, Pin(Level.RANGED, "several versions fit"))


def _go(command: Command) -> Iterator[Package]:
    found = list(operands(command, frozenset(("-ldflags", "-tags", "-gcflags", "-mod", "-o", "-p", "-C"))))
    if not found or found[0].text not in ("install", "get", "run"):
        return
    for item in found[1:]:
        name, sign, version = item.text.partition("@")
        if "." not in name.partition("/")[0] or name.startswith("."):
            continue
        if not sign:
            if found[0].text == "get":
                yield _made(command, "go", item, name, "", _NONE)
        elif item.unknown is not None:
            yield _made(command, "go", item, name, sign + version, _given(item))
        elif _NUMBER.match(version) or _COMMIT.match(version):
            pin = Pin(Level.IMMUTABLE, "the module proxy and checksum database keep a version as it is")
            yield _made(command, "go", item, name, sign + version, pin)
        else:
            level = Level.RANGED if re.match(r"v\d", version) else Level.FLOATING
            yield _made(command, "go", item, name, sign + version, Pin(level, f"`{version}` moves"))
        if found[0].text == "run":
            return


def _cargo(command: Command) -> Iterator[Package]:
    args = command.args[1:] if command.args[:1] and command.args[0].startswith("+") else command.args
    found = list(operands(command, _CARGO_VALUED, len(command.args) - len(args)))
    if not found or found[0].text not in ("install", "binstall") or command.value("--path"):
        return
    git = command.value("--git")
    version = command.value("--version", "--vers") or ""
    if git is not None:
        from repro_audit.facts.address import of_revision

        pin = of_revision(command.value("--rev") or command.value("--tag") or command.value("--branch"))
        item = found[1] if len(found) > 1 else found[0]
        yield _made(command, "cargo", item, found[1].text if len(found) > 1 else git, "", pin, url=git)
        return
    for item in found[1:]:
        name, sign, own = item.text.partition("@")
        specifier = own if sign else version
        if item.unknown is not None and item.unknown in name:
            pin = _unknown(item)
        elif not specifier:
            pin = _NONE
        elif "$" in specifier:
            pin = Pin(Level.PERISHABLE, "a variable gives the version")
        elif _NUMBER.match(specifier.lstrip("=")):
            locked = "" if command.has("--locked") else "; its dependencies move without `--locked`"
            pin = Pin(Level.IMMUTABLE, "the registry does not change a published version" + locked)
        else:
            pin = Pin(Level.RANGED, "several versions fit")
        yield _made(command, "cargo", item, name, specifier, pin)


def _composer(command: Command) -> Iterator[Package]:
    found = list(operands(command, frozenset(("-d", "--working-dir", "--repository"))))
    if found and found[0].text == "global":
        found = found[1:]
    if not found or found[0].text not in ("require", "create-project"):
        return
    names = found[1:] if found[0].text == "require" else found[1:2]
    for item in names:
        name, sign, version = item.text.partition(":")
        if not sign:
            name, sign, version = item.text.partition("=")
        if "/" not in name:
            continue
        if not version:
            pin = _NONE
        elif "$" in version:
            pin = _given(item)
        elif re.fullmatch(r"v?\d+\.\d+(?:\.\d+)+\S*", version):
            pin = Pin(Level.PERISHABLE, "a tag of the source repository can be moved")
        else:
            pin = Pin(Level.RANGED, "several versions fit")
        yield _made(command, "composer", item, name, sign + version, pin)


def _code(command: Command) -> Iterator[Operand]:
    """The code given by `-e`, or by a here-document."""
    for index, arg in enumerate(command.args[:-1]):
        if arg in ("-e", "--eval", "-E"):
            yield Operand(command.args[index + 1], command.words[index + 2], index + 1, None)
    for redirect in command.node.redirects:
        if redirect.body is not None and redirect.target is not None:
            yield Operand(redirect.body.text, redirect.target, 0, None)


def _closing(code: str, start: int) -> int:
    depth = 1
    for match in re.compile(r"[()]").finditer(code, start):
        depth += 1 if match.group() == "(" else -1
        if not depth:
            return match.start()
    return len(code)


def _r(command: Command) -> Iterator[Package]:
    for item in _code(command):
        dated = bool(_DATED.search(item.text)) or any(
            "repos" in other.text and _DATED.search(other.text) for other in _code(command)
        )
        for call in _R_CALL.finditer(item.text):
            arguments = item.text[call.end() : _closing(item.text, call.end())]
            arguments = re.sub(
                r"\b(?:repos|lib|type|dependencies|upgrade|Ncpus|method|version)\s*=[^,()]*(?:\([^)]*\))?",
                "",
                arguments,
            )
            function = call.group(1)
            for found in _STRING.finditer(arguments):
                name = found.group(2)
                if not re.fullmatch(r"[A-Za-z][\w./@-]*", name):
                    continue
                place = _inside(item, call.end(), name)
                if function == "install_version":
                    pin = Pin(Level.PERISHABLE, "a version")
                    yield _made(command, "cran", place, name, "", pin)
                    break
                if function == "install_github":
                    from repro_audit.facts.address import of_revision

                    repository, _, revision = name.partition("@")
                    yield _made(command, "cran", place, repository, "", of_revision(revision), url=name)
                    continue
                pin = Pin(Level.IMMUTABLE, "from a dated repository") if dated else _NONE
                yield _made(command, "cran", place, name, "", pin)


def _inside(item: Operand, start: int, name: str) -> Operand:
    """The operand narrowed to a name in its code, where the code stands in the file as it is."""
    from repro_audit.record import replace

    raw = item.word.raw
    at = raw.find(name, min(start, len(raw)))
    if at < 0 or item.word.span.end - item.word.span.start != len(raw):
        return item._replace(text=name)
    begin = item.word.span.start + at
    word = replace(item.word, raw=name, span=Span(begin, begin + len(name)))
    return item._replace(text=name, word=word)


def _littler(command: Command) -> Iterator[Package]:
    """`install2.r name...` and `installGithub.r owner/name` of littler."""
    valued = frozenset("-r --repos -n --ncpus -d --deps -m --method -l --libloc -t --type".split())
    dated = bool(_DATED.search(command.value("--repos", "-r") or ""))
    for item in operands(command, valued):
        if item.unknown is not None:
            pin = _unknown(item)
        elif command.name == "installGithub.r":
            from repro_audit.facts.address import of_revision

            pin = of_revision(item.text.partition("@")[2])
        else:
            pin = Pin(Level.IMMUTABLE, "from a dated repository") if dated else _NONE
        yield _made(command, "cran", item, item.text, "", pin)


def _julia(command: Command) -> Iterator[Package]:
    for item in _code(command):
        for call in re.finditer(r"\bPkg\.add\s*\(|\bPkg\.add\s*(?=\[)", item.text):
            arguments = item.text[call.end() : _closing(item.text, call.end())]
            version = re.search(r"version\s*=\s*['\"]([^'\"]+)", arguments)
            bare = re.sub(r"\b(?:version|rev|uuid)\s*=\s*['\"][^'\"]*['\"]", "", arguments)
            for found in _STRING.finditer(bare):
                name, sign, own = found.group(2).partition("@")
                specifier = own if sign else (version.group(1) if version else "")
                exact = re.fullmatch(r"\d+\.\d+\.\d+", specifier)
                pin = (
                    Pin(Level.IMMUTABLE, "the registry names the version's tree")
                    if exact
                    else Pin(Level.RANGED, "several versions fit")
                    if specifier
                    else _NONE
                )
                yield _made(command, "julia", _inside(item, call.end(), name), name, specifier, pin)

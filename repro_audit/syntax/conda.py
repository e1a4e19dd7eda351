"""conda environments: `environment.yml`, `@EXPLICIT` lists and `conda list --export` files, and the match specification
that stands in all of them and on conda's command line.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from repro_audit.record import dataclass
from repro_audit.source import Excerpt, Source, Span
from repro_audit.syntax.error import Error
from repro_audit.syntax.tree import Mapping, Scalar, items_of, text_of

if TYPE_CHECKING:
    from repro_audit.syntax.requirements import OptionLine, RequirementLine


@dataclass(slots=True, frozen=True, eq=False)
class MatchSpec:
    """One conda package as asked for.

    `version` is the constraint with its operators (`=1.26`, `==1.26.4`, `>=1.2,<2`, `1.26.4` where a blank stood before
    it), empty for none; `build` the build string. `url` is set for a package named by its address, with the checksum
    after `#` in `checksum`. `spec_span` covers version and build, empty at the end of the name where there are none.
    """

    raw: str
    span: Span
    channel: str | None
    name: str
    name_span: Span
    version: str
    build: str | None
    spec_span: Span
    line: int
    url: str | None = None
    checksum: str | None = None


@dataclass(slots=True, frozen=True, eq=False)
class Environment:
    """A conda environment. `explicit` for a list of addresses that conda installs without solving."""

    source: Source
    name: str | None
    prefix: str | None
    channels: tuple[tuple[str, Span], ...]
    specs: tuple[MatchSpec, ...]
    pip: tuple[RequirementLine, ...]
    pip_options: tuple[OptionLine, ...]
    errors: tuple[Error, ...]
    explicit: bool = False


_SPEC = re.compile(r"(?:([^\s\[\]<>=!~]*?)::)?([A-Za-z0-9_.*-]+)")
_BRACKET_ITEM = re.compile(r"\b(version|build|channel)[ \t]*=[ \t]*(?:'([^']*)'|\"([^\"]*)\"|([^,'\"\]]*))")
_URL = re.compile(r"(?:https?|file|s3|ftp)://|(?:\.{0,2}/|[A-Za-z]:\\).*\.(?:conda|tar\.bz2)")
_FILE = re.compile(r"(.+)-([^-]+)-([^-]+)\.(?:conda|tar\.bz2)")
_EXACT = re.compile(r"(={1,2})([^=<>!~,|\s]+)=([^=<>!~,|\s]+)")
_SHOWN = 200


def parse(source: Source) -> Environment:
    """The environment; a `.txt` file or one with an `@EXPLICIT` line is read as a list, anything else as YAML."""
    if source.path.endswith(".txt") or re.search(r"(?m)^@EXPLICIT", source.text):
        return _list(source)
    from repro_audit.syntax import requirements, yaml

    document = yaml.parse(source)
    errors = list(document.errors)
    root = document.root
    if not isinstance(root, Mapping):
        if root is not None:
            errors.append(Error(root.span, "Expected a mapping with `dependencies`"))
        return Environment(source, None, None, (), (), (), (), tuple(errors))
    channels = [(c.text, c.span) for c in items_of(root.get("channels")) if isinstance(c, Scalar)]
    specs: list[MatchSpec] = []
    pip: list[RequirementLine] = []
    options: list[OptionLine] = []
    for item in items_of(root.get("dependencies")):
        if isinstance(item, Scalar):
            made = parse_spec(item.content)
            if isinstance(made, Error):
                errors.append(made)
            else:
                specs.append(made)
        elif isinstance(item, Mapping):
            for entry in items_of(item.get("pip")):
                if not isinstance(entry, Scalar):
                    errors.append(Error(entry.span, "Expected a requirement in a string"))
                    continue
                parsed = requirements.parse_line(entry.content)
                pip += parsed.requirements
                options += parsed.options
                errors += parsed.errors
    return Environment(
        source,
        text_of(root.get("name")),
        text_of(root.get("prefix")),
        tuple(channels),
        tuple(specs),
        tuple(pip),
        tuple(options),
        tuple(errors),
    )


def _list(source: Source) -> Environment:
    specs: list[MatchSpec] = []
    errors: list[Error] = []
    at = 0
    explicit = False
    for full in source.text.split("\n"):
        text = full.strip()
        if text == "@EXPLICIT":
            explicit = True
        elif text and not text.startswith("#"):
            start = at + full.index(text[0])
            made = parse_spec(source.excerpt(Span(start, start + len(text))))
            if isinstance(made, Error):
                errors.append(made)
            else:
                specs.append(made)
        at += len(full) + 1
    return Environment(source, None, None, (), tuple(specs), (), (), tuple(errors), explicit)


def parse_spec(text: Excerpt) -> MatchSpec | Error:
    """One match specification: `numpy=1.26`, `conda-forge::numpy>=1.2`, `numpy 1.26.4 py310_0`, `numpy[build=x]`."""
    raw = text.text
    start, end = len(raw) - len(raw.lstrip()), len(raw.rstrip())
    if (sign := raw.find(" #", start, end)) >= 0:
        end = len(raw[:sign].rstrip())
    line = text.source.position(text.offset(0)).line
    whole = text.span(start, max(start, end))
    shown = raw[start:end]
    if _URL.match(shown):
        return _address(text, start, end, line, whole)
    found = _SPEC.match(raw, start, end)
    if not found:
        return Error(whole, f"Invalid match specification: {shown[:_SHOWN]!r}")
    channel, name = found[1], found[2]
    at = found.end()
    stop = end
    version, build = "", None
    if end > at and raw[end - 1] == "]" and (bracket := raw.find("[", at, end)) >= 0:
        for item in _BRACKET_ITEM.finditer(raw, bracket, end):
            value = next((v for v in item.groups()[1:] if v is not None), "").strip()
            if item[1] == "version":
                version = value
            elif item[1] == "build":
                build = value
            else:
                channel = value
        stop = bracket
    rest = raw[at:stop]
    spec_span = text.span(at, end) if end > at else Span(text.offset(at, end=True), text.offset(at, end=True))
    constraint = rest.strip()
    if constraint:
        if constraint[0] not in "=<>!~" and not rest[0].isspace():
            return Error(whole, f"Invalid match specification: {shown[:_SHOWN]!r}")
        if exact := _EXACT.fullmatch(constraint.replace(" ", "")):
            version, build = exact[2] if "*" in exact[2] else f"=={exact[2]}", exact[3]
        else:
            words = constraint.split()
            plain = len(words) == 2 and constraint[0] not in "<>!~" and words[0] not in ("=", "==")
            plain = plain and words[0][-1] != ","
            if len(words) > 2 and not any(c in constraint for c in "=<>!~|,"):
                return Error(whole, f"Invalid match specification: {shown[:_SHOWN]!r}")
            if plain and words[1][0] not in "<>=!~|,":
                version, build = words[0], words[1]
            else:
                version = "".join(words)
        if version in ("=", "=="):
            return Error(whole, f"Invalid match specification: {shown[:_SHOWN]!r}: no version after the operator")
        spec_span = text.span(at + len(rest) - len(rest.lstrip()), end)
    return MatchSpec(
        shown, whole, channel or None, name.lower(), text.span(*found.span(2)), version, build, spec_span, line
    )


def _address(text: Excerpt, start: int, end: int, line: int, whole: Span) -> MatchSpec:
    raw = text.text[start:end]
    url, _, checksum = raw.partition("#")
    file = url[max(url.rfind("/"), url.rfind("\\")) + 1 :]
    at = start + len(url) - len(file)
    found = _FILE.fullmatch(file)
    name, version, build = (found[1], f"=={found[2]}", found[3]) if found else (file, "", None)
    channel = url.rpartition("/")[0].rpartition("/")[0] or None
    name_span = text.span(at, at + len(name)) if name else whole
    return MatchSpec(raw, whole, channel, name.lower(), name_span, version, build, whole, line, url, checksum or None)


def exact_version(spec: MatchSpec) -> str | None:
    """The version that a specification asks for, where it is one and not a range.

    `=1.26.4` counts, though conda would take 1.26.4.1 for it as well: whoever writes three numbers means one release.
    """
    version = spec.version
    text = version.lstrip("=")
    if not text or not text[0].isalnum() or any(c in text for c in "*<>|,!~="):
        return None
    if version.startswith("=") and not version.startswith("==") and not spec.build and text.count(".") < 2:
        return None
    return text

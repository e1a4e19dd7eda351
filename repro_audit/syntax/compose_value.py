"""The small languages inside compose values: ports, volumes, durations, sizes, booleans, command lines.

Called by `syntax.compose`; each function takes text and gives its parts, or None where the text is none.
"""

from __future__ import annotations

import re

from repro_audit.record import dataclass
from repro_audit.source import Excerpt, Source, Span, join

_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h|d)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKmMgGtTpP]?)[iI]?[bB]?\Z")
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_PORT = re.compile(
    r"""(?:(?P<ip>\[[0-9A-Fa-f:.%]*\]|[0-9A-Fa-f:.]*?|\$\{[^}]*\}):)?
        (?:(?P<published>[^:/]*):)?
        (?P<target>[^:/]+)
        (?:/(?P<protocol>[A-Za-z0-9]+))?\Z""",
    re.VERBOSE,
)
# Two ports, an address and a few variables; the pattern above is quadratic in what is longer.
_LONGEST_PORT = 300
_NUMBERS = re.compile(r"\d{1,5}(?:-\d{1,5})?\Z")
_WORD = re.compile(r"""\s+|'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^\s'"\\]+|.""", re.DOTALL)
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]")


@dataclass(slots=True, frozen=True, eq=False)
class Value:
    """A scalar of the file. `text` has its variables filled in, and is None where one of them is unknown.

    `raw` is the scalar before that; `plain` whether it stood unquoted. `source` is its file, which `extends` and
    overrides may make another one than the service's.
    """

    text: str | None
    raw: str
    span: Span
    source: Source
    content: Excerpt
    unknown: tuple[str, ...] = ()
    plain: bool = False

    @property
    def shown(self) -> str:
        """The text with known variables filled in and the others as written."""
        return self.content.text


@dataclass(slots=True, frozen=True, eq=False)
class Variable:
    """`NAME=value` or `NAME: value`; `value` is None where the name stands alone and is passed through."""

    name: str
    value: Value | None
    span: Span
    source: Source


@dataclass(slots=True, frozen=True, eq=False)
class PortMapping:
    """One entry of `ports:`. `fault` says what is wrong with it, if anything is."""

    raw: str
    host_ip: str | None
    published: str | None
    target: str
    protocol: str
    span: Span
    source: Source
    plain: bool = False
    fault: str | None = None


@dataclass(slots=True, frozen=True, eq=False)
class VolumeMount:
    """One entry of `volumes:`, `type` as in the long form."""

    type: str
    origin: str | None
    target: str
    readonly: bool
    span: Span
    source: Source


@dataclass(slots=True, frozen=True, eq=False)
class CommandLine:
    """`command:`, `entrypoint:` or a health check's `test:`.

    `shell` when a shell reads `text` (`CMD-SHELL`); otherwise `words` are the program and its arguments.
    """

    span: Span
    source: Source
    text: Excerpt
    words: tuple[Excerpt, ...]
    shell: bool = False


def duration(text: str) -> float | None:
    """Seconds of `1m30s`; None for what is no duration. A number alone is none, as for compose."""
    at, total = 0, 0.0
    while at < len(text):
        match = _DURATION.match(text, at)
        if match is None:
            return None
        total += float(match.group(1)) * _SECONDS[match.group(2)]
        at = match.end()
    return total if text else None


def size(text: str) -> int | None:
    """Bytes of `512m`, `2gb`, `1.5 GiB` or a plain number; units are powers of 1024."""
    match = _SIZE.match(text.strip())
    if match is None or len(match.group(1)) > 30:
        return None
    return int(float(match.group(1)) * 1024 ** _POWERS[match.group(2).lower()])


def boolean(text: str | None) -> bool | None:
    """What compose makes of a truth value: YAML's words of old and numbers too; None for anything else."""
    word = (text or "").lower()
    if word in ("true", "yes", "y", "on", "1", "t"):
        return True
    return False if word in ("false", "no", "n", "off", "0", "f") else None


def port(text: str, span: Span, source: Source, plain: bool) -> PortMapping:
    """`[ip:][published:]target[/protocol]` with ranges and IPv6 in brackets."""
    match = _PORT.match(text) if len(text) <= _LONGEST_PORT else None
    if match is None:
        return PortMapping(text, None, None, text, "tcp", span, source, plain, "not of the form [ip:][host:]container")
    ip, published, target, protocol = match.group("ip", "published", "target", "protocol")
    if ip is not None and published is None:
        # One colon: what stands before it is the published port, unless it can only be an address.
        published, ip = ip, None
    ip = (ip or "").strip("[]") or None
    fault = None
    for number in (published, target):
        if number and "$" not in number and not _valid(number):
            fault = f"`{number}` is no port from 1 to 65535"
    if fault is None and published and "-" in target and "$" not in published + target:
        if _count(published) != _count(target):
            fault = f"ranges `{published}` and `{target}` are not of the same length"
    return PortMapping(text, ip, published or None, target, (protocol or "tcp").lower(), span, source, plain, fault)


def _valid(number: str) -> bool:
    if not _NUMBERS.match(number):
        return False
    low, _, high = number.partition("-")
    return int(low) <= 65535 and (not high or int(low) <= int(high) <= 65535)


def _count(numbers: str) -> int:
    low, _, high = numbers.partition("-")
    return int(high) - int(low) + 1 if high else 1


def volume(text: str, span: Span, source: Source) -> VolumeMount:
    """`[source:]target[:options]`, where a source may be a Windows path (`C:\\data:/data`)."""
    parts = _volume_parts(text)
    options: list[str] = []
    if len(parts) == 1:
        return VolumeMount("volume", None, parts[0], False, span, source)
    if len(parts) > 2:
        options = ",".join(parts[2:]).split(",")
    origin, target = parts[0], parts[1]
    path = origin[:1] in ("/", ".", "~") or bool(_WINDOWS.match(origin)) or origin.startswith("\\\\") or "/" in origin
    if origin.startswith("$") and not path:
        path = True
    return VolumeMount("bind" if path else "volume", origin, target, "ro" in options, span, source)


def _volume_parts(text: str) -> list[str]:
    parts: list[str] = []
    begin = at = 0
    depth = 0
    while at < len(text):
        char = text[at]
        if char == "{" and text[at - 1 : at] == "$":
            depth += 1
        elif char == "}" and depth:
            depth -= 1
        elif char == ":" and not depth:
            drive = at - begin == 1 and text[begin].isalpha() and text[at + 1 : at + 2] in ("\\", "/")
            # `a:/b` is a volume called `a`, unless more follows: a one-letter name is a drive only before a third part.
            if not (drive and (text[at + 1] == "\\" or ":" in text[at + 1 :])):
                parts.append(text[begin:at])
                begin = at + 1
        at += 1
    parts.append(text[begin:])
    return parts


def words(text: Excerpt) -> tuple[Excerpt, ...]:
    """A command line in one string, split as compose does: quotes and backslashes count, no shell is there."""
    found: list[Excerpt] = []
    parts: list[tuple[str, int, int]] = []
    open_word = False

    def take(start: int, end: int) -> None:
        piece = text.sub(start, end)
        for index, (at, place, length) in enumerate(piece.pieces):
            stop = piece.pieces[index + 1][0] if index + 1 < len(piece.pieces) else len(piece.text)
            parts.append((piece.text[at:stop], place, length))

    for match in _WORD.finditer(text.text):
        raw = match.group()
        start, end = match.span()
        if raw[0].isspace():
            if open_word:
                found.append(join(text.source, parts))
                parts = []
                open_word = False
            continue
        open_word = True
        if raw[0] == "'" and len(raw) > 1:
            take(start + 1, end - 1)
        elif raw[0] == '"' and len(raw) > 1:
            at = start + 1
            while at < end - 1:
                slash = text.text.find("\\", at, end - 1)
                stop = slash if slash != -1 else end - 1
                take(at, stop)
                if slash != -1:
                    take(slash + 1, slash + 2)
                    stop += 2
                at = stop
        elif raw[0] == "\\" and len(raw) == 2:
            take(start + 1, end)
        else:
            take(start, end)
    if open_word:
        found.append(join(text.source, parts))
    return tuple(found)

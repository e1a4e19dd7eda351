"""One Python requirement, wherever it stands: a line of a requirements file, an argument of `pip install`, an item of
pyproject. Read as pip reads it, except that nothing on disk is looked at: what looks like a path is taken for one.
"""

from __future__ import annotations

import re

from repro_audit.record import dataclass
from repro_audit.source import Excerpt, Span
from repro_audit.syntax.error import Error


@dataclass(slots=True, frozen=True, eq=False)
class RequirementLine:
    """One thing to install.

    `name` is normalised (PEP 503), None where only a URL or path is given. `specifiers` are `(operator, version)`
    pairs in file order. `url` is a direct reference (`https://`, `git+https://`, `file:`) or local path;
    `editable` for `-e`. `hashes` are `algorithm:hexdigest`. `marker` is the text after `;`.
    `span` covers the requirement itself, `spec_span` its specifiers (empty, at the end of the name and its extras,
    where there are none). `unknown` when a part of it is a variable whose value the file does not tell.
    """

    raw: str
    span: Span
    name: str | None
    name_span: Span
    extras: tuple[str, ...]
    specifiers: tuple[tuple[str, str], ...]
    spec_span: Span
    url: str | None
    editable: bool
    hashes: tuple[str, ...]
    marker: str | None
    line: int
    unknown: bool = False


_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_VERSION = r"[0-9]+(?:\.[0-9]+)*(?:(?:a|b|rc)[0-9]+)?(?:\.post[0-9]+)?(?:\.dev[0-9]+)?"
_CLAUSE = (
    rf"(?:[<>]=?[ \t]*{_VERSION}|~=[ \t]*[0-9]+\.{_VERSION}|[=!]=[ \t]*"
    rf"(?:[0-9]+(?:\.[0-9]+)*\.\*|{_VERSION}(?:\+[a-z0-9]+(?:\.[a-z0-9]+)*)?))"
)
_EXTRAS = rf"\[[ \t]*(?:((?:{_NAME})(?:[ \t]*,[ \t]*{_NAME})*)[ \t]*)?\]"
# What surely is a valid requirement. Anything else is shown to `packaging`, whose import alone costs 40 ms.
_SURE = re.compile(
    rf"({_NAME})(?:[ \t]*{_EXTRAS})?(?:[ \t]*({_CLAUSE}(?:[ \t]*,[ \t]*{_CLAUSE})*))?(?:[ \t]*;(.*))?(?![\s\S])"
)
_TERM = (
    r"(?:python_version|python_full_version|os_name|sys_platform|platform_(?:machine|system|release|version"
    r"|python_implementation)|implementation_(?:name|version)|extra)"
    r"[ \t]*(?:[<>]=?|[=!]=|~=|[ \t]in[ \t]|[ \t]not in[ \t])[ \t]*(?:'[^'\\]*'|\"[^\"\\]*\")"
)
_SURE_MARKER = re.compile(rf"[ \t]*{_TERM}(?:[ \t]+(?:and|or)[ \t]+{_TERM})*[ \t]*")
_SPECIFIER = re.compile(r"(===|==|~=|!=|<=|>=|<|>)[ \t]*([^,\s)]+)")
_NAMED = re.compile(rf"({_NAME})(?:[ \t]*\[([^\]]*)\])?[ \t]*")
_DIRECT = re.compile(rf"({_NAME})(?:[ \t]*{_EXTRAS})?[ \t]*@[ \t]*([^ \t]+)[ \t]*")
_TRAILING_EXTRAS = re.compile(r"\[([^\]\[]+)\][ \t]*(?![\s\S])")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_VCS = ("git", "hg", "svn", "bzr")
_VCS_SCHEMES = [
    "bzr+http",
    "bzr+https",
    "bzr+ssh",
    "bzr+sftp",
    "bzr+ftp",
    "bzr+lp",
    "bzr+file",
    "git+http",
    "git+https",
    "git+ssh",
    "git+git",
    "git+file",
    "hg+file",
    "hg+http",
    "hg+https",
    "hg+ssh",
    "hg+static-http",
    "svn+ssh",
    "svn+http",
    "svn+https",
    "svn+svn",
    "svn+file",
]
_SCHEMES = frozenset(("http", "https", "file", "ftp", *_VCS_SCHEMES))
_ARCHIVES = (
    ".zip",
    ".whl",
    ".tar.bz2",
    ".tbz",
    ".tar.gz",
    ".tgz",
    ".tar",
    ".tar.xz",
    ".txz",
    ".tlz",
    ".tar.lz",
    ".tar.lzma",
)
_EGG = re.compile(r"[#&]egg=([^&\[]*)(?:\[([^\]]*)\])?")
_SHOWN = 200  # characters of the file that a message repeats at most
_SEPARATORS = re.compile(r"[-_.]+")
# The only form in which pip fills in environment variables in a requirements file.
_VARIABLE = re.compile(r"\$\{[A-Z0-9_]+\}")


def normalize(name: str) -> str:
    """A project's name as PEP 503 spells it."""
    return _SEPARATORS.sub("-", name).lower()


def parse_requirement(text: Excerpt, *, editable: bool = False) -> RequirementLine | Error:
    """One requirement as it stands in `pip install ARG`, in pyproject or in a conda file's pip section."""
    return read(text, text.source.position(text.offset(0)).line, editable=editable)


def read(
    text: Excerpt,
    line: int,
    *,
    editable: bool = False,
    hashes: tuple[str, ...] = (),
    masked: str | None = None,
) -> RequirementLine | Error:
    """One requirement. `masked` is the text with every unknown part replaced by as many `0`s; without it, pip's own
    `${VARIABLES}` are the unknown parts.
    """
    raw = text.text
    start, end = len(raw) - len(raw.lstrip()), len(raw.rstrip())
    if start or end != len(raw):
        if start >= end:
            return Error(text.whole, "Invalid requirement: ''")
        text, masked = text.sub(start, end), masked[start:end] if masked is not None else None
        raw = text.text
    if masked is None:
        masked = _VARIABLE.sub(lambda found: "0" * len(found[0]), raw) if "${" in raw else raw
    reader = _Reading(text, raw, masked, line, hashes)
    if editable:
        return reader.editable()
    sure = _SURE.match(masked)
    is_file = sure and sure[3] is None and sure[1].lower().endswith(_ARCHIVES)
    if sure and not is_file and (sure[4] is None or _SURE_MARKER.fullmatch(sure[4])):
        return reader.named(sure)
    return reader.any()


class _Reading:
    """The requirement being read, in its three shapes."""

    __slots__ = ("hashes", "line", "masked", "raw", "text")

    def __init__(self, text: Excerpt, raw: str, masked: str, line: int, hashes: tuple[str, ...]) -> None:
        self.text, self.raw, self.masked, self.line, self.hashes = text, raw, masked, line, hashes

    def span(self, start: int, end: int) -> Span:
        pieces = self.text.pieces
        if len(pieces) == 1 and pieces[0][2] == len(self.raw):
            place = pieces[0][1]
            return Span(place + start, place + end)
        return self.text.span(start, end)

    def error(self, message: str) -> Error:
        return Error(self.span(0, len(self.raw)), message)

    def make(
        self,
        name: tuple[int, int] | None,
        extras: str | None,
        spec: tuple[int, int],
        marker: str | None,
        *,
        url: str | None = None,
        editable: bool = False,
        pinned: tuple[tuple[str, str], ...] = (),
    ) -> RequirementLine:
        raw = self.raw
        specifiers = pinned
        if spec[0] != spec[1]:
            specifiers = tuple(
                [(raw[slice(*f.span(1))], raw[slice(*f.span(2))]) for f in _SPECIFIER.finditer(self.masked, *spec)]
            )
        return RequirementLine(
            raw,
            self.span(0, len(raw)),
            normalize(raw[slice(*name)]) if name else None,
            self.span(*name) if name else self.span(0, 0),
            tuple([normalize(e.strip()) for e in extras.split(",") if e.strip()]) if extras else (),
            specifiers,
            self.span(*spec),
            url,
            editable,
            self.hashes,
            marker.strip() or None if marker is not None else None,
            self.line,
            self.masked != raw,
        )

    def named(self, found: re.Match[str]) -> RequirementLine:
        """What `_SURE` matched."""
        spec = found.span(3)
        if spec[0] < 0:
            at = found.end(1) if found[2] is None else self.raw.index("]", found.end(2)) + 1
            spec = (at, at)
        marker = found.start(4)
        return self.make(found.span(1), found[2], spec, self.raw[marker:] if marker >= 0 else None)

    def any(self) -> RequirementLine | Error:
        """A URL, a path, or a requirement in one of its rarer spellings."""
        masked = self.masked
        is_url = _is_url(masked)
        semicolon = masked.find("; " if is_url else ";")
        cut = len(masked) if semicolon < 0 else semicolon
        marker = None if semicolon < 0 else self.raw[cut + 1 :].strip()
        if marker and (wrong := _marker_error(masked[cut + 1 :].strip())):
            return self.error(wrong)
        end = len(masked[:cut].rstrip())
        if is_url:
            return self.direct(0, end, marker)
        if direct := _DIRECT.fullmatch(masked, 0, end):
            url = self.raw[slice(*direct.span(3))]
            at = direct.end(1) if direct[2] is None else masked.index("]", direct.end(2)) + 1
            return self.make(direct.span(1), direct[2], (at, at), marker, url=url)
        extras = _TRAILING_EXTRAS.search(masked[:end]) if end and masked[end - 1] == "]" else None
        path = masked[: extras.start() if extras else end]
        if path.lower().endswith(_ARCHIVES) or _looks_like_path(path):
            return self.direct(0, end, marker)
        return self.packaged(end, marker)

    def packaged(self, end: int, marker: str | None) -> RequirementLine | Error:
        """Let `packaging` judge what no pattern here was sure of."""
        from packaging.requirements import InvalidRequirement, Requirement

        try:
            Requirement(self.masked[:end])
        except (InvalidRequirement, RecursionError) as invalid:
            return self.error(self._invalid(end, str(invalid).partition("\n")[0]))
        named = _NAMED.match(self.masked)
        if not named:
            return self.error(self._invalid(end, ""))
        spec = (named.end(), end)
        if spec[0] >= end:
            at = len(self.masked[:end])
            spec = (at, at)
        elif self.masked[spec[0]] == "(":
            inner = self.masked.rfind(")", 0, end)
            spec = (spec[0], inner + 1)
        return self.make(named.span(1), named[2], spec, marker)

    def _invalid(self, end: int, reason: str) -> str:
        text = self.raw[:end]
        message = f"Invalid requirement: {text[:_SHOWN]!r}"
        if reason and "Invalid requirement" not in reason:
            message += f": {reason}"
        if "=" in text and not any(op in text for op in ("==", "~=", "!=", "<=", ">=", "<", ">")):
            message += ". Hint: = is not a valid operator. Did you mean == ?"
        return message

    def direct(self, start: int, end: int, marker: str | None, *, editable: bool = False) -> RequirementLine:
        """A URL or path, whose name stands in its `#egg=` or in the wheel's file name, if anywhere."""
        raw = self.raw
        extras: str | None = None
        if not _is_url(self.masked) and (found := _TRAILING_EXTRAS.search(raw, start, end)):
            extras, end = found[1], found.start()
        if (egg := _EGG.search(raw, start, end)) and egg[1]:
            return self.make(egg.span(1), egg[2] or extras, (end, end), marker, url=raw[start:end], editable=editable)
        pinned: tuple[tuple[str, str], ...] = ()
        name = None
        stop = min([at for sign in "#?" if (at := raw.find(sign, start, end)) >= 0], default=end)
        if raw.endswith(".whl", start, stop):
            file = max(raw.rfind("/", start, stop), raw.rfind("\\", start, stop), start - 1) + 1
            parts = raw[file:stop].split("-")
            if len(parts) in (5, 6) and re.fullmatch(_NAME, parts[0]):
                name = (file, file + len(parts[0]))
                pinned = (("==", parts[1].replace("%2B", "+").replace("%2b", "+")),)
        return self.make(name, extras, (end, end), marker, url=raw[start:end], editable=editable, pinned=pinned)

    def editable(self) -> RequirementLine | Error:
        masked, size = self.masked, len(self.raw)
        semicolon = masked.find(" ;")
        cut = size if semicolon < 0 else semicolon
        if (direct := _DIRECT.fullmatch(masked[:cut])) and _SCHEME.match(masked, direct.start(3)):
            marker = None if semicolon < 0 else self.raw[cut + 2 :]
            at = direct.end(1)
            return self.make(
                direct.span(1), direct[2], (at, at), marker, url=self.raw[slice(*direct.span(3))], editable=True
            )
        scheme = _SCHEME.match(masked)
        name = scheme[1].lower() if scheme else ""
        # One letter is a Windows drive.
        if len(name) > 1 and name not in _VCS and name != "file" and name not in _VCS_SCHEMES:
            return self.error(
                f"{self.raw[:_SHOWN]} is not a valid editable requirement. It should either be a path to a local "
                f"project or a VCS URL (beginning with {', '.join(_VCS_SCHEMES)})."
            )
        return self.direct(0, size, None, editable=True)


def is_vcs(url: str) -> bool:
    """Whether an address is one of a version control system's (`git+https://...`, `git+file:...`)."""
    scheme = _SCHEME.match(url)
    return bool(scheme) and scheme[1].lower() in _VCS_SCHEMES  # type: ignore[index]


def is_remote(url: str) -> bool:
    """Whether an address leads out of the machine; paths and `file:` do not."""
    scheme = _SCHEME.match(url)
    return bool(scheme) and len(scheme[1]) > 1 and not scheme[1].lower().endswith("file")  # type: ignore[index]


def _is_url(text: str) -> bool:
    scheme = _SCHEME.match(text)
    return bool(scheme) and scheme[1].lower() in _SCHEMES  # type: ignore[index]


def _looks_like_path(text: str) -> bool:
    return text.startswith(".") or "/" in text


def _marker_error(text: str) -> str | None:
    """Why `packaging` refuses a marker, or None where it takes it."""
    if _SURE_MARKER.fullmatch(text):
        return None
    from packaging.markers import InvalidMarker, Marker

    try:
        Marker(text)
    except (InvalidMarker, RecursionError) as invalid:
        return f"Invalid marker: {text[:_SHOWN]!r}: {str(invalid).partition(chr(10))[0]}"
    return None

"""Values that must not be shown: which build arguments look like secrets, and taking values out of what is logged."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HIDDEN = "***"

_NAME = re.compile(
    r"(?:^|[_.-])(?:pass(?:wd|word|phrase)?|pwd|secrets?|tokens?|credentials?|api[_-]?keys?|access[_-]?keys?|"
    r"private[_-]?keys?|keys?|auth|pat|cookie|dsn|hf[_-]?token)(?:$|[_.-])|password|secret|token|apikey",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{15,}|hf_[A-Za-z0-9]{20,}|sk-(?=[\w-]*\d)[\w-]{16,}|"
    r"AKIA[0-9A-Z]{16}|xox[abpr]-[\w-]{10,}|eyJ[\w-]{10,}\.[\w-]{10,}|-----BEGIN [A-Z ]*PRIVATE KEY)"
)
_LOGIN = re.compile(r"://[^/\s:@]*:([^/\s@]+)@")
# what stands behind a name in a file of settings, of JSON or of logins
_ASSIGNED = re.compile(r"[\w\"'-][ \t]*[=:][ \t]*[\"']?([^\s\"',;]{8,})")
_SHORTEST = 4
_SHORTEST_CODE = 6
# lines of one secret that are looked for, and parts of one that are looked for in other forms too
_LINES = 5000
_ENCODED = 200


def looks_secret(name: str, value: str) -> bool:
    """Whether a build argument or variable looks like something that must not be shown."""
    return bool(_NAME.search(name) or _VALUE.search(value) or _LOGIN.search(value))


class Redactor:
    """Takes known values out of texts, line by line, also where they stand quoted (for a URL, a shell, JSON, HTML), in
    base64 (also as a part of something longer), or in hexadecimal; and what looks like a token of a known service, or
    a password in a URL, whosever it is. A value that is cut in pieces or encrypted is not found.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        found: set[str] = set()
        for value in values:
            lines = [line.strip() for line in value.splitlines()][:_LINES]
            inner = [match[1] for line in lines for match in _ASSIGNED.finditer(line)]
            inner += [match[1] for line in lines for match in _LOGIN.finditer(line)]
            parts = {part for part in (value, value.strip(), *lines, *inner) if len(part) >= _SHORTEST}
            found |= parts
            if len(parts) <= _ENCODED:
                found.update(form for part in parts for form in _forms(part))
        # the longest first, so that no end of one is left over
        known = "|".join(map(re.escape, sorted(found, key=lambda v: (-len(v), v))))
        self._known = re.compile(known) if known else None

    def text(self, text: str) -> str:
        """The text without secrets."""
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        if "://" in text:
            text = _LOGIN.sub(lambda m: m[0].replace(f":{m[1]}@", f":{HIDDEN}@"), text)
        return _VALUE.sub(HIDDEN, text)


def _forms(value: str) -> Iterator[str]:
    """The value as it stands in other texts."""
    import html
    import json
    from urllib.parse import quote, quote_plus

    for quoted in (quote(value, safe=""), quote(value), quote_plus(value)):
        yield quoted
        yield re.sub(r"%[0-9A-F]{2}", lambda m: m[0].lower(), quoted)
    for ascii_only in (True, False):
        yield json.dumps(value, ensure_ascii=ascii_only)[1:-1]
    yield html.escape(value)
    yield value.replace("'", "'\\''")
    yield value.replace("'", "'\"'\"'")
    data = value.encode("utf-8", "replace")
    if len(data) >= _SHORTEST:
        yield data.hex()
        yield data.hex().upper()
        yield from _base64(data)


def _base64(data: bytes) -> Iterator[str]:
    """What stays the same of the bytes in base64, whatever comes before and after them, and cut into lines as
    `base64` and MIME do.
    """
    import base64

    for before in range(3):
        whole = base64.b64encode(bytes(before) + data).decode().rstrip("=")
        # the first and last characters hold bits of the neighbours, too
        head = (0, 2, 3)[before]
        tail = len(whole) - (1 if (before + len(data)) % 3 else 0)
        for text in (whole[head:tail], whole if not before else ""):
            pieces = [text] + [text[at : at + width] for width in (76, 64) for at in range(0, len(text), width)]
            for piece in pieces:
                if len(piece) >= _SHORTEST_CODE:
                    yield piece
                    yield piece.replace("+", "-").replace("/", "_")

"""Values that must not be shown: which build arguments look like secrets, and taking values out of what is logged."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

HIDDEN = "***"

_NAME = re.compile(
    r"(?:^|[_.-])(?:pass(?:wd|word|phrase)?|pwd|secrets?|tokens?|credentials?|api[_-]?keys?|access[_-]?keys?|"
    r"private[_-]?keys?|keys?|auth|pat|cookie|dsn|hf[_-]?token)(?:$|[_.-])|password|secret|token|apikey",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{15,}|hf_[A-Za-z0-9]{20,}|sk-[\w-]{16,}|"
    r"AKIA[0-9A-Z]{16}|xox[abpr]-[\w-]{10,}|eyJ[\w-]{10,}\.[\w-]{10,}|-----BEGIN [A-Z ]*PRIVATE KEY"
)
_LOGIN = re.compile(r"://[^/\s:@]*:([^/\s@]+)@")
_SHORTEST = 4


def looks_secret(name: str, value: str) -> bool:
    """Whether a build argument or variable looks like something that must not be shown."""
    return bool(_NAME.search(name) or _VALUE.search(value) or _LOGIN.search(value))


class Redactor:
    """Takes known values out of texts, also where they stand quoted for a URL or in base64; and what looks like a
    token of a known service, or a password in a URL, whosever it is.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        import base64
        from urllib.parse import quote

        found: set[str] = set()
        for value in values:
            login = _LOGIN.search(value)
            for part in (
                value,
                value.strip(),
                *(line.strip() for line in value.splitlines()),
                login[1] if login else "",
            ):
                if len(part) >= _SHORTEST:
                    found |= {part, quote(part, safe="")}
                    found.add(base64.b64encode(part.encode("utf-8", "replace")).decode().rstrip("="))
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

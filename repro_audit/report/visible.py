"""Text from audited files made safe to show: control characters, escape sequences and broken bytes become visible."""

from __future__ import annotations

import re

_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SURROGATE = re.compile("[\ud800-\udfff]")


def visible(text: str) -> str:
    r"""`text` with everything that has no picture of its own spelt out: `\x1b`, `\n`, `\u202e` (turns the reading
    direction), `\xff` (a byte that is no UTF-8). What remains can neither move a terminal's cursor nor break a line.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else spelt(c) for c in text)


def terminal(text: str) -> str:
    """Text of many lines, such as a diff, for a terminal: line breaks and tabs stay, all else is made visible."""
    return "\n".join("\t".join(map(visible, line.split("\t"))) for line in text.split("\n"))


def spelt(character: str) -> str:
    """One character as its escape."""
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a surrogate escape: the byte that stood there
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return _SHORT.get(character) or f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def encodable(text: str) -> str:
    r"""`text` with lone surrogates spelt out (`\xff`) and all else kept, so that it can be encoded."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return _SURROGATE.sub(lambda match: spelt(match[0]), text)


def cells(text: str) -> int:
    """How many columns of a terminal `text` takes: wide characters and emoji two, combining marks none."""
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width

    count = 0
    for character in text:
        if category(character) not in ("Mn", "Me"):
            count += 2 if east_asian_width(character) in "WF" else 1
    return count

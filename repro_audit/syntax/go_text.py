"""What Go's standard library makes of text: which characters are spaces, how `%q` writes a string.

Used wherever BuildKit's reading of a file, or its wording of an error, is followed.
"""

from __future__ import annotations

import re

#: What Go's `unicode.IsSpace` accepts; `str.strip()` would also take `\x1c` to `\x1f`.
SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)

#: Bytes that are no UTF-8, as `Source` keeps them; Go reads each as U+FFFD.
SURROGATE = re.compile("[\ud800-\udfff]")


def quoted(text: str) -> str:
    """The text as Go's `%q` writes it, for messages in BuildKit's words."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    out = []
    for char in text:
        if char in '"\\':
            out.append("\\" + char)
        elif char.isprintable():
            out.append(char)
        elif char in _GO_ESCAPES:
            out.append(_GO_ESCAPES[char])
        else:
            code = ord(char)
            if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8, as `surrogateescape` reads it
                out.append(f"\\x{code - 0xDC00:02x}")
            else:
                out.append(
                    f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
                )
    return '"' + "".join(out) + '"'


_GO_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}

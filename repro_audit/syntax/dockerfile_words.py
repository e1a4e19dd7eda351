"""How BuildKit's parser cuts an instruction's arguments: flags, JSON arrays, words, and their places in the line.

Called by `syntax.dockerfile` only. Everything here works on one logical line (continuations already joined) and
gives offsets in it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from repro_audit.syntax.go_text import SPACE

#: What the parser splits at; unlike `SPACE` this knows ASCII only.
BLANK = "\t\v\f\r "

#: What is a space where BuildKit looks at single bytes: also the bytes 85 and A0 where they are no valid UTF-8.
BYTE_SPACE = "\t\n\v\f\r \udc85\udca0"

_SPACE_BYTES = b"\t\n\v\f\r \x85\xa0"
_WORD = re.compile(f"[^{BLANK}]+")
_SIMPLE_FLAG = re.compile(rf"--[!#-&(-\[\]-_a-~]*(?=[{BLANK}]|\Z)")
_JSON_STRING = re.compile(
    r'[ \t\r\n]*"([^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*)"[ \t\r\n]*([,\]])'
)
_JSON_EMPTY = re.compile(r"[ \t\r\n]*\]")
_JSON_ESCAPE = re.compile(r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)")
_JSON_TOKEN = re.compile(
    r'[ \t\r\n]*(?:([\[\]{},:])|"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*"()'
    r"|(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null))"
)
_JSON_PLAIN = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_JSON_DEEPEST = 10_000  # encoding/json's own limit

_WORD_PATTERNS = {
    escape: re.compile(
        rf"(?:[^{SPACE}'\"{e}]+|{e}(?:.|(\Z))|\"[^\"{e}]*(?:{e}.[^\"{e}]*)*(?:\"|{e}(\Z)|\Z)|'[^']*(?:'|\Z))+",
        re.DOTALL,
    )
    for escape, e in (("\\", r"\\"), ("`", "`"))
}


class Cut(NamedTuple):
    """A part of the line: `text` was made from the line's characters `[start, end)`."""

    text: str
    start: int
    end: int


class NotStringsError(ValueError):
    """A JSON array with something else than strings in it, which BuildKit does not take for a shell command."""


def as_bytes(text: str) -> bytes:
    """The bytes that stand in the file for this text."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def split_blank(line: str, start: int, end: int) -> list[Cut]:
    """The words of `line[start:end]`, parted by ASCII blanks, quotes meaning nothing."""
    return [Cut(m.group(), m.start(), m.end()) for m in _WORD.finditer(line, start, end)]


def split_words(line: str, start: int, end: int, escape: str) -> list[Cut]:
    """The words of `line[start:end]` (its end is the line's) as written, parted by spaces outside quotes.

    An escape character that is the line's last is dropped.
    """
    pattern = _WORD_PATTERNS[escape]
    words: list[Cut] = []
    text = line if end == len(line) else line[:end]
    at = start
    while at < end:
        match = pattern.match(text, at)
        if match is None:
            at += 1
            continue
        stop = match.end()
        # The groups can only match at the very end, where the escape character stands alone.
        kept = stop - 1 if match.lastindex is not None else stop
        if kept > at:
            words.append(Cut(text[at:kept], at, kept))
        at = stop
    return words


def split_flags(line: str, start: int, end: int, escape: str) -> tuple[list[Cut], int]:
    """The leading `--flag` words of `line[start:end]`, quotes and escapes taken off, and where the rest begins."""
    flags: list[Cut] = []
    at = start
    while at < end and line[at] in BYTE_SPACE:
        at += 1
    while line.startswith("--", at, end):
        match = _SIMPLE_FLAG.match(line, at, end)
        if match is None:
            return _split_odd_flags(line, at, end, escape, flags)
        stop = match.end()
        if stop - at == 2:
            return flags, stop
        flags.append(Cut(match.group(), at, stop))
        at = stop
        while at < end and line[at] in BYTE_SPACE:
            at += 1
    return flags, at


def _split_odd_flags(line: str, start: int, end: int, escape: str, flags: list[Cut]) -> tuple[list[Cut], int]:
    """The slow way, for quotes, escapes and other than ASCII: BuildKit goes by bytes and takes each for a character."""
    part = line[start:end]
    data = as_bytes(part)
    if len(data) == len(part):
        places: list[int] | None = None
    else:
        places = [start + index for index, char in enumerate(part) for _ in as_bytes(char)]
        places.append(end)

    def place(index: int) -> int:
        return start + index if places is None else places[index]

    spaces, size, at = _SPACE_BYTES, len(data), 0
    stop_byte = ord(escape)
    while True:
        while at < size and data[at] in spaces:
            at += 1
        if at >= size or data[at : at + 2] != b"--":
            return flags, place(at)
        begin, word, quote, quoted = at, bytearray(), 0, False
        while at < size:
            byte = data[at]
            if not quote and byte in spaces:
                break
            if quote and byte == quote:
                quote = 0
            elif not quote and byte in b"'\"":
                quote, quoted = byte, True
            elif byte == stop_byte:
                at += 1
                if at >= size:
                    break
                word.append(data[at])
            else:
                word.append(byte)
            at += 1
        at = min(at, size)
        if word == b"--":
            return flags, place(at)
        if word or quoted:
            flags.append(Cut(word.decode("latin-1"), place(begin), place(at)))


def split_first(line: str, start: int, end: int) -> tuple[Cut, Cut]:
    """The first word of `line[start:end]` and what follows it, parted at a space byte, be it within a character."""
    stop = start
    while stop < end and line[stop] not in BYTE_SPACE and line[stop] <= "\x7f":
        stop += 1
    rest = stop
    while rest < end and line[rest] in BYTE_SPACE:
        rest += 1
    if stop == end or (line[stop] in BYTE_SPACE and (rest == end or line[rest] <= "\x7f")):
        return Cut(line[start:stop], start, stop), Cut(line[rest:end], rest, end)
    data = as_bytes(line[start:end])
    size = len(data)
    cut = next((i for i in range(size) if data[i] in _SPACE_BYTES), size)
    over = next((i for i in range(cut, size) if data[i] not in _SPACE_BYTES), size)
    first, last = data[:cut].decode("utf-8", "surrogateescape"), data[over:].decode("utf-8", "surrogateescape")
    return Cut(first, start, min(start + len(first), end)), Cut(last, max(end - len(last), start), end)


def json_strings(line: str, start: int, end: int) -> list[list[Cut]] | None:
    """The items of the JSON array that `line[start:end]` is, each as the pieces it is made of; None where it is none.

    Raises NotStringsError for a JSON array that holds anything but strings.
    """
    at = start + 1
    match = _JSON_EMPTY.match(line, at, end)
    if match is not None:
        return [] if not line[match.end() : end].strip(" \t\r\n") else None
    items: list[list[Cut]] = []
    while True:
        match = _JSON_STRING.match(line, at, end)
        if match is None:
            if _is_json_array(line[start:end]):
                raise NotStringsError
            return None
        items.append(_json_pieces(line, match.start(1), match.end(1)))
        at = match.end()
        if match.group(2) == "]":
            return items if not line[at:end].strip(" \t\r\n") else None


def _json_pieces(line: str, start: int, end: int) -> list[Cut]:
    if line.find("\\", start, end) < 0:
        return [Cut(line[start:end], start, end)]
    pieces: list[Cut] = []
    at = start
    for match in _JSON_ESCAPE.finditer(line, start, end):
        if match.start() > at:
            pieces.append(Cut(line[at : match.start()], at, match.start()))
        code = match.group()[1:]
        if code[0] != "u":
            text = _JSON_PLAIN.get(code, code)
        elif len(code) > 5:
            high, low = int(code[1:5], 16), int(code[7:11], 16)
            text = chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
        else:
            number = int(code[1:], 16)
            text = "\ufffd" if 0xD800 <= number <= 0xDFFF else chr(number)
        pieces.append(Cut(text, match.start(), match.end()))
        at = match.end()
    if at < end:
        pieces.append(Cut(line[at:end], at, end))
    return pieces


def _is_json_array(text: str) -> bool:
    """Whether Go's encoding/json would read the text as an array, whatever is in it."""
    stack: list[str] = []
    # What may come next: a value, a value or `]`, a key, a key or `}`, a colon, a comma or closing bracket, nothing.
    expect = "value"
    at, size = 0, len(text.rstrip(" \t\r\n"))
    while at < size:
        match = _JSON_TOKEN.match(text, at, size)
        if match is None or expect == "end":
            return False
        at = match.end()
        mark, string, atom = match.group(1), match.group(2), match.group(3)
        if expect in ("key", "key or }") and string is not None:
            expect = ":"
        elif mark is None:
            if expect not in ("value", "value or ]"):
                return False
            if atom is not None and atom[0] in "-0123456789" and float(atom) in (float("inf"), float("-inf")):
                return False
            expect = "more"
        elif mark in "[{":
            if expect not in ("value", "value or ]") or len(stack) >= _JSON_DEEPEST:
                return False
            stack.append(mark)
            expect = "value or ]" if mark == "[" else "key or }"
            continue
        elif mark in "]}":
            if not stack or stack[-1] != ("[" if mark == "]" else "{"):
                return False
            if expect != "more" and expect != ("value or ]" if mark == "]" else "key or }"):
                return False
            stack.pop()
            expect = "more"
        elif mark == ",":
            if expect != "more" or not stack:
                return False
            expect = "value" if stack[-1] == "[" else "key"
            continue
        else:
            if expect != ":":
                return False
            expect = "value"
            continue
        if not stack and expect == "more":
            expect = "end"
    return expect == "end"

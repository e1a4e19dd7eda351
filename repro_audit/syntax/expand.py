"""Variables, quotes and escapes in Dockerfile words, processed as BuildKit's `frontend/dockerfile/shell` does.

Called by the Dockerfile reader (which finds heredoc markers with it) and by facts (to learn the value of an
instruction's words). Values may be unknown here, as an ARG without default is: then the result says what decides it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

#: What Go's `unicode.IsSpace` accepts; `str.strip()` would also take `\x1c` to `\x1f`.
SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"

#: ARGs that every build has without declaring them. They count for RUN, and stay out of the image's history.
PROXY_ARGS = frozenset(
    name
    for upper in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for name in (upper, upper.lower())
)

#: ARGs that BuildKit sets by itself: FROM lines see them at once, a stage after it declares them.
PLATFORM_ARGS = frozenset(
    {
        "BUILDPLATFORM",
        "BUILDOS",
        "BUILDOSVERSION",
        "BUILDARCH",
        "BUILDVARIANT",
        "TARGETPLATFORM",
        "TARGETOS",
        "TARGETOSVERSION",
        "TARGETARCH",
        "TARGETVARIANT",
        "TARGETSTAGE",
    }
)

#: Build arguments that steer BuildKit itself (`docker build --build-arg`) and need no ARG.
BUILDKIT_ARGS = frozenset(
    {
        "BUILDKIT_BUILD_NAME",
        "BUILDKIT_CACHE_MOUNT_NS",
        "BUILDKIT_CONTEXT_KEEP_GIT_DIR",
        "BUILDKIT_INLINE_CACHE",
        "BUILDKIT_MULTI_PLATFORM",
        "BUILDKIT_SANDBOX_HOSTNAME",
        "BUILDKIT_SBOM_SCAN_CONTEXT",
        "BUILDKIT_SBOM_SCAN_STAGE",
        "BUILDKIT_SYNTAX",
        "SOURCE_DATE_EPOCH",
    }
)

PREDEFINED_ARGS = PROXY_ARGS | PLATFORM_ARGS

# Nesting of `${a:-${b:-...}}` that is followed. BuildKit has no limit; nobody writes a tenth of this.
_DEEPEST = 100
# Steps that matching one pattern may take: several `*` on a long value would cost a power of its length.
_MOST_STEPS = 2_000_000

_NON_SPACE = re.compile(f"[^{SPACE}]+")
_NAME = re.compile(r"\d+|[@*#?\-$!]|\w+")
_SURROGATES = re.compile("[\ud800-\udfff]")
_TEMPLATE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})", re.ASCII)


@dataclass(slots=True, frozen=True)
class Expansion:
    """What became of a word.

    `value` is None when an unknown variable decides it or BuildKit would fail. `text` has the known variables filled
    in and the unknown ones left as written. `unknown` are the names that decide it, `unset` those that were looked
    up and not found. `error` is BuildKit's reason for failing.
    """

    value: str | None
    text: str
    unknown: tuple[str, ...] = ()
    unset: tuple[str, ...] = ()
    error: str | None = None


@dataclass(slots=True, frozen=True)
class WordsExpansion:
    """What became of a text that is split at spaces after its variables are filled in. Fields as in `Expansion`."""

    values: tuple[str, ...] | None
    text: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    unset: tuple[str, ...] = ()
    error: str | None = None


def expand(word: str, variables: Mapping[str, str | None], escape: str = "\\") -> Expansion:
    """The word with quotes and escapes taken off and variables filled in; spaces stay.

    A name that `variables` maps to None has an unknown value; one that is missing is not set.
    """
    if "$" not in word and escape not in word and "'" not in word and '"' not in word and word.isascii():
        return Expansion(word, word)
    return _expand(_Lexer(word, variables, escape))


def expand_heredoc(body: str, variables: Mapping[str, str | None]) -> Expansion:
    """A heredoc's body with variables filled in. Quotes mean nothing there and the escape character is always `\\`."""
    if "$" not in body and "\\" not in body and body.isascii():
        return Expansion(body, body)
    return _expand(_Lexer(body, variables, "\\", quotes=False))


def expand_words(text: str, variables: Mapping[str, str | None], escape: str = "\\") -> WordsExpansion:
    """The words of a text, split at spaces that are not quoted, those inside a variable's value included."""
    lexer = _Lexer(text, variables, escape)
    try:
        lexer.run()
    except _ExpandError as failure:
        message = f"failed to process {quoted(text)}: {failure}"
        return WordsExpansion(None, (text,), tuple(lexer.taint), tuple(lexer.unset), message)
    words = tuple(word for word, _, _ in lexer.words)
    unknown = tuple(dict.fromkeys(lexer.taint))
    return WordsExpansion(None if unknown else words, words, unknown, tuple(lexer.unset))


def raw_words(text: str) -> list[tuple[str, int, int]]:
    """The words of a line with quotes, escapes and variables left as written, as `(word, start, end)`.

    Nothing where quotes or braces do not close: BuildKit then looks for no heredoc in that line.
    """
    lexer = _Lexer(text, {}, "\\", raw_quotes=True, raw_escapes=True, keep_unset=True)
    try:
        lexer.run()
    except _ExpandError:
        return []
    return lexer.words


def delimiter(text: str) -> tuple[str, bool] | None:
    """A heredoc's delimiter without its quotes and whether the body is expanded; None where it is not one word.

    Raises ValueError with BuildKit's reason where it cannot be read.
    """
    plain = _Lexer(text, {}, "\\", keep_unset=True)
    raw = _Lexer(text, {}, "\\", raw_quotes=True, keep_unset=True)
    try:
        plain.run()
        if len(plain.words) != 1:
            return None
        raw.run()
    except _ExpandError as failure:
        raise ValueError(f"failed to process {quoted(text)}: {failure}") from None
    if len(raw.words) != 1:
        raise ValueError(f"internal lexing of heredoc produced inconsistent results: {text}")
    name, written = plain.words[0][0], raw.words[0][0]
    return name, name.count("'") + name.count('"') == written.count("'") + written.count('"')


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


class _ExpandError(Exception):
    """BuildKit would fail here, for this reason."""


def _expand(lexer: _Lexer) -> Expansion:
    try:
        text = lexer.run()
    except _ExpandError as failure:
        message = f"failed to process {quoted(lexer.text)}: {failure}"
        return Expansion(None, lexer.text, (), tuple(lexer.unset), message)
    unknown = tuple(dict.fromkeys(lexer.taint))
    return Expansion(None if unknown else text, text, unknown, tuple(lexer.unset))


_plain_patterns: dict[tuple[str, str, bool], re.Pattern[str]] = {}


def _plain(escape: str, stop: str, quotes: bool) -> re.Pattern[str]:
    """Matches a run of characters that mean nothing special."""
    key = (escape, stop, quotes)
    pattern = _plain_patterns.get(key)
    if pattern is None:
        special = "$<" + escape + stop + ("'\"" if quotes else "")
        pattern = _plain_patterns[key] = re.compile(f"[^{re.escape(special)}]+")
    return pattern


class _Lexer:
    """One pass over one text. `taint` collects the unknown names that the result depends on."""

    __slots__ = (
        "at",
        "depth",
        "escape",
        "keep_unset",
        "quotes",
        "raw_escapes",
        "raw_quotes",
        "size",
        "taint",
        "text",
        "unset",
        "variables",
        "word",
        "word_start",
        "words",
    )

    def __init__(
        self,
        text: str,
        variables: Mapping[str, str | None],
        escape: str,
        *,
        quotes: bool = True,
        raw_quotes: bool = False,
        raw_escapes: bool = False,
        keep_unset: bool = False,
    ) -> None:
        if not text.isascii():
            text = _SURROGATES.sub("\ufffd", text)
        self.text = text
        self.size = len(text)
        # Go's text/scanner swallows a byte-order mark at its start.
        self.at = 1 if text.startswith("\ufeff") else 0
        self.variables = variables
        self.escape = escape
        self.quotes = quotes
        self.raw_quotes = raw_quotes
        self.raw_escapes = raw_escapes
        self.keep_unset = keep_unset
        self.words: list[tuple[str, int, int]] = []
        self.word: list[str] = []
        self.word_start = 0
        self.taint: list[str] = []
        self.unset: dict[str, None] = {}
        self.depth = 0

    def run(self) -> str:
        """The processed text; fills `words`."""
        text, size, escape = self.text, self.size, self.escape
        plain = _plain(escape, "", self.quotes)
        out: list[str] = []
        while self.at < size:
            start = self.at
            match = plain.match(text, start)
            if match is not None:
                self.at = match.end()
                chunk = match.group()
                out.append(chunk)
                self._add_spaced(chunk, start, True)
                continue
            char = text[start]
            if char == escape:
                self.at = start + 2
                following = text[start + 1 : start + 2]
                chunk = (char if self.raw_escapes else "") + following
                out.append(chunk)
                self._add(chunk, start)
            else:
                chunk = self._special(char)
                out.append(chunk)
                if char == "$":
                    self._add_spaced(chunk, start, False)
                else:
                    self._add(chunk, start)
        self.at = min(self.at, size)
        self._flush(size)
        return "".join(out)

    def _add(self, chunk: str, start: int) -> None:
        if chunk:
            if not self.word:
                self.word_start = start
            self.word.append(chunk)

    def _add_spaced(self, chunk: str, start: int, literal: bool) -> None:
        """Add text whose spaces end words; `literal` when it stands in the source as it is."""
        done = 0
        for match in _NON_SPACE.finditer(chunk):
            at = match.start()
            if at > done:
                self._flush(start + done if literal else start)
            self._add(match.group(), start + at if literal else start)
            done = match.end()
        if done < len(chunk):
            self._flush(start + done if literal else self.at)

    def _flush(self, end: int) -> None:
        if self.word:
            self.words.append(("".join(self.word), self.word_start, end))
            self.word.clear()

    def _special(self, char: str) -> str:
        if char == "$":
            return self._dollar()
        if char == "<":
            return self._less()
        return self._single() if char == "'" else self._double()

    def _until(self, stop: str, raw_escapes: bool) -> tuple[str, list[str]]:
        """The processed text up to `stop`, and the unknown names it depends on."""
        if self.depth >= _DEEPEST:
            raise _ExpandError("substitutions are nested too deeply")
        # BuildKit shares one word buffer between levels: what stood before a nested substitution in the same word
        # is lost to the list of words.
        self.word.clear()
        outer_taint, self.taint = self.taint, []
        outer_escapes, self.raw_escapes = self.raw_escapes, raw_escapes
        self.depth += 1
        try:
            text, size, escape = self.text, self.size, self.escape
            plain = _plain(escape, stop, self.quotes)
            out: list[str] = []
            while self.at < size:
                start = self.at
                match = plain.match(text, start)
                if match is not None:
                    self.at = match.end()
                    out.append(match.group())
                    continue
                char = text[start]
                if char == stop:
                    self.at = start + 1
                    return "".join(out), self.taint
                if char == escape:
                    self.at = min(start + 2, size)
                    out.append((char if raw_escapes else "") + text[start + 1 : start + 2])
                else:
                    out.append(self._special(char))
            raise _ExpandError(f"unexpected end of statement while looking for matching {stop}")
        finally:
            self.depth -= 1
            self.taint = outer_taint
            self.raw_escapes = outer_escapes

    def _single(self) -> str:
        start = self.at
        end = self.text.find("'", start + 1)
        if end < 0:
            self.at = self.size
            raise _ExpandError("unexpected end of statement while looking for matching single-quote")
        self.at = end + 1
        return self.text[start : end + 1] if self.raw_quotes else self.text[start + 1 : end]

    def _double(self) -> str:
        text, size, escape = self.text, self.size, self.escape
        out = ['"'] if self.raw_quotes else []
        self.at += 1
        plain = _plain(escape, '"', False)
        while self.at < size:
            match = plain.match(text, self.at)
            if match is not None:
                self.at = match.end()
                out.append(match.group())
                continue
            char = text[self.at]
            if char == '"':
                self.at += 1
                if self.raw_quotes:
                    out.append(char)
                return "".join(out)
            if char == "$":
                out.append(self._dollar())
                continue
            self.at += 1
            if char == escape:
                if self.raw_escapes:
                    out.append(char)
                following = text[self.at : self.at + 1]
                if not following:
                    break
                if following in ('"', "$", escape):
                    char = following
                    self.at += 1
            out.append(char)
        raise _ExpandError("unexpected end of statement while looking for matching double-quote")

    def _less(self) -> str:
        """`<`, or `<<` with the spaces after it, which do not part a heredoc's marker from its name."""
        start = self.at
        self.at += 1
        if self.text[self.at : self.at + 1] != "<":
            return "<"
        self.at += 1
        while self.text[self.at : self.at + 1] in ("\t", "\r", " "):
            self.at += 1
        return self.text[start : self.at]

    def _name(self) -> str:
        match = _NAME.match(self.text, self.at)
        if match is None:
            return ""
        name = match.group()
        if not name.isascii():
            for index, char in enumerate(name):  # `\w` takes more than Go's letters and digits
                if not (char.isalpha() or char.isdecimal() or char == "_"):
                    name = name[:index]
                    break
        self.at += len(name)
        return name

    def _get(self, name: str) -> tuple[str | None, bool]:
        if name in self.variables:
            return self.variables[name], True
        self.unset[name] = None
        return "", False

    def _as_written(self, start: int, names: list[str]) -> str:
        self.taint.extend(names)
        return self.text[start : self.at]

    def _dollar(self) -> str:
        text, start = self.text, self.at
        self.at += 1
        if text[self.at : self.at + 1] != "{":
            name = self._name()
            if not name:
                return "$"
            return self._simple(name, start, f"${name}")
        self.at += 1
        following = text[self.at : self.at + 1]
        if not following:
            raise _ExpandError("syntax error: missing '}'")
        if following in "{}:":
            raise _ExpandError("syntax error: bad substitution")
        name = self._name()
        operator = self._next()
        if operator == "}":
            return self._simple(name, start, f"${{{name}}}")
        if operator == "/":
            return self._replace(name, start)
        if operator not in (":", "+", "-", "?", "#", "%"):
            raise _ExpandError(f"unsupported modifier ({operator or chr(0xFFFD)}) in substitution")
        return self._modify(name, operator, start)

    def _next(self) -> str:
        char = self.text[self.at : self.at + 1]
        self.at += len(char)
        return char

    def _simple(self, name: str, start: int, kept: str) -> str:
        value, is_set = self._get(name)
        if not is_set and self.keep_unset:
            return kept
        return self._as_written(start, [name]) if value is None else value

    def _operand(self, stop: str, raw_escapes: bool, missing: str) -> tuple[str, list[str]]:
        try:
            return self._until(stop, raw_escapes)
        except _ExpandError:
            if self.at >= self.size:
                raise _ExpandError(missing) from None
            raise

    def _modify(self, name: str, operator: str, start: int) -> str:
        null_is_unset = operator == ":"
        written = operator
        if null_is_unset:
            operator = self._next()
            written += operator or chr(0xFFFD)
        is_pattern = operator in ("#", "%")
        if null_is_unset and is_pattern:
            raise _ExpandError(f"unsupported modifier ({written}) in substitution")
        word, taint = self._operand("}", is_pattern, "syntax error: missing '}'")
        value, is_set = self._get(name)
        if self.keep_unset and not is_set:
            return f"${{{name}{written}{word}}}"
        if operator not in ("-", "+", "?", "#", "%"):
            raise _ExpandError(f"unsupported modifier ({written}) in substitution")
        if value is None:
            return self._as_written(start, [name])
        empty = not is_set or (null_is_unset and not value)
        if operator == "-" or operator == "+":
            if empty is (operator == "-"):
                self.taint.extend(taint)
                return word
            return value if operator == "-" else ""
        if operator == "?":
            if empty:
                state = "unset" if not is_set else "empty"
                raise _ExpandError(f"{name}: {word or f'is not allowed to be {state}'}")
            return value
        if taint:
            return self._as_written(start, taint)
        greedy = word.startswith(operator)
        if greedy:
            word = word[1:]
        if operator == "#":
            return _trim_prefix(word, value, greedy)
        return _trim_prefix(_reversed_pattern(word), value[::-1], greedy)[::-1]

    def _replace(self, name: str, start: int) -> str:
        every = self.text[self.at : self.at + 1] == "/"
        if every:
            self.at += 1
        pattern, taint = self._operand("/", True, "syntax error: missing '/' in ${}")
        replacement, more_taint = self._operand("}", True, "syntax error: missing '}'")
        value, is_set = self._get(name)
        if self.keep_unset and not is_set:
            return f"${{{name}/{pattern}/{replacement}}}"
        if value is None:
            return self._as_written(start, [name])
        if taint or more_taint:
            return self._as_written(start, taint + more_taint)
        regex = _regex(pattern, value, True)
        if every:
            return _replace_all(regex, value, replacement)
        match = regex.search(value)
        return value if match is None else value[: match.start()] + replacement + value[match.end() :]


def _regex(pattern: str, value: str, greedy: bool) -> re.Pattern[str]:
    """BuildKit's patterns know `*`, `?` and `\\` before `*`, `?`, `\\`, `}` and `/`; brackets mean nothing."""
    out: list[str] = []
    at, size, stars = int(pattern.startswith("\ufeff")), len(pattern), 0
    while at < size:
        char = pattern[at]
        at += 1
        if char == "*":
            if not (out and out[-1].startswith(".*")):
                stars += 1
                out.append(".*" if greedy else ".*?")
        elif char == "?":
            out.append(".")
        elif char == "\\":
            following = pattern[at : at + 1]
            if following in ("}", "/"):
                continue
            if following not in ("*", "?", "\\") or not following:
                reason = f"invalid escape '\\{following or chr(0xFFFD)}'"
                raise _ExpandError(f"invalid pattern ({pattern}) in substitution: {reason}")
            at += 1
            out.append("\\" + following)
        else:
            out.append(re.escape(char))
    if stars > 1 and (len(value) + 1) ** stars * (len(out) + 1) > _MOST_STEPS:
        raise _ExpandError(f"pattern ({pattern[:40]}) is too costly to match")
    return re.compile("".join(out))


def _trim_prefix(pattern: str, value: str, greedy: bool) -> str:
    match = _regex(pattern, value, greedy).match(value)
    return value if match is None else value[match.end() :]


def _reversed_pattern(pattern: str) -> str:
    """The pattern back to front, with each escape still before what it escapes."""
    return "".join(reversed(re.findall(r"\\.|.", pattern, re.DOTALL)))


def _replace_all(regex: re.Pattern[str], value: str, replacement: str) -> str:
    """Go's `ReplaceAllString`: an empty match right after another match does not count, `$0` is the match."""
    out: list[str] = []
    done = at = 0
    last_end = -1
    while at <= len(value):
        match = regex.search(value, at)
        if match is None:
            break
        start, end = match.span()
        if not (start == end and start == last_end):
            whole = match.group()
            out.append(value[done:start])
            out.append(
                _TEMPLATE.sub(lambda m: "$" if m[1] else whole if (m[2] or m[3]).strip("0") == "" else "", replacement)
            )
            done = end
            last_end = end
        at = end if end > at else at + 1
    out.append(value[done:])
    return "".join(out)

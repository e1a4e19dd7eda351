"""The pass over a word that BuildKit's `frontend/dockerfile/shell` makes: quotes, escapes, variables, splitting.

Called by `syntax.expand`, and by the Dockerfile reader to find heredoc markers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from repro_audit.syntax.go_text import SPACE, SURROGATE, quoted

# Nesting of `${a:-${b:-...}}` that is followed. BuildKit has no limit; nobody writes a tenth of this.
_DEEPEST = 100
# Characters that variables may bring into one text; the kernel takes no longer environment variable. Without an end,
# a few lines of ENV that each name the one before many times would fill the memory.
_MOST_INSERTED = 131_072

_NON_SPACE = re.compile(f"[^{SPACE}]+")
_NAME = re.compile(r"\d+|[@*#?\-$!]|\w+")


class ExpandError(Exception):
    """BuildKit would fail here, for this reason."""


_plain_patterns: dict[tuple[str, str, bool], re.Pattern[str]] = {}


def _plain(escape: str, stop: str, quotes: bool) -> re.Pattern[str]:
    """Matches a run of characters that mean nothing special."""
    key = (escape, stop, quotes)
    pattern = _plain_patterns.get(key)
    if pattern is None:
        special = "$<" + escape + stop + ("'\"" if quotes else "")
        pattern = _plain_patterns[key] = re.compile(f"[^{re.escape(special)}]+")
    return pattern


class Lexer:
    """One pass over one text. `taint` collects the unknown names that the result depends on."""

    __slots__ = (
        "at",
        "depth",
        "escape",
        "in_pattern",
        "inserted",
        "keep_unset",
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
        raw_quotes: bool = False,
        raw_escapes: bool = False,
        keep_unset: bool = False,
    ) -> None:
        if not text.isascii():
            text = SURROGATE.sub("\ufffd", text)
        self.text = text
        self.size = len(text)
        # Go's text/scanner swallows a byte-order mark at its start.
        self.at = 1 if text.startswith("\ufeff") else 0
        self.variables = variables
        self.escape = escape
        self.raw_quotes = raw_quotes
        self.raw_escapes = raw_escapes
        self.keep_unset = keep_unset
        self.words: list[tuple[str, int, int]] = []
        self.word: list[str] = []
        self.word_start = 0
        self.taint: list[str] = []
        self.unset: dict[str, None] = {}
        self.depth = 0
        self.inserted = 0
        self.in_pattern = False

    def run(self) -> str:
        """The processed text; fills `words`."""
        text, size, escape = self.text, self.size, self.escape
        plain = _plain(escape, "", True)
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

    def _until(self, stop: str, raw_escapes: bool, is_pattern: bool) -> tuple[str, list[str]]:
        """The processed text up to `stop`, and the unknown names it depends on.

        In a pattern, escape characters that mean nothing in quotes are doubled, as the pattern is read once more.
        """
        if self.depth >= _DEEPEST:
            raise ExpandError("substitutions are nested too deeply")
        # BuildKit shares one word buffer between levels: what stood before a nested substitution in the same word
        # is lost to the list of words.
        self.word.clear()
        outer_taint, self.taint = self.taint, []
        outer_escapes, self.raw_escapes = self.raw_escapes, raw_escapes
        outer_pattern, self.in_pattern = self.in_pattern, is_pattern
        self.depth += 1
        try:
            text, size, escape = self.text, self.size, self.escape
            plain = _plain(escape, stop, True)
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
            raise ExpandError(f"unexpected end of statement while looking for matching {stop}")
        finally:
            self.depth -= 1
            self.taint = outer_taint
            self.raw_escapes = outer_escapes
            self.in_pattern = outer_pattern

    def _single(self) -> str:
        start = self.at
        end = self.text.find("'", start + 1)
        if end < 0:
            self.at = self.size
            raise ExpandError("unexpected end of statement while looking for matching single-quote")
        self.at = end + 1
        inside = self.text[start + 1 : end]
        if self.in_pattern:
            inside = inside.replace(self.escape, self.escape * 2)
        return f"'{inside}'" if self.raw_quotes else inside

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
                following = text[self.at : self.at + 1]
                if not following:
                    break
                if following in ('"', "$", escape):
                    if self.raw_escapes:
                        out.append(char)
                    char = following
                    self.at += 1
                elif self.raw_escapes and (self.in_pattern or not self.raw_quotes):
                    out.append(char)
            out.append(char)
        raise ExpandError("unexpected end of statement while looking for matching double-quote")

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
            value = self.variables[name]
            if value:
                self.inserted += len(value)
                if self.inserted > _MOST_INSERTED:
                    raise ExpandError(f"the value is longer than {_MOST_INSERTED} characters")
            return value, True
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
            raise ExpandError("syntax error: missing '}'")
        if following in "{}:":
            raise ExpandError("syntax error: bad substitution")
        name = self._name()
        operator = self._next()
        if operator == "}":
            return self._simple(name, start, f"${{{name}}}")
        if operator == "/":
            return self._replace(name, start)
        if operator not in (":", "+", "-", "?", "#", "%"):
            raise ExpandError(f"unsupported modifier ({operator or chr(0xFFFD)}) in substitution")
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

    def _operand(self, stop: str, raw_escapes: bool, is_pattern: bool, missing: str) -> tuple[str, list[str]]:
        try:
            return self._until(stop, raw_escapes, is_pattern)
        except ExpandError:
            if self.at >= self.size:
                raise ExpandError(missing) from None
            raise

    def _modify(self, name: str, operator: str, start: int) -> str:
        null_is_unset = operator == ":"
        written = operator
        if null_is_unset:
            operator = self._next()
            written += operator or chr(0xFFFD)
        is_pattern = operator in ("#", "%")
        if null_is_unset and is_pattern:
            raise ExpandError(f"unsupported modifier ({written}) in substitution")
        word, taint = self._operand("}", is_pattern, is_pattern, "syntax error: missing '}'")
        value, is_set = self._get(name)
        if self.keep_unset and not is_set:
            return f"${{{name}{written}{word}}}"
        if operator not in ("-", "+", "?", "#", "%"):
            raise ExpandError(f"unsupported modifier ({written}) in substitution")
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
                raise ExpandError(f"{name}: {word or f'is not allowed to be {state}'}")
            return value
        if taint:
            return self._as_written(start, taint)
        from repro_audit.syntax import expand_pattern

        trim = expand_pattern.without_prefix if operator == "#" else expand_pattern.without_suffix
        greedy = word.startswith(operator)
        try:
            return trim(word[greedy:], value, greedy)
        except expand_pattern.PatternError as error:
            raise ExpandError(str(error)) from None

    def _replace(self, name: str, start: int) -> str:
        every = self.text[self.at : self.at + 1] == "/"
        if every:
            self.at += 1
        pattern, taint = self._operand("/", True, True, "syntax error: missing '/' in ${}")
        replacement, more_taint = self._operand("}", True, False, "syntax error: missing '}'")
        value, is_set = self._get(name)
        if self.keep_unset and not is_set:
            return f"${{{name}/{pattern}/{replacement}}}"
        if value is None:
            return self._as_written(start, [name])
        if taint or more_taint:
            return self._as_written(start, taint + more_taint)
        from repro_audit.syntax import expand_pattern

        try:
            return expand_pattern.replaced(pattern, value, replacement, every)
        except expand_pattern.PatternError as error:
            raise ExpandError(str(error)) from None


def raw_words(text: str) -> list[tuple[str, int, int]]:
    """The words of a line with quotes, escapes and variables left as written, as `(word, start, end)`.

    Nothing where quotes or braces do not close: BuildKit then looks for no heredoc in that line.
    """
    lexer = Lexer(text, {}, "\\", raw_quotes=True, raw_escapes=True, keep_unset=True)
    try:
        lexer.run()
    except ExpandError:
        return []
    return lexer.words


def delimiter(text: str) -> tuple[str, bool] | None:
    """A heredoc's delimiter without its quotes and whether the body is expanded; None where it is not one word.

    Raises ValueError with BuildKit's reason where it cannot be read.
    """
    plain = Lexer(text, {}, "\\", keep_unset=True)
    raw = Lexer(text, {}, "\\", raw_quotes=True, keep_unset=True)
    try:
        plain.run()
        if len(plain.words) != 1:
            return None
        raw.run()
    except ExpandError as failure:
        raise ValueError(f"failed to process {quoted(text)}: {failure}") from None
    if len(raw.words) != 1:
        raise ValueError(f"internal lexing of heredoc produced inconsistent results: {text}")
    name, written = plain.words[0][0], raw.words[0][0]
    return name, name.count("'") + name.count('"') == written.count("'") + written.count('"')

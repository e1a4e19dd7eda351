"""The patterns in `${name#pattern}`, `${name%pattern}` and `${name/pattern/text}`, as BuildKit matches them.

Called by `syntax.expand_lexer` where a word has one, which few have.
"""

from __future__ import annotations

import re

# Steps that matching one pattern may take: several `*` on a long value would cost a power of its length.
_MOST_STEPS = 2_000_000


class PatternError(ValueError):
    """BuildKit would refuse this pattern, for this reason, or it takes too long to match."""


def without_prefix(pattern: str, value: str, greedy: bool) -> str:
    """`value` less what the pattern matches at its start: the longest such part where `greedy`, else the shortest."""
    match = _regex(pattern, value, greedy).match(value)
    return value if match is None else value[match.end() :]


def without_suffix(pattern: str, value: str, greedy: bool) -> str:
    """As `without_prefix`, at the end of `value`."""
    return without_prefix(_reversed_pattern(pattern), value[::-1], greedy)[::-1]


def replaced(pattern: str, value: str, replacement: str, every: bool) -> str:
    """`value` with the first match of the pattern replaced, or with `every` one."""
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
                raise PatternError(f"invalid pattern ({pattern}) in substitution: {reason}")
            at += 1
            out.append("\\" + following)
        else:
            out.append(re.escape(char))
    if stars > 1 and (len(value) + 1) ** stars * (len(out) + 1) > _MOST_STEPS:
        raise PatternError(f"pattern ({pattern[:40]}) is too costly to match")
    return re.compile("".join(out))


def _reversed_pattern(pattern: str) -> str:
    """The pattern back to front, with each escape still before what it escapes."""
    return "".join(reversed(re.findall(r"\\.|.", pattern, re.DOTALL)))


def _filled(replacement: str, whole: str) -> str:
    """The replacement with Go's `$name`, `${name}` and `$$` filled in; only group 0 exists."""
    if "$" not in replacement:
        return replacement
    template = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})", re.ASCII)
    return template.sub(lambda m: "$" if m[1] else whole if not (m[2] or m[3]).strip("0") else "", replacement)


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
            out.append(value[done:start])
            out.append(_filled(replacement, match.group()))
            done = end
            last_end = end
        at = end if end > at else at + 1
    out.append(value[done:])
    return "".join(out)

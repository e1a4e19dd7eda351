"""Variables, quotes and escapes in Dockerfile words, processed as BuildKit's `frontend/dockerfile/shell` does.

Called by facts, to learn the value of an instruction's words. Values may be unknown here, as that of an ARG without
default is: then the result says which variables decide it.
"""

from __future__ import annotations

from collections.abc import Mapping

from repro_audit.record import dataclass
from repro_audit.syntax.expand_lexer import ExpandError, Lexer
from repro_audit.syntax.go_text import quoted

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

PREDEFINED_ARGS = PROXY_ARGS | PLATFORM_ARGS


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


def expand(word: str, variables: Mapping[str, str | None], escape: str = "\\") -> Expansion:
    """The word with quotes and escapes taken off and variables filled in; spaces stay.

    A name that `variables` maps to None has an unknown value; one that is missing is not set.
    """
    if "$" not in word and escape not in word and "'" not in word and '"' not in word and word.isascii():
        return Expansion(word, word)
    lexer = Lexer(word, variables, escape)
    try:
        text = lexer.run()
    except ExpandError as failure:
        message = f"failed to process {quoted(lexer.text)}: {failure}"
        return Expansion(None, lexer.text, (), tuple(lexer.unset), message)
    unknown = tuple(dict.fromkeys(lexer.taint))
    return Expansion(None if unknown else text, text, unknown, tuple(lexer.unset))

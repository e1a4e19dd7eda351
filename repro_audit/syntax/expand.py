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
    return _expand(Lexer(word, variables, escape))


def expand_heredoc(body: str, variables: Mapping[str, str | None]) -> Expansion:
    """A heredoc's body with variables filled in. Quotes mean nothing there and the escape character is always `\\`."""
    if "$" not in body and "\\" not in body and body.isascii():
        return Expansion(body, body)
    return _expand(Lexer(body, variables, "\\", quotes=False))


def expand_words(text: str, variables: Mapping[str, str | None], escape: str = "\\") -> WordsExpansion:
    """The words of a text, split at spaces that are not quoted, those inside a variable's value included."""
    lexer = Lexer(text, variables, escape)
    try:
        lexer.run()
    except ExpandError as failure:
        message = f"failed to process {quoted(text)}: {failure}"
        return WordsExpansion(None, (text,), tuple(lexer.taint), tuple(lexer.unset), message)
    words = tuple(word for word, _, _ in lexer.words)
    unknown = tuple(dict.fromkeys(lexer.taint))
    return WordsExpansion(None if unknown else words, words, unknown, tuple(lexer.unset))


def _expand(lexer: Lexer) -> Expansion:
    try:
        text = lexer.run()
    except ExpandError as failure:
        message = f"failed to process {quoted(lexer.text)}: {failure}"
        return Expansion(None, lexer.text, (), tuple(lexer.unset), message)
    unknown = tuple(dict.fromkeys(lexer.taint))
    return Expansion(None if unknown else text, text, unknown, tuple(lexer.unset))

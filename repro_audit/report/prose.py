"""The Markdown that rules and messages are written in, cut into parts: a first sentence, code and text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SENTENCE_END = re.compile(r"[.!?](?=\s+[A-Z`(]|\s*$)")
_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+!|~&@-])")


def first_sentence(markdown: str, limit: int = 200) -> str:
    """The first sentence of the first paragraph, on one line, at most `limit` characters; empty when it is no prose."""
    paragraph = " ".join(markdown.strip().split("\n\n", 1)[0].split())
    if not paragraph or paragraph.startswith(("```", "|", "#")):
        return ""
    paragraph = paragraph.removeprefix("- ")
    # A full stop within code ends no sentence.
    prose = "".join(f"`{'x' * len(part)}`" if is_code else part for is_code, part in parts(paragraph))
    end = _SENTENCE_END.search(prose)
    sentence = paragraph[: end.end()] if end else paragraph
    if sentence.endswith(":"):  # the example it leads to is not shown
        sentence = sentence[:-1] + "."
    return sentence if len(sentence) <= limit else sentence[: limit - 3].rstrip() + "..."


def markdown_inline(text: str) -> str:
    """A message as Markdown on one line: its `code` stays code, all else is escaped.

    So a value from an audited file is never markup, wherever the message puts it.
    """
    return "".join(
        code(part) if is_code else _MARKUP.sub(r"\\\1", part.replace("\n", " ")) for is_code, part in parts(text)
    )


def code(text: str) -> str:
    """`text` as a Markdown code span, whatever backticks it holds; `|` is escaped for use in a table."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") or not text.strip() else ""
    return fence + pad + text.replace("|", "\\|") + pad + fence


def parts(text: str) -> Iterator[tuple[bool, str]]:
    """The text cut at its backticks: `(is it code, text)`. A backtick without a partner is text."""
    pieces = text.split("`")
    for index, piece in enumerate(pieces):
        if index % 2 == 0:
            yield False, piece
        elif index < len(pieces) - 1 and piece:
            yield True, piece
        else:
            yield False, ("``" if index < len(pieces) - 1 else "`") + piece

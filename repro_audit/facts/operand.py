"""The operands of an installing command: its arguments without options, variables filled in and split."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from repro_audit.source import Span
from repro_audit.syntax.shell import Variable

if TYPE_CHECKING:
    from repro_audit.facts.command import Command
    from repro_audit.syntax.shell import Word


class Operand(NamedTuple):
    """One operand. `unknown` names what in it has no known value (`$X`), if anything. `at` is its index in `args`."""

    text: str
    word: Word
    at: int
    unknown: str | None

    @property
    def span(self) -> Span:
        """Its place in the file."""
        return self.word.span

    def part(self, start: int) -> Span:
        """The place of the text from `start` on; where quotes or variables make that unclear, the whole."""
        span = self.word.span
        if self.word.raw == self.text:
            return Span(span.end - len(self.text) + start, span.end)
        return Span(span.end, span.end) if start >= len(self.text) else span


def operands(command: Command, valued: frozenset[str], start: int = 0) -> Iterator[Operand]:
    """The arguments from `start` on that are neither options nor values of the options `valued` (`-t`, `--target`)."""
    args, words = command.args, command.words
    index, size = start, len(args)
    literal = False
    while index < size:
        arg = args[index]
        if literal or not arg.startswith("-") or arg == "-":
            yield from _split(command, words[index + 1], arg, index)
        elif arg == "--":
            literal = True
        elif takes_value(arg, valued):
            index += 1
        index += 1


def takes_value(option: str, valued: frozenset[str]) -> bool:
    """Whether the next word is the option's value. In a cluster such as `-yt` the last letter decides."""
    if option in valued:
        return True
    if option.startswith("--") or len(option) < 3:
        return False
    for index in range(1, len(option)):
        if "-" + option[index] in valued:
            return index == len(option) - 1
    return False


def _split(command: Command, word: Word, text: str, index: int) -> Iterator[Operand]:
    parts = word.parts
    if len(parts) == 1 and type(parts[0]) is not Variable:
        unknown = None if word.literal is not None else word.raw
        yield Operand(text, word, index, unknown)
        return
    unknown = None
    if word.literal is None and word.resolve(command.variables) is None:
        unknown = next((p.raw for p in parts if type(p) is Variable and p.raw in text), None) or word.raw
    if not word.quoted and unknown is None and any(type(p) is Variable and not p.quoted for p in parts):
        for item in text.split():
            yield Operand(item, word, index, None)
    else:
        yield Operand(text, word, index, unknown)


def verb(command: Command, valued: frozenset[str]) -> tuple[str, int]:
    """The subcommand, with the index of the argument after it; `("", 0)` without one.

    A variable before it, as in `dnf $OPTIONS install`, holds options.
    """
    for operand in operands(command, valued):
        if operand.unknown is None or not operand.text.startswith("$"):
            return operand.text, operand.at + 1
    return "", 0


def shown(command: Command, span: Span, text: str) -> str:
    """`text` for a reader: a workflow's `${{ ... }}` as written, and not as the shell's reader was given it."""
    if "GITHUB_EXPRESSION" not in text:
        return text
    return command.source.slice(span).strip("'\"")

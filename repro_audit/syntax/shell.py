"""POSIX shell and bash, read with tree-sitter-bash: every simple command with its words and their places.

Called for each RUN and whatever else holds a script. The grammar says where commands and words are; words are then
read by `shell_word`, here-documents by `shell_heredoc`, and wrappers taken off by `shell_wrapper`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from repro_audit.record import replace
from repro_audit.source import Excerpt, Span, join
from repro_audit.syntax.error import Error
from repro_audit.syntax.shell_heredoc import pieces, with_bodies
from repro_audit.syntax.shell_node import (
    Literal,
    Part,
    Redirect,
    Script,
    SimpleCommand,
    Substitution,
    Variable,
    Word,
)
from repro_audit.syntax.shell_walk import Raw, State, walk
from repro_audit.syntax.shell_word import closing, nested, segments, taken, word
from repro_audit.syntax.shell_wrapper import Unwrapped, unwrap

__all__ = [
    "Literal",
    "Part",
    "Redirect",
    "Script",
    "SimpleCommand",
    "Substitution",
    "Variable",
    "Word",
    "parse",
    "parse_exec",
    "visible",
    "with_bodies",
]

_DEPTH = 5
_BODY_LIMIT = 1 << 20


class _Outer(NamedTuple):
    """What a nested script takes over from the command that runs it."""

    via: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    assignments: tuple[tuple[str, Word], ...] = ()
    options: tuple[Word, ...] = ()
    depth: int = 0


class _Reading:
    """Collects one script's parts, nested scripts included."""

    __slots__ = ("assigned", "commands", "errors", "functions", "pipelines")

    def __init__(self) -> None:
        self.commands: list[SimpleCommand] = []
        self.assigned: list[tuple[str, Word, int]] = []
        self.functions: list[str] = []
        self.errors: list[Error] = []
        self.pipelines = 0


def parse(text: Excerpt, *, pipefail: bool = False, errexit: bool = False) -> Script:
    """The script's commands. What the grammar cannot read becomes an `Error`; what stands around it is still given.

    `pipefail` and `errexit` are the options that the shell is started with. The bodies of here-documents must stand
    in the text (`with_bodies` puts them there).
    """
    reading = _Reading()
    _read(reading, text, State(errexit, pipefail), _Outer())
    return _script(reading, text)


def parse_exec(words: tuple[Excerpt, ...], text: Excerpt) -> Script:
    """The one command of an exec form (`["prog", "arg"]`), its words as they are; wrappers and `sh -c` are followed."""
    reading = _Reading()
    if words:
        reading.pipelines = 1
        found = tuple(taken(item) for item in words)
        unwrapped = unwrap(found)
        inner = join(text.source, [piece for i in unwrapped.scripts for piece in pieces(words[i])])
        plain = SimpleCommand(text.whole, found, pipeline=1)
        _emit(reading, plain, unwrapped, inner if unwrapped.scripts else None, _Outer())
    return _script(reading, text)


def visible(script: Script, at: int, variables: Mapping[str, str | None]) -> Mapping[str, str | None]:
    """What a command at source offset `at` sees: the variables given, and the script's own up to there."""
    if not script.assigned:
        return variables
    known = dict(variables)
    for name, value, offset in script.assigned:
        if offset < at:
            known[name] = value.resolve(known)
    return known


def _script(reading: _Reading, text: Excerpt) -> Script:
    return Script(
        text,
        tuple(reading.commands),
        tuple(reading.assigned),
        frozenset(reading.functions),
        tuple(reading.errors),
    )


def _read(reading: _Reading, excerpt: Excerpt, state: State, outer: _Outer) -> None:
    walked, raws = walk(excerpt, state)
    reading.functions.extend(walked.functions)
    reading.errors.extend(walked.errors)
    places = walked.places
    base = reading.pipelines
    reading.pipelines += walked.pipelines
    done = -1  # substitutions before this offset stand in a script that was read as such
    for raw in raws:
        if raw.start < done:
            continue
        words = tuple([word(places, start, end) for start, end in raw.words])
        frame = raw.frame
        plain = SimpleCommand(
            places.span(raw.start, raw.end),
            words,
            (*outer.assignments, *raw.assignments) if outer.assignments else tuple(raw.assignments),
            tuple(raw.redirects),
            (),
            frame.before,
            frame.after,
            base + frame.pipeline,
            frame.stage,
            (*outer.context, *frame.context) if outer.context else frame.context,
            raw.state.pipefail,
            raw.state.errexit,
        )
        unwrapped = unwrap(words)
        script = None
        if unwrapped.scripts and outer.depth < _DEPTH:
            script = _inner(excerpt, raw, words, unwrapped)
            if script is not None:
                done = raw.words[unwrapped.scripts[-1]][1]
        _emit(reading, plain, unwrapped, script, outer)
    reading.assigned.extend(walked.assigned)
    if not walked.heredocs:
        return
    for heredoc in walked.heredocs.values():
        if heredoc.expand and outer.depth < _DEPTH:
            _in_body(reading, heredoc.body, state, outer)
    reading.commands.sort(key=lambda command: command.span.start)


def _inner(excerpt: Excerpt, raw: Raw, words: tuple[Word, ...], unwrapped: Unwrapped) -> Excerpt | None:
    """The script that stands in the words, or None when only a run can tell what it is."""
    parts: list[tuple[str, int, int]] = []
    known = False
    for index in unwrapped.scripts:
        start, end = raw.words[index]
        known = known or any(type(part) is Literal and part.text.strip() for part in words[index].parts)
        if parts:
            parts.append((" ", excerpt.offset(start), 0))
        parts.extend(pieces(nested(excerpt, segments(excerpt.text, start, end))))
    return join(excerpt.source, parts) if known else None


def _emit(reading: _Reading, plain: SimpleCommand, unwrapped: Unwrapped, script: Excerpt | None, outer: _Outer) -> None:
    """Adds the command without its wrappers, or the commands of the script that it runs."""
    words, via, assignments = plain.words, unwrapped.via, plain.assignments
    if unwrapped.assignments:
        given = [words[index] for index in unwrapped.assignments]
        assignments += tuple((item.raw.partition("=")[0], _value(item)) for item in given)
    state, stdin = unwrapped.state, False
    if script is None and unwrapped.stdin:
        script = next((redirect.body for redirect in plain.redirects if redirect.body is not None), None)
        via, stdin = (*via, words[unwrapped.first].raw.rpartition("/")[2]), script is not None
    if script is None or outer.depth >= _DEPTH:
        if unwrapped.scripts:
            via = via[:-1]
        elif unwrapped.stdin:
            via = unwrapped.via
        if unwrapped.first or via or outer.via or assignments is not plain.assignments:
            plain = replace(
                plain,
                words=words[unwrapped.first :],
                via=outer.via + via,
                assignments=assignments,
                options=outer.options + words[: unwrapped.first],
            )
        reading.commands.append(plain)
        return
    first = len(reading.commands)
    options = outer.options + (words if stdin else words[: unwrapped.scripts[0]])
    _read(reading, script, state, _Outer(outer.via + via, plain.context, assignments, options, outer.depth + 1))
    found = reading.commands
    if len(found) == first + 1:
        only = found[first]
        found[first] = replace(
            only,
            before=plain.before if only.before is None else only.before,
            after=plain.after if only.after is None else only.after,
            pipeline=plain.pipeline,
            stage=plain.stage,
            redirects=only.redirects + (() if stdin else plain.redirects),
        )
    elif len(found) > first:
        if found[first].before is None:
            found[first] = replace(found[first], before=plain.before)
        if found[-1].after is None:
            found[-1] = replace(found[-1], after=plain.after)


def _value(assignment: Word) -> Word:
    """The part of `NAME=value` after the sign, as a word."""
    name, _, rest = assignment.raw.partition("=")
    skip = len(name) + 1
    parts = list(assignment.parts)
    if parts and type(parts[0]) is Literal:
        text = parts[0].text[skip:]
        head = parts[0].span
        parts[0:1] = [Literal(text, Span(min(head.start + skip, head.end), head.end))] if text else []
    start = min(assignment.span.start + skip, assignment.span.end)
    span = Span(start, assignment.span.end)
    return Word(rest, span, tuple(parts) or (Literal("", span),))


def _in_body(reading: _Reading, body: Excerpt, state: State, outer: _Outer) -> None:
    """The commands of substitutions in a here-document whose delimiter is not quoted."""
    text = body.text
    at = text.find("$(")
    while 0 <= at < _BODY_LIMIT:
        close = closing(text, at + 2, len(text), ")")
        if text[at - 1 : at] != "\\" and text[at + 2 : at + 3] != "(":
            context = (*outer.context, "substitution")
            inner = outer._replace(context=context, depth=outer.depth + 1)
            _read(reading, body.sub(at + 2, close - 1), state, inner)
        at = text.find("$(", close)

"""What becomes of a value in a shell script: the file that a command's output reaches, the command that is given it.

Called by checks that ask whether something that differs from run to run is kept or only seen: `date` alone writes to
the build's log, `date > /built` and `make VERSION=$(date)` into the image. Followed are pipes, redirections,
substitutions and variables; what goes on inside a program is not.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from repro_audit.source import Span
from repro_audit.syntax.shell_node import Script, SimpleCommand, Variable, Word

Variables = Mapping[str, str | None]


class Use(NamedTuple):
    """Where a value ends up: in `file`, or as `word` of `command`'s arguments (or its environment)."""

    command: SimpleCommand
    file: str | None = None
    word: Word | None = None


# Programs whose output is what they are given, one way or another.
_SAY = frozenset("echo printf basename dirname expr seq".split())
_PASS_ON = frozenset(
    "awk base32 base64 cat cut fold grep head hexdump md5sum od openssl rev sha1sum sha256sum sha512sum shasum sort "
    "strings tac tail tr uniq xxd".split()
)
_TO_FILE = frozenset((">", ">>", ">|", "&>", "&>>"))
_DECLARE = frozenset("declare export local readonly typeset".split())
# A longer script is looked at command by command, without following what passes between them.
_LONG = 300


def program(command: SimpleCommand, variables: Variables) -> str:
    """The base name of the program that a command runs."""
    return posixpath.basename(command.words[0].shown(variables)) if command.words else ""


def output(command: SimpleCommand, script: Script, variables: Variables) -> Iterator[Use]:
    """Where what the command writes to its standard output ends up; nothing for the log or a place not known."""
    yield from _Trail(script, variables).output(command)


def given(command: SimpleCommand, word: Word, script: Script, variables: Variables) -> Iterator[Use]:
    """Where a value ends up that stands in a word of the command."""
    yield from _Trail(script, variables).given(command, word)


class _Trail:
    """One value followed through one script; no command and no variable is gone through twice."""

    def __init__(self, script: Script, variables: Variables) -> None:
        self.script = script
        self.commands = script.commands if len(script.commands) <= _LONG else ()
        self.variables = variables
        self.seen: set[object] = set()

    def output(self, command: SimpleCommand) -> Iterator[Use]:
        if id(command) in self.seen:
            return
        self.seen.add(id(command))
        for redirect in command.redirects:
            if redirect.op in _TO_FILE and redirect.fd in (None, 1) and redirect.target is not None:
                file = redirect.target.shown(self.variables)
                if not file.startswith(("/dev/", "&")) and not file.isdigit():
                    yield Use(command, file)
                return
        if command.after == "|":
            for other in self.commands:
                if other.pipeline == command.pipeline and other.stage == command.stage + 1:
                    yield from self.read(other)
                    return
        if "substitution" in command.context:
            yield from self.substituted(command.span)

    def given(self, command: SimpleCommand, word: Word) -> Iterator[Use]:
        name = program(command, self.variables)
        if name in _SAY:
            yield from self.output(command)
        elif name not in _DECLARE:
            yield Use(command, None, word)

    def read(self, command: SimpleCommand) -> Iterator[Use]:
        """What the command reads from a pipe."""
        name = program(command, self.variables)
        shown = [word.shown(self.variables) for word in command.words[1:]]
        if name == "tee":
            yield from (Use(command, file) for file in shown if not file.startswith(("-", "/dev/")))
            yield from self.output(command)
        elif name in _PASS_ON or (name == "sed" and not any(w.startswith(("-i", "--in-place")) for w in shown)):
            yield from self.output(command)
        elif "xargs" in command.via:
            yield from self.given(command, command.words[0])
        elif name == "dd":
            yield from (Use(command, w[3:]) for w in shown if w.startswith("of=") and not w.startswith("of=/dev/"))
        elif command.words:
            yield Use(command, None, command.words[0])

    def substituted(self, span: Span) -> Iterator[Use]:
        """What the substitution gives that a command at `span` stands in."""
        around = [c for c in self.commands if c.span.start <= span.start and span.end <= c.span.end and c.span != span]
        for command in sorted(around, key=lambda c: c.span.end - c.span.start):
            for word in _words(command):
                if _within(word.span, span):
                    yield from self.given(command, word)
                    if program(command, self.variables) in _DECLARE:
                        yield from self.named(word.raw.partition("=")[0], word.span.end)
                    return
            for redirect in command.redirects:
                if redirect.target is not None and _within(redirect.target.span, span):
                    yield Use(command, redirect.target.raw)
                    return
        for command in self.commands:
            if any(r.body is not None and _within(r.body.whole, span) for r in command.redirects):
                tee = program(command, self.variables) == "tee"
                yield from self.read(command) if tee else self.output(command)
                return
        for name, word, at in self.script.assigned[:_LONG]:
            if _within(word.span, span):
                yield from self.named(name, max(at, word.span.end))
                return

    def named(self, name: str, after: int) -> Iterator[Use]:
        """What a variable holds from source offset `after` on."""
        if name in self.seen:
            return
        self.seen.add(name)
        for command in self.commands:
            word = next((w for w in _words(command) if w.span.start >= after and _names(w, name)), None)
            if word is not None:
                yield from self.given(command, word)
                if program(command, self.variables) in _DECLARE:
                    yield from self.named(word.raw.partition("=")[0], word.span.end)
            elif command.span.start >= after:
                bodies = [r.body.text for r in command.redirects if r.body is not None]
                if any("$" + name in body or "${" + name in body for body in bodies):
                    yield from self.output(command)
        for other, value, at in self.script.assigned[:_LONG]:
            if at >= after and other != name and _names(value, name):
                yield from self.named(other, at)


def _words(command: SimpleCommand) -> Iterator[Word]:
    yield from command.words
    for _, word in command.assignments:
        yield word


def _within(outer: Span, inner: Span) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end


def _names(word: Word, name: str) -> bool:
    return any(type(part) is Variable and part.name == name for part in word.parts)

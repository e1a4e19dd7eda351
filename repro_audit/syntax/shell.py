"""POSIX shell and bash, read with tree-sitter-bash: every simple command with its words and their places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from repro_audit.source import Excerpt, Span
from repro_audit.syntax.error import Error


@dataclass(slots=True, frozen=True, eq=False)
class Literal:
    """Fixed text inside a word, quotes and escapes removed."""

    text: str
    span: Span


@dataclass(slots=True, frozen=True, eq=False)
class Variable:
    """`$name` or `${name<operator><operand>}` inside a word; `operator` is `` for the plain form (`:-`, `%`, `/` ... otherwise)."""

    name: str
    operator: str
    operand: str
    span: Span


@dataclass(slots=True, frozen=True, eq=False)
class Substitution:
    """`$(...)`, backquotes, `<(...)`, arithmetic or a glob-like part whose value only a run can tell. `text` as written."""

    text: str
    span: Span


Part = Literal | Variable | Substitution


@dataclass(slots=True, frozen=True, eq=False)
class Word:
    """One word of a command. `span` covers it in the file, quotes included; `raw` is the word as written.

    `quoted` when all of it stood in quotes.
    """

    raw: str
    span: Span
    parts: tuple[Part, ...]
    quoted: bool = False

    @property
    def literal(self) -> str | None:
        """The word's text where it has no variable or substitution, else None."""
        parts = self.parts
        if len(parts) == 1 and type(parts[0]) is Literal:
            return parts[0].text
        if all(type(p) is Literal for p in parts):
            return "".join(p.text for p in parts)  # type: ignore[union-attr]
        return None

    def resolve(self, variables: Mapping[str, str | None]) -> str | None:
        """The word's text with variables looked up; None where a value is unknown or only a run can tell."""
        raise NotImplementedError

    def shown(self, variables: Mapping[str, str | None]) -> str:
        """The word's text with known variables filled in and the rest left as written."""
        raise NotImplementedError


@dataclass(slots=True, frozen=True, eq=False)
class Redirect:
    """`fd op target`, such as `2>&1` or `<<EOF` (then `body` is the heredoc's text)."""

    op: str
    fd: int | None
    target: Word | None
    span: Span
    body: Excerpt | None = None


@dataclass(slots=True, frozen=True, eq=False)
class SimpleCommand:
    """One command that runs a program or builtin.

    `words[0]` is the program after wrappers were taken off; `via` names the wrappers in order (`sudo`, `env`,
    `time`, `exec`, `xargs`, `nohup`, `sh -c` as `sh`, ...). `assignments` are `NAME=value` before it (those given to
    `env` too). `before` and `after` are the operators around its pipeline or itself: `&&`, `||`, `;`, `|`, `&`, or
    None at the ends. Commands of one pipeline share `pipeline` (a number unique in the script) in order of `stage`
    (0 first). `context` names what encloses it, outermost first: `if`, `loop`, `case`, `subshell`, `group`,
    `substitution`, `function`, `condition`, `negation`. `pipefail` and `errexit` tell what options are in force there.
    `functions` called are commands like others.
    """

    span: Span
    words: tuple[Word, ...]
    assignments: tuple[tuple[str, Word], ...] = ()
    redirects: tuple[Redirect, ...] = ()
    via: tuple[str, ...] = ()
    before: str | None = None
    after: str | None = None
    pipeline: int = 0
    stage: int = 0
    context: tuple[str, ...] = ()
    pipefail: bool = False
    errexit: bool = False


@dataclass(slots=True, frozen=True, eq=False)
class Script:
    """A parsed script: its simple commands in the order of the text, nested ones included.

    `assigned` are the script's own top-level assignments in order (name, value word, offset in the text), for
    resolving variables. `functions` are the names the script defines.
    """

    text: Excerpt
    commands: tuple[SimpleCommand, ...]
    assigned: tuple[tuple[str, Word, int], ...] = ()
    functions: frozenset[str] = frozenset()
    errors: tuple[Error, ...] = ()


def parse(text: Excerpt) -> Script:
    """The script's commands. What the grammar cannot read becomes an `Error`; what stands around it is still given."""
    raise NotImplementedError


def parse_exec(words: tuple[Excerpt, ...], text: Excerpt) -> Script:
    """The one command of an exec form (`["prog", "arg"]`), whose words are taken as they are; wrappers and `sh -c` are followed."""
    raise NotImplementedError


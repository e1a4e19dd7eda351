"""The parts of a parsed shell script: words, redirections, simple commands."""

from __future__ import annotations

from collections.abc import Mapping

from repro_audit.record import dataclass
from repro_audit.source import Excerpt, Span
from repro_audit.syntax.error import Error


@dataclass(slots=True, frozen=True, eq=False)
class Literal:
    """Fixed text inside a word, quotes and escapes removed. Unquoted globs and braces count as text."""

    text: str
    span: Span


@dataclass(slots=True, frozen=True, eq=False)
class Variable:
    """`$name` or `${name<operator><operand>}` inside a word.

    `operator` is `` for the plain form (`:-`, `%`, `/` ... otherwise), `raw` the whole as written, `quoted` whether
    it stands in double quotes (then its value is not split at blanks).
    """

    name: str
    operator: str
    operand: str
    span: Span
    raw: str = ""
    quoted: bool = False


@dataclass(slots=True, frozen=True, eq=False)
class Substitution:
    """`$(...)`, backquotes, `<(...)`, arithmetic, whose value only a run can tell. `text` as written."""

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
        if len(parts) == 1:
            only = parts[0]
            return only.text if type(only) is Literal else None
        texts: list[str] = []
        for part in parts:
            if type(part) is not Literal:
                return None
            texts.append(part.text)
        return "".join(texts)

    def resolve(self, variables: Mapping[str, str | None]) -> str | None:
        """The word's text with variables looked up; None where a value is unknown or only a run can tell."""
        literal = self.literal
        if literal is not None:
            return literal
        from repro_audit.syntax.shell_expand import value

        texts: list[str] = []
        for part in self.parts:
            if type(part) is Literal:
                texts.append(part.text)
                continue
            text = value(part, variables) if type(part) is Variable else None
            if text is None:
                return None
            texts.append(text)
        return "".join(texts)

    def shown(self, variables: Mapping[str, str | None]) -> str:
        """The word's text with known variables filled in and the rest left as written."""
        literal = self.literal
        if literal is not None:
            return literal
        from repro_audit.syntax.shell_expand import value

        texts: list[str] = []
        for part in self.parts:
            if type(part) is Variable:
                text = value(part, variables)
                texts.append(part.raw if text is None else text)
            else:
                texts.append(part.text)  # type: ignore[union-attr]
        return "".join(texts)


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

    `words[0]` is the program after wrappers were taken off; `via` names the wrappers in order (`sudo`, `env`, `time`,
    `exec`, `xargs`, `nohup`, `sh -c` as `sh`, `conda run`, ...) and `options` holds their words. `assignments` are
    `NAME=value` before it (those given to `env` too). `before` and `after` are the operators around its pipeline or
    itself: `&&`, `||`, `;`, `|`, `&`, or None at the ends. Commands of one pipeline share `pipeline` (a number unique
    in the script) in order of `stage` (0 first). `context` names what encloses it, outermost first: `if`, `loop`,
    `case`, `subshell`, `group`, `substitution`, `function`, `condition`, `negation`. `pipefail` and `errexit` tell
    what options are in force there. Functions called are commands like others.
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
    options: tuple[Word, ...] = ()


@dataclass(slots=True, frozen=True, eq=False)
class Script:
    """A parsed script: its simple commands in the order of the text, nested ones included.

    `assigned` are the script's own top-level assignments in order (name, value word, offset in the text), for
    resolving variables; one that happens only under a condition, or whose value a loop gives, stands there with a
    `Substitution` as its value. `functions` are the names the script defines.
    """

    text: Excerpt
    commands: tuple[SimpleCommand, ...]
    assigned: tuple[tuple[str, Word, int], ...] = ()
    functions: frozenset[str] = frozenset()
    errors: tuple[Error, ...] = ()

"""`repro-audit explain ID`: what a rule finds, why it matters and what to do, with its examples; or in short what
another word of a report means.
"""

from __future__ import annotations

import re
import textwrap
from typing import Annotated

import typer

from repro_audit.cli.audit import load_book, load_config
from repro_audit.cli.completion import explained_names
from repro_audit.cli.options import Request
from repro_audit.cli.output import emit, wants_color, width
from repro_audit.cli.problem import CannotError
from repro_audit.cli.term import Term, terms
from repro_audit.rule_file import Example, RuleFile, read_rule_file
from repro_audit.rulebook import Rule, RuleBook, RuleError


def command(
    name: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="A rule's id, what another linter calls it (DL3006), or a word that build, verify or smoke "
            "answers with.",
            autocompletion=explained_names,
        ),
    ],
    config: Annotated[str | None, typer.Option(help="Use this configuration file.", metavar="FILE")] = None,
) -> int:
    """Explain a rule, or a cause, kind of failure or outcome that a report names."""
    book, _ = load_book(load_config(Request(config=config)))
    rules = book.named(name)
    words = [term for term in terms() if term.name == name.lower()]
    if not rules and not words:
        raise CannotError(f"no rule is called `{name}`{_instead(name, book)}")
    color = wants_color(None)
    emit("\n".join([*(_page(_read(rule), color) for rule in rules), *(_short(word, color) for word in words)]))
    return 0


def _instead(name: str, book: RuleBook) -> str:
    """What to try in place of a name that nothing has, as the end of a sentence."""
    if re.fullmatch(r"(?i)SC\d{4}", name):
        return ": ShellCheck's rules are not included"
    from repro_audit.rulebook import nearest

    # a word that is nearly the same goes before a rule that is only alike
    close = nearest(name.lower(), (*book.rules, *(term.name for term in terms()))) or book.nearest(name)
    return f"; did you mean `{close}`?" if close else "; `repro-audit rules` lists them"


def _short(term: Term, color: bool) -> str:
    head = f"\033[1m{term.name}\033[0m" if color else term.name
    parts = [f"{head}: {term.means}", term.what]
    if term.remedy:
        parts.append(f"What to do: {term.remedy}.")
    if term.rule:
        parts.append(f"Foreseen by the rule `{term.rule}` (`repro-audit explain {term.rule}`).")
    return "\n".join([parts[0], *(_prose(part) for part in parts[1:])]) + "\n"


def _read(rule: Rule) -> RuleFile:
    try:
        return read_rule_file(rule.file, rule.family, builtin=rule.builtin)
    except RuleError as error:
        raise CannotError(str(error)) from None
    except OSError as error:
        raise CannotError(f"{rule.file}: {error.strerror or error}") from None


def _page(file: RuleFile, color: bool) -> str:
    rule = file.rule

    def head(text: str) -> str:
        return f"\033[1m{text}\033[0m" if color else text

    severity = "off unless asked for" if not rule.severity else str(rule.severity)
    facts = [f"{severity}, family {rule.family}" + (", in the strict profile only" if rule.strict else "")]
    if rule.all_aliases:
        facts.append(f"also known as {', '.join(rule.all_aliases)}")
    parts = [f"{head(rule.id)}: {rule.summary}", "\n".join(facts)]
    parts += [head("Why it matters"), _prose(file.text.why), head("What to do"), _prose(file.text.fix)]
    for example in file.examples:
        parts += _example(example, head)
    if file.text.references:
        parts += [head("References"), "\n".join(f"  {reference}" for reference in file.text.references)]
    return "\n\n".join(parts) + "\n"


def _example(example: Example, head: object) -> list[str]:
    assert callable(head)
    title = "Found" if example.bad else "Not found"
    title += f" in {example.file}" if example.file != "Dockerfile" else ""
    title += f" ({example.title})" if example.title else ""
    at = {place.split(":")[-2] for place in example.at}
    lines = []
    for number, line in enumerate(example.text.rstrip("\n").split("\n"), 1):
        lines.append(f"{'>' if str(number) in at else ' '} {line}".rstrip())
    parts = [head(title), textwrap.indent("\n".join(lines), "  ")]
    for name, text in example.files.items():
        parts += [f"  with {name}:", textwrap.indent(text.rstrip("\n"), "    ")]
    if example.fixed is not None:
        parts += ["  After the fix:", textwrap.indent(example.fixed.rstrip("\n"), "    ")]
    return parts


def _prose(text: str) -> str:
    """Paragraphs filled to the terminal's width; lists and indented blocks stay as they are."""
    paragraphs = []
    for paragraph in text.split("\n\n"):
        lines = paragraph.strip("\n").split("\n")
        if any(line.startswith((" ", "- ", "* ", "|", "```")) for line in lines):
            paragraphs.append("\n".join(f"  {line}" for line in lines))
        else:
            filled = textwrap.fill(" ".join(lines), min(width(), 100) - 2, break_on_hyphens=False)
            paragraphs.append(textwrap.indent(filled, "  "))
    return "\n\n".join(paragraphs)

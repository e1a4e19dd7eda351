"""`repro-audit rules`: the rule book as a table."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from repro_audit.cli.audit import load_book, load_config, select
from repro_audit.cli.completion import rule_names
from repro_audit.cli.inputs import Format
from repro_audit.cli.options import Request, split
from repro_audit.cli.output import emit
from repro_audit.rulebook import Rule


def command(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Only these: ids, families, aliases or globs.", show_default=False, autocompletion=rule_names
        ),
    ] = None,
    format: Annotated[Format, typer.Option("--format", help="A table, or JSON.")] = Format.text,
    config: Annotated[str | None, typer.Option(help="Use this configuration file.", metavar="FILE")] = None,
) -> int:
    """List the rules with their severity and what other linters call them."""
    settings = load_config(Request(config=config))
    book, _ = load_book(settings)
    wanted = split(names or ())
    listed = list(book.rules.values())
    if wanted:
        chosen = select(book, settings, Request(select=wanted)).chosen
        named = {rule.id for name in wanted for rule in book.named(name)}
        listed = [rule for rule in listed if rule.id in chosen and rule.id in named]
    listed.sort(key=lambda rule: (rule.family, rule.id))
    emit(_json(listed) if format is Format.json else _table(listed))
    return 0


def _state(rule: Rule) -> str:
    return "strict" if rule.strict else str(rule.severity)


def _table(rules: list[Rule]) -> str:
    width = max((len(rule.id) for rule in rules), default=0)
    lines: list[str] = []
    family = ""
    for rule in rules:
        if rule.family != family:
            family = rule.family
            lines += ["", family] if lines else [family]
        known = f"  ({', '.join(rule.all_aliases)})" if rule.all_aliases else ""
        lines.append(f"  {rule.id.ljust(width)}  {_state(rule).ljust(7)}  {rule.summary}{known}")
    return "\n".join(lines) + "\n"


def _json(rules: list[Rule]) -> str:
    listed = [
        {
            "id": rule.id,
            "family": rule.family,
            "summary": rule.summary,
            "severity": str(rule.severity),
            "profile": "strict" if rule.strict else "default",
            "on": list(rule.on),
            "aliases": list(rule.all_aliases),
            "references": list(rule.references),
        }
        for rule in rules
    ]
    return json.dumps({"version": 1, "rules": listed}, indent=2) + "\n"

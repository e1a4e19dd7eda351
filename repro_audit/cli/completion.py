"""What the shell offers where a rule or another word of a report may be named. Called by Typer, while it completes a
command line.
"""

from __future__ import annotations


def rule_names(incomplete: str) -> list[str]:
    """The ids, families and other linters' names that begin so; of a list with commas, the last is completed."""
    from repro_audit.rulebook import RuleError, load

    try:
        rules = load().rules.values()
    except RuleError:
        return []
    before, comma, begun = incomplete.rpartition(",")
    known = {name for rule in rules for name in (rule.id, rule.family, *(rule.all_aliases if begun else ()))}
    return [before + comma + name for name in sorted(known) if name.startswith(begun)]


def explained_names(incomplete: str) -> list[str]:
    """The same, and what else `explain` knows."""
    from repro_audit.cli.term import terms

    words = {term.name for term in terms() if term.name.startswith(incomplete)} if incomplete else set()
    return sorted({*rule_names(incomplete), *words})


def variations(incomplete: str) -> list[str]:
    """What `verify --vary` may be given; of a list with commas, the last is completed."""
    from repro_audit.cli.verify_conditions import VARIATIONS

    before, comma, begun = incomplete.rpartition(",")
    named = set(before.split(","))
    words = (*VARIATIONS, *(() if comma else ("all", "none")))
    return [before + comma + word for word in words if word.startswith(begun) and word not in named]

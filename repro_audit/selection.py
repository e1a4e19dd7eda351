"""Which rules run, how severe they are, and where they are silent: settings applied to the rule book. For the CLI."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from repro_audit.config import Hadolint
from repro_audit.finding import Finding, Severity
from repro_audit.rulebook import Rule, RuleBook

_FOREIGN = re.compile(r"(?:DL|SC|DS-?|AVD-\w+-|CKV2?_\w+_)\d+", re.IGNORECASE)


class SelectionError(ValueError):
    """A name that no rule has; the message names the nearest that one has."""


class Chosen(NamedTuple):
    """A rule that runs.

    `severity` replaces what the rule and its checks say, where set. Findings count only if they carry one of the
    aliases in `only` (None: all do) and none of those in `hidden` (both lower case): `--ignore DL3018` silences
    unpinned `apk add`, not unpinned `apt-get install`, though one rule finds both.
    """

    rule: Rule
    severity: Severity | None = None
    only: frozenset[str] | None = None
    hidden: frozenset[str] = frozenset()

    def admits(self, aliases: Iterable[str]) -> bool:
        """Whether a finding with these aliases counts."""
        if self.only is None and not self.hidden:
            return True
        known = {alias.lower() for alias in aliases}
        return (self.only is None or not known.isdisjoint(self.only)) and known.isdisjoint(self.hidden)


class Selection(NamedTuple):
    """The rules of a run.

    `per_file` pairs a test of a file's path, relative to the folder `root`, with what is ignored there. `known` are all
    names (lower case) that rules have, whether they run or not.
    """

    chosen: Mapping[str, Chosen]
    per_file: tuple[tuple[Callable[[str], bool], Mapping[str, frozenset[str] | None]], ...] = ()
    hadolint: Hadolint | None = None
    root: str = ""
    known: frozenset[str] = frozenset()

    def finish(self, finding: Finding, path: str, kind: str) -> Finding | None:
        """The finding as settings want it, or None where they hide it; `path` is relative to the root."""
        chosen = self.chosen.get(finding.rule)
        if chosen is not None and not chosen.admits(finding.aliases):
            return None
        for applies, ignored in self.per_file:
            if finding.rule in ignored and applies(path):
                aliases = ignored[finding.rule]
                if aliases is None or any(alias.lower() in aliases for alias in finding.aliases):
                    return None
        if self.hadolint is not None and kind == "dockerfile" and finding.aliases:
            return self._as_hadolint(self.hadolint, finding, chosen)
        return finding

    def _as_hadolint(self, hadolint: Hadolint, finding: Finding, chosen: Chosen | None) -> Finding | None:
        for alias in finding.aliases:
            if alias.lower() in hadolint.ignored:
                return None
        for alias in finding.aliases:
            severity = hadolint.severities.get(alias.lower())
            if severity is not None and (chosen is None or chosen.severity is None):
                from repro_audit.record import replace

                return replace(finding, severity=severity)
        return finding


def choose(
    book: RuleBook,
    *,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    extend_select: Iterable[str] = (),
    severity: Mapping[str, Severity] | None = None,
    strict: bool = False,
    per_file_ignores: Mapping[str, Iterable[str]] | None = None,
    hadolint: Hadolint | None = None,
    root: str = "",
) -> Selection:
    """The selection that settings describe; raises SelectionError for a name that no rule has.

    With `select` exactly those rules run; otherwise all but those that are off or for the strict profile, plus
    `extend_select` and rules that `severity` sets to something else than off. `ignore` then takes rules away, except
    those that a selection names by id where it names them by less. The more exact entry of `severity` wins.
    """
    severities = _severities(book, severity or {})
    picked: dict[str, frozenset[str] | None] = {}
    exact: set[str] = set()
    names = list(select)
    if not names:
        for rule in book.rules.values():
            named = severities.get(rule.id)
            if strict or (named is not None and named > Severity.OFF) or (rule.severity and not rule.strict):
                picked[rule.id] = None
    for name in [*names, *extend_select]:
        for rule, alias in resolve(book, name):
            if name == rule.id:
                exact.add(rule.id)
            _add(picked, rule.id, alias)
    hidden: dict[str, frozenset[str] | None] = {}
    for name in ignore:
        if _FOREIGN.fullmatch(name) and not book.named(name):
            continue  # A number of another linter that has no counterpart here: ignored already.
        for rule, alias in resolve(book, name):
            if name == rule.id or rule.id not in exact:
                _add(hidden, rule.id, alias)
    if "internal-error" in book.rules:
        picked["internal-error"] = None
    chosen: dict[str, Chosen] = {}
    for rule_id, only in picked.items():
        aliases = hidden.get(rule_id, frozenset())
        level = severities.get(rule_id)
        if aliases is None or (level is Severity.OFF and rule_id not in exact):
            continue
        chosen[rule_id] = Chosen(book.rules[rule_id], level or None, only, aliases)
    return Selection(chosen, _per_file(book, per_file_ignores or {}), hadolint, root, book.names)


def resolve(book: RuleBook, name: str) -> list[tuple[Rule, str | None]]:
    """The rules that `name` means, each with the alias that was named (None: the whole rule); raises SelectionError."""
    rules = book.named(name)
    if not rules:
        close = book.nearest(name)
        meant = f"; did you mean `{close}`?" if close else ""
        raise SelectionError(f"no rule is called `{name}`{meant}")
    low = name.lower()
    found: list[tuple[Rule, str | None]] = []
    for rule in rules:
        aliases = [alias for alias in rule.all_aliases if alias.lower() == low]
        whole = low in (rule.id, rule.family) or not aliases
        found.append((rule, None if whole else low))
    return found


def path_test(pattern: str) -> Callable[[str], bool]:
    """Whether a path (with `/`) fits a glob; one without `/` fits the file's name anywhere, `**` any folders."""
    found = re.compile(_glob(pattern.strip("/"))).match
    if "/" in pattern.rstrip("/"):
        return lambda path: found(path) is not None
    return lambda path: any(found(part) is not None for part in path.split("/"))


@functools.cache
def _glob(pattern: str) -> str:
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if pattern.startswith("**/", at):
            parts.append("(?:.*/)?")
            at += 3
            continue
        if char == "*":
            while pattern.startswith("**", at):
                at += 1  # a run of stars is one, so that no pattern can be slow
                char = "**"
            parts.append(".*" if char == "**" else "[^/]*")
        elif char == "?":
            parts.append("[^/]")
        else:
            parts.append(re.escape(char))
        at += 1
    return "(?s:" + "".join(parts) + r")(?:/|\Z)"


def _severities(book: RuleBook, named: Mapping[str, Severity]) -> dict[str, Severity]:
    found: dict[str, Severity] = {}
    # Families and globs first, so that an entry for one rule wins whatever the order.
    for name, severity in sorted(named.items(), key=lambda item: item[0] in book.rules):
        for rule, _ in resolve(book, name):
            found[rule.id] = severity
    return found


def _per_file(
    book: RuleBook, named: Mapping[str, Iterable[str]]
) -> tuple[tuple[Callable[[str], bool], Mapping[str, frozenset[str] | None]], ...]:
    found = []
    for pattern, names in named.items():
        ignored: dict[str, frozenset[str] | None] = {}
        for name in names:
            for rule, alias in resolve(book, name):
                _add(ignored, rule.id, alias)
        found.append((path_test(pattern), ignored))
    return tuple(found)


def _add(into: dict[str, frozenset[str] | None], rule: str, alias: str | None) -> None:
    """Note that a rule is meant, as a whole (alias None) or by one of its aliases."""
    known = into.get(rule, frozenset())
    into[rule] = None if alias is None or known is None else known | {alias}

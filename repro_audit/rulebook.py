"""The rule book: reads `rules/<family>/<id>.yaml` and keeps what checking needs in a form that loads in a moment.

Called by the engine's callers (`load`), by reports for the prose (`RuleBook.text`), and by the wheel's build
hook (`compile_book`). Reading some hundred YAML files takes longer than auditing a Dockerfile, so a wheel carries the
book as JSON; in a checkout the same JSON is kept in `__pycache__`, and made anew when a rule file changes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from repro_audit.finding import Severity
from repro_audit.result import RuleText

# The fact types of `on:`, by the class name of the fact, and the file kinds that a rule may ask for instead.
FACT_NAMES: Mapping[str, tuple[str, ...]] = {
    "Instruction": ("instruction",),
    "Stage": ("stage",),
    "Command": ("command",),
    "ImageRef": ("image", "input"),
    "Package": ("package", "input"),
    "Download": ("download", "input"),
    "ActionRef": ("action", "input"),
    "Container": ("container",),
    "Installation": ("install",),
    "IndexOption": ("index-option",),
    "ContextFile": ("context-file",),
    "Health": ("healthcheck",),
    "Project": ("project",),
    "Error": ("syntax-error",),
    "Suppression": ("suppression",),
    "Failure": ("failure",),
}
KINDS: Mapping[str, tuple[str, ...]] = {
    "dockerfile": ("dockerfile",),
    "requirements": ("requirements",),
    "constraints": ("requirements",),
    "pyproject": ("pyproject",),
    "uv-lock": ("lock",),
    "poetry-lock": ("lock",),
    "pdm-lock": ("lock",),
    "pylock": ("lock",),
    "pipfile": ("pipfile",),
    "pipfile-lock": ("lock",),
    "conda": ("conda",),
    "compose": ("compose",),
    "devcontainer": ("devcontainer",),
    "workflow": ("workflow",),
    "action": ("action-file",),
    "dockerignore": ("dockerignore",),
    "pre-commit": ("pre-commit",),
    "apptainer": ("apptainer",),
}
ON_NAMES: frozenset[str] = frozenset(
    ["file", *(n for names in FACT_NAMES.values() for n in names), *(n for names in KINDS.values() for n in names)]
)

_FORMAT = 2


class RuleError(ValueError):
    """A rule file is wrong; the message names the file, the place and what was expected."""


class Rule(NamedTuple):
    """What checking needs to know of a rule.

    `severity` `OFF` and `strict` rules run only when asked for. `aliases` maps an ecosystem to names, the empty
    ecosystem to those that always fit. Exactly one of `match` and `check` is set. `file` is where the rule stands.
    """

    id: str
    family: str
    summary: str
    severity: Severity
    on: tuple[str, ...]
    message: str
    file: str
    aliases: Mapping[str, tuple[str, ...]] = {}
    match: Mapping[str, object] | None = None
    check: str | None = None
    strict: bool = False
    references: tuple[str, ...] = ()
    builtin: bool = True

    @property
    def all_aliases(self) -> tuple[str, ...]:
        """Every name that other tools have for it."""
        return tuple(dict.fromkeys(name for names in self.aliases.values() for name in names))

    def aliases_for(self, ecosystem: str | None) -> tuple[str, ...]:
        """The names that fit a fact of this ecosystem."""
        general = self.aliases.get("", ())
        return general + self.aliases[ecosystem] if ecosystem and ecosystem in self.aliases else general


class RuleBook(NamedTuple):
    """All rules by id, and how to find them by other names. `prose` has why and fix of those whose text is stored."""

    rules: Mapping[str, Rule]
    prose: Mapping[str, tuple[str, str]] = {}

    @property
    def names(self) -> frozenset[str]:
        """Every id, family and alias, lower case."""
        return frozenset(
            name.lower() for rule in self.rules.values() for name in (rule.id, rule.family, *rule.all_aliases)
        )

    def text(self, rule: str) -> RuleText:
        """The prose of the rule called `rule`; raises RuleError and OSError where it has to be read."""
        known = self.rules[rule]
        if rule in self.prose:
            return RuleText(*self.prose[rule], known.references)
        from repro_audit.rule_file import read_text

        return read_text(known)

    def named(self, name: str) -> tuple[Rule, ...]:
        """The rules that `name` means: an id, a family, an alias (in any case), a glob over those, or `all`."""
        if name in self.rules:
            return (self.rules[name],)
        low = name.lower()
        if low == "all":
            return tuple(self.rules.values())
        if any(c in name for c in "*?["):
            from fnmatch import fnmatchcase

            return tuple(
                rule
                for rule in self.rules.values()
                if any(fnmatchcase(known.lower(), low) for known in (rule.id, rule.family, *rule.all_aliases))
            )
        return tuple(
            rule
            for rule in self.rules.values()
            if low in (rule.id, rule.family) or any(low == alias.lower() for alias in rule.all_aliases)
        )

    def nearest(self, name: str) -> str | None:
        """A known id, family or alias that looks like `name`, or None."""
        if name[-1:].isdigit():  # numbers of rules that look alike mean unlike things
            return None
        known = {known.lower(): known for rule in self.rules.values() for known in (*rule.all_aliases, rule.family)}
        known.update((rule, rule) for rule in self.rules)
        close = nearest(name.lower(), known)
        return known[close] if close else None

    def extended(self, rules: Iterable[Rule]) -> RuleBook:
        """This book with more rules; raises RuleError where an id is taken."""
        joined = dict(self.rules)
        for rule in rules:
            if rule.id in joined:
                raise RuleError(f"{rule.file}: the id `{rule.id}` is taken by {joined[rule.id].file}")
            joined[rule.id] = rule
        return RuleBook(joined, self.prose)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was probably meant to be, or None."""
    from difflib import get_close_matches

    close = get_close_matches(name, list(known), 1, 0.6)
    return close[0] if close else None


def rules_folder() -> str:
    """Where the shipped rules stand: beside the modules in an installed package, at the top of a checkout."""
    here = os.path.dirname(os.path.abspath(__file__))
    inside = os.path.join(here, "rules")
    return inside if os.path.isdir(inside) else os.path.join(os.path.dirname(here), "rules")


def load() -> RuleBook:
    """The shipped rule book; raises RuleError where a rule file of a checkout is broken."""
    here = os.path.dirname(os.path.abspath(__file__))
    folder = rules_folder()
    if os.path.dirname(folder) == here:
        stored = _read_json(os.path.join(here, "rulebook.json"))
        if stored is not None:
            return _book(stored, folder)
    stamp = _stamp(folder)
    cache = os.path.join(here, "__pycache__", "rulebook.json")
    stored = _read_json(cache)
    if stored is None or stored.get("stamp") != stamp:
        stored = _stored(folder, stamp)
        try:
            os.makedirs(os.path.dirname(cache), exist_ok=True)
            _write_json(cache, stored)
        except OSError:
            pass  # a read-only installation reads the YAML each time
    return _book(stored, folder)


def compile_book(folder: str, target: str) -> None:
    """Write the book of the rules in `folder` to the JSON file `target`; raises RuleError. For building a wheel."""
    _write_json(target, _stored(folder, ""))


def read_user_rules(folder: str) -> tuple[list[Rule], list[tuple[str, str]]]:
    """The rules of a folder of the user's own, and the files that are broken (path and reason); raises OSError."""
    from repro_audit.rule_file import read_rule

    rules: list[Rule] = []
    broken: list[tuple[str, str]] = []
    for path, family in rule_files(folder):
        try:
            rules.append(read_rule(path, family, builtin=False))
        except (RuleError, OSError) as error:
            broken.append((path, str(error).removeprefix(f"{path}: ")))
    return rules, broken


def rule_files(folder: str) -> list[tuple[str, str]]:
    """The rule files under a folder with their families, in a fixed order; a file at the top is of family `custom`."""
    found: list[tuple[str, str]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith((".yaml", ".yml")):
                found.append((entry.path, "custom"))
            elif entry.is_dir() and not entry.name.startswith((".", "_")):
                with os.scandir(entry.path) as inner:
                    found += [(e.path, entry.name) for e in inner if e.name.endswith((".yaml", ".yml"))]
    return sorted(found)


def _stored(folder: str, stamp: str) -> dict[str, object]:
    """The book of a folder as it is stored; `stamp` tells which state of the folder it is of."""
    from repro_audit.rule_file import read_rule_file

    files = [read_rule_file(path, family) for path, family in rule_files(folder)]
    prose = {file.rule.id: (file.text.why, file.text.fix) for file in files}
    return {"format": _FORMAT, "stamp": stamp, "rules": _plain([file.rule for file in files]), "prose": prose}


def _stamp(folder: str) -> str:
    """What changes when a rule file or the way of reading it does."""
    files = [path for path, _ in rule_files(folder)]
    here = os.path.dirname(os.path.abspath(__file__))
    files += [os.path.join(here, name) for name in ("rulebook.py", "rule_file.py", "match.py")]
    parts: list[str] = [str(_FORMAT)]
    for path in files:
        status = os.stat(path)
        parts.append(f"{path}:{status.st_size}:{status.st_mtime_ns}")
    return "\n".join(parts)


def _plain(rules: list[Rule]) -> list[dict[str, object]]:
    """The rules as JSON, with file names relative to the folder of their family."""
    taken: dict[str, str] = {}
    plain: list[dict[str, object]] = []
    for rule in rules:
        if rule.id in taken:
            raise RuleError(f"{rule.file}: the id `{rule.id}` is taken by {taken[rule.id]}")
        taken[rule.id] = rule.file
        fields = rule._asdict()
        fields["severity"] = str(rule.severity)
        fields["file"] = f"{rule.family}/{os.path.basename(rule.file)}"
        del fields["builtin"]
        plain.append({key: value for key, value in fields.items() if value not in (None, (), {}, False)})
    return plain


def _book(stored: Mapping[str, object], folder: str) -> RuleBook:
    rules: dict[str, Rule] = {}
    listed, prose = stored["rules"], stored["prose"]
    assert isinstance(listed, list)
    assert isinstance(prose, dict)
    for fields in listed:
        rule = Rule(
            id=fields["id"],
            family=fields["family"],
            summary=fields["summary"],
            severity=Severity.parse(fields["severity"]),
            on=tuple(fields["on"]),
            message=fields["message"],
            file=f"{folder}/{fields['file']}",
            aliases={eco: tuple(names) for eco, names in fields.get("aliases", {}).items()},
            # `match: {}` (every fact of the type) is left out of the stored form like everything empty.
            match=fields.get("match", {}) if "check" not in fields else None,
            check=fields.get("check"),
            strict=fields.get("strict", False),
            references=tuple(fields.get("references", ())),
        )
        rules[rule.id] = rule
    return RuleBook(rules, {name: (why, fix) for name, (why, fix) in prose.items()})


def _read_json(path: str) -> dict[str, object] | None:
    """The stored book, or None where there is none that this version can read."""
    try:
        with open(path, encoding="utf-8") as file:
            stored = json.load(file)
    except (OSError, ValueError):
        return None
    return stored if isinstance(stored, dict) and stored.get("format") == _FORMAT else None


def _write_json(path: str, content: dict[str, object]) -> None:
    """Written beside and moved into place, so that a reader never sees half of it."""
    beside = f"{path}.{os.getpid()}"
    with open(beside, "w", encoding="utf-8") as file:
        json.dump(content, file, separators=(",", ":"), sort_keys=True)
    os.replace(beside, path)

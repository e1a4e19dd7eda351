"""One rule's YAML file: read strictly, with errors that say what was meant. Called by the rule book and `explain`."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from repro_audit.filetree import read_regular
from repro_audit.finding import Severity
from repro_audit.record import dataclass
from repro_audit.result import RuleText
from repro_audit.rulebook import ON_NAMES, Rule, RuleError, nearest

if TYPE_CHECKING:
    import yaml

_KEYS = tuple("id summary severity on message why fix examples aliases match check profile references".split())
_EXAMPLE_KEYS = ("bad", "good", "at", "file", "files", "fixed", "title", "settings")
_REQUIRED = ("id", "summary", "severity", "on", "message", "why", "fix")
_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")
_CHECK = re.compile(r"[A-Za-z_][\w-]*(\.[A-Za-z_]\w*)+\Z")


@dataclass(slots=True, frozen=True)
class Example:
    """An example of a rule's file: a test, and what `explain` shows.

    `bad` and `good` tell which it is; `text` is the content of `file`, whose other files are `files`. `at` are the
    places (`line:col`) where the rule must speak, prefixed by `path:` when in another file than `file`. `fixed` is the
    text after the fix. `settings` is configuration as it would stand in a configuration file.
    """

    bad: bool
    file: str
    text: str
    files: Mapping[str, str]
    at: tuple[str, ...]
    fixed: str | None
    title: str
    settings: Mapping[str, object]


@dataclass(slots=True, frozen=True)
class RuleFile:
    """All of a rule's file."""

    rule: Rule
    text: RuleText
    examples: tuple[Example, ...]


def read_rule(path: str, family: str, *, builtin: bool = True) -> Rule:
    """The rule that stands in a file; raises RuleError and OSError."""
    return read_rule_file(path, family, builtin=builtin).rule


def read_text(rule: Rule) -> RuleText:
    """The prose of a rule; raises RuleError and OSError."""
    return read_rule_file(rule.file, rule.family, builtin=rule.builtin).text


def read_rule_file(path: str, family: str, *, builtin: bool = True) -> RuleFile:
    """All that stands in a rule's file; raises RuleError and OSError."""
    data = read_regular(path)
    fields = _mapping(path, _parse(path, data))
    check_keys(path, "", fields, _KEYS)
    for key in _REQUIRED:
        if key not in fields:
            raise RuleError(f"{path}: `{key}` is missing")
    text = functools.partial(_text, path, fields)
    name = text("id")
    if not _ID.match(name):
        raise RuleError(f"{path}: id: `{name}` is not in kebab-case")
    stem = os.path.splitext(os.path.basename(path))[0]
    if name != stem:
        raise RuleError(f"{path}: id: `{name}` must be the file's name, `{stem}`")
    severity = text("severity")
    if severity not in ("error", "warning", "info", "off"):
        raise RuleError(f"{path}: severity: expected error, warning, info or off, found `{severity}`")
    profile = text("profile") if "profile" in fields else "default"
    if profile not in ("default", "strict"):
        raise RuleError(f"{path}: profile: expected default or strict, found `{profile}`")
    on = _on(path, fields["on"])
    match, check = _condition(path, fields, on)
    references = _texts(path, "references", fields.get("references", []))
    rule = Rule(
        id=name,
        family=family,
        summary=text("summary"),
        severity=Severity.parse(severity),
        on=on,
        message=text("message"),
        file=path,
        aliases=_aliases(path, fields.get("aliases", [])),
        match=match,
        check=check,
        strict=profile == "strict",
        references=references,
        builtin=builtin,
    )
    examples = fields.get("examples", [])
    if not isinstance(examples, list):
        raise RuleError(f"{path}: examples: expected a list")
    return RuleFile(
        rule,
        RuleText(text("why").strip(), text("fix").strip(), references),
        tuple(_example(path, index, example, on) for index, example in enumerate(examples)),
    )


def check_keys(path: str, place: str, fields: Mapping[object, object], known: tuple[str, ...]) -> None:
    """Raise RuleError for a key that is not known, naming the nearest one that is."""
    for key in fields:
        if key not in known:
            close = nearest(str(key), known)
            meant = f"; did you mean `{close}`?" if close else f"; known are {', '.join(known)}"
            raise RuleError(f"{path}: {place}unknown key `{key}`{meant}")


def _condition(
    path: str, fields: Mapping[object, object], on: tuple[str, ...]
) -> tuple[Mapping[str, object] | None, str | None]:
    if ("match" in fields) == ("check" in fields):
        raise RuleError(f"{path}: a rule has either `match` or `check`")
    if "check" in fields:
        check = _text(path, fields, "check")
        if not _CHECK.match(check):
            raise RuleError(f"{path}: check: `{check}` is not of the form `module.function`")
        return None, check
    from repro_audit.match import MatchError, compile_match
    from repro_audit.vocabulary import check_paths

    match = _mapping(path, fields["match"])
    try:
        compile_match(match)
        check_paths(match, on)
    except MatchError as error:
        raise RuleError(f"{path}: {error}") from None
    return {str(key): value for key, value in match.items()}, None


def _on(path: str, value: object) -> tuple[str, ...]:
    names = _texts(path, "on", [value] if isinstance(value, str) else value)
    if not names:
        raise RuleError(f"{path}: on: names no fact type")
    for name in names:
        if name not in ON_NAMES:
            close = nearest(name, ON_NAMES)
            meant = f"; did you mean `{close}`?" if close else f"; known are {', '.join(sorted(ON_NAMES))}"
            raise RuleError(f"{path}: on: unknown fact type `{name}`{meant}")
    return names


def _aliases(path: str, value: object) -> dict[str, tuple[str, ...]]:
    if isinstance(value, Mapping):
        found = {}
        for ecosystem, names in value.items():
            key = "" if ecosystem in ("*", "any") else str(ecosystem)
            found[key] = _texts(path, f"aliases.{ecosystem}", [names] if isinstance(names, str) else names)
        return found
    names = _texts(path, "aliases", value)
    return {"": names} if names else {}


_DEFAULT_FILES = {
    "requirements": "requirements.txt",
    "pyproject": "pyproject.toml",
    "lock": "uv.lock",
    "pipfile": "Pipfile",
    "conda": "environment.yml",
    "compose": "compose.yaml",
    "container": "compose.yaml",
    "devcontainer": ".devcontainer/devcontainer.json",
    "workflow": ".github/workflows/ci.yml",
    "action": ".github/workflows/ci.yml",
    "action-file": "action.yml",
    "dockerignore": ".dockerignore",
    "pre-commit": ".pre-commit-config.yaml",
    "apptainer": "image.def",
}


def _example(path: str, index: int, value: object, on: tuple[str, ...]) -> Example:
    place = f"examples[{index}]: "
    if not isinstance(value, Mapping):
        raise RuleError(f"{path}: {place}expected a mapping")
    check_keys(path, place, value, _EXAMPLE_KEYS)
    if ("bad" in value) == ("good" in value):
        raise RuleError(f"{path}: {place}an example is either `bad` or `good`")
    bad = "bad" in value
    at = _texts(path, f"examples[{index}].at", value.get("at", []))
    if bad and not at:
        raise RuleError(f"{path}: {place}a bad example says where: `at`")
    if not bad and ("at" in value or "fixed" in value):
        raise RuleError(f"{path}: {place}a good example has neither `at` nor `fixed`")
    files = value.get("files", {})
    settings = value.get("settings", {})
    if not isinstance(files, Mapping) or not isinstance(settings, Mapping):
        raise RuleError(f"{path}: {place}`files` and `settings` are mappings")
    return Example(
        bad=bad,
        file=_text(path, value, "file") if "file" in value else _DEFAULT_FILES.get(on[0], "Dockerfile"),
        text=_text(path, value, "bad" if bad else "good", empty=True),
        files={str(name): str(text) for name, text in files.items()},
        at=at,
        fixed=_text(path, value, "fixed", empty=True) if "fixed" in value else None,
        title=_text(path, value, "title") if "title" in value else "",
        settings={str(key): setting for key, setting in settings.items()},
    )


def _text(path: str, fields: Mapping[object, object], key: str, *, empty: bool = False) -> str:
    value = fields[key]
    if not isinstance(value, str):
        raise RuleError(f"{path}: {key}: expected text, found {type(value).__name__}")
    if not value.strip() and not empty:
        raise RuleError(f"{path}: {key}: is empty")
    return value


def _texts(path: str, place: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise RuleError(f"{path}: {place}: expected a list of texts")
    return tuple(value)


def _mapping(path: str, value: object) -> Mapping[object, object]:
    if not isinstance(value, Mapping):
        raise RuleError(f"{path}: expected a mapping")
    return value


def _parse(path: str, data: bytes) -> object:
    import yaml

    from repro_audit import yaml_guard

    try:
        yaml_guard.check(data)
        return yaml.load(data, Loader=_loader())  # noqa: S506  (a safe loader, see below)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        place = getattr(error, "problem_mark", None)
        where = f":{place.line + 1}:{place.column + 1}" if place else ""
        raise RuleError(f"{path}{where}: {getattr(error, 'problem', None) or 'not readable as YAML'}") from None


@functools.lru_cache(maxsize=1)
def _loader() -> type[yaml.SafeLoader]:
    """A safe loader to which `on`, `off`, `yes` and `no` are words, and only `true` and `false` are truth values."""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        pass

    kept = {
        first: [pair for pair in pairs if not pair[0].endswith(":bool")]
        for first, pairs in Loader.yaml_implicit_resolvers.items()
    }
    Loader.yaml_implicit_resolvers = {
        first: [p for p in pairs if not p[0].endswith(":timestamp")] for first, pairs in kept.items()
    }
    Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(?:true|false)\Z"), list("tf"))
    return Loader

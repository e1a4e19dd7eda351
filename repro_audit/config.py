"""Configuration: finds it, reads it strictly, and honours `.hadolint.yaml`. Called by the CLI.

`[tool.repro-audit]` in pyproject.toml, `repro-audit.toml` and `.repro-audit.yaml` hold the same keys (see `KEYS`). In
one folder the first of `NAMES` counts; folders are searched upward from what is audited to the repository's root.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from repro_audit.finding import Severity

NAMES = ("repro-audit.toml", ".repro-audit.toml", ".repro-audit.yaml", ".repro-audit.yml", "pyproject.toml")
HADOLINT_NAMES = (".hadolint.yaml", ".hadolint.yml")
_TABLE = b"repro-audit"
_TABLE_HEAD = rb"(?m)^[ \t]*\[[ \t]*['\"]?tool['\"]?[ \t]*\.[ \t]*['\"]?repro-audit"
_MAX_BYTES = 4 * 1024 * 1024


class ConfigError(ValueError):
    """A configuration that cannot be used; the message names the file, the place and what was expected."""


class Hadolint(NamedTuple):
    """What a `.hadolint.yaml` says: codes (lower case) to leave out, and severities in place of the usual ones."""

    path: str = ""
    ignored: frozenset[str] = frozenset()
    severities: Mapping[str, Severity] = {}


class Config(NamedTuple):
    """The settings of a run. `folder` is where the file stands, from which its paths count; `path` is '' without one.

    What is None was not set. `fail_on` is a severity's name or `never`. `rules` are folders or `package:NAME`.
    """

    path: str = ""
    folder: str = ""
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()
    severity: Mapping[str, Severity] = {}
    per_file_ignores: Mapping[str, tuple[str, ...]] = {}
    exclude: tuple[str, ...] = ()
    profile: str | None = None
    fail_on: str | None = None
    rules: tuple[str, ...] = ()
    baseline: str | None = None
    jobs: int | None = None
    gpu_target: tuple[str, ...] = ()
    gpu_driver: str | None = None
    platforms: tuple[str, ...] = ()
    trusted_registries: tuple[str, ...] = ()
    label_schema: Mapping[str, str] = {}
    strict_labels: bool = False
    hadolint: Hadolint | None = None

    @property
    def for_rules(self) -> dict[str, object]:
        """The settings that checks ask a project for."""
        return {
            "gpu.target": self.gpu_target,
            "gpu.driver": self.gpu_driver,
            "platforms": self.platforms,
            "trusted-registries": self.trusted_registries,
            "label-schema": self.label_schema,
            "strict-labels": self.strict_labels,
        }


class _WrongError(ValueError):
    """What a value should have been; the caller adds the place."""


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _WrongError(f"expected text, found {_kind(value)}")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list):
        raise _WrongError(f"expected a list of texts, found {_kind(value)}")
    for item in value:
        if not isinstance(item, str):
            raise _WrongError(f"expected a list of texts, found {_kind(item)} in it")
    return tuple(value)


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _WrongError(f"expected a whole number from 1, found {_kind(value)} {value!r}"[:200])
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise _WrongError(f"expected true or false, found {_kind(value)}")
    return value


def _one_of(*words: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        # YAML reads an unquoted `off` as false.
        word = "off" if value is False and "off" in words else value
        if word not in words:
            raise _WrongError(f"expected one of {', '.join(words)}, found {str(value)[:40]!r}")
        return str(word)

    return read


def _driver(value: object) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return _text(value)


def _severities(value: object) -> dict[str, Severity]:
    read = _one_of("error", "warning", "info", "off")
    return {name: Severity.parse(read(each)) for name, each in _entries(value)}


def _lists(value: object) -> dict[str, tuple[str, ...]]:
    return {name: _texts(each) for name, each in _entries(value)}


def _words(value: object) -> dict[str, str]:
    return {name: _text(each) for name, each in _entries(value)}


def _entries(value: object) -> list[tuple[str, object]]:
    if not isinstance(value, Mapping):
        raise _WrongError(f"expected a table, found {_kind(value)}")
    return [(str(name), each) for name, each in value.items()]


def _kind(value: object) -> str:
    names = {str: "text", bool: "a truth value", int: "a number", float: "a number", list: "a list", dict: "a table"}
    return names.get(type(value), "nothing" if value is None else type(value).__name__)


# Every key, with the field it fills and the reader of its value.
KEYS: Mapping[str, tuple[str, Callable[[object], object]]] = {
    "select": ("select", _texts),
    "ignore": ("ignore", _texts),
    "extend-select": ("extend_select", _texts),
    "severity": ("severity", _severities),
    "per-file-ignores": ("per_file_ignores", _lists),
    "exclude": ("exclude", _texts),
    "profile": ("profile", _one_of("default", "strict")),
    "fail-on": ("fail_on", _one_of("error", "warning", "info", "never")),
    "rules": ("rules", _texts),
    "baseline": ("baseline", _text),
    "jobs": ("jobs", _number),
    "gpu.target": ("gpu_target", _texts),
    "gpu.driver": ("gpu_driver", _driver),
    "platforms": ("platforms", _texts),
    "trusted-registries": ("trusted_registries", _texts),
    "label-schema": ("label_schema", _words),
    "strict-labels": ("strict_labels", _truth),
}


def find(start: str) -> Config:
    """The configuration for the file or folder `start`, with what `.hadolint.yaml` adds; raises ConfigError."""
    folders = _folders(start)
    config = next((found for folder in folders if (found := _in_folder(folder)) is not None), Config())
    return _with_hadolint(config, folders)


def read(path: str, *, start: str | None = None) -> Config:
    """The configuration file at `path`, wherever it stands; raises ConfigError."""
    config = _read(path)
    if config is None:
        raise ConfigError(f"{path}: it has no table [tool.repro-audit]")
    return _with_hadolint(config, _folders(start or os.path.dirname(os.path.abspath(path))))


def from_values(values: Mapping[str, object], path: str = "", folder: str = "") -> Config:
    """The configuration that a table of values describes; raises ConfigError."""
    found: dict[str, object] = {}
    for key, value in _flat(path, values):
        name, read_value = KEYS[key]
        try:
            found[name] = read_value(value)
        except _WrongError as wrong:
            raise ConfigError(f"{path}: {key}: {wrong}") from None
        except KeyError as error:
            raise ConfigError(f"{path}: {key}: {error}") from None
    return Config(path=path, folder=folder, **found)  # type: ignore[arg-type]


def _flat(path: str, values: Mapping[str, object]) -> list[tuple[str, object]]:
    """The entries with `gpu: {target: ...}` as `gpu.target`; raises ConfigError for a key that is not known."""
    found: list[tuple[str, object]] = []
    for key, value in values.items():
        name = str(key).replace("_", "-")
        if name == "gpu" and isinstance(value, Mapping):
            found += [(f"gpu.{inner}", each) for inner, each in value.items()]
        else:
            found.append((name, value))
    for name, _ in found:
        if name not in KEYS:
            from repro_audit.rulebook import nearest

            close = nearest(name, KEYS)
            meant = f"did you mean `{close}`?" if close else f"known are {', '.join(KEYS)}"
            raise ConfigError(f"{path}: unknown key `{name}`; {meant}")
    return found


def _folders(start: str) -> list[str]:
    """The folders to search, nearest first: up to the repository's root, or to where the user stands without one."""
    folder = os.path.abspath(start)
    if not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    chain = [folder]
    while not os.path.lexists(os.path.join(chain[-1], ".git")):
        above = os.path.dirname(chain[-1])
        if above == chain[-1]:
            here = os.getcwd()
            inside = folder == here or folder.startswith(here.rstrip(os.sep) + os.sep)
            return [each for each in chain if inside and each.startswith(here)] or [folder]
        chain.append(above)
    return chain


def _in_folder(folder: str) -> Config | None:
    for name in NAMES:
        path = os.path.join(folder, name)
        if os.path.lexists(path):
            config = _read(path)
            if config is not None:
                return config
    return None


def _read(path: str) -> Config | None:
    """The configuration in a file; None for a pyproject.toml that has no part for us."""
    pyproject = os.path.basename(path) == "pyproject.toml"
    try:
        data = _bytes(path)
    except ConfigError:
        if pyproject:
            return None  # the audit says that it cannot be read
        raise
    folder = os.path.dirname(os.path.abspath(path))
    shown = os.path.relpath(path)
    if path.endswith((".yaml", ".yml")):
        return from_values(_yaml(shown, data), shown, folder)
    if pyproject and _TABLE not in data:
        return None  # reading TOML costs more than auditing a file
    try:
        values = _toml(shown, data)
    except ConfigError:
        if pyproject and re.search(_TABLE_HEAD, data) is None:
            return None  # broken, and not with words for us: the audit says so
        raise
    if pyproject:
        tool = values.get("tool")
        table = tool.get("repro-audit") if isinstance(tool, dict) else None
        if table is None:
            return None
        if not isinstance(table, dict):
            raise ConfigError(f"{shown}: tool.repro-audit: expected a table, found {_kind(table)}")
        values = table
    return from_values(values, shown, folder)


def _bytes(path: str) -> bytes:
    try:
        # Not blocking, so that a pipe in place of the file is an error and not a hang.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with open(handle, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError:
        raise ConfigError(f"{path!r}: no file has such a name") from None
    if len(data) > _MAX_BYTES:
        raise ConfigError(f"{path}: is too large for a configuration")
    return data


def _toml(shown: str, data: bytes) -> dict[str, object]:
    import sys

    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ConfigError(f"{shown}: is not valid UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{shown}: not valid TOML: {error}") from None


def _yaml(shown: str, data: bytes) -> dict[str, object]:
    import yaml

    from repro_audit import yaml_guard

    try:
        yaml_guard.check(data)
        values = yaml.load(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{mark.line + 1}:{mark.column + 1}: " if mark else ""
        raise ConfigError(f"{shown}: {place}not valid YAML: {getattr(error, 'problem', None) or error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{shown}: expected a mapping, found {_kind(values)}")
    return values


# --- hadolint's own configuration -------------------------------------------------------------------------------------

_HADOLINT_LEVELS = {"error": "error", "warning": "warning", "info": "info", "style": "info"}


def _with_hadolint(config: Config, folders: list[str]) -> Config:
    """The configuration with what a `.hadolint.yaml` in one of the folders adds; ours wins where both speak."""
    for folder in folders:
        for name in HADOLINT_NAMES:
            path = os.path.join(folder, name)
            if os.path.lexists(path):
                return _merged(config, os.path.relpath(path), _bytes(path))
    return config


def _merged(config: Config, shown: str, data: bytes) -> Config:
    values = _yaml(shown, data)

    def texts(value: object, place: str) -> tuple[str, ...]:
        try:
            return _texts(value if value is not None else [])
        except _WrongError as wrong:
            raise ConfigError(f"{shown}: {place}: {wrong}") from None

    severities: dict[str, Severity] = {}
    override = values.get("override") or {}
    if not isinstance(override, dict):
        raise ConfigError(f"{shown}: override: expected a table, found {_kind(override)}")
    for level, codes in override.items():
        if level in _HADOLINT_LEVELS:
            severity = Severity.parse(_HADOLINT_LEVELS[level])
            severities.update((code.lower(), severity) for code in texts(codes, f"override.{level}"))
    hadolint = Hadolint(shown, frozenset(c.lower() for c in texts(values.get("ignored"), "ignored")), severities)
    config = config._replace(hadolint=hadolint)
    trusted = texts(values.get("trustedRegistries"), "trustedRegistries")
    if trusted and not config.trusted_registries:
        config = config._replace(trusted_registries=trusted)
    schema = values.get("label-schema")
    if isinstance(schema, dict) and not config.label_schema:
        config = config._replace(label_schema={str(key): str(value) for key, value in schema.items()})
    if values.get("strict-labels") is True:
        config = config._replace(strict_labels=True)
    if config.fail_on is None:
        threshold = values.get("failure-threshold")
        if values.get("no-fail") is True or threshold in ("none", "ignore"):
            config = config._replace(fail_on="never")
        elif threshold in _HADOLINT_LEVELS:
            config = config._replace(fail_on=_HADOLINT_LEVELS[str(threshold)])
    return config

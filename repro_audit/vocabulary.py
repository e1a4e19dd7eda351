"""What a `match` may ask of a fact: the attributes of the fact classes, read from their annotations.

Called when a rule file is read, so that a misspelt attribute is an error there and not a rule that never speaks.
"""

from __future__ import annotations

import functools
import importlib
import types
import typing
from collections.abc import Mapping

from repro_audit.match import MatchError, paths
from repro_audit.rulebook import KINDS, nearest

_MODULES = (
    "finding source syntax.error syntax.dockerfile syntax.shell syntax.tree discover facts.pin facts.file facts.input "
    "facts.command facts.instruction facts.stage facts.container facts.installation facts.context facts.health "
    "facts.project suppression engine"
).split()
_CLASSES = {
    "instruction": ("facts.instruction", "Instruction"),
    "stage": ("facts.stage", "Stage"),
    "command": ("facts.command", "Command"),
    "image": ("facts.input", "ImageRef"),
    "package": ("facts.input", "Package"),
    "download": ("facts.input", "Download"),
    "action": ("facts.input", "ActionRef"),
    "container": ("facts.container", "Container"),
    "install": ("facts.installation", "Installation"),
    "index-option": ("facts.installation", "IndexOption"),
    "context-file": ("facts.context", "ContextFile"),
    "healthcheck": ("facts.health", "Health"),
    "project": ("facts.project", "Project"),
    "syntax-error": ("syntax.error", "Error"),
    "suppression": ("suppression", "Suppression"),
    "failure": ("engine", "Failure"),
}


def check_paths(match: object, on: tuple[str, ...]) -> None:
    """Raise MatchError for an attribute path that none of the fact types of `on` has."""
    classes = [cls for name in on for cls in fact_classes(name)]
    for path in paths(match):
        problems = [_problem(cls, path) for cls in classes]
        if classes and all(problems):
            raise MatchError(f"match.{path}: {problems[0]}")


def fact_classes(name: str) -> list[type]:
    """The classes of the facts that a rule `on: name` sees."""
    if name == "input":
        return [cls for part in ("image", "package", "download", "action") for cls in fact_classes(part)]
    if name == "file" or any(name in names for names in KINDS.values()):
        return [_class("facts.file", "FileFacts")]
    return [_class(*_CLASSES[name])]


def _class(module: str, name: str) -> type:
    found: type = getattr(importlib.import_module(f"repro_audit.{module}"), name)
    return found


def _problem(cls: type, path: str) -> str | None:
    """What is wrong with `path` on facts of `cls`, or None."""
    current: set[type] = {cls}
    for name in path.split("."):
        following: set[type] = set()
        for owner in current:
            if owner is object or issubclass(owner, dict):
                return None  # anything may stand there
            hints = _attributes(owner)  # type: ignore[arg-type]
            if name in hints:
                following |= hints[name]
        if not following:
            owner = sorted(current, key=lambda c: c.__name__)[0]
            close = nearest(name, _attributes(owner))
            meant = f"; did you mean `{close}`?" if close else ""
            return f"{owner.__name__} has no attribute `{name}`{meant}"
        current = following
    return None


@functools.cache
def _attributes(cls: type) -> dict[str, set[type]]:
    """The attributes of a class and the classes that their values may have; `object` and `dict` stand for anything."""
    namespace: dict[str, object] = {}
    for module in _MODULES:
        namespace.update(vars(importlib.import_module(f"repro_audit.{module}")))
    found: dict[str, set[type]] = {}
    for owner in reversed(cls.__mro__):
        for name, hint in getattr(owner, "__annotations__", {}).items():
            if not name.startswith("_"):
                found[name] = _resolved(owner, hint, namespace)
        for name, value in vars(owner).items():
            if isinstance(value, property) and value.fget is not None:
                found[name] = _resolved(owner, value.fget.__annotations__.get("return", object), namespace)
    return found


def _resolved(owner: type, hint: object, namespace: dict[str, object]) -> set[type]:
    if isinstance(hint, str):
        own = vars(importlib.import_module(owner.__module__))
        try:
            hint = eval(hint, {**namespace, **own})  # noqa: S307  (our own annotations)
        except (NameError, AttributeError):
            # The module names it by a prefix or only for the type checker; nothing can be said about it.
            return {object}
    return _classes_in(hint)


def _classes_in(hint: object) -> set[type]:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return {cls for part in typing.get_args(hint) if part is not type(None) for cls in _classes_in(part)}
    if origin in (tuple, list, frozenset, set):
        return {cls for part in typing.get_args(hint) if part is not ... for cls in _classes_in(part)}
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return {dict}
    return {hint} if isinstance(hint, type) else {object}

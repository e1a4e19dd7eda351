"""Checks: rules that need more than `match`. One module per theme; each is `fact -> Iterator[Problem]`, without I/O.

A rule file names its check as `module.function`. Modules are loaded when a fact that the rule asks for occurs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from repro_audit.finding import Problem

Check = Callable[[object], Iterable[Problem]]

ENTRY_POINTS = "repro_audit.checks"


class CheckError(LookupError):
    """There is no such check; the message says where it was looked for."""


def find(name: str) -> Check:
    """The check called `module.function`: one of ours, or of an installed package that provides `module`.

    Raises CheckError. A package provides checks by the entry point group `repro_audit.checks`; nothing is ever taken
    from the repository that is audited.
    """
    module, _, function = name.rpartition(".")
    if module.isidentifier() and os.path.exists(os.path.join(os.path.dirname(__file__), f"{module}.py")):
        found = getattr(__import__(f"{__name__}.{module}", fromlist=[function]), function, None)
    else:
        provider, _, rest = module.partition(".")
        found = provided(provider)
        for part in [*rest.split("."), function] if rest else [function]:
            found = getattr(found, part, None)
    if not callable(found):
        raise CheckError(f"there is no check `{name}`")
    check: Check = found
    return check


def provided(provider: str) -> object:
    """What an installed package offers as `provider` in the entry point group; raises CheckError."""
    from importlib.metadata import entry_points

    for entry in entry_points(group=ENTRY_POINTS):
        if entry.name == provider:
            loaded: object = entry.load()
            return loaded
    raise CheckError(f"no installed package provides the checks `{provider}`")

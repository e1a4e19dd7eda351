"""Under which conditions `verify` builds: what it varies, which time it builds for, and how reports say so."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from repro_audit.cli.problem import CannotError

if TYPE_CHECKING:
    from repro_audit.container.engine import Built, EngineInfo
    from repro_audit.verify.circumstances import Dating

VARIATIONS = {
    "time": "time (some seconds)",
    "directory": "build directory",
    "order": "order of files on disk",
    "umask": "umask of the engine's program",
    "hostname": "hostname",
    "locale": "locale and time zone of the engine's program",
    "checkout": "the permissions of the files, as a checkout under another umask has them",
}
_USUAL = tuple(VARIATIONS)[:-1]


def varied(text: str | None) -> tuple[str, ...]:
    """What `--vary` asks for; raises CannotError."""
    if text is None:
        return _USUAL
    if text in ("all", "none"):
        return tuple(VARIATIONS) if text == "all" else ()
    asked = tuple(part.strip() for part in text.split(","))
    for each in asked:
        if each in ("all", "none"):
            raise CannotError(f"--vary {text}: {each} stands alone")
        if each not in VARIATIONS:
            raise CannotError(f"--vary {each}: there are {', '.join(VARIATIONS)}, all and none")
    return tuple(dict.fromkeys(asked))


def told_variations(asked: tuple[str, ...], info: EngineInfo) -> dict[str, str]:
    """What was varied between two builds, and what was not."""
    able = {each for each in asked if each != "hostname" or "hostname" in info.features}
    rest = ["the day and year: containers have the clock of the machine"]
    for name, what in VARIATIONS.items():
        if name in asked and name not in able:
            rest.append(f"{what}: {info} cannot be given one")
        elif name not in asked:
            rest.append(what if name != "time" else "any time between the builds")
    return {
        "varied": ", ".join(VARIATIONS[each] for each in asked if each in able) or "nothing",
        "not varied": "; ".join(rest),
    }


def epoch_of(given: int | None, context: str) -> tuple[int | None, str]:
    """The time to build for and who said so: the option, the environment, or the last commit. Raises CannotError."""
    from repro_audit.container.build_context import commit_time, uncommitted

    if given is not None:
        return given, "given"
    variable = os.environ.get("SOURCE_DATE_EPOCH", "")
    if variable:
        if not (variable.isascii() and variable.isdecimal()):
            raise CannotError(f"SOURCE_DATE_EPOCH={variable} in the environment: it is a time in seconds since 1970")
        return int(variable), "from the environment"
    commit = commit_time(context)
    if commit is not None and uncommitted(context):
        return commit, "the last commit, though not all files here are committed"
    return commit, "the last commit"


def in_words(epoch: str, said_by: str) -> str:
    """A time in seconds, as people read it, and who said so."""
    from datetime import datetime, timezone

    try:
        date = datetime.fromtimestamp(int(epoch), timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC, ")
    except (ValueError, OverflowError, OSError):
        date = ""
    return f"{epoch} ({date}{said_by})"


def told_epoch(epoch: int | None, said_by: str, built: Built, info: EngineInfo) -> dict[str, str]:
    """Which time was in force, and for what."""
    from repro_audit.verify.remedy import DATING

    if epoch is None:
        return {"SOURCE_DATE_EPOCH": "not in force: no commit tells a time, and none was given"}
    if not built.in_force:
        return {"SOURCE_DATE_EPOCH": f"not in force: {info} does not know it; {DATING}"}
    found = dict(built.in_force)
    for name in ("SOURCE_DATE_EPOCH", "--timestamp"):
        if name in found:
            found[name] = in_words(found[name], said_by)
    if "rewrite-timestamp" not in found and "--timestamp" not in found:
        found["rewrite-timestamp"] = f"not in force: {info} does not know it; {DATING}"
    return found


def dating(epoch: int | None, built: Built) -> Dating:
    """How the engine dated what it built."""
    if epoch is None:
        return "no-time"
    if "rewrite-timestamp" in built.in_force:
        return "files"
    if "--timestamp" in built.in_force:
        return "option"
    return "image" if built.in_force else "none"

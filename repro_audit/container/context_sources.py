"""Which part of the build context a Dockerfile can take: what COPY, ADD and bind mounts name, and all where that is not
certain. A stored result of `verify` depends on that part alone.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from repro_audit.source import Source
from repro_audit.syntax import dockerfile as syntax

if TYPE_CHECKING:
    from collections.abc import Iterator

# Behind the first of these a path is not what it says: patterns, variables, quotes, escapes.
_OPEN = re.compile(r"[*?\[\\$\"'`]")
_REMOTE = re.compile(r"(?i)https?://|git@|git://|ssh://")
_FRONTEND = re.compile(r"(?:docker\.io/)?docker/dockerfile(?:-upstream)?(?:[:@]|\Z)")


def taken(context: str, dockerfile: str) -> tuple[str, ...] | None:
    """The paths in the context that instructions name, without what follows a wildcard; None where it may be all."""
    try:
        with open(dockerfile, "rb") as file:
            parsed = syntax.parse(Source.from_bytes(dockerfile, file.read(1 << 24)))
    except OSError:
        return None
    if parsed.errors or any(d.name == "syntax" and not _FRONTEND.match(d.value) for d in parsed.directives):
        return None
    found = []
    for instruction in parsed.instructions:
        for written in _sources(instruction.onbuild or instruction):
            path = _closed(written)
            if not path or _crosses_link(context, path):
                return None
            found.append(path)
    return tuple(dict.fromkeys(found))


def holds(paths: tuple[str, ...] | None, path: str) -> bool:
    """Whether what stands at `path` is among what is taken, below it, or a folder above it."""
    if paths is None:
        return True
    return any(path == each or path.startswith(f"{each}/") or each.startswith(f"{path}/") for each in paths)


def _sources(instruction: syntax.Instruction) -> Iterator[str]:
    """Paths of the context as an instruction writes them."""
    if instruction.keyword in ("copy", "add"):
        if any(flag.name == "from" for flag in instruction.flags):
            return
        for word in instruction.value[:-1]:
            if not word.text.startswith("<<") and not _REMOTE.match(word.text):
                yield word.text
    elif instruction.keyword == "run":
        for flag in instruction.flags:
            if flag.name == "mount":
                fields = dict(part.partition("=")[::2] for part in (flag.value or "").lower().split(","))
                if fields.get("type", "bind") == "bind" and "from" not in fields:
                    written = re.search(r"(?i)(?:^|,)(?:source|src)=([^,]*)", flag.value or "")
                    yield written[1] if written else "."


def _closed(written: str) -> str:
    """The part of a path that is certain, from the context's root; empty for the root."""
    opened = _OPEN.search(written)
    path = written[: opened.start()].rpartition("/")[0] if opened else written
    path = os.path.normpath("/" + path).lstrip("/")
    return "" if path == "." else path


def _crosses_link(context: str, path: str) -> bool:
    """Whether a link stands on the way: then the builder takes what it points to."""
    place = context
    for part in path.split("/"):
        place = os.path.join(place, part)
        if os.path.islink(place):
            return True
    return False

"""Which files git tracks, read from `.git/index` without starting git. `discover` asks for it where an ignore pattern
would leave out a file: what is tracked is part of the repository whatever the patterns say."""

from __future__ import annotations

import os

from repro_audit.record import dataclass

_MAX_BYTES = 256 * 1024 * 1024


@dataclass(slots=True, frozen=True)
class Tracked:
    """Paths in git's index, as bytes with `/`, from the top of the work tree; `folders` are all that hold one."""

    files: frozenset[bytes]
    folders: frozenset[bytes]


NOTHING = Tracked(frozenset(), frozenset())


def git_folder(top: str) -> str | None:
    """The folder with git's own files for the work tree `top`, through the `.git` file of worktrees and submodules."""
    place = os.path.join(top, ".git")
    if os.path.isdir(place):
        return place
    try:
        with open(place, "rb") as file:
            text = file.read(4096)
    except OSError:
        return None
    if not text.startswith(b"gitdir:"):
        return None
    return os.path.join(top, os.fsdecode(text[7:].strip()))


def exclude_file(top: str) -> str | None:
    """The path of `info/exclude` for the work tree `top`; worktrees share that of their main repository."""
    folder = git_folder(top)
    if folder is None:
        return None
    try:
        with open(os.path.join(folder, "commondir"), "rb") as file:
            folder = os.path.join(folder, os.fsdecode(file.read(4096).strip()))
    except OSError:
        pass
    return os.path.join(folder, "info", "exclude")


def tracked(top: str) -> Tracked:
    """What the index of the work tree `top` lists; nothing where there is no index or it cannot be read."""
    folder = git_folder(top)
    if folder is None:
        return NOTHING
    try:
        with open(os.path.join(folder, "index"), "rb") as file:
            data = file.read(_MAX_BYTES)
    except OSError:
        return NOTHING
    files = _entries(data)
    folders: set[bytes] = set()
    for path in files:
        cut = path.rfind(b"/")
        while cut > 0 and path[:cut] not in folders:
            folders.add(path[:cut])
            cut = path.rfind(b"/", 0, cut)
    return Tracked(frozenset(files), frozenset(folders))


def _entries(data: bytes) -> list[bytes]:
    """The paths in an index of version 2, 3 or 4 (gitformat-index(5)); reading stops where the data makes no sense."""
    version = int.from_bytes(data[4:8], "big")
    if not data.startswith(b"DIRC") or version not in (2, 3, 4):
        return []
    paths: list[bytes] = []
    at = 12
    previous = b""
    for _ in range(int.from_bytes(data[8:12], "big")):
        start = at
        # Ten 32-bit words and a SHA-1 come before the flags; an extended entry has 16 bits of flags more.
        extended = start + 60 < len(data) and data[start + 60] & 0x40
        at += 64 if extended else 62
        keep = 0
        if version == 4:
            drop, at = _offset(data, at)
            keep = len(previous) - drop
        end = data.find(b"\0", at)
        if end == -1 or keep < 0:
            break
        previous = previous[:keep] + data[at:end] if version == 4 else data[at:end]
        paths.append(previous)
        at = end + 1 if version == 4 else start + ((end - start) // 8 + 1) * 8
    return paths


def _offset(data: bytes, at: int) -> tuple[int, int]:
    """Git's variable-length number at `at` and the offset after it."""
    value = 0
    while at < len(data):
        byte = data[at]
        at += 1
        value = (value << 7) | (byte & 0x7F)
        if not byte & 0x80:
            break
        value += 1
    return value, at

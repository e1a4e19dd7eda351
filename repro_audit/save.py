"""Writes a changed file in one step, so that nobody ever sees a part of it. Called by the CLI after `fix`."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from repro_audit.source import Source


class SaveError(Exception):
    """A file could not be written; the message says which, why, and that it is unchanged."""


def rewritten(source: Source, before: bytes) -> bytes:
    """The bytes of a changed source whose file read `before`.

    Raises SaveError where decoding had to replace something, as in broken UTF-16: writing would spread the damage.
    """
    original = type(source).from_bytes(source.path, before)
    try:
        if original.encode(original.text) == before:
            return source.encode(source.text)
    except UnicodeError:
        pass
    raise SaveError(f"{source.path}: not changed, not all of its bytes are valid {source.encoding}")


def save(path: str, data: bytes, *, expected: bytes, root: str | None = None) -> None:
    """Replace the content of the file at `path`, which must still be `expected`, by `data`.

    Mode and, where allowed, owner are kept. A symbolic link stays and its target is written, but with `root` only
    where that lies under it. Raises SaveError when the file has changed, is read-only, no plain file, or elsewhere.
    """
    target = os.path.realpath(path)
    if root is not None and not _within(target, os.path.realpath(root)):
        raise SaveError(f"{path}: not changed, it is a link to {target}, outside of {root}")
    try:
        status = os.stat(target)
        if not stat.S_ISREG(status.st_mode):
            raise SaveError(f"{path}: not changed, it is no plain file")
        if not status.st_mode & 0o222 or not os.access(target, os.W_OK):
            raise SaveError(f"{path}: not changed, it is read-only")
        with open(target, "rb") as file:
            if file.read() != expected:
                raise SaveError(f"{path}: not changed, it was modified meanwhile; run the command again")
        if data != expected:
            _replace(target, data, status)
    except OSError as error:
        raise SaveError(f"{path}: not changed, {error.strerror or error}") from error


def _within(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)


def _replace(target: str, data: bytes, status: os.stat_result) -> None:
    folder = os.path.dirname(target)
    # In the same folder, since a rename is atomic within one file system only.
    temporary = os.path.join(folder, f".repro-audit-{os.getpid()}-{status.st_ino}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            if hasattr(os, "fchown"):
                _keep_owner(file.fileno(), status)
            os.chmod(temporary, stat.S_IMODE(status.st_mode))
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync_folder(folder)


def _keep_owner(handle: int, status: os.stat_result) -> None:
    now = os.fstat(handle)
    if (now.st_uid, now.st_gid) != (status.st_uid, status.st_gid):
        try:
            os.fchown(handle, status.st_uid, status.st_gid)
        except OSError:
            pass  # not ours to give away: editors that write this way do the same


def _sync_folder(folder: str) -> None:
    """Make the rename itself survive a power cut, where the system can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)

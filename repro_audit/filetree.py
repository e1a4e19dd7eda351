"""A `Tree` is what there is to audit under one root, and the only way to the files there.

Made by `discover`; nothing here follows a link out of the root or opens anything but a regular file.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator

from repro_audit.record import dataclass

# Larger files are not read: nothing that people write by hand comes near.
MAX_BYTES = 64 * 1024 * 1024

_MAX_LISTED = 200_000


@dataclass(slots=True, frozen=True)
class File:
    """A file to audit.

    `path` is relative to the tree's root with `/`; `shown` is how reports name it (relative to where the user stands).
    `kind` is one of `dockerfile requirements constraints pyproject uv-lock poetry-lock pdm-lock pylock pipfile
    pipfile-lock conda compose devcontainer workflow action dockerignore pre-commit apptainer`.
    """

    path: str
    shown: str
    kind: str


@dataclass(slots=True, frozen=True)
class Trouble:
    """A place that could not be looked at, and why.

    `reason` is `missing`, `unreadable`, `special` (no regular file), `broken-link`, `outside` (a link that leads out
    of the tree), `unknown` (no kind of file known here) or `template` (a file that has to be filled in first).
    `named` when the user asked for this very path, so that not looking at it is a failure of the run.
    """

    path: str
    shown: str
    reason: str
    message: str
    named: bool = False


class Tree:
    """The files under one root. `files` are those to audit; anything else can still be asked for by path.

    Paths are relative to the root, with `/`. `problems` are the places that could not be looked at. `given` holds
    contents that do not come from the disk (standard input).
    """

    __slots__ = (
        "_folders",
        "_listings",
        "_modes",
        "_names",
        "_real",
        "_shown_prefix",
        "_standing",
        "files",
        "given",
        "named",
        "problems",
        "root",
    )

    def __init__(
        self,
        root: str,
        files: Iterable[File] = (),
        problems: Iterable[Trouble] = (),
        *,
        given: dict[str, bytes] | None = None,
        named: Iterable[str] = (),
        shown_prefix: str = "",
        standing: str = "",
    ) -> None:
        self.root = root
        self.files = tuple(files)
        self.problems = tuple(problems)
        self.given = given or {}
        # Paths that the user named: read even where they are links that lead elsewhere.
        self.named = frozenset(named)
        # What stands before a path in reports; `standing` is the folder of the tree in which the user stands.
        self._shown_prefix = shown_prefix
        self._standing = standing + "/" if standing else ""
        self._real = os.path.realpath(root)
        self._listings: dict[str, tuple[str, ...]] = {}
        self._names: dict[str, tuple[str, ...]] = {}
        self._modes: dict[str, int] = {}
        self._folders: dict[str, str] = {}

    def read(self, path: str) -> bytes:
        """The bytes of a file under the root (raises OSError); links that lead out of the root are not followed."""
        if path in self.given:
            return self.given[path]
        return read_regular(self._inside(path))

    def exists(self, path: str) -> bool:
        """Whether a file or folder stands at `path`, links out of the root counting as missing."""
        return path in self.given or self._mode(path) != 0

    def is_dir(self, path: str) -> bool:
        """Whether a folder stands at `path`."""
        return path not in self.given and stat.S_ISDIR(self._mode(path))

    def shown(self, path: str) -> str:
        """How reports name the file at `path`, the root itself being the empty path."""
        if not path:
            return self._shown_prefix.rstrip("/") or "."
        if self._standing and path.startswith(self._standing):
            return path[len(self._standing) :]
        return self._shown_prefix + path

    def names(self, folder: str) -> tuple[str, ...]:
        """What stands right in `folder`, by name, in order; nothing where it cannot be looked into."""
        known = self._names.get(folder)
        if known is None:
            try:
                known = tuple(sorted(entry.name for entry in _entries(self._inside(folder))))
            except OSError:
                known = ()
            self._names[folder] = known
        return known

    def listing(self, folder: str) -> tuple[str, ...]:
        """All paths (relative to the root) of files under `folder`, ignored ones included, `.git` given as one entry.

        Links are listed, never followed. A folder with more than 200,000 files is listed in part.
        """
        known = self._listings.get(folder)
        if known is None:
            known = self._listings[folder] = tuple(sorted(self._list("" if folder == "." else folder.rstrip("/"))))
        return known

    def _list(self, folder: str) -> Iterator[str]:
        try:
            top = self._inside(folder)
        except OSError:
            return
        count = 0
        folders = [(top, folder + "/" if folder else "")]
        while folders:
            place, prefix = folders.pop()
            for entry in _entries(place):
                path = prefix + entry.name
                if entry.name != ".git" and entry.is_dir(follow_symlinks=False):
                    folders.append((entry.path, path + "/"))
                    continue
                yield path
                count += 1
                if count >= _MAX_LISTED:
                    return

    def _mode(self, path: str) -> int:
        mode = self._modes.get(path)
        if mode is None:
            try:
                mode = os.stat(self._inside(path)).st_mode
            except (OSError, ValueError):
                mode = 0
            self._modes[path] = mode
        return mode

    def _inside(self, path: str) -> str:
        """Where `path` is on the disk; raises OSError when that is not in the tree."""
        place = os.path.join(self.root, path)
        if path in self.named:
            return place
        if "\0" in path:
            raise OSError(errno.EINVAL, "no file has such a name")
        folder, _, name = path.rpartition("/")
        if name and name not in (".", "..") and ".." not in folder:
            # Following the links of each folder once is most of the work of following those of its files.
            parent = self._folders.get(folder) or self._real_folder(folder)
            place = os.path.join(parent, name)
            if holds(self._real, parent) and not os.path.islink(place):
                return place
        real = os.path.realpath(place)
        if not holds(self._real, real):
            raise OSError(errno.EXDEV, "it lies outside of the project")
        return real

    def _real_folder(self, folder: str) -> str:
        """Where `folder` (without `..`) is on the disk, from where its parent is: a deep tree has many parents."""
        if folder.startswith("/"):
            return os.path.realpath(folder)
        new = []
        while folder and folder not in self._folders:
            new.append(folder)
            folder = folder.rpartition("/")[0]
        place = self._folders[folder] if folder else self._real
        for each in reversed(new):
            name = each.rpartition("/")[2]
            place = os.path.join(place, name)
            if name in ("", ".") or os.path.islink(place):
                place = os.path.realpath(place)
            self._folders[each] = place
        return place


def read_regular(place: str, limit: int = MAX_BYTES) -> bytes:
    """The first `limit` bytes of a regular file; raises OSError for anything else and for a file larger than 64 MiB.

    Never waits, as opening a pipe would.
    """
    handle = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with open(handle, "rb") as file:
        state = os.fstat(handle)
        if stat.S_ISDIR(state.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(state.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        if state.st_size > MAX_BYTES:
            raise OSError(errno.EFBIG, f"it is larger than {MAX_BYTES // 1024 // 1024} MiB")
        return file.read(limit)


def _entries(place: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(place) as found:
            return list(found)
    except OSError:
        return []


def holds(folder: str, place: str) -> bool:
    """Whether the absolute path `place` is `folder` or lies in it."""
    return place == folder or place.startswith(folder if folder == "/" else folder + "/")


def relative(root: str, place: str) -> str:
    """The absolute path `place` from the folder `root` that holds it; empty for `root` itself."""
    return "" if place == root else place[len(root.rstrip("/")) + 1 :]

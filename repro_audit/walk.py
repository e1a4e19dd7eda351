"""Walks a tree once: which of its files are to be audited, and what stood in the way. Called by `discover`.

What git leaves out is left out, and so are folders that tools fill. A place that is broken stops nothing.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import TYPE_CHECKING

from repro_audit import kind
from repro_audit.filetree import File, Tree, Trouble, holds, read_regular, relative
from repro_audit.record import dataclass

if TYPE_CHECKING:
    from repro_audit import gitindex
    from repro_audit.gitignore import IgnoreList

# Folders that hold what tools put there. A folder with a `pyvenv.cfg` is one of them whatever its name.
SKIPPED = frozenset(
    ".git .hg .svn .bzr .jj node_modules bower_components .venv .tox .nox .direnv .eggs __pycache__ __pypackages__ "
    "site-packages .mypy_cache .ruff_cache .pytest_cache .hypothesis .ipynb_checkpoints .terraform".split()
)


@dataclass(slots=True, frozen=True)
class Folder:
    """A folder to look at, and what leaves things out of it.

    `top` is the work tree it belongs to, `lists` the ignore files that count in it, shallowest first. In a `shut`
    folder, which is left out itself, only what git tracks counts.
    """

    path: str
    top: str | None
    lists: list[IgnoreList]
    shut: bool = False


class Walk:
    """Collects the files and problems of one tree."""

    def __init__(self, tree: Tree, exclude: Sequence[str], exclude_from: str | None) -> None:
        self.tree = tree
        self.root = tree.root
        self.files: dict[str, File] = {}
        self.problems: dict[str, Trouble] = {}
        self._links: list[tuple[str, kind.Guess]] = []
        self._tracked: dict[str, gitindex.Tracked] = {}
        self._visited: set[str] = set()
        base = os.path.abspath(exclude_from) if exclude_from is not None else self.root
        self._above_root = _split(os.fsencode(relative(base, self.root))) if holds(base, self.root) else []
        self._excluded = _parse(b"\n".join(os.fsencode(glob) for glob in exclude), 0) if exclude else None

    # --- paths that the user named --------------------------------------------------------------------------------

    def take_named(self, path: str, shown: str) -> None:
        """Take a file as it is; its kind by name, else by content."""
        found: str | None = None
        try:
            if path not in self.tree.given and not os.path.lexists(os.path.join(self.root, path)):
                return self._trouble(path, "missing", "there is no such file or folder", shown, named=True)
            head = self.tree.read(path)[: kind.HEAD_BYTES]
        except (OSError, ValueError) as error:
            message = f"it cannot be read: {getattr(error, 'strerror', None) or error}"
            return self._trouble(path, "unreadable", message, shown, named=True)
        text = head.decode("utf-8", "replace")
        guess = kind.guess(path)
        if guess is not None and guess.confirm not in (None, kind.is_plain, kind.is_dockerfile):
            found = guess.kind if guess.kind != "apptainer" else kind.by_content(text)
        elif guess is not None:
            found = guess.kind if kind.is_plain(text) else None
        if found is None and not kind.is_plain(text):
            message = "it is a template: fill it in first, and audit what comes out"
            return self._trouble(path, "template", message, shown, named=True)
        found = found or kind.by_content(text)
        if found is None:
            message = (
                "neither its name nor its content says what kind of file it is; a Dockerfile starts with FROM or ARG"
            )
            return self._trouble(path, "unknown", message, shown, named=True)
        self.files[path] = File(path, shown, found)
        return None

    # --- folders --------------------------------------------------------------------------------------------------

    def walk(self, start: str) -> None:
        """Take what there is to audit under the folder `start`, which is looked at even if an ignore file names it."""
        folders = [self._start(start)]
        while folders:
            folder = folders.pop()
            if folder.path not in self._visited:
                self._visited.add(folder.path)
                folders.extend(self._folder(folder))
        for path, guess in self._links:
            self._take_link(path, guess)
        self._links.clear()

    def _folder(self, folder: Folder) -> list[Folder]:
        """Take the files of one folder; gives the folders in it that are to be walked."""
        path = folder.path
        place = os.path.join(self.root, path) if path else self.root
        try:
            with os.scandir(place) as found:
                entries = list(found)
        except FileNotFoundError:
            return []  # it vanished since its parent was read
        except (OSError, ValueError) as error:
            message = f"the folder cannot be read: {getattr(error, 'strerror', None) or error}"
            self._trouble(path or ".", "unreadable", message)
            return []
        names = {entry.name for entry in entries}
        if "pyvenv.cfg" in names and path:
            return []
        if ".git" in names and place != folder.top:
            folder = Folder(path, place, self._exclude_file(place))
        if ".gitignore" in names:
            lists = self._with(folder.lists, os.path.join(place, ".gitignore"), folder.top, place)
            folder = Folder(path, folder.top, lists, folder.shut)
        below = []
        for entry in entries:
            inside = f"{path}/{entry.name}" if path else entry.name
            if _is_folder(entry):
                if entry.name not in SKIPPED:
                    left_out, tracked = self._is_left_out(inside, True, folder)
                    if tracked or not left_out:
                        below.append(Folder(inside, folder.top, folder.lists, left_out))
                continue
            guess = kind.guess(inside)
            if guess is not None:
                left_out, tracked = self._is_left_out(inside, False, folder)
                if tracked or not left_out:
                    self._take(inside, entry, guess, names)
        return below

    def _take(self, path: str, entry: os.DirEntry[str], guess: kind.Guess, names: set[str]) -> None:
        if entry.is_symlink():
            self._links.append((path, guess))
            return
        try:
            regular = entry.is_file(follow_symlinks=False)
        except OSError:
            return
        if not regular:
            self._trouble(path, "special", "it is a device, socket or pipe, and is not opened")
            return
        confirmed = self._confirmed(path, guess, names)
        if confirmed:
            self.files[path] = File(path, self.tree.shown(path), guess.kind)

    def _confirmed(self, path: str, guess: kind.Guess, names: set[str]) -> bool:
        if guess.confirm is None:
            return True
        try:
            text = read_regular(os.path.join(self.root, path), kind.HEAD_BYTES).decode("utf-8", "replace")
        except FileNotFoundError:
            return False
        except OSError:
            # The file is to be read in full later, and what went wrong is said then.
            return guess.confirm is kind.is_plain
        if guess.sibling is not None and guess.sibling.rpartition("/")[2] in names:
            return kind.is_requirements(text)
        return guess.confirm(text)

    def _take_link(self, path: str, guess: kind.Guess) -> None:
        """A link counts where it leads to a file of the tree that is not audited under its own name."""
        place = os.path.join(self.root, path)
        real = os.path.realpath(place)
        if not holds(os.path.realpath(self.root), real):
            self._trouble(path, "outside", "it is a link that leads out of the project, and is not followed")
            return
        try:
            mode = os.stat(place).st_mode
        except OSError:
            self._trouble(path, "broken-link", "it is a link to a file that does not exist")
            return
        target = relative(os.path.realpath(self.root), real)
        if not stat.S_ISREG(mode) or target in self.files:
            return
        if self._confirmed(path, guess, set()):
            self.files[path] = File(path, self.tree.shown(path), guess.kind)

    def _trouble(self, path: str, reason: str, message: str, shown: str | None = None, *, named: bool = False) -> None:
        self.problems[path] = Trouble(path, self.tree.shown(path) if shown is None else shown, reason, message, named)

    # --- what is left out -----------------------------------------------------------------------------------------

    def _is_left_out(self, path: str, is_folder: bool, folder: Folder) -> tuple[bool, bool]:
        """Whether something in `folder` is left out, and if so, whether git tracks it (or something in it) even so."""
        if self._excluded is not None:
            components = [*self._above_root, *_split(os.fsencode(path))]
            if self._excluded.verdict(components, is_folder):
                return True, False
        if not folder.lists and not folder.shut:
            return False, False
        top = folder.top or self.root
        from_top = os.fsencode(relative(top, os.path.join(self.root, path)))
        from repro_audit import gitignore, gitindex

        if not folder.shut and not gitignore.is_ignored(folder.lists, from_top.split(b"/"), is_folder):
            return False, False
        if folder.top is None:
            return True, False
        tracked = self._tracked.get(top)
        if tracked is None:
            tracked = self._tracked[top] = gitindex.tracked(top)
        return True, from_top in (tracked.folders if is_folder else tracked.files)

    def _start(self, start: str) -> Folder:
        """The folder a walk starts in, with the work tree that holds it and the ignore files above it."""
        place = os.path.join(self.root, start) if start else self.root
        chain = []
        top: str | None = None
        folder = os.path.dirname(place)
        while folder not in chain:
            chain.append(folder)
            if os.path.lexists(os.path.join(folder, ".git")):
                top = folder
                break
            folder = os.path.dirname(folder)
        if top is None:
            # Without git only the tree's own ignore files count, not those of folders above it.
            chain = [each for each in chain if holds(self.root, each)]
        lists = self._exclude_file(top) if top is not None else []
        for folder in reversed(chain):
            lists = self._with(lists, os.path.join(folder, ".gitignore"), top, folder)
        return Folder(start, top, lists)

    def _exclude_file(self, top: str) -> list[IgnoreList]:
        from repro_audit import gitindex

        path = gitindex.exclude_file(top)
        return self._with([], path, top, top) if path is not None else []

    def _with(self, lists: list[IgnoreList], path: str, top: str | None, folder: str) -> list[IgnoreList]:
        """`lists` with the ignore file at `path`, whose patterns count from `folder`; unreadable ones say nothing."""
        try:
            if os.path.islink(path):
                return lists  # nor does git follow it
            data = read_regular(path, 4 * 1024 * 1024)
        except (OSError, ValueError):
            return lists
        parsed = _parse(data, len(_split(os.fsencode(relative(top or self.root, folder)))))
        return [*lists, parsed] if parsed is not None else lists


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _split(path: bytes) -> list[bytes]:
    return path.split(b"/") if path else []


def _parse(patterns: bytes, depth: int) -> IgnoreList | None:
    from repro_audit import gitignore

    return gitignore.parse(patterns, depth)

"""What there is to audit: sorts the paths of a command line into trees and has each walked once. Called by the CLI."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from repro_audit import kind
from repro_audit.filetree import File, Tree, Trouble, holds, read_regular, relative
from repro_audit.walk import Walk

__all__ = ["File", "Tree", "Trouble", "discover", "kind_of"]

_ROOT_MARKS = (".git", "repro-audit.toml", ".repro-audit.toml", ".repro-audit.yaml", ".repro-audit.yml")


def kind_of(path: str) -> str | None:
    """The kind that a file's name suggests, or None."""
    guess = kind.guess(path)
    return guess.kind if guess else None


def discover(
    paths: Sequence[str],
    *,
    exclude: Sequence[str] = (),
    exclude_from: str | None = None,
    stdin_name: str | None = None,
    stdin: bytes = b"",
    cwd: str | None = None,
) -> list[Tree]:
    """The trees that `paths` stand for, each with the files to audit in it.

    A folder is a tree of its own and is walked; a folder or file inside another folder of `paths` belongs to that
    one. A file is taken as it is, whatever ignore files say, and its tree starts at the nearest folder above it with
    `.git` or a configuration (else `cwd`). `-` is `stdin`, to be taken for a file called `stdin_name`.
    `exclude` holds patterns as in `.gitignore`, relative to the folder `exclude_from` (default: each tree's root);
    they count for folders that are walked, not for files that are named.
    """
    cwd = os.path.abspath(cwd or os.getcwd())
    asked = _Asked(cwd)
    for path in dict.fromkeys(paths):
        if path == "-":
            asked.add_input(stdin_name or "stdin", stdin)
        else:
            asked.add(path)
    return [_build(root, want, asked, exclude, exclude_from) for root, want in asked.by_root().items()]


class _Asked:
    """The paths of a command line, sorted into folders and files."""

    def __init__(self, cwd: str) -> None:
        self.cwd = cwd
        self.folders: dict[str, str] = {}
        self.files: dict[str, str] = {}
        self.inputs: dict[str, tuple[str, bytes]] = {}
        self._roots: dict[str, str] = {}

    def add(self, path: str) -> None:
        place = os.path.normpath(os.path.join(self.cwd, path))
        try:
            folder = stat.S_ISDIR(os.stat(place).st_mode)
        except (OSError, ValueError):
            folder = False
        (self.folders if folder else self.files).setdefault(place, path)

    def add_input(self, name: str, data: bytes) -> None:
        self.inputs[os.path.normpath(os.path.join(self.cwd, name))] = (name, data)

    def by_root(self) -> dict[str, list[str]]:
        """For each root the places that were asked for in it, roots in the order in which they were first meant."""
        outer = [
            place for place in self.folders if not any(holds(other, place) for other in self.folders if other != place)
        ]
        found: dict[str, list[str]] = {}
        for place in (*self.folders, *self.files, *self.inputs):
            root = next((root for root in outer if holds(root, place)), None) or self._root_of(place)
            found.setdefault(root, []).append(place)
        return found

    def _root_of(self, place: str) -> str:
        """The project's root for a file that was named without a folder of it being named."""
        folder = start = os.path.dirname(place)
        passed = []
        while folder not in self._roots:
            passed.append(folder)
            if _is_root(folder):
                self._roots[folder] = folder
                break
            above = os.path.dirname(folder)
            if above == folder:
                self._roots[folder] = ""
                break
            folder = above
        for each in passed:
            self._roots[each] = self._roots[folder]
        return self._roots[start] or (self.cwd if holds(self.cwd, place) else start)

    def shown_prefix(self, root: str) -> str:
        """What stands before a path of the tree so that it can be opened from where the user stands."""
        if root == self.cwd:
            return ""
        if holds(self.cwd, root):
            return root[len(self.cwd.rstrip("/")) + 1 :] + "/"
        if root in self.folders and not os.path.isabs(self.folders[root]):
            return os.path.normpath(self.folders[root]) + "/"
        typed = [typed for place, typed in self.files.items() if holds(root, place)]
        if holds(root, self.cwd) or not all(os.path.isabs(each) for each in typed):
            return os.path.relpath(root, self.cwd) + "/"
        return root.rstrip("/") + "/"


def _is_root(folder: str) -> bool:
    if any(os.path.lexists(os.path.join(folder, mark)) for mark in _ROOT_MARKS):
        return True
    try:
        return b"[tool.repro-audit" in read_regular(os.path.join(folder, "pyproject.toml"))
    except (OSError, ValueError):
        return False


def _build(root: str, places: list[str], asked: _Asked, exclude: Sequence[str], exclude_from: str | None) -> Tree:
    prefix = asked.shown_prefix(root)
    inputs = {relative(root, place): asked.inputs[place][1] for place in places if place in asked.inputs}
    named = {relative(root, place) for place in places if place in asked.files}
    standing = relative(root, asked.cwd) if holds(root, asked.cwd) else ""
    tree = Tree(root, given=inputs, named=named, shown_prefix=prefix, standing=standing)
    walk = Walk(tree, exclude, exclude_from)
    for place in places:
        if place in asked.inputs:
            walk.take_named(relative(root, place), asked.inputs[place][0])
        elif place in asked.files:
            walk.take_named(relative(root, place), tree.shown(relative(root, place)))
        else:
            walk.walk(relative(root, place))
    tree.files = tuple(sorted(walk.files.values(), key=lambda file: file.path))
    tree.problems = tuple(sorted(walk.problems.values(), key=lambda trouble: trouble.path))
    return tree

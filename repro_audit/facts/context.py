"""The build context: which files of the project a Dockerfile takes, and whether they are there to be taken.

`Project` asks this module to follow a path inside the image (`pip install -r /app/requirements.txt`) back through
COPY, WORKDIR, bind mounts and earlier stages to a file of the repository.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from repro_audit.record import dataclass
from repro_audit.source import Source, Span

if TYPE_CHECKING:
    from repro_audit.facts.command import Command
    from repro_audit.facts.instruction import Instruction
    from repro_audit.facts.stage import Stage
    from repro_audit.syntax.ignorefile import IgnoreFile


class Files(Protocol):
    """What the context needs to know of the disk, by paths from the project's root; `discover.Tree` has it."""

    def exists(self, path: str) -> bool:
        """Whether a file or folder stands there."""

    def is_dir(self, path: str) -> bool:
        """Whether a folder stands there."""

    def names(self, folder: str) -> tuple[str, ...]:
        """What stands right in the folder."""

    def listing(self, folder: str) -> tuple[str, ...]:
        """All files below the folder."""

    def read(self, path: str) -> bytes:
        """The file's bytes; raises OSError."""


@dataclass(slots=True, frozen=True, eq=False)
class Copy:
    """A COPY, ADD or bind mount that puts context files at `target`, an absolute path in the image.

    `sources` are context paths (or paths in `from_stage`), `folders` those of them that are known to be folders.
    `into` when the target is a folder, so that a file keeps its name below it. `external` when it comes from
    another image.
    """

    sources: tuple[str, ...]
    folders: frozenset[str]
    target: str
    into: bool
    from_stage: Stage | None
    external: bool
    index: int


@dataclass(slots=True, frozen=True, eq=False)
class ContextFile:
    """A file that an instruction takes from the build context.

    `path` is the file's path in the context as written, `project_path` from the project's root. `state` is `found`,
    `missing` or `ignored` (hidden by `.dockerignore`). `purpose` is `copy` or `install`, or `include` for a file that
    a requirements file names, which no instruction does; `context` is the context's
    folder, `ignore_path` the ignore file that hides it. `certain` is false where the context had to be guessed;
    `others_found` tells whether other files that the Dockerfile copies are there, which makes the guess likely. `made`
    tells of a missing file that something is to make before the build: git ignores it, its folder is missing as well,
    or it is there from another folder that may be the context.
    """

    source: Source
    span: Span
    path: str
    project_path: str
    state: str
    purpose: str
    context: str
    instruction: Instruction | None
    command: Command | None = None
    stage: Stage | None = None
    ignore_path: str | None = None
    certain: bool = True
    others_found: bool = False
    made: bool = False
    kind: str = "context-file"

    @property
    def name(self) -> str:
        """The path as written."""
        return self.path


@dataclass(slots=True, frozen=True, eq=False)
class BuildContext:
    """A folder that is sent to the builder. `certain` when a compose file or the like names it, else it is a guess, and
    `others` are the folders that it may be instead.
    """

    folder: str
    certain: bool
    files: Files
    ignore: IgnoreFile | None = None
    ignore_path: str | None = None
    others: tuple[BuildContext, ...] = ()

    def made(self, path: str) -> bool:
        """Whether a file that is missing here is to be made before the build, or is there from another context."""
        if any(c in path for c in "*?["):
            return True  # A pattern may match nothing.
        inside = self.project_path(path)
        name = posixpath.basename(inside)
        if name == ".git" or any(other.state(path) != "missing" for other in self.others):
            return True
        folder = posixpath.dirname(inside)
        if folder and folder != self.folder and not self.files.exists(folder):
            return True
        return git_ignores(self.files, inside)

    def project_path(self, path: str) -> str:
        """A context path, seen from the project's root."""
        return self._place(_cleaned(path))

    def _place(self, relative: str) -> str:
        return posixpath.normpath(f"{self.folder}/{relative}" if self.folder else relative) if relative else self.folder

    def state(self, path: str) -> str:
        """`found`, `missing` or `ignored` for a COPY source, wildcards included."""
        relative = _cleaned(path)
        inside = self._place(relative)
        if not any(c in path for c in "*?["):
            if not self.files.exists(inside or "."):
                return "missing"
            if relative and self.ignore is not None and self._hidden(relative, inside):
                return "ignored"
            return "found"
        found = [self.folder]
        for part in relative.split("/"):
            if any(c in part for c in "*?["):
                # As Go's filepath.Match, which BuildKit uses: a wildcard stays within one part of the path.
                matches = re.compile(fnmatch.translate(part)).match
                found = [posixpath.join(f, n) for f in found for n in self.files.names(f) if matches(n)]
            else:
                found = [path for f in found if self.files.exists(path := posixpath.join(f, part))]
        prefix = len(self.folder) + 1 if self.folder else 0
        if self.ignore is None or not all(self._hidden(path[prefix:], path) for path in found):
            return "found" if found else "missing"
        return "ignored" if found else "missing"

    def _hidden(self, relative: str, inside: str) -> bool:
        assert self.ignore is not None
        if not self.ignore.excludes(relative):
            return False
        if not any(p.negated for p in self.ignore.patterns) or not self.files.is_dir(inside):
            return True
        # A folder that is ignored may still hold files that a later `!` line lets back in.
        prefix = len(self.folder) + 1 if self.folder else 0
        return all(self.ignore.excludes(found[prefix:]) for found in self.files.listing(inside))


@lru_cache(maxsize=64)
def _cleaned(path: str) -> str:
    """A context path without `.` and `..`, neither of which leads out of the context."""
    return posixpath.normpath("/" + path).lstrip("/")


def git_ignores(files: Files, path: str) -> bool:
    """Whether a `.gitignore` of the project leaves out the file or folder `path`, which need not exist."""
    from repro_audit import gitignore

    parts = path.split("/")
    lists = []
    for depth in range(len(parts)):
        name = "/".join((*parts[:depth], ".gitignore"))
        if files.exists(name):
            try:
                found = gitignore.parse(files.read(name), depth)
            except OSError:
                continue
            if found is not None:
                lists.append(found)
    if not lists:
        return False
    components = [part.encode("utf-8", "surrogateescape") for part in parts]
    return any(
        gitignore.is_ignored(lists, components[:end], is_folder)
        for end in range(1, len(components) + 1)
        for is_folder in ((True,) if end < len(components) else (False, True))
    )


def trace(copies: dict[int, list[Copy]], stage: Stage, index: int, path: str, depth: int = 0) -> str | None:
    """The context path of the file that is at `path` in `stage` before instruction `index`, or None where none was
    copied there.

    `copies` are each stage's copies by stage index, in order; an image path of unknown workdir starts with `?`.
    """
    if depth > 20:
        return None
    for copy in reversed(copies.get(stage.index, [])):
        if copy.index >= index:
            continue
        inner = _inside(copy, path)
        if inner is None:
            continue
        if copy.external:
            return None
        if copy.from_stage is not None:
            return trace(copies, copy.from_stage, 1 << 30, "/" + inner.lstrip("/"), depth + 1)
        return inner
    if stage.parent is not None:
        return trace(copies, stage.parent, 1 << 30, path, depth + 1)
    return None


def _inside(copy: Copy, path: str) -> str | None:
    """The source path from which `copy` makes `path`, or None when it does not."""
    target = copy.target
    if path == target and len(copy.sources) == 1 and not copy.into:
        return copy.sources[0]
    prefix = target.rstrip("/") + "/"
    if not path.startswith(prefix):
        return None
    rest = path[len(prefix) :]
    head, _, below = rest.partition("/")
    for source in copy.sources:
        cleaned = _cleaned(source)
        name = posixpath.basename(cleaned)
        if any(c in name for c in "*?["):
            if fnmatch.fnmatchcase(head, name):
                return posixpath.join(posixpath.dirname(cleaned), rest)
        elif source in copy.folders or not cleaned:
            # A folder's contents are copied, not the folder itself.
            return posixpath.join(cleaned, rest)
        elif name == head and not below:
            return cleaned
    return None

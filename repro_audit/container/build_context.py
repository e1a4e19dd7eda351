"""The build context on disk: which of its files reach the builder, a digest over them, and copies under other
conditions. `verify` builds from such copies; a stored result counts as long as the digest stays.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from repro_audit.container.context_sources import holds, taken
from repro_audit.container.engine import need_space
from repro_audit.container.engine_error import EngineError
from repro_audit.container.process import ProcessError, run
from repro_audit.source import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from repro_audit.syntax.ignorefile import IgnoreFile

_PIECE = 1 << 20
# How a setting begins that names a further context, `NAME=PATH` from the context: its files count with the others.
FOLDER = "folder "


@dataclass(slots=True, frozen=True)
class ContextEntry:
    """A file, folder or link that the builder gets; `path` is relative to the context, with slashes."""

    path: str
    place: str
    mode: int
    size: int


def ignore_file(context: str, dockerfile: str) -> IgnoreFile | None:
    """The ignore file in force: the Dockerfile's own, else that of the context."""
    from repro_audit.syntax import ignorefile

    for path in (f"{dockerfile}.dockerignore", os.path.join(context, ".dockerignore")):
        try:
            with open(path, "rb") as file:
                return ignorefile.parse(Source.from_bytes(path, file.read(1 << 24)))
        except OSError:
            continue
    return None


def entries(context: str, dockerfile: str) -> Iterator[ContextEntry]:
    """What the builder gets, by path; links are not followed. Raises EngineError for what cannot be read."""
    ignore = ignore_file(context, dockerfile)
    back = ignore is not None and any(pattern.negated for pattern in ignore.patterns)
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(os.path.join(context, folder)) as found:
                listed = sorted(found, key=lambda e: e.name)
        except OSError as error:
            raise EngineError(f"{os.path.join(context, folder)}: {error.strerror}") from None
        below = []
        for each in listed:
            path = f"{folder}/{each.name}" if folder else each.name
            hidden = ignore is not None and ignore.excludes(path)
            info = each.stat(follow_symlinks=False)
            if stat.S_ISDIR(info.st_mode):
                if not hidden or back:
                    below.append(path)
            if not hidden:
                yield ContextEntry(path, each.path, info.st_mode, info.st_size)
        folders += reversed(below)


def reaches_builder(context: str, dockerfile: str, path: str) -> bool:
    """Whether the file at `path` lies in the context, is not ignored, and may be taken by an instruction."""
    inside = os.path.relpath(os.path.realpath(path), os.path.realpath(context)).replace(os.sep, "/")
    if inside.startswith("../"):
        return False
    ignore = ignore_file(context, dockerfile)
    return holds(taken(context, dockerfile), inside) and not (ignore is not None and ignore.excludes(inside))


class Inputs(NamedTuple):
    """Digests over what an image is made of: its `content`, with no more of a file's mode than git keeps, and the
    `modes`, which follow the umask of whoever checked the files out.
    """

    content: str
    modes: str


def digest(context: str, dockerfile: str, settings: Sequence[str] = (), *, apart: Sequence[str] = ()) -> Inputs:
    """The digests of all that the image is made of here: the files that its instructions may take from the context, the
    Dockerfile, its ignore file, and `settings` (target, build arguments, platform). Raises EngineError.

    `apart` are files that are left out: the record of the digest itself, and other reports, which may lie in the
    context.
    """
    left_out = {os.path.realpath(each) for each in apart}
    paths = taken(context, dockerfile)
    total, modes = hashlib.sha256(), hashlib.sha256()

    def add(*parts: str | bytes) -> None:
        for part in parts:
            data = part if isinstance(part, bytes) else os.fsencode(part)
            total.update(len(data).to_bytes(8, "big") + data)

    for setting in settings:
        add("setting", setting)
        if setting.startswith(FOLDER):
            beside = os.path.join(context, setting[len(FOLDER) :].partition("=")[2])
            for part in digest(beside, os.path.join(beside, "Dockerfile")):
                add("context", part)
    for name in (dockerfile, f"{dockerfile}.dockerignore", os.path.join(context, ".dockerignore")):
        if os.path.isfile(name):
            add("build", _hash(name))
    for entry in entries(context, dockerfile):
        if not holds(paths, entry.path):
            continue
        if stat.S_ISLNK(entry.mode):
            add("link", entry.path, os.readlink(entry.place))
        elif stat.S_ISREG(entry.mode):
            if left_out and os.path.realpath(entry.place) in left_out:
                continue
            modes.update(entry.mode.to_bytes(4, "big"))
            add("file", entry.path, "x" if entry.mode & 0o100 else "-", _hash(entry.place))
        elif stat.S_ISDIR(entry.mode):
            modes.update(entry.mode.to_bytes(4, "big"))
            add("folder", entry.path)
    return Inputs(f"sha256:{total.hexdigest()}", f"sha256:{modes.hexdigest()}")


def _hash(path: str) -> bytes:
    found = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while piece := file.read(_PIECE):
                found.update(piece)
    except OSError as error:
        raise EngineError(f"{path}: {error.strerror}") from None
    return found.digest()


def copy(
    context: str,
    dockerfile: str,
    target: str,
    *,
    backwards: bool = False,
    time: float | None = None,
    umask: int | None = None,
) -> str:
    """Copy what the builder gets into the new folder `target`, and the Dockerfile; gives the path of its copy.

    Files keep content, kind and mode. `backwards` writes them in the other order, so that they lie otherwise on disk;
    `time` is their new time (None: now); with `umask` they get the modes that a checkout under it gives them. Raises
    EngineError, also where the disk fills up.
    """
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        return _copy(context, dockerfile, target, backwards, time, umask)
    except OSError as error:
        raise EngineError(f"{error.filename or target}: cannot be copied: {error.strerror or error}") from None


def _copy(context: str, dockerfile: str, target: str, backwards: bool, time: float | None, umask: int | None) -> str:
    def mode(entry: ContextEntry) -> int:
        if umask is None:
            return stat.S_IMODE(entry.mode)
        return (0o777 if stat.S_ISDIR(entry.mode) or entry.mode & 0o100 else 0o666) & ~umask

    found = list(entries(context, dockerfile))
    need_space(target, sum(e.size for e in found if stat.S_ISREG(e.mode)))
    os.mkdir(target)
    folders = [e for e in found if stat.S_ISDIR(e.mode)]
    files = [e for e in found if not stat.S_ISDIR(e.mode)]
    for entry in folders:
        os.makedirs(os.path.join(target, entry.path), exist_ok=True)
    for entry in reversed(files) if backwards else files:
        place = os.path.join(target, entry.path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if stat.S_ISLNK(entry.mode):
            os.symlink(os.readlink(entry.place), place)
        elif stat.S_ISREG(entry.mode):
            shutil.copyfile(entry.place, place)
            os.chmod(place, mode(entry))
    own = _copied_dockerfile(context, dockerfile, target)
    for entry in reversed(folders):
        os.chmod(os.path.join(target, entry.path), mode(entry))
    os.chmod(target, 0o755)  # noqa: S103 (as a checkout has it)
    if time is not None:
        for entry in found:
            os.utime(os.path.join(target, entry.path), (time, time), follow_symlinks=False)
        os.utime(target, (time, time))
    return own


def _copied_dockerfile(context: str, dockerfile: str, target: str) -> str:
    """Copy the Dockerfile and the ignore files, which the builder reads even where they are ignored."""
    inside = os.path.relpath(os.path.realpath(dockerfile), os.path.realpath(context))
    if inside.startswith(os.pardir):
        beside = f"{target}.dockerfile"
        os.mkdir(beside)
        own = os.path.join(beside, os.path.basename(dockerfile))
    else:
        own = os.path.join(target, inside)
    pairs = [(dockerfile, own), (f"{dockerfile}.dockerignore", f"{own}.dockerignore")]
    pairs.append((os.path.join(context, ".dockerignore"), os.path.join(target, ".dockerignore")))
    for source, place in pairs:
        if os.path.isfile(source) and not os.path.lexists(place):
            os.makedirs(os.path.dirname(place), exist_ok=True)
            shutil.copyfile(source, place)
    return own


def commit_time(context: str) -> int | None:
    """The time of the last commit of the repository that the context lies in, in seconds; None without one.

    The commit is read by plumbing that starts no pager, no helper and no signature check, whatever the repository's
    own configuration says.
    """
    told = _git(context, "cat-file", "commit", "HEAD")
    for line in (told or "").splitlines():
        if line.startswith("committer "):
            words = line.rsplit(" ", 2)
            return int(words[1]) if words[1].isdigit() else None
        if not line:
            break
    return None


def uncommitted(context: str) -> bool:
    """Whether files of the context are not as the last commit has them; False where that cannot be told."""
    listed = _git(context, "config", "--name-only", "--get-regexp", r"^filter\..*\.(clean|process)$")
    # a filter is a command of the repository's own: without them all, a file of theirs may seem changed
    filters = [word for name in dict.fromkeys((listed or "").split()) for word in ("-c", f"{name}=")]
    told = _git(context, *filters, "status", "--porcelain", "--ignore-submodules=all", "--", ".")
    return bool(told)


def _git(context: str, *words: str) -> str | None:
    """What git says of the repository that the context lies in, None where it fails."""
    settings = ("core.fsmonitor=", "core.pager=cat", "protocol.allow=never", "core.hooksPath=/dev/null")
    guard = [word for setting in settings for word in ("-c", setting)]
    environment = {"GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    try:
        told = run(["git", "-C", context, *guard, *words], env=environment, timeout=20.0)
    except ProcessError:
        return None
    return told.stdout if told.ok else None

"""Container engines: what one can do (`EngineInfo`), and the class that each engine's module fills in. What is asked of
them is in `engine_request`; `engine_choice.choose` finds one that works.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from repro_audit.container.engine_answer import REMOVAL, whole
from repro_audit.container.engine_error import EngineError
from repro_audit.container.engine_leftovers import Leftovers
from repro_audit.container.engine_names import is_image
from repro_audit.container.process import Outcome, ProcessError, run, shielded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from repro_audit.container.engine_error import Attempt
    from repro_audit.container.engine_request import BuildRequest, RunRequest
    from repro_audit.container.engine_secrets import Redactor

ENGINES = ("buildx", "docker", "podman", "buildah")
_MARGIN = 64 << 20
# how engines say that what is to be removed was never there
_ABSENT = re.compile(r"no such|not known|does not exist|not found|unable to find", re.IGNORECASE)


@dataclass(slots=True, frozen=True)
class BuildCommand:
    """How one engine builds a request: its subcommand, the options, and the variables that go with them. `in_force` is
    what makes the image reproducible, with its value; `exports` is true where the command writes the archive itself.
    """

    verb: str
    options: Sequence[str]
    env: Mapping[str, str]
    in_force: Mapping[str, str]
    exports: bool = False


@dataclass(slots=True, frozen=True)
class EngineInfo:
    """An engine that works here.

    `program` is how it is called. `builder` is `classic`, `buildkit` or `buildah`. `features` are among `secrets`,
    `contexts` (further ones of a build), `epoch` (SOURCE_DATE_EPOCH), `rewrite` (BuildKit's rewrite-timestamp and its
    like), `timestamp` (buildah's `--timestamp`), `hostname`, `run`, `gpus`, `cdi`, `load` (a built image lands in its
    store), `archive` (a build writes an archive without its store). `notes` tell what the user should know about it.
    """

    name: str
    program: tuple[str, ...]
    version: str
    builder: str
    builder_version: str = ""
    rootless: bool = False
    features: frozenset[str] = frozenset()
    isolation: str | None = None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        with_builder = f", {self.builder} {self.builder_version}".rstrip() if self.builder != self.name else ""
        rootless = ", rootless" if self.rootless else ""
        return f"{self.name} {self.version}{with_builder}{rootless}"


@dataclass(slots=True, frozen=True)
class Built:
    """How a build ended. `image` is the id or name of the image in the engine's store, None where it is not there;
    `log` is what was kept of what the engine said. `problem` is why the engine itself failed, None when it was the
    build that failed, or nothing.
    """

    ok: bool
    image: str | None
    log: str
    seconds: float
    problem: str | None = None
    in_force: Mapping[str, str] = field(default_factory=dict)


class Engine(ABC):
    """An engine that works here. What it makes for a while is called `repro-audit-...` and is removed again."""

    def __init__(self, info: EngineInfo) -> None:
        self.info = info
        # who is told of what is left behind
        self.tell: Callable[[str], None] = lambda _: None
        self._silent = False
        # the engines that were to be taken before this one, had they worked
        self.passed: tuple[Attempt, ...] = ()

    def build(
        self,
        request: BuildRequest,
        *,
        archive: str | None = None,
        on_line: Callable[[str], None] | None = None,
        timeout: float | None = None,
    ) -> Built:
        """Build an image: into the engine's store, or into the file `archive` and nowhere else. Raises EngineError
        where it was not the build that failed.
        """
        request = request.checked()
        if request.secrets and "secrets" not in self.info.features:
            raise EngineError(f"{self.info} knows no build secrets; use BuildKit, podman or buildah")
        if request.contexts and "contexts" not in self.info.features:
            raise EngineError(f"{self.info} knows no further build contexts; use buildx, or a newer podman or buildah")
        if request.platform and self.info.builder == "classic":
            raise EngineError(f"{self.info} builds for its own platform only; use BuildKit, podman or buildah")
        if archive is not None:
            need_space(archive, 256 << 20)
        return self._build(request, archive, on_line, timeout)

    def _build(
        self, request: BuildRequest, archive: str | None, on_line: Callable[[str], None] | None, timeout: float | None
    ) -> Built:
        command = self._command(request, archive)
        # the archive is saved from the store, unless the command writes it
        temporary = f"{fresh_name()}:1" if archive is not None and not command.exports else None
        name = request.tag if archive is None else temporary
        tagged = [f"--tag={name}"] if name is not None else []
        started = time.monotonic()
        leftovers = Leftovers(self, on_line, layers=request.layers)
        finished = False
        with scratch() as folder:
            identity = os.path.join(folder, "image-id")
            try:
                done = self.command(
                    command.verb,
                    *([f"--iidfile={identity}"] if self.info.name != "buildah" else ()),
                    *command.options,
                    *tagged,
                    "--",
                    request.context,
                    timeout=timeout,
                    on_line=leftovers.line,
                    env={**request.variables(), **command.env},
                    redactor=request.redactor(),
                    umask=request.umask,
                )
                image = None
                if done.ok and archive is None and "load" in self.info.features:
                    image = _id(_read_id(identity), *done.stdout.splitlines()[-1:])
                elif done.ok and archive is not None and temporary is not None:
                    left = None if timeout is None else max(1.0, timeout - (time.monotonic() - started))
                    self.save(temporary, archive, timeout=left)
                elif done.ok and archive is not None and not _holds(archive):
                    raise EngineError(f"{self.info} said that it built the image, and wrote no archive")
                # after a failed build its steps are a cache for the next one, unless that is to start anew
                finished = done.ok or (archive is None and self._problem(done) is None)
            finally:
                with shielded():
                    if temporary is not None:
                        self.remove(temporary)
                    if not finished:
                        leftovers.clear()
        return Built(done.ok, image, done.text, done.seconds, self._problem(done), command.in_force)

    @abstractmethod
    def _command(self, request: BuildRequest, archive: str | None) -> BuildCommand: ...

    def _problem(self, done: Outcome) -> str | None:
        """Why the engine, and not the build, failed."""
        if done.timed_out:
            return f"the build did not end in the time it was given; it was stopped after {done.seconds:.0f} s"
        if done.status < 0:
            return f"the engine's program was killed by signal {-done.status}"
        return None

    @abstractmethod
    def save(self, image: str, archive: str, *, platform: str | None = None, timeout: float | None = None) -> None:
        """Write an image of the engine's store to a file that does not exist yet; raises EngineError."""

    def saved(self, image: str, done: Outcome, archive: str) -> None:
        """Raise EngineError unless saving ended well and made a file."""
        if done.timed_out:
            raise EngineError(f"{self.info.name} did not save {image} within {done.seconds:.0f} s")
        if not done.ok:
            raise EngineError(f"{self.info.name} could not save {image}: {done.last_line}")
        if not _holds(archive):
            raise EngineError(f"{self.info.name} said that it saved {image}, and wrote nothing")

    def size(self, image: str) -> int:
        """The bytes of an image in the store; raises EngineError where it is not there."""
        told = self.answer(image, "image", "inspect", "--format={{.Size}}", image)
        size = whole(told.stdout) if told.ok else None
        if size is None:
            raise EngineError(f"{self.info.name} has no image {image}: {told.last_line}")
        return size

    def answer(self, about: str, *words: str) -> Outcome:
        """What the engine answers; raises EngineError where it is the engine that does not."""
        told = self.command(*words, timeout=REMOVAL, grace=2.0)
        if told.timed_out:
            raise EngineError(f"{self.info.name} does not answer (asked for {about}, waited {told.seconds:.0f} s)")
        problem = self._problem(told) if not told.ok else None
        if problem is not None:
            raise EngineError(f"{self.info.name} does not answer (asked for {about}): {problem}")
        return told

    def remove(self, image: str) -> None:
        """Remove a name of an image, and the image if it was the last; never raises."""
        self.discard("rmi", image)

    def discard(self, *words: str) -> None:
        """Remove something of ours that may be there; never raises. What the engine does not remove is told, with the
        command that does. An engine that did not answer once is not asked again.
        """
        why = ""
        if not self._silent:
            try:
                done = self.command(*words, timeout=REMOVAL, grace=2.0)
            except EngineError as error:
                why = str(error)
            else:
                if done.ok or (done.status > 0 and not done.timed_out and _ABSENT.search(done.stderr)):
                    return
                self._silent = done.timed_out
                why = done.last_line
        command = " ".join((self.program, *words))
        self.tell(f"not removed, if it is there: {words[-1]} ({why or 'no answer'}); remove it with `{command}`")

    @staticmethod
    def known(image: str) -> str:
        """The image's name itself; raises EngineError where it could be taken for something else."""
        if not is_image(image):
            raise EngineError(f"{image!r} is no valid image name")
        return image

    @property
    def program(self) -> str:
        """What users call for all but builds."""
        return "docker" if self.info.name == "buildx" else self.info.name

    @abstractmethod
    def has(self, image: str) -> bool:
        """Whether the store has an image of that name."""

    def run(self, request: RunRequest, *, on_line: Callable[[str], None] | None = None) -> Outcome:
        """Run a command in a new container; raises EngineError where the engine cannot run any."""
        raise EngineError(f"{self.info.name} does not run containers; use docker or podman")

    def command(
        self,
        *words: str,
        timeout: float | None = REMOVAL,
        on_line: Callable[[str], None] | None = None,
        env: Mapping[str, str] | None = None,
        redactor: Redactor | None = None,
        stdin: bytes | None = None,
        keep: int = 1 << 20,
        umask: int = -1,
        grace: float = 10.0,
    ) -> Outcome:
        """Run the engine's program; raises EngineError where it cannot be started."""
        try:
            return run(
                [*self._program_for(words[0]), *words],
                timeout=timeout,
                on_line=on_line,
                env=env,
                redactor=redactor,
                stdin=stdin,
                keep=keep,
                umask=umask,
                grace=grace,
            )
        except ProcessError as error:
            raise EngineError(str(error)) from None

    def _program_for(self, verb: str) -> tuple[str, ...]:
        """The program that knows this subcommand."""
        return self.info.program


def fresh_name() -> str:
    """A name that nothing else has, for what lives only as long as this run."""
    import secrets

    return f"repro-audit-{secrets.token_hex(6)}"


def _holds(path: str) -> bool:
    try:
        return os.path.getsize(path) > 0
    except OSError:
        return False


def _id(*told: str | None) -> str | None:
    return next((each for each in told if each is not None and is_image(each)), None)


def _read_id(path: str) -> str | None:
    try:
        with open(path, encoding="ascii") as file:
            return file.read(200).strip() or None
    except (OSError, ValueError):
        return None


def need_space(path: str, size: int) -> None:
    """Raise EngineError unless `size` bytes and some more fit where `path` is to be."""
    folder = os.path.dirname(os.path.abspath(path))
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise EngineError(f"{folder}: {error.strerror or error}") from None
    if free < size + _MARGIN:
        raise EngineError(
            f"{folder} has {free >> 20} MiB free, and {(size + _MARGIN) >> 20} MiB are needed; "
            "make room, or set TMPDIR to a folder with more"
        )


@contextmanager
def scratch(where: str | None = None) -> Iterator[str]:
    """A folder for archives and copies, by default where temporary files are; removed at the end whatever happens."""
    import tempfile

    try:
        folder = tempfile.mkdtemp(prefix="repro-audit-", dir=where)
    except OSError as error:
        raise EngineError(f"{error.filename or where}: no temporary folder can be made: {error.strerror}") from None
    try:
        yield folder
    finally:
        with shielded():
            _remove_tree(folder)


def _remove_tree(folder: str) -> None:
    if _mounted_below(folder):
        # a container's files may still be seen through it
        return

    def forced(function: Callable[[str], object], path: str, _info: object) -> None:
        try:
            os.chmod(os.path.dirname(path), 0o700)
            function(path)
        except OSError:
            pass

    shutil.rmtree(folder, onerror=forced)


def _mounted_below(folder: str) -> bool:
    """Whether something is still mounted there, after what an engine left mounted was asked to go."""
    for attempt in (True, False):
        try:
            with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
                places = [line.split(" ")[4] for line in file]
        except OSError:
            return False
        below = sorted((place for place in places if place.startswith(f"{folder}/")), key=len, reverse=True)
        if not below or not attempt:
            return bool(below)
        for place in below:
            try:
                run(["umount", "-l", "--", place], timeout=20.0)
            except ProcessError:
                return True
    return True

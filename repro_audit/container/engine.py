"""Container engines: what is asked of one (`BuildRequest`, `RunRequest`), what it can do (`EngineInfo`), and the class
that each engine's module fills in. `engine_choice.choose` finds one that works.
"""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from repro_audit.container import engine_names as names
from repro_audit.container.engine_secrets import Redactor, looks_secret
from repro_audit.container.process import Outcome, ProcessError, run, shielded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ENGINES = ("buildx", "docker", "podman", "buildah")
_MARGIN = 64 << 20
# Variables that steer the engine's own program: a build argument of that name is passed in words, not through them.
_STEERING = ("DOCKER_", "BUILDX_", "BUILDKIT_", "BUILDAH_", "CONTAINER", "STORAGE_", "PODMAN_", "XDG_", "LD_", "TMP")


class EngineError(Exception):
    """Something that an engine could not do, and not because the image is wrong: in one line, with what to do."""


@dataclass(slots=True, frozen=True)
class Attempt:
    """An engine that does not work here: why, and how to get it."""

    engine: str
    reason: str
    remedy: str


class NoEngineError(EngineError):
    """No engine works. `attempts` says what was tried."""

    def __init__(self, attempts: Sequence[Attempt]) -> None:
        self.attempts = tuple(attempts)
        tried = "; ".join(f"{a.engine}: {a.reason} ({a.remedy})" for a in attempts)
        super().__init__(f"no container engine works here. Tried {tried}")


@dataclass(slots=True, frozen=True)
class Secret:
    """A build secret: its value comes from a file, or from an environment variable of ours."""

    id: str
    file: str | None = None
    variable: str | None = None

    def value(self) -> str:
        """What must not be shown; empty where it cannot be read."""
        if self.variable is not None:
            return os.environ.get(self.variable, "")
        try:
            with open(self.file or os.devnull, encoding="utf-8", errors="replace") as file:
                return file.read(1 << 20)
        except OSError:
            return ""


@dataclass(slots=True, frozen=True)
class BuildRequest:
    """An image to build. `context` and `dockerfile` are paths of this machine.

    `epoch` is SOURCE_DATE_EPOCH, None for leaving times alone; with `rewrite` the files of the layers get no later
    time either, where the engine can. `network` is `default`, `none` or `host`. `hostname` is what RUN sees, where
    that can be chosen; `locale`, `zone` and `umask` hold for the engine's own program. `layers` is false where no step
    is worth keeping.
    """

    context: str
    dockerfile: str
    target: str | None = None
    args: tuple[tuple[str, str | None], ...] = ()
    secrets: tuple[Secret, ...] = ()
    platform: str | None = None
    tag: str | None = None
    no_cache: bool = False
    epoch: int | None = None
    rewrite: bool = False
    network: str = "default"
    hostname: str | None = None
    locale: str | None = None
    zone: str | None = None
    umask: int = -1
    layers: bool = True

    def checked(self) -> BuildRequest:
        """The request with absolute paths; raises EngineError where a name could be taken for something else."""
        from dataclasses import replace

        for check, value, what in (
            (names.is_target, self.target, "target"),
            (names.is_platform, self.platform, "platform"),
            (names.is_reference, self.tag, "tag"),
        ):
            if value is not None and not check(value):
                raise EngineError(f"{value!r} is no valid {what}")
        for name, _ in self.args:
            if not names.is_argument(name):
                raise EngineError(f"{name!r} is no valid name of a build argument")
        for secret in self.secrets:
            if not names.is_secret_id(secret.id):
                raise EngineError(f"{secret.id!r} is no valid id of a secret")
            if secret.file is not None and not os.path.isfile(secret.file):
                raise EngineError(f"the secret {secret.id} is to come from {secret.file}, which is no file")
            if secret.variable is not None and secret.variable not in os.environ:
                raise EngineError(
                    f"the secret {secret.id} is to come from the variable {secret.variable}, which is not set"
                )
        if self.network not in ("default", "none", "host"):
            raise EngineError(f"{self.network!r} is no network for a build: default, none or host")
        context, dockerfile = os.path.realpath(self.context), os.path.abspath(self.dockerfile)
        if not os.path.isdir(context):
            raise EngineError(f"{self.context}: the build context is no folder")
        if not os.path.isfile(dockerfile):
            raise EngineError(f"{self.dockerfile}: there is no such Dockerfile")
        return replace(self, context=context, dockerfile=dockerfile)

    def redactor(self) -> Redactor:
        """What keeps the values of secrets, and of build arguments that look like one, out of logs."""
        hidden = [v for n, v in self.argument_values() if looks_secret(n, v)]
        return Redactor([*hidden, *(secret.value() for secret in self.secrets)])

    def argument_values(self) -> list[tuple[str, str]]:
        """The build arguments with their values; one given by name only takes its value from our environment."""
        found = []
        for name, value in self.args:
            if value is None:
                value = os.environ.get(name)
            if value is not None:
                found.append((name, value))
        return found

    def options(self, extra: Sequence[tuple[str, str]] = ()) -> tuple[list[str], dict[str, str]]:
        """The options that every engine's `build` knows, with `extra` build arguments, and the variables through which
        values that nobody may see in a list of processes are handed over.
        """
        words = [f"--file={self.dockerfile}"]
        hidden: dict[str, str] = {}
        for name, value in (*self.argument_values(), *extra):
            hide = looks_secret(name, value) and not name.upper().startswith(_STEERING) and "\0" not in value
            if hide and name.isidentifier() and name not in ("PATH", "HOME"):
                hidden[name] = value
                words.append(f"--build-arg={name}")
            else:
                words.append(f"--build-arg={name}={value}")
        for secret in self.secrets:
            source = f"src={os.path.abspath(secret.file)}" if secret.file is not None else f"env={secret.variable}"
            words.append(f"--secret={names.fields(f'id={secret.id}', source)}")
        words += [f"--target={self.target}"] if self.target else []
        words += [f"--platform={self.platform}"] if self.platform else []
        words += ["--no-cache"] if self.no_cache else []
        words += [f"--network={self.network}"] if self.network != "default" else []
        return words, hidden

    def variables(self) -> dict[str, str]:
        """What the engine's program finds in its environment."""
        found = {s.variable: os.environ[s.variable] for s in self.secrets if s.variable and s.variable in os.environ}
        if self.locale:
            found |= {"LC_ALL": self.locale, "LANG": self.locale}
        if self.zone:
            found["TZ"] = self.zone
        return found


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
class Bind:
    """A file or folder of this machine, seen in the container at `target`."""

    source: str
    target: str
    readonly: bool = True


@dataclass(slots=True, frozen=True)
class RunRequest:
    """A command to run in a new container of `image`, removed after.

    `entrypoint` replaces the image's; `gpus` is `all`, a number or `device=0,1`, and `cdi` asks for them as CDI devices
    rather than by `--gpus`. `network` is `none`, `host`, `bridge` or `default`. `shm_size` is in bytes.
    """

    image: str
    argv: tuple[str, ...] = ()
    entrypoint: str | None = None
    stdin: bytes | None = None
    mounts: tuple[Bind, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    gpus: str | None = None
    cdi: bool = False
    gpu_capabilities: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    runtime: str | None = None
    network: str = "none"
    read_only: bool = True
    tmpfs: tuple[str, ...] = ("/tmp",)  # noqa: S108 (a path inside the container)
    user: str | None = None
    shm_size: int | None = None
    ipc: str | None = None
    platform: str | None = None
    timeout: float = 300.0
    keep: int = 4 << 20

    def checked(self) -> RunRequest:
        """The request itself; raises EngineError where a name could be taken for something else."""
        if not names.is_image(self.image):
            raise EngineError(f"{self.image!r} is no valid image name")
        if self.gpus is not None and not names.is_gpus(self.gpus):
            raise EngineError(f"{self.gpus!r} is no valid request for GPUs: all, a number, or device=0,1")
        if self.platform is not None and not names.is_platform(self.platform):
            raise EngineError(f"{self.platform!r} is no valid platform")
        for value, what in (
            (self.runtime, "runtime"),
            (self.network, "network"),
            (self.user, "user"),
            (self.ipc, "ipc"),
        ):
            if value is not None and not names.is_plain(value):
                raise EngineError(f"{value!r} is no valid {what}")
        for name, _ in self.env:
            if not names.is_argument(name):
                raise EngineError(f"{name!r} is no valid name of a variable")
        for device in (*self.devices, *self.gpu_capabilities):
            if not names.is_plain(device):
                raise EngineError(f"{device!r} is no valid device or driver capability")
        return self

    def redactor(self) -> Redactor:
        """What keeps values that look secret out of logs."""
        return Redactor([v for n, v in self.env if looks_secret(n, v)])


@dataclass(slots=True, frozen=True)
class EngineInfo:
    """An engine that works here.

    `program` is how it is called. `builder` is `classic`, `buildkit` or `buildah`. `features` are among `secrets`,
    `epoch` (SOURCE_DATE_EPOCH), `rewrite` (BuildKit's rewrite-timestamp and its like), `timestamp` (buildah's
    `--timestamp`), `hostname`, `run`, `gpus`, `cdi`, `load` (a built image lands in its store), `archive` (a build
    writes an archive without its store). `notes` tell what the user should know about it.
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


Line = "Callable[[str], None] | None"


class Engine(ABC):
    """An engine that works here. What it makes for a while is called `repro-audit-...` and is removed again."""

    def __init__(self, info: EngineInfo) -> None:
        self.info = info

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
        if request.platform and self.info.builder == "classic":
            raise EngineError(f"{self.info} builds for its own platform only; use BuildKit, podman or buildah")
        if archive is not None:
            need_space(archive, 256 << 20)
        return self._build(request, archive, on_line, timeout)

    def _build(
        self, request: BuildRequest, archive: str | None, on_line: Callable[[str], None] | None, timeout: float | None
    ) -> Built:
        command = self._command(request, archive)
        name = request.tag if archive is None else f"{fresh_name()}:1"
        tagged = [f"--tag={name}"] if name is not None and not command.exports else []
        with scratch() as folder:
            identity = os.path.join(folder, "image-id")
            try:
                done = self.command(
                    command.verb,
                    f"--iidfile={identity}",
                    *command.options,
                    *tagged,
                    "--",
                    request.context,
                    timeout=timeout,
                    on_line=on_line,
                    env={**request.variables(), **command.env},
                    redactor=request.redactor(),
                    umask=request.umask,
                )
                image = None
                if done.ok and archive is None and "load" in self.info.features:
                    image = _read_id(identity)
                elif done.ok and archive is not None and name is not None and not command.exports:
                    self.save(name, archive)
            finally:
                if archive is not None and name is not None and not command.exports:
                    with shielded():
                        self.remove(name)
        return Built(done.ok, image, done.text, done.seconds, self._problem(done), command.in_force)

    @abstractmethod
    def _command(self, request: BuildRequest, archive: str | None) -> BuildCommand: ...

    def _problem(self, done: Outcome) -> str | None:
        """Why the engine, and not the build, failed."""
        if done.timed_out:
            return f"the build did not end within {done.seconds:.0f} s"
        if done.status < 0:
            return f"the engine's program was killed by signal {-done.status}"
        return None

    @abstractmethod
    def save(self, image: str, archive: str, *, platform: str | None = None) -> None:
        """Write an image of the engine's store to a file that does not exist yet; raises EngineError."""

    @abstractmethod
    def remove(self, image: str) -> None:
        """Remove a name of an image, and the image if it was the last; never raises."""

    @abstractmethod
    def has(self, image: str) -> bool:
        """Whether the store has an image of that name."""

    def run(self, request: RunRequest, *, on_line: Callable[[str], None] | None = None) -> Outcome:
        """Run a command in a new container; raises EngineError where the engine cannot run any."""
        raise EngineError(f"{self.info.name} does not run containers; use docker or podman")

    def command(
        self,
        *words: str,
        timeout: float | None = 60.0,
        on_line: Callable[[str], None] | None = None,
        env: Mapping[str, str] | None = None,
        redactor: Redactor | None = None,
        stdin: bytes | None = None,
        keep: int = 1 << 20,
        umask: int = -1,
    ) -> Outcome:
        """Run the engine's program; raises EngineError where it cannot be started."""
        try:
            return run(
                [*self.info.program, *words],
                timeout=timeout,
                on_line=on_line,
                env=env,
                redactor=redactor,
                stdin=stdin,
                keep=keep,
                umask=umask,
            )
        except ProcessError as error:
            raise EngineError(str(error)) from None


def fresh_name() -> str:
    """A name that nothing else has, for what lives only as long as this run."""
    import secrets

    return f"repro-audit-{secrets.token_hex(6)}"


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
def scratch() -> Iterator[str]:
    """A folder for archives and copies, removed at the end whatever happens."""
    import tempfile

    folder = tempfile.mkdtemp(prefix="repro-audit-")
    try:
        yield folder
    finally:
        with shielded():
            _remove_tree(folder)


def _remove_tree(folder: str) -> None:
    def forced(function: Callable[[str], object], path: str, _info: object) -> None:
        try:
            os.chmod(os.path.dirname(path), 0o700)
            function(path)
        except OSError:
            pass

    shutil.rmtree(folder, onerror=forced)

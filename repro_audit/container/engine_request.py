"""What an engine is asked: an image to build (`BuildRequest`) or a container to run (`RunRequest`). Both check that no
name in them can be taken for anything else on a command line.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from repro_audit.container import engine_names as names
from repro_audit.container.engine_error import EngineError
from repro_audit.container.engine_secrets import Redactor, looks_secret

if TYPE_CHECKING:
    from collections.abc import Sequence

# Variables that steer the engine's own program: a build argument of that name is passed in words, not through them.
_STEERING = ("DOCKER_", "BUILDX_", "BUILDKIT_", "BUILDAH_", "CONTAINER", "STORAGE_", "PODMAN_", "XDG_", "LD_", "TMP")


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
    is worth keeping. `contexts` are further ones by name, each a folder of this machine or an address.
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
    contexts: tuple[tuple[str, str], ...] = ()

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
        contexts = tuple((name, _context(name, value)) for name, value in self.contexts)
        return replace(self, context=context, dockerfile=dockerfile, contexts=contexts)

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
        words += [f"--build-context={name}={value}" for name, value in self.contexts]
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


def _context(name: str, value: str) -> str:
    if not names.is_context(name):
        raise EngineError(f"{name!r} is no valid name of a build context")
    if names.is_address(value):
        return value
    if not os.path.isdir(value):
        raise EngineError(f"the build context {name} is to be {value}, which is no folder")
    return os.path.realpath(value)


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
    rather than by `--gpus`, which takes `gpu_driver` and `gpu_capabilities` too. `network` is `none`, `host`, `bridge`
    or `default`. `shm_size` is in bytes.
    """

    image: str
    argv: tuple[str, ...] = ()
    entrypoint: str | None = None
    stdin: bytes | None = None
    mounts: tuple[Bind, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    gpus: str | None = None
    cdi: bool = False
    gpu_driver: str | None = None
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
            (self.gpu_driver, "device driver"),
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

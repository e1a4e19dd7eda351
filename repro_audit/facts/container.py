"""A `Container`: how an image is run, whoever says so (compose, devcontainer, `docker run`, a workflow)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro_audit.record import dataclass
from repro_audit.source import Source, Span

if TYPE_CHECKING:
    from repro_audit.facts.command import Command
    from repro_audit.facts.input import ImageRef
    from repro_audit.facts.stage import Stage


@dataclass(slots=True, frozen=True, eq=False)
class Setting:
    """A value with its place; `value` is None where it depends on the environment."""

    value: str | None
    span: Span


@dataclass(slots=True, frozen=True, eq=False)
class EnvVar:
    """A variable handed to the container; `value` None when it is passed through or unknown."""

    name: str
    value: str | None
    span: Span


@dataclass(slots=True, frozen=True, eq=False)
class Mount:
    """`type` is `bind`, `volume`, `tmpfs`, ...; `target` the path in the container."""

    type: str
    source: str | None
    target: str
    readonly: bool
    span: Span


@dataclass(slots=True, frozen=True, eq=False)
class Port:
    """A published port. `host_ip` None means every interface; `published` None means a random one."""

    raw: str
    host_ip: str | None
    published: str | None
    target: str
    protocol: str
    span: Span


@dataclass(slots=True, frozen=True, eq=False)
class GpuRequest:
    """One way in which a GPU is asked for.

    `form` is `reservation` (compose `deploy...devices`), `gpus` (`--gpus`, compose `gpus:`, devcontainer
    `hostRequirements.gpu`), `runtime`, `cdi` or `device` (`/dev/nvidia0`). `count` is a number, `all` or None;
    `device_ids` None when not given. `fault` says what makes the request invalid, if anything does, with the place in
    `fault_span`.
    """

    form: str
    span: Span
    driver: str | None = None
    count: str | None = None
    device_ids: tuple[str, ...] | None = None
    capabilities: tuple[str, ...] | None = None
    fault: str | None = None
    fault_span: Span | None = None


@dataclass(slots=True, frozen=True, eq=False)
class BuildSecret:
    """A secret of a build: its value stands in a file (a path as `BuildTerms` has them) or in a variable; with neither,
    it comes from where only the engine knows.
    """

    id: str
    file: str | None = None
    variable: str | None = None


@dataclass(slots=True, frozen=True, eq=False)
class BuildTerms:
    """A compose `build:` as whoever builds has to take it, its variables filled in.

    `context`, `contexts` (name and value) and the files of `secrets` are relative to `folder`, which is relative to the
    project root; `dockerfile` is relative to the context. `unset` are variables that it needs and nobody has set,
    `others` the keys that nothing here stands for.
    """

    folder: str
    context: str
    dockerfile: str | None = None
    inline: str | None = None
    contexts: tuple[tuple[str, str], ...] = ()
    network: str | None = None
    no_cache: bool = False
    secrets: tuple[BuildSecret, ...] = ()
    platforms: tuple[str, ...] = ()
    unset: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


@dataclass(slots=True, frozen=True, eq=False)
class Build:
    """What builds the image: `context` and `dockerfile` are paths relative to the project root ('' is the root), None
    when outside or unknown. `contexts` are the names of further contexts, `images` those among them that are images.
    `terms` are there for a compose service.
    """

    context: str | None
    dockerfile: str | None
    target: str | None
    args: tuple[EnvVar, ...]
    span: Span
    contexts: tuple[str, ...] = ()
    images: tuple[ImageRef, ...] = ()
    terms: BuildTerms | None = None


@dataclass(slots=True, frozen=True, eq=False)
class Healthcheck:
    """`test` is the command as words; durations in seconds, None when not given."""

    span: Span
    test: tuple[str, ...]
    disabled: bool = False
    interval: float | None = None
    timeout: float | None = None
    timeout_span: Span | None = None
    start_period: float | None = None
    retries: int | None = None


@dataclass(slots=True, frozen=True, eq=False)
class Container:
    """One container as it will run.

    `origin` is `compose`, `devcontainer`, `docker-run` or `workflow`. `span` is its name (compose) or the command's
    place. `stage` is the stage of a Dockerfile of the project that it runs, where that is known. `restart`,
    `network_mode`, `pid`, `ipc`, `runtime`, `user`, `privileged` ... are None when not given. `memory` and `cpus` are
    limits. `commands` are the simple commands of `command`/`entrypoint`; `env_files` are as written, relative to the
    folder of their file.
    """

    source: Source
    span: Span
    name: str
    origin: str
    image: ImageRef | None = None
    build: Build | None = None
    stage: Stage | None = None
    user: Setting | None = None
    runtime: Setting | None = None
    gpus: tuple[GpuRequest, ...] = ()
    env: tuple[EnvVar, ...] = ()
    env_files: tuple[Setting, ...] = ()
    mounts: tuple[Mount, ...] = ()
    ports: tuple[Port, ...] = ()
    network_mode: Setting | None = None
    pid: Setting | None = None
    ipc: Setting | None = None
    shm_size: Setting | None = None
    memory: Setting | None = None
    cpus: Setting | None = None
    privileged: Setting | None = None
    cap_add: tuple[Setting, ...] = ()
    cap_drop: tuple[Setting, ...] = ()
    security_opt: tuple[Setting, ...] = ()
    devices: tuple[Setting, ...] = ()
    restart: Setting | None = None
    healthcheck: Healthcheck | None = None
    commands: tuple[Command, ...] = ()
    profiles: tuple[str, ...] = ()
    merged: Container | None = None

    @property
    def effective(self) -> Container:
        """This container as it runs, once override files and `extends` have had their say."""
        return self.merged or self

    def variable(self, name: str) -> EnvVar | None:
        """The variable called `name` (the last, if several), or None."""
        return next((v for v in reversed(self.env) if v.name == name), None)

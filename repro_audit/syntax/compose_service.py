"""What a compose service says, every value with its place: the nodes that `syntax.compose` fills."""

from __future__ import annotations

from collections.abc import Mapping as Lookup

from repro_audit.record import dataclass, field
from repro_audit.source import Excerpt, Source, Span
from repro_audit.syntax.compose_value import CommandLine, PortMapping, Value, Variable, VolumeMount
from repro_audit.syntax.tree import Entry, Mapping


@dataclass(slots=True, frozen=True, eq=False)
class BuildSecret:
    """An entry of a build's `secrets`: the name at the top level, and the id that RUN knows it by."""

    name: Value
    target: Value | None = None


@dataclass(slots=True, frozen=True, eq=False)
class Build:
    """`build:`, short or long. Without `context` it is the file's own folder. `others` are the keys that are not among
    the fields.
    """

    span: Span
    source: Source
    context: Value | None = None
    dockerfile: Value | None = None
    dockerfile_inline: Excerpt | None = None
    target: Value | None = None
    args: tuple[Variable, ...] = ()
    additional_contexts: tuple[Variable, ...] = ()
    platforms: tuple[Value, ...] = ()
    network: Value | None = None
    no_cache: Value | None = None
    secrets: tuple[BuildSecret, ...] = ()
    others: tuple[str, ...] = ()


@dataclass(slots=True, frozen=True, eq=False)
class Healthcheck:
    """`healthcheck:`; durations as written. `disabled` for `disable: true` and `test: NONE`."""

    span: Span
    source: Source
    test: CommandLine | None = None
    disabled: bool = False
    interval: Value | None = None
    timeout: Value | None = None
    start_period: Value | None = None
    retries: Value | None = None


@dataclass(slots=True, frozen=True, eq=False)
class DeviceRequest:
    """An entry of `deploy.resources.reservations.devices` (`form` `reservation`) or of `gpus` (`gpus`).

    `driver` and `count` are values, `device_ids` and `capabilities` are None where the key is missing. `unknown` are
    entries with a key that no such request has.
    """

    form: str
    span: Span
    source: Source
    driver: Value | None = None
    count: Value | None = None
    device_ids: tuple[Value, ...] | None = None
    device_ids_span: Span | None = None
    capabilities: tuple[Value, ...] | None = None
    capabilities_span: Span | None = None
    unknown: tuple[Entry, ...] = ()


@dataclass(slots=True, frozen=True, eq=False)
class Dependency:
    """A service that must come first. `condition` is None in the short form."""

    service: str
    condition: str | None
    span: Span


@dataclass(slots=True, frozen=True, eq=False)
class Extends:
    """`extends:`; `file` is None for a service of the same file."""

    service: str
    file: Value | None
    span: Span


@dataclass(slots=True, frozen=True, eq=False)
class Service:
    """One service. `span` is its name; `node` its mapping, for whatever has no field here.

    Lists are empty and values None where a key is missing.
    """

    name: str
    span: Span
    source: Source
    node: Mapping
    image: Value | None = None
    build: Build | None = None
    command: CommandLine | None = None
    entrypoint: CommandLine | None = None
    environment: tuple[Variable, ...] = ()
    env_files: tuple[Value, ...] = ()
    ports: tuple[PortMapping, ...] = ()
    volumes: tuple[VolumeMount, ...] = ()
    device_requests: tuple[DeviceRequest, ...] = ()
    devices: tuple[Value, ...] = ()
    healthcheck: Healthcheck | None = None
    values: Lookup[str, Value] = field(default_factory=dict)
    lists: Lookup[str, tuple[Value, ...]] = field(default_factory=dict)
    memory: Value | None = None
    cpus: Value | None = None
    depends_on: tuple[Dependency, ...] = ()
    networks: tuple[Value, ...] = ()
    extends: Extends | None = None

    def value(self, key: str) -> Value | None:
        """A scalar setting: `user`, `runtime`, `privileged`, `network_mode`, `container_name`, `working_dir`, ..."""
        return self.values.get(key)

    def values_of(self, key: str) -> tuple[Value, ...]:
        """A list of scalars: `cap_add`, `cap_drop`, `security_opt`, `profiles`, `tmpfs`, ..."""
        return self.lists.get(key, ())

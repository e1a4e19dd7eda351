"""Compose files: the services and what the facts about them need, every value with its place.

`parse` reads one file as it stands. `syntax.compose_merge` makes the effective one out of several files and `extends`.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Lookup

from repro_audit.record import dataclass
from repro_audit.source import Excerpt, Source, Span, join
from repro_audit.syntax import compose_value, interpolate, yaml
from repro_audit.syntax.compose_service import (
    Build,
    BuildSecret,
    Dependency,
    DeviceRequest,
    Extends,
    Healthcheck,
    Service,
)
from repro_audit.syntax.compose_value import CommandLine, PortMapping, Value, Variable, VolumeMount
from repro_audit.syntax.error import Error
from repro_audit.syntax.tree import Document, Entry, Mapping, Node, Scalar, Sequence, entries_of, items_of

__all__ = [
    "Build",
    "BuildSecret",
    "Compose",
    "Dependency",
    "DeviceRequest",
    "Extends",
    "Healthcheck",
    "Service",
    "extends_of",
    "from_document",
    "parse",
]


@dataclass(slots=True, frozen=True, eq=False)
class Compose:
    """A compose file, or several merged. `version` is the place of that key and its value, where it stands.

    `volumes`, `networks`, `configs` and `secrets` are the names declared at the top level, with their places.
    """

    source: Source
    document: Document
    services: tuple[Service, ...] = ()
    version: Span | None = None
    name: Value | None = None
    volumes: tuple[Entry, ...] = ()
    networks: tuple[Entry, ...] = ()
    configs: tuple[Entry, ...] = ()
    secrets: tuple[Entry, ...] = ()
    includes: tuple[Value, ...] = ()
    errors: tuple[Error, ...] = ()

    def service(self, name: str) -> Service | None:
        """The service called `name`, or None."""
        return next((s for s in self.services if s.name == name), None)


_SCALARS = (
    "user runtime privileged network_mode pid ipc shm_size mem_limit cpus restart container_name working_dir platform"
    " read_only init stdin_open tty hostname stop_signal stop_grace_period userns_mode pull_policy scale"
    " mem_reservation pids_limit cpuset isolation"
).split()
_LISTS = "cap_add cap_drop security_opt profiles tmpfs group_add expose links volumes_from dns extra_hosts".split()
_BUILD_KEYS = frozenset(
    "context dockerfile dockerfile_inline target args additional_contexts platforms network no_cache secrets".split()
)
_REQUEST_KEYS = frozenset(("driver", "count", "device_ids", "capabilities", "options"))


def parse(source: Source, variables: Lookup[str, str] | None = None) -> Compose:
    """The file with `variables` (those of `.env`, say) filled in. Errors are YAML's and those of `${...}`."""
    return from_document(yaml.parse(source), variables)


def from_document(document: Document, variables: Lookup[str, str] | None = None) -> Compose:
    """The typed view of a tree; `compose_merge` calls it with a tree of its own making."""
    return _Reader(document, variables or {}).compose()


def extends_of(service: Mapping) -> Extends | None:
    """What a service's mapping says it extends."""
    reader = _Reader(Document(service.entries[0].key.content.source, None), {}) if service.entries else None
    return reader.extends(service.get("extends")) if reader else None


class _Reader:
    """Makes typed services of nodes. Whatever has the wrong shape is left out: the schema complains about it."""

    def __init__(self, document: Document, variables: Lookup[str, str]) -> None:
        self.document = document
        self.variables = variables
        self.errors: list[Error] = list(document.errors)
        self.seen: set[int] = set()

    def compose(self) -> Compose:
        document = self.document
        root = document.root
        if not isinstance(root, Mapping):
            if root is not None:
                self.errors.append(Error(root.span, "top-level object must be a mapping"))
            return Compose(document.source, document, errors=tuple(self.errors))
        services = tuple(
            self.service(entry.key, entry.value)
            for entry in entries_of(root.get("services"))
            if isinstance(entry.value, Mapping)
        )
        version = root.entry("version")
        return Compose(
            source=document.source,
            document=document,
            services=services,
            version=Span(version.key.span.start, version.value.span.end) if version else None,
            name=self.value(root.get("name")),
            volumes=tuple(entries_of(root.get("volumes"))),
            networks=tuple(entries_of(root.get("networks"))),
            configs=tuple(entries_of(root.get("configs"))),
            secrets=tuple(entries_of(root.get("secrets"))),
            includes=tuple(self.includes(root.get("include"))),
            errors=tuple(self.errors),
        )

    def includes(self, node: Node | None) -> Iterator[Value]:
        for item in items_of(node):
            path = item.get("path") if isinstance(item, Mapping) else item
            yield from self.values(path)

    # --- values -------------------------------------------------------------------------------------------------

    def value(self, node: Node | None) -> Value | None:
        if not isinstance(node, Scalar) or node.value is None:
            return None
        content = node.content
        source = content.source
        if "$" not in content.text:
            return Value(node.text, node.text, node.span, source, content, (), node.plain)
        expansion = interpolate.expand(content, self.variables)
        if expansion.errors and id(node) not in self.seen:
            self.seen.add(id(node))
            if source is self.document.source:
                self.errors.extend(expansion.errors)
        return Value(expansion.known, node.text, node.span, source, expansion.text, expansion.unknown, node.plain)

    def values(self, node: Node | None) -> tuple[Value, ...]:
        """A list of scalars, or one scalar for a list of one."""
        nodes = node.items if isinstance(node, Sequence) else (node,)
        return tuple(v for v in (self.value(n) for n in nodes) if v is not None)

    def pairs(self, node: Node | None) -> tuple[Variable, ...]:
        """`environment`, `args` and their like: a mapping, or a list of `NAME=value`."""
        if isinstance(node, Mapping):
            return tuple(
                Variable(e.key.text, self.value(e.value), Span(e.key.span.start, _end(e)), e.key.content.source)
                for e in entries_of(node)
            )
        found = []
        for value in self.values(node):
            name, equals, rest = value.shown.partition("=")
            part: Value | None = None
            if equals:
                inner = value.content.sub(len(name) + 1, len(value.shown))
                text = None if value.text is None else rest
                part = Value(text, rest, inner.whole if rest else value.span, value.source, inner, value.unknown)
            found.append(Variable(name, part, value.span, value.source))
        return tuple(found)

    def command(self, node: Node | None) -> CommandLine | None:
        if isinstance(node, Sequence):
            items = self.values(node)
            words = tuple(v.content for v in items)
            source = words[0].source if words else self.document.source
            return CommandLine(node.span, source, _line(source, words), words)
        value = self.value(node)
        if value is None:
            return None
        return CommandLine(value.span, value.source, value.content, compose_value.words(value.content))

    # --- services -----------------------------------------------------------------------------------------------

    def service(self, key: Scalar, node: Mapping) -> Service:
        node.entry("")
        keys = node._index
        get = node.get
        deploy = get("deploy")
        limits = deploy.at("resources", "limits") if isinstance(deploy, Mapping) else None
        limits = limits if isinstance(limits, Mapping) else None
        scalars = {k: v for k in _SCALARS if k in keys and (v := self.value(get(k))) is not None}
        lists = {k: found for k in _LISTS if k in keys and (found := self.values(get(k)))}
        return Service(
            name=key.text,
            span=key.span,
            source=key.content.source,
            node=node,
            image=self.value(get("image")),
            build=self.build(get("build")) if "build" in keys else None,
            command=self.command(get("command")),
            entrypoint=self.command(get("entrypoint")),
            environment=self.pairs(get("environment")) if "environment" in keys else (),
            env_files=tuple(self.env_files(get("env_file"))) if "env_file" in keys else (),
            ports=tuple(self.ports(get("ports"))) if "ports" in keys else (),
            volumes=tuple(self.volumes(get("volumes"))) if "volumes" in keys else (),
            device_requests=tuple(self.requests(deploy, get("gpus"))) if deploy or "gpus" in keys else (),
            devices=tuple(self.devices(get("devices"))) if "devices" in keys else (),
            healthcheck=self.healthcheck(get("healthcheck")) if "healthcheck" in keys else None,
            values=scalars,
            lists=lists,
            memory=(self.value(limits.get("memory")) if limits else None) or scalars.get("mem_limit"),
            cpus=(self.value(limits.get("cpus")) if limits else None) or scalars.get("cpus"),
            depends_on=tuple(self.depends_on(get("depends_on"))) if "depends_on" in keys else (),
            networks=tuple(self.names(get("networks"))) if "networks" in keys else (),
            extends=self.extends(get("extends")) if "extends" in keys else None,
        )

    def build(self, node: Node | None) -> Build | None:
        if isinstance(node, Scalar):
            context = self.value(node)
            return Build(context.span, context.source, context) if context else None
        if not isinstance(node, Mapping) or not node.entries:
            return None
        inline = node.get("dockerfile_inline")
        expanded = self.value(inline)
        return Build(
            span=node.span,
            source=node.entries[0].key.content.source,
            context=self.value(node.get("context")),
            dockerfile=self.value(node.get("dockerfile")),
            dockerfile_inline=expanded.content if expanded else None,
            target=self.value(node.get("target")),
            args=self.pairs(node.get("args")),
            additional_contexts=self.pairs(node.get("additional_contexts")),
            platforms=self.values(node.get("platforms")),
            network=self.value(node.get("network")),
            no_cache=self.value(node.get("no_cache")),
            secrets=tuple(self.build_secrets(node.get("secrets"))),
            others=tuple(n for n in _names(node) if n not in _BUILD_KEYS and not n.startswith("x-")),
        )

    def build_secrets(self, node: Node | None) -> Iterator[BuildSecret]:
        for item in items_of(node):
            source, target = (item.get("source"), item.get("target")) if isinstance(item, Mapping) else (item, None)
            name = self.value(source)
            if name is not None:
                yield BuildSecret(name, self.value(target))

    def env_files(self, node: Node | None) -> Iterator[Value]:
        for item in node.items if isinstance(node, Sequence) else (node,):
            value = self.value(item.get("path") if isinstance(item, Mapping) else item)
            if value is not None:
                yield value

    def names(self, node: Node | None) -> Iterator[Value]:
        """The names in a list, or the keys of a mapping."""
        if isinstance(node, Mapping):
            for entry in entries_of(node):
                key = entry.key
                yield Value(key.text, key.text, key.span, key.content.source, key.content)
        else:
            yield from self.values(node)

    def ports(self, node: Node | None) -> Iterator[PortMapping]:
        for item in items_of(node):
            if isinstance(item, Mapping):
                target = self.value(item.get("target"))
                if target is None:
                    continue
                part = {k: self.value(item.get(k)) for k in ("published", "host_ip", "protocol")}
                published, host_ip, protocol = (v.shown if v else None for v in part.values())
                raw = f"{host_ip + ':' if host_ip else ''}{published + ':' if published else ''}{target.shown}"
                yield PortMapping(
                    raw, host_ip, published, target.shown, protocol or "tcp", item.span, target.source, target.plain
                )
            else:
                value = self.value(item)
                if value is not None:
                    yield compose_value.port(value.shown, value.span, value.source, value.plain)

    def volumes(self, node: Node | None) -> Iterator[VolumeMount]:
        for item in items_of(node):
            if isinstance(item, Mapping):
                kind, origin, target = (self.value(item.get(k)) for k in ("type", "source", "target"))
                readonly = self.value(item.get("read_only"))
                if target is None:
                    continue
                yield VolumeMount(
                    kind.shown if kind else "volume",
                    origin.shown if origin else None,
                    target.shown,
                    bool(readonly and compose_value.boolean(readonly.text)),
                    item.span,
                    target.source,
                )
            else:
                value = self.value(item)
                if value is not None:
                    yield compose_value.volume(value.shown, value.span, value.source)

    def devices(self, node: Node | None) -> Iterator[Value]:
        for item in items_of(node):
            value = self.value(item.get("source") if isinstance(item, Mapping) else item)
            if value is not None:
                yield value

    def requests(self, deploy: Node | None, gpus: Node | None) -> Iterator[DeviceRequest]:
        reserved = deploy.at("resources", "reservations", "devices") if isinstance(deploy, Mapping) else None
        for form, node in (("reservation", reserved), ("gpus", gpus)):
            if isinstance(node, Scalar):
                value = self.value(node)
                if value is not None:
                    yield DeviceRequest(form, value.span, value.source, count=value)
            for item in items_of(node):
                if isinstance(item, Mapping) and item.entries:
                    yield self.request(form, item)

    def request(self, form: str, item: Mapping) -> DeviceRequest:
        ids, capabilities = item.get("device_ids"), item.get("capabilities")
        return DeviceRequest(
            form=form,
            span=item.span,
            source=item.entries[0].key.content.source,
            driver=self.value(item.get("driver")),
            count=self.value(item.get("count")),
            device_ids=self.values(ids) if item.entry("device_ids") else None,
            device_ids_span=ids.span if ids else None,
            capabilities=self.values(capabilities) if item.entry("capabilities") else None,
            capabilities_span=capabilities.span if capabilities else None,
            unknown=tuple(e for e in entries_of(item) if e.key.text not in _REQUEST_KEYS and e.key.text[:2] != "x-"),
        )

    def healthcheck(self, node: Node | None) -> Healthcheck | None:
        if not isinstance(node, Mapping) or not node.entries:
            return None
        test, none = self.test(node.get("test"))
        disable = self.value(node.get("disable"))
        return Healthcheck(
            span=node.span,
            source=node.entries[0].key.content.source,
            test=test,
            disabled=none or bool(disable and compose_value.boolean(disable.text)),
            interval=self.value(node.get("interval")),
            timeout=self.value(node.get("timeout")),
            start_period=self.value(node.get("start_period")),
            retries=self.value(node.get("retries")),
        )

    def test(self, node: Node | None) -> tuple[CommandLine | None, bool]:
        """The test and whether it is `NONE`. A string, and what follows `CMD-SHELL`, is for a shell."""
        if isinstance(node, Sequence):
            items = self.values(node)
            if not items:
                return None, False
            kind, words = items[0].text, tuple(v.content for v in items[1:])
            if kind == "NONE":
                return None, True
            text = _line(items[0].source, words)
            return CommandLine(node.span, items[0].source, text, words, kind == "CMD-SHELL"), False
        value = self.value(node)
        if value is None:
            return None, False
        return CommandLine(value.span, value.source, value.content, (value.content,), True), False

    def depends_on(self, node: Node | None) -> Iterator[Dependency]:
        if isinstance(node, Mapping):
            for entry in entries_of(node):
                condition = self.value(entry.value.get("condition")) if isinstance(entry.value, Mapping) else None
                yield Dependency(entry.key.text, condition.text if condition else None, entry.key.span)
        else:
            for value in self.values(node):
                yield Dependency(value.shown, None, value.span)

    def extends(self, node: Node | None) -> Extends | None:
        if isinstance(node, Mapping):
            service = self.value(node.get("service"))
            return Extends(service.shown, self.value(node.get("file")), node.span) if service else None
        value = self.value(node)
        return Extends(value.shown, None, value.span) if value else None


def _names(node: Mapping) -> Iterator[str]:
    return (entry.key.text for entry in node.entries)


def _end(entry: Entry) -> int:
    """Where an entry ends; an alias's value stands elsewhere, and then the key is all there is."""
    return entry.value.span.end if entry.value.span.start >= entry.key.span.end else entry.key.span.end


def _line(source: Source, words: tuple[Excerpt, ...]) -> Excerpt:
    """The words in one line, each still leading to its own place."""
    parts: list[tuple[str, int, int]] = []
    for word in words:
        if parts:
            last = parts[-1]
            parts.append((" ", last[1] + last[2], 0))
        for index, (at, place, length) in enumerate(word.pieces):
            stop = word.pieces[index + 1][0] if index + 1 < len(word.pieces) else len(word.text)
            parts.append((word.text[at:stop], place, length))
    return join(source, parts)

"""Checks of the `security` family."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from repro_audit.facts import base_image
from repro_audit.facts.container import Container, Port
from repro_audit.finding import Edit, Fix, Problem, Severity

if TYPE_CHECKING:
    from repro_audit.facts.instruction import Instruction
    from repro_audit.facts.stage import Stage

# Programs that give up root themselves once they have started.
_DROPS_ROOT = frozenset("gosu su-exec setpriv chroot runuser s6-setuidgid s6-svscan tini-static".split())
# BuildKit's own list (`SecretsUsedInArgOrEnv`), word by word.
_SECRET = re.compile(
    r"(?:^|_)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)", re.IGNORECASE
)
# Names that mention a secret and say something else about it at their end (`API_KEY_FILE`, `AUTH_VERSION`).
_NO_SECRET = re.compile(
    r"(?:^|_)(?:public|gpg|pgp|keyring|dummy)(?:_|$)"
    r"|_(?:file|path|dir|url|uri|id|name|type|len|length|size|mode|ttl|expiry|host|version|algorithm|servers?|enabled?"
    r"|disabled?|required?|max|min|num|count|limit|fingerprint|sha256|checksum|user|method|provider|scheme|header"
    r"|prefix|suffix|format)$|__key$",
    re.IGNORECASE,
)
# What listens here by default lets everybody in: dashboards of experiments and clusters, notebooks, model servers
# that run code, databases and queues.
_OPEN_PORTS = frozenset(
    "2375 3306 5432 6006 6333 6379 7860 8188 8265 8786 8787 8888 9200 11211 11434 19530 27017".split()
)
# Published on purpose, for everybody to reach.
_PUBLIC_PORTS = frozenset(("22", "25", "53", "80", "443"))
_OPEN_PROGRAM = re.compile(
    r"(?:^|[/_-])(?:tensorboard|jupyter\w*|jupyterlab|notebook|mlflow|aim|ray|dask|spark|redis|mongo(?:db)?|postgres(?:ql)?|"
    r"mysql|mariadb|elasticsearch|opensearch|memcached|rabbitmq|qdrant|milvus|weaviate|chroma|neo4j|minio|clickhouse|"
    r"ollama|vllm\S*|text-generation\S*|label-studio|streamlit|gradio|comfyui|kafka|zookeeper|etcd|influxdb|cassandra)(?:$|[-_:])"
)


def root_user(stage: Stage) -> Iterator[Problem]:
    """A final stage that starts something as root, or goes back to root at its end; only a note where the base
    image's user is not known.
    """
    root = stage.root
    if not stage.final or _gives_up_root(stage) or base_image.windows(root):
        return
    if stage.user is None:
        if stage.cmd is None and stage.entrypoint is None:
            return
        known = base_image.runs_as_root(root)
        if known:
            yield Problem(stage.source, stage.base.span, values={"why_root": ": no USER is set"})
        elif known is None and not root.unknown:
            message = f"No USER is set, so the container runs as whatever `{root.image}` leaves in force, often root"
            yield Problem(stage.source, stage.base.span, message, severity=Severity.INFO)
        return
    name = stage.user.split(":")[0]
    if name not in ("root", "0"):
        return
    last = next((i for s in stage.lineage for i in reversed(s.instructions) if i.keyword == "USER"), None)
    if last is not None:
        yield Problem(stage.source, last.span, values={"why_root": f": the last USER is `{name}`"})


def _gives_up_root(stage: Stage) -> bool:
    """Whether the start goes through a program that changes the user, or that program is installed for it."""
    for instruction in (stage.entrypoint, stage.cmd):
        if instruction is None:
            continue
        for command in instruction.commands:
            if command.name in _DROPS_ROOT or set(command.node.via) & _DROPS_ROOT:
                return True
    return any(p.name in _DROPS_ROOT for each in stage.lineage for p in each.packages)


def secret_in_env(instruction: Instruction) -> Iterator[Problem]:
    """ENV or ARG of a variable whose name says that it is a secret."""
    node = instruction.node
    if instruction.keyword == "ENV":
        for at in range(0, len(node.value) - 1, 3):
            value = node.value[at + 1].text.strip("\"'")
            if value and _is_secret(node.value[at].text) and not _no_value(value):
                yield Problem(instruction.source, node.value[at].whole, values={"variable": node.value[at].text})
    elif instruction.keyword == "ARG":
        for word in node.value:
            name, _, value = word.text.partition("=")
            if _is_secret(name) and not _no_value(value.strip("\"'")):
                place = word.sub(0, len(name)).whole
                yield Problem(instruction.source, place, values={"variable": name})


def _is_secret(name: str) -> bool:
    return bool(_SECRET.search(name)) and not _NO_SECRET.search(name)


def _no_value(value: str) -> bool:
    """Whether the value is a switch, a number or a path, and so not the secret itself."""
    return value.lower() in ("true", "false", "yes", "no", "none", "on", "off") or value.startswith(("/", "~"))


# They register emulators with the kernel once, and end.
_NEEDS_PRIVILEGE = re.compile(r"(?:^|/)(?:binfmt|qemu-user-static)$")


def container_privileged(container: Container) -> Iterator[Problem]:
    """`privileged: true`; only a note on the throw-away machine of a workflow."""
    if container.privileged is None or container.privileged.value != "true":
        return
    if container.image is not None and _NEEDS_PRIVILEGE.search(container.image.repository):
        return
    yield Problem(container.source, container.privileged.span, severity=_severity(container))


def host_namespace(container: Container) -> Iterator[Problem]:
    """The host's network or process namespace. (`ipc: host` is how PyTorch's documentation gives workers
    memory.)
    """
    for setting, namespace in ((container.network_mode, "network"), (container.pid, "process")):
        if setting is not None and setting.value == "host":
            yield Problem(
                container.source, setting.span, values={"namespace": namespace}, severity=_severity(container)
            )


def _severity(container: Container) -> Severity | None:
    """A workflow's containers run on a machine that is thrown away: what they may do to it is only a note."""
    return Severity.INFO if container.origin in ("workflow", "docker-run") else None


def port_on_all_interfaces(container: Container) -> Iterator[Problem]:
    """A published port without a host address; only a note where nothing says that whoever reaches it is let in."""
    if container.origin not in ("compose", "devcontainer"):
        return
    if container.network_mode is not None and container.network_mode.value in ("host", "none"):
        return
    open_program = _lets_everybody_in(container)
    for port in container.ports:
        if port.published is None or port.host_ip not in (None, "", "0.0.0.0", "::", "[::]"):
            continue
        if port.published in _PUBLIC_PORTS:
            continue
        if not (port.published[0].isdigit() or "$" in port.published) or "." in port.published:
            continue  # No port number; the engine refuses it.
        yield Problem(
            container.source,
            port.span,
            values={"port": port.published},
            severity=None if open_program or port.target in _OPEN_PORTS else Severity.INFO,
            fix=_bound(container, port),
        )


def _lets_everybody_in(container: Container) -> bool:
    """Whether the container runs a program that asks nobody for a password by default."""
    names = [container.image.repository] if container.image is not None and not container.image.local else []
    names += [word for command in container.commands for word in (command.name, *command.args[:3])]
    if container.stage is not None:
        for instruction in (container.stage.entrypoint, container.stage.cmd):
            if instruction is not None:
                names += [word for command in instruction.commands for word in (command.name, *command.args[:3])]
    return any(_OPEN_PROGRAM.search(name) for name in names)


def _bound(container: Container, port: Port) -> Fix | None:
    """Bind a short-form port to the loopback."""
    written = container.source.slice(port.span)
    inner = written.strip("\"'")
    if port.host_ip or not re.fullmatch(r"\d+(?:-\d+)?:\d+(?:-\d+)?(?:/(?:tcp|udp))?", inner):
        return None
    text = f'"127.0.0.1:{inner}"' if written == inner else written.replace(inner, f"127.0.0.1:{inner}")
    return Fix("Bind the port to the loopback", (Edit(port.span, text),), safe=False)

"""Checks of the `security` family."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from repro_audit.facts.container import Container, Port
from repro_audit.finding import Edit, Fix, Problem, Severity

if TYPE_CHECKING:
    from repro_audit.facts.input import ImageRef
    from repro_audit.facts.instruction import Instruction
    from repro_audit.facts.stage import Stage

# Programs that give up root themselves once they have started.
_DROPS_ROOT = frozenset("gosu su-exec setpriv chroot runuser s6-setuidgid s6-svscan tini-static".split())
# Publishers whose images set a user other than root.
_NONROOT_REPOSITORIES = re.compile(
    r"(?:bitnami|jupyter|cimg|circleci|selenium|gitpod|chainguard|grafana|prom|prometheus|nginxinc|kasmweb)/"
    r"|(?:ubi\d*|rhel\d*)/(?:python|nodejs|openjdk|ruby|perl|php|go-toolset|nginx|httpd)"
)
# BuildKit's own list (`SecretsUsedInArgOrEnv`), word by word.
_SECRET = re.compile(
    r"(?:^|_)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)", re.IGNORECASE
)
_NO_SECRET = re.compile(
    r"(?:^|_)(?:public|gpg|pgp|keyring|file|path|dir|url|uri|id|name|type|len|length|size|auth_mode|ttl|expiry|host)(?:_|$)",
    re.IGNORECASE,
)
# Published on purpose, for everybody to reach.
_WEB_PORTS = frozenset(("80", "443", "22", "25", "53"))


def root_user(stage: Stage) -> Iterator[Problem]:
    """A final stage that starts something, and does so as root."""
    if not stage.final or (stage.cmd is None and stage.entrypoint is None):
        return
    user = stage.user
    if user is None:
        if stage.root.image == "scratch" or stage.root.unknown or _sets_user(stage.root) or _gives_up_root(stage):
            return
        yield Problem(stage.source, stage.base.span, values={"why_root": ": no USER is set"})
        return
    name = user.split(":")[0]
    if name not in ("root", "0") or _gives_up_root(stage):
        return
    last = next((i for s in stage.lineage for i in reversed(s.instructions) if i.keyword == "USER"), None)
    if last is not None:
        yield Problem(stage.source, last.span, values={"why_root": f": the last USER is `{name}`"})


def _sets_user(image: ImageRef) -> bool:
    return (
        "nonroot" in (image.tag or "")
        or bool(_NONROOT_REPOSITORIES.match(image.repository))
        or (image.registry in ("cgr.dev", "quay.io") and image.repository.startswith(("chainguard/", "jupyter/")))
    )


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


def container_privileged(container: Container) -> Iterator[Problem]:
    """`privileged: true`."""
    if container.privileged is not None and container.privileged.value == "true":
        yield Problem(container.source, container.privileged.span)


def host_namespace(container: Container) -> Iterator[Problem]:
    """The host's network, process or user namespace. (`ipc: host` is how PyTorch's documentation gives workers
    memory.)
    """
    for setting, namespace in ((container.network_mode, "network"), (container.pid, "process")):
        if setting is not None and setting.value == "host":
            yield Problem(container.source, setting.span, values={"namespace": namespace})


def port_on_all_interfaces(container: Container) -> Iterator[Problem]:
    """A published port without a host address; only a note where the port is one that people publish on purpose."""
    if container.origin not in ("compose", "docker-run", "devcontainer"):
        return
    if container.network_mode is not None and container.network_mode.value in ("host", "none"):
        return
    for port in container.ports:
        if port.published is None or port.host_ip not in (None, "", "0.0.0.0", "::", "[::]"):
            continue
        public = port.published in _WEB_PORTS
        yield Problem(
            container.source,
            port.span,
            values={"port": port.published},
            severity=Severity.INFO if public else None,
            fix=_bound(container, port),
        )


def _bound(container: Container, port: Port) -> Fix | None:
    """Bind a short-form port to the loopback."""
    written = container.source.slice(port.span)
    inner = written.strip("\"'")
    if port.host_ip or not re.fullmatch(r"\d+(?:-\d+)?:\d+(?:-\d+)?(?:/(?:tcp|udp))?", inner):
        return None
    text = f'"127.0.0.1:{inner}"' if written == inner else written.replace(inner, f"127.0.0.1:{inner}")
    return Fix("Bind the port to the loopback", (Edit(port.span, text),), safe=False)

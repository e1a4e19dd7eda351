"""`devcontainer.json`: the image or build of a development container and how it is run.

Field names follow the devcontainer specification (containers.dev/implementors/json_reference).
"""

from __future__ import annotations

from repro_audit.record import dataclass
from repro_audit.source import Excerpt, Source, Span
from repro_audit.syntax import jsonc
from repro_audit.syntax.error import Error
from repro_audit.syntax.tree import Document, Entry, Mapping, Node, Scalar, Sequence, entries_of, items_of

LIFECYCLE = (
    "initializeCommand",
    "onCreateCommand",
    "updateContentCommand",
    "postCreateCommand",
    "postStartCommand",
    "postAttachCommand",
)


@dataclass(slots=True, frozen=True, eq=False)
class Lifecycle:
    """One command of a lifecycle hook: `text` for a shell, or `words` for a program started directly.

    `hook` is the property's name; several commands of one hook (its object form) run side by side.
    """

    hook: str
    span: Span
    text: Excerpt
    words: tuple[Excerpt, ...] | None = None


@dataclass(slots=True, frozen=True, eq=False)
class Devcontainer:
    """A devcontainer file. `dockerfile` and `context` are relative to its folder, as `compose_files` are.

    `mounts` are scalars (`source=...,target=...`) or mappings, `features` name -> options, as they stand.
    """

    source: Source
    document: Document
    span: Span
    name: str | None = None
    image: Scalar | None = None
    dockerfile: Scalar | None = None
    context: Scalar | None = None
    target: Scalar | None = None
    build_args: tuple[Entry, ...] = ()
    build_span: Span | None = None
    compose_files: tuple[Scalar, ...] = ()
    service: Scalar | None = None
    run_args: tuple[Scalar, ...] = ()
    gpu: Node | None = None
    mounts: tuple[Node, ...] = ()
    workspace_mount: Scalar | None = None
    container_env: tuple[Entry, ...] = ()
    remote_env: tuple[Entry, ...] = ()
    container_user: Scalar | None = None
    remote_user: Scalar | None = None
    privileged: Scalar | None = None
    cap_add: tuple[Scalar, ...] = ()
    security_opt: tuple[Scalar, ...] = ()
    app_ports: tuple[Scalar, ...] = ()
    features: tuple[Entry, ...] = ()
    lifecycle: tuple[Lifecycle, ...] = ()
    errors: tuple[Error, ...] = ()


def parse(source: Source) -> Devcontainer:
    """The file's properties. Anything of the wrong shape is left out."""
    document = jsonc.parse(source)
    root = document.root
    errors = list(document.errors)
    if not isinstance(root, Mapping):
        if root is not None:
            errors.append(Error(root.span, "a devcontainer is an object"))
        return Devcontainer(source, document, Span(0, 0), errors=tuple(errors))
    build = root.get("build")
    build = build if isinstance(build, Mapping) else None
    name = _scalar(root.get("name"))
    entry = root.entry("build") or root.entry("dockerFile") or root.entry("image") or root.entry("name")
    requirements = root.get("hostRequirements")
    dockerfile = _scalar(build.get("dockerfile") or build.get("dockerFile")) if build else None
    return Devcontainer(
        source=source,
        document=document,
        span=entry.key.span if entry else Span(root.span.start, root.span.start + 1),
        name=name.text if name else None,
        image=_scalar(root.get("image")),
        dockerfile=dockerfile or _scalar(root.get("dockerFile")),
        context=(_scalar(build.get("context")) if build else None) or _scalar(root.get("context")),
        target=_scalar(build.get("target")) if build else None,
        build_args=tuple(entries_of(build.get("args"))) if build else (),
        build_span=build.span if build else None,
        compose_files=_scalars(root.get("dockerComposeFile")),
        service=_scalar(root.get("service")),
        run_args=_scalars(root.get("runArgs")),
        gpu=requirements.get("gpu") if isinstance(requirements, Mapping) else None,
        mounts=items_of(root.get("mounts")),
        workspace_mount=_scalar(root.get("workspaceMount")),
        container_env=tuple(entries_of(root.get("containerEnv"))),
        remote_env=tuple(entries_of(root.get("remoteEnv"))),
        container_user=_scalar(root.get("containerUser")),
        remote_user=_scalar(root.get("remoteUser")),
        privileged=_scalar(root.get("privileged")),
        cap_add=_scalars(root.get("capAdd")),
        security_opt=_scalars(root.get("securityOpt")),
        app_ports=_scalars(root.get("appPort")),
        features=tuple(entries_of(root.get("features"))),
        lifecycle=tuple(c for hook in LIFECYCLE for c in _commands(hook, root.get(hook))),
        errors=tuple(errors),
    )


def _scalar(node: Node | None) -> Scalar | None:
    return node if isinstance(node, Scalar) and node.value is not None else None


def _scalars(node: Node | None) -> tuple[Scalar, ...]:
    nodes = node.items if isinstance(node, Sequence) else (node,)
    return tuple(s for s in map(_scalar, nodes) if s is not None)


def _commands(hook: str, node: Node | None) -> list[Lifecycle]:
    if isinstance(node, Mapping):
        return [command for entry in entries_of(node) for command in _commands(hook, entry.value)]
    if isinstance(node, Sequence):
        words = tuple(s.content for s in _scalars(node))
        if not words:
            return []
        whole = node.span
        text = words[0].source.excerpt(whole)
        return [Lifecycle(hook, whole, text, words)]
    scalar = _scalar(node)
    return [Lifecycle(hook, scalar.span, scalar.content)] if scalar else []

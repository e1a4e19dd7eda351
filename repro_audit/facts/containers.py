"""Compose services, devcontainers and workflow jobs -> `Container` facts, with the commands that they start.

Called for each file that says how an image is run; `docker run` commands are read by `facts.docker_run`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from repro_audit.facts import compose_build, docker_run, gpu_request, image_reference
from repro_audit.facts.compose_build import inside
from repro_audit.facts.container import Build, Container, EnvVar, GpuRequest, Healthcheck, Mount, Port, Setting
from repro_audit.facts.input import ImageRef
from repro_audit.facts.runtime_commands import of_service
from repro_audit.source import Source, Span
from repro_audit.syntax import compose, compose_value
from repro_audit.syntax.apptainer import Definition
from repro_audit.syntax.compose_value import Value, Variable
from repro_audit.syntax.devcontainer import Devcontainer
from repro_audit.syntax.tree import Entry, Mapping, Scalar
from repro_audit.syntax.workflow import JobContainer, Workflow

_Place = Callable[[Span, Source], Span]

_DEVCONTAINER_VARIABLE = re.compile(r"\$\{(?:localEnv|env):([^}:]+)(?::([^}]*))?\}")
_EXPRESSION = re.compile(r"\$\{\{([^{}]*)\}\}")


# --- compose -------------------------------------------------------------------------------------------------------


def of_compose(file: compose.Compose, folder: str) -> tuple[Container, ...]:
    """A container for each service. `folder` is the file's own, relative to the project root ('' for the root)."""
    return tuple(_service(file, service, folder) for service in file.services)


def _service(file: compose.Compose, service: compose.Service, folder: str) -> Container:
    source = file.source

    def place(span: Span, of: Source) -> Span:
        return span if of is source else service.span

    def setting(value: Value | None) -> Setting | None:
        return Setting(value.text, place(value.span, value.source)) if value is not None else None

    def settings(values: Sequence[Value]) -> tuple[Setting, ...]:
        return tuple(Setting(v.text, place(v.span, v.source)) for v in values)

    def variables(items: Sequence[Variable]) -> tuple[EnvVar, ...]:
        return tuple(EnvVar(v.name, v.value.text if v.value else None, place(v.span, v.source)) for v in items)

    value = service.value
    build = compose_build.of_service(file, service, folder, place, variables)
    runtime = value("runtime")
    gpus: list[GpuRequest] = []
    for request in service.device_requests:
        found = gpu_request.of_device_request(request, source, service.span)
        if found is not None:
            gpus.append(found)
    if runtime is not None:
        gpus.extend(gpu_request.of_runtime(runtime.text, place(runtime.span, runtime.source)))
    for device in service.devices:
        found = gpu_request.of_device(device.shown, place(device.span, device.source))
        if found is not None:
            gpus.append(found)
    mounts = [Mount(v.type, v.origin, v.target, v.readonly, place(v.span, v.source)) for v in service.volumes]
    mounts += [
        Mount("tmpfs", None, t.shown.split(":")[0], False, place(t.span, t.source)) for t in service.values_of("tmpfs")
    ]
    env = variables(service.environment)
    return Container(
        source=source,
        span=service.span,
        name=service.name,
        origin="compose",
        image=_image(source, service, place),
        build=build,
        user=setting(value("user")),
        runtime=setting(runtime),
        gpus=tuple(gpus),
        env=env,
        env_files=settings(service.env_files),
        mounts=tuple(mounts),
        ports=tuple(
            Port(p.raw, p.host_ip, p.published, p.target, p.protocol, place(p.span, p.source)) for p in service.ports
        ),
        network_mode=setting(value("network_mode")),
        pid=setting(value("pid")),
        ipc=setting(value("ipc")),
        shm_size=setting(value("shm_size")),
        memory=setting(service.memory),
        cpus=setting(service.cpus),
        privileged=setting(value("privileged")),
        cap_add=settings(service.values_of("cap_add")),
        cap_drop=settings(service.values_of("cap_drop")),
        security_opt=settings(service.values_of("security_opt")),
        devices=settings(service.devices),
        restart=setting(value("restart")),
        healthcheck=_healthcheck(service.healthcheck, place),
        commands=tuple(of_service(service)),
        profiles=tuple(p.shown for p in service.values_of("profiles")),
    )


def _image(source: Source, service: compose.Service, place: _Place) -> ImageRef | None:
    image = service.image
    if image is None:
        return None
    platform = service.value("platform")
    return image_reference.reference(
        source,
        place(image.span, image.source),
        image.raw,
        image.shown,
        "compose",
        unknown=image.unknown,
        local=service.build is not None,
        platform=platform.text if platform else None,
    )


def _healthcheck(check: compose.Healthcheck | None, place: _Place) -> Healthcheck | None:
    if check is None:
        return None
    test: tuple[str, ...] = ()
    if check.test is not None:
        kind = "CMD-SHELL" if check.test.shell else "CMD"
        test = (kind, *(w.text for w in check.test.words)) if check.test.words else ()
    timeout = check.timeout
    retries = check.retries.text if check.retries else None
    return Healthcheck(
        span=place(check.span, check.source),
        test=test,
        disabled=check.disabled,
        interval=_seconds(check.interval),
        timeout=_seconds(timeout),
        timeout_span=place(timeout.span, timeout.source) if timeout else None,
        start_period=_seconds(check.start_period),
        retries=int(retries) if retries and retries.isdigit() and len(retries) < 9 else None,
    )


def _seconds(value: Value | None) -> float | None:
    return compose_value.duration(value.text) if value is not None and value.text is not None else None


# --- devcontainers -------------------------------------------------------------------------------------------------


def of_devcontainer(file: Devcontainer, folder: str) -> Container | None:
    """The development container of an image or a Dockerfile; None where a compose file describes it.

    `folder` is the file's own. A Dockerfile's path and the context are relative to it.
    """
    if file.compose_files or (file.image is None and file.dockerfile is None):
        return None
    found, _ = docker_run.options(docker_run.tokens_of(a.content for a in file.run_args), 0)
    settings = docker_run.Settings(file.source, found)
    image = None
    if file.image is not None:
        text, unknown = _local_variables(file.image.text)
        image = image_reference.reference(
            file.source, file.image.span, file.image.text, text, "devcontainer", unknown=unknown
        )
    user = file.container_user or file.remote_user
    mounts = [_mount(node) for node in file.mounts]
    if file.workspace_mount is not None and file.workspace_mount.text:
        mounts.append(docker_run.mount(file.workspace_mount.text, file.workspace_mount.span))
    privileged = file.privileged
    known: dict[str, object] = {
        "name": file.name or "devcontainer",
        "origin": "devcontainer",
        "span": file.span,
        "image": image,
        "build": _devcontainer_build(file, folder),
        "gpus": (*_host_gpu(file), *settings.gpus()),
        "env": (*_env(file.container_env), *_env(file.remote_env), *settings.env()),
        "mounts": (*(m for m in mounts if m is not None), *settings.mounts()),
        "ports": (*_ports(file.source, file.app_ports), *settings.ports()),
        "cap_add": (*(Setting(c.text, c.span) for c in file.cap_add), *settings.settings("cap-add")),
        "security_opt": (*(Setting(s.text, s.span) for s in file.security_opt), *settings.settings("security-opt")),
    }
    if user is not None:
        known["user"] = Setting(user.text, user.span)
    if privileged is not None:
        known["privileged"] = Setting("true" if privileged.value is True else privileged.text, privileged.span)
    return settings.container(**known)


def _devcontainer_build(file: Devcontainer, folder: str) -> Build | None:
    if file.dockerfile is None:
        return None
    args = tuple(
        EnvVar(e.key.text, e.value.text if isinstance(e.value, Scalar) else None, e.key.span) for e in file.build_args
    )
    return Build(
        context=inside(folder, file.context.text if file.context else "."),
        dockerfile=inside(folder, file.dockerfile.text),
        target=file.target.text if file.target else None,
        args=args,
        span=file.build_span or file.dockerfile.span,
    )


def _host_gpu(file: Devcontainer) -> tuple[GpuRequest, ...]:
    gpu = file.gpu
    if isinstance(gpu, Scalar):
        if gpu.value is True or gpu.text == "optional":
            return (GpuRequest("gpus", gpu.span, count="all"),)
        if gpu.value is False or gpu.value is None:
            return ()
        fault = f'`gpu` must be true, false, "optional" or an object, not `{gpu.text}`'
        return (GpuRequest("gpus", gpu.span, fault=fault, fault_span=gpu.span),)
    return (GpuRequest("gpus", gpu.span, count="all"),) if isinstance(gpu, Mapping) else ()


def _mount(node: object) -> Mount | None:
    if isinstance(node, Scalar):
        return docker_run.mount(node.text, node.span)
    if isinstance(node, Mapping):
        values = {e.key.text: e.value.text for e in node.entries if isinstance(e.value, Scalar)}
        return Mount(values.get("type", "volume"), values.get("source"), values.get("target", ""), False, node.span)
    return None


def _env(entries: Sequence[Entry]) -> tuple[EnvVar, ...]:
    found = []
    for entry in entries:
        value = entry.value
        text = value.text if isinstance(value, Scalar) and value.value is not None and "${" not in value.text else None
        found.append(EnvVar(entry.key.text, text, Span(entry.key.span.start, entry.value.span.end)))
    return tuple(found)


def _ports(source: Source, ports: Sequence[Scalar]) -> tuple[Port, ...]:
    found = []
    for scalar in ports:
        made = compose_value.port(scalar.text, scalar.span, source, scalar.plain)
        # A devcontainer's lone port is published under its own number.
        published = made.published or (made.target if isinstance(scalar.value, int) else None)
        found.append(Port(made.raw, made.host_ip, published, made.target, made.protocol, scalar.span))
    return tuple(found)


def _local_variables(text: str) -> tuple[str, tuple[str, ...]]:
    """`${localEnv:X:default}` replaced by its default; the names of those without one."""
    unknown: list[str] = []

    def value(match: re.Match[str]) -> str:
        if match.group(2) is None:
            unknown.append(match.group(1))
            return match.group()
        return match.group(2)

    made = _DEVCONTAINER_VARIABLE.sub(value, text)
    return made, tuple(unknown)


# --- workflows and Apptainer ---------------------------------------------------------------------------------------


def of_workflow(file: Workflow) -> tuple[Container, ...]:
    """Each job's container and services."""
    found = []
    for job in file.jobs:
        for container in (job.container, *job.services):
            if container is not None:
                found.append(_job_container(file.source, container))
    return tuple(found)


def _job_container(source: Source, said: JobContainer) -> Container:
    options: list[docker_run.Option] = []
    if said.options is not None:
        options, _ = docker_run.options(docker_run.tokens_of(compose_value.words(said.options.content)), 0)
    settings = docker_run.Settings(source, options)
    image = None
    if said.image is not None and said.image.text:
        text = said.image.text.removeprefix("docker://")
        unknown = tuple(dict.fromkeys(m.strip() for m in _EXPRESSION.findall(text)))
        image = image_reference.reference(source, said.image.span, said.image.text, text, "workflow", unknown=unknown)
    mounts = []
    for volume in said.volumes:
        made = compose_value.volume(volume.text, volume.span, source)
        mounts.append(Mount(made.type, made.origin, made.target, made.readonly, volume.span))
    return settings.container(
        name=said.name,
        origin="workflow",
        span=said.span,
        image=image,
        env=(*_env(said.env), *settings.env()),
        mounts=(*mounts, *settings.mounts()),
        ports=(*_ports(source, said.ports), *settings.ports()),
    )


def of_definition(file: Definition) -> tuple[ImageRef, ...]:
    """What an Apptainer definition starts from: `Bootstrap: docker` or `oras` with `From:`, or a local image."""
    found = []
    for stage in file.stages:
        bootstrap, origin = stage.header("bootstrap"), stage.header("from")
        if bootstrap is None or origin is None:
            continue
        kind = bootstrap.value.lower()
        if kind not in ("docker", "oras", "library", "shub", "docker-daemon", "docker-archive", "localimage", "oci"):
            continue
        local = kind in ("docker-daemon", "docker-archive", "localimage", "oci")
        unknown = tuple(re.findall(r"\{\{\s*(\w+)\s*\}\}", origin.value))
        found.append(
            image_reference.reference(
                file.source, origin.value_span, origin.value, origin.value, "apptainer", unknown=unknown, local=local
            )
        )
    return tuple(found)

"""Docker: builds with BuildKit where the daemon and the client have it, else with the classic builder; runs and saves.

Also what buildx and podman share with it: the words for running a container.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

from repro_audit.container import engine_names as names
from repro_audit.container.engine import BuildCommand, Engine, EngineInfo, fresh_name, need_space
from repro_audit.container.engine_answer import ask, document, part
from repro_audit.container.engine_error import Attempt, EngineError
from repro_audit.container.engine_request import BuildRequest, RunRequest
from repro_audit.container.engine_secrets import looks_secret
from repro_audit.container.process import Outcome, shielded

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = "docker"
_GET = "install Docker (https://docs.docker.com/engine/install/)"
_START = "start the Docker daemon (`systemctl start docker`), or set DOCKER_HOST to one that runs"
_GONE = ("Cannot connect to the Docker daemon", "error during connect", "Is the docker daemon running")
_DIGITS = re.compile(r"[0-9]{1,9}")


def detect(program: str = PROGRAM) -> EngineInfo | Attempt:
    """What docker can do here, or why it does not work."""
    try:
        told = ask(program, "version", "--format", "{{json .}}")
        has_plugin = ask(program, "buildx", "version").ok if told.ok else False
        info = (document(ask(program, "info", "--format", "{{json .}}").stdout) or {}) if told.ok else {}
    except EngineError as error:
        return Attempt("docker", str(error), _GET)
    if told.timed_out:
        return Attempt("docker", f"it does not answer (asked for its version, waited {told.seconds:.0f} s)", _START)
    answer = document(told.stdout)
    client, server = part(answer, "Client"), part(answer, "Server")
    if not isinstance(client, dict):
        if told.ok:
            return Attempt("docker", f"it answers what docker does not: {told.last_line}", _GET)
        return Attempt("docker", told.last_line, _START)
    if not isinstance(server, dict) or not told.ok:
        remedy = _START
        if "permission denied" in told.stderr.lower():
            remedy = "add your user to the group `docker`, or use rootless Docker or podman"
        return Attempt("docker", told.last_line, remedy)
    if "podman" in json.dumps(answer).lower():
        return Attempt("docker", "`docker` is podman here", "use --engine podman")
    # the version of the interface tells what a daemon can do, whatever its makers call their version
    api = number(str(server.get("ApiVersion", "0")))
    features = {"run", "gpus", "load"}
    if api >= (1, 44) and info.get("CDISpecDirs"):
        features.add("cdi")
    version, builder, notes = str(server.get("Version", "?")), "classic", []
    if os.environ.get("DOCKER_BUILDKIT") != "0" and api >= (1, 39):
        if has_plugin or number(str(client.get("Version", "0"))) < (23, 0):
            builder = "buildkit"
            features |= {"secrets", "hostname"}
            if api >= (1, 43):
                features.add("epoch")
        else:
            notes.append("the docker client has no buildx plugin: images are built with the classic builder")
    if builder == "buildkit" and has_plugin:
        features |= {"plugin", "contexts"}
        if "io.containerd.snapshotter" in json.dumps(info.get("DriverStatus")):
            # only with containerd's image store does the daemon's BuildKit export, and date, files itself
            features |= {"archive"} | ({"rewrite"} if api >= (1, 45) else set())
    return EngineInfo(
        "docker",
        (program,),
        version,
        builder,
        f"of Docker {version}" if builder == "buildkit" else "",
        "rootless" in json.dumps(info.get("SecurityOptions")),
        frozenset(features),
        None,
        tuple(notes),
    )


def number(version: str) -> tuple[int, ...]:
    """The first two numbers of a version, for comparing."""
    found = []
    for piece in version.lstrip("v").split(".")[:2]:
        digits = _DIGITS.match(piece)
        found.append(int(digits[0]) if digits else 0)
    return tuple(found)


class Docker(Engine):
    """Docker's own client and daemon."""

    def _command(self, request: BuildRequest, archive: str | None) -> BuildCommand:
        buildkit = self.info.builder == "buildkit"
        extra, in_force = buildkit_arguments(self.info, request) if buildkit else ([], {})
        options, hidden = request.options(extra)
        options.append("--progress=plain" if buildkit else "--force-rm")
        return BuildCommand("build", options, {**hidden, "DOCKER_BUILDKIT": "1" if buildkit else "0"}, in_force)

    def _problem(self, done: Outcome) -> str | None:
        problem = super()._problem(done)
        tail = done.stderr[-2000:]
        gone = any(sign in tail for sign in _GONE) or "rpc error: code = Unavailable" in tail
        if problem is None and not done.ok and (gone or "unexpected EOF" in tail[-300:]):
            return f"the daemon went away: {done.last_line}"
        return problem

    def save(self, image: str, archive: str, *, platform: str | None = None, timeout: float | None = None) -> None:
        """`docker save`, when there is room for it."""
        need_space(archive, self.size(self.known(image)))
        self.saved(image, self.command("save", f"--output={archive}", image, timeout=timeout), archive)

    def has(self, image: str) -> bool:
        """Whether the daemon has it."""
        return self.answer(image, "image", "inspect", "--format={{.Id}}", self.known(image)).ok

    def run(self, request: RunRequest, *, on_line: Callable[[str], None] | None = None) -> Outcome:
        """`docker run`, removed after, also where it was interrupted or took too long."""
        return run_container(self, request, on_line)


def buildkit_arguments(info: EngineInfo, request: BuildRequest) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """The build arguments that BuildKit itself reads, and which of them make images reproducible."""
    extra, in_force = [], {}
    if request.epoch is not None and "epoch" in info.features:
        in_force["SOURCE_DATE_EPOCH"] = str(request.epoch)
        extra.append(("SOURCE_DATE_EPOCH", str(request.epoch)))
    if request.hostname:
        extra.append(("BUILDKIT_SANDBOX_HOSTNAME", request.hostname))
    return extra, in_force


def run_words(request: RunRequest, name: str) -> tuple[list[str], dict[str, str]]:
    """The words after `docker` or `podman` for running a container, and the variables that hand over hidden values."""
    # a health check would use the GPU beside the test
    words = ["run", "--rm", "--no-healthcheck", f"--name={name}"]
    env: dict[str, str] = {}
    if request.stdin is not None:
        words.append("--interactive")
    if request.network != "default":
        words.append(f"--network={request.network}")
    if request.read_only:
        words.append("--read-only")
        words += [f"--tmpfs={path}" for path in request.tmpfs]
    for bind in request.mounts:
        parts = ["type=bind", f"source={os.path.abspath(bind.source)}", f"target={bind.target}"]
        words.append("--mount=" + names.fields(*parts, *(["readonly"] if bind.readonly else [])))
    for variable, value in request.env:
        if looks_secret(variable, value):
            env[variable] = value
            words.append(f"--env={variable}")
        else:
            words.append(f"--env={variable}={value}")
    words += [f"--device={device}" for device in request.devices]
    if request.gpus is not None:
        words += [f"--device={d}" for d in cdi_devices(request.gpus)] if request.cdi else [_gpus(request)]
    words += [f"--runtime={request.runtime}"] if request.runtime else []
    words += [f"--user={request.user}"] if request.user else []
    words += [f"--shm-size={request.shm_size}"] if request.shm_size else []
    words += [f"--ipc={request.ipc}"] if request.ipc else []
    words += [f"--platform={request.platform}"] if request.platform else []
    words += [f"--entrypoint={request.entrypoint}"] if request.entrypoint is not None else []
    return [*words, request.image, *request.argv], env


def _gpus(request: RunRequest) -> str:
    # docker reads the value as CSV: several devices need quotes that reach it
    asked = [f"driver={request.gpu_driver}"] if request.gpu_driver else []
    asked.append(request.gpus or "all")
    if request.gpu_capabilities:
        asked.append("capabilities=" + ",".join(("gpu", *request.gpu_capabilities)))
    return f"--gpus={names.fields(*asked)}"


def cdi_devices(asked: str) -> list[str]:
    """The CDI names of the GPUs asked for."""
    if asked.isdigit():
        return [f"nvidia.com/gpu={index}" for index in range(int(asked))]
    return [f"nvidia.com/gpu={each}" for each in asked.removeprefix("device=").split(",")]


def run_container(engine: Engine, request: RunRequest, on_line: Callable[[str], None] | None) -> Outcome:
    """Run a command in a container that is gone afterwards, whatever happens."""
    request = request.checked()
    name = fresh_name()
    words, env = run_words(request, name)
    gone = False
    try:
        done = engine.command(
            *words,
            timeout=request.timeout,
            on_line=on_line,
            env=env,
            redactor=request.redactor(),
            stdin=request.stdin,
            keep=request.keep,
            grace=2.0,  # what does not end by then is removed by force
        )
        gone = not done.timed_out and done.status >= 0
    finally:
        if not gone:
            with shielded():
                engine.discard("rm", "--force", name)
    return done

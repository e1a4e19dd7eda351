"""`repro-audit smoke`: does CUDA really work in this image, or on this host, and if not, which link is broken."""

from __future__ import annotations

import enum
from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from repro_audit.cli.build import chosen, explained
from repro_audit.cli.build_options import RUN_ENGINE, BuildOptions, Network, with_build_options
from repro_audit.cli.output import emit, note, wants_color
from repro_audit.cli.problem import CannotError

if TYPE_CHECKING:
    from repro_audit.container.engine import Engine
    from repro_audit.container.engine_request import RunRequest
    from repro_audit.facts.container import Container
    from repro_audit.smoke.trial import Trial


class Format(str, enum.Enum):
    """How the verdict may be shown."""

    text = "text"
    json = "json"


class RunNetwork(str, enum.Enum):
    """What the container may reach."""

    none = "none"
    host = "host"
    bridge = "bridge"


class Framework(str, enum.Enum):
    """The frameworks that the probe tries."""

    torch = "torch"
    tensorflow = "tensorflow"
    jax = "jax"
    cupy = "cupy"


@partial(with_build_options, engine=RUN_ENGINE)
def command(
    build: BuildOptions,
    image: Annotated[str | None, typer.Option(help="Test this image; build nothing.", metavar="IMAGE")] = None,
    host: Annotated[bool, typer.Option("--host", help="Test this machine, outside of any container.")] = False,
    gpus: Annotated[
        str | None, typer.Option(help="all, a number, or device=0,1 (default: all).", metavar="GPUS")
    ] = None,
    cdi: Annotated[bool, typer.Option("--cdi", help="Ask docker for GPUs as CDI devices.")] = False,
    network: Annotated[RunNetwork, typer.Option("--network", help="What the container may reach.")] = RunNetwork.none,
    build_network: Annotated[
        Network, typer.Option("--build-network", help="What RUN instructions of the build may reach.")
    ] = Network.default,
    timeout: Annotated[float, typer.Option(min=1, max=86_400, help="Seconds that the test may take.")] = 300.0,
    only: Annotated[list[Framework] | None, typer.Option(help="Test only this framework.")] = None,
    format: Annotated[Format, typer.Option("--format", help="How to report.")] = Format.text,
    output: Annotated[str | None, typer.Option("--output", "-o", help="Write the report here.", metavar="FILE")] = None,
    record: Annotated[str | None, typer.Option(help="Keep the report as JSON, too.", metavar="FILE")] = None,
) -> int:
    """Launch a real kernel on the GPU from inside the image, and try every framework that is there.

    A compose service (--service) is tested with exactly its GPU settings.

    Exit status: 0 CUDA works; 1 the image fails; 2 it could not be tested.
    """
    from repro_audit.container.engine_error import EngineError, NoEngineError
    from repro_audit.container.engine_names import is_gpus
    from repro_audit.container.process import interruptible
    from repro_audit.smoke.report import render_json, render_text

    if sum((host, image is not None, build.context is not None or build.service is not None)) > 1:
        raise CannotError("smoke tests one thing: a context or --service, --image, or --host")
    swallowed = _swallowed(build, host, image is not None, gpus, cdi, build_network)
    if swallowed:
        raise CannotError(f"{swallowed} has no meaning with {'--host' if host else '--image'}")
    if gpus is not None and not is_gpus(gpus):
        raise CannotError(f"--gpus {gpus}: no valid request for GPUs: all, a number, or device=0,1")
    asked = _Asked(build, image, gpus, cdi, network.value, build_network.value)
    frameworks = tuple(each.value for each in only or ())
    trial: Trial | None
    with interruptible():
        try:
            if host:
                trial = _on_host(timeout, frameworks)
            else:
                trial = asked.go(timeout, frameworks)
        except NoEngineError as error:
            from repro_audit.smoke import host as hosts
            from repro_audit.smoke.trial import no_engine

            tried = [(each.engine, each.reason, each.remedy) for each in error.attempts]
            trial = no_engine(image or build.service or build.context or ".", hosts.look(), tried)
        except EngineError as error:
            raise CannotError(str(error)) from None
    if trial is None:
        return 2
    if record is not None:
        from datetime import datetime, timezone

        emit(render_json(trial, recorded=datetime.now(timezone.utc).isoformat(timespec="seconds")), record)
    shown = render_json(trial) if format is Format.json else render_text(trial, color=wants_color(None, output))
    emit(shown, output)
    return trial.diagnosis.exit_status


# The options that hold for an image that is there, too.
_OF_A_RUN = ("context", "engine", "platform", "quiet", "service")


def _swallowed(build: BuildOptions, host: bool, image: bool, gpus: str | None, cdi: bool, network: Network) -> str:
    """The options that were given and cannot be followed, as a list for the user."""
    given = []
    if host or image:
        given = [each.name for each in fields(build) if each.name not in _OF_A_RUN and getattr(build, each.name)]
        given += ["build_network"] * (network is not Network.default)
    if host:
        given += ["platform"] * (build.platform is not None) + ["gpus"] * (gpus is not None) + ["cdi"] * cdi
    return ", ".join(f"--{name.replace('_', '-')}" for name in given)


class _Asked:
    """How the container is to be run, and what of."""

    def __init__(
        self, build: BuildOptions, image: str | None, gpus: str | None, cdi: bool, network: str, build_network: str
    ) -> None:
        self.build, self.image = build, image
        self.gpus, self.cdi, self.network, self.build_network = gpus, cdi, network, build_network

    def go(self, timeout: float, only: tuple[str, ...]) -> Trial | None:
        """Run the test; None where the image could not be built."""
        from repro_audit.cli.smoke_runner import ImageRunner, knows_gpus
        from repro_audit.cli.smoke_service import asked_for_none
        from repro_audit.smoke import host as hosts
        from repro_audit.smoke.trial import smoke

        service, context = self.build.service, self.build.context or "."
        container, root = self._container()
        builds = self.image is None and (container is None or container.build is not None)
        engine = chosen(self.build.engine.value, need=("run",), builds=builds, tells=False)
        host = knows_gpus(engine, hosts.look())
        with self._made(container, engine) as name:
            if name is None:
                return None
            request = self._request(name, container, root)
            subject = self.image or (f"service {service}" if service else context)
            # what compose would be refused, a service is refused here
            runner = ImageRunner(engine, request, subject, host if container is None else None)
            trial = smoke(runner, host, timeout=timeout, only=only)
        if container is not None and not runner.asks:
            trial = replace(trial, diagnosis=asked_for_none(trial.diagnosis, container.name))
        return replace(trial, notes=(*runner.notes, *trial.notes))

    def _container(self) -> tuple[Container | None, str]:
        if self.build.service is None:
            return None, "."
        from repro_audit.cli.build_plan import find_service

        return find_service(self.build.context or ".", self.build.service)

    def _made(self, container: Container | None, engine: Engine) -> _Made:
        if self.image is not None:
            return _Made(engine, self.build, self.image)
        if container is not None and container.build is None:
            from repro_audit.cli.smoke_service import image_of

            return _Made(engine, self.build, image_of(container))
        return _Made(engine, self.build, network=self.build_network)

    def _request(self, name: str, container: Container | None, root: str) -> RunRequest:
        from repro_audit.cli.smoke_service import like_service
        from repro_audit.container.engine_request import RunRequest

        request = RunRequest(name, gpus="all", cdi=self.cdi, network=self.network, platform=self.build.platform)
        if container is not None:
            request = like_service(container, request, root)
            if container.privileged is not None and container.privileged.value == "true":
                note(f"the service {container.name} is privileged, and the test is not")
        return replace(request, gpus=self.gpus) if self.gpus is not None else request


class _Made:
    """The image to test: one that is there, or one that is built for the test and removed after it."""

    def __init__(self, engine: Engine, build: BuildOptions, image: str | None = None, network: str = "default") -> None:
        self._engine, self._build, self._image, self._network = engine, build, image, network
        self._built: str | None = None

    def __enter__(self) -> str | None:
        if self._image is not None:
            return self._image
        from repro_audit.cli.build_display import display
        from repro_audit.cli.build_plan import plan
        from repro_audit.container.engine import fresh_name

        self._built = f"{fresh_name()}:1"
        planned = plan(self._build, tag=self._built, network=self._network)
        try:
            with display("building", quiet=self._build.quiet) as show:
                built = self._engine.build(planned.request, on_line=show)
        except BaseException:
            # the name may have been given already
            self.__exit__()
            raise
        if built.problem is not None:
            raise CannotError(built.problem)
        if not built.ok:
            import sys

            sys.stderr.write(explained(planned, built.log))
            note("nothing to test: the build failed")
            return None
        return self._built

    def __exit__(self, *_: object) -> None:
        from repro_audit.container.process import shielded

        if self._built is not None:
            with shielded():
                self._engine.remove(self._built)


def _on_host(timeout: float, only: tuple[str, ...]) -> Trial:
    from repro_audit.cli.smoke_runner import HostRunner
    from repro_audit.smoke import host as hosts
    from repro_audit.smoke.trial import smoke

    return smoke(HostRunner(), hosts.look(), timeout=timeout, only=only)

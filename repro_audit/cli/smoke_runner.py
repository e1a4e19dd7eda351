"""What the smoke test runs commands with: an image in a container engine, or this host. Made by `cli.smoke`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace

from repro_audit.container.engine import Engine, scratch
from repro_audit.container.engine_error import EngineError
from repro_audit.container.engine_request import RunRequest
from repro_audit.container.process import Outcome, ProcessError, run
from repro_audit.smoke.engine_error import Host, engine_error
from repro_audit.smoke.runner import Ran

_ENGINE_FAILED = 125
_AS_CDI = "docker refuses --gpus here: the test asked for CDI devices (docker run --device nvidia.com/gpu=...)"


def knows_gpus(engine: Engine, host: Host) -> Host:
    """The host, with `cdi` as the engine itself tells it where it can: its folders may be others than the usual."""
    if engine.info.name == "podman" or "cdi" not in engine.info.features:
        return host
    try:
        listed = json.loads(engine.command("info", "--format={{json .DiscoveredDevices}}").stdout or "null")
    except (EngineError, ValueError):
        return host
    if not isinstance(listed, list):
        return host
    return replace(host, cdi=any("nvidia.com/gpu=" in str(each) for each in listed))


class ImageRunner:
    """Runs commands in new containers of one image; `request` says how (GPUs, network, limits).

    With `host`, a docker that has CDI devices of NVIDIA's and refuses `--gpus` is asked for those instead; `notes` says
    so then.
    """

    def __init__(self, engine: Engine, request: RunRequest, subject: str, host: Host | None = None) -> None:
        self._engine = engine
        self._request = request
        self._subject = subject
        self._host = host
        self.notes: tuple[str, ...] = ()

    @property
    def engine(self) -> str:
        """The engine's name."""
        return "docker" if self._engine.info.name == "buildx" else self._engine.info.name

    @property
    def asks(self) -> bool:
        """Whether the container is to get GPUs in any way."""
        request = self._request
        return bool(request.gpus or request.runtime or request.devices)

    @property
    def subject(self) -> str:
        """The image, as reports name it."""
        return self._subject

    def run(self, command: Sequence[str], *, stdin: bytes, gpus: bool, timeout: float) -> Ran:
        """Run a command in a new container."""
        request = replace(
            self._request, entrypoint=command[0], argv=tuple(command[1:]), stdin=stdin, timeout=max(1.0, timeout)
        )
        if not gpus:
            request = replace(request, gpus=None, gpu_capabilities=(), runtime=None, devices=())
        try:
            ran = _ran(self._engine.run(request))
            if gpus and self._refused(request, ran):
                self.notes = (_AS_CDI,)
                self._request = replace(self._request, cdi=True)
                ran = _ran(self._engine.run(replace(request, cdi=True)))
        except EngineError as error:
            return Ran(None, b"", str(error).encode())
        return ran

    def _refused(self, request: RunRequest, ran: Ran) -> bool:
        if self._host is None or not self._host.cdi or request.cdi or request.gpus is None:
            return False
        if ran.status != _ENGINE_FAILED or "cdi" not in self._engine.info.features:
            return False
        text = ran.stderr.decode("utf-8", "replace")
        return engine_error(text, self.engine, self._host).outcome == "no-runtime"

    def files(self) -> Iterable[str] | None:
        """The paths of the image's files, from an export of it."""
        from repro_audit.container.archive import ArchiveError, read_image

        with scratch() as folder:
            archive = os.path.join(folder, "image.tar")
            try:
                self._engine.save(self._request.image, archive, timeout=self._request.timeout)
                return list(read_image(archive).files)
            except (EngineError, ArchiveError):
                return None


class HostRunner:
    """Runs commands here, with the environment as it is."""

    @property
    def engine(self) -> str:
        """`host`."""
        return "host"

    @property
    def subject(self) -> str:
        """This machine's name."""
        return os.uname().nodename or "this host"

    def run(self, command: Sequence[str], *, stdin: bytes, gpus: bool, timeout: float) -> Ran:
        """Run a command on this host."""
        try:
            return _ran(run(command, stdin=stdin, timeout=timeout, env=dict(os.environ), keep=4 << 20))
        except ProcessError as error:
            return Ran(127, b"", str(error).encode())

    def files(self) -> None:
        """A host is no image."""


def _ran(done: Outcome) -> Ran:
    out, err = (text.encode("utf-8", "replace") for text in (done.stdout, done.stderr))
    status = done.status if done.status >= 0 else 128 - done.status
    return Ran(status, out, err, done.timed_out, done.seconds)

"""What the smoke test runs commands with: an image in a container engine, or this host. Made by `cli.smoke`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from repro_audit.container.engine import Engine, scratch
from repro_audit.container.engine_error import EngineError
from repro_audit.container.engine_request import RunRequest
from repro_audit.container.process import Outcome, ProcessError, run
from repro_audit.smoke.runner import Ran

if TYPE_CHECKING:
    from repro_audit.facts.container import Container, GpuRequest

# The variables of a service that decide what of a GPU it sees, or what frameworks make of it.
_GPU_VARIABLES = (
    "NVIDIA_",
    "CUDA_",
    "NCCL_",
    "TF_",
    "XLA_",
    "JAX_",
    "TORCH_",
    "PYTORCH_",
    "CUBLAS_",
    "LD_LIBRARY_PATH",
)


class ImageRunner:
    """Runs commands in new containers of one image; `request` says how (GPUs, network, limits)."""

    def __init__(self, engine: Engine, request: RunRequest, subject: str) -> None:
        self._engine = engine
        self._request = request
        self._subject = subject

    @property
    def engine(self) -> str:
        """The engine's name."""
        return "docker" if self._engine.info.name == "buildx" else self._engine.info.name

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
            return _ran(self._engine.run(request))
        except EngineError as error:
            return Ran(None, b"", str(error).encode())

    def files(self) -> Iterable[str] | None:
        """The paths of the image's files, from an export of it."""
        from repro_audit.container.archive import ArchiveError, read_image

        with scratch() as folder:
            archive = os.path.join(folder, "image.tar")
            try:
                self._engine.save(self._request.image, archive)
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


def like_service(container: Container, request: RunRequest) -> RunRequest:
    """The request with the GPU settings of a compose service, exactly: what it does not ask for, it does not get."""
    asked = [_asked(each) for each in container.gpus if each.form in ("reservation", "gpus")]
    devices = [each.value for each in container.devices if each.value]
    env = {v.name: v.value if v.value is not None else os.environ.get(v.name) for v in container.env}
    shm = container.shm_size.value if container.shm_size is not None else None
    ipc = container.ipc.value if container.ipc is not None else None
    return replace(
        request,
        gpus=asked[0][0] if asked else None,
        gpu_capabilities=asked[0][1] if asked else (),
        runtime=container.runtime.value if container.runtime is not None else None,
        devices=tuple(devices),
        env=tuple((n, v) for n, v in env.items() if v is not None and n.startswith(_GPU_VARIABLES)),
        shm_size=size(shm) if shm else None,
        ipc=ipc if ipc in ("host", "private", "shareable", "none") else None,
    )


def _asked(request: GpuRequest) -> tuple[str, tuple[str, ...]]:
    capabilities = tuple(c for c in request.capabilities or () if c != "gpu")
    if request.device_ids is not None:
        return f"device={','.join(request.device_ids)}", capabilities
    return request.count or "all", capabilities


def size(text: str) -> int | None:
    """Bytes of a size as compose writes it (`8gb`, `512m`); None for anything else."""
    import re

    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?\s*", text, re.IGNORECASE)
    if found is None:
        return None
    return int(float(found[1]) * 1024 ** ("kmgt".index(found[2].lower()) + 1 if found[2] else 0))

"""The container of a compose service as the smoke test runs it: its GPU settings, exactly, and no others.

What compose does with them: https://github.com/compose-spec/compose-spec/blob/main/deploy.md#devices. Called by
`cli.smoke`.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from repro_audit.cli.problem import CannotError

if TYPE_CHECKING:
    from repro_audit.container.engine_request import RunRequest
    from repro_audit.facts.container import Container, GpuRequest, Setting
    from repro_audit.smoke.outcome import Diagnosis

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
COMPOSE_ASKS = (
    "ask for it: deploy.resources.reservations.devices with driver: nvidia, count: all, capabilities: [gpu]",
    "or see whether the image works with one: repro-audit smoke --service NAME --gpus all",
)
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


def image_of(container: Container) -> str:
    """The image that a service without a build runs."""
    if container.image is None:
        raise CannotError(f"the service {container.name} has neither an image nor a build")
    return _known(container.image.image, container, "image")


def like_service(container: Container, request: RunRequest, root: str = ".") -> RunRequest:
    """The request with the GPU settings of a compose service: what it does not ask for, it does not get. `root` is what
    the paths of its file are relative to. Raises CannotError where compose would refuse the service.
    """
    asked = [each for each in container.gpus if each.form in ("reservation", "gpus")]
    for each in asked:
        if each.fault is not None:
            line = container.source.position((each.fault_span or each.span).start).line
            raise CannotError(f"{container.source.path}:{line}: service {container.name}: {each.fault}")
    if len(asked) > 1:
        raise CannotError(f"the service {container.name} asks for GPUs {len(asked)} times; the test can ask once")
    devices = [_known(each.value or "", container, "device") for each in container.devices]
    by_driver = next(iter(asked), None)
    if by_driver is not None and by_driver.driver == "cdi":
        devices += [_known(name, container, "device") for name in by_driver.device_ids or ()]
        by_driver = None
    env = _env_of_files(container, root) | {v.name: v.value for v in container.env}
    given = {name: value if value is not None else os.environ.get(name) for name, value in env.items()}
    ipc = _value(container.ipc)
    return replace(
        request,
        gpus=_gpus(by_driver, container) if by_driver is not None else None,
        gpu_driver=by_driver.driver if by_driver is not None else None,
        gpu_capabilities=tuple(c for c in (by_driver.capabilities or ()) if c != "gpu") if by_driver else (),
        runtime=_value(container.runtime),
        devices=tuple(devices),
        env=tuple((n, v) for n, v in given.items() if v is not None and n.startswith(_GPU_VARIABLES)),
        user=_value(container.user),
        shm_size=size(_value(container.shm_size) or ""),
        ipc=ipc if ipc in ("host", "private", "shareable", "none") else None,
        platform=request.platform or (container.image.platform if container.image is not None else None),
    )


def asked_for_none(verdict: Diagnosis, service: str) -> Diagnosis:
    """The verdict on a service that asks for no GPU: where none was found that comes first, since no host gives one to
    who does not ask.
    """
    if verdict.outcome not in ("no-gpu", "no-driver"):
        return verdict
    return replace(
        verdict,
        outcome="no-gpu",
        summary=f"the service {service} asks for no GPU, and so it is given none",
        remedy=COMPOSE_ASKS,
    )


def _gpus(request: GpuRequest, container: Container) -> str:
    if request.device_ids is not None:
        return f"device={','.join(_known(each, container, 'device id') for each in request.device_ids)}"
    count = _known(request.count or "all", container, "count")
    return "all" if count == "-1" else count


def _known(text: str, container: Container, what: str) -> str:
    """The text with our variables filled in, as compose would."""

    def filled(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name not in os.environ:
            raise CannotError(f"the {what} of the service {container.name} needs the variable {name}, which is not set")
        return os.environ[name]

    return _VARIABLE.sub(filled, text)


def _value(setting: Setting | None) -> str | None:
    return setting.value if setting is not None else None


def _env_of_files(container: Container, root: str) -> dict[str, str | None]:
    """The variables of a service's `env_file`s; the last one that sets a variable counts."""
    from repro_audit.source import Source
    from repro_audit.syntax.interpolate import env_file

    found: dict[str, str | None] = {}
    folder = os.path.join(root, os.path.dirname(os.path.relpath(container.source.path, root)))
    for each in container.env_files:
        path = os.path.join(folder, each.value or "")
        try:
            with open(path, "rb") as file:
                found |= env_file(Source.from_bytes(path, file.read(1 << 20)))
        except OSError:
            continue  # compose refuses a missing file only where it is required, and the rules say so
    return found


def size(text: str) -> int | None:
    """Bytes of a size as compose writes it (`8gb`, `512m`); None for anything else."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?\s*", text, re.IGNORECASE)
    if found is None:
        return None
    return int(float(found[1]) * 1024 ** ("kmgt".index(found[2].lower()) + 1 if found[2] else 0))

"""Checks of the `gpu` family: will the container see its GPU?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from repro_audit.facts import gpu
from repro_audit.facts.container import Container, EnvVar, GpuRequest
from repro_audit.finding import Edit, Fix, Problem, Related, Severity
from repro_audit.source import Span

if TYPE_CHECKING:
    from repro_audit.facts.command import Command
    from repro_audit.facts.instruction import Instruction
    from repro_audit.facts.project import Project
    from repro_audit.facts.stage import Stage

# What a CUDA image is also started for, without a GPU.
_ONLY_COMPILE = frozenset("nvcc make cmake ninja gcc g++ sleep true tail".split())
_DEVICES = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")
# Wheels that exist for glibc only, CUDA in them or not.
_GLIBC_WHEELS = frozenset(("torch", "torchvision", "torchaudio", "tensorflow", "jaxlib", "jax", "xformers", "triton"))
# Software that compiles CUDA code while it runs.
_COMPILES_AT_RUN = frozenset(
    "vllm sglang deepspeed flash-attn flashinfer-python triton cupy numba pycuda tensorrt-llm torch-tensorrt "
    "lightllm ninja tilelang transformer-engine".split()
)


def not_requested(project: Project) -> Iterator[Problem]:
    """Containers whose image needs a GPU, where no container of the project gives one to that image."""
    containers = [c for c in project.containers if c.origin != "workflow"]
    served = {_runs(c) for c in containers if gpu.asks_for_gpu(c.effective)}
    for container in containers:
        if container.origin == "docker-run":
            continue  # A workflow's step; its runner has a GPU only where the step says so.
        whole = container.effective
        if whole.gpus or gpu.asks_for_gpu(whole) or _runs(container) in served:
            continue
        need = None
        if container.stage is not None:
            need = gpu.stage_need(container.stage)
        elif container.image is not None and gpu.cuda_image(container.image):
            names = {command.name for command in container.commands}
            if names and names <= _ONLY_COMPILE:
                continue
            need = f"it runs `{container.image.image}`"
        need = need or gpu.command_need(container.commands)
        if need:
            yield Problem(container.source, container.span, values={"name": container.name, "need": need})


def _runs(container: Container) -> object:
    """What identifies the image a container runs."""
    if container.stage is not None:
        return (container.stage.source.path, container.stage.index)
    return container.image.image if container.image is not None else id(container)


def request_invalid(container: Container) -> Iterator[Problem]:
    """A GPU request with a fault."""
    for request in container.gpus:
        if request.fault:
            yield Problem(container.source, request.fault_span or request.span, values={"fault": request.fault})


def request_doubled(container: Container) -> Iterator[Problem]:
    """`runtime: nvidia` beside a device reservation or `--gpus`, or the `nvidia-docker` wrapper."""
    for request in container.gpus:
        if request.form == "runtime" and request.driver == "nvidia-docker":
            message = "`nvidia-docker` is retired, and missing on newer hosts: `docker run --gpus` does what it did"
            yield Problem(container.source, request.span, message)
    runtime = container.runtime
    if runtime is None or runtime.value != "nvidia":
        return
    for request in container.gpus:
        if request.form in ("reservation", "gpus", "cdi"):
            new = "a device reservation" if request.form == "reservation" else "`--gpus`"
            yield Problem(container.source, runtime.span, values={"old": "`runtime: nvidia`", "new": new})
            return


def hidden_by_renumbering(container: Container) -> Iterator[Problem]:
    """`CUDA_VISIBLE_DEVICES` naming a number that the container's own devices do not reach."""
    variable = container.variable("CUDA_VISIBLE_DEVICES")
    if variable is None or variable.value is None:
        return
    numbers = [part.strip() for part in variable.value.split(",")]
    if not all(number.isdigit() for number in numbers):
        return
    requests = [r for r in container.gpus if r.form != "runtime"]
    given = [n for n in map(_devices, requests) if n is not None]
    if not requests and container.gpus:
        # `runtime: nvidia` hands over what this variable names.
        named = container.variable("NVIDIA_VISIBLE_DEVICES")
        ids = (named.value or "").split(",") if named is not None else []
        if not all(re.fullmatch(r"\s*(?:\d+|(?:GPU|MIG)-\S+)\s*", i) for i in ids):
            return
        given = [len(ids)]
    elif len(given) != len(requests):
        return
    count = sum(given)
    if not count or max(map(int, numbers)) < count:
        return
    right = ",".join(str(n) for n in range(min(len(numbers), count)))
    yield Problem(
        container.source,
        variable.span,
        values={"value": variable.value, "given": f"{count} GPU" + ("s" if count != 1 else "")},
        fix=_renumbered(container, variable, right),
    )


def _devices(request: GpuRequest) -> int | None:
    """How many devices a request hands over; None where only the host knows."""
    if request.device_ids is not None:
        return len(request.device_ids)
    return int(request.count) if request.count is not None and request.count.isdigit() else None


def _renumbered(container: Container, variable: EnvVar, right: str) -> Fix | None:
    written = container.source.slice(variable.span)
    at = written.rfind(variable.value or "")
    if not variable.value or at == -1 or "$" in written:
        return None
    start = variable.span.start + at
    span = Span(start, start + len(variable.value))
    return Fix(f"Write `CUDA_VISIBLE_DEVICES={right}`", (Edit(span, right),))


def devices_baked(instruction: Instruction) -> Iterator[Problem]:
    """ENV of a variable that chooses GPUs, `all` and `none` aside."""
    if instruction.keyword != "ENV":
        return
    node = instruction.node
    for at in range(0, len(node.value) - 1, 3):
        name, value = node.value[at], instruction.words[at + 1]
        if name.text not in _DEVICES or value is None:
            continue
        plain = value.strip("\"'")
        if plain in ("all", "none", "void", ""):
            continue
        yield Problem(instruction.source, name.whole, values={"variable": name.text, "value": plain})


def query_at_build(command: Command) -> Iterator[Problem]:
    """A command of RUN that asks the driver about GPUs; an error only where the wrong answer fails the build."""
    if command.where != "run":
        return
    call = gpu.queries_gpu(command)
    if call is None or command.node.after == "||":
        return
    text = " ".join((*command.args, *(r.body.text for r in command.node.redirects if r.body is not None)))
    fails = call == "nvidia-smi" or re.search(r"\b(?:assert|raise|exit|check_call)\b", text) is not None
    grave = fails and "condition" not in command.node.context
    severity = None if grave else Severity.WARNING
    yield Problem(command.source, command.span, values={"call": call}, severity=severity)


def on_musl(stage: Stage) -> Iterator[Problem]:
    """Wheels that need glibc, installed on Alpine by name or from a list."""
    root = stage.root
    if root.repository != "alpine" and not re.search(r"(?:^|-)alpine", root.tag or ""):
        return
    for package in stage.packages:
        if package.ecosystem == "pip" and (package.name in _GLIBC_WHEELS or gpu.cuda_package(package)):
            values: dict[str, object] = {"package": package.name, "base": f"`{root.image}`"}
            base = Related(stage.source, stage.base.span, "the base without glibc")
            yield Problem(package.source, package.span, values=values, related=(base,))


def devel_final(stage: Stage) -> Iterator[Problem]:
    """A final stage on a `-devel` CUDA image where nothing is compiled at run time."""
    root = stage.root
    if not stage.final or not gpu.cuda_image(root) or "-devel" not in (root.tag or ""):
        return
    if stage.cmd is None and stage.entrypoint is None:
        return  # A base for others, or one to work in.
    if any(p.name in _COMPILES_AT_RUN for each in stage.lineage for p in each.packages):
        return
    start = [c for i in (stage.cmd, stage.entrypoint) if i is not None for c in i.commands]
    if any(c.name in ("nvcc", "make", "cmake", "ninja", "bash", "sh", "zsh", "jupyter") for c in start):
        return
    yield Problem(stage.source, stage.base.span, values={"base": root.image})

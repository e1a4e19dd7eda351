"""Whether a stage or a command needs a GPU, and what says so. Facts only: what follows from it is for the rules."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from repro_audit.facts.command import Command
    from repro_audit.facts.container import Container
    from repro_audit.facts.input import ImageRef, Package
    from repro_audit.facts.stage import Stage

# Distributions that hold CUDA code or are of no use without it.
_CUDA_PACKAGES = frozenset(
    """tensorflow-gpu onnxruntime-gpu cudf cuml cugraph rmm pycuda flash-attn vllm nvidia-dali-cuda120
    nvidia-dali-cuda110 paddlepaddle-gpu mxnet-cu112 faiss-gpu pytorch-cuda cudatoolkit""".split()
)
_CUDA_NAME = re.compile(r"cupy-cuda\d+x?|nvidia-[a-z]+(?:-[a-z]+)*-cu\d+|cu(?:df|ml|graph)-cu\d+|jax-cuda\d+-plugin")
_CUDA_EXTRA = re.compile(r"cuda\d*(?:-local|-pip)?|and-cuda|gpu")
_PYTHON_GPU = re.compile(
    r"torch\.cuda\.(?:is_available|device_count|get_device_name|current_device|get_device_properties)"
    r"|tf\.(?:config|test)\.(?:list_physical_devices|is_gpu_available|gpu_device_name)\(['\")]"
    r"|jax\.(?:devices|device_count|local_devices)\(|cuda\.Device\(|pynvml|nvmlInit"
)


def cuda_image(image: ImageRef) -> bool:
    """Whether the image brings CUDA, as its published name tells."""
    repository, tag = image.repository, image.tag or ""
    if repository in ("nvidia/cuda", "nvidia/cudagl", "vllm/vllm-openai", "lmsysorg/sglang"):
        return True
    if image.registry == "nvcr.io":
        return repository.startswith("nvidia/") and not repository.startswith("nvidia/distroless")
    if repository == "pytorch/pytorch":
        return "cuda" in tag or tag in ("", "latest")
    if repository == "tensorflow/tensorflow":
        return "gpu" in tag
    return repository.startswith("rapidsai/") or bool(re.search(r"(?:^|[-_.])(?:cuda|cu\d{2,3})[-_.\d]*", tag))


def cuda_package(package: Package) -> bool:
    """Whether the package is a build for CUDA, by its name, extras or local version."""
    if package.ecosystem not in ("pip", "conda"):
        return False
    if package.name in _CUDA_PACKAGES or _CUDA_NAME.fullmatch(package.name):
        return True
    if package.version and re.search(r"\+cu\d{2,3}", package.version):
        return True
    return package.name in ("jax", "tensorflow") and any(_CUDA_EXTRA.fullmatch(e) for e in package.extras)


def stage_need(stage: Stage) -> str | None:
    """What in a stage's image is of no use without an NVIDIA GPU, in a few words; None where nothing is."""
    if cuda_image(stage.root):
        return f"it is built on `{stage.root.image}`"
    for each in stage.lineage:
        for package in each.packages:
            if cuda_package(package):
                return f"it installs `{package.name}{package.specifier}`"
    return None


def command_need(commands: Iterable[Command]) -> str | None:
    """What in a command asks for a GPU; None where nothing does."""
    for command in commands:
        if command.name == "nvidia-smi":
            return "it runs `nvidia-smi`"
        for at, arg in enumerate(command.args):
            if arg in ("--device=cuda", "--gpu", "--gpus", "--use-cuda", "--cuda") or (
                arg.startswith("cuda") and at and command.args[at - 1] in ("--device", "-d")
            ):
                return f"its command says `{arg}`"
    return None


def queries_gpu(command: Command) -> str | None:
    """The call by which a command asks the driver about GPUs (`nvidia-smi`, `torch.cuda.is_available`), or None."""
    if command.name == "nvidia-smi":
        return "nvidia-smi"
    if command.name.startswith("python"):
        for arg in command.args:
            if found := _PYTHON_GPU.search(arg):
                return found[0].rstrip("('\")")
        for redirect in command.node.redirects:
            if redirect.body is not None and (found := _PYTHON_GPU.search(redirect.body.text)):
                return found[0].rstrip("('\")")
    return None


def asks_for_gpu(container: Container) -> bool:
    """Whether a container is given a GPU in any way that works."""
    if any(request.fault is None for request in container.gpus):
        return True
    return container.runtime is not None and container.runtime.value == "nvidia"

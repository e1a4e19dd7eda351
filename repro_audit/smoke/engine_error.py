"""What the engine said when it could not start the container with a GPU, as a diagnosis.

The texts are those of the Docker daemon (up to 29), podman, the NVIDIA container toolkit and libnvidia-container.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from repro_audit.knowledge import cuda
from repro_audit.smoke.outcome import Diagnosis

TOOLKIT = "https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/install-guide.html"

_LOW = "4096:4096"


@dataclass(slots=True, frozen=True)
class Host:
    """What this machine shows of NVIDIA hardware: `gpus` counts PCI devices (None where that cannot be told), `driver`
    is the release of the loaded kernel module, `cdi` whether a CDI specification of NVIDIA's is there."""

    gpus: int | None = None
    driver: str | None = None
    cdi: bool = False
    wsl: bool = False

    @property
    def bare(self) -> bool:
        """Whether it is certain that there is no NVIDIA GPU."""
        return self.gpus == 0 and not self.wsl and not self.cdi and self.driver is None


_NO_RUNTIME = re.compile(
    r"could not select device driver|AMD CDI spec not found"
    r"|unknown or invalid runtime name:? *nvidia|unknown runtime specified nvidia"
    r"|unresolvable CDI devices|failed to discover GPU vendor from CDI|no known GPU vendor found"
    r"|stat nvidia\.com/gpu=\S+: no such file|failed to stat CDI host device|CDI device injection failed"
    r"|nvidia-container-(?:runtime|cli|toolkit|runtime-hook)\S*:? (?:.*)?(?:executable file not found|no such file)"
    r"|exec: \"?nvidia-container\S*\"?: executable file not found|invalid argument \"?nvidia\"? for \"?--runtime"
    r"|OCI runtime \"?nvidia\"? not found|default OCI runtime \"nvidia\" not found|unknown flag: --gpus"
    r"|cdi.*(?:not enabled|is not supported)",
    re.I,
)
_REQUIREMENT = re.compile(r"requirement error: unsatisfied condition: (?:(cuda)\s*>=\s*([\d.]+)|([^,\n\"\\]+))", re.I)
_NOT_LOADED = re.compile(
    r"nvml error: driver not loaded|driver not loaded|load library failed: libnvidia-ml\.so\.1"
    r"|libcuda\.so\.1: cannot open"
    r"|driver rpc error|initialization error: driver error|nvml error: driver is not|ERROR_LIBRARY_NOT_FOUND"
    r"|no adapters were found|failed to initialize NVML",
    re.I,
)
_MISMATCH = re.compile(r"driver/library version mismatch|nvml error: lib_rm_version_mismatch", re.I)
_NO_DEVICE = re.compile(r"device error: \S+: unknown device|unknown device: unknown|invalid device ordinal", re.I)
_NO_NODE = re.compile(r"(?:stat |custom device \")(/dev/(?:nvidia|dxg)[\w-]*)\"?: no such file", re.I)
_NO_CDI_DEVICE = re.compile(r"unresolvable CDI devices (?!\S*=all\b)\S", re.I)
# The hook of NVIDIA's toolkit is there, and the program that it calls is not.
_NO_CLI = re.compile(r"exec failed: no such file or directory", re.I)
_HOOK = re.compile(r"error running (?:\w+ )?hook|Auto-detected mode as", re.I)
# What comes with the status of a missing command, and is about something else.
NOT_THE_COMMAND = re.compile(f"{_HOOK.pattern}|gathering device information", re.I)
_LIMITS = re.compile(r"setrlimit `?\w+|setting rlimits? .*operation not permitted", re.I)
_CHATTER = re.compile(r"(?:Run|See) '(?:docker|podman) run --help'")
_NO_ENGINE = re.compile(
    r"cannot connect to the docker daemon|is the docker daemon running|permission denied while trying to connect"
    r"|error during connect|unable to connect to podman|cannot connect to podman|dial unix \S+: connect",
    re.I,
)
_CUT_OFF = re.compile(r"unexpected EOF|connection reset by peer|error waiting for container", re.I)
_NO_IMAGE = re.compile(
    r"no such image|unable to find image|manifest unknown|pull access denied|image not known"
    r"|did not resolve to an alias|repository does not exist|failed to resolve reference|pinging container registry"
    r"|(?:get|head) \"?https?://\S+/v2/"
    r"|manifest for \S+ not found|requested access to the resource is denied|initializing source docker://"
    r"|invalid reference format",
    re.I,
)
_FORMAT = re.compile(r"exec format error|does not match the (?:specified|detected host|expected) platform", re.I)
MISSING_COMMAND = re.compile(
    r"executable file not found|no such file or directory: unknown"
    r"|exec: \"?[^\"]*\"?: (?:stat|not found)|command not found"
    r"|crun: .*no such file|executable file `[^`]*` not found",
    re.I,
)


def engine_error(text: str, engine: str, host: Host, *, started: bool = True) -> Diagnosis:
    """The diagnosis of an engine's message. `started` False means that its program could not be run at all."""
    text = text[-20000:]
    lines = [line.strip() for line in text.splitlines() if line.strip() and not _CHATTER.match(line.strip())]

    def shown(pattern: re.Pattern[str]) -> tuple[str, ...]:
        return tuple(_clipped(line) for line in lines if pattern.search(line))[:3] or tuple(map(_clipped, lines[-2:]))

    if not started or _NO_ENGINE.search(text):
        return Diagnosis(
            "no-engine",
            "engine",
            f"{engine} does not answer",
            tuple(map(_clipped, lines[-3:])),
            (
                "start it: sudo systemctl start docker",
                "or name another one: --engine podman",
                "or test this host: --host",
            ),
        )
    requirement = _REQUIREMENT.search(text)
    if requirement:
        return _unsatisfied(requirement, shown(_REQUIREMENT), host)
    if _MISMATCH.search(text):
        return Diagnosis(
            "driver-mismatch",
            "driver",
            "the host's driver was updated and its kernel module is still the old one",
            shown(_MISMATCH),
            ("restart the host, or unload and load the module: sudo rmmod nvidia_uvm nvidia && sudo modprobe nvidia",),
        )
    if _NOT_LOADED.search(text):
        return _not_loaded(shown(_NOT_LOADED), host)
    if _NO_DEVICE.search(text):
        return Diagnosis(
            "no-such-device",
            "engine",
            "the host has no GPU of the number or UUID asked for",
            shown(_NO_DEVICE),
            ("see which there are: nvidia-smi -L", "then --gpus all, or --gpus device=0"),
        )
    node = _NO_NODE.search(text)
    if node:
        return _no_node(node[1], shown(_NO_NODE), host)
    if host.cdi and _NO_CDI_DEVICE.search(text):
        return Diagnosis(
            "no-such-device",
            "engine",
            "the host's CDI specification has no such device",
            shown(_NO_CDI_DEVICE),
            (
                "see which there are: nvidia-ctk cdi list",
                "after a change of GPUs: sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml",
            ),
        )
    if _HOOK.search(text) and _NO_CLI.search(text):
        return _no_runtime((_clipped(lines[0]), *shown(_NO_CLI)), engine, host, missing="nvidia-container-cli")
    if _NO_RUNTIME.search(text):
        return _no_runtime(shown(_NO_RUNTIME), engine, host)
    if _FORMAT.search(text):
        return Diagnosis(
            "wrong-architecture",
            "engine",
            "the image's programs are for another processor than this host's",
            shown(_FORMAT),
            ("build it for this machine: docker build --platform linux/amd64 ...",),
        )
    if _NO_IMAGE.search(text):
        return Diagnosis(
            "no-image",
            "engine",
            f"{engine} has no such image and cannot get it",
            shown(_NO_IMAGE),
            (f"see whether it can be had: {engine} pull NAME", f"or give a name that `{engine} image ls` shows"),
        )
    if _LIMITS.search(text):
        return Diagnosis(
            "engine-failed",
            "engine",
            f"{engine} may not raise the resource limits that it wants for a container",
            shown(_LIMITS),
            (
                f'set lower ones in containers.conf: default_ulimits = ["nofile={_LOW}", "nproc={_LOW}"]',
                "or run where root has the capability CAP_SYS_RESOURCE",
            ),
        )
    return Diagnosis(
        "engine-failed",
        "engine",
        f"{engine} could not start the container",
        tuple(map(_clipped, lines[-3:])) or ("it said nothing",),
        (f"see whether {engine} can start any container: {engine} run --rm busybox true",),
    )


def went_away(text: str) -> str | None:
    """The line by which an engine's program says that its daemon ended under it, if it does."""
    lines = [line.strip() for line in text[-4000:].splitlines()]
    return next((_clipped(line) for line in reversed(lines) if _NO_ENGINE.search(line) or _CUT_OFF.search(line)), None)


def _no_node(path: str, evidence: tuple[str, ...], host: Host) -> Diagnosis:
    """A device node that is asked for by its path is not on the host."""
    if host.bare:
        return _not_loaded(evidence, host)
    return Diagnosis(
        "no-such-device",
        "nodes",
        f"the host has no {path}",
        evidence,
        ("see which there are: ls -l /dev/nvidia*", "make them: sudo nvidia-modprobe -u -c 0"),
    )


def _no_runtime(evidence: tuple[str, ...], engine: str, host: Host, missing: str | None = None) -> Diagnosis:
    """The engine has no way to hand out GPUs: the toolkit is missing, or its CDI specification is missing or stale."""
    text = "\n".join(evidence)
    if "podman" in engine:
        steps: tuple[str, ...] = (
            f"install the NVIDIA Container Toolkit on the host: {TOOLKIT}",
            "then: sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml",
            "and see it: nvidia-ctk cdi list",
        )
    else:
        steps = (
            f"install the NVIDIA Container Toolkit on the host: {TOOLKIT}",
            "then: sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker",
        )
        if 'device driver "cdi"' in text:
            steps = ("ask for GPUs without --cdi: this daemon has it not enabled, or is older than Docker 25", *steps)
        elif "cdi" in text.lower():
            steps = (*steps, "and: sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml")
    summary = f"{engine} has no NVIDIA runtime and no CDI devices, so no container gets a GPU"
    if missing is not None:
        summary = f"{engine} calls NVIDIA's hook, which does not find {missing}: the toolkit is installed in part"
    elif host.cdi and "AMD CDI spec" in text:
        summary = "docker finds none of NVIDIA's programs, which --gpus needs; its CDI devices can be had without them"
        steps = ("ask for those: --cdi, which is docker run --device nvidia.com/gpu=all", *steps)
    if host.bare:
        summary += "; this host shows no NVIDIA GPU either"
        steps = ("run the test on a machine with an NVIDIA GPU; there:", *steps)
    return Diagnosis("no-runtime", "engine", summary, evidence, steps)


def _not_loaded(evidence: tuple[str, ...], host: Host) -> Diagnosis:
    if host.bare:
        return Diagnosis(
            "no-gpu",
            "nodes",
            "this host has no NVIDIA GPU",
            (*evidence, "no PCI device of vendor 10de"),
            ("run the test on a machine with an NVIDIA GPU",),
        )
    return Diagnosis(
        "no-driver",
        "driver",
        "the host's NVIDIA driver is not installed or its kernel module is not loaded",
        evidence,
        ("see what the host says: nvidia-smi", "load it: sudo modprobe nvidia", "or install the driver and restart"),
    )


def _unsatisfied(found: re.Match[str], evidence: tuple[str, ...], host: Host) -> Diagnosis:
    """The image's NVIDIA_REQUIRE_CUDA is not met by the host's driver."""
    version = found.group(2)
    if version is None:
        return Diagnosis(
            "driver-too-old",
            "driver",
            f"the image asks for `{found.group(3).strip()}`, which this host does not have",
            evidence,
            ("use an image made for this GPU and driver, or change NVIDIA_REQUIRE_CUDA",),
        )
    verdict, need = too_old(version, host.driver, evidence), cuda.driver_need(version)
    if need is None or host.driver is None or cuda.numbers(host.driver) < cuda.numbers(need.least):
        return verdict
    step = (
        "or, as the driver is of the same major version: docker run -e NVIDIA_DISABLE_REQUIRE=1 ... (programs that"
        " compile PTX will still fail)"
    )
    return replace(verdict, remedy=(*verdict.remedy, step))


def too_old(version: str, driver: str | None, evidence: tuple[str, ...]) -> Diagnosis:
    """The image's CUDA `version` is too new for the host's `driver`."""
    need = cuda.driver_need(version)
    has = f" and the host has {driver}" if driver else ""
    asks = (
        f"CUDA {version} needs driver {need.least} or newer{has}"
        if need
        else f"the driver is too old for CUDA {version}"
    )
    steps = [f"update the host's driver to {need.full} or newer" if need else "update the host's driver"]
    highest = cuda.cuda_of_driver(driver) if driver else None
    if highest:
        steps.append(f"or build the image on CUDA {highest}, the newest that driver {driver} supports")
    elif driver is None:
        steps.append("or build the image on the CUDA version that `nvidia-smi` shows on the host")
    return Diagnosis("driver-too-old", "driver", asks, evidence, tuple(steps))


def _clipped(line: str) -> str:
    line = re.sub(r"://[^/@\s]+@", "://(hidden)@", re.sub(r"[\x00-\x1f\x7f-\x9f]", "", line))
    return line if len(line) <= 400 else line[:200] + " ... " + line[-190:]

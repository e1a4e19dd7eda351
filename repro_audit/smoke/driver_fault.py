"""What is wrong below the frameworks: device nodes, driver library, cuInit, devices, context, kernel, memory."""

from __future__ import annotations

import re

from repro_audit.smoke.engine_error import Host, too_old
from repro_audit.smoke.framework_fault import last_words, memory_remedy
from repro_audit.smoke.outcome import Diagnosis
from repro_audit.smoke.reading import Reading, Step

_XID = "look for the GPU's own complaints on the host: dmesg | grep -i xid"


def driver_fault(reading: Reading, host: Host, *, on_host: bool) -> Diagnosis | None:
    """The first link below the frameworks that does not hold; None where all do. For an image that could only be
    looked at from outside, None also where nothing speaks against it."""
    if reading.kind == "files":
        return None
    if reading.kind == "shell":
        return _by_shell(reading, host, on_host)
    ended = _ended(reading)
    failed = next((s for s in reading.steps if s.status != "ok"), None)
    if failed is None:
        return ended
    if failed.link == "library":
        return _no_library(failed.error, reading, host, on_host, failed)
    if failed.link in ("init", "devices", "device"):
        return _init(failed, reading, host, on_host)
    return _on_device(failed, reading)


def _by_shell(reading: Reading, host: Host, on_host: bool) -> Diagnosis | None:
    smi = reading.raw.get("nvidia_smi")
    if isinstance(smi, dict) and smi.get("status") == 0 and reading.devices:
        return None
    if isinstance(smi, dict) and isinstance(smi.get("output"), str) and reading.nodes:
        said = tuple(smi["output"].strip().splitlines()[:3])
        return Diagnosis("driver-broken", "driver", "nvidia-smi fails", said, ("see the same on the host: nvidia-smi",))
    if reading.nodes and reading.raw.get("driver_library"):
        return None
    return _no_library("libcuda.so.1 is in none of the usual folders", reading, host, on_host, None)


def _ended(reading: Reading) -> Diagnosis | None:
    ending = reading.ending
    if ending.how == "done":
        return None
    link = ending.during if ending.during else "library"
    on = f" on GPU {ending.device}" if ending.device is not None else ""
    last = last_words(ending.output)
    if ending.how == "timeout":
        return Diagnosis(
            "timeout",
            link,
            f"the driver did not answer within {ending.limit or 0:.0f} s at the link `{link}`{on}",
            last,
            (_XID, "see whether the host's own tools answer: nvidia-smi", "restart the host if they do not"),
        )
    how = f"was killed by {ending.signal}" if ending.signal else "ended the process"
    return Diagnosis(
        "crash",
        link,
        f"the driver library {how} at the link `{link}`{on}",
        last,
        ("see that the image brings no libcuda.so.1 of its own: find / -name 'libcuda.so*'", _XID),
    )


def _no_library(error: str, reading: Reading, host: Host, on_host: bool, step: Step | None) -> Diagnosis:
    """No libcuda.so.1: hidden by a variable, left out by the driver capabilities, not on the loader's path, or there is
    no GPU at all."""
    hidden = _hidden_by_runtime(reading)
    if hidden is not None:
        return hidden
    if reading.nodes:
        evidence = [error, "device nodes are there: " + ", ".join(n.path for n in reading.nodes[:4])]
        image = reading.raw.get("image")
        if isinstance(image, dict) and image.get("musl"):
            remedy: tuple[str, ...] = (
                "build on Debian or Ubuntu: NVIDIA's driver libraries need glibc, Alpine has musl",
            )
        else:
            remedy = ("ask for it: -e NVIDIA_DRIVER_CAPABILITIES=compute,utility (or `all`)",)
        beside = step.facts.get("found") if step is not None else None
        if isinstance(beside, list) and beside:
            evidence.append("the file is there but does not load: " + ", ".join(map(str, beside[:3])))
            remedy = ("run ldconfig in the image, or add its folder to LD_LIBRARY_PATH",)
        capabilities = reading.environment.get("NVIDIA_DRIVER_CAPABILITIES")
        if capabilities is not None:
            evidence.append(f"NVIDIA_DRIVER_CAPABILITIES={capabilities}")
        return Diagnosis(
            "library-missing",
            "library",
            "libcuda.so.1, the driver's library, is not in the container although the devices are",
            tuple(evidence),
            remedy,
        )
    evidence = [error, "no /dev/nvidia* and no /dev/dxg"]
    if host.driver is None and not host.wsl and not host.cdi:
        if host.gpus:
            return _no_driver(tuple(evidence), host)
        return Diagnosis(
            "no-gpu",
            "nodes",
            "this host has no NVIDIA GPU" if host.gpus == 0 or on_host else "no NVIDIA GPU reaches the container",
            (*evidence, *(("no PCI device of vendor 10de",) if host.gpus == 0 else ())),
            ("run the test on a machine with an NVIDIA GPU",),
        )
    if on_host and host.driver is None and not host.wsl:
        return Diagnosis(
            "no-driver",
            "driver",
            "a CDI specification names NVIDIA GPUs here, and no NVIDIA driver is loaded",
            (*evidence, "neither /proc/driver/nvidia nor /sys/module/nvidia is there"),
            (
                "load the driver, if there is a GPU: sudo modprobe nvidia",
                "or remove what is left of it in /etc/cdi and /var/run/cdi",
            ),
        )
    if on_host:
        return Diagnosis(
            "driver-broken",
            "nodes",
            "the driver is loaded, and there are no device nodes to reach it by",
            tuple(evidence),
            ("make them: sudo nvidia-modprobe -u -c 0", "see what the host says: nvidia-smi"),
        )
    return Diagnosis(
        "no-gpu",
        "nodes",
        "the container was given none of the host's GPUs",
        tuple(evidence),
        (
            "ask for them: docker run --gpus all ..., or podman run --device nvidia.com/gpu=all ...",
            "in compose: deploy.resources.reservations.devices with driver: nvidia, count: all, capabilities: [gpu]",
            "with `runtime: nvidia`, name them: NVIDIA_VISIBLE_DEVICES=all",
        ),
    )


def _no_driver(evidence: tuple[str, ...], host: Host) -> Diagnosis:
    return Diagnosis(
        "no-driver",
        "driver",
        f"this host has {host.gpus or 'an'} NVIDIA GPU{'s' if (host.gpus or 1) > 1 else ''} and no loaded driver",
        evidence,
        ("load it: sudo modprobe nvidia", "or install it (Debian and Ubuntu: nvidia-driver) and restart"),
    )


def _hidden_by_runtime(reading: Reading) -> Diagnosis | None:
    """NVIDIA_VISIBLE_DEVICES with a value by which the runtime injects nothing."""
    value = reading.environment.get("NVIDIA_VISIBLE_DEVICES")
    if value is None or value.strip() not in ("", "void", "none") or any("nvidia0" in n.path for n in reading.nodes):
        return None
    return Diagnosis(
        "device-hidden",
        "nodes",
        f"NVIDIA_VISIBLE_DEVICES={value!r} tells the runtime to give the container no GPU",
        (f"NVIDIA_VISIBLE_DEVICES={value}", "no /dev/nvidia0"),
        (
            "take it out of the Dockerfile's ENV and of `environment:`, or set it to all",
            "-e NVIDIA_VISIBLE_DEVICES=all",
        ),
    )


def _init(step: Step, reading: Reading, host: Host, on_host: bool) -> Diagnosis:
    """cuInit or the device count failed."""
    code = step.code
    evidence = (_line(step),)
    visible = reading.environment.get("CUDA_VISIBLE_DEVICES")
    if code in (100, 101, None) and visible is not None and reading.unhidden:
        return _hidden(visible, reading, evidence)
    if code in (100, None):
        runtime = _hidden_by_runtime(reading)
        if runtime is not None:
            return runtime
        if reading.nodes:
            return Diagnosis(
                "driver-broken",
                step.link,
                "the driver finds no device although device nodes are there",
                (*evidence, "nodes: " + ", ".join(n.path for n in reading.nodes[:4])),
                (
                    "see what the host says: nvidia-smi -L",
                    "on a MIG GPU, give one instance: --gpus device=MIG-UUID",
                    _XID,
                ),
            )
        return _no_library(_line(step), reading, host, on_host, None)
    if code == 34:
        library = reading.step("library")
        path = library.facts.get("path") if library else None
        return Diagnosis(
            "library-missing",
            "library",
            "the libcuda.so.1 that was found is the toolkit's stub, not the driver",
            (*evidence, f"loaded from {path}"),
            ("take .../stubs out of LD_LIBRARY_PATH: it is for linking only",),
        )
    if code in (35, 222) or (code in (803, 804) and _compat(reading)):
        return _old(step, reading, evidence)
    if code == 803:
        return Diagnosis(
            "driver-mismatch",
            "init",
            "libcuda.so.1 and the host's kernel module are of different releases",
            evidence,
            (
                "take driver packages (libnvidia-*, cuda-compat) out of the image: the runtime brings the host's",
                "after an update of the host's driver: restart the host",
            ),
        )
    if code == 802:
        return Diagnosis(
            "driver-broken",
            "init",
            "the GPUs' fabric is not up",
            evidence,
            ("start it on the host: sudo systemctl start nvidia-fabricmanager (its release must be the driver's)",),
        )
    if code == 2:
        return Diagnosis("out-of-memory", step.link, "no memory to initialise the driver", evidence, memory_remedy())
    remedy = [_XID, "see whether the host's own tools answer: nvidia-smi"]
    if code == 999 and not any("uvm" in node.path for node in reading.nodes):
        remedy.insert(
            0, "load the module that CUDA needs on the host: sudo modprobe nvidia_uvm && nvidia-modprobe -u -c 0"
        )
    return Diagnosis("driver-broken", step.link, "the driver cannot be initialised", evidence, tuple(remedy))


def _hidden(visible: str, reading: Reading, evidence: tuple[str, ...]) -> Diagnosis:
    count = reading.unhidden or 0
    some = f"{count} GPU{'s' if count != 1 else ''}"
    if visible.strip() in ("", "-1", "NoDevFiles", "none"):
        why = f"CUDA_VISIBLE_DEVICES={visible!r} hides every GPU of the container, which has {count}"
    else:
        why = (
            f"CUDA_VISIBLE_DEVICES={visible} names no GPU of the container: it has {count}, and inside of it they are"
            " numbered from 0"
        )
    return Diagnosis(
        "device-hidden",
        "devices",
        why,
        (*evidence, f"CUDA_VISIBLE_DEVICES={visible}", f"without the variable the driver shows {some}"),
        (
            "take it out of the Dockerfile's ENV and of `environment:`, and choose GPUs with --gpus or device_ids only",
            "or count from 0: -e CUDA_VISIBLE_DEVICES=" + ",".join(str(n) for n in range(min(count, 8))),
        ),
    )


def _compat(reading: Reading) -> bool:
    library = reading.step("library")
    return library is not None and bool(re.search(r"/(?:compat|cuda-[\d.]+/compat)/", str(library.facts.get("path"))))


def _old(step: Step, reading: Reading, evidence: tuple[str, ...]) -> Diagnosis:
    version = reading.image_cuda or next((f.cuda for f in reading.frameworks if f.cuda), None)
    if _compat(reading):
        evidence = (
            *evidence,
            "the image's own libcuda.so.1 (cuda-compat) was loaded, which this GPU or driver refuses",
        )
    if version:
        verdict = too_old(version, reading.driver, evidence)
        return Diagnosis(verdict.outcome, step.link, verdict.summary, verdict.evidence, verdict.remedy)
    has = f" ({reading.driver})" if reading.driver else ""
    return Diagnosis(
        "driver-too-old",
        step.link,
        f"the host's driver{has} is too old for what it is asked to run",
        evidence,
        ("update the host's driver",),
    )


def _on_device(step: Step, reading: Reading) -> Diagnosis:
    """A device that is there, and on which something does not work."""
    code, gpu = step.code, f"GPU {step.device}"
    evidence = tuple(filter(None, (_line(step), *step.log.splitlines()[:2])))
    if step.status == "wrong":
        return _wrong(step, gpu)
    if code == 2:
        free = reading.step("context", step.device)
        left = free.facts.get("memory_free_bytes") if free else None
        some = (f"{left / 2**20:.0f} MiB of its memory are free",) if isinstance(left, int) else ()
        return Diagnosis("out-of-memory", step.link, f"{gpu} has no memory left for a test of 1 MiB",
                         (*evidence, *some), memory_remedy())  # fmt: skip
    if code == 221:
        return Diagnosis(
            "library-missing",
            step.link,
            "libnvidia-ptxjitcompiler.so.1, the driver's compiler, is not in the container",
            evidence,
            ("ask for all of the driver: -e NVIDIA_DRIVER_CAPABILITIES=all", "and update the NVIDIA Container Toolkit"),
        )
    if code in (35, 218, 222):
        return _old(step, reading, evidence)
    if code == 209:
        return Diagnosis("framework-not-compiled", step.link, f"{gpu} runs no code of the test", evidence, (_XID,))
    if code in (46, 101) or "UNAVAILABLE" in step.error:
        return Diagnosis(
            "device-busy",
            step.link,
            f"{gpu} is taken: another process has it for itself, or its compute mode forbids use",
            evidence,
            (
                "see who: nvidia-smi --query-compute-apps=pid,name --format=csv",
                "see the mode, and allow sharing: nvidia-smi -q -d COMPUTE; sudo nvidia-smi -c DEFAULT",
            ),
        )
    return Diagnosis(
        "driver-broken",
        step.link,
        f"{gpu} fails at the link `{step.link}`",
        evidence,
        (_XID, "try another: --gpus device=N"),
    )


def _wrong(step: Step, gpu: str) -> Diagnosis:
    first = step.facts.get("first_wrong")
    if isinstance(first, dict):
        line = f"element {first.get('element')}: got {first.get('got')}, expected {first.get('expected')}"
        what = f"{step.facts.get('wrong')} of {step.facts.get('elements')} results of the kernel are wrong on {gpu}"
    else:
        line = f"sent with checksum {step.facts.get('sent')}, received {step.facts.get('received')}"
        what = f"what was copied to {gpu} and back is not what was sent"
    return Diagnosis(
        "wrong-result",
        step.link,
        what,
        (line,),
        (
            "look for faults of its memory: nvidia-smi -q -d ECC,PAGE_RETIREMENT,ROW_REMAPPER",
            _XID,
            "take this GPU out of use until it is replaced",
        ),
    )


def _line(step: Step) -> str:
    where = f" on GPU {step.device}" if step.device is not None else ""
    if step.code is not None:
        return f"{step.function or step.link}{where}: error {step.code} {step.error}".strip()
    if step.link == "devices":
        return "cuDeviceGetCount: 0 devices"
    return f"{step.function or step.link}{where}: {step.error or step.status}"

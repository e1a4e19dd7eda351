"""What is wrong with one framework, by what its test said."""

from __future__ import annotations

import re

from repro_audit.knowledge import cuda
from repro_audit.smoke.engine_error import too_old
from repro_audit.smoke.outcome import Diagnosis
from repro_audit.smoke.reading import Check, Framework, Reading

_LIBRARY = re.compile(
    r"Could not load (?:dynamic )?library '?(lib[\w+-]+\.so[\d.]*)"
    r"|(lib[\w+-]+\.so[\d.]*): cannot open shared object file"
    r"|Unable to load any of \{([^}]*)\}"
    r"|(?:Cannot|Unable to|Failed to) (?:load|dlopen|open)[^\n]{0,40}?(lib[\w+-]+\.so[\d.]*)"
    r"|(lib[\w+-]+\.so)\S* not found in the system path"
    r"|(libdevice(?:\.10\.bc)?) not found|Can't find (libdevice) directory"
)
_UNNAMED_LIBRARY = re.compile(
    r"Cannot dlopen some GPU libraries|CuDNN library needs to have|Unable to load (\w+)\. Is it installed"
)
_NOT_COMPILED = re.compile(
    r"no kernel image is available|cudaErrorNoKernelImageForDevice|CUDA_ERROR_NO_BINARY_FOR_GPU"
    r"|is not compatible with the current PyTorch installation|invalid value for --gpu-architecture"
    r"|[Uu]nsupported gpu architecture|compute capability.{0,60}not supported|cudaErrorInvalidDeviceFunction"
    r"|invalid device function"
)
_TOO_OLD = re.compile(
    r"driver version is insufficient|driver on your system is too old|cudaErrorInsufficientDriver"
    r"|CUDA_ERROR_UNSUPPORTED_PTX_VERSION|unsupported toolchain|driver is too old|forward compatibility was attempted"
    r"|requires? (?:a )?(?:CUDA )?driver (?:version )?(?:>=|at least)|error(?: code)?:? 35\b"
)
_MEMORY = re.compile(
    r"out of memory|OutOfMemory|RESOURCE_EXHAUSTED|CUDA_ERROR_OUT_OF_MEMORY|CUBLAS_STATUS_ALLOC_FAILED"
    r"|CUDNN_STATUS_ALLOC_FAILED|cudaErrorMemoryAllocation|Failed to allocate.{0,40}device",
    re.I,
)
_INSTALL = {
    "torch": "pip install torch --index-url https://download.pytorch.org/whl/cu{digits}",
    "tensorflow": 'pip install "tensorflow[and-cuda]"',
    "jax": 'pip install "jax[cuda{major}]"',
    "cupy": "pip install cupy-cuda{major}x",
}


def framework_fault(framework: Framework, reading: Reading) -> Diagnosis | None:
    """The fault of a framework; None where every check of it holds, or where it could not be tested at all."""
    name = framework.name
    link = f"framework {name}"
    bad = [check for check in framework.checks if check.status != "ok"]
    text = "\n".join([framework.error, *(check.error for check in bad), framework.ending.output])
    if _without_cuda(framework):
        return _cpu_only(framework, reading)
    if framework.available is not True or bad or framework.error or framework.ending.how not in ("done", "skipped"):
        cause = _by_text(framework, reading, text, link)
        if cause is not None:
            return cause
    unfit = next((check for check in bad if check.name == "compiled"), None)
    if unfit is not None:
        return _not_compiled(framework, reading, (_capability_line(unfit),))
    wrong = next((check for check in bad if check.status == "wrong"), None)
    if wrong is not None:
        return Diagnosis(
            "wrong-result",
            link,
            f"{name} computes a wrong {wrong.name} on GPU {wrong.device}",
            (_wrong_line(wrong),),
            (
                "look for faults of the GPU: nvidia-smi -q -d ECC,PAGE_RETIREMENT, and dmesg | grep -i xid",
                f"try another GPU: --gpus device=N; if that is right there, {name} is and the GPU is not",
            ),
        )
    differs = next((check for check in bad if check.status == "differs"), None)
    if differs is not None:
        return Diagnosis(
            "not-repeatable",
            link,
            f"{name} draws other random numbers from the same seed on GPU {differs.device}",
            (f"{differs.facts.get('differing')} of {differs.facts.get('numbers')} numbers differ",),
            (f"look for code that reseeds or replaces {name}'s generator at import (sitecustomize, plugins)",),
        )
    return _ended(framework, link) or _sees_none(framework, reading, bad, link)


def _without_cuda(framework: Framework) -> bool:
    return framework.built_with_cuda is False


def _by_text(framework: Framework, reading: Reading, text: str, link: str) -> Diagnosis | None:
    """The fault that messages of the framework or its libraries name."""
    name = framework.name
    missing = missing_libraries(text)
    if missing and (framework.available is not True or framework.error or _late_library(framework)):
        return _library_missing(framework, reading, missing, text)
    unnamed = _UNNAMED_LIBRARY.search(text)
    if unnamed and framework.available is not True:
        what = f"the libraries of {unnamed[1]}" if unnamed[1] else "all of its CUDA libraries, and does not say which"
        return Diagnosis(
            "library-missing",
            link,
            f"{name} cannot load {what}",
            _lines(text, _UNNAMED_LIBRARY),
            (f"install CUDA and cuDNN with it: {_install(framework, reading)}",),
        )
    if _NOT_COMPILED.search(text):
        return _not_compiled(framework, reading, _lines(text, _NOT_COMPILED))
    if _TOO_OLD.search(text):
        if _new_enough(framework, reading):
            return Diagnosis(
                "driver-too-old",
                link,
                f"{name} finds the driver too old for its CUDA {framework.cuda}, although {reading.driver} is not",
                _lines(text, _TOO_OLD),
                (
                    "see whether the image brings a driver of its own: find / -name 'libcuda.so*'",
                    "take cuda-compat and its folder in LD_LIBRARY_PATH out of the image",
                ),
            )
        if framework.cuda or reading.image_cuda:
            old = too_old(framework.cuda or reading.image_cuda or "", reading.driver, _lines(text, _TOO_OLD))
            return Diagnosis(old.outcome, link, f"{name}: {old.summary}", old.evidence, old.remedy)
        return Diagnosis(
            "driver-too-old",
            link,
            f"the driver is too old for the CUDA that {name} was built for",
            _lines(text, _TOO_OLD),
            ("update the host's driver", f"or install a build of {name} for the CUDA that `nvidia-smi` shows"),
        )
    if _MEMORY.search(text):
        return Diagnosis(
            "out-of-memory",
            link,
            f"{name} cannot get the few megabytes of GPU memory that the test takes",
            _lines(text, _MEMORY),
            memory_remedy(),
        )
    return None


def _new_enough(framework: Framework, reading: Reading) -> bool:
    need = cuda.driver_need(framework.cuda) if framework.cuda else None
    return need is not None and reading.driver is not None and cuda.numbers(need.full) <= cuda.numbers(reading.driver)


_OWN = re.compile(r'\s*File "<stdin>"|Current thread 0x|Thread 0x|Extension modules:|\s*$')


def last_words(output: str) -> tuple[str, ...]:
    """What a test that died printed last, without the lines that are about the probe itself."""
    lines = [line.strip()[:300] for line in output.splitlines() if not _OWN.match(line)]
    fatal = next((at for at, line in enumerate(lines) if line.startswith("Fatal Python error")), None)
    return tuple(lines[max(0, fatal - 2) : fatal + 3] if fatal is not None else lines[-4:])


def _late_library(framework: Framework) -> bool:
    return any(check.status == "error" and _LIBRARY.search(check.error) for check in framework.checks)


def memory_remedy() -> tuple[str, ...]:
    """What to do where a GPU has no memory left for a tiny test."""
    return (
        "see who has it: nvidia-smi --query-compute-apps=pid,name,used_memory --format=csv",
        "end that, or take another GPU: --gpus device=N",
    )


def missing_libraries(text: str) -> tuple[str, ...]:
    """The shared libraries that a log says could not be loaded, each once."""
    found: dict[str, None] = {}
    for match in _LIBRARY.finditer(text):
        group = next(g for g in match.groups() if g)
        for name in group.split(","):
            found.setdefault(name.strip().rsplit("/", 1)[-1].rstrip("."), None)
    return tuple(found)


def _library_missing(framework: Framework, reading: Reading, missing: tuple[str, ...], text: str) -> Diagnosis:
    listed = ", ".join(missing[:6])
    remedy = []
    if "libcuda.so.1" in missing:
        remedy.append(
            "run the container with --gpus all: libcuda.so.1 comes from the host's driver, not from the image"
        )
    if any(name.startswith("libcudnn") for name in missing):
        major = next((m.group(1) for n in missing if (m := re.search(r"\.so\.(\d+)", n))), "")
        remedy.append(
            f"install cuDNN{' ' + major if major else ''} in the image: a base image with `cudnn` in its tag"
            f", or pip install nvidia-cudnn-cu12{'==' + major + '.*' if major else ''}"
        )
    rest = [n for n in missing if not n.startswith(("libcudnn", "libcuda.so"))]
    if rest:
        remedy.append(
            f"install what brings {', '.join(rest[:4])}: the matching `runtime` base image,"
            f" or {_install(framework, reading)}"
        )
    remedy.append(
        "if the file is there, put its folder into /etc/ld.so.conf.d/ and run ldconfig, or into LD_LIBRARY_PATH"
    )
    return Diagnosis(
        "library-missing",
        f"framework {framework.name}",
        f"{framework.name} cannot load {listed}",
        _lines(text, _LIBRARY),
        tuple(remedy),
    )


def _cpu_only(framework: Framework, reading: Reading) -> Diagnosis:
    what = f"{framework.name} {framework.version or ''}".strip()
    built = f"for ROCm {framework.hip}" if framework.hip else "without CUDA"
    evidence = [f"{what} says that it was built {built}"]
    if framework.facts.get("jaxlib"):
        evidence.append(f"jaxlib {framework.facts['jaxlib']}, and no plugin package for CUDA")
    return Diagnosis(
        "framework-without-cuda",
        f"framework {framework.name}",
        f"{what} was built {built}; no driver and no GPU will change that",
        tuple(evidence),
        (f"install the CUDA build: {_install(framework, reading)}",),
    )


def _install(framework: Framework, reading: Reading) -> str:
    """The command that installs a framework for the newest CUDA that the driver runs."""
    version = cuda.numbers(reading.driver_cuda or framework.cuda or "")
    major, minor = (version[0], version[1]) if len(version) > 1 else (12, 8)
    digits = {11: "118", 12: "121" if minor < 4 else "124" if minor < 6 else "126" if minor < 8 else "128"}.get(
        major, "130"
    )
    return _INSTALL.get(framework.name, "its build for CUDA").format(digits=digits, major=min(max(major, 11), 13))


def _not_compiled(framework: Framework, reading: Reading, evidence: tuple[str, ...]) -> Diagnosis:
    device = reading.devices[0] if reading.devices else None
    gpu = f"{device.name} (compute capability {device.capability})" if device else "this GPU"
    has = f"; it has {', '.join(framework.architectures)}" if framework.architectures else ""
    remedy = [f"install a build that covers it: {_install(framework, reading)}"]
    first = cuda.first_cuda_for(device.capability) if device and device.capability else None
    if first:
        remedy.insert(
            0,
            f"take a build for CUDA {first} or newer, the first that knows {device.capability if device else ''}",
        )
    if device and device.capability and cuda.numbers(device.capability) < (7, 5):
        remedy.append("GPUs before 7.5 are left out of builds for CUDA 13: take one for CUDA 12.6 or older")
    if device and device.capability and framework.name == "torch":
        remedy.append(f'for extensions compiled in the image: ENV TORCH_CUDA_ARCH_LIST="{device.capability}+PTX"')
    return Diagnosis(
        "framework-not-compiled",
        f"framework {framework.name}",
        f"{framework.name} {framework.version or ''} holds no code for {gpu}{has}",
        evidence,
        tuple(remedy),
    )


def _ended(framework: Framework, link: str) -> Diagnosis | None:
    """The fault of a test that did not come to its end."""
    ending = framework.ending
    during = f" during {ending.during}" if ending.during else ""
    last = last_words(ending.output)
    if ending.how == "timeout":
        return Diagnosis(
            "timeout",
            link,
            f"{framework.name} did not finish within {ending.limit or 0:.0f} s{during}",
            last,
            (
                "give it more time: --timeout 900 (the first start may compile kernels for minutes)",
                "if it never ends, look on the host: dmesg | grep -i xid",
            ),
        )
    if ending.how == "skipped":
        return Diagnosis(
            "timeout",
            link,
            f"the time was over before {framework.name} could be tested",
            (),
            ("give the test more time: --timeout 900",),
        )
    if ending.how in ("signal", "exit"):
        how = f"was killed by {ending.signal}" if ending.how == "signal" else "ended the whole process"
        remedy = ["run it alone to see the trace: python -X faulthandler -c 'import " + framework.name + "'"]
        if ending.signal == "SIGKILL":
            remedy.insert(0, "give the container more memory: the kernel kills what exceeds its limit")
        if ending.signal == "SIGILL":
            remedy.insert(0, "the build needs instructions (AVX) that this processor lacks: install another build")
        return Diagnosis("crash", link, f"{framework.name} {how}{during}", last, tuple(remedy))
    return None


def _sees_none(framework: Framework, reading: Reading, bad: list[Check], link: str) -> Diagnosis | None:
    """The fault of a framework that failed for a reason not known above, or that sees no GPU where the driver does."""
    errors = tuple(e for e in (framework.error, *(check.error for check in bad)) if e)[:3]
    last = errors or last_words(framework.ending.output)
    if framework.error:
        return Diagnosis(
            "framework-broken",
            link,
            f"{framework.name} cannot be imported",
            last,
            (
                f"see it: python -c 'import {framework.name}'",
                f"reinstall it in one step: {_install(framework, reading)}",
            ),
        )
    if bad:
        names = ", ".join(dict.fromkeys(check.name for check in bad))
        return Diagnosis("framework-broken", link, f"{framework.name} fails at: {names}", last, (_INSIDE,))
    if framework.available is False and reading.devices:
        return Diagnosis(
            "framework-broken", link, f"{framework.name} sees no GPU although the driver does", last, (_INSIDE,)
        )
    if framework.available is None and framework.ending.how == "done" and reading.kind == "python":
        return None
    return None


_INSIDE = "the lines above are the framework's own; compare its build with the driver: nvidia-smi"


def _lines(text: str, pattern: re.Pattern[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line.strip()[:400] for line in text.splitlines() if pattern.search(line)))[:4]


def _capability_line(check: Check) -> str:
    capability = check.facts.get("capability")
    shown = ".".join(str(part) for part in capability) if isinstance(capability, list) else "unknown"
    return f"GPU {check.device} has compute capability {shown}, which none of the architectures covers"


def _wrong_line(check: Check) -> str:
    first = check.facts.get("first_wrong")
    if isinstance(first, dict):
        return f"element {first.get('element')}: got {first.get('got')}, expected {first.get('expected')}"
    return f"largest error {check.facts.get('largest_error')}"

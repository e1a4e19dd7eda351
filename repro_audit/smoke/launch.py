"""How the probe gets into an image: the command lines, and the document out of what they print."""

from __future__ import annotations

import json
import re
from typing import Any

MARK = b"@@repro-audit-probe@@"
SHELL_MARK = b"@@repro-audit-shell@@"

# Where a Python may be in an image that has no shell.
PYTHONS = ("python3", "python", "/usr/bin/python3", "/usr/local/bin/python3", "/opt/conda/bin/python3")


def probe_source() -> bytes:
    """The text of the probe, given to the command on standard input."""
    from importlib.resources import files

    return files("repro_audit").joinpath("smoke/probe.py").read_bytes()


def shell_command(budget: float, only: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Runs the probe with the Python that a shell finds, or what the shell itself can tell. `budget` in seconds."""
    from importlib.resources import files

    script = files("repro_audit").joinpath("smoke/launch.sh").read_text("utf-8")
    return ("sh", "-c", script, "repro-audit", *_arguments(budget, only))


def python_command(python: str, budget: float, only: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Runs the probe with this Python, where there is no shell."""
    return (python, "-B", "-", *_arguments(budget, only))


def _arguments(budget: float, only: tuple[str, ...]) -> tuple[str, ...]:
    return (f"--budget={budget:g}", *((f"--only={','.join(only)}",) if only else ()))


def began(stdout: bytes) -> bool:
    """Whether the probe was reached, whatever became of it."""
    return MARK in stdout or SHELL_MARK in stdout


def document(stdout: bytes) -> dict[str, Any] | None:
    """What the probe or the shell said, in the probe's form; None where it did not finish."""
    for line in reversed(stdout.split(b"\n")):
        if line.startswith(MARK + b" {"):
            try:
                # NaN and Infinity are no JSON; the report would pass them on
                found = json.loads(line[len(MARK) :], parse_constant=str)
            except (ValueError, RecursionError):
                return None
            return found if isinstance(found, dict) else None
    if SHELL_MARK + b" end" in stdout:
        begin = stdout.rindex(SHELL_MARK + b" begin") if SHELL_MARK + b" begin" in stdout else 0
        return _shell_document(stdout[begin:].decode("utf-8", "replace"))
    return None


def _shell_document(text: str) -> dict[str, Any]:
    """The shell's lines in the form of the probe's document, with `kind` `shell`."""
    said: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, tab, value = line.partition("\t")
        if tab:
            said.setdefault(name, []).append(re.sub(r"[\x00-\x1f\x7f-\x9f]", "", value))
    libraries = said.get("library", [])
    toolkit = " ".join(said.get("cuda-version", []))
    version = re.search(r'"cuda"\s*:\s*\{[^}]*"version"\s*:\s*"([\d.]+)"|CUDA Version ([\d.]+)', toolkit)
    environment = dict(line.partition("=")[::2] for line in said.get("environment", []))
    kernel = re.search(r"\b(\d{3}\.\d+(?:\.\d+)?)\b", " ".join(said.get("kernel-driver", [])))
    devices = []
    for line in said.get("gpu", []):
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == 6 and cells[0].isdigit():
            devices.append(
                {"index": cells[0], "name": cells[1], "driver_version": cells[2], "uuid": cells[3], "pci": cells[4]}
            )
    image: dict[str, Any] = {
        "system": (said.get("system") or [""])[0].strip("\"'"),
        "cuda": (version.group(1) or version.group(2)) if version else environment.get("CUDA_VERSION"),
        "libraries": _versions(libraries),
        "musl": "libc" in said,
    }
    found: dict[str, Any] = {
        "probe": 1,
        "kind": "shell",
        "old_pythons": said.get("old-python", []),
        "poor_pythons": said.get("poor-python", []),
        "stuck_pythons": said.get("stuck-python", []),
        "nodes": [{"path": path, "usable": True} for path in said.get("node", [])]
        + [{"path": path, "usable": False} for path in said.get("closed-node", [])],
        "kernel_driver": kernel.group(1) if kernel else None,
        "environment": environment,
        "image": image,
        "driver_library": next((path for path in libraries if path.endswith("/libcuda.so.1")), None),
        "limits": dict(line.split(" ", 1) for line in said.get("limit", []) if " " in line),
        "frameworks": [],
    }
    if "nvidia-smi" in said:
        status = said["nvidia-smi"][0]
        output = "" if devices else "\n".join(said.get("gpu", []))[:1500]
        found["nvidia_smi"] = {
            "status": int(status) if status.isdigit() else -1,
            "devices": devices,
            "output": output,
        }
    shm = re.search(r"\s(\d+)\s+\d+\s+\d+\s+\d+%\s+/dev/shm", " ".join(said.get("shm", [])))
    found["shared_memory_bytes"] = int(shm.group(1)) * 1024 if shm else None
    return found


_LIBRARY = re.compile(r"lib(cudart|cudnn|nccl|cublas|nvrtc)\.so\.(\d[\d.]*)$")


def _versions(paths: list[str]) -> dict[str, str]:
    """The versions that libraries' file names tell, the most precise of each."""
    versions: dict[str, str] = {}
    for path in paths:
        found = _LIBRARY.search(path)
        if found and len(found.group(2)) > len(versions.get(found.group(1), "")):
            versions[found.group(1)] = found.group(2)
    return versions


_DISTRIBUTION = re.compile(
    r"(?:site|dist)-packages/(torch|tensorflow|jax|jaxlib|cupy(?:_cuda\w+)?)-(\d[^/-]*)\.dist-info/"
)


def files_document(paths: list[str]) -> dict[str, Any]:
    """What the names of an image's files tell, for an image in which nothing could be run; `kind` is `files`."""
    frameworks: dict[str, str] = {}
    pythons: set[str] = set()
    libraries = []
    for path in paths:
        found = _DISTRIBUTION.search(path)
        if found:
            frameworks.setdefault(found.group(1).partition("_")[0], found.group(2))
        if re.search(r"(?:^|/)bin/python3(?:\.\d+)?$", path):
            pythons.add("/" + path.lstrip("/"))
        if "/lib" in path and ".so." in path:
            libraries.append(path)
    versions = _versions(libraries)
    toolkit = next((m.group(1) for p in paths if (m := re.search(r"usr/local/cuda-(\d+\.\d+)/", p))), None)
    return {
        "probe": 1,
        "kind": "files",
        "pythons": sorted(pythons),
        "nodes": [],
        "image": {"cuda": toolkit or versions.get("cudart"), "libraries": versions},
        "environment": {},
        "frameworks": [{"name": n, "version": v, "checks": []} for n, v in frameworks.items() if n != "jaxlib"],
    }

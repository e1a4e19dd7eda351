"""GPUs for containers, played: a CDI specification that hands out device nodes made for the test and the compiled
driver of `tests/smoke/fake_cuda`, and the small image with Python in which the probe meets them.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import stat
import tarfile
from dataclasses import dataclass
from pathlib import Path

from daemons import need

SMOKE = Path(__file__).parents[1] / "smoke"
UUID = "GPU-00112233-4455-6677-8899-aabbccddeeff"
LIBRARIES = "/usr/lib/x86_64-linux-gnu"
# Devices that fail, by name: what the driver is told to do, and the outcome and link that this must have.
FAULTS = {
    "too-old": ("cuInit=35", "driver-too-old", "init"),
    "unknown": ("cuInit=999", "driver-broken", "init"),
    "mismatch": ("cuInit=803", "driver-mismatch", "init"),
    "busy": ("cuDevicePrimaryCtxRetain=46", "device-busy", "context"),
    "full": ("memory-full", "out-of-memory", "kernel"),
    "wrong": ("kernel-wrong", "wrong-result", "kernel"),
    "flipped": ("copy-flips-a-bit", "wrong-result", "memory"),
    "crash": ("cuModuleLoadDataEx!segfault", "crash", "kernel"),
    "no-library": (None, "library-missing", "library"),
}
_KEPT = re.compile(
    r"(?:bin|lib|lib64|sbin|tmp|root|home|etc|run|var|usr|usr/(?:bin|lib|lib64))"
    r"|etc/(?:passwd|group|os-release|nsswitch\.conf|ld\.so\.\w+|ld\.so\.conf\.d/.*)|usr/lib/os-release"
    r"|usr/bin/(?:python3[\d.]*|sh|dash|df|timeout|true|sleep|id|env|ls|cat)|usr/lib64/.*"
    r"|usr/lib/python3[\d.]*(?:/(?!test/|idlelib|ensurepip|lib2to3|pydoc_data|unittest|config-|.*__pycache__).*)?"
    rf"|{LIBRARIES[1:]}|{LIBRARIES[1:]}/(?:ld-linux|libc\.|libm\.|libdl|libpthread|librt|libutil|libz\.|libexpat|libffi|"
    r"libgcc_s|libstdc|libselinux|libpcre2-8|libcrypto|libssl|liblzma|libbz2|libuuid)[^/]*"
)


def python_layer(root: Path) -> bytes:
    """What Python needs of a Debian's root file system, and the frameworks that play below /opt/NAME, as a tar."""
    out = io.BytesIO()
    with tarfile.open(root) as whole, tarfile.open(fileobj=out, mode="w") as tar:
        for member in whole:
            name = member.name.removeprefix("./")
            if _KEPT.fullmatch(name):
                member.name = name
                tar.addfile(member, whole.extractfile(member) if member.isfile() else None)
        for path in sorted((SMOKE / "packages").rglob("*.py")):
            name = path.relative_to(SMOKE / "packages")
            tar.add(path, f"opt/{name.parts[0]}/{name}")
    return out.getvalue()


@dataclass
class Gpus:
    """What a CDI specification needs on this machine."""

    drivers: Path
    nodes: Path

    def __post_init__(self) -> None:
        self.nodes.mkdir()
        try:
            for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
                os.mknod(self.nodes / name, stat.S_IFCHR | 0o600, os.makedev(1, 3))
                os.chmod(self.nodes / name, 0o666)
        except PermissionError:
            need("the right to make device nodes", "engine")

    def specification(self) -> str:
        """Two GPUs, both of them, one by its UUID, and one for each fault."""
        devices = [
            self._device("0", "nvidia0"),
            self._device("1", "nvidia1"),
            self._device("all", "nvidia0", "nvidia1"),
            self._device(UUID, "nvidia0"),
            self._device("hang", "nvidia0", fault="cuLaunchKernel!hang"),
        ]
        devices += [
            self._device(name, "nvidia0", fault=fault, library=fault is not None)
            for name, (fault, _, _) in FAULTS.items()
        ]
        nodes = [{"path": f"/dev/{name}", "hostPath": str(self.nodes / name)} for name in ("nvidiactl", "nvidia-uvm")]
        edits = {"env": ["FAKE_CUDA_NODES=1"], "deviceNodes": nodes}
        found = {"cdiVersion": "0.5.0", "kind": "nvidia.com/gpu", "devices": devices, "containerEdits": edits}
        return json.dumps(found, indent=1)

    def _device(self, name: str, *nodes: str, fault: str | None = None, library: bool = True) -> dict[str, object]:
        edits: dict[str, object] = {
            "deviceNodes": [{"path": f"/dev/{node}", "hostPath": str(self.nodes / node)} for node in nodes]
        }
        if library:
            edits["mounts"] = [
                {"hostPath": str(path), "containerPath": f"{LIBRARIES}/{path.name}", "options": ["ro", "nodev", "bind"]}
                for path in sorted(self.drivers.glob("*.so.1"))
            ]
        if fault is not None:
            edits["env"] = [f"FAKE_CUDA_FAULT={fault}"]
        return {"name": name, "containerEdits": edits}


def compiled(folder: Path) -> Path:
    """The driver that plays, compiled into the folder."""
    wanted = importlib.util.spec_from_file_location("gpu_machine_of_smoke", SMOKE / "gpu_machine.py")
    assert wanted is not None and wanted.loader is not None
    import sys

    module = importlib.util.module_from_spec(wanted)
    sys.modules[wanted.name] = module
    wanted.loader.exec_module(module)
    folder.mkdir()
    return Path(module.compile_driver(folder))


def foreign_specification() -> str | None:
    """A CDI specification of this machine's own GPUs, which ours would clash with."""
    for folder in (Path("/etc/cdi"), Path("/run/cdi")):
        for path in folder.glob("*") if folder.is_dir() else ():
            if path.suffix in (".yaml", ".json") and b"nvidia.com/gpu" in path.read_bytes():
                return str(path)
    return None

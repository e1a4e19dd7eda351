"""A machine with a GPU, played: a driver compiled from `fake_cuda/`, frameworks of `packages/`, and a `Runner` over it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from repro_audit.smoke.runner import Ran

HERE = Path(__file__).parent


def compile_driver(folder: Path) -> Path:
    """Compiles both libraries into `folder` and gives it."""
    compiler = shutil.which("cc") or shutil.which("gcc") or "cc"
    for source, soname in (("libcuda.c", "libcuda.so.1"), ("libnvidia-ml.c", "libnvidia-ml.so.1")):
        command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", f"-Wl,-soname,{soname}"]
        subprocess.run([*command, "-o", str(folder / soname), str(HERE / "fake_cuda" / source)], check=True)
    return folder


def select_packages(folder: Path, names: Iterable[str]) -> Path:
    """A folder for PYTHONPATH that holds these frameworks of `packages/`."""
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).symlink_to(HERE / "packages" / name)
    return folder


@dataclass
class Machine:
    """Runs commands on this host, with `variables` on top of a bare environment. `python` is the only one on PATH."""

    engine: str = "docker"
    subject: str = "example:1"
    python: str = sys.executable
    variables: Mapping[str, str] = field(default_factory=dict)
    path: str | None = None
    calls: list[tuple[str, bool]] = field(default_factory=list)

    def run(self, command: Sequence[str], *, stdin: bytes, gpus: bool, timeout: float) -> Ran:
        self.calls.append((command[0], gpus))
        environment = {
            "PATH": self.path or f"{Path(self.python).parent}:/usr/bin:/bin",
            "LC_ALL": "C",
            **self.variables,
        }
        started = time.monotonic()
        try:
            done = subprocess.run(
                command, input=stdin, capture_output=True, timeout=timeout, env=environment, cwd=os.path.expanduser("/")
            )
        except subprocess.TimeoutExpired as late:
            return Ran(None, late.stdout or b"", late.stderr or b"", True, time.monotonic() - started)
        except OSError as error:
            return Ran(127, b"", str(error).encode(), False, time.monotonic() - started)
        return Ran(done.returncode, done.stdout, done.stderr, False, time.monotonic() - started)

    def files(self) -> Iterable[str] | None:
        return None


@dataclass
class Engine:
    """An engine that answers from a list: what it says with GPUs, and without."""

    with_gpus: Ran
    without: Ran | Machine = field(default_factory=lambda: Ran(0))
    engine: str = "docker"
    subject: str = "example:1"
    paths: Sequence[str] | None = None
    calls: list[tuple[str, bool]] = field(default_factory=list)

    def run(self, command: Sequence[str], *, stdin: bytes, gpus: bool, timeout: float) -> Ran:
        self.calls.append((command[0], gpus))
        if gpus:
            return self.with_gpus
        if isinstance(self.without, Machine):
            return self.without.run(command, stdin=stdin, gpus=gpus, timeout=timeout)
        return self.without

    def files(self) -> Iterable[str] | None:
        return self.paths

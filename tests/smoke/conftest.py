"""A compiled driver and a runner over it for the tests of the smoke test."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import gpu_machine

Gpu = Callable[..., gpu_machine.Machine]


@pytest.fixture(scope="session")
def driver_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the compiled libcuda.so.1 and libnvidia-ml.so.1 lie."""
    if shutil.which("cc") is None and shutil.which("gcc") is None:
        if "compiler" in os.environ.get("REPRO_AUDIT_REQUIRE", "").replace(",", " ").split():
            pytest.fail("a C compiler is required here and there is none")
        pytest.skip("no C compiler to build the driver that plays a GPU")
    return gpu_machine.compile_driver(tmp_path_factory.mktemp("driver"))


@pytest.fixture
def gpu(driver_folder: Path, tmp_path: Path) -> Gpu:
    """Makes a machine with a GPU: `gpu("torch", FAKE_CUDA_FAULT="...")`."""

    def make(*frameworks: str, python: str = sys.executable, **variables: str) -> gpu_machine.Machine:
        packages = gpu_machine.select_packages(tmp_path / "packages", frameworks)
        own = {"LD_LIBRARY_PATH": str(driver_folder), "PYTHONPATH": str(packages)}
        return gpu_machine.Machine(python=python, variables={**own, **variables})

    return make

"""Options of `smoke` that cannot be followed are refused before anything is started."""

from __future__ import annotations

import subprocess
import sys

import pytest

from repro_audit.cli.smoke_service import asked_for_none
from repro_audit.smoke.outcome import Diagnosis


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--image", "debian:12", "--gpus", "foo"], "--gpus foo: no valid request for GPUs"),
        (["--host", "--gpus", "1", "--cdi"], "--gpus, --cdi has no meaning with --host"),
        (["--image", "x", "--target", "a", "--build-arg", "B=1"], "--target, --build-arg has no meaning with --image"),
        (["--image", "x", "--build-network", "none"], "--build-network has no meaning with --image"),
        (["--host", "--only", "pytorch"], "'pytorch' is not one of 'torch', 'tensorflow', 'jax', 'cupy'"),
        (["--image", "x", "--engine", "buildah"], "'buildah' is not one of 'auto', 'docker', 'buildx', 'podman'"),
    ],
)
def test_what_cannot_be_followed_is_bad_usage(words: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "repro_audit", "smoke", *words], capture_output=True, text=True, env={"PATH": ""}
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_service_that_asks_for_no_gpu_is_told_so_whatever_the_host_has() -> None:
    bare = Diagnosis("no-gpu", "nodes", "this host has no NVIDIA GPU", ("no /dev/nvidia*",), ("elsewhere",))
    verdict = asked_for_none(bare, "db")
    assert verdict.summary.startswith("the service db asks for no GPU")
    assert "deploy.resources" in verdict.remedy[0]
    broken = Diagnosis("framework-without-cuda", "framework jax", "built without CUDA")
    assert asked_for_none(broken, "db") is broken

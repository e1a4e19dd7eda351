"""The smoke test in real containers where there is no GPU: what engines say, and what an image may lack."""

from __future__ import annotations

import io
import json
import re
import struct
import tarfile
from collections.abc import Callable

import pytest
from daemons import CACHE, Registry, Rig, busybox_layer, need

RigOf = Callable[[str], Rig]


def smoke(rig: Rig, image: str, *options: str) -> dict:
    done = rig.run("smoke", "--image", image, "--format", "json", *options)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert done.returncode == report["exit_status"]
    return report


def layer(*files: tuple[str, bytes], base: bytes = b"") -> bytes:
    """A tar of programs, on top of the files of another."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        if base:
            with tarfile.open(fileobj=io.BytesIO(base)) as below:
                for member in below:
                    if member.name not in dict(files):
                        tar.addfile(member, below.extractfile(member) if member.isfile() else None)
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.mode, info.size = 0o755, len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


@pytest.mark.parametrize("engine", ["docker", "moby", "podman"])
def test_an_engine_that_cannot_give_gpus_is_told_from_an_image_that_fails(rig_of: RigOf, engine: str) -> None:
    rig = rig_of(engine)
    asked = "device=no-such-gpu" if engine == "moby" else "all"
    report = smoke(rig, rig.base, f"--gpus={asked}")
    assert report["outcome"] in ("no-runtime", "no-gpu", "no-such-device"), report["evidence"]
    assert report["remedy"] and not any("--help" in line for line in report["evidence"])
    assert report["subject"]["gpus"] is False


@pytest.mark.parametrize(
    ("engine", "image"),
    [
        ("docker", "localhost:1/none:1"),
        ("docker", "{registry}/none:1"),
        ("moby", "localhost:1/none:1"),
        ("moby", "{registry}/none:1"),
        ("podman", "{registry}/none:1"),
    ],
)
def test_an_image_that_is_not_there_is_named(rig_of: RigOf, registry: Registry, engine: str, image: str) -> None:
    report = smoke(rig_of(engine), image.format(registry=registry.address))
    assert (report["outcome"], report["exit_status"]) == ("no-image", 2), report["evidence"]


def test_what_was_built_for_the_test_is_gone_after_it(rig_of: RigOf, write, tmp_path) -> None:
    rig = rig_of("docker")
    project = write({"Dockerfile": f"FROM {rig.base}\nRUN echo for the test > /x\n"})
    rig.run("smoke", str(project), "--record", str(tmp_path / "kept.json"), check=2)
    assert json.loads((tmp_path / "kept.json").read_text())["recorded"]
    assert "repro-audit" not in rig.ask("images") + rig.ask("ps", "--all")


def test_without_an_engine_nothing_can_be_tested(environment: dict[str, str]) -> None:
    rig = Rig("none", "auto", environment | {"PATH": "/nonexistent"}, "x")
    report = smoke(rig, "x")
    assert (report["outcome"], report["exit_status"]) == ("no-engine", 2)
    assert any("podman" in line for line in report["evidence"])


@pytest.mark.parametrize("gpus", ["all --privileged", "-1", "device=$(id)"])
def test_a_request_for_gpus_cannot_hold_options(rig_of: RigOf, gpus: str) -> None:
    done = rig_of("docker").run("smoke", "--image", "x", f"--gpus={gpus}")
    assert done.returncode == 2
    assert "no valid request" in done.stderr + done.stdout


# --- images that lack something, seen without a GPU ---------------------------------------------------------------


def without_gpu(rig: Rig, image: str, write, *options: str, **service: object) -> dict:
    """A test of a service that asks for no GPU, so that the container always starts."""
    project = write({"compose.yaml": json.dumps({"services": {"app": {"image": image, **service}}})})
    done = rig.run("smoke", str(project), "--service", "app", "--format", "json", *options)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_an_image_of_busybox_has_nothing_to_test(rig_of: RigOf, write, engine: str) -> None:
    rig = rig_of(engine)
    report = without_gpu(rig, rig.base, write)
    assert (report["outcome"], report["subject"]["looked_with"]) == ("nothing-to-test", "shell")
    assert "no Python of 3.6 or newer" in report["summary"]


@pytest.mark.parametrize("engine", ["docker", "moby", "podman"])
def test_an_image_of_one_program_is_read_from_outside(rig_of: RigOf, registry: Registry, write, engine: str) -> None:
    toolkit = ("usr/local/cuda-12.4/lib64/libcudart.so.12.4.127", b"\x7fELF")
    image = registry.push("static:1", layer(("app", b"\x7fELF"), toolkit), Entrypoint=["/app"])
    report = without_gpu(rig_of(engine), image, write)
    assert (report["outcome"], report["subject"]["looked_with"]) == ("nothing-to-test", "files")
    assert report["cuda"] == "12.4"
    assert "found libcudart 12.4.127" in report["evidence"]


def test_a_python_without_ctypes_is_named_and_not_taken_for_none(rig_of: RigOf, debian: str, write) -> None:
    report = without_gpu(rig_of("docker"), debian, write)
    assert report["outcome"] == "nothing-to-test"
    assert "a Python without the modules ctypes and json (/usr/bin/python3" in report["summary"]
    assert "apt-get install python3" in report["remedy"][0]


def test_such_a_python_in_an_image_without_a_shell_says_so_itself(
    rig_of: RigOf, registry: Registry, python_root: bytes, write
) -> None:
    kept = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(python_root)) as whole, tarfile.open(fileobj=kept, mode="w") as tar:
        for member in whole:
            if "/ctypes" not in member.name and member.name not in ("usr/bin/sh", "usr/bin/dash"):
                tar.addfile(member, whole.extractfile(member) if member.isfile() else None)
    report = without_gpu(rig_of("docker"), registry.push("bare-python:1", kept.getvalue()), write)
    assert report["outcome"] == "nothing-to-test" and "ctypes" in report["summary"]


def test_an_image_with_python_on_a_host_without_a_gpu_says_so(rig_of: RigOf, python_image: str, write) -> None:
    report = without_gpu(rig_of("docker"), python_image, write, user="1000")
    assert (report["outcome"], report["link"]) == ("no-gpu", "nodes")
    assert report["surroundings"]["user"] == 1000
    assert report["chain"][0]["status"] == "absent"


def test_a_python_that_hangs_is_a_timeout(rig_of: RigOf, registry: Registry, write) -> None:
    rig = rig_of("docker")
    image = registry.push("hanging:1", layer(("usr/bin/python3", b"#!/bin/sh\nsleep 300\n"), base=busybox_layer()))
    report = without_gpu(rig, image, write, "--timeout", "6")
    assert (report["outcome"], report["exit_status"]) == ("timeout", 1)
    assert rig.ask("ps", "--all", "--quiet") == ""


@pytest.mark.parametrize("engine", ["docker", "moby", "podman"])
def test_an_image_for_another_processor_is_told(rig_of: RigOf, registry: Registry, write, engine: str) -> None:
    # an ELF header of a 64-bit ARM program, and nothing that could run
    head = (
        b"\x7fELF\x02\x01\x01"
        + bytes(9)
        + struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, 0x400078, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    )
    program = head + struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, 120, 120, 0x1000)
    image = registry.push("arm:1", layer(("bin/sh", program), ("usr/bin/python3", program)), ("linux", "arm64"))
    report = without_gpu(rig_of(engine), image, write)
    assert (report["outcome"], report["exit_status"]) == ("wrong-architecture", 1), report["evidence"]


def test_the_plain_jax_wheel_in_an_image_is_a_framework_without_cuda(
    rig_of: RigOf, registry: Registry, python_root: bytes, write
) -> None:
    kept = next(CACHE.glob("jax-*"), None)
    if kept is None:
        need("the jax wheels (.ci/integration-setup fetches them)", "jax")
    assert kept is not None
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        with tarfile.open(fileobj=io.BytesIO(python_root)) as below:
            for member in below:
                tar.addfile(member, below.extractfile(member) if member.isfile() else None)
        # jax starts without scipy, and faster packed
        tar.add(kept, "opt/wheels", filter=lambda info: None if re.search("/tests|wheels/scipy", info.name) else info)
    image = registry.push("jax:1", out.getvalue(), Env=["PATH=/usr/bin:/bin", "PYTHONPATH=/opt/wheels"])
    rig = rig_of("moby")
    rig.ask("pull", image)
    # a host without a GPU, and an engine that refuses one, change nothing: it is the image that fails
    report = smoke(rig, image, "--gpus=device=no-such-gpu")
    assert (report["outcome"], report["link"], report["exit_status"]) == ("framework-without-cuda", "framework jax", 1)
    assert report["frameworks"][0]["built_with_cuda"] is False and any(
        note.startswith("besides: ") for note in report["notes"]
    )
    assert any('pip install "jax[cuda' in step for step in report["remedy"])

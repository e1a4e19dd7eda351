"""GPUs that play, in real containers: real CDI devices, the compiled driver, the real probe."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from daemons import Registry, Rig
from gpus import FAULTS, UUID

ENGINES = ("moby", "podman")


@pytest.fixture
def with_gpus(rig_of: Callable[[str], Rig], request: pytest.FixtureRequest, gpus: str) -> Rig:
    """The engine of the parameter, with GPUs that play."""
    if request.param == "podman":
        request.getfixturevalue("podman_gpus")
    return rig_of(request.param)


every_engine = pytest.mark.parametrize("with_gpus", ENGINES, indirect=True)
moby = pytest.mark.parametrize("with_gpus", ["moby"], indirect=True)


def smoke(rig: Rig, image: str, *options: str) -> dict:
    done = rig.run("smoke", "--image", image, "--format", "json", *options)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert done.returncode == report["exit_status"]
    return report


@pytest.mark.parametrize(
    ("with_gpus", "asked", "count"),
    [
        ("moby", "all", 2),
        ("moby", "device=0,1", 2),
        ("moby", "device=1", 1),
        ("podman", "2", 2),
        ("podman", f"device={UUID}", 1),
    ],
    indirect=["with_gpus"],
)
def test_a_gpu_that_is_given_as_a_cdi_device_works(with_gpus: Rig, python_image: str, asked: str, count: int) -> None:
    report = smoke(with_gpus, python_image, "--cdi", f"--gpus={asked}")
    assert (report["outcome"], report["exit_status"], report["link"]) == ("works", 0, None), report["evidence"]
    assert [device["index"] for device in report["devices"]] == list(range(count))
    rows = [row for row in report["chain"] if row["link"] in ("kernel", "memory")]
    assert len(rows) == 2 * count and all(row["status"] == "ok" for row in rows)
    assert f"/dev/nvidia{0 if asked != 'device=1' else 1}" in report["chain"][0]["detail"]


@pytest.mark.parametrize(
    ("with_gpus", "fault"), [*(("moby", fault) for fault in FAULTS), ("podman", "too-old")], indirect=["with_gpus"]
)
def test_each_fault_of_a_driver_is_told_apart_in_a_container(with_gpus: Rig, python_image: str, fault: str) -> None:
    _, outcome, link = FAULTS[fault]
    report = smoke(with_gpus, python_image, "--cdi", f"--gpus=device={fault}")
    assert (report["outcome"], report["link"]) == (outcome, link)
    assert report["remedy"]


@every_engine
def test_a_device_that_the_specification_lacks_is_named(with_gpus: Rig, python_image: str) -> None:
    report = smoke(with_gpus, python_image, "--cdi", "--gpus=device=7")
    assert (report["outcome"], report["exit_status"]) == ("no-such-device", 2)
    assert "nvidia.com/gpu=7" in report["evidence"][0]
    assert report["chain"] == []


@moby
def test_a_docker_that_refuses_gpus_and_has_cdi_devices_is_asked_for_those(with_gpus: Rig, python_image: str) -> None:
    """Docker 29 gives `--gpus` to CDI only where it finds a program of NVIDIA's."""
    report = smoke(with_gpus, python_image)
    assert report["outcome"] == "works" and len(report["devices"]) == 2
    assert report["notes"][0].startswith("docker refuses --gpus here")


@moby
def test_a_compose_service_gets_what_compose_would_give_it_and_no_more(
    with_gpus: Rig, python_image: str, write
) -> None:
    services = {
        "by-driver": {"deploy": {"resources": {"reservations": {"devices": [cdi_devices("nvidia.com/gpu=1")]}}}},
        "by-device": {"devices": ["nvidia.com/gpu=all"], "environment": {"CUDA_VISIBLE_DEVICES": "1"}},
        "hidden": {"devices": ["nvidia.com/gpu=0"], "env_file": "gpu.env", "user": "1000:1000", "shm_size": "128mb"},
        "none": {},
        "mighty": {"privileged": True},
        "asks-for-nvidia": {"gpus": "all"},
        "runtime": {"runtime": "nvidia"},
        "refused": {"gpus": [{"count": 1, "device_ids": ["0"]}]},
        "node": {"devices": ["/dev/nvidia9:/dev/nvidia9"]},
    }
    document = {"services": {name: {"image": python_image, **each} for name, each in services.items()}}
    project = write({"compose.yaml": json.dumps(document), "gpu.env": "CUDA_VISIBLE_DEVICES=7\nOTHER=x\n"})

    def tested(name: str) -> dict:
        return json.loads(with_gpus.run("smoke", str(project), "--service", name, "--format", "json").stdout)

    assert tested("by-driver")["chain"][0]["detail"] == "/dev/nvidia-uvm, /dev/nvidia1, /dev/nvidiactl"
    some = tested("by-device")
    assert some["outcome"] == "works" and len(some["devices"]) == 1
    assert "CUDA_VISIBLE_DEVICES=1 hides some of the container's 2 GPUs" in some["notes"]
    hidden = tested("hidden")
    assert hidden["outcome"] == "device-hidden"
    assert hidden["surroundings"]["user"] == 1000
    assert hidden["surroundings"]["shared_memory_bytes"] == 128 << 20
    assert "OTHER" not in hidden["environment"]
    assert tested("none")["outcome"] == "no-gpu"
    # compose asks for the driver by name, and this daemon has none of that name
    assert tested("asks-for-nvidia")["outcome"] == "no-runtime"
    assert tested("runtime")["outcome"] == "no-runtime"
    assert tested("node")["outcome"] in ("no-gpu", "no-such-device")
    assert "is privileged, and the test is not" in with_gpus.run("smoke", str(project), "--service", "mighty").stderr
    refused = with_gpus.run("smoke", str(project), "--service", "refused")
    assert refused.returncode == 2 and "exclude each other" in refused.stderr


def cdi_devices(*names: str) -> dict[str, object]:
    return {"driver": "cdi", "device_ids": list(names), "capabilities": ["gpu"]}


@moby
@pytest.mark.parametrize(
    ("framework", "variables", "outcome"),
    [
        ("torch", {}, "works"),
        ("torch", {"FAKE_TORCH": "cpu"}, "framework-without-cuda"),
        ("torch", {"FAKE_TORCH": "old-build"}, "framework-not-compiled"),
        ("tensorflow", {"FAKE_TENSORFLOW": "no-libraries"}, "library-missing"),
        ("cupy", {"CUDA_VISIBLE_DEVICES": "5"}, "device-hidden"),
    ],
)
def test_a_framework_of_the_image_is_tested_with_the_image_s_variables(
    with_gpus: Rig, registry: Registry, python_root: bytes, framework: str, variables: dict[str, str], outcome: str
) -> None:
    env = [f"PYTHONPATH=/opt/{framework}", *(f"{name}={value}" for name, value in variables.items())]
    image = registry.push("framework:1", python_root, Env=["PATH=/usr/bin:/bin", *env])
    with_gpus.ask("pull", image)
    report = smoke(with_gpus, image, "--cdi", "--gpus=1")
    assert report["outcome"] == outcome
    assert [each["name"] for each in report["frameworks"]] == [framework]


@moby
@pytest.mark.parametrize("version", ["3.6", "3.13"])
def test_the_oldest_and_the_newest_python_run_the_probe(
    with_gpus: Rig, registry: Registry, python_root: bytes, version: str
) -> None:
    found = sorted(Path.home().glob(f".pyenv/versions/{version}.*"))
    if not found:
        pytest.skip(f"no Python {version} here")
    image = registry.push(
        f"python-{version}:1", with_python(python_root, found[0], version), Env=["PATH=/opt/py:/usr/bin"]
    )
    report = smoke(with_gpus, image, "--cdi", "--gpus=1")
    assert report["outcome"] == "works", report["evidence"]
    assert report["surroundings"]["python"]["version"].startswith(f"{version}.")


def with_python(root: bytes, python: Path, version: str) -> bytes:
    """The root file system with another Python in /opt/py instead of Debian's."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar, tarfile.open(fileobj=io.BytesIO(root)) as whole:
        for member in whole:
            if not re.search("python3", member.name):
                tar.addfile(member, whole.extractfile(member) if member.isfile() else None)
        tar.add((python / "bin" / f"python{version}").resolve(), "opt/py/python3")
        for path in sorted((python / "lib").glob("libpython*.so*")):
            tar.add(path.resolve(), f"usr/lib/x86_64-linux-gnu/{path.name}")
        unwanted = re.compile(r"/(?:test|tests|site-packages|idlelib|ensurepip|config-[^/]*|__pycache__)(?:/|$)")
        library = python / "lib" / f"python{version}"
        tar.add(library, f"opt/lib/python{version}", filter=lambda info: None if unwanted.search(info.name) else info)
    return out.getvalue()


@moby
def test_an_image_s_user_entry_point_and_health_check_change_nothing(
    with_gpus: Rig, registry: Registry, python_root: bytes
) -> None:
    settings = {
        "User": "1000",
        "Entrypoint": ["/bin/false"],
        "Cmd": ["--serve"],
        "WorkingDir": "/work",
        "Healthcheck": {"Test": ["CMD-SHELL", "touch /tmp/seen; kill 1"], "Interval": 1_000_000},
    }
    image = registry.push("settings:1", python_root, Env=["PATH=/usr/bin:/bin", "HF_TOKEN=hush"], **settings)
    report = smoke(with_gpus, image, "--cdi")
    assert report["outcome"] == "works"
    assert report["surroundings"]["user"] == 1000
    assert "hush" not in json.dumps(report)


@moby
def test_a_report_that_is_kept_says_the_same_and_when(with_gpus: Rig, python_image: str, tmp_path) -> None:
    shown = smoke(with_gpus, python_image, "--cdi", "--record", str(tmp_path / "kept.json"))
    kept = json.loads((tmp_path / "kept.json").read_text())
    assert kept.pop("recorded") and shown.pop("recorded") is None
    assert kept == shown


@every_engine
def test_a_driver_that_hangs_is_a_timeout_and_nothing_runs_on(with_gpus: Rig, python_image: str) -> None:
    report = smoke(with_gpus, python_image, "--cdi", "--gpus=device=hang", "--timeout=12")
    assert (report["outcome"], report["link"], report["exit_status"]) == ("timeout", "kernel", 1)
    assert with_gpus.ask("ps", "--all", "--quiet") == ""


@every_engine
def test_an_interrupt_leaves_no_container(with_gpus: Rig, python_image: str) -> None:
    child = start(with_gpus, python_image, "--cdi", "--gpus=device=hang")
    wait_for_container(with_gpus)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=60)
    assert child.returncode == 130
    assert with_gpus.ask("ps", "--all", "--quiet") == ""


def start(rig: Rig, image: str, *options: str) -> subprocess.Popen[str]:
    import sys

    words = [sys.executable, "-m", "repro_audit", "smoke", "--image", image, *options, "--engine", rig.engine]
    return subprocess.Popen(words, env=rig.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_container(rig: Rig) -> str:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        running = rig.ask("ps", "--quiet").split()
        if running:
            time.sleep(1.0)  # until the probe is in the driver
            return running[0]
        time.sleep(0.2)
    raise AssertionError("no container started")


@moby
def test_a_container_that_is_killed_under_the_test_is_no_verdict_on_the_image(
    with_gpus: Rig, python_image: str
) -> None:
    child = start(with_gpus, python_image, "--cdi", "--gpus=device=hang", "--format=json")
    with_gpus.ask("kill", wait_for_container(with_gpus))
    report = json.loads(child.communicate(timeout=60)[0])
    assert (report["outcome"], report["exit_status"]) == ("no-answer", 2)
    assert "137" in report["summary"]


def test_an_engine_that_dies_under_the_test_is_named(dying_docker: tuple[Rig, int], python_image: str) -> None:
    rig, process = dying_docker
    child = start(rig, python_image, "--cdi", "--gpus=device=hang", "--format=json")
    wait_for_container(rig)
    os.kill(process, signal.SIGKILL)
    report = json.loads(child.communicate(timeout=90)[0])
    assert (report["outcome"], report["exit_status"]) == ("engine-failed", 2)
    assert "went away" in report["summary"]


@pytest.fixture
def nvidia(rig_of: Callable[[str], Rig], nvidia_docker: str) -> Rig:
    """A current Docker with NVIDIA's Container Toolkit."""
    rig = rig_of("moby")
    return Rig(rig.name, rig.engine, rig.env | {"DOCKER_HOST": nvidia_docker}, rig.base)


def test_gpus_go_through_nvidia_s_own_programs_where_they_are_installed(nvidia: Rig, python_image: str) -> None:
    report = smoke(nvidia, python_image, "--gpus=device=0,1")
    assert report["outcome"] == "works" and len(report["devices"]) == 2
    assert not any("refuses" in note for note in report["notes"])


def test_nvidia_s_runtime_gives_a_service_what_its_variable_asks_for(nvidia: Rig, python_image: str, write) -> None:
    services = {
        "all": {"runtime": "nvidia", "environment": ["NVIDIA_VISIBLE_DEVICES=all"]},
        "void": {"runtime": "nvidia", "environment": ["NVIDIA_VISIBLE_DEVICES=void"]},
        "unsaid": {"runtime": "nvidia"},
        "missing": {"runtime": "nvidia", "environment": {"NVIDIA_VISIBLE_DEVICES": 7}},
        "reserved": {"deploy": {"resources": {"reservations": {"devices": [reservation(device_ids=["1"])]}}}},
        "counted": {"deploy": {"resources": {"reservations": {"devices": [reservation(count=1)]}}}},
    }
    document = {"services": {name: {"image": python_image, **each} for name, each in services.items()}}
    project = write({"compose.yaml": json.dumps(document)})

    def tested(name: str) -> dict:
        return json.loads(nvidia.run("smoke", str(project), "--service", name, "--format", "json").stdout)

    assert tested("all")["outcome"] == "works"
    assert tested("void")["outcome"] == "device-hidden"
    unsaid = tested("unsaid")
    assert unsaid["outcome"] == "no-gpu" and any("NVIDIA_VISIBLE_DEVICES=all" in step for step in unsaid["remedy"])
    assert tested("missing")["outcome"] == "no-such-device"
    assert "/dev/nvidia1" in tested("reserved")["chain"][0]["detail"]
    assert len(tested("counted")["devices"]) == 1


def reservation(**asked: object) -> dict[str, object]:
    return {"driver": "nvidia", "capabilities": ["gpu", "utility"], **asked}

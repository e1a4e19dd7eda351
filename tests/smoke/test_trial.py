"""The smoke test as a whole: the real probe against a driver that plays a GPU, and against engines that refuse."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from gpu_machine import Engine, Machine

from repro_audit.smoke import report
from repro_audit.smoke.engine_error import Host
from repro_audit.smoke.runner import Ran
from repro_audit.smoke.trial import Trial, no_engine, smoke

Gpu = Callable[..., Machine]
HOST = Host(gpus=1, driver="550.54.15")
BARE = Host(gpus=0)


def verdict(machine: Machine, *, timeout: float = 60.0) -> Trial:
    return smoke(machine, HOST, timeout=timeout)


def test_a_working_gpu_works_from_the_driver_to_the_frameworks(gpu: Gpu) -> None:
    trial = verdict(gpu("torch", "tensorflow", "cupy"))
    assert (trial.diagnosis.outcome, trial.diagnosis.exit_status) == ("works", 0)
    assert trial.reading is not None
    assert [(s.link, s.status) for s in trial.reading.steps] == [
        ("library", "ok"),
        ("init", "ok"),
        ("driver", "ok"),
        ("devices", "ok"),
        ("device", "ok"),
        ("context", "ok"),
        ("kernel", "ok"),
        ("memory", "ok"),
    ]
    (device,) = trial.reading.devices
    assert (device.name, device.capability) == ("NVIDIA Test GPU 0", "9.0")
    assert device.uuid == "GPU-00112233-4455-6677-8899-aabbccddeeff"
    assert device.settings["persistence"] == 1 and device.settings["clocks_mhz"]["sm"] == 1755
    torch = trial.reading.frameworks[0]
    assert (torch.version, torch.cuda, torch.cudnn, torch.devices) == ("2.4.1+cu121", "12.1", "90100", 1)
    assert {c.name: c.status for c in torch.checks} == {"compiled": "ok", "matmul": "ok", "seed": "ok"}
    assert torch.facts["flags"]["cudnn_tf32"] is True


def test_a_gpu_without_a_framework_works_by_the_kernel_alone(gpu: Gpu) -> None:
    trial = verdict(gpu())
    assert trial.diagnosis.outcome == "works"
    assert "kernel" in trial.diagnosis.summary


@pytest.mark.parametrize(
    ("fault", "outcome", "link", "shown"),
    [
        ("cuInit=100", "no-gpu", "nodes", "error 100"),
        ("cuInit=999", "driver-broken", "init", "error 999"),
        ("cuInit=803", "driver-mismatch", "init", "different releases"),
        ("cuInit=34", "library-missing", "library", "stub"),
        ("cuInit=802", "driver-broken", "init", "fabric"),
        ("cuModuleLoadDataEx=222", "driver-too-old", "kernel", "ptxas fatal"),
        ("cuModuleLoadDataEx=221", "library-missing", "kernel", "libnvidia-ptxjitcompiler.so.1"),
        ("cuModuleLoadDataEx=209", "framework-not-compiled", "kernel", "error 209"),
        ("cuDevicePrimaryCtxRetain=46", "device-busy", "context", "error 46"),
        ("cuDevicePrimaryCtxRetain=2", "out-of-memory", "context", "nvidia-smi"),
        ("memory-full", "out-of-memory", "kernel", "1 MiB of its memory are free"),
        ("kernel-wrong", "wrong-result", "kernel", "1 of 4099"),
        ("copy-flips-a-bit", "wrong-result", "memory", "checksum"),
        ("cuCtxSynchronize=700", "driver-broken", "kernel", "error 700"),
        ("cuModuleLoadDataEx!segfault", "crash", "kernel", "SIGSEGV"),
        ("cuInit!exit", "crash", "init", "ended the process"),
    ],
)
def test_each_link_that_breaks_is_named_with_its_remedy(
    gpu: Gpu, fault: str, outcome: str, link: str, shown: str
) -> None:
    diagnosis = verdict(gpu(FAKE_CUDA_FAULT=fault)).diagnosis
    assert (diagnosis.outcome, diagnosis.link) == (outcome, link)
    assert shown in "\n".join([diagnosis.summary, *diagnosis.evidence, *diagnosis.remedy])
    assert diagnosis.remedy


def test_what_a_crash_left_behind_is_shown_without_the_probe_s_own_lines(gpu: Gpu) -> None:
    diagnosis = verdict(gpu(FAKE_CUDA_FAULT="cuModuleLoadDataEx!segfault")).diagnosis
    assert "Fatal Python error: Segmentation fault" in diagnosis.evidence
    assert not any("<stdin>" in line for line in diagnosis.evidence)


def test_a_framework_that_wrongly_finds_a_driver_too_old_is_told_where_to_look(gpu: Gpu) -> None:
    diagnosis = verdict(gpu("torch", FAKE_TORCH="old-driver")).diagnosis
    assert "although 550.54.15 is not" in diagnosis.summary and "libcuda.so" in diagnosis.remedy[0]


def test_a_driver_that_is_too_old_for_a_framework_is_told_the_release_it_needs(gpu: Gpu) -> None:
    old = verdict(gpu("torch", FAKE_TORCH="old-driver", FAKE_NVML_DRIVER="470.57.02")).diagnosis
    assert old.outcome == "driver-too-old" and "525.60.13 or newer" in old.summary
    assert not any("NVIDIA_DISABLE_REQUIRE" in step for step in old.remedy)


def test_no_secret_of_the_environment_is_in_what_the_probe_says(gpu: Gpu) -> None:
    hidden = {
        "NVIDIA_API_KEY": "first-hush",
        "TF_HUB": "https://user:second-hush@example.org/x",
        "TORCH_HOME": "/cache?hf_thirdhushthirdhush",
        "HF_TOKEN": "fourth-hush",
        "PIP_INDEX_URL": "https://user:fifth-hush@example.org/simple",
    }
    trial = verdict(gpu("torch", **hidden))
    said = report.render_json(trial) + report.render_text(trial) + str(trial.reading and trial.reading.raw)
    assert "hush" not in said
    assert trial.reading is not None and trial.reading.environment["NVIDIA_API_KEY"] == "(hidden)"


def test_a_driver_that_hangs_is_a_timeout_at_its_link(gpu: Gpu) -> None:
    diagnosis = verdict(gpu(FAKE_CUDA_FAULT="cuLaunchKernel!hang"), timeout=16.0).diagnosis
    assert (diagnosis.outcome, diagnosis.link, diagnosis.exit_status) == ("timeout", "kernel", 1)


@pytest.mark.parametrize(("value", "why"), [("1", "numbered from 0"), ("", "hides every GPU")])
def test_a_device_hidden_by_a_variable_is_told_from_a_missing_one(gpu: Gpu, value: str, why: str) -> None:
    diagnosis = verdict(gpu(CUDA_VISIBLE_DEVICES=value)).diagnosis
    assert (diagnosis.outcome, diagnosis.exit_status) == ("device-hidden", 1)
    assert why in diagnosis.summary
    assert "without the variable the driver shows 1 GPU" in diagnosis.evidence


def test_every_gpu_is_tested_and_peers_are_reported(gpu: Gpu) -> None:
    trial = verdict(gpu("torch", FAKE_CUDA_DEVICES="2", FAKE_CUDA_FAULT="no-peer"))
    assert trial.reading is not None
    assert [s.device for s in trial.reading.steps if s.link == "kernel"] == [0, 1]
    assert [c.device for c in trial.reading.frameworks[0].checks if c.name == "matmul"] == [0, 1]
    assert any("cannot reach each other's memory" in note for note in trial.notes)


@pytest.mark.parametrize(
    ("framework", "fault", "outcome", "shown"),
    [
        ("torch", "cpu", "framework-without-cuda", "download.pytorch.org/whl/cu124"),
        ("torch", "no-cudnn", "library-missing", "libcudnn.so.9"),
        ("torch", "no-kernel", "framework-not-compiled", "no kernel image"),
        ("torch", "old-build", "framework-not-compiled", "sm_50, sm_60, sm_70"),
        ("torch", "memory", "out-of-memory", "Tried to allocate"),
        ("torch", "wrong", "wrong-result", "element [3, 5]"),
        ("torch", "nan", "wrong-result", "got nan"),
        ("torch", "unseeded", "not-repeatable", "1000 of 1000"),
        ("torch", "old-driver", "driver-too-old", "too old"),
        ("torch", "blind", "framework-broken", "No CUDA GPUs"),
        ("torch", "import-crashes", "crash", "SIGSEGV"),
        ("torch", "import-breaks", "framework-broken", "no attribute 'bool'"),
        ("tensorflow", "cpu", "framework-without-cuda", "and-cuda"),
        ("tensorflow", "no-libraries", "library-missing", "libcudnn.so.8"),
        ("tensorflow", "unnamed-library", "library-missing", "does not say which"),
        ("cupy", "nvrtc", "framework-not-compiled", "gpu-architecture"),
        ("cupy", "old-driver", "driver-too-old", "insufficient"),
        ("jax", "", "framework-without-cuda", 'pip install "jax[cuda12]"'),
    ],
)
def test_each_fault_of_a_framework_is_told_apart(
    gpu: Gpu, framework: str, fault: str, outcome: str, shown: str
) -> None:
    diagnosis = verdict(gpu(framework, **{f"FAKE_{framework.upper()}": fault})).diagnosis
    assert (diagnosis.outcome, diagnosis.link, diagnosis.exit_status) == (outcome, f"framework {framework}", 1)
    assert shown in "\n".join([diagnosis.summary, *diagnosis.evidence, *diagnosis.remedy])


def test_a_framework_that_hangs_takes_nothing_else_with_it(gpu: Gpu) -> None:
    trial = verdict(gpu("torch", "cupy", FAKE_TORCH="import-hangs"), timeout=20.0)
    assert (trial.diagnosis.outcome, trial.diagnosis.link) == ("timeout", "framework torch")
    assert trial.reading is not None
    assert [f.name for f in trial.reading.frameworks if f.available] == ["cupy"]


def test_a_processor_build_beside_one_that_works_is_a_note(gpu: Gpu) -> None:
    trial = verdict(gpu("torch", "jax"))
    assert trial.diagnosis.outcome == "works"
    assert any("jax 0.4.35 was built without CUDA" in note for note in trial.notes)


def test_minor_version_compatibility_is_noted_and_no_fault(gpu: Gpu) -> None:
    trial = verdict(gpu("torch", FAKE_NVML_DRIVER="525.60.13"))
    assert trial.diagnosis.outcome == "works"
    assert any("minor-version compatibility" in note and "530.30.02" in note for note in trial.notes)


def test_a_toolkit_above_the_driver_s_major_version_is_too_new(gpu: Gpu) -> None:
    diagnosis = verdict(gpu(CUDA_VERSION="13.0.1", FAKE_NVML_DRIVER="550.54.15")).diagnosis
    assert diagnosis.outcome == "driver-too-old"
    assert "580.82.07" in diagnosis.remedy[0] and "12.4" in diagnosis.remedy[1]


@pytest.mark.parametrize("version", ["3.6", "3.7", "3.8", "3.9", "3.10", "3.12", "3.13"])
def test_the_probe_runs_on_every_python_since_3_6(gpu: Gpu, version: str) -> None:
    found = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python3"))
    if not found:
        pytest.skip(f"no Python {version} here")
    trial = verdict(gpu("torch", python=str(found[0])))
    assert trial.diagnosis.outcome == "works"
    assert trial.reading is not None
    assert trial.reading.raw["python"]["version"].startswith(version + ".")


def test_an_image_without_python_is_told_by_its_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from repro_audit.smoke import launch

    hidden = launch.shell_command

    def without_system_python(budget: float, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        command = hidden(budget, only)
        script = command[2].replace("/usr/bin/python3", "/nowhere").replace("/usr/local/bin/python3", "/nowhere")
        return ("/bin/sh", "-c", script, *command[3:])

    monkeypatch.setattr(launch, "shell_command", without_system_python)
    library = tmp_path / "lib"
    library.mkdir()
    (library / "libcudart.so.12.4.127").touch()
    bare = Machine(path=str(tmp_path), variables={"LD_LIBRARY_PATH": str(library), "CUDA_VERSION": "12.4.1"})
    trial = smoke(bare, BARE, timeout=20.0)
    assert trial.reading is not None and trial.reading.kind == "shell"
    assert trial.reading.image_cuda == "12.4.1"
    assert trial.diagnosis.outcome == "no-gpu"

    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho '0, NVIDIA L4, 550.54.15, GPU-1, 00000000:00:04.0, 23034'\n")
    smi.chmod(0o755)
    trial = smoke(Machine(path=str(tmp_path), variables={"CUDA_VERSION": "12.4.1"}), HOST, timeout=20.0)
    assert (trial.diagnosis.outcome, trial.diagnosis.exit_status) == ("works", 0)
    assert any("no kernel was launched" in note for note in trial.notes)
    assert trial.reading is not None and trial.reading.devices[0].name == "NVIDIA L4"

    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    smi.unlink()
    trial = smoke(Machine(path=str(tmp_path)), BARE, timeout=20.0)
    assert trial.reading is not None and trial.reading.raw["old_pythons"] == [str(old)]
    assert (trial.diagnosis.outcome, trial.diagnosis.exit_status) == ("nothing-to-test", 2)


def test_an_image_without_a_shell_is_probed_by_its_python_or_read_from_outside(gpu: Gpu) -> None:
    missing = Ran(127, b"", b'exec: "sh": executable file not found in $PATH: unknown')

    class Distroless(Machine):
        def run(self, command, *, stdin, gpus, timeout):  # type: ignore[no-untyped-def]
            if command[0] == "sh":
                self.calls.append(("sh", gpus))
                return missing
            return super().run((sys.executable, *command[1:]), stdin=stdin, gpus=gpus, timeout=timeout)

    machine = Distroless(variables=gpu().variables)
    assert smoke(machine, HOST, timeout=60.0).diagnosis.outcome == "works"
    assert [name for name, _ in machine.calls] == ["sh", sys.executable]

    nothing = Engine(missing, paths=["opt/app", "usr/lib/libc.so.6"])
    trial = smoke(nothing, HOST)
    assert (trial.diagnosis.outcome, trial.diagnosis.exit_status) == ("nothing-to-test", 2)
    some = Engine(missing, paths=["usr/local/cuda-12.4/lib64/libcudart.so.12.4.127", "usr/lib/libcudnn.so.9.1.0"])
    trial = smoke(some, HOST)
    assert trial.diagnosis.evidence == ("found CUDA 12.4", "found libcudart 12.4.127", "found libcudnn 9.1.0")


def test_an_engine_without_a_runtime_cannot_test_but_still_shows_a_processor_build(tmp_path: Path) -> None:
    refusal = Ran(
        125,
        b"",
        b'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]].',
    )
    trial = smoke(Engine(refusal, Machine()), BARE, timeout=30.0)
    assert (trial.diagnosis.outcome, trial.diagnosis.exit_status) == ("no-runtime", 2)
    assert "this host shows no NVIDIA GPU either" in trial.diagnosis.summary

    from gpu_machine import select_packages

    packages = select_packages(tmp_path / "packages", ["jax"])
    engine = Engine(refusal, Machine(variables={"PYTHONPATH": str(packages)}))
    trial = smoke(engine, HOST, timeout=30.0)
    assert (trial.diagnosis.outcome, trial.diagnosis.exit_status) == ("framework-without-cuda", 1)
    assert engine.calls == [("sh", True), ("sh", False)]
    assert len(trial.notes) == 1 and trial.notes[0].startswith("besides: docker has no NVIDIA runtime")


def test_a_hook_that_fails_with_the_status_of_a_missing_command_is_no_image_without_a_shell() -> None:
    text = "OCI runtime create failed: error running prestart hook #0: exit status 1, stdout: , stderr: exec failed: no"
    trial = smoke(Engine(Ran(127, b"", f"docker: {text} such file or directory".encode())), HOST)
    assert trial.diagnosis.outcome == "no-runtime"


@pytest.mark.parametrize(
    ("ran", "outcome", "status"),
    [
        (Ran(None, b"", b"[Errno 2] No such file or directory: 'docker'"), "no-engine", 2),
        (Ran(None, b"", b"", True, 300.0), "engine-failed", 2),
        (Ran(126, b"", b"Error: setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=all"), "no-runtime", 2),
        (Ran(0, b"Hello from the entry point\n"), "no-answer", 2),
        (Ran(137, b"\n@@repro-audit-probe@@ started\n", b"Killed"), "no-answer", 2),
        (Ran(1, b"\n@@repro-audit-probe@@ started\n", b"error waiting for container: EOF"), "engine-failed", 2),
        (Ran(1, b"", b"Traceback (most recent call last):\nModuleNotFoundError: No module named 'os'"), "no-answer", 2),
        (Ran(None, b"\n@@repro-audit-shell@@ reached\n", b"", True, 300.0), "timeout", 1),
        (Ran(None, b"\n@@repro-audit-probe@@ started\n", b"", True, 300.0), "timeout", 1),
        (Ran(0, b"\n@@repro-audit-probe@@ started\n\n@@repro-audit-probe@@ {broken\n"), "no-answer", 2),
        (Ran(0, b"\n@@repro-audit-probe@@ started\n\n@@repro-audit-probe@@ [1]\n"), "no-answer", 2),
    ],
)
def test_an_engine_that_dies_hangs_or_talks_nonsense_is_no_verdict_on_the_image(
    ran: Ran, outcome: str, status: int
) -> None:
    diagnosis = smoke(Engine(ran), HOST).diagnosis
    assert (diagnosis.outcome, diagnosis.exit_status) == (outcome, status)


def test_no_engine_at_all_is_reported_with_what_was_tried() -> None:
    tried = [
        ("buildx", "none", "x"),
        ("docker", "it does not answer", "start it"),
        ("podman", "none", "install podman"),
    ]
    trial = no_engine("example:1", BARE, tried)
    assert (trial.diagnosis.outcome, trial.diagnosis.exit_status) == ("no-engine", 2)
    text = report.render_text(trial)
    assert "docker: it does not answer" in text and "for podman: install podman" in text and "--host" in text
    assert "buildx" not in text


def test_the_plain_jax_wheel_is_a_framework_without_cuda() -> None:
    """Needs a Python with the real wheel: this one, or the one that REPRO_AUDIT_JAX_PYTHON names."""
    import importlib.util

    python = os.environ.get("REPRO_AUDIT_JAX_PYTHON") or (sys.executable if importlib.util.find_spec("jax") else None)
    if python is None:
        if "jax-python" in os.environ.get("REPRO_AUDIT_REQUIRE", "").replace(",", " ").split():
            pytest.fail("jax is required here; name a Python that has it in REPRO_AUDIT_JAX_PYTHON")
        pytest.skip("the jax wheel is not installed")
    trial = smoke(Machine(python=python), Host(), timeout=120.0, only=("jax",))
    assert (trial.diagnosis.outcome, trial.diagnosis.exit_status) == ("framework-without-cuda", 1)
    assert trial.reading is not None
    jax = trial.reading.frameworks[0]
    assert jax.built_with_cuda is False and jax.facts["jaxlib"]


def test_a_cdi_specification_is_taken_for_no_loaded_driver() -> None:
    machine = Machine(variables={"LD_LIBRARY_PATH": "/nonexistent"})
    machine.engine = "host"
    trial = smoke(machine, Host(gpus=None, cdi=True), timeout=60.0)
    assert trial.diagnosis.outcome == "no-driver", trial.diagnosis
    assert "CDI" in trial.diagnosis.summary
    assert not any("nvidia-modprobe" in step for step in trial.diagnosis.remedy)

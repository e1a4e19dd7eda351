"""What the engines say when they cannot start a container with a GPU, by texts that users of them have published."""

from __future__ import annotations

import pytest

from repro_audit.smoke.engine_error import Host, engine_error

HOST = Host(gpus=1, driver="550.54.15")
_OCI = "docker: Error response from daemon: failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: error running prestart hook #0: exit status 1, stdout: , stderr: Auto-detected mode as 'legacy'\n"


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        (
            'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]].',
            "no-runtime",
        ),
        (
            'Error response from daemon: could not select device driver "nvidia" with capabilities: [[gpu]]',
            "no-runtime",
        ),
        ("docker: Error response from daemon: unknown or invalid runtime name: nvidia.", "no-runtime"),
        ("docker: Error response from daemon: Unknown runtime specified nvidia.", "no-runtime"),
        ("failed to discover GPU vendor from CDI: no known GPU vendor found", "no-runtime"),
        ("Error: setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=all", "no-runtime"),
        ("Error: stat nvidia.com/gpu=all: no such file or directory", "no-runtime"),
        ("CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=all", "no-runtime"),
        (
            _OCI
            + "nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.8, please update your driver to"
            " a newer version, or use an earlier cuda container: unknown.",
            "driver-too-old",
        ),
        (_OCI + "nvidia-container-cli: requirement error: unsatisfied condition: brand = tesla", "driver-too-old"),
        (_OCI + "nvidia-container-cli: initialization error: nvml error: driver not loaded: unknown.", "no-driver"),
        (
            _OCI
            + "nvidia-container-cli: initialization error: load library failed: libnvidia-ml.so.1: cannot open shared"
            " object file: no such file or directory: unknown.",
            "no-driver",
        ),
        (
            _OCI + "nvidia-container-cli: initialization error: nvml error: driver/library version mismatch",
            "driver-mismatch",
        ),
        (_OCI + "nvidia-container-cli: device error: 3: unknown device: unknown.", "no-such-device"),
        (
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
            "no-engine",
        ),
        ("permission denied while trying to connect to the Docker daemon socket", "no-engine"),
        (
            "Unable to find image 'x:1' locally\ndocker: Error response from daemon: pull access denied for x",
            "no-image",
        ),
        ("Error: x:1: image not known", "no-image"),
        ('Error: short-name "x:9" did not resolve to an alias and no unqualified-search registries', "no-image"),
        (
            'docker: Error response from daemon: could not select device driver "cdi" with capabilities: []',
            "no-runtime",
        ),
        ('Error: default OCI runtime "nvidia" not found: invalid argument', "no-runtime"),
        ("exec /usr/bin/sh: exec format error", "wrong-architecture"),
        ("docker: Error response from daemon: AMD CDI spec not found", "no-runtime"),
        (_OCI + "exec failed: no such file or directory: unknown\n\nRun 'docker run --help' for more", "no-runtime"),
        (
            "could not apply required modification to OCI specification: error modifying OCI spec: failed to create the"
            ' automatic CDI modifier: failed to generate CDI spec for mode "auto": failed to construct device spec'
            " generators: failed to initialize NVML: ERROR_LIBRARY_NOT_FOUND",
            "no-driver",
        ),
        (
            'error gathering device information while adding custom device "/dev/nvidia0": no such file',
            "no-such-device",
        ),
        ("Error: stat /dev/nvidia1: no such file or directory", "no-such-device"),
        (
            'docker: Error response from daemon: Get "https://registry-1.docker.io/v2/": dial tcp: lookup'
            " registry-1.docker.io on 10.0.0.53:53: no such host",
            "no-image",
        ),
        (
            'docker: Error response from daemon: failed to resolve reference "docker.io/library/x:1": failed to do'
            ' request: Head "https://registry-1.docker.io/v2/library/x/manifests/1": dial tcp: lookup',
            "no-image",
        ),
        ("Error: crun: setrlimit `RLIMIT_NOFILE`: Operation not permitted: OCI permission denied", "engine-failed"),
        ("docker: Error response from daemon: something new", "engine-failed"),
        ("", "engine-failed"),
    ],
)
def test_an_engine_s_message_is_told_apart(text: str, outcome: str) -> None:
    diagnosis = engine_error(text, "docker", HOST)
    assert diagnosis.outcome == outcome
    assert diagnosis.remedy and diagnosis.evidence


def test_an_unmet_requirement_names_the_driver_and_the_cuda_that_would_do() -> None:
    text = "nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.8, please update your driver"
    diagnosis = engine_error(text, "docker", HOST)
    assert diagnosis.exit_status == 1
    assert "525.60.13" in diagnosis.summary and "550.54.15" in diagnosis.summary
    assert diagnosis.remedy[0] == "update the host's driver to 570.26 or newer"
    assert "CUDA 12.4" in diagnosis.remedy[1]
    assert "NVIDIA_DISABLE_REQUIRE" in diagnosis.remedy[2]
    old = engine_error(text, "docker", Host(gpus=1, driver="470.256.02"))
    assert not any("NVIDIA_DISABLE_REQUIRE" in step for step in old.remedy)


def test_no_loaded_driver_on_a_machine_without_gpu_is_no_gpu() -> None:
    text = "nvidia-container-cli: initialization error: nvml error: driver not loaded"
    assert engine_error(text, "docker", Host(gpus=0)).outcome == "no-gpu"


def test_a_cdi_device_that_the_specification_lacks_is_no_missing_runtime() -> None:
    text = "Error: setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=7"
    assert engine_error(text, "podman", Host(gpus=1, driver="550.54.15", cdi=True)).outcome == "no-such-device"
    assert engine_error(text, "podman", HOST).outcome == "no-runtime"


def test_podman_is_told_to_write_a_cdi_specification_and_docker_to_configure_its_runtime() -> None:
    podman = engine_error("unresolvable CDI devices nvidia.com/gpu=all", "podman", HOST)
    assert any("nvidia-ctk cdi generate" in step for step in podman.remedy)
    docker = engine_error("could not select device driver", "docker", HOST)
    assert any("runtime configure --runtime=docker" in step for step in docker.remedy)


def test_an_image_pulled_before_the_gpu_was_refused_is_not_missing() -> None:
    text = "Unable to find image 'x:1' locally\n1: Pulling from library/x\ncould not select device driver"
    assert engine_error(text, "docker", HOST).outcome == "no-runtime"


def test_what_a_machine_lacks_is_no_fault_of_its_image() -> None:
    text = (
        'docker: Error response from daemon: error gathering device information: custom device "/dev/nvidia0": no such'
    )
    text = text.replace("no such", "no such file or directory")
    assert engine_error(text, "docker", Host(gpus=0)).outcome == "no-gpu"


def test_a_docker_that_has_cdi_devices_and_no_driver_for_gpus_is_told_to_use_them() -> None:
    text = "docker: Error response from daemon: AMD CDI spec not found\n\nRun 'docker run --help' for more information"
    diagnosis = engine_error(text, "docker", Host(gpus=1, driver="550.54.15", cdi=True))
    assert diagnosis.remedy[0].startswith("ask for those: --cdi")
    assert diagnosis.evidence == ("docker: Error response from daemon: AMD CDI spec not found",)


def test_a_hook_without_the_program_that_it_calls_is_an_installation_in_part() -> None:
    diagnosis = engine_error(_OCI + "exec failed: no such file or directory: unknown", "docker", HOST)
    assert "nvidia-container-cli" in diagnosis.summary


def test_limits_that_podman_may_not_set_are_named_with_the_setting_that_helps() -> None:
    text = "Error: crun: setrlimit `RLIMIT_NOFILE`: Operation not permitted: OCI permission denied"
    diagnosis = engine_error(text, "podman", HOST)
    assert "resource limits" in diagnosis.summary and "default_ulimits" in diagnosis.remedy[0]

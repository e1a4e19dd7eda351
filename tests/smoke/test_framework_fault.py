"""What frameworks say when they fail, by what real wheels printed on a machine without a GPU."""

from __future__ import annotations

from repro_audit.smoke.diagnosis import diagnose
from repro_audit.smoke.engine_error import Host
from repro_audit.smoke.framework_fault import missing_libraries
from repro_audit.smoke.reading import read

HOST = Host(gpus=1, driver="550.54.15")
WORKING = {
    "steps": [
        {"step": "library", "status": "ok", "path": "/usr/lib/libcuda.so.1"},
        {"step": "driver", "status": "ok", "cuda": "12.4"},
        {"step": "device", "status": "ok", "device": 0, "name": "NVIDIA H100 PCIe", "capability": "9.0"},
    ]
}

# torch 2.15.0 and jax 0.10.2 with jax-cuda12-plugin, installed without the packages that bring CUDA's libraries.
TORCH = {
    "name": "torch",
    "origin": "/venv/lib/python3.11/site-packages/torch/__init__.py",
    "version": "2.15.0",
    "ended": "done",
    "checks": [],
    "error": {
        "type": "ValueError",
        "message": "libcublasLt.so.*[0-9] not found in the system path ['/venv/lib/python3.11/site-packages']",
        "causes": ["OSError: libcudart.so.13: cannot open shared object file: No such file or directory"],
        "during": "import",
    },
}
JAX = {
    "name": "jax",
    "version": "0.10.2",
    "jaxlib": "0.10.2",
    "built_with_cuda": True,
    "cuda": "12.9",
    "available": False,
    "devices": 0,
    "ended": "done",
    "checks": [
        {
            "name": "initialise",
            "device": None,
            "status": "error",
            "error": {
                "type": "RuntimeError",
                "message": "Unknown backend cuda. Available backends are ['cpu']",
                "causes": [],
            },
        }
    ],
    "output": "RuntimeError: jaxlib/cuda/versions_helpers.cc:38: operation cudaRuntimeGetVersion(&version) failed: Error"
    " loading CUDA libraries. GPU will not be used.\nRuntimeError: Unable to load CUDA. Is it installed?\n",
}


def test_a_torch_without_the_libraries_it_was_linked_to_names_them() -> None:
    diagnosis, _ = diagnose(read({"driver": WORKING, "frameworks": [TORCH]}), HOST)
    assert (diagnosis.outcome, diagnosis.link) == ("library-missing", "framework torch")
    assert diagnosis.summary == "torch cannot load libcublasLt.so, libcudart.so.13"


def test_a_jax_plugin_without_cuda_s_libraries_is_no_broken_framework() -> None:
    diagnosis, _ = diagnose(read({"driver": WORKING, "frameworks": [JAX]}), HOST)
    assert diagnosis.outcome == "library-missing"
    assert diagnosis.evidence == ("RuntimeError: Unable to load CUDA. Is it installed?",)


def test_without_a_gpu_only_what_fails_at_import_is_told_of_a_framework() -> None:
    document = {
        "driver": {
            "steps": [{"step": "library", "status": "failed", "error": "libcuda.so.1: cannot open", "found": []}]
        },
        "frameworks": [TORCH, JAX],
    }
    diagnosis, notes = diagnose(read(document), Host(gpus=0))
    assert diagnosis.outcome == "no-gpu"
    assert notes == ("besides: torch cannot load libcublasLt.so, libcudart.so.13",)


def test_missing_libraries_are_named_once_whoever_complains() -> None:
    text = (
        "Could not load library libcudnn_cnn_infer.so.8. Error: libcudnn_cnn_infer.so.8: cannot open shared object file\n"
        "Unable to load any of {libcudnn_cnn.so.9.1.0, libcudnn_cnn.so.9.1, libcudnn_cnn.so.9}\n"
    )
    assert missing_libraries(text) == (
        "libcudnn_cnn_infer.so.8",
        "libcudnn_cnn.so.9.1.0",
        "libcudnn_cnn.so.9.1",
        "libcudnn_cnn.so.9",
    )


def test_a_container_without_the_compute_capability_gets_devices_and_no_library() -> None:
    document = {
        "nodes": [{"path": "/dev/nvidia0", "usable": True}, {"path": "/dev/nvidiactl", "usable": True}],
        "environment": {"NVIDIA_DRIVER_CAPABILITIES": "utility"},
        "driver": {
            "steps": [{"step": "library", "status": "failed", "error": "libcuda.so.1: cannot open", "found": []}]
        },
    }
    diagnosis, _ = diagnose(read(document), HOST)
    assert (diagnosis.outcome, diagnosis.link) == ("library-missing", "library")
    assert "NVIDIA_DRIVER_CAPABILITIES=utility" in diagnosis.evidence
    assert "NVIDIA_DRIVER_CAPABILITIES=compute,utility" in diagnosis.remedy[0]


def test_a_runtime_told_to_give_nothing_is_a_hidden_device() -> None:
    document = {
        "environment": {"NVIDIA_VISIBLE_DEVICES": "void"},
        "driver": {
            "steps": [{"step": "library", "status": "failed", "error": "libcuda.so.1: cannot open", "found": []}]
        },
    }
    diagnosis, _ = diagnose(read(document), HOST)
    assert (diagnosis.outcome, diagnosis.exit_status) == ("device-hidden", 1)
    assert "NVIDIA_VISIBLE_DEVICES='void'" in diagnosis.summary

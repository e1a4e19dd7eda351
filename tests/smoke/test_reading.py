"""A document out of an image is checked value by value: nothing in it can make the report fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from repro_audit.smoke import launch, report
from repro_audit.smoke.diagnosis import diagnose
from repro_audit.smoke.engine_error import Host
from repro_audit.smoke.outcome import OUTCOMES
from repro_audit.smoke.reading import read
from repro_audit.smoke.trial import Trial

_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
_STEPS = (
    "library",
    "init",
    "driver",
    "devices",
    "device",
    "context",
    "kernel",
    "memory",
    "peer",
    "nvml",
    "nvml-device",
)
_step = st.fixed_dictionaries(
    {},
    optional={
        "step": st.sampled_from(_STEPS) | _values,
        "status": st.sampled_from(["ok", "failed", "wrong"]) | _values,
        "device": st.integers(0, 3) | _values,
        "devices": _values,
        "error": _values
        | st.fixed_dictionaries({"code": st.sampled_from([2, 34, 35, 46, 100, 221, 222, 803]) | _values}),
        "found": _values,
        "memory_free_bytes": _values,
        "first_wrong": _values,
        "cuda": _values,
        "driver": _values,
    },
)
_framework = st.fixed_dictionaries(
    {"name": st.sampled_from(["torch", "jax"]) | _values},
    optional={
        "cuda": _values,
        "built_with_cuda": st.booleans() | _values,
        "available": st.booleans() | _values,
        "architectures": st.just(["sm_80", "x"]) | _values,
        "checks": st.lists(
            st.fixed_dictionaries(
                {"name": st.sampled_from(["matmul", "compiled", "seed"]) | _values, "status": _values},
                optional={"device": _values, "error": _values, "capability": _values},
            ),
            max_size=3,
        )
        | _values,
        "ended": st.sampled_from(["done", "timeout", "signal", "skipped"]) | _values,
        "error": _values,
        "flags": _values,
    },
)
_documents = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(["python", "shell", "files"]) | _values,
        "nodes": st.lists(st.fixed_dictionaries({"path": st.text(max_size=9) | _values}), max_size=2) | _values,
        "driver": st.fixed_dictionaries(
            {"steps": st.lists(_step, max_size=6)}, optional={"ended": st.sampled_from(["timeout", "signal"]) | _values}
        )
        | _values,
        "nvml": st.fixed_dictionaries({"steps": st.lists(_step, max_size=2)}) | _values,
        "nvidia_smi": _values,
        "frameworks": st.lists(_framework, max_size=3) | _values,
        "environment": st.dictionaries(st.sampled_from(["CUDA_VISIBLE_DEVICES", "X"]), st.text(max_size=4)) | _values,
        "image": _values,
        "kernel_driver": _values,
        "unhidden": _values,
        "error": _values,
    },
)


@given(_documents, st.sampled_from([Host(), Host(gpus=0), Host(gpus=2, driver="550.54.15")]))
def test_any_document_leads_to_a_verdict_and_both_reports(document: dict[str, Any], host: Host) -> None:
    reading = read(document)
    diagnosis, notes = diagnose(reading, host)
    assert diagnosis.outcome in OUTCOMES
    trial = Trial("docker", "example", diagnosis, notes, reading, host, True, 1.0)
    assert json.loads(report.render_json(trial))["outcome"] == diagnosis.outcome
    text = report.render_text(trial)
    assert not any(ord(c) < 32 and c != "\n" for c in text)


@given(st.binary(max_size=300))
def test_any_bytes_after_the_marker_are_read_or_refused(data: bytes) -> None:
    for mark in (launch.MARK + b" {", launch.SHELL_MARK + b" begin\n"):
        document = launch.document(b"\n" + mark + data + b"\n@@repro-audit-shell@@ end\n")
        assert document is None or isinstance(document, dict)
        if document is not None:
            read(document)


def test_what_an_image_prints_before_and_after_does_not_hide_the_document() -> None:
    printed = b'== CUDA ==\n\n@@repro-audit-probe@@ started\nnoise\n\n@@repro-audit-probe@@ {"probe": 1}\nbye\n'
    assert launch.document(printed) == {"probe": 1}
    assert launch.began(printed)


def test_the_probe_and_the_launcher_are_plain_ascii_for_old_locales() -> None:
    launch.probe_source().decode("ascii")
    for word in launch.shell_command(10):
        word.encode("ascii")


def test_the_command_line_carries_the_time_and_the_frameworks_asked_for() -> None:
    assert launch.shell_command(12.5, ("torch", "jax"))[-2:] == ("--budget=12.5", "--only=torch,jax")
    assert launch.python_command("python3", 60.0) == ("python3", "-B", "-", "--budget=60")


def test_a_host_s_hardware_is_read_from_sys_and_proc(tmp_path: Path) -> None:
    from repro_audit.smoke.host import look

    for address, kind in (("0000:01:00.0", "0x030200"), ("0000:01:00.1", "0x040300")):
        device = tmp_path / "sys/bus/pci/devices" / address
        device.mkdir(parents=True)
        (device / "vendor").write_text("0x10de\n")
        (device / "class").write_text(kind + "\n")
    assert look(str(tmp_path)) == Host(gpus=1)
    version = tmp_path / "proc/driver/nvidia/version"
    version.parent.mkdir(parents=True)
    version.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\n")
    assert look(str(tmp_path)) == Host(gpus=1, driver="550.54.15")
    assert look(str(tmp_path / "nothing")) == Host(gpus=None)

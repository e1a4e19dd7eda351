"""The two reports: what a machine reads, and what a person reads."""

from __future__ import annotations

import json
from collections.abc import Callable

from gpu_machine import Machine

from repro_audit.smoke import report
from repro_audit.smoke.engine_error import Host
from repro_audit.smoke.trial import smoke

Gpu = Callable[..., Machine]
HOST = Host(gpus=1, driver="550.54.15")


def test_the_json_has_what_reproduces_a_number(gpu: Gpu) -> None:
    machine = gpu("torch", CUBLAS_WORKSPACE_CONFIG=":4096:8", NVIDIA_API_KEY="nvapi-secret", FAKE_CUDA_DEVICES="1")
    trial = smoke(machine, HOST, timeout=60.0)
    said = json.loads(report.render_json(trial, tool="repro-audit 0.1", recorded="2026-01-31T12:00:00Z"))
    assert (said["version"], said["result"], said["outcome"], said["exit_status"]) == (1, "works", "works", 0)
    assert said["recorded"] == "2026-01-31T12:00:00Z"
    assert said["driver"] == {"release": "550.54.15", "cuda": "12.4"}
    assert said["devices"][0]["settings"]["power_limit_watts"] == 700.0
    assert said["devices"][0]["settings"]["ecc"] is True
    assert said["frameworks"][0]["facts"]["flags"]["matmul_precision"] == "highest"
    assert said["environment"]["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert said["environment"]["NVIDIA_API_KEY"] == "(hidden)"
    assert said["surroundings"]["limits"]["nofile"] and said["surroundings"]["shared_memory_bytes"]
    assert [row["link"] for row in said["chain"]] == [
        "nodes",
        "library",
        "init",
        "driver",
        "devices",
        "context",
        "kernel",
        "memory",
    ]


def test_the_text_shows_the_chain_down_to_the_broken_link_and_what_to_type(gpu: Gpu) -> None:
    text = report.render_text(smoke(gpu(CUDA_VISIBLE_DEVICES="3"), HOST, timeout=60.0))
    lines = text.splitlines()
    assert any(line.split() == ["driver", "library", "ok", *line.split()[3:]] for line in lines)
    assert any("cuInit" in line and "FAILED" in line and "error 100" in line for line in lines)
    assert any("kernel" in line and line.rstrip().endswith("-") for line in lines)
    assert "an environment variable hides the GPU: CUDA_VISIBLE_DEVICES=3 names no GPU" in text
    assert "-e CUDA_VISIBLE_DEVICES=0" in text
    assert "\x1b" not in text


def test_names_out_of_an_image_cannot_steer_the_terminal() -> None:
    machine = Machine(subject="evil\x1b[2J\nimage", python="/nonexistent/python")
    text = report.render_text(smoke(machine, Host(gpus=0), timeout=30.0))
    assert "\x1b" not in text and text.startswith("evil [2J image (docker)\n")


def test_settings_that_a_number_depends_on_are_read_with_their_units(gpu: Gpu) -> None:
    text = report.render_text(smoke(gpu(), HOST, timeout=60.0))
    assert "persistence on, power limit 700 W, clocks 1755/1755/2619 MHz (graphics/sm/memory)" in text
    assert "max clocks 1980/1980/2619 MHz, ECC on" in text

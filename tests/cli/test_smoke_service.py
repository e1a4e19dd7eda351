"""What of a compose service reaches the container of the smoke test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from repro_audit.cli.build_plan import find_service
from repro_audit.cli.problem import CannotError
from repro_audit.cli.smoke_service import image_of, like_service
from repro_audit.container.engine_docker import run_words
from repro_audit.container.engine_request import RunRequest

Write = Callable[[dict[str, str]], Path]


def request(folder: Path, name: str = "app") -> RunRequest:
    container, root = find_service(str(folder), name)
    return like_service(container, RunRequest("x"), root)


def service(text: str) -> dict[str, str]:
    return {"compose.yaml": "services:\n  app:\n    image: x\n" + text}


def reserving(fields: str) -> dict[str, str]:
    return service(f"    deploy: {{resources: {{reservations: {{devices: [{{{fields}}}]}}}}}}\n")


@pytest.mark.parametrize(
    ("fields", "option"),
    [
        ("driver: nvidia, count: all, capabilities: [gpu]", "--gpus=driver=nvidia,all"),
        ("driver: nvidia, capabilities: [gpu]", "--gpus=driver=nvidia,all"),
        ("count: 2, capabilities: [gpu]", "--gpus=2"),
        ("count: -1, capabilities: [gpu]", "--gpus=all"),
        ("device_ids: ['0', GPU-1a], capabilities: [gpu, utility]",
         '--gpus="device=0,GPU-1a","capabilities=gpu,utility"'),
        ("driver: cdi, device_ids: ['nvidia.com/gpu=0'], capabilities: [gpu]", "--device=nvidia.com/gpu=0"),
    ],
)  # fmt: skip
def test_a_reservation_is_what_docker_run_would_be_asked(write: Write, fields: str, option: str) -> None:
    words, _ = run_words(request(write(reserving(fields))), "n")
    assert [word for word in words if word.startswith(("--gpus", "--device"))] == [option]


def test_a_service_that_asks_for_no_gpu_is_given_none(write: Write) -> None:
    words, _ = run_words(request(write(service("    environment: {HF_TOKEN: hush, CUDA_VISIBLE_DEVICES: 0}\n"))), "n")
    assert "--env=CUDA_VISIBLE_DEVICES=0" in words
    assert not any("gpus" in word or "HF_TOKEN" in word for word in words)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ("driver: nvidia, count: 1, device_ids: ['0'], capabilities: [gpu]", "compose.yaml:4: service app: .*exclude"),
        ("driver: nvidia, count: 1", "`capabilities` is missing"),
        ("driver: nvidia, count: one, capabilities: [gpu]", "must be a number"),
    ],
)
def test_what_compose_refuses_is_refused_with_its_line(write: Write, fields: str, why: str) -> None:
    with pytest.raises(CannotError, match=why):
        request(write(reserving(fields)))


def test_our_variables_are_filled_in_and_asked_for_where_they_are_missing(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = reserving("driver: nvidia, device_ids: ['${THE_GPU}'], capabilities: [gpu]")
    monkeypatch.delenv("THE_GPU", raising=False)
    with pytest.raises(CannotError, match="needs the variable THE_GPU, which is not set"):
        request(write(files))
    monkeypatch.setenv("THE_GPU", "GPU-7")
    assert request(write(files)).gpus == "device=GPU-7"


def test_an_override_file_and_env_files_count_as_compose_reads_them(write: Write) -> None:
    files = service("    env_file: [a.env, sub/b.env]\n    environment: {NCCL_DEBUG: INFO}\n")
    files |= {
        "compose.override.yaml": "services:\n  app:\n    gpus: all\n    user: '1000:1000'\n    shm_size: 2gb\n",
        "a.env": "CUDA_VISIBLE_DEVICES=0\nNCCL_DEBUG=WARN\nSECRET=1\n",
        "sub/b.env": "CUDA_VISIBLE_DEVICES=1\n",
    }
    found = request(write(files))
    assert (found.gpus, found.user, found.shm_size) == ("all", "1000:1000", 2 << 30)
    assert dict(found.env) == {"CUDA_VISIBLE_DEVICES": "1", "NCCL_DEBUG": "INFO"}


def test_the_image_of_a_service_has_its_variables_filled_in(write: Write) -> None:
    folder = write({"compose.yaml": "services: {app: {image: 'repo/app:${TAG}'}}\n", ".env": "TAG=1.2\n"})
    assert image_of(find_service(str(folder), "app")[0]) == "repo/app:1.2"
    folder = write({"compose.yaml": "services: {app: {command: x}}\n"})
    with pytest.raises(CannotError, match="neither an image nor a build"):
        image_of(find_service(str(folder), "app")[0])

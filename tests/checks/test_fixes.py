"""What `fix` makes of whole small files: the mended text, byte for byte, and what is left alone."""

from __future__ import annotations

from pathlib import Path

import dockerfile
import pytest
import yaml

from repro_audit.cli.audit import audit
from repro_audit.cli.mend import apply_fixes
from repro_audit.cli.options import Request

RULES = (
    "gpu-hidden-by-renumbering",
    "healthcheck-too-slow",
    "json-args",
    "port-on-all-interfaces",
    "relative-workdir",
    "syntax-directive-ignored",
    "version-obsolete",
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fixed(project: Path, name: str, text: str, *, unsafe: bool = False) -> str:
    """The file after `fix`, which a second `fix` must leave as it is."""
    path = project / name
    path.write_bytes(text.encode())
    request = Request(paths=(".",), select=RULES, no_config=True)
    apply_fixes(audit(request), unsafe=unsafe, write=True)
    first = path.read_bytes().decode()
    assert apply_fixes(audit(request), unsafe=unsafe, write=True).changed == ()
    return first


PLAIN = "FROM python:3.12.7-slim\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("CMD python train.py", 'CMD ["python", "train.py"]'),
        ("cmd   python  -u 'my file.py'", 'cmd   ["python", "-u", "my file.py"]'),
        ("CMD python \\\n    train.py \\\n    --seed 1", 'CMD ["python", "train.py", "--seed", "1"]'),
        ('ENTRYPOINT /usr/bin/tool --name="a b"', 'ENTRYPOINT ["/usr/bin/tool", "--name=a b"]'),
        ("CMD café --größe 1", 'CMD ["café", "--größe", "1"]'),
    ],
)
def test_a_command_that_needs_no_shell_becomes_json(project: Path, before: str, after: str) -> None:
    text = fixed(project, "Dockerfile", f"{PLAIN}{before}\n")
    assert text == f"{PLAIN}{after}\n"
    assert dockerfile.parse_string(text)[-1].json


@pytest.mark.parametrize(
    "line",
    [
        "CMD python train.py --seed $SEED",
        "CMD python train.py && echo done",
        "CMD SEED=1 python train.py",
        "CMD python train.py > /logs/train.log",
        "CMD python train.py *.yaml",
        "CMD cd /app",
        "CMD ~/run",
        "CMD python train.py # the default",
        "CMD python \\\n  # which one\n  train.py",
        "CMD echo 'a\\tb'",
        "CMD while true; do train; done",
        "CMD exec python train.py",
        "CMD ['python', 'train.py']",
        "CMD <<EOF\npython train.py\nEOF",
    ],
)
def test_what_a_shell_would_read_in_its_own_way_is_not_made_json(project: Path, line: str) -> None:
    text = f"{PLAIN}{line}\n"
    assert fixed(project, "Dockerfile", text, unsafe=True) == text


@pytest.mark.parametrize(
    "lines",
    [
        'ENTRYPOINT ["tool"]\nCMD run --all\n',  # CMD's words would go to the tool, not to a shell.
        'ENTRYPOINT tool run\nCMD ["--all"]\n',  # The entrypoint would begin to see CMD.
        "CMD run.sh --all\n",  # A script without `#!` is run by a shell only.
    ],
)
def test_json_that_may_start_something_else_is_not_safe(project: Path, lines: str) -> None:
    assert fixed(project, "Dockerfile", PLAIN + lines) == PLAIN + lines


def test_a_command_of_windows_stays_with_its_shell(project: Path) -> None:
    text = "FROM mcr.microsoft.com/windows/servercore:ltsc2022\nCMD python train.py\n"
    assert fixed(project, "Dockerfile", text, unsafe=True) == text


@pytest.mark.parametrize(
    ("image", "path", "after"),
    [
        ("debian:12.7", "app", "/app"),
        ("debian:12.7", "./app/", "/app"),
        ("golang:1.23.2", "src/tool", "/go/src/tool"),
        ("pytorch/pytorch:2.5.1-cuda12.4-cudnn9-runtime", "app", "/workspace/app"),
        ("example/base:1.2.3", "app", "app"),
        ("debian:12.7", "../app", "/app"),
    ],
)
def test_a_relative_workdir_is_written_out_where_its_start_is_known(
    project: Path, image: str, path: str, after: str
) -> None:
    rest = "COPY src src\nWORKDIR sub\n"
    text = fixed(project, "Dockerfile", f"FROM {image}\nWORKDIR {path}\n{rest}")
    assert text == f"FROM {image}\nWORKDIR {after}\n{rest}"


COMPOSE = """\
# Two experiments
version: '3.8'

services:
    train:  # four spaces
        image: pytorch/pytorch:2.5.1-cuda12.4-cudnn9-runtime
        environment:
            - CUDA_VISIBLE_DEVICES=1
        ports: ["6006:6006", '8888:8888/tcp', "127.0.0.1:1:1"]
        healthcheck:
            test: python -c "import torch"
            timeout: 3s  # quick
        deploy:
            resources:
                reservations:
                    devices:
                        - driver: nvidia
                          device_ids: ['1']
                          capabilities: [gpu]
    board:
        image: tensorflow/tensorflow:2.18.0
        ports:
            - 6007:6006 # board
            - "${PORT:-80}:80"
"""
MENDED = """\
# Two experiments

services:
    train:  # four spaces
        image: pytorch/pytorch:2.5.1-cuda12.4-cudnn9-runtime
        environment:
            - CUDA_VISIBLE_DEVICES=0
        ports: ["127.0.0.1:6006:6006", '127.0.0.1:8888:8888/tcp', "127.0.0.1:1:1"]
        healthcheck:
            test: python -c "import torch"
            timeout: 30s  # quick
        deploy:
            resources:
                reservations:
                    devices:
                        - driver: nvidia
                          device_ids: ['1']
                          capabilities: [gpu]
    board:
        image: tensorflow/tensorflow:2.18.0
        ports:
            - "127.0.0.1:6007:6006" # board
            - "${PORT:-80}:80"
"""


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_compose_file_keeps_all_that_is_not_mended(project: Path, ending: str) -> None:
    text = fixed(project, "compose.yaml", COMPOSE.replace("\n", ending), unsafe=True)
    assert text == MENDED.replace("\n", ending)
    assert yaml.safe_load(text) == yaml.safe_load(MENDED)


def test_who_reaches_a_port_is_not_changed_without_being_asked(project: Path) -> None:
    assert '"6006:6006"' in fixed(project, "compose.yaml", COMPOSE)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_dockerfile_keeps_its_line_endings(project: Path, ending: str) -> None:
    before = (
        "# Train\n# syntax=docker/dockerfile:1.10\nFROM debian:12.7\n"
        'WORKDIR app\nHEALTHCHECK --timeout=3s \\\n  CMD python -c "import torch"\nCMD python train.py\n'
    )
    after = (
        "# syntax=docker/dockerfile:1.10\n# Train\nFROM debian:12.7\n"
        'WORKDIR /app\nHEALTHCHECK --timeout=30s \\\n  CMD python -c "import torch"\nCMD ["python", "train.py"]\n'
    )
    assert fixed(project, "Dockerfile", before.replace("\n", ending)) == after.replace("\n", ending)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('version: "3"\nservices:\n  a: {image: "a:1"}\n', 'services:\n  a: {image: "a:1"}\n'),
        ('services:\n  a: {image: "a:1"}\nversion: "3"', 'services:\n  a: {image: "a:1"}\n'),
        ('---\nversion: "2.4"\nservices: {a: {image: "a:1"}}\n', '---\nservices: {a: {image: "a:1"}}\n'),
        ('{version: "3", services: {a: {image: "a:1"}}}\n', '{version: "3", services: {a: {image: "a:1"}}}\n'),
    ],
)
def test_the_obsolete_version_goes_where_it_has_a_line_to_itself(project: Path, before: str, after: str) -> None:
    assert fixed(project, "compose.yaml", before) == after

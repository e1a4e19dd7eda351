"""What is said, and what is not, about the clock, chance and the building machine: most cases were met in real files."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro_audit.cli.audit import audit
from repro_audit.cli.options import Request


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def messages(project: Path, rule: str, text: str, name: str = "Dockerfile") -> list[str]:
    (project / name).parent.mkdir(parents=True, exist_ok=True)
    (project / name).write_text(text)
    return [f.message for f in audit(Request(paths=(".",), select=(rule,), no_config=True)).result.findings]


def clock(project: Path, run: str) -> list[str]:
    return messages(project, "build-clock", f"FROM debian:12.7\n{run}\n")


def host(project: Path, run: str, base: str = "gcc:14.2.0") -> list[str]:
    return messages(project, "build-host-leak", f"FROM {base}\n{run}\n")


# --- build-clock ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("run", "kept"),
    [
        ("RUN date >> /VERSION", "`/VERSION` keeps it"),
        ("RUN mkdir /n && printf 'GUID = %s' `uuidgen` > /n/settings", "`/n/settings` keeps it"),
        ("RUN cat /proc/sys/kernel/random/uuid > /etc/machine-id", "`/etc/machine-id` keeps it"),
        ("RUN tr -dc a-z < /dev/urandom | head -c 9 | tee /secret", "`/secret` keeps it"),
        ("RUN dd if=/dev/urandom of=/data/key bs=32 count=1", "`/data/key` keeps it"),
        ('RUN echo "root:$(openssl rand -base64 12)" | chpasswd', "`chpasswd` makes"),
        ("RUN useradd -p $(openssl rand -hex 8) me", "`useradd` makes"),
        ('RUN sed -i "s/@DATE@/$(date)/" index.html', "`sed` makes"),
        ("RUN make BUILD_DATE=$(date -u +%F)", "`make` makes"),
        ("RUN export BUILT=$(date) && go build -ldflags \"-X 'main.built=$BUILT'\" .", "`go` makes"),
        ("RUN <<EOF\ndate > /built\nEOF", "`/built` keeps it"),
    ],
)
def test_what_the_clock_or_chance_gives_is_found_where_it_is_kept(project: Path, run: str, kept: str) -> None:
    (message,) = clock(project, run)
    assert kept.removesuffix(" keeps it") in message and message.endswith("keeps it")


@pytest.mark.parametrize(
    "run",
    [
        "RUN date",
        'RUN echo "building at $(date)" && make',
        "RUN start=$(date +%s); make; echo took $(( $(date +%s) - start )) s",
        "RUN export BUILD_DATE=$(date)",
        "RUN date > /dev/null && date 1>&2",
        "RUN date > /tmp/now && make && rm -rf /tmp/*",
        "RUN --mount=type=cache,target=/c date > /c/now",
        "RUN date >> /var/log/build.log",
        "RUN date -d @1700000000 > /built && date --date=2024-01-01 > /b && date -r /etc/passwd > /c",
        'RUN date -u -d "@${SOURCE_DATE_EPOCH:-$(date +%s)}" > /built',
        'RUN curl -fsSLO "https://example.org/list?$(date +%s)"',
        "RUN test $(date +%Y) -gt 2020",
        "RUN head -c 9 /dev/urandom | sha256sum",
        "RUN dd if=/dev/urandom of=/tmp/x count=1 && ./try /tmp/x && rm /tmp/x",
        "RUN dd if=/dev/zero of=/swap count=1",
        "RUN printf '#!/bin/sh\\ndate > /run/started\\n' > /entrypoint.sh",
        "RUN cat > /entrypoint.sh <<'EOF'\nhead -c 9 /dev/urandom > /run/secret\nEOF",
        "COPY <<EOF /entrypoint.sh\ndate > /run/started\nEOF",
        "CMD date > /run/started",
        "HEALTHCHECK CMD date > /run/checked",
        "ARG RANDOM=4\nRUN echo $RANDOM > /seed",
        "RUN sleep $((RANDOM % 5))",
    ],
)
def test_what_is_not_kept_is_no_fault_of_the_image(project: Path, run: str) -> None:
    assert clock(project, run) == []


def test_a_workflow_is_told_of_labels_and_arguments_but_not_of_its_own_times(project: Path) -> None:
    steps = "on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n"
    run = "      - run: |\n          NOW=$(date)\n          {}\n          date > started\n"
    for command, count in (
        ('docker build --label "created=$NOW" .', 1),
        ("docker buildx build --build-arg=NOW=$NOW --push .", 1),
        ("docker build -t app:$NOW .", 0),
        ("echo $NOW", 0),
    ):
        text = steps + run.format(command)
        assert len(messages(project, "build-clock", text, ".github/workflows/image.yml")) == count, command


# --- build-host-leak ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "run",
    [
        'RUN cmake -DCMAKE_CXX_FLAGS="-O3 -march=native" .',
        "RUN CFLAGS=-mtune=native ./configure",
        'RUN export RUSTFLAGS="-C target-cpu=native" && cargo build --release',
        "RUN cmake -DGGML_NATIVE=ON .",
        "ARG CPU_ARCH=native",
        'ENV CXXFLAGS="-march=native" OTHER=1',
        "ENV MARCH native",
        "RUN hostname > /built-on",
        'RUN echo "built on $(uname -a)" | tee /built-on',
        "RUN apt-get install -y linux-headers-$(uname -r)",
        "RUN ln -s /usr/src/linux-headers-$(uname -r) /lib/modules/build",
        'RUN sed -i "s/@HOST@/$(hostname)/" /etc/app.conf',
        'RUN echo "processes = $(nproc)" > /etc/server.conf',
    ],
)
def test_the_building_machine_is_found_where_the_image_takes_it_on(project: Path, run: str) -> None:
    assert len(host(project, run)) == 1


@pytest.mark.parametrize(
    "run",
    [
        "RUN make -j$(nproc) && ninja -j `nproc`",
        "RUN export MAKEFLAGS=-j$(nproc) && MAX_JOBS=$(nproc) pip install .",
        "RUN cores=$(nproc); make -j $cores",
        'RUN echo "MAKEFLAGS=-j$(nproc)" >> /etc/makepkg.conf',
        "RUN abricate --threads $(nproc) test.fa",
        'RUN curl -fsSLo /t "https://example.org/t-$(uname -s)-$(uname -m)"',
        "RUN ARCH=$(uname -m) && echo $ARCH > /arch",
        "RUN uname -a && hostname && echo $(hostname)",
        'RUN if [ "$(uname -r | cut -d. -f1)" -lt 5 ]; then echo old; fi',
        "RUN hostname app",
        "RUN sed -i 's/-march=native/-march=x86-64-v3/' Makefile && grep -r march=native .",
        "RUN cmake -DGGML_NATIVE=OFF .",
        "ARG BUILD_MODE=native",
        "ENV JAVA_OPTS=-Dnative=true",
        "CMD gcc -march=native main.c",
    ],
)
def test_what_changes_no_result_is_no_leak(project: Path, run: str) -> None:
    assert host(project, run) == []


DETECTRON = "pip install 'git+https://github.com/facebookresearch/detectron2.git@v0.6'"


def test_a_cuda_extension_needs_its_cards_named(project: Path) -> None:
    base = "pytorch/pytorch:2.5.1-cuda12.4-cudnn9-devel"
    assert len(host(project, f"RUN {DETECTRON}", base)) == 1
    apex = "RUN git clone https://github.com/NVIDIA/apex && cd apex && pip install ."
    assert len(host(project, apex, base)) == 1
    for named in (
        f'ENV TORCH_CUDA_ARCH_LIST="8.0+PTX"\nRUN {DETECTRON}',
        f"ARG TORCH_CUDA_ARCH_LIST\nRUN {DETECTRON}",
        f"RUN TORCH_CUDA_ARCH_LIST=8.0 {DETECTRON}",
        f"RUN export TORCH_CUDA_ARCH_LIST=8.0 && {DETECTRON}",
        "RUN pip install detectron2==0.6 -f https://dl.fbaipublicfiles.com/detectron2/wheels/cu111/torch1.9/index.html",
    ):
        assert host(project, named, base) == []


@pytest.mark.parametrize(
    "base", ["python:3.12.7", "nvidia/cuda:12.4.1-runtime-ubuntu22.04", "nvcr.io/nvidia/pytorch:24.10-py3"]
)
def test_an_image_without_a_compiler_or_with_its_own_list_of_cards_is_left_alone(project: Path, base: str) -> None:
    assert host(project, f"RUN {DETECTRON}", base) == []

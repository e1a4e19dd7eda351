"""Small random projects, put together from mutated pieces of real ones, through the whole program in one process."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import jsonschema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from repro_audit.cli.main import main
from repro_audit.source import Source

SCHEMA = json.loads((Path(__file__).parent.parent / "repro_audit/schema/report-1.json").read_text())

PIECES: dict[str, list[str]] = {
    "Dockerfile": [
        "# syntax=docker/dockerfile:1\n", "# escape=`\n", "FROM python AS a\n", "FROM a\n", "ARG V=3\n", "FROM python:$V\n",
        "RUN apt-get update && apt-get install -y curl=7 \\\n  git\n", "RUN pip install numpy 'torch>=2' -r requirements.txt\n",
        "RUN <<EOF\npip install x\nEOF\n", 'CMD ["python", "a.py"]\n', "CMD python a.py\n", "WORKDIR app\n", "COPY . .\n",
        "COPY --from=a /x /y\n", "ENV A=1 B=$A CUDA_VISIBLE_DEVICES=0\n", "HEALTHCHECK CMD python -c 'import torch'\n",
        "USER root\n", "RUN nvidia-smi\n", "RUN curl -L https://x.org/latest.tgz | tar xz\n", "RUN git clone https://x.org/a\n",
        "# repro-audit: ignore[image-latest] reason\n", "ONBUILD RUN x\n", "EXPOSE 80\n", "WROKDIR /x\n",
    ],
    "requirements.txt": [
        "numpy\n", "torch==2.0.1 \\\n  --hash=sha256:00\n", "-r requirements.txt\n", "-c constraints.txt\n",
        "x @ git+https://h/x\n", "a>=1; python_version<'3'\n", "--extra-index-url https://x\n", "# repro-audit: ignore-file\n",
    ],
    "compose.yaml": [
        "version: '3'\n", "services:\n  a:\n    image: x\n", "    ports: ['8080:80', 22:22]\n", "    build: .\n",
        "    deploy:\n      resources:\n        reservations:\n          devices: [{driver: nvidia, device_ids: ['1']}]\n",
        "    environment: [CUDA_VISIBLE_DEVICES=1]\n", "    privileged: true\n", "    network_mode: host\n", "    extends: a\n",
        "x: &a {b: *a}\n", "    <<: *a\n",
    ],
    ".github/workflows/ci.yml": [
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n", "      - uses: actions/checkout@v4\n",
        "      - run: pip install numpy\n", "      - run: docker run --gpus all x\n",
    ],
    "environment.yml": ["name: x\nchannels: [a]\ndependencies:\n", "  - numpy\n", "  - python=3.10\n", "  - pip:\n    - x\n"],
    ".devcontainer/devcontainer.json": ["{", '"image": "x",', '"features": {"a/b": {}},', '"build": {"dockerfile": "../Dockerfile"}', "// c\n", "}"],
    "pyproject.toml": ["[project]\n", "name = 'x'\n", "dependencies = ['numpy', 'torch>=2']\n", "requires-python = '>=3.9'\n"],
    ".dockerignore": [".git\n", "*\n", "!requirements.txt\n", "[\n"],
}  # fmt: skip


@st.composite
def texts(draw: st.DrawFn, pieces: list[str]) -> bytes:
    parts = draw(st.lists(st.sampled_from(pieces), max_size=10))
    data = bytearray("".join(parts).encode())
    if draw(st.booleans()):
        data = bytearray(data.replace(b"\n", b"\r\n"))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        new = draw(st.sampled_from([b"", b"\0", b"\xff", b"\n", b"\r", b"\\", b"'", b'"', b"$(", b"${", b"<<E", b"\t", b"{", b"&", "\u202e".encode()]))  # fmt: skip
        data[at : at + draw(st.integers(0, 4))] = new
    return bytes(data)


PROJECTS = st.fixed_dictionaries({}, optional={name: texts(pieces) for name, pieces in PIECES.items()})


def check(*argv: str) -> tuple[int, str]:
    out = StringIO()
    with redirect_stdout(out):
        status = main([*argv])
    return status, out.getvalue()


@given(PROJECTS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_project_is_reported_in_full_and_fixed_once_and_for_all(project: dict[str, bytes]) -> None:
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        try:
            os.chdir(folder)
            os.mkdir(".git")
            for name, data in project.items():
                os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
                Path(name).write_bytes(data)
            status, shown = check("check", ".", "--format", "json", "--jobs", "1", "--profile", "strict")
            assert status in (0, 1), shown
            report: dict[str, Any] = json.loads(shown)
            jsonschema.validate(report, SCHEMA)
            for finding in report["findings"]:
                assert finding["rule"] != "internal-error", finding
                if finding["path"] in project:
                    source = Source.from_bytes(finding["path"], project[finding["path"]])
                    for place in (finding["start"], finding["end"]):
                        assert 1 <= place["line"] <= source.line_count
                        start = source.offset(place["line"])
                        assert 1 <= place["column"] <= len(source.text) - start + 1
            assert check("fix", ".", "--unsafe")[0] in (0, 1)
            once = {name: Path(name).read_bytes() for name in project}
            assert check("fix", ".", "--unsafe")[0] in (0, 1)
            assert {name: Path(name).read_bytes() for name in project} == once
        finally:
            os.chdir(before)

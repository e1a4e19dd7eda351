"""What a run loads, and that its time grows with its input and no faster: ratios only, since machines differ."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from repro_audit.cli.main import main

# Each takes as long to load as several files take to audit.
HEAVY = (
    "asyncio click dataclasses dockerfile_parse importlib.resources inspect jsonschema logging multiprocessing packaging "
    "pathspec requests rich typer typing_extensions urllib3 yaml"
).split()


def test_a_run_over_dockerfiles_loads_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM python:3.12-slim\nRUN apt-get update && pip install numpy\nCOPY . .\n")
    program = (
        "import sys; before = set(sys.modules); from repro_audit.cli.main import main; main(['Dockerfile']);"
        f"print([name for name in {HEAVY!r} if name in sys.modules and name not in before], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def dockerfile(size: int) -> str:
    block = "RUN apt-get update && apt-get install -y \\\n  curl\nENV A{n}=$A{p}x B=1\nCOPY --from=s . /x{n}\nRUN pip install numpy\n"
    return "FROM debian AS s\n" + "".join(block.format(n=n % 50, p=n % 50 + 1) for n in range(size // 4))


def stages(size: int) -> str:
    return "".join(f"FROM debian:12 AS s{n}\nRUN curl -O https://x.org/{n}\n" for n in range(size // 2))


def chained(size: int) -> str:
    lines = (f"FROM s{n} AS s{n + 1}\nRUN pip install numpy==1.{n}\n" for n in range(size // 2))
    return "FROM debian:12 AS s0\n" + "".join(lines)


def copies(size: int) -> str:
    return "FROM debian:12\n" + "".join(f"COPY nowhere{n} /x/\n" for n in range(size))


def suppressed(size: int) -> str:
    return "FROM a\n" + "# repro-audit: ignore[image-latest, DL3008] x\n" * size


def requirements(size: int) -> str:
    return "".join(f"package-{n}>=1.{n}; python_version > '3.8'\n" for n in range(size))


def compose(size: int) -> str:
    services = (
        f"  s{n}:\n    image: x:{n}\n    ports: ['{n % 60000}:80']\n    depends_on: [s0]\n" for n in range(size // 4)
    )
    return "services:\n" + "".join(services)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "make", "size"),
    [
        ("Dockerfile", dockerfile, 2_000),
        ("Dockerfile", stages, 2_000),
        ("Dockerfile", chained, 300),
        ("Dockerfile", copies, 500),
        ("Dockerfile", suppressed, 2_000),
        ("requirements.txt", requirements, 3_000),
        ("compose.yaml", compose, 1_600),
    ],
)
def test_eight_times_the_input_takes_no_more_than_eight_times_as_long(
    name: str,
    make: Callable[[int], str],
    size: int,
    linear: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: object,
) -> None:
    monkeypatch.chdir(tmp_path)

    def audit(size: int) -> None:
        Path(name).write_text(make(size))
        main([name, "--format", "json", "--jobs", "1", "--output", "out.json"])

    linear(audit, size)

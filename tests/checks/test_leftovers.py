"""What is said, and what is not, about apt's lists and pip's cache: each case was met in a real Dockerfile."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro_audit.cli.audit import audit
from repro_audit.cli.mend import apply_fixes
from repro_audit.cli.options import Request


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(project: Path, rule: str, text: str) -> list[int]:
    """The lines at which the rule finds something."""
    (project / "Dockerfile").write_text(text)
    found = audit(Request(paths=(".",), select=(rule,), no_config=True)).result.findings
    return [f.source.position(f.span.start).line for f in found if f.rule == rule]


def fixed(project: Path, rule: str, text: str, *, unsafe: bool = False) -> str:
    (project / "Dockerfile").write_bytes(text.encode())
    apply_fixes(audit(Request(paths=(".",), select=(rule,), no_config=True)), unsafe=unsafe, write=True)
    return (project / "Dockerfile").read_bytes().decode()


# --- apt-lists-left -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "clean",
    [
        "rm -rf /var/lib/apt/lists/*",
        "rm -rf /tmp/* /var/lib/apt/lists",
        "rm -rf /var/lib/apt/*",
        "rm -rf /var/lib/{apt,dpkg,cache,log}/",
        "rm -rf /var/{cache,lib}/apt/*",
        "find /var/lib/apt/lists -type f -delete",
        "cd /var/lib/apt/lists && rm -fr *",
        "apt-get distclean",
        "/usr/local/bin/cleanup.sh",
        "bash /tmp/clean-layer.sh",
    ],
)
def test_every_way_to_remove_the_lists_in_the_same_run_counts(project: Path, clean: str) -> None:
    text = f"FROM debian:12.7\nRUN apt-get update && apt-get install -y curl && {clean}\n"
    assert lines(project, "apt-lists-left", text) == []


@pytest.mark.parametrize("clean", ["apt-get clean", "rm -rf /var/cache/apt/archives", "ls /var/lib/apt/lists"])
def test_what_leaves_the_lists_alone_does_not_count(project: Path, clean: str) -> None:
    assert lines(project, "apt-lists-left", f"FROM debian:12.7\nRUN apt-get update && {clean}\n") == [2]


def test_lists_that_are_fetched_again_after_the_removal_stay(project: Path) -> None:
    text = "FROM debian:12.7\nRUN apt-get update && rm -rf /var/lib/apt/lists/* && apt update && apt install -y git\n"
    assert lines(project, "apt-lists-left", text) == [2]


def test_a_cache_mount_of_the_archives_alone_does_not_hold_the_lists(project: Path) -> None:
    text = "FROM debian:12.7\nRUN --mount=type=cache,target=/var/cache/apt apt-get update && apt-get install -y git\n"
    assert lines(project, "apt-lists-left", text) == [2]


def test_no_fix_takes_the_lists_from_an_install_that_comes_later(project: Path) -> None:
    text = (
        "FROM debian:12.7 AS base\nRUN apt-get update && apt-get install -y curl\n"
        'FROM base\nRUN apt-get install -y git\nCMD ["git"]\n'
    )
    assert fixed(project, "apt-lists-left", text, unsafe=True) == text


def test_a_fix_is_not_safe_before_a_script_or_in_an_image_for_others(project: Path) -> None:
    run = "RUN apt-get update && apt-get install -y curl"
    mended = run + " && rm -rf /var/lib/apt/lists/*"
    for after in ('\nRUN ./install.sh\nCMD ["app"]\n', "\n"):
        text = f"FROM debian:12.7\n{run}{after}"
        assert fixed(project, "apt-lists-left", text) == text
        assert fixed(project, "apt-lists-left", text, unsafe=True) == text.replace(run, mended)


@pytest.mark.parametrize(
    "run",
    [
        "RUN apt-get update; apt-get install -y curl",
        "RUN apt-get update && apt-get install -y curl || true",
        "RUN (apt-get update && apt-get install -y curl)",
        'RUN ["apt-get", "update"]',
        "RUN <<EOF\napt-get update\napt-get install -y curl\nEOF",
        "RUN apt-get update && apt-get install -y curl # why",
        "RUN apt-get update",
    ],
)
def test_a_run_of_any_other_form_is_left_as_it_is(project: Path, run: str) -> None:
    text = f'FROM debian:12.7\n{run}\nCMD ["curl"]\n'
    assert lines(project, "apt-lists-left", text)
    assert fixed(project, "apt-lists-left", text, unsafe=True) == text


def test_the_fix_keeps_sudo_and_line_endings(project: Path) -> None:
    text = 'FROM debian:12.7\r\nRUN sudo apt-get update \\\r\n    && sudo apt-get install -y git\r\nCMD ["git"]\r\n'
    mended = text.replace("git\r\nCMD", "git \\\r\n    && sudo rm -rf /var/lib/apt/lists/*\r\nCMD")
    assert fixed(project, "apt-lists-left", text) == mended


# --- pip-cache ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "ENV PIP_NO_CACHE_DIR=off\nRUN pip install numpy",
        "ARG PIP_NO_CACHE_DIR=1\nRUN pip install numpy",
        "RUN PIP_NO_CACHE_DIR=1 pip install numpy",
        "RUN export PIP_NO_CACHE_DIR=1 && pip install numpy",
        "RUN pip --no-cache-dir install numpy",
        "RUN pip install --no-cache numpy",
        'ENV PIP_INSTALL="python -m pip --no-cache-dir install"\nRUN $PIP_INSTALL numpy',
        "RUN pip config set global.no-cache-dir true\nRUN pip install numpy",
        "RUN printf '[global]\\nno-cache-dir = true\\n' > /etc/pip.conf\nRUN pip install numpy",
        "COPY pip.conf /etc/pip.conf\nRUN pip install numpy",
        "RUN --mount=type=cache,target=/home/me/.cache pip install numpy",
        "ENV PIP_CACHE_DIR=/c\nRUN --mount=type=cache,target=/c pip install numpy",
        "RUN --mount=type=tmpfs,target=/root/.cache pip install numpy",
        "RUN pip install numpy && rm -rf /root/.cache/pip",
        "RUN pip install numpy && python -m pip cache purge",
        "RUN pip install --no-index --find-links /wheels numpy",
        "RUN pip install --no-deps -e .",
        "RUN pip install /wheels/a-1.0-py3-none-any.whl",
        "RUN uv pip install numpy",
        "RUN pip uninstall -y numpy && pip --version && pip list",
        'CMD ["pip", "install", "numpy"]',
    ],
)
def test_an_installation_without_a_cache_in_the_image_is_no_fault(project: Path, text: str) -> None:
    assert lines(project, "pip-cache", f"FROM python:3.12.7\n{text}\n") == []


@pytest.mark.parametrize(
    "text",
    [
        "RUN pip install .",
        "RUN python3.11 -m pip install numpy",
        "RUN conda run -n env pip install numpy && conda clean -afy",
        "RUN rm -rf ~/.cache && pip install numpy",
        "RUN pip install numpy && rm -rf ~/.cache/yarn",
        'ENV PIP_NO_CACHE_DIR=""\nRUN pip install numpy',
        "RUN pip install numpy\nRUN rm -rf ~/.cache",
    ],
)
def test_a_cache_that_stays_in_its_layer_is_found(project: Path, text: str) -> None:
    assert lines(project, "pip-cache", f"FROM python:3.12.7\n{text}\n") == [2 + text.startswith("ENV")]


def test_the_fix_covers_all_of_a_run_or_nothing(project: Path) -> None:
    both = "FROM python:3.12.7\nRUN pip install a==1 && pip3 install -r r.txt\n"
    assert fixed(project, "pip-cache", both) == both.replace(" install", " install --no-cache-dir")
    hidden = "FROM python:3.12.7\nENV P='pip install'\nRUN pip install a==1 && $P b==1\n"
    assert fixed(project, "pip-cache", hidden, unsafe=True) == hidden

"""What all tests share: a tree written from a mapping, hypothesis settings, and what must not be skipped in CI."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A run in the background of a shell ignores interrupts, and one under nohup the end of its terminal; so would every
# program that the tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

settings.register_profile(
    "default", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.register_profile(
    "search", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow], derandomize=False
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

Write = Callable[[Mapping[str, str | bytes]], Path]
Linear = Callable[[Callable[[int], object], int], None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes files, given by relative path, into a fresh folder and gives the folder."""
    folder = tmp_path / "project"
    folder.mkdir()

    def write_files(files: Mapping[str, str | bytes]) -> Path:
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder

    return write_files


@pytest.fixture
def linear() -> Linear:
    """Asserts that `work(size)` takes CPU time in proportion to its size, whatever the machine: `linear(work, size)` does
    it with this size and with eight times as much. Quadratic time would be 64 times as long.
    """

    def seconds(work: Callable[[int], object], size: int) -> float:
        best = float("inf")
        for _ in range(2):
            start = time.process_time()
            work(size)
            best = min(best, time.process_time() - start)
        return best

    def check(work: Callable[[int], object], size: int) -> None:
        work(size // 4)  # loads what is needed
        assert seconds(work, size * 8) < max(seconds(work, size), 0.001) * 8 * 4

    return check


@pytest.fixture(scope="session", autouse=True)
def _git_of_no_user() -> None:
    """Keep the user's own git configuration and ignore file out of every test."""
    os.environ["GIT_CONFIG_GLOBAL"] = os.devnull
    os.environ["GIT_CONFIG_SYSTEM"] = os.devnull
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        os.environ.pop(name, None)


@pytest.fixture
def git() -> Callable[..., str]:
    """Runs git in a folder: `git(folder, "init")` gives what it printed."""

    def run(folder: Path, *arguments: str) -> str:
        identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main"]
        done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)
        return os.fsdecode(done.stdout)

    return run

"""Engines that lie, die or hang: stand-ins on PATH, since a real engine cannot be asked to. Real ones are in integration/."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from repro_audit.cli.main import main
from repro_audit.container.engine_choice import choose
from repro_audit.container.engine_error import EngineError, NoEngineError

Stand = Callable[[str, str], None]

DOCKER = """case "$1" in
version) echo '{"Client":{"Version":"20.10.1"},"Server":{"Version":"20.10.1","ApiVersion":"1.41"}}' ;;
info) echo '{}' ;;
buildx) exit 1 ;;
build) %s ;;
esac
"""


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """Puts a program of that name and that text on an otherwise empty PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("DOCKER_BUILDKIT", "0")

    def put(name: str, text: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{text}")
        os.chmod(folder / name, 0o755)

    return put


def test_without_any_engine_all_that_were_tried_are_named_with_how_to_get_them(stand: Stand) -> None:
    with pytest.raises(NoEngineError) as caught:
        choose()
    assert [attempt.engine for attempt in caught.value.attempts] == ["buildx", "docker", "podman", "buildah"]
    assert all(attempt.remedy and attempt.reason for attempt in caught.value.attempts)


def test_an_engine_nobody_knows_is_refused() -> None:
    with pytest.raises(EngineError, match="is no engine"):
        choose("kaniko")


@pytest.mark.parametrize(
    "answer", ["echo nonsense", "echo '[1]'", "echo '{}'", "echo '{\"Client\": 3}'", "exit 3", "kill -9 $$"]
)
def test_an_engine_that_answers_nonsense_does_not_count(stand: Stand, answer: str) -> None:
    for name in ("docker", "podman", "buildah", "buildx"):
        stand(name, answer)
    with pytest.raises(NoEngineError):
        choose()


def test_docker_that_is_podman_is_called_by_its_name(stand: Stand) -> None:
    stand("docker", 'echo \'{"Client":{"Version":"4"},"Server":{"Platform":{"Name":"Podman Engine"}}}\'')
    with pytest.raises(NoEngineError, match="--engine podman"):
        choose("docker")


def test_a_daemon_that_may_not_be_reached_says_what_to_do(stand: Stand) -> None:
    stand("docker", 'echo \'{"Client":{"Version":"20"},"Server":null}\'; echo \'permission denied\' >&2; exit 1')
    with pytest.raises(NoEngineError, match="group `docker`"):
        choose("docker")


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("echo 'error during connect: EOF' >&2; exit 1", "daemon went away"),
        ("kill -9 $$", "killed by signal 9"),
    ],
)
def test_an_engine_that_dies_while_it_builds_is_not_the_builds_fault(
    stand: Stand, write, capsys: pytest.CaptureFixture[str], end: str, said: str
) -> None:
    stand("docker", DOCKER % end)
    project = write({"Dockerfile": "FROM scratch\n"})
    assert main(["build", str(project), "--engine", "docker"]) == 2
    assert said in capsys.readouterr().err


def test_a_build_that_fails_ends_with_one(stand: Stand, write, capsys: pytest.CaptureFixture[str]) -> None:
    stand("docker", DOCKER % "echo 'Step 2/2 : RUN false'; exit 1")
    project = write({"Dockerfile": "FROM scratch\nRUN false\n"})
    assert main(["build", str(project), "--engine", "docker"]) == 1
    assert "Dockerfile:2: command-failed" in capsys.readouterr().out


def test_the_classic_builder_refuses_what_it_cannot_do(stand: Stand, write, capsys: pytest.CaptureFixture[str]) -> None:
    stand("docker", DOCKER % "exit 0")
    project = write({"Dockerfile": "FROM scratch\n", "s": "secret"})
    assert main(["build", str(project), "--engine", "docker", f"--secret=id=a,src={project}/s"]) == 2
    assert "knows no build secrets" in capsys.readouterr().err

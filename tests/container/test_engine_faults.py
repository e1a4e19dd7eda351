"""Engines that hang, die or answer nonsense at each thing they are asked: stand-ins on PATH, since a real engine cannot be
made to. What real daemons do when they are killed or stopped is in integration/.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from repro_audit.cli.main import main
from repro_audit.container import engine as engines
from repro_audit.container import engine_answer
from repro_audit.container.engine_answer import document, whole
from repro_audit.container.engine_choice import choose
from repro_audit.container.engine_error import EngineError, NoEngineError
from repro_audit.container.engine_request import RunRequest

NAMES = ("docker", "podman", "buildah", "buildx")
GARBAGE = {
    "nothing": ":",
    "half a document": 'printf \'{"Client":{"Version":"20\'',
    "another kind of document": "echo '[{\"Client\": 1}]'",
    "a client of another kind": 'echo \'{"Client":"x","Server":{"Version":"1","ApiVersion":"1.41"}}\'',
    "a host of another kind": "echo '{\"host\": [1]}'",
    "numbers that are none": 'echo \'{"Client":{"Version":"²³"},"Server":{"Version":"²","ApiVersion":"²"}}\'; exit 1',
    "a document without an end": "head -c 200000 /dev/zero | tr '\\\\0' '['",
    "another program's help": "echo 'Usage: git [-v | --version]'; echo 'git: not a command' >&2; exit 1",
    "zeros": "head -c 100000 /dev/zero",
    "bytes of no text": "printf '\\\\377\\\\376\\\\200{\\\\0}\\\\n'",
    "a signal": "kill -SEGV $$",
}
# what a docker answers whose `build` and the rest are the test's own
DOCKER = """case "$1" in
version) echo '{"Client":{"Version":"20.10.1"},"Server":{"Version":"20.10.1","ApiVersion":"1.41"}}'; exit ;;
info) echo '{}'; exit ;;
buildx) exit 1 ;;
ps|images) exit ;;
esac
for word in "$@"; do case "$word" in --output=*) archive="${word#--output=}" ;; --iidfile=*) id="${word#--iidfile=}" ;; esac; done
"""

Stand = Callable[[str, str], None]


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """Puts a program of that name and that text first on a PATH that has no engine."""
    folder, tools = tmp_path / "bin", tmp_path / "tools"
    folder.mkdir()
    tools.mkdir()
    for name in ("head", "tr", "sleep", "cat", "yes", "dd", "touch", "git"):
        found = next((f"{place}/{name}" for place in ("/usr/bin", "/bin") if os.access(f"{place}/{name}", os.X_OK)), "")
        if found:
            os.symlink(found, tools / name)
    monkeypatch.setenv("PATH", f"{folder}:{tools}")
    monkeypatch.setenv("DOCKER_BUILDKIT", "0")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "room"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "room").mkdir()

    def put(name: str, text: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        os.chmod(folder / name, 0o755)

    return put


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits short enough for a test."""
    monkeypatch.setattr(engine_answer, "SHORT", 0.4)
    monkeypatch.setattr(engine_answer, "_GRACE", 0.2)
    monkeypatch.setattr(engines, "REMOVAL", 0.4)
    monkeypatch.setattr("repro_audit.container.engine_buildx.SHORT", 0.2)
    monkeypatch.setattr("repro_audit.container.engine_buildx.START", 0.4)


@pytest.fixture
def project(write) -> Path:
    return write({"Dockerfile": "FROM scratch\nCOPY a /a\n", "a": "1"})


@pytest.mark.parametrize("answer", sorted(GARBAGE))
def test_an_engine_that_answers_nonsense_is_named_with_what_it_said(stand: Stand, answer: str) -> None:
    for name in NAMES:
        stand(name, GARBAGE[answer])
    with pytest.raises(NoEngineError) as caught:
        choose()
    assert [each.engine for each in caught.value.attempts] == ["buildx", "docker", "podman", "buildah"]
    assert all(each.reason and len(each.reason) < 700 for each in caught.value.attempts)


@pytest.mark.parametrize("name", NAMES)
def test_an_engine_that_never_answers_is_given_up(stand: Stand, impatient: None, name: str) -> None:
    stand(name, "trap '' INT TERM; sleep 60 & wait; sleep 60")
    with pytest.raises(NoEngineError, match=r"not answer|no answer"):
        choose(name)


def test_an_engine_that_talks_without_end_is_given_up(stand: Stand, impatient: None) -> None:
    stand("docker", "exec yes '{\"Client\": 1'")
    with pytest.raises(NoEngineError):
        choose("docker")


@pytest.mark.parametrize("hangs", ["--version", "info"])
def test_a_podman_that_hangs_half_way_is_given_up(stand: Stand, impatient: None, hangs: str) -> None:
    stand("podman", f'case "$1" in {hangs}) sleep 60 ;; --version) echo podman version 5.0 ;; *) echo x ;; esac')
    with pytest.raises(NoEngineError, match="does not answer"):
        choose("podman")


def test_a_docker_that_works_is_not_paid_for_with_a_look_at_podman(stand: Stand, tmp_path: Path) -> None:
    stand("docker", DOCKER)
    for name in ("podman", "buildah"):
        stand(name, f"touch {tmp_path}/asked; exit 1")
    assert choose().info.name == "docker"
    assert not (tmp_path / "asked").exists()


ARCHIVES = {
    "no archive": (":", "wrote no"),
    "an empty archive": (': > "$archive"', "wrote no"),
    "nonsense": ('echo nonsense > "$archive"', "first.tar"),
    "zeros": ('head -c 20000 /dev/zero > "$archive"', "first.tar"),
    "a failure": ("echo no such luck >&2; exit 1", "no such luck"),
    "a death": ("kill -9 $$", "killed by signal 9"),
}


@pytest.mark.parametrize("case", sorted(ARCHIVES))
def test_an_archive_that_is_none_is_told_and_nothing_stays(
    stand: Stand, project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    saves, said = ARCHIVES[case]
    stand(
        "docker",
        DOCKER + f'case "$1" in build) exit 0 ;; image) echo 1000 ;; save) {saves} ;; '
        f'rmi) echo "$2" >> {tmp_path}/removed ;; esac',
    )
    assert main(["verify", str(project), "--engine=docker", "--vary=none"]) == 2
    told = capsys.readouterr().err
    assert said in told and "internal error" not in told
    assert os.listdir(tmp_path / "room") == []
    assert (tmp_path / "removed").read_text().startswith("repro-audit-")


@pytest.mark.parametrize("size", ["echo lots", "echo ²", "printf '9%.0s' 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0", ":"])
def test_an_image_of_no_known_size_is_not_exported(
    stand: Stand, project: Path, capsys: pytest.CaptureFixture[str], size: str
) -> None:
    stand("docker", DOCKER + f'case "$1" in build) exit 0 ;; image) {size} ;; esac')
    assert main(["verify", str(project), "--engine=docker", "--vary=none"]) == 2
    assert "has no image" in capsys.readouterr().err


@pytest.mark.parametrize("hangs", ["build", "save", "rmi"])
def test_with_a_time_limit_no_step_of_a_build_hangs(
    stand: Stand, impatient: None, project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], hangs: str
) -> None:
    stand(
        "docker",
        DOCKER
        + f'case "$1" in {hangs}) sleep 60 ;; build) exit 0 ;; image) echo 1000 ;; save) echo x > "$archive" ;; esac',
    )
    assert main(["verify", str(project), "--engine=docker", "--vary=none", "--timeout=1"]) == 2
    assert {"build": "in the time it was given", "save": "did not save", "rmi": "not removed"}[hangs] in (
        capsys.readouterr().err
    )
    assert os.listdir(tmp_path / "room") == []


def test_an_engine_that_hangs_when_asked_for_an_image_is_told(
    stand: Stand, impatient: None, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stand("docker", DOCKER + 'case "$1" in build) exit 0 ;; image) sleep 60 ;; esac')
    assert main(["verify", str(project), "--engine=docker", "--vary=none"]) == 2
    assert "does not answer (asked for repro-audit-" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("sleep 60", "does not answer"),
        ("echo 'Cannot connect to the Docker daemon' >&2; exit 1", "daemon went away"),
        ("kill -9 $$", "killed by signal 9"),
        ("echo 'Error: No such image: mine:1' >&2; exit 1", "neither an archive nor an image"),
    ],
)
def test_an_image_that_cannot_be_asked_for_is_told_from_one_that_is_not_there(
    stand: Stand, impatient: None, capsys: pytest.CaptureFixture[str], asked: str, said: str
) -> None:
    stand("docker", DOCKER + f'case "$1" in image) {asked} ;; esac')
    assert main(["verify", "--image=mine:1", "--against=mine:2", "--engine=docker"]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("removing", "told"),
    [
        ("sleep 60", True),
        ("echo 'Cannot connect to the Docker daemon' >&2; exit 1", True),
        ("kill -9 $$", True),
        ("echo 'Error: No such image: x' >&2; exit 1", False),
    ],
)
def test_what_an_engine_does_not_remove_is_named_with_the_command_that_does(
    stand: Stand, impatient: None, project: Path, capsys: pytest.CaptureFixture[str], removing: str, told: bool
) -> None:
    stand(
        "docker", DOCKER + f'case "$1" in build) exit 0 ;; image) echo 1000 ;; save) exit 1 ;; rmi) {removing} ;; esac'
    )
    assert main(["verify", str(project), "--engine=docker", "--vary=none"]) == 2
    assert ("remove it with `docker rmi repro-audit-" in capsys.readouterr().err) is told


@pytest.mark.parametrize("running", ["trap '' INT; sleep 60", "kill -9 $$"])
def test_a_container_that_may_live_on_is_removed_by_force(
    stand: Stand, impatient: None, tmp_path: Path, running: str
) -> None:
    stand("docker", DOCKER + f'case "$1" in run) {running} ;; rm) echo "$2 $3" > {tmp_path}/removed ;; esac')
    done = choose("docker").run(RunRequest("busy:1", timeout=0.5))
    assert not done.ok
    assert (tmp_path / "removed").read_text().startswith("--force repro-audit-")


def test_an_engine_that_hangs_is_asked_to_remove_only_once(stand: Stand, impatient: None, tmp_path: Path) -> None:
    stand("docker", DOCKER + f'case "$1" in rmi) echo x >> {tmp_path}/asked; sleep 60 ;; esac')
    told: list[str] = []
    engine = choose("docker")
    engine.tell = told.append
    for name in ("one:1", "two:1", "three:1"):
        engine.remove(name)
    assert (tmp_path / "asked").read_text() == "x\n"
    assert len(told) == 3 and "three:1" in told[2]


def test_an_image_id_that_is_none_does_not_end_the_program(
    stand: Stand, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stand("docker", DOCKER + 'case "$1" in build) head -c 5000 /dev/zero > "$id" ;; esac')
    assert main(["build", str(project), "--engine=docker"]) == 0
    assert "\0" not in capsys.readouterr().out


def test_a_build_that_talks_without_end_and_bytes_of_no_text_takes_little_memory(
    stand: Stand, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # half of it in one line
    stand(
        "docker",
        DOCKER
        + 'case "$1" in build) head -c 200000000 /dev/zero; head -c 100000000 /dev/zero | tr "\\0" "\\377" >&2; exit 1 ;; esac',
    )
    assert main(["build", str(project), "--engine=docker", "--quiet"]) == 1
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) < 100_000
    assert "the build failed" in capsys.readouterr().out


def test_a_builder_that_is_gone_between_two_builds_is_no_failed_build(
    stand: Stand, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stand(
        "buildx",
        """case "$1" in
version) echo github.com/docker/buildx v0.38.2 abc ;;
inspect) printf 'Name: x\\nDriver: remote\\nStatus: running\\nBuildKit version: v0.34.2\\n' ;;
build) printf '#0 building with "x" instance using remote driver\\n\\n#1 [internal] waiting for connection\\n' >&2
printf '#1 ERROR: context deadline exceeded\\n------\\n > [internal] waiting for connection:\\n------\\n' >&2
echo 'ERROR: failed to build: context deadline exceeded' >&2; exit 1 ;;
esac""",
    )
    assert main(["build", str(project), "--engine=buildx"]) == 2
    assert "the builder could not be reached" in capsys.readouterr().err


def test_answers_are_read_whatever_they_are() -> None:
    assert document('{"a": 1}') == {"a": 1}
    assert [document(text) for text in ("", "[]", "1", "{", "[" * 200_000, '{"a":' * 50_000, "\0")] == [None] * 7
    assert (whole(" 12\n"), whole("²"), whole("-1"), whole("9" * 5000), whole("")) == (12, None, None, None, None)


def test_an_unknown_engine_is_an_error_of_the_user() -> None:
    with pytest.raises(EngineError, match="is no engine"):
        choose("lxd")

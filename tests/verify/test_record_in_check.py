"""`check --record`: what a stored result of `verify` proves about the files as they are now."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from repro_audit.cli.main import main
from repro_audit.container.build_context import digest

Write = Callable[[Mapping[str, str | bytes]], Path]


@pytest.fixture
def project(write: Write, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = write({"Dockerfile": "FROM scratch\nCOPY a /a\n", "a": "one\n"})
    monkeypatch.chdir(folder)
    return folder


def keep(folder: Path, level: int | None, *, any_modes: bool = False) -> None:
    record = folder / "verify.json"
    inputs = digest(str(folder), str(folder / "Dockerfile"), (), apart=[str(record)])
    document = {
        "version": 1,
        "kind": "repro-audit-verify",
        "result": "same-files" if level else "different",
        "level": level,
        "inputs": {
            "digest": inputs.content,
            "modes": None if any_modes else inputs.modes,
            "context": ".",
            "dockerfile": "Dockerfile",
            "settings": [],
        },
        "images": [],
        "conditions": {},
        "written": "2026-01-02T00:00:00+00:00",
    }
    record.write_text(json.dumps(document))


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    main(["--record", "verify.json", "."])
    return capsys.readouterr().out


@pytest.mark.parametrize("level", [3, 4])
def test_a_record_proves_its_level_even_where_it_lies_in_the_context(
    project: Path, capsys: pytest.CaptureFixture[str], level: int
) -> None:
    keep(project, level)
    assert f"level {level} of 4" in shown(capsys)


def test_a_record_proves_nothing_once_an_input_has_changed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(project, 3)
    (project / "a").write_text("two\n")
    said = shown(capsys)
    assert "level 2 of 4" in said
    assert "the inputs have changed" in said


def test_other_permissions_count_as_other_inputs_unless_the_builds_showed_that_they_do_not_matter(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "a").chmod(0o644)
    keep(project, 4)
    (project / "a").chmod(0o664)
    said = shown(capsys)
    assert "level 2 of 4" in said
    assert "other permissions" in said and "--vary=all" in said
    keep(project, 4, any_modes=True)
    (project / "a").chmod(0o640)
    assert "level 4 of 4" in shown(capsys)


def test_a_record_proves_nothing_of_a_project_that_it_does_not_tell_of(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(project, 4)
    (project / "other").mkdir()
    (project / "other" / "Dockerfile").write_text("FROM python\n")
    main(["--record", "verify.json", "other"])
    said = capsys.readouterr().out
    assert "level 0 of 4" in said
    assert "level 4 of Dockerfile, which is not audited here" in said


def test_inputs_of_other_files_keep_the_project_at_their_level(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(project, 4)
    (project / "dev.Dockerfile").write_text("FROM python\n")
    said = shown(capsys)
    assert "level 0 of 4" in said
    assert "level 4 of Dockerfile verified on 2026-01-02" in said
    assert "dev.Dockerfile, keep the project at level 0" in said


def test_lists_of_packages_in_the_context_are_proved_with_the_dockerfile(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "requirements.txt").write_text("numpy\n")
    keep(project, 3)
    assert "level 3 of 4" in shown(capsys)


def test_a_record_that_is_kept_elsewhere_is_read_from_where_the_user_stands(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(project, 4)
    (project / "ci").mkdir()
    (project / "verify.json").rename(project / "ci" / "verify.json")
    main(["--record", "ci/verify.json", "."])
    assert "level 4 of 4" in capsys.readouterr().out
    (project / "Dockerfile").rename(project / "Else.dockerfile")
    main(["--record", "ci/verify.json", "."])
    assert "keep the record where verify wrote it" in capsys.readouterr().out


def test_a_record_of_two_different_builds_proves_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(project, None)
    assert "two builds were different" in shown(capsys)


def test_what_is_no_record_ends_with_one_line_and_status_2(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "verify.json").write_text("[]")
    assert main(["--record", "verify.json", "."]) == 2
    assert "no record" in capsys.readouterr().err

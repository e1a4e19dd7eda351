"""What `verify` is told to vary and which time it builds for, and what it says of both."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro_audit.cli.build_options import BuildOptions
from repro_audit.cli.build_plan import plan
from repro_audit.cli.main import main
from repro_audit.cli.problem import CannotError
from repro_audit.cli.verify_conditions import VARIATIONS, epoch_of, in_words, told_variations, varied
from repro_audit.cli.verify_places import places
from repro_audit.container.engine import EngineInfo

ABLE = EngineInfo("buildx", ("buildx",), "0.34", "buildkit", features=frozenset(("hostname",)))


def test_everything_that_is_not_varied_is_listed() -> None:
    told = told_variations(varied("time"), ABLE)
    assert told["varied"] == "time (some seconds)"
    assert all(VARIATIONS[name] in told["not varied"] for name in VARIATIONS if name != "time")
    assert "the day and year" in told["not varied"]
    assert VARIATIONS["checkout"] in told_variations(varied(None), ABLE)["not varied"]
    nothing = told_variations(varied("none"), ABLE)
    assert nothing["varied"] == "nothing"
    assert "build directory" in nothing["not varied"]
    assert told_variations(varied("all"), ABLE)["not varied"].startswith("the day and year")
    assert "checkout" not in told_variations(varied("all"), ABLE)["not varied"]


def test_what_the_engine_cannot_be_given_is_not_said_to_be_varied() -> None:
    told = told_variations(varied("hostname,time"), EngineInfo("docker", ("docker",), "20.10", "classic"))
    assert "hostname" not in told["varied"]
    assert "hostname" in told["not varied"]


@pytest.mark.parametrize("text", ["time,none", "all,time", "none,none"])
def test_all_and_none_stand_alone(text: str) -> None:
    with pytest.raises(CannotError, match="stands alone"):
        varied(text)


def test_an_environment_that_tells_no_time_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "abc")
    with pytest.raises(CannotError, match="SOURCE_DATE_EPOCH=abc"):
        epoch_of(None, str(tmp_path))
    assert epoch_of(5, str(tmp_path)) == (5, "given")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "7")
    assert epoch_of(None, str(tmp_path)) == (7, "from the environment")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "")
    assert epoch_of(None, str(tmp_path))[0] is None


def test_files_that_are_not_in_the_commit_are_said_to_be_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, git
) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    (tmp_path / "a").write_text("1")
    git(tmp_path, "init")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-m", "x")
    assert epoch_of(None, str(tmp_path))[1] == "the last commit"
    (tmp_path / "a").write_text("2")
    assert "not all files here are committed" in epoch_of(None, str(tmp_path))[1]


def test_no_filter_of_the_repository_is_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, git) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    project = tmp_path / "project"
    project.mkdir()
    (project / "a").write_text("1")
    (project / ".gitattributes").write_text("* filter=evil\n")
    git(project, "init")
    git(project, "add", "-A")
    git(project, "commit", "-m", "x")
    git(project, "config", "filter.evil.clean", f"touch {tmp_path}/ran; cat")
    git(project, "config", "filter.evil.process", f"touch {tmp_path}/ran")
    (project / "a").write_text("2")
    assert "not all" in epoch_of(None, str(project))[1]
    assert not (tmp_path / "ran").exists()


def test_a_time_is_given_in_words() -> None:
    assert in_words("1700000000", "given") == "1700000000 (2023-11-14 22:13:20 UTC, given)"
    assert in_words("9" * 30, "given") == "9" * 30 + " (given)"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([".", "--image", "a.tar", "--against", "b.tar"], "verify compares one thing"),
        (["--service", "x", "--image", "a.tar", "--against", "b.tar"], "verify compares one thing"),
        (["--image", "a.tar"], "--image needs --against"),
        (["--vary", "none,time", "."], "none stands alone"),
        (["--color", "red", "."], "--color"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(["verify", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_copy_from_a_stage_tells_where_its_files_are_made(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "FROM debian:12 AS tools\nRUN install\nFROM tools AS build\nWORKDIR /src\nRUN make \\\n  all\nRUN make install\n"
        "FROM debian:12 AS one\nRUN only\n"
        "FROM debian:12\nCOPY --from=build /x /x\nCOPY --from=2 /y /y\nCOPY --from=busybox /z /z\nCOPY . .\n"
    )
    found = places(plan(BuildOptions(str(tmp_path))))
    made = {place.line: place.made_in for place in found if place.made_in}
    assert made == {11: "stage `build`, lines 2-7", 12: "stage `one`, line 9"}

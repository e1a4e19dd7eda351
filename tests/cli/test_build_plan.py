"""What is to be built, from the command line and from a compose service."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from repro_audit.cli.build_options import BuildOptions
from repro_audit.cli.build_plan import Plan, plan
from repro_audit.cli.problem import CannotError
from repro_audit.container.build_context import digest

Write = Callable[[dict[str, str]], Path]


def of_service(write: Write, build: str, files: dict[str, str] | None = None, **options: object) -> Plan:
    text = f"services:\n  lab:\n    build: {{context: ., {build}}}\n"
    folder = write({"compose.yaml": text, "Dockerfile": "FROM scratch\n", **(files or {})})
    return plan(BuildOptions(str(folder), service="lab", **options))  # type: ignore[arg-type]


def test_the_network_and_the_one_platform_of_a_service_are_taken_over(write: Write) -> None:
    request = of_service(write, "network: none, platforms: [linux/arm64], no_cache: true").request
    assert (request.network, request.platform, request.no_cache) == ("none", "linux/arm64", True)


def test_the_command_line_goes_before_the_service(write: Write, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    planned = of_service(
        write,
        "platforms: [linux/arm64], target: a, additional_contexts: {other: ./nowhere}, args: {A: '1', B: '2'}",
        platform="linux/amd64",
        target="b",
        build_context=[f"other={tmp_path}/mine"],
        build_arg=["A=3"],
    )
    request = planned.request
    assert (request.platform, request.target, dict(request.args)) == ("linux/amd64", "b", {"A": "3", "B": "2"})
    assert request.contexts == (("other", str((tmp_path / "mine").resolve())),)


def test_what_is_not_taken_over_from_a_service_is_told_in_one_line(write: Write, capsys: pytest.CaptureFixture) -> None:
    request = of_service(
        write, "network: mine, platforms: [linux/arm64, linux/amd64], shm_size: 1g, extra_hosts: [a=1.1.1.1], x-y: 1"
    ).request
    assert (request.network, request.platform) == ("default", None)
    (line,) = capsys.readouterr().err.splitlines()
    for key in ("shm_size", "extra_hosts", "network: mine", "platforms (several"):
        assert key in line
    assert "x-y" not in line


@pytest.mark.parametrize(
    ("build", "said"),
    [
        ("args: {A: '${NOT_SET_ANYWHERE}'}", "needs NOT_SET_ANYWHERE, which is not set"),
        ("args: {A: '${NOT_SET_ANYWHERE:?set me}'}", "needs NOT_SET_ANYWHERE, which is not set"),
        ("additional_contexts: {other: 'service:db'}", "--service db --tag NAME"),
        ("additional_contexts: {other: ./nowhere}", "which is no folder"),
        ("secrets: [token]", "--secret id=token,src=FILE"),
        ("additional_contexts: {'--privileged': ./}", "is no valid name of a build context"),
    ],
)
def test_a_service_that_cannot_be_built_here_says_what_is_missing(write: Write, build: str, said: str) -> None:
    with pytest.raises(CannotError, match="(?s)" + said.replace("(", r"\(")):
        of_service(write, build)


def test_a_secret_that_compose_keeps_elsewhere_can_be_handed_over(write: Write, tmp_path: Path) -> None:
    (tmp_path / "t").write_text("x")
    request = of_service(write, "secrets: [token]", secret=[f"id=token,src={tmp_path}/t"]).request
    assert [each.id for each in request.secrets] == ["token"]


def test_the_environment_fills_in_what_compose_would_take_from_it(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERSION", "2.1")
    request = of_service(write, "args: {TORCH: '${VERSION}', CUDA: '${CUDA:-12.4}'}", {".env": "VERSION=1\n"}).request
    assert dict(request.args) == {"TORCH": "2.1", "CUDA": "12.4"}


def test_a_further_context_counts_among_the_inputs(write: Write) -> None:
    planned = of_service(write, "additional_contexts: {other: ./other}", {"other/a": "1", ".dockerignore": "other\n"})
    request = planned.request
    before = digest(request.context, request.dockerfile, planned.settings)
    (Path(request.context) / "other" / "a").write_text("2")
    assert digest(request.context, request.dockerfile, planned.settings) != before


def test_a_folder_without_dockerfile_offers_what_is_there(write: Write) -> None:
    folder = write(
        {
            "docker/Dockerfile": "FROM scratch\n",
            "a.Dockerfile": "FROM scratch\n",
            "compose.yaml": "services:\n  trainer:\n    build: docker\n  db:\n    image: postgres\n",
        }
    )
    with pytest.raises(CannotError) as told:
        plan(BuildOptions(str(folder)))
    for offer in (f"`--file {folder}/docker/Dockerfile`", f"`--file {folder}/a.Dockerfile`", "`--service trainer`"):
        assert offer in str(told.value)
    assert "db" not in str(told.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (BuildOptions("nosuch"), "nosuch: there is no such folder"),
        (BuildOptions(service="x"), "there is no compose file with services"),
        (BuildOptions(build_context=["other"]), "expected NAME=FOLDER"),
    ],
)
def test_a_bad_request_says_what_is_wrong(
    write: Write, monkeypatch: pytest.MonkeyPatch, options: BuildOptions, said: str
) -> None:
    monkeypatch.chdir(write({"Dockerfile": "FROM scratch\n"}))
    with pytest.raises(CannotError, match=said):
        plan(options)

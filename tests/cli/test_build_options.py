"""`build`, `verify` and `smoke` take the same options of a build, which are declared once."""

from __future__ import annotations

import typer
from typer.testing import CliRunner

from repro_audit.cli.build_options import BuildOptions, EngineName, with_build_options


def test_every_option_of_a_build_reaches_a_command_that_has_options_of_its_own() -> None:
    seen: list[tuple[BuildOptions, str]] = []

    @with_build_options
    def command(build: BuildOptions, own: str = "") -> int:
        seen.append((build, own))
        return 0

    app = typer.Typer()
    app.command()(command)
    argv = (
        "ctx -f D --target t --build-arg A=1 --build-arg B --build-context o=p --secret id=s --platform linux/arm64 "
        "--engine podman --service web -q --own x"
    )
    assert CliRunner().invoke(app, argv.split()).exit_code == 0
    expected = BuildOptions(
        "ctx", "D", "t", ["A=1", "B"], ["id=s"], "linux/arm64", EngineName.podman, "web", True, ["o=p"]
    )
    assert seen == [(expected, "x")]
    assert CliRunner().invoke(app, []).exit_code == 0
    assert seen[1] == (BuildOptions(), "")

"""What a Dockerfile says: stages, scopes of variables, and what is in force where."""

from __future__ import annotations

from repro_audit.facts.dockerfile import DockerfileFacts, read
from repro_audit.source import Source
from repro_audit.syntax import dockerfile


def facts(text: str) -> DockerfileFacts:
    source = Source("Dockerfile", text)
    return read(source, dockerfile.parse(source))


def test_from_sees_global_arguments_only() -> None:
    said = facts("ARG V=3.12.7\nFROM python:$V AS a\nARG W=1\nFROM python:${W}\n")
    assert [i.image for i in said.images] == ["python:3.12.7", "python:${W}"]
    assert said.images[1].unknown == ("W",)


def test_a_stage_sees_a_global_argument_only_after_declaring_it() -> None:
    said = facts("ARG V=1\nFROM debian:12.7\nENV A=x$V\nARG V\nENV B=x$V\n")
    # The base image may have set V before that.
    assert said.stages[0].env == {"A": None, "B": "x1"}


def test_env_wins_over_arg_of_the_same_name() -> None:
    said = facts("FROM debian:12.7\nENV V=env\nARG V=arg\nWORKDIR /$V\n")
    assert said.stages[0].workdir == "/env"


def test_an_argument_without_a_default_is_unknown_rather_than_empty() -> None:
    said = facts("FROM debian:12.7\nARG V\nENV A=$V\nWORKDIR /x/$V\n")
    assert said.stages[0].env == {"A": None}
    assert said.instructions[-1].words == (None,)


def test_a_stage_that_starts_from_another_inherits_what_is_in_force_there() -> None:
    said = facts(
        'FROM debian:12.7 AS base\nUSER 1000\nWORKDIR /app\nENV A=1\nHEALTHCHECK CMD true\nCMD ["run"]\n'
        "FROM base\nWORKDIR src\n"
    )
    last = said.stages[1]
    assert last.parent is said.stages[0]
    assert (last.user, last.workdir, last.env) == ("1000", "/app/src", {"A": "1"})
    assert last.healthcheck is not None and last.cmd is not None
    assert last.root.image == "debian:12.7"
    assert last.final and not said.stages[0].final


def test_a_new_entrypoint_drops_the_inherited_cmd() -> None:
    said = facts('FROM debian:12.7 AS base\nCMD ["a"]\nFROM base\nENTRYPOINT ["b"]\n')
    assert said.stages[1].cmd is None


def test_the_name_of_a_stage_makes_an_image_local_whatever_its_case() -> None:
    said = facts("FROM debian:12.7 AS Build\nFROM build\nCOPY --from=BUILD /a /a\nCOPY --from=0 /b /b\n")
    assert [i.local for i in said.images] == [False, True, True, True]


def test_a_relative_workdir_of_an_unknown_base_stays_relative_to_it() -> None:
    said = facts("FROM python:3.12.7\nWORKDIR app\nWORKDIR sub\n")
    assert said.stages[0].workdir == "?/app/sub"


def test_commands_know_the_variables_that_the_script_and_the_stage_set() -> None:
    said = facts("FROM debian:12.7\nENV A=1\nRUN V=2 && curl https://x.org/$A/$V\n")
    command = next(c for c in said.instructions[-1].commands if c.name == "curl")
    assert command.args == ("https://x.org/1/2",)


def test_cd_changes_where_later_commands_of_the_script_stand() -> None:
    said = facts("FROM debian:12.7\nWORKDIR /src\nRUN cd sub && make\nRUN make\n")
    first, second = said.instructions[2].commands, said.instructions[3].commands
    assert first[1].workdir == "/src/sub"
    assert second[0].workdir == "/src"


def test_a_heredoc_is_read_as_the_script_that_it_is() -> None:
    said = facts("FROM debian:12.7\nRUN <<EOF\napt-get update\napt-get install -y curl\nEOF\nCOPY a b\n")
    assert [c.name for c in said.instructions[1].commands] == ["apt-get", "apt-get"]
    assert said.source.slice(said.instructions[1].commands[1].span) == "apt-get install -y curl"


def test_a_heredoc_for_another_program_is_not_read_as_shell() -> None:
    said = facts(
        "FROM debian:12.7\nRUN <<EOF\n#!/usr/bin/env python3\nimport os\nEOF\nRUN python3 <<EOF\ncurl = 1\nEOF\n"
    )
    assert [c.name for i in said.instructions[1:] for c in i.commands] == ["python3"]


def test_a_windows_shell_is_not_read_as_a_posix_one() -> None:
    said = facts('FROM mcr.microsoft.com/x:1\nSHELL ["powershell", "-Command"]\nRUN curl https://x.org -o y\n')
    assert said.instructions[-1].commands == ()


def test_pipefail_comes_from_the_shell_instruction_too() -> None:
    said = facts('FROM debian:12.7\nSHELL ["/bin/bash", "-o", "pipefail", "-c"]\nRUN curl x | sh\n')
    assert all(c.pipefail for c in said.instructions[-1].commands)


def test_a_mount_from_another_image_is_an_image_of_the_build() -> None:
    said = facts("FROM debian:12.7\nRUN --mount=type=bind,from=busybox:1.36.1,target=/b true\n")
    image = said.images[1]
    assert (image.image, image.where) == ("busybox:1.36.1", "mount-from")
    assert said.source.slice(image.span) == "busybox:1.36.1"


def test_cache_mounts_are_known_to_the_commands_under_them() -> None:
    said = facts(
        "FROM debian:12.7\nWORKDIR /w\nRUN --mount=type=cache,target=cache --mount=type=tmpfs,target=/t true\n"
    )
    assert said.instructions[-1].commands[0].cache_mounts == ("/w/cache",)


def test_instructions_before_the_first_from_belong_to_no_stage() -> None:
    said = facts("ARG A=1\nRUN true\nFROM debian:12.7\n")
    assert [i.stage is None for i in said.instructions] == [True, True, False]


def test_a_quoted_mount_names_its_image_all_the_same() -> None:
    said = facts('FROM debian:12.7\nRUN --mount=type="bind",from="busybox:1.36.1",target=/b true\n')
    assert (said.images[1].image, said.source.slice(said.images[1].span)) == ("busybox:1.36.1", "busybox:1.36.1")

"""Which stages of a Dockerfile an image is made of."""

from __future__ import annotations

from repro_audit.discover import discover
from repro_audit.facts.project import Project
from repro_audit.facts.shipped import shipped
from tests.conftest import Write

STAGES = "FROM debian:12.7 AS base\nFROM base AS build\nFROM base AS app\n"


def names(write: Write, dockerfile: str, **files: str) -> list[str | None]:
    folder = write({"Dockerfile": dockerfile, ".git/HEAD": "", **{k.replace("_", "."): v for k, v in files.items()}})
    (tree,) = discover([str(folder)])
    return [stage.name for stage in shipped(Project(tree).facts("Dockerfile"))]


def test_the_last_stage_and_what_it_starts_from_are_shipped(write: Write) -> None:
    assert names(write, STAGES) == ["base", "app"]


def test_a_stage_that_a_compose_file_builds_is_shipped_too(write: Write) -> None:
    compose = "services:\n  a:\n    build:\n      context: .\n      target: build\n"
    assert names(write, STAGES, compose_yaml=compose) == ["base", "build", "app"]


def test_a_last_stage_that_is_a_test_stands_for_what_it_tests(write: Write) -> None:
    assert names(write, STAGES + "FROM app AS test\n") == ["base", "app"]


def test_a_stage_that_only_files_are_copied_from_is_left_behind(write: Write) -> None:
    assert names(write, "FROM golang:1.23 AS build\nFROM scratch AS out\nCOPY --from=build /app /app\n") == ["out"]


def test_without_a_stage_nothing_is_shipped(write: Write) -> None:
    assert names(write, "ARG A=1\n") == []

from __future__ import annotations

import os
from pathlib import Path

import pytest

from repro_audit.container.build_context import digest
from repro_audit.container.context_sources import holds, taken


def of(write, text: str) -> tuple[str, ...] | None:
    project = write({"Dockerfile": f"FROM scratch\n{text}\n"})
    return taken(str(project), str(project / "Dockerfile"))


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("COPY a /a", ("a",)),
        ('COPY --chmod=755 ["b c", "./d/../e/", "/x/"]', ("b c", "e")),
        ("ADD https://example.org/x git@example.org:a/b.git f /y/", ("f",)),
        ("RUN --mount=type=bind,source=src,target=/s make", ("src",)),
        ("RUN --mount=type=cache,target=/c --mount=type=secret,id=t make", ()),
        ("RUN --mount=from=other,source=q,target=/q ls", ()),
        ("COPY --from=other a /a", ()),
        ("ONBUILD COPY g /g", ("g",)),
        ("COPY <<EOF /h\ntext\nEOF", ()),
        ("COPY n/*.txt o/$X/p /m/", ("n", "o")),
        ("COPY /../../k /k", ("k",)),
    ],
)
def test_what_instructions_name_is_taken_up_to_what_is_uncertain(write, text: str, paths: tuple[str, ...]) -> None:
    assert of(write, text) == paths


@pytest.mark.parametrize(
    "text",
    [
        "COPY . /a",
        "COPY *.txt /a/",
        "COPY $X /a",
        'COPY "a" /a',
        "ADD ./ /a",
        "RUN --mount=target=/src ls",
    ],
)
def test_all_is_taken_where_it_is_not_certain(write, text: str) -> None:
    assert of(write, text) is None


def test_a_frontend_of_somebody_else_may_take_all(write) -> None:
    project = write({"Dockerfile": "# syntax=example/own:1\nFROM scratch\nCOPY a /a\n"})
    assert taken(str(project), str(project / "Dockerfile")) is None
    (project / "Dockerfile").write_text("# syntax=docker/dockerfile:1\nFROM scratch\nCOPY a /a\n")
    assert taken(str(project), str(project / "Dockerfile")) == ("a",)


def test_all_is_taken_through_a_link_whose_target_may_be_anywhere(write) -> None:
    project = write({"Dockerfile": "FROM scratch\nCOPY link/a /a\n", "real/a": "1"})
    os.symlink("real", project / "link")
    assert taken(str(project), str(project / "Dockerfile")) is None


def test_a_folder_above_and_all_below_belong_to_what_is_taken() -> None:
    assert [holds(("a/b",), path) for path in ("a", "a/b", "a/b/c", "a/bc", "b")] == [True, True, True, False, False]


def test_the_digest_stays_when_what_nobody_takes_changes(write, git) -> None:
    project: Path = write({"Dockerfile": "FROM scratch\nCOPY a /a\n", "a": "1", "notes": "1"})
    git(project, "init")
    before = digest(str(project), str(project / "Dockerfile"))
    git(project, "add", "-A")
    (project / "notes").write_text("2")
    assert digest(str(project), str(project / "Dockerfile")) == before
    (project / "a").write_text("2")
    assert digest(str(project), str(project / "Dockerfile")).content != before.content

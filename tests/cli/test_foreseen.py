"""A failed build names the rules that foresaw it, and no others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from repro_audit import rulebook
from repro_audit.cli.build import explained
from repro_audit.cli.build_options import BuildOptions
from repro_audit.cli.build_plan import plan
from repro_audit.cli.foreseen import RULES
from repro_audit.container.failure_kind import KINDS

Write = Callable[[dict[str, str]], Path]


def log(step: str, said: str) -> str:
    ended = f'process "/bin/sh -c {step[4:]}" did not complete successfully: exit code: 100'
    head = f"#5 [2/2] {step}\n#5 0.3 {said}\n#5 ERROR: {ended}\n------\n > [2/2] {step}:\n0.3 {said}\n------\n"
    rule = "--------------------"
    return f"{head}Dockerfile:2\n{rule}\n   2 | >>> {step}\n{rule}\nERROR: failed to build: failed to solve: {ended}\n"


def told(write: Write, dockerfile: str, text: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(write({"Dockerfile": dockerfile}))
    return explained(plan(BuildOptions()), text)


def test_every_rule_and_kind_that_is_tied_exists() -> None:
    assert set(RULES) <= set(KINDS)
    known = rulebook.load().rules
    assert {rule for rules in RULES.values() for rule in rules} <= set(known)


@pytest.mark.parametrize(
    ("step", "said", "kind"),
    [
        ("RUN conda install -y numpy", "/bin/sh: 1: conda: not found", "program-not-found"),
        ("RUN apt-get install -y curl", "Err:1 http://deb.debian.org Temporary failure resolving 'deb.debian.org'",
         "network"),
    ],
)  # fmt: skip
def test_a_failure_that_no_pin_would_have_kept_off_is_foreseen_by_no_pin_rule(
    write: Write, monkeypatch: pytest.MonkeyPatch, step: str, said: str, kind: str
) -> None:
    shown = told(write, f"FROM debian:12\n{step}\n", log(step, said), monkeypatch)
    assert f"Dockerfile:2: {kind}:" in shown
    assert "foreseen by" not in shown


@pytest.mark.parametrize("begins", ["E: ", ": "], ids=["whole", "in pieces"])
def test_a_version_that_is_gone_is_foreseen_by_the_rule_on_perishable_pins(
    write: Write, monkeypatch: pytest.MonkeyPatch, begins: str
) -> None:
    step = "RUN apt-get update && apt-get install -y curl=7.88.1-10"
    said = f"{begins}Version '7.88.1-10' for 'curl' was not found"
    shown = told(write, f"FROM debian:12\n{step}\n", log(step, said), monkeypatch)
    assert "package-version-gone" in shown
    assert "foreseen by os-package-perishable at Dockerfile:2" in shown


COPY = """#5 [2/2] COPY a /a
#5 ERROR: failed to calculate checksum of ref x::y: "/a": not found
------
Dockerfile:2
ERROR: failed to solve: failed to compute cache key: failed to calculate checksum of ref x::y: "/a": not found
"""


def test_a_file_that_lies_above_the_context_is_pointed_to(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write({"docker/Dockerfile": "FROM scratch\nCOPY a /a\n", "a": "1"}))
    shown = explained(plan(BuildOptions("docker")), COPY)
    assert "`a` is not in the context `docker`, but in `.`" in shown
    assert "repro-audit build . --file docker/Dockerfile" in shown


def test_a_file_that_is_ignored_is_pointed_to(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write({"Dockerfile": "FROM scratch\nCOPY a /a\n", "a": "1", ".dockerignore": "a\n"}))
    assert "`a` is there, and `.dockerignore` keeps it out" in explained(plan(BuildOptions()), COPY)

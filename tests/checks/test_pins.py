"""What the pinning rules say, and do not say, about whole small projects: each case is a mistake once made on a real one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from repro_audit.cli.audit import audit
from repro_audit.cli.options import Request
from repro_audit.finding import Finding, Severity


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Said:
    def run(files: dict[str, str], *rules: str) -> list[Finding]:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        (tmp_path / ".git").mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path)
        found = audit(Request(paths=(".",), no_config=True)).result.findings
        return [f for f in found if f.rule in rules]

    return run


Said = Callable[..., list[Finding]]
WORKFLOW = "on: push\njobs:\n  build:\n    runs-on: ubuntu-24.04\n    steps:\n      - run: {}\n"


# --- images ---------------------------------------------------------------------------------------------------------


def test_an_image_that_a_compose_file_builds_is_not_taken_from_a_registry(said: Said) -> None:
    compose = (
        "services:\n  base: {build: ./base, image: ours}\n  app: {build: ./app}\n  worker: {image: 'ours:latest'}\n"
    )
    files = {"compose.yaml": compose, "base/Dockerfile": "FROM scratch\n", "app/Dockerfile": "FROM ours\n"}
    assert said(files, "image-latest") == []


def test_an_image_of_that_name_from_elsewhere_still_counts(said: Said) -> None:
    compose = "services:\n  base: {build: ./base, image: 'ours:1'}\n  worker: {image: ours}\n"
    assert len(said({"compose.yaml": compose, "base/Dockerfile": "FROM scratch\n"}, "image-latest")) == 1


def test_a_build_argument_that_every_build_passes_decides_the_image(said: Said) -> None:
    compose = "services:\n  a: {build: {context: ., args: {V: '3.12'}}}\n"
    found = said(
        {"compose.yaml": compose, "Dockerfile": "ARG V\nFROM python:$V\n"}, "image-arg-open", "image-moving-tag"
    )
    assert [(f.rule, f.message.split("`")[1]) for f in found] == [("image-moving-tag", "python:3.12")]


def test_builds_that_pass_different_values_leave_the_image_open(said: Said) -> None:
    compose = (
        "services:\n  a: {build: {context: ., args: {V: '3.12'}}}\n  b: {build: {context: ., args: {V: '3.11'}}}\n"
    )
    found = said(
        {"compose.yaml": compose, "Dockerfile": "ARG V\nFROM python:$V\n"}, "image-arg-open", "image-moving-tag"
    )
    assert [f.rule for f in found] == ["image-arg-open"]


def test_a_stage_chosen_by_the_platform_is_a_stage(said: Said) -> None:
    text = "FROM debian:12.7 AS build-linux\nFROM build-$TARGETOS\nFROM other-$TARGETOS\n"
    assert [f.source.position(f.span.start)[0] for f in said({"Dockerfile": text}, "image-arg-open")] == [3]


def test_a_blank_of_a_template_is_no_tag(said: Said) -> None:
    text = '{"image": "mcr.microsoft.com/devcontainers/java:3-${templateOption:imageVariant}"}'
    assert said({".devcontainer/devcontainer.json": text}, "image-moving-tag", "image-not-digest", "image-latest") == []


def test_a_full_version_behind_that_of_its_language_is_exact(said: Said) -> None:
    found = said({"Dockerfile": "FROM wurstmeister/kafka:2.13-2.8.1\n"}, "image-moving-tag", "image-not-digest")
    assert [f.rule for f in found] == ["image-not-digest"]


# --- Python packages ------------------------------------------------------------------------------------------------


def test_what_only_developers_install_is_a_note(said: Said) -> None:
    files = {"requirements.txt": "numpy\n", "docs/requirements.txt": "sphinx\n", "requirements-dev.txt": "pytest>=8\n"}
    found = said(files, "pip-unpinned", "pip-range")
    assert {f.path: f.severity for f in found} == {
        "requirements.txt": Severity.ERROR,
        "docs/requirements.txt": Severity.INFO,
        "requirements-dev.txt": Severity.INFO,
    }


def test_what_developers_install_counts_in_full_where_an_image_installs_it(said: Said) -> None:
    files = {
        "Dockerfile": "FROM python:3.12.7\nCOPY requirements-dev.txt .\nRUN pip install -r requirements-dev.txt\n",
        "requirements-dev.txt": "pytest\n",
    }
    assert [f.severity for f in said(files, "pip-unpinned")] == [Severity.ERROR]


def test_extras_are_not_what_an_image_installs_with_the_project(said: Said) -> None:
    project = (
        "[project]\nname = 'x'\ndependencies = ['numpy>=1']\n[project.optional-dependencies]\ndev = ['pytest>=8']\n"
    )
    files = {"Dockerfile": "FROM python:3.12.7\nCOPY . /app\nRUN pip install /app\n", "pyproject.toml": project}
    assert [f.message.split("`")[1] for f in said(files, "pip-range")] == ["numpy>=1"]


def test_constraints_hold_the_packages_that_they_name_and_no_others(said: Said) -> None:
    files = {
        "Dockerfile": "FROM python:3.12.7\nCOPY c.txt /\nRUN pip install -c /c.txt numpy pandas\n",
        "c.txt": "numpy==2.1.3\n",
    }
    assert [f.message.split("`")[1] for f in said(files, "pip-unpinned")] == ["pandas"]


def test_constraints_that_nobody_here_can_read_may_hold_anything(said: Said) -> None:
    text = (
        "FROM python:3.12.7\nENV PIP_CONSTRAINT=/etc/c.txt\nRUN pip install numpy\nRUN pip install -c /o.txt pandas\n"
    )
    assert said({"Dockerfile": text}, "pip-unpinned") == []


def test_a_date_after_which_nothing_counts_holds_what_has_no_version(said: Said) -> None:
    text = (
        "FROM python:3.12.7\nRUN uv pip install --exclude-newer 2024-11-01T00:00:00Z numpy\nRUN uv pip install pandas\n"
    )
    assert [f.message.split("`")[1] for f in said({"Dockerfile": text}, "pip-unpinned")] == ["pandas"]


def test_a_redirected_requirement_is_said_once_and_mended(said: Said, tmp_path: Path) -> None:
    text = "FROM python:3.12.7\nRUN pip install \\\n    triton>=3.1.0 \\\n    numpy==2.1.3\n"
    (found,) = said({"Dockerfile": text}, "pip-unpinned", "requirement-redirected")
    assert found.rule == "requirement-redirected"
    assert found.fix is not None and found.fix.safe
    assert [e.text for e in found.fix.edits] == ["'", "'"]


@pytest.mark.parametrize("line", ["bash -c 'pip install numpy>=1.2'", "pip install numpy>=1.2.$MINOR"])
def test_quotes_are_put_only_where_they_do_not_end_others(said: Said, line: str) -> None:
    (found,) = said({"Dockerfile": f"FROM python:3.12.7\nRUN {line}\n"}, "requirement-redirected")
    assert [e.text for e in found.fix.edits] == ['"', '"'] if "$" in line else found.fix is None


def test_a_conda_list_of_addresses_is_no_requirements_file(said: Said) -> None:
    address = "https://conda.anaconda.org/conda-forge/linux-64/mkl-2022.1.0-h84fe81f_915.tar.bz2#b9c8f925797a93dbff45e1626b025a6b"
    files = {
        "Dockerfile": "FROM mambaorg/micromamba:1.5.8\nCOPY conda-linux-64.lock /tmp/\n"
        "RUN micromamba install -y -n base -f /tmp/conda-linux-64.lock\n",
        "conda-linux-64.lock": f"@EXPLICIT\n{address}\n",
    }
    assert said(files, "pip-url-unverified", "pip-unpinned") == []


def test_hashes_make_a_second_index_harmless(said: Said) -> None:
    hashed = "--extra-index-url https://example.org/simple\nnumpy==2.1.3 --hash=sha256:" + "0" * 64 + "\n"
    assert said({"requirements.txt": hashed}, "pip-index-ambiguous") == []
    assert len(said({"requirements.txt": hashed + "pandas==2.2.3\n"}, "pip-index-ambiguous")) == 1


def test_an_abbreviated_commit_is_a_commit(said: Said) -> None:
    text = "a @ git+https://example.org/a@0123abc\nb @ git+https://example.org/b@v1.2\nc @ git+https://example.org/c@main\n"
    found = said({"requirements.txt": text}, "pip-vcs-unpinned")
    assert [(f.message.split("`")[1], f.severity) for f in found] == [("b", Severity.WARNING), ("c", Severity.ERROR)]


# --- the distribution's packages ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "FROM nvidia/cuda:12.4.1-base-ubuntu22.04\nRUN apt-get install -y cuda-cudart-12-4=12.4.127-1\n",
        "FROM debian:12.7\nRUN echo 'deb http://nginx.org/packages bookworm nginx' > /etc/apt/sources.list.d/n.list\n"
        "RUN apt-get install -y nginx=1.27.2-1\n",
        "FROM amazonlinux:2023\nRUN dnf install -y nginx-1.26.2-1\n",
        "FROM alpine:3.20.3\nRUN apk add 'libstdc++=~14.2'\n",
    ],
)
def test_a_version_that_its_archive_keeps_is_not_said_to_vanish(said: Said, text: str) -> None:
    assert said({"Dockerfile": text}, "os-package-perishable") == []


def test_a_version_of_the_distribution_vanishes_also_beside_another_archive(said: Said) -> None:
    text = (
        "FROM debian:12.7\nRUN echo 'deb http://nginx.org/p b nginx' > /etc/apt/sources.list.d/n.list\n"
        "RUN apt-get install -y curl=7.88.1-10+deb12u8 nginx=1.27.2-1\n"
    )
    (found,) = said({"Dockerfile": text}, "os-package-perishable")
    assert found.message.startswith("`curl=7.88.1-10+deb12u8`:")


def test_options_in_a_variable_do_not_hide_the_subcommand(said: Said) -> None:
    text = "FROM fedora:41\nRUN dnf $options install -y skopeo\n"
    assert len(said({"Dockerfile": text}, "os-package-unpinned")) == 1


# --- downloads ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "rules"),
    [
        ("curl -s https://example.org/v.json | jq -r .tag", []),
        ("V=$(curl -s https://example.org/v.json)", []),
        ("curl -s https://example.org/api | python3 -c 'import json'", []),
        ("curl -fsSL https://example.org/gpg | gpg --dearmor -o /k.gpg", []),
        ("curl -fsSL https://example.org/key.asc -o /etc/apt/keyrings/k.asc", []),
        ("curl -fsSL https://example.org/list | grep main > /etc/hosts", ["download-unverified"]),
        ("wget $WGET_FLAGS ${TOOL_URL} -O t.tgz", ["download-unverified"]),
        ("curl -fsSL https://example.org/t-1.2.tgz | tar xz", ["download-unverified"]),
        ("curl -fsSL https://example.org/i.sh | sudo bash -s -- -y", ["pipe-to-shell"]),
        ("bash <(curl -s https://example.org/i.sh)", ["pipe-to-shell"]),
        ('sh -c "$(curl -fsSL https://example.org/i.sh)"', ["pipe-to-shell"]),
        ("wget -qO- https://example.org/installer | php -- --install-dir=/bin", ["pipe-to-shell"]),
        ("curl -fsSL https://example.org/i.sh | bash /dev/stdin -v 1", ["pipe-to-shell"]),
    ],
)
def test_a_download_is_judged_by_what_becomes_of_it(said: Said, command: str, rules: list[str]) -> None:
    found = said({"Dockerfile": f"FROM debian:12.7\nRUN {command}\n"}, "download-unverified", "pipe-to-shell")
    assert [f.rule for f in found] == rules


def test_a_variable_with_options_is_no_address(said: Said) -> None:
    text = "FROM debian:12.7\nRUN wget $WGET_FLAGS https://example.org/t-1.2.tgz\n"
    (found,) = said({"Dockerfile": text}, "download-unverified")
    assert found.message.startswith("`https://example.org/t-1.2.tgz`")


def test_what_a_workflow_takes_for_itself_weighs_less(said: Said) -> None:
    files = {
        ".github/workflows/a.yml": WORKFLOW.format("pip install numpy"),
        ".github/workflows/b.yml": WORKFLOW.format("git clone https://example.org/a"),
        ".github/workflows/c.yml": WORKFLOW.format("curl -LO https://example.org/t-1.2.tgz"),
    }
    found = said(files, "pip-unpinned", "git-clone-unpinned", "download-unverified")
    assert [f.severity for f in found] == [Severity.WARNING, Severity.WARNING, Severity.INFO]


def test_an_expression_of_a_workflow_is_shown_as_written(said: Said) -> None:
    text = WORKFLOW.format("curl -LO https://example.org/${{ matrix.tool }}-1.2.tgz")
    (found,) = said({".github/workflows/a.yml": text}, "download-unverified")
    assert "${{ matrix.tool }}" in found.message


def test_a_workflow_that_looks_at_its_own_branches_clones_nothing_foreign(said: Said) -> None:
    run = "git clone $GITHUB_SERVER_URL/$GITHUB_REPOSITORY here && git remote add up https://github.com/a/b.git"
    assert said({".github/workflows/a.yml": WORKFLOW.format(run)}, "git-clone-unpinned") == []


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("git clone ${REPO}\nRUN cd tool && git checkout 0123456789abcdef0123456789abcdef01234567", None),
        ("git clone https://e.org/a.git && cd a && git fetch origin 0123abc && git checkout FETCH_HEAD", None),
        ("git clone https://e.org/a.git && cd a && git checkout 7134016", None),
        ("git clone https://e.org/a.git && cd a && git checkout 20241101", "a tag that its owner can move"),
        ("git clone https://e.org/a.git && cd a && git checkout $REF", "which nothing here sets"),
        ("git clone https://e.org/a.git", "the tip of its default branch"),
        ("git clone -b release-1.37 https://e.org/a.git", "the tip of `release-1.37`"),
        ("git clone -b release-1.37.0 https://e.org/a.git", "a tag that its owner can move"),
    ],
)
def test_a_clone_ends_where_its_checkout_says(said: Said, command: str, shown: str | None) -> None:
    found = said({"Dockerfile": f"FROM debian:12.7\nARG REPO\nARG REF\nRUN {command}\n"}, "git-clone-unpinned")
    assert [shown in f.message for f in found if shown] == ([True] if shown else [])
    assert bool(found) == bool(shown)


def test_an_address_of_github_is_not_a_repository_for_the_dot_git_in_its_host(said: Said) -> None:
    text = "FROM debian:12.7\nADD https://api.github.com/repos/a/b/git/refs/heads/main /v.json\n"
    found = said({"Dockerfile": text}, "git-clone-unpinned", "download-floating")
    assert [f.rule for f in found] == ["download-floating"]


# --- the build context ----------------------------------------------------------------------------------------------

COPIED = {"train.py": "", "Dockerfile": "FROM python:3.12.7\nCOPY train.py {} /app/\n"}


def copied(path: str, **more: str) -> dict[str, str]:
    return {**COPIED, "Dockerfile": COPIED["Dockerfile"].format(path), **more}


@pytest.mark.parametrize(
    "files",
    [
        copied("environment.yml*"),
        copied("wheel[s]/"),
        copied(".git"),
        copied("fetched/config.json"),
        copied("patches"),
        copied("version.txt", **{".gitignore": "/version.txt\n"}),
        copied("sub/model.json", **{".gitignore": "sub/\n", "sub/other": ""}),
    ],
)
def test_a_file_that_something_makes_before_the_build_is_not_missed(said: Said, files: dict[str, str]) -> None:
    assert said(files, "requirements-missing") == []


def test_a_file_that_nothing_makes_is_missed(said: Said) -> None:
    (found,) = said(copied("eval.py"), "requirements-missing")
    assert "`eval.py`" in found.message


def test_a_file_that_is_there_from_a_folder_above_is_not_missed(said: Said) -> None:
    files = {"shared.txt": "", "docker/run.sh": "", "docker/Dockerfile": "FROM debian:12.7\nCOPY run.sh shared.txt /\n"}
    assert said(files, "requirements-missing") == []


@pytest.mark.parametrize(
    "lines",
    [
        "COPY <<EOF requirements.txt\nnumpy==2.1.3\nEOF\nRUN pip install -r requirements.txt",
        "ADD https://example.org/r.txt /tmp/r.txt\nRUN pip install -r /tmp/r.txt",
        "COPY e.yml* /tmp/\nRUN if [ -f /tmp/e.yml ]; then pip install -r /tmp/e.yml; fi",
    ],
)
def test_what_is_installed_from_need_not_come_from_the_context(said: Said, lines: str) -> None:
    files = {"train.py": "", "compose.yaml": "services: {a: {build: .}}\n"}
    text = f"FROM python:3.12.7\nWORKDIR /app\nCOPY train.py ./\n{lines}\n"
    assert said({**files, "Dockerfile": text}, "requirements-missing") == []


@pytest.mark.parametrize("option", ["-r", "--requirement=", "-c ", "--constraint "])
def test_a_requirements_file_names_one_that_is_not_there(said: Said, option: str) -> None:
    files = {"sub/requirements.txt": f"numpy==2.1.3\n{option}other.txt\n", "other.txt": ""}
    (found,) = said(files, "requirements-missing")
    assert "`other.txt`" in found.message and "pip" in found.message
    assert found.source.slice(found.span) == "other.txt"


def test_a_requirements_file_may_name_what_is_there_or_comes_from_elsewhere(said: Said) -> None:
    lines = "-r base.txt\n-c ../c.txt\n-r https://example.org/r.txt\n-r ${WHERE}/r.txt\n-r made.txt\n-r /etc/r.txt\n"
    files = {"sub/requirements.txt": lines, "sub/base.txt": "", "c.txt": "", ".gitignore": "made.txt\n"}
    assert said(files, "requirements-missing") == []


# --- references that are none ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("Dockerfile", 'FROM ""\n', "should not be blank"),
        ("Dockerfile", "FROM python:3.12@sha256:abc\n", "invalid reference format"),
        ("Dockerfile", f"FROM python@sha256:{'a' * 40}\n", "invalid checksum digest length"),
        ("Dockerfile", "FROM Python:3.12\n", "must be lowercase"),
        ("Dockerfile", "ARG BASE=Python:3.12\nFROM $BASE\n", "must be lowercase"),
        ("Dockerfile", "FROM python:3.12.7\nCOPY --from=a//b x /\n", "invalid reference format"),
        ("compose.yaml", "services: {a: {image: 'Python:3.12'}}\n", "must be lowercase"),
    ],
)
def test_what_is_no_reference_of_an_image_is_a_syntax_error(said: Said, name: str, text: str, reason: str) -> None:
    (found,) = said({name: text}, "syntax")
    assert reason in found.message


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Dockerfile", "ARG BASE\nFROM $BASE\n"),
        ("Dockerfile", "ARG TAG=\nFROM python:$TAG\n"),
        ("Dockerfile", "FROM python:3.12.7 AS Build\nFROM python:3.12.7\nCOPY --from=Build x /\n"),
        ("Dockerfile", "FROM {{cookiecutter.base}}\n"),
        ("Dockerfile", "FROM REPLACE-ME\n"),
        ("Dockerfile.j2", "FROM PYTHON\n"),
        ("compose.yaml", "services: {a: {image: 'Python:${TAG}'}, b: {image: '', build: .}}\n"),
    ],
)
def test_what_is_to_be_filled_in_is_no_syntax_error(said: Said, name: str, text: str) -> None:
    assert said({name: text}, "syntax") == []


# --- workflows ------------------------------------------------------------------------------------------------------


def test_a_moving_runner_is_named_once_in_a_file(said: Said) -> None:
    text = "on: push\njobs:\n  a: {runs-on: ubuntu-latest, steps: []}\n  b: {runs-on: ubuntu-latest, steps: []}\n"
    assert len(said({".github/workflows/a.yml": text}, "runner-floating")) == 1


def test_a_hook_at_a_tag_or_an_abbreviated_commit_does_not_float(said: Said) -> None:
    text = "repos:\n" + "".join(
        f"- {{repo: 'https://e.org/{r}', rev: {r}, hooks: []}}\n" for r in ("be72557", "v1.0", "main")
    )
    found = said({".pre-commit-config.yaml": text}, "hook-unpinned")
    assert [f.message.split("`")[3] for f in found] == ["main"]


def test_npx_runs_what_the_project_has_unless_told_to_fetch(said: Said) -> None:
    files = {
        ".github/workflows/a.yml": WORKFLOW.format("npx tsx build.ts"),
        ".github/workflows/b.yml": WORKFLOW.format("npx -y mint export"),
    }
    assert [f.path for f in said(files, "npm-unpinned")] == [".github/workflows/b.yml"]


# --- commands in variables ------------------------------------------------------------------------------------------


def test_a_variable_may_hold_the_program_and_its_first_arguments(said: Said) -> None:
    text = (
        'FROM debian:12.7\nRUN APT="apt-get install -y" && PIP="python -m pip install --upgrade" && '
        'CLONE="git clone --depth 1" && $APT curl && $PIP numpy && $CLONE https://example.org/a.git\n'
    )
    found = said({"Dockerfile": text}, "os-package-unpinned", "pip-unpinned", "git-clone-unpinned")
    assert [f.rule for f in found] == ["os-package-unpinned", "pip-unpinned", "git-clone-unpinned"]
    assert [f.source.slice(f.span) for f in found] == ["curl", "numpy", "https://example.org/a.git"]

"""How the files of a project lead to each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro_audit.discover import discover
from repro_audit.facts.container import Container
from repro_audit.facts.context import ContextFile
from repro_audit.facts.input import ImageRef, Package
from repro_audit.facts.pin import Level
from repro_audit.facts.project import Project
from repro_audit.facts.stage import Stage
from repro_audit.result import level_of


def project(root: Path, **files: str) -> Project:
    for name, text in files.items():
        write(root, name, text)
    (tree,) = discover([str(root)])
    return Project(tree)


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def made(root: Path, files: dict[str, str]) -> Project:
    return project(root, **files)


def of_type(said: Project, path: str, kind: type) -> list:  # type: ignore[type-arg]
    return [fact for fact in said.facts(path).facts if isinstance(fact, kind)]


DOCKERFILE = "FROM python:3.12.7\nWORKDIR /app\nCOPY requirements.txt ./\nRUN pip install -r requirements.txt\n"


def test_an_install_is_followed_to_the_requirements_file_of_the_context(tmp_path: Path) -> None:
    said = made(tmp_path, {"Dockerfile": DOCKERFILE, "requirements.txt": "numpy\n-r more.txt\n", "more.txt": "scipy\n"})
    (stage,) = of_type(said, "Dockerfile", Stage)
    assert stage.manifests == ("requirements.txt",)
    assert [p.name for p in stage.packages] == ["numpy", "scipy"]


@pytest.mark.parametrize(
    ("copy", "install"),
    [
        ("COPY . /app", "pip install -r /app/deps/requirements.txt"),
        ("COPY deps /app/deps", "cd deps && pip install -r requirements.txt"),
        ("COPY deps/ ./deps/", "pip install --requirement=deps/requirements.txt"),
        ("COPY deps/*.txt /tmp/", "pip install -r /tmp/requirements.txt"),
        ("COPY deps/requirements.txt /r.txt", "pip install -r /r.txt"),
        ("ENV D=/d\nCOPY deps/requirements.txt $D/", "pip install -r $D/requirements.txt"),
    ],
)
def test_a_file_is_found_through_any_way_of_copying_it(tmp_path: Path, copy: str, install: str) -> None:
    text = f"FROM python:3.12.7\nWORKDIR /app\n{copy}\nRUN {install}\n"
    said = made(tmp_path, {"Dockerfile": text, "deps/requirements.txt": "numpy\n"})
    (stage,) = of_type(said, "Dockerfile", Stage)
    assert stage.manifests == ("deps/requirements.txt",)


def test_a_bind_mount_brings_a_file_to_its_own_instruction_only(tmp_path: Path) -> None:
    mount = "--mount=type=bind,source=requirements.txt,target=/r.txt"
    text = f"FROM python:3.12.7\nRUN {mount} pip install -r /r.txt\n"
    said = made(tmp_path, {"Dockerfile": text, "requirements.txt": "numpy\n"})
    assert of_type(said, "Dockerfile", Stage)[0].manifests == ("requirements.txt",)


def test_a_file_is_followed_through_an_earlier_stage(tmp_path: Path) -> None:
    text = (
        "FROM python:3.12.7 AS a\nCOPY requirements.txt /in/\n"
        "FROM python:3.12.7\nCOPY --from=a /in/requirements.txt /r.txt\nRUN pip install -r /r.txt\n"
    )
    said = made(tmp_path, {"Dockerfile": text, "requirements.txt": "numpy\n"})
    assert of_type(said, "Dockerfile", Stage)[1].manifests == ("requirements.txt",)


def test_a_compose_file_says_in_which_folder_a_dockerfile_is_built(tmp_path: Path) -> None:
    said = made(
        tmp_path,
        {
            "docker/Dockerfile": "FROM python:3.12.7 AS dev\nCOPY app.py /\nFROM dev\n",
            "compose.yaml": "services:\n  a:\n    build: {context: ., dockerfile: docker/Dockerfile, target: dev}\n",
            "app.py": "",
        },
    )
    (used,) = of_type(said, "docker/Dockerfile", ContextFile)
    assert (used.state, used.context, used.certain) == ("found", "", True)
    (container,) = of_type(said, "compose.yaml", Container)
    assert container.stage is not None and container.stage.name == "dev"


def test_without_a_compose_file_the_folder_that_has_the_files_is_taken(tmp_path: Path) -> None:
    said = made(tmp_path, {"docker/Dockerfile": "FROM python:3.12.7\nCOPY src/app.py /\n", "src/app.py": ""})
    (used,) = of_type(said, "docker/Dockerfile", ContextFile)
    assert (used.state, used.project_path, used.certain) == ("found", "src/app.py", False)


def test_a_dockerignore_hides_files_and_one_beside_the_dockerfile_comes_first(tmp_path: Path) -> None:
    files = {"Dockerfile": DOCKERFILE, "requirements.txt": "numpy\n", ".dockerignore": "*\n"}
    (used,) = of_type(made(tmp_path, files), "Dockerfile", ContextFile)[:1]
    assert (used.state, used.ignore_path) == ("ignored", ".dockerignore")
    write(tmp_path, "Dockerfile.dockerignore", "*\n!requirements.txt\n")
    (used,) = of_type(made(tmp_path, {}), "Dockerfile", ContextFile)[:1]
    assert used.state == "found"


def test_a_folder_is_hidden_only_when_all_that_is_in_it_is(tmp_path: Path) -> None:
    files = {"Dockerfile": "FROM python:3.12.7\nCOPY src /src\n", "src/a.py": "", ".dockerignore": "src\n!src/a.py\n"}
    (used,) = of_type(made(tmp_path, files), "Dockerfile", ContextFile)
    assert used.state == "found"


def test_a_link_out_of_the_project_counts_as_missing(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("secret\n")
    root = tmp_path / "project"
    write(root, "Dockerfile", DOCKERFILE)
    (root / "requirements.txt").symlink_to(outside)
    (used,) = of_type(made(root, {}), "Dockerfile", ContextFile)[:1]
    assert used.state == "missing"


def test_a_manifest_is_held_by_the_lock_beside_it(tmp_path: Path) -> None:
    said = made(
        tmp_path,
        {
            "pyproject.toml": '[project]\nname = "x"\nversion = "1"\ndependencies = ["numpy>=1", "scipy"]\n',
            "uv.lock": (
                'version = 1\n[[package]]\nname = "numpy"\nversion = "2.1.3"\n'
                'source = { registry = "https://pypi.org/simple" }\n'
                'sdist = { url = "https://x.org/numpy.tar.gz", hash = "sha256:00" }\n'
            ),
        },
    )
    packages = {p.name: p for p in of_type(said, "pyproject.toml", Package)}
    assert packages["numpy"].pin.level == Level.HASHED
    assert packages["numpy"].locked is not None
    assert packages["scipy"].locked is None


def test_constraints_hold_what_a_requirements_file_leaves_open(tmp_path: Path) -> None:
    said = made(tmp_path, {"requirements.txt": "-c constraints.txt\nnumpy\n", "constraints.txt": "numpy==2.1.3\n"})
    (package,) = of_type(said, "requirements.txt", Package)
    assert package.pin.level == Level.IMMUTABLE


def test_requirements_that_include_each_other_end(tmp_path: Path) -> None:
    files = {"Dockerfile": DOCKERFILE, "requirements.txt": "a\n-r two.txt\n", "two.txt": "b\n-r requirements.txt\n"}
    (stage,) = of_type(made(tmp_path, files), "Dockerfile", Stage)
    assert [p.name for p in stage.packages] == ["a", "b"]


def test_an_override_file_completes_a_service(tmp_path: Path) -> None:
    said = made(
        tmp_path,
        {
            "compose.yaml": "services:\n  a:\n    image: x:1.2.3\n",
            "compose.override.yaml": "services:\n  a:\n    mem_limit: 1g\n",
        },
    )
    (container,) = of_type(said, "compose.yaml", Container)
    assert container.memory is None
    assert container.effective.memory is not None and container.effective.memory.value == "1g"


def test_values_of_the_env_file_fill_in_a_compose_file(tmp_path: Path) -> None:
    said = made(tmp_path, {"compose.yaml": "services:\n  a:\n    image: x:${TAG}\n", ".env": "TAG=1.2.3\n"})
    (container,) = of_type(said, "compose.yaml", Container)
    assert container.image is not None and container.image.image == "x:1.2.3"


@pytest.mark.parametrize(
    ("requirements", "expected"), [("numpy\n", 0), ("numpy>=1\n", 1), ("numpy==2.1.3\n", 2), ("./local\n", 2)]
)
def test_the_level_follows_from_the_loosest_input(tmp_path: Path, requirements: str, expected: int) -> None:
    said = made(tmp_path, {"requirements.txt": requirements})
    assert level_of(i.pin.level for i in said.inputs()) == expected


def test_a_file_that_cannot_be_read_gives_an_error_and_no_facts(tmp_path: Path) -> None:
    said = made(tmp_path, {"Dockerfile": "FROM python\n"})
    (tmp_path / "Dockerfile").unlink()
    found = said.facts("Dockerfile")
    assert found.facts == () and "cannot be read" in found.errors[0].message


def test_a_list_of_packages_with_any_name_is_judged_when_something_installs_from_it(tmp_path: Path) -> None:
    text = "FROM python:3.12.7\nCOPY deps.lst /\nRUN pip install -r /deps.lst\n"
    said = made(tmp_path, {"Dockerfile": text, "deps.lst": "numpy\n"})
    (package,) = of_type(said, "Dockerfile", Package)
    assert (package.name, package.source.path.endswith("deps.lst")) == ("numpy", True)


@pytest.mark.parametrize(
    "files",
    [
        {
            "compose.yaml": "services:\n  a:\n    build:\n      context: .\n"
            "      additional_contexts:\n        other: ./other\n"
        },
        {"compose.yaml": "services:\n  a:\n    build:\n      context: .\n      additional_contexts: ['other=../o']\n"},
        {".github/workflows/a.yml": "jobs:\n  a:\n    steps:\n      - run: docker build --build-context other=o .\n"},
        {
            ".github/workflows/a.yml": "jobs:\n  a:\n    steps:\n      - uses: docker/build-push-action@v6\n"
            "        with:\n          build-contexts: |\n            first=docker-image://alpine:3.20\n"
            "            other=./o\n          push: false\n"
        },
        {"Dockerfile": "# docker build --build-context other=../o .\nFROM other AS a\nCOPY --from=other /x /x\n"},
    ],
    ids=["compose mapping", "compose list", "command in a workflow", "action", "comment"],
)
def test_the_name_of_a_further_context_is_no_image(tmp_path: Path, files: dict[str, str]) -> None:
    text = "FROM other AS a\nCOPY --from=other /x /x\nRUN --mount=type=bind,from=other,target=/o true\nFROM another\n"
    images = of_type(made(tmp_path, {"Dockerfile": text, **files}), "Dockerfile", ImageRef)
    assert {image.local for image in images if image.image == "other"} == {True}
    assert {image.local for image in images if image.image == "another"} <= {False}


def test_an_image_that_a_context_is_stands_on_the_ladder_where_it_is_named(tmp_path: Path) -> None:
    text = (
        "services:\n  a:\n    build:\n      context: .\n"
        "      additional_contexts: {base: 'docker-image://alpine:latest', own: ./own}\n"
    )
    said = made(tmp_path, {"compose.yaml": text, "Dockerfile": "FROM base\n"})
    (image,) = of_type(said, "compose.yaml", ImageRef)
    assert (image.image, image.pin.level, image.source.slice(image.span)) == (
        "alpine:latest",
        Level.FLOATING,
        "alpine:latest",
    )

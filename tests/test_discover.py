"""Which files are found, what kind they are, and what stands in the way."""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro_audit import gitignore, kind
from repro_audit.discover import Tree, discover, kind_of
from repro_audit.filetree import MAX_BYTES

Write = Callable[[Mapping[str, "str | bytes"]], Path]
Git = Callable[..., str]

FROM = "FROM debian:12\n"


def only(paths: list[str], **options: object) -> Tree:
    trees = discover(paths, **options)  # type: ignore[arg-type]
    assert len(trees) == 1
    return trees[0]


def found(folder: Path, **options: object) -> dict[str, str]:
    return {file.path: file.kind for file in only([str(folder)], **options).files}


# --- kinds --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("Dockerfile", "dockerfile", FROM),
        ("dockerfile", "dockerfile", FROM),
        ("Dockerfile.gpu", "dockerfile", FROM),
        ("Dockerfile-dev", "dockerfile", FROM),
        ("Dockerfile.cuda12.4", "dockerfile", FROM),
        ("Dockerfile", "dockerfile", ""),
        ("api.Dockerfile", "dockerfile", FROM),
        ("api.dockerfile", "dockerfile", FROM),
        ("Containerfile", "dockerfile", FROM),
        ("Containerfile.prod", "dockerfile", FROM),
        ("base.Containerfile", "dockerfile", FROM),
        ("DockerfileGPU", "dockerfile", "# syntax=docker/dockerfile:1\nARG X=1\nFROM a\n"),
        ("Dockerfile.template", "dockerfile", FROM),
        ("requirements.txt", "requirements", "numpy\n"),
        ("requirements-dev.txt", "requirements", ""),
        ("requirements/base.txt", "requirements", "numpy\npandas\n"),
        ("dev-requirements.txt", "requirements", "numpy"),
        ("test_requirements.txt", "requirements", "numpy"),
        ("requirements.in", "requirements", "numpy"),
        ("requirements/base.in", "requirements", "numpy"),
        ("tools.in", "requirements", "numpy>=1.26\n"),
        ("constraints.txt", "constraints", "numpy==1.26.4\n"),
        ("constraints-3.11.txt", "constraints", "numpy==1.26.4\n"),
        ("pyproject.toml", "pyproject", ""),
        ("uv.lock", "uv-lock", ""),
        ("poetry.lock", "poetry-lock", ""),
        ("pdm.lock", "pdm-lock", ""),
        ("pylock.toml", "pylock", ""),
        ("pylock.dev.toml", "pylock", ""),
        ("Pipfile", "pipfile", ""),
        ("Pipfile.lock", "pipfile-lock", ""),
        ("environment.yml", "conda", "name: x\ndependencies: [python]\n"),
        ("environment-gpu.yaml", "conda", "dependencies:\n  - python=3.11\n"),
        ("conda_env.yml", "conda", "name: x\ndependencies:\n  - python=3.11\n"),
        ("compose.yaml", "compose", "services: {}\n"),
        ("compose.gpu.yml", "compose", ""),
        ("docker-compose.yml", "compose", ""),
        ("docker-compose.override.yaml", "compose", ""),
        ("compose-gpu.yml", "compose", "services:\n  a: {image: b}\n"),
        ("compose_storage.yml", "compose", "x-note: 1\nvolumes:\n  data:\n"),
        ("test-compose.yml", "compose", "services:\n  a: {image: b}\n"),
        (".devcontainer/devcontainer.json", "devcontainer", "// c\n{}"),
        (".devcontainer/python/devcontainer.json", "devcontainer", "{}"),
        (".devcontainer.json", "devcontainer", "{}"),
        (".github/workflows/ci.yml", "workflow", "on: push\n"),
        ("nested/.github/workflows/ci.yaml", "workflow", "on: push\n"),
        ("action.yml", "action", "runs:\n  using: composite\n"),
        (".dockerignore", "dockerignore", ".git\n"),
        ("api.Dockerfile.dockerignore", "dockerignore", ".git\n"),
        (".pre-commit-config.yaml", "pre-commit", "repos: []\n"),
        ("image.def", "apptainer", "Bootstrap: docker\nFrom: debian:12\n"),
        ("Singularity.gpu", "apptainer", "bootstrap: docker\n"),
    ],
)
def test_a_file_is_known_by_its_name_or_content(write: Write, name: str, kind: str, text: str) -> None:
    assert found(write({name: text})) == {name: kind}
    assert kind_of(name) == kind


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Dockerfile.md", "FROM nothing"),
        ("Dockerfile~", FROM),
        ("Dockerfile.swp", FROM),
        (".Dockerfile.swp", FROM),
        ("#Dockerfile#", FROM),
        (".#Dockerfile", FROM),
        ("Dockerfile.bak", FROM),
        ("dockerfile_parser.py", "FROM = 1"),
        ("dockerfiles.txt", "a/Dockerfile\nb/Dockerfile\n"),
        ("Dockerfile.j2", "FROM {{ base }}\n"),
        ("Dockerfile.erb", "FROM <%= base %>\n"),
        ("Dockerfile", "{% set base = 'debian' %}\nFROM {{ base }}\n"),
        ("Dockerfile.in", "FROM @BASE_IMAGE@\n"),
        ("Dockerfile.linux", '{{ include "a.tmpl" }}\nFROM debian\n'),
        ("MANIFEST.in", "include README.md\n"),
        ("config.h.in", "#define X @X@\n"),
        ("words.in", "apple\npear\n"),
        ("requirements/notes.txt", "What the system has to do.\n"),
        ("environment.yaml", "production:\n  url: x\n"),
        ("inventory.yml", "all:\n  hosts: {}\n"),
        ("composer.yaml", "services: {}\n"),
        ("compose-rules.yaml", "id: version-obsolete\nsummary: a rule about compose files\n"),
        ("docker-compose.yml", "services:\n{% for n in names %}\n"),
        ("action.yml", "name: not an action of GitHub's\n"),
        ("exports.def", "LIBRARY mylib\nEXPORTS\n"),
        ("README.txt", "numpy\n"),
        ("workflows/ci.yml", "on: push\n"),
    ],
)
def test_what_only_looks_alike_is_left_alone(write: Write, name: str, text: str) -> None:
    assert found(write({name: text})) == {}


def test_a_dockerfile_that_writes_a_template_is_still_a_dockerfile(write: Write) -> None:
    text = FROM + "RUN cat > /site.j2 <<EOF\n{% if x %}\nEOF\nRUN docker ps --format '{{.ID}}'\n"
    assert found(write({"Dockerfile": text})) == {"Dockerfile": "dockerfile"}


def test_bare_words_in_an_in_file_count_beside_what_pip_compile_made_of_it(write: Write) -> None:
    assert found(write({"deps/dev.in": "numpy\n", "deps/dev.txt": "numpy==1.26.4\n"})) == {
        "deps/dev.in": "requirements"
    }


# --- what is left out ---------------------------------------------------------------------------------------------


def test_git_ignored_files_and_tool_folders_are_left_out(write: Write) -> None:
    folder = write(
        {
            ".gitignore": "build/\n*.gen.Dockerfile\n!keep.gen.Dockerfile\n/top.Dockerfile\n",
            "Dockerfile": FROM,
            "build/Dockerfile": FROM,
            "x.gen.Dockerfile": FROM,
            "keep.gen.Dockerfile": FROM,
            "top.Dockerfile": FROM,
            "sub/top.Dockerfile": FROM,
            "sub/.gitignore": "Dockerfile.*\n",
            "sub/Dockerfile.a": FROM,
            "node_modules/x/Dockerfile": FROM,
            ".git/Dockerfile": FROM,
            "myenv/pyvenv.cfg": "",
            "myenv/lib/requirements.txt": "x",
        }
    )
    assert set(found(folder)) == {"Dockerfile", "keep.gen.Dockerfile", "sub/top.Dockerfile"}


def test_the_configured_exclude_is_relative_to_its_own_folder(write: Write) -> None:
    folder = write({"a/Dockerfile": FROM, "a/vendor/Dockerfile": FROM, "vendor/Dockerfile": FROM})
    assert set(found(folder, exclude=["vendor/"])) == {"a/Dockerfile"}
    assert set(found(folder, exclude=["/vendor"])) == {"a/Dockerfile", "a/vendor/Dockerfile"}
    assert set(found(folder / "a", exclude=["a/vendor"], exclude_from=str(folder))) == {"Dockerfile"}


def test_a_file_that_git_tracks_is_found_although_it_is_ignored(write: Write, git: Git) -> None:
    folder = write(
        {".gitignore": "build/\n*.lock\n", "build/Dockerfile": FROM, "build/Dockerfile.new": FROM, "uv.lock": ""}
    )
    git(folder, "init", "-q")
    git(folder, "add", "-f", "build/Dockerfile", "uv.lock")
    assert set(found(folder)) == {"build/Dockerfile", "uv.lock"}
    git(folder, "update-index", "--index-version", "4")
    assert set(found(folder)) == {"build/Dockerfile", "uv.lock"}


def test_patterns_of_the_enclosing_repository_count_in_a_subfolder(write: Write, git: Git) -> None:
    folder = write(
        {".gitignore": "sub/gen/\n", "sub/gen/Dockerfile": FROM, "sub/Dockerfile": FROM, "sub/o/Dockerfile": FROM}
    )
    git(folder, "init", "-q")
    (folder / ".git/info/exclude").write_text("o/\n")
    assert set(found(folder / "sub")) == {"Dockerfile"}


def test_a_repository_inside_another_is_not_ruled_by_the_outer_ignore_file(write: Write, git: Git) -> None:
    folder = write({".gitignore": "Dockerfile.*\n", "inner/Dockerfile.a": FROM, "Dockerfile.a": FROM})
    git(folder / "inner", "init", "-q")
    git(folder, "init", "-q")
    assert set(found(folder)) == {"inner/Dockerfile.a"}


def test_a_work_tree_whose_git_folder_stands_elsewhere_is_read_too(write: Write, git: Git) -> None:
    main = write({"main/a.Dockerfile": FROM})
    git(main / "main", "init", "-q")
    git(main / "main", "add", ".")
    git(main / "main", "commit", "-qm", "x")
    git(main / "main", "worktree", "add", "-q", "../other")
    (main / "main/.git/info/exclude").write_text("gen/\na.*\n")
    (main / "other/gen").mkdir()
    (main / "other/gen/Dockerfile").write_text(FROM)
    assert set(found(main / "other")) == {"a.Dockerfile"}


_NAMES = (
    "a",
    "b",
    "ab",
    "Dockerfile",
    "a.Dockerfile",
    "b.Dockerfile",
    "Dockerfile.a",
    "é",
    "a b",
    "[a]",
    "a*",
    "!a",
    "#a",
)
_ATOMS = [
    *"a b ab * ** ? / // \\ ! # [ab] [!a] [^b] [a-b] [[:alpha:]] [[:punct:]] [] [a ] - . .Dockerfile Dockerfile".split(),
    *"*.Dockerfile a/ /a a/b **/a a/** a/**/b *a*b* é \\* \\# \\! \\[a]".split(),
    *(" ", "  ", "\t", "\r", "\\ "),
]
_PATTERN = st.lists(st.sampled_from(_ATOMS), min_size=1, max_size=4).map("".join)
_LINES = st.lists(_PATTERN, max_size=5).map("\n".join)
_FOLDERS = st.sampled_from(["", "a", "b", "a/b", "ab", "a/b/a", "é"])


@given(
    paths=st.sets(st.tuples(_FOLDERS, st.sampled_from(_NAMES)), min_size=1, max_size=12),
    ignores=st.dictionaries(_FOLDERS, _LINES, min_size=1, max_size=3),
    exclude=_LINES,
    tracked=st.integers(0, 3),
)
def test_what_git_leaves_out_is_left_out_and_nothing_else(
    paths: set[tuple[str, str]], ignores: dict[str, str], exclude: str, tracked: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
        for place, leaf in sorted(paths):
            path = folder / place / leaf
            if not path.is_dir() and not any(above.is_file() for above in path.parents):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(FROM)
        files = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and ".git" not in p.parts)
        if tracked:
            subprocess.run(["git", "--literal-pathspecs", "add", "-f", "--", *files[::tracked]], cwd=folder, check=True)
        for place, lines in ignores.items():
            if (folder / place).is_dir():
                (folder / place / ".gitignore").write_text(lines)
        (folder / ".git/info/exclude").write_text(exclude)
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--others", "--cached", "--exclude-standard"],
            cwd=folder,
            check=True,
            capture_output=True,
        )
        expected = {os.fsdecode(path) for path in listed.stdout.split(b"\0") if path}
        assert set(found(folder)) == {path for path in expected if kind_of(path) == "dockerfile"}


@pytest.mark.parametrize(
    "text",
    [
        "a" + " " * 250_000 + "!",
        "a" * 250_000 + "!",
        "#" * 250_000,
        " " * 250_000,
        "FROM " * 50_000,
        "\n" * 250_000 + "x",
        "[" * 250_000,
        "a[" + "," * 250_000,
        "\n# x" * 60_000 + "\n{",
        "services" * 30_000,
        "FROM \\\n" * 40_000 + "{",
    ],
)
def test_telling_kinds_apart_takes_no_longer_for_odd_texts(text: str) -> None:
    start = time.perf_counter()
    kind.by_content(text)
    for name in (
        "Dockerfile",
        "Dockerfile.in",
        "compose.yml",
        "a-compose.yml",
        "env.yml",
        "action.yml",
        "x.in",
        "x.def",
    ):
        guess = kind.guess(name)
        assert guess is not None
        if guess.confirm is not None:
            guess.confirm(text)
    assert time.perf_counter() - start < 2


def test_an_ignore_pattern_cannot_make_the_walk_slow() -> None:
    patterns = gitignore.parse(b"a*" * 40 + b"b\n" + b"**/a/" * 40 + b"b\n")
    assert patterns is not None
    start = time.perf_counter()
    assert patterns.verdict([b"a" * 250], False) is None
    assert patterns.verdict([b"a"] * 1500, False) is None
    assert time.perf_counter() - start < 1


# --- paths on the command line ------------------------------------------------------------------------------------


def test_a_named_file_is_taken_even_if_it_is_ignored_and_its_root_is_the_repository(write: Write, git: Git) -> None:
    folder = write({".gitignore": "*\n", "sub/Dockerfile": FROM, "sub/odd.name": "# x\n\nARG A=1\nFROM $A\n"})
    git(folder, "init", "-q")
    tree = only(["Dockerfile", "odd.name"], cwd=str(folder / "sub"), exclude=["sub"])
    assert tree.root == str(folder)
    assert [(file.path, file.shown, file.kind) for file in tree.files] == [
        ("sub/Dockerfile", "Dockerfile", "dockerfile"),
        ("sub/odd.name", "odd.name", "dockerfile"),
    ]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("FROM a\nRUN b\n", "dockerfile"),
        ("Bootstrap: docker\n", "apptainer"),
        ("on: push\njobs: {}\n", "workflow"),
        ("services:\n  a: {image: b}\n", "compose"),
        ("name: x\ndependencies: [python]\n", "conda"),
        ("numpy==1.26.4 \\\n  --hash=sha256:00\n", "requirements"),
    ],
)
def test_a_named_file_without_a_telling_name_is_known_by_its_content(write: Write, text: str, kind: str) -> None:
    folder = write({"something": text})
    assert [file.kind for file in only([str(folder / "something")]).files] == [kind]


def test_named_paths_that_cannot_be_audited_say_why(write: Write) -> None:
    folder = write({"notes": "Just words here.\n", "Dockerfile.j2": "FROM {{ x }}\n", "Dockerfile": FROM})
    os.mkfifo(folder / "pipe")
    tree = only(["notes", "Dockerfile.j2", "gone", "pipe", "Dockerfile"], cwd=str(folder))
    assert {trouble.shown: trouble.reason for trouble in tree.problems} == {
        "notes": "unknown",
        "Dockerfile.j2": "template",
        "gone": "missing",
        "pipe": "unreadable",
    }
    assert all(trouble.named for trouble in tree.problems)
    assert [file.path for file in tree.files] == ["Dockerfile"]


def test_each_folder_is_a_tree_and_what_lies_in_another_belongs_to_that(write: Write) -> None:
    folder = write({"a/Dockerfile": FROM, "a/in/Dockerfile": FROM, "b/Dockerfile": FROM})
    trees = discover(["a", "a/in", "a/Dockerfile", "b", "./b"], cwd=str(folder))
    assert [[file.shown for file in tree.files] for tree in trees] == [
        ["a/Dockerfile", "a/in/Dockerfile"],
        ["b/Dockerfile"],
    ]
    assert [tree.root for tree in trees] == [str(folder / "a"), str(folder / "b")]


def test_a_folder_that_is_ignored_is_walked_when_it_is_named(write: Write) -> None:
    folder = write({".gitignore": "gen/\n", "gen/Dockerfile": FROM, "Dockerfile": FROM})
    assert [file.path for file in only([".", "gen"], cwd=str(folder)).files] == ["Dockerfile", "gen/Dockerfile"]


def test_files_are_shown_as_they_can_be_opened_from_where_the_user_stands(write: Write) -> None:
    folder = write({"a/Dockerfile": FROM, "b/x": ""})
    assert [f.shown for f in only(["../a"], cwd=str(folder / "b")).files] == ["../a/Dockerfile"]
    assert [f.shown for f in only(["../a/Dockerfile"], cwd=str(folder / "b")).files] == ["../a/Dockerfile"]
    assert [f.shown for f in only([str(folder / "a")], cwd=str(folder)).files] == ["a/Dockerfile"]
    assert [f.shown for f in only([str(folder / "a")], cwd=str(folder / "b")).files] == [f"{folder}/a/Dockerfile"]
    assert [f.shown for f in only(["."], cwd=str(folder / "a")).files] == ["Dockerfile"]
    assert only(["."], cwd=str(folder)).shown("") == "."
    assert only(["a"], cwd=str(folder)).shown("") == "a"


def test_standard_input_is_taken_for_the_named_file(write: Write) -> None:
    folder = write({"sub/requirements.txt": "numpy\n"})
    tree = only(["-"], stdin_name="sub/Dockerfile", stdin=b"FROM a\n", cwd=str(folder))
    assert [(file.shown, file.kind) for file in tree.files] == [("sub/Dockerfile", "dockerfile")]
    assert tree.read("sub/Dockerfile") == b"FROM a\n"
    assert tree.read("sub/requirements.txt") == b"numpy\n"
    unknown = only(["-"], stdin=b"hello there\n", cwd=str(folder))
    assert [(trouble.shown, trouble.reason) for trouble in unknown.problems] == [("stdin", "unknown")]


def test_a_folder_named_dockerfile_is_walked(write: Write) -> None:
    assert found(write({"Dockerfile/Dockerfile": FROM})) == {"Dockerfile/Dockerfile": "dockerfile"}


# --- what stands in the way ---------------------------------------------------------------------------------------


def test_links_are_followed_only_inside_the_tree(write: Write, tmp_path: Path) -> None:
    folder = write({"docker/prod": FROM, "docker/Dockerfile": FROM, "sub/x": ""})
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/Dockerfile").write_text(FROM)
    (folder / "Dockerfile").symlink_to("docker/prod")
    (folder / "Dockerfile.same").symlink_to("docker/Dockerfile")
    (folder / "Dockerfile.broken").symlink_to("nowhere")
    (folder / "Dockerfile.loop").symlink_to("Dockerfile.loop")
    (folder / "Dockerfile.out").symlink_to(tmp_path / "secret/Dockerfile")
    (folder / "sub/up").symlink_to("..")
    (folder / "sub/away").symlink_to(tmp_path / "secret")
    tree = only([str(folder)])
    assert [file.path for file in tree.files] == ["Dockerfile", "docker/Dockerfile"]
    assert {trouble.path: trouble.reason for trouble in tree.problems} == {
        "Dockerfile.broken": "broken-link",
        "Dockerfile.loop": "broken-link",
        "Dockerfile.out": "outside",
    }
    assert not any(trouble.named for trouble in tree.problems)
    for path in ("Dockerfile.out", "sub/away/Dockerfile", "../secret/Dockerfile", str(tmp_path / "secret/Dockerfile")):
        assert not tree.exists(path)
        with pytest.raises(OSError, match="outside"):
            tree.read(path)
    assert tree.read("Dockerfile") == FROM.encode()
    assert tree.exists("sub/up/docker")
    assert tree.is_dir("sub/up/docker")


def test_a_link_that_the_user_names_is_read_wherever_it_leads(write: Write, tmp_path: Path) -> None:
    folder = write({"x": ""})
    (tmp_path / "real").write_text(FROM)
    (folder / "Dockerfile").symlink_to(tmp_path / "real")
    tree = only([str(folder / "Dockerfile")])
    assert tree.read(tree.files[0].path) == FROM.encode()


def test_pipes_sockets_and_devices_are_never_opened(write: Write) -> None:
    folder = write({"Dockerfile.ok": FROM})
    os.mkfifo(folder / "Dockerfile")
    os.mkfifo(folder / ".gitignore")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(folder)
        try:
            server.bind("compose.yaml")
        finally:
            os.chdir(here)
        tree = only([str(folder)])
    assert [file.path for file in tree.files] == ["Dockerfile.ok"]
    assert [(trouble.path, trouble.reason) for trouble in tree.problems] == [
        ("Dockerfile", "special"),
        ("compose.yaml", "special"),
    ]
    with pytest.raises(OSError, match="regular file"):
        tree.read("Dockerfile")


def test_a_folder_that_cannot_be_read_is_a_problem_and_the_rest_is_found(write: Write) -> None:
    folder = write({"closed/Dockerfile": FROM, "open/Dockerfile": FROM, "open/hidden.def": "Bootstrap: docker"})
    os.chmod(folder / "closed", 0)
    os.chmod(folder / "open/hidden.def", 0)
    for above in (folder, *folder.parents):
        if above != Path("/tmp") and above.owner() == Path.home().owner() and above.stat().st_uid == os.geteuid():
            os.chmod(above, above.stat().st_mode | 0o055)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        tree = only([str(folder)])
    finally:
        if root:
            os.seteuid(0)
        os.chmod(folder / "closed", 0o755)
    assert [file.path for file in tree.files] == ["open/Dockerfile"]
    assert [(trouble.path, trouble.reason) for trouble in tree.problems] == [("closed", "unreadable")]


def test_a_file_that_vanishes_is_an_error_of_reading_it_only(write: Write) -> None:
    folder = write({"Dockerfile": FROM})
    tree = only([str(folder)])
    (folder / "Dockerfile").unlink()
    with pytest.raises(FileNotFoundError):
        tree.read("Dockerfile")
    assert not tree.exists("Dockerfile")


def test_any_name_that_the_disk_can_hold_is_found(write: Write) -> None:
    folder = write({"x": ""})
    names = [
        b"new\nline.Dockerfile",
        b"\xff\xfe.Dockerfile",
        "grün.Dockerfile".encode(),
        b" .Dockerfile",
        b"-x.Dockerfile",
    ]
    for name in names:
        with open(os.path.join(os.fsencode(folder), name), "wb") as file:
            file.write(FROM.encode())
    tree = only([str(folder)])
    assert {os.fsencode(file.path) for file in tree.files} == set(names)
    assert all(tree.read(file.path) == FROM.encode() for file in tree.files)


def test_a_path_no_file_can_have_is_missing_rather_than_an_error(write: Write) -> None:
    tree = only([str(write({"Dockerfile": FROM}))])
    assert not tree.exists("a\0b")
    assert not tree.exists("x" * 5000)
    with pytest.raises(OSError, match="no file has such a name"):
        tree.read("a\0b")
    assert [trouble.reason for trouble in only(["a\0b", "x" * 5000]).problems] == ["missing", "missing"]


def test_a_tree_deeper_than_a_path_may_be_long_is_walked_as_far_as_that(write: Write) -> None:
    folder = write({"Dockerfile": FROM})
    here = os.open(folder, os.O_RDONLY)
    step = "d" * 200
    for _ in range(30):
        os.mkdir(step, dir_fd=here)
        below = os.open(step, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    tree = only([str(folder)])
    assert [file.path for file in tree.files] == ["Dockerfile"]
    assert [trouble.reason for trouble in tree.problems] == ["unreadable"]
    subprocess.run(["rm", "-rf", str(folder)], check=True)


def test_a_file_larger_than_the_limit_is_not_read(write: Write) -> None:
    folder = write({"Dockerfile": FROM, "Dockerfile.large": FROM})
    with open(folder / "Dockerfile.large", "r+b") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(OSError, match="64 MiB"):
        only([str(folder)]).read("Dockerfile.large")


# --- the tree -----------------------------------------------------------------------------------------------------


def test_a_listing_has_every_file_and_git_as_one_entry(write: Write) -> None:
    folder = write({".gitignore": "out/\n", "out/a": "", "sub/b": "", ".git/config": "", "node_modules/c": ""})
    (folder / "sub/link").symlink_to("..")
    (folder / "sub/empty").mkdir()
    tree = only([str(folder)])
    assert tree.listing("") == (".git", ".gitignore", "node_modules/c", "out/a", "sub/b", "sub/link")
    assert tree.listing("sub") == ("sub/b", "sub/link")
    assert tree.listing("..") == ()
    assert tree.listing("nowhere") == ()


def test_a_tree_can_be_sent_to_another_process(write: Write) -> None:
    tree = pickle.loads(pickle.dumps(only([str(write({"Dockerfile": FROM}))])))
    assert tree.read("Dockerfile") == FROM.encode()


def test_ten_thousand_files_are_walked_in_a_moment(tmp_path: Path) -> None:
    for number in range(100):
        folder = tmp_path / f"{number % 10}" / f"{number}"
        folder.mkdir(parents=True)
        for each in range(100):
            os.close(os.open(folder / f"f{each}.{'txt' if each % 2 else 'yml'}", os.O_CREAT | os.O_WRONLY))
    (tmp_path / "9/Dockerfile").write_text(FROM)
    (tmp_path / ".gitignore").write_text("*.log\nbuild/\n")
    start = time.perf_counter()
    assert len(only([str(tmp_path)]).files) == 1
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize("comment", ["# note\r\n", "# note\n", "\r\n", " \t#\r\r\n"])
def test_a_long_preface_is_told_from_a_dockerfile_in_linear_time(comment: str) -> None:
    assert kind.by_content(comment * 2_000 + "FROM debian\n") == "dockerfile"
    assert kind.by_content(comment * 2_000 + "Not one.\nFROM debian\n") is None


def test_links_of_folders_are_followed_inside_the_tree_only(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "file").write_text("x")
    (tmp_path / "out" / "a").mkdir(parents=True)
    (tmp_path / "out" / "file").write_text("x")
    (root / "a" / "link").symlink_to("b")
    (root / "again").symlink_to("a/link")
    (root / "out").symlink_to("../out")
    (tmp_path / "out" / "back").symlink_to("../root/a")
    (root / "loop").symlink_to("loop")
    tree = Tree(str(root))
    paths = (
        "a/b a/link again ./a/./b a//b out out/back/b out/a/../../root/a/b loop loop/x nothing again/nothing".split()
    )
    expected = {
        path: os.path.exists(place := root / path / "file") and root in place.resolve().parents for path in paths
    }
    assert {path: tree.exists(f"{path}/file") for path in paths} == expected
    assert expected["again"] and expected["out/back/b"] and not expected["out"]
    assert not tree.exists(str(tmp_path / "out" / "file"))


def test_the_parents_of_a_deep_folder_are_looked_at_once_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    depth = 200
    folder = tmp_path.joinpath(*["d"] * depth)
    folder.mkdir(parents=True)
    tree = Tree(str(tmp_path))
    looked = []
    lstat = os.lstat
    monkeypatch.setattr(os, "lstat", lambda path, **more: looked.append(path) or lstat(path, **more))
    for parent in range(depth + 1):
        assert not tree.exists("d/" * parent + ".dockerignore")
    assert len(looked) < 4 * depth

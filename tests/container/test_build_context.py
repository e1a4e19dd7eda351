from __future__ import annotations

import os
from pathlib import Path

import pytest

from repro_audit.container.build_context import commit_time, copy, digest, entries, reaches_builder
from repro_audit.container.engine import need_space, scratch
from repro_audit.container.engine_error import EngineError


def test_ignored_files_do_not_reach_the_builder(write) -> None:
    project = write(
        {"Dockerfile": "", ".dockerignore": "*.log\ndata\n!data/kept\n", "a.log": "", "data/x": "", "data/kept": ""}
    )
    listed = [e.path for e in entries(str(project), str(project / "Dockerfile"))]
    assert listed == [".dockerignore", "Dockerfile", "data/kept"]


def test_the_ignore_file_of_the_dockerfile_goes_first(write) -> None:
    project = write({"x.Dockerfile": "", ".dockerignore": "a\n", "x.Dockerfile.dockerignore": "b\n", "a": "", "b": ""})
    listed = [e.path for e in entries(str(project), str(project / "x.Dockerfile"))]
    assert "a" in listed and "b" not in listed


def test_the_digest_tells_content_mode_and_settings_but_no_times(write) -> None:
    text = "FROM scratch\nCOPY . /\n"
    project = write({"Dockerfile": text, "a": "1", ".dockerignore": "ignored\n", "ignored": "1"})
    place = str(project), str(project / "Dockerfile")
    before = digest(*place)
    os.utime(project / "a", (1, 1))
    (project / "ignored").write_text("2")
    assert digest(*place) == before
    assert digest(*place, ["target x"]).content != before.content
    os.chmod(project / "a", 0o755)
    changed = digest(*place)
    assert changed.content != before.content
    (project / "a").write_text("2")
    assert digest(*place).content not in (before.content, changed.content)


def test_permissions_that_git_does_not_keep_are_told_apart_from_content(write) -> None:
    project = write({"Dockerfile": "FROM scratch\nCOPY a /\n", "a": "1"})
    os.chmod(project / "a", 0o644)
    before = digest(str(project), str(project / "Dockerfile"))
    os.chmod(project / "a", 0o664)
    after = digest(str(project), str(project / "Dockerfile"))
    assert after.content == before.content
    assert after.modes != before.modes


def test_a_copy_can_have_the_permissions_of_a_checkout_under_another_umask(write, tmp_path: Path) -> None:
    project = write({"Dockerfile": "FROM scratch\n", "a": "1", "run": "1", "b/c": "1"})
    os.chmod(project / "a", 0o640)
    os.chmod(project / "run", 0o750)
    copy(str(project), str(project / "Dockerfile"), str(tmp_path / "copy"), umask=0o002)
    modes = {name: (tmp_path / "copy" / name).stat().st_mode & 0o7777 for name in ("a", "run", "b", "b/c")}
    assert modes == {"a": 0o664, "run": 0o775, "b": 0o775, "b/c": 0o664}


def test_a_copy_has_the_same_digest_whatever_its_order_and_time(write, tmp_path: Path) -> None:
    project = write(
        {"sub/Dockerfile": "FROM scratch\nCOPY . /\n", "a": "1", "b/c": "2", ".dockerignore": "no\nsub\n", "no": "x"}
    )
    os.symlink("a", project / "link")
    os.symlink("/etc/passwd", project / "outside")
    own = copy(str(project), str(project / "sub/Dockerfile"), str(tmp_path / "copy"), backwards=True, time=5.0)
    assert not (tmp_path / "copy/no").exists()
    assert os.readlink(tmp_path / "copy/outside") == "/etc/passwd"
    assert digest(str(tmp_path / "copy"), own) == digest(str(project), str(project / "sub/Dockerfile"))


def test_a_report_in_the_context_is_told_when_the_builder_gets_it(write) -> None:
    project = write({"Dockerfile": "FROM scratch\nCOPY . /\n", "a": "1", ".dockerignore": "*.html\n"})
    place = str(project), str(project / "Dockerfile")
    told = [reaches_builder(*place, str(project / name)) for name in ("verify.json", "x.html", "../verify.json")]
    assert told == [True, False, False]
    (project / "Dockerfile").write_text("FROM scratch\nCOPY a /\n")
    assert not reaches_builder(*place, str(project / "verify.json"))


def test_a_dockerfile_outside_of_the_context_is_copied_beside_it(write, tmp_path: Path) -> None:
    project = write({"context/a": "1", "Other": "FROM scratch\n"})
    own = copy(str(project / "context"), str(project / "Other"), str(tmp_path / "copy"))
    assert Path(own).read_text() == "FROM scratch\n"
    assert not own.startswith(f"{tmp_path}/copy/")


def test_the_time_of_the_last_commit_is_read_without_running_what_the_repository_configures(
    write, git, tmp_path
) -> None:
    project = write({"a": "1"})
    assert commit_time(str(tmp_path)) is None
    git(project, "init")
    git(project, "add", "-A")
    git(project, "commit", "-m", "x")
    mark = tmp_path / "ran"
    for name in ("core.pager", "core.fsmonitor", "gpg.program", "log.showSignature"):
        git(project, "config", name, "true" if "show" in name else f"touch {mark}; false")
    assert commit_time(str(project)) == int(git(project, "cat-file", "commit", "HEAD").split(">", 1)[1].split()[0])
    assert not mark.exists()


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="MiB free"):
        need_space(str(tmp_path / "x"), 1 << 60)


def test_scratch_folders_are_gone_whatever_happens() -> None:
    made = []

    def interrupted() -> None:
        with scratch() as folder:
            made.append(folder)
            os.makedirs(f"{folder}/a/b")
            os.chmod(f"{folder}/a", 0o500)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert made and not os.path.exists(made[0])

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from daemons import Rig

EVERY = ("docker", "docker-buildkit", "moby", "buildx", "podman", "buildah")
every_engine = pytest.mark.parametrize("rig", EVERY, indirect=True)
EPOCH = "1700000000"


def verified(rig: Rig, project: Path, *words: str, status: int, epoch: bool = True) -> dict:
    """The JSON report of a verification that ends with this status."""
    words = (*words, *(("--source-date-epoch", EPOCH) if epoch else ()))
    return json.loads(rig.run("verify", str(project), "--format=json", *words, check=status).stdout)


def found(report: dict) -> dict[str, dict]:
    """The differences that count, by path."""
    return {each["path"]: each for each in report["differences"] if not each["harmless"]}


@pytest.mark.parametrize("rig", ["moby", "boxed", "buildx", "podman", "buildah"], indirect=True)
def test_a_project_that_only_copies_reaches_level_four(rig: Rig, write) -> None:
    project = write({"Dockerfile": f"FROM {rig.base}\nWORKDIR /work\nCOPY . .\n", "a": "1", "b/c": "2", "b/d": "3"})
    report = verified(rig, project, "--strict", status=0)
    assert (report["result"], report["level"]) == ("identical", 4)
    assert report["images"][0]["manifest"] == report["images"][1]["manifest"]


@every_engine
def test_a_project_whose_times_differ_reaches_level_three(rig: Rig, write) -> None:
    project = write({"Dockerfile": f"FROM {rig.base}\nRUN echo 1 > /made && mkdir /folder\nCOPY a /a\n", "a": "1"})
    report = verified(rig, project, status=0, epoch=False)
    assert (report["result"], report["level"]) == ("same-files", 3)
    assert "not in force" in report["conditions"]["SOURCE_DATE_EPOCH"]
    rig.run("verify", str(project), "--strict", "--quiet", check=1)


@every_engine
def test_a_file_that_differs_is_led_back_to_its_line_and_cause(rig: Rig, write) -> None:
    text = f"FROM {rig.base}\nRUN echo same > /same\nRUN date +%s%N > /stamp\nCOPY a /a\n"
    report = verified(rig, write({"Dockerfile": text, "a": "1"}), status=1)
    assert report["result"] == "different"
    assert set(found(report)) == {"/stamp"}
    stamp = found(report)["/stamp"]
    assert stamp["instruction"]["line"] == 3
    assert "content" in stamp["kinds"]
    assert stamp["cause"] == "embedded-date"
    assert stamp["remedy"]


@every_engine
def test_conditions_that_must_not_matter_do_not(rig: Rig, write) -> None:
    text = f"FROM {rig.base}\nRUN umask > /mask && echo ${{LANG:-none}} > /lang && pwd > /place\nCOPY . /src\n"
    files = {f"d/{n}": str(n) for n in range(12)}
    report = verified(rig, write({"Dockerfile": text, **files}), status=0)
    assert found(report) == {}
    assert "order of files" in report["conditions"]["varied"]


@pytest.mark.parametrize("rig", ["buildx"], indirect=True)
def test_a_hostname_that_is_written_down_differs_unless_nothing_is_varied(rig: Rig, write) -> None:
    project = write({"Dockerfile": f"FROM {rig.base}\nRUN hostname > /name\n"})
    assert set(found(verified(rig, project, status=1))) == {"/name"}
    report = verified(rig, project, "--vary=none", status=0)
    assert report["conditions"]["varied"] == "nothing"


@pytest.mark.parametrize("rig", ["docker", "podman"], indirect=True)
def test_a_fresh_build_is_compared_with_an_archive_and_with_an_image(rig: Rig, write, tmp_path: Path) -> None:
    project = write({"Dockerfile": f"FROM {rig.base}\nCOPY a /a\n", "a": "1"})
    name = f"localhost/kept-{rig.name}:1"
    rig.run("build", str(project), "--tag", name, check=0)
    rig.ask("save", "--output", str(tmp_path / "kept.tar"), name)
    verified(rig, project, f"--against={name}", status=0)
    verified(rig, project, f"--against={tmp_path}/kept.tar", status=0)
    (project / "a").write_text("2")
    report = verified(rig, project, f"--against={tmp_path}/kept.tar", status=1)
    assert set(found(report)) == {"/a"}
    both = rig.run("verify", f"--image={name}", f"--against={tmp_path}/kept.tar", "--format=json", check=0)
    assert json.loads(both.stdout)["level"] == 4
    rig.ask("rmi", name)


def test_permissions_that_follow_the_umask_of_a_checkout_differ_only_when_asked_for(rig_of, write) -> None:
    rig = rig_of("moby")
    files = {"a": "1", "b/c": "2", "d": "3"}
    project = write({"Dockerfile": f"FROM {rig.base}\nCOPY a b /kept/\nCOPY --chmod=755 d /set\n", **files})
    verified(rig, project, "--strict", status=0)
    report = verified(rig, project, "--vary=all", status=1)
    assert set(found(report)) == {"/kept/a", "/kept/c"}
    for each in found(report).values():
        assert (each["cause"], each["kinds"], each["instruction"]["line"]) == ("umask", ["mode"], 2)
        assert "--chmod" in each["remedy"]


def test_what_cannot_be_compared_ends_with_status_two(rig_of, write, tmp_path: Path) -> None:
    rig = rig_of("podman")
    (tmp_path / "bad.tar").write_bytes(b"no tar at all")
    project = write({"Dockerfile": f"FROM {rig.base}\n"})
    rig.run("verify", str(project), f"--against={tmp_path}/bad.tar", "--quiet", check=2)
    rig.run("verify", str(project), f"--against={tmp_path}/missing.tar", "--quiet", check=2)
    done = rig.run("verify", str(write({"Dockerfile": f"FROM {rig.base}\nRUN false\n"})), "--quiet", check=2)
    assert "Dockerfile:2: command-failed" in done.stderr


def test_a_record_proves_its_level_until_an_input_changes(rig_of, write) -> None:
    from repro_audit.verify.record import proven

    rig = rig_of("podman")
    project = write({"Dockerfile": f"FROM {rig.base}\nCOPY . /app\n", "a": "1", ".dockerignore": "note\nproof.json\n"})
    record = project / "proof.json"
    verified(rig, project, f"--record={record}", status=0)
    assert proven(str(record)).level == 4
    (project / "note").write_text("ignored")
    assert proven(str(record)).level == 4
    (project / "a").write_text("2")
    changed = proven(str(record))
    assert changed.level is None
    assert "changed" in changed.reason


def test_the_time_of_the_last_commit_is_in_force(rig_of, write, git) -> None:
    rig = rig_of("buildx")
    project = write({"Dockerfile": f"FROM {rig.base}\nRUN echo $SOURCE_DATE_EPOCH > /epoch\n"})
    git(project, "init")
    git(project, "add", "-A")
    git(project, "commit", "-m", "x")
    when = git(project, "log", "-1", "--format=%ct").strip()
    report = verified(rig, project, "--strict", epoch=False, status=0)
    told = report["conditions"]["SOURCE_DATE_EPOCH"]
    assert told.startswith(f"{when} (20")
    assert told.endswith("UTC, the last commit)")
    assert report["conditions"]["rewrite-timestamp"] == "true"


@every_engine
def test_verifying_leaves_nothing_behind(rig: Rig, write, tmp_path) -> None:
    if rig.name == "buildx":
        pytest.skip("a BuildKit of its own keeps no images")
    project = str(write({"Dockerfile": f"FROM {rig.base}\nCOPY a /a\nRUN date > /b\n", "a": "1"}))
    rig.run("build", project, check=0)  # brings the base image, which stays
    before = rig.leftovers()
    # A folder of its own: other tests put theirs beside it meanwhile.
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    rig = replace(rig, env=rig.env | {"TMPDIR": str(temporary)})
    rig.run("verify", project, check=1)
    assert rig.leftovers() - before == set()
    assert [name for name in os.listdir(temporary) if name.startswith("repro-audit-")] == []

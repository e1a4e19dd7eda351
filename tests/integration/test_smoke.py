from __future__ import annotations

import json

import pytest
from daemons import Rig


def test_an_engine_without_an_nvidia_runtime_is_told_from_an_image_that_fails(rig_of) -> None:
    rig = rig_of("docker")
    rig.ask("pull", rig.base)
    done = rig.run("smoke", "--image", rig.base, "--format", "json", check=2)
    report = json.loads(done.stdout)
    assert report["outcome"] in ("no-runtime", "no-gpu")
    assert report["remedy"]


def test_an_image_that_is_not_there_is_named(rig_of) -> None:
    rig = rig_of("docker")
    report = json.loads(rig.run("smoke", "--image", "localhost:1/none:1", "--format", "json", check=2).stdout)
    assert report["outcome"] in ("no-image", "engine-failed")


def test_what_was_built_for_the_test_is_gone_after_it(rig_of, write, tmp_path) -> None:
    rig = rig_of("docker")
    project = write({"Dockerfile": f"FROM {rig.base}\nRUN echo for the test > /x\n"})
    rig.run("smoke", str(project), "--record", str(tmp_path / "kept.json"), check=2)
    assert json.loads((tmp_path / "kept.json").read_text())["recorded"]
    assert "repro-audit" not in rig.ask("images") + rig.ask("ps", "--all")


def test_without_an_engine_nothing_can_be_tested(environment) -> None:
    rig = Rig("none", "auto", environment | {"PATH": "/nonexistent"}, "x")
    report = json.loads(rig.run("smoke", "--image", "x", "--format", "json", check=2).stdout)
    assert report["outcome"] == "no-engine"
    assert any("podman" in line for line in report["evidence"])


@pytest.mark.parametrize("gpus", ["all --privileged", "-1", "device=$(id)"])
def test_a_request_for_gpus_cannot_hold_options(rig_of, gpus: str) -> None:
    done = rig_of("docker").run("smoke", "--image", "x", f"--gpus={gpus}")
    assert done.returncode == 2
    assert "no valid request" in done.stderr + done.stdout

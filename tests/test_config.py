"""Configuration: where it is found, what it says, and how mistakes are told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from repro_audit import config
from repro_audit.config import Config, ConfigError
from repro_audit.finding import Severity


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_key_is_read_from_all_three_files(repository: Path) -> None:
    (repository / "repro-audit.toml").write_text(
        'select = ["pinning"]\nignore = "DL3006"\nextend-select = ["x"]\nexclude = ["old/"]\nprofile = "strict"\n'
        'fail-on = "never"\nrules = ["ci/rules"]\nbaseline = "b.json"\njobs = 3\nplatforms = ["linux/amd64"]\n'
        'trusted-registries = ["ghcr.io"]\nstrict-labels = true\n'
        '[gpu]\ntarget = ["H100"]\ndriver = 550\n[severity]\nimage-latest = "off"\n'
        '[per-file-ignores]\n"examples/**" = ["pip-unpinned"]\n[label-schema]\nauthor = "text"\n'
    )
    found = config.find("a/b")
    expected = Config(
        path="repro-audit.toml",
        folder=str(repository),
        select=("pinning",),
        ignore=("DL3006",),
        extend_select=("x",),
        severity={"image-latest": Severity.OFF},
        per_file_ignores={"examples/**": ("pip-unpinned",)},
        exclude=("old/",),
        profile="strict",
        fail_on="never",
        rules=("ci/rules",),
        baseline="b.json",
        jobs=3,
        gpu_target=("H100",),
        gpu_driver="550",
        platforms=("linux/amd64",),
        trusted_registries=("ghcr.io",),
        label_schema={"author": "text"},
        strict_labels=True,
    )
    assert found == expected
    assert {key.replace("-", "_").replace(".", "_") for key in config.KEYS} == {
        name for name in Config._fields if name not in ("path", "folder", "hadolint")
    }


def test_the_nearest_folder_counts_and_a_pyproject_without_our_table_is_passed_over(repository: Path) -> None:
    (repository / ".repro-audit.yaml").write_text("ignore: [a]\nseverity: {b: off}\n")
    (repository / "a" / "pyproject.toml").write_text('[project]\nname = "repro-audit-user"\n')
    assert config.find("a/b").ignore == ("a",)
    assert config.find("a/b").severity == {"b": Severity.OFF}
    (repository / "a" / "pyproject.toml").write_text('[tool.repro-audit]\nignore = ["c"]\n')
    assert config.find("a/b/Dockerfile").ignore == ("c",)
    assert config.find("a/b").folder == str(repository / "a")


def test_nothing_above_the_repository_is_read(repository: Path) -> None:
    inner = repository / "a"
    (inner / ".git").mkdir()
    (repository / "repro-audit.toml").write_text('ignore = ["x"]\n')
    assert config.find("a/b") == Config()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('ignor = ["a"]\n', "unknown key `ignor`; did you mean `ignore`?"),
        ("ignore = 3\n", "ignore: expected a list of texts, found a number"),
        ("ignore = [3]\n", "found a number in it"),
        ("jobs = 0\n", "jobs: expected a whole number from 1"),
        ("jobs = true\n", "jobs: expected a whole number from 1"),
        ('profile = "paranoid"\n', "profile: expected one of default, strict, found 'paranoid'"),
        ('[severity]\na = "eror"\n', "severity: expected one of error, warning, info, off, found 'eror'"),
        ("[gpu]\ntargt = []\n", "unknown key `gpu.targt`; did you mean `gpu.target`?"),
        ("severity = 1\n", "severity: expected a table"),
        ("= 1\n", "not valid TOML"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_was_expected(repository: Path, text: str, said: str) -> None:
    (repository / "repro-audit.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        config.find(".")
    assert str(caught.value).startswith("repro-audit.toml: ")
    assert said in str(caught.value)


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"a: [", b"- a\n", b"!!python/object:os.system {}\n"])
def test_broken_yaml_is_an_error_and_never_an_object(repository: Path, data: bytes) -> None:
    (repository / ".repro-audit.yaml").write_bytes(data)
    with pytest.raises(ConfigError):
        config.find(".")


def test_a_pipe_in_place_of_the_configuration_does_not_hang(repository: Path) -> None:
    os.mkfifo(repository / "repro-audit.toml")
    assert config.find(".").path == "repro-audit.toml"


def test_hadolints_configuration_is_honoured_where_ours_is_silent(repository: Path) -> None:
    (repository / ".hadolint.yaml").write_text(
        "ignored: [DL3008]\noverride: {error: [DL3015], style: [DL3009]}\nfailure-threshold: warning\n"
        "trustedRegistries: [docker.io]\nlabel-schema: {author: text}\nstrict-labels: true\n"
    )
    found = config.find("a")
    assert found.hadolint is not None
    assert found.hadolint.ignored == {"dl3008"}
    assert found.hadolint.severities == {"dl3015": Severity.ERROR, "dl3009": Severity.INFO}
    assert (found.fail_on, found.trusted_registries, found.strict_labels) == ("warning", ("docker.io",), True)
    (repository / "repro-audit.toml").write_text('fail-on = "info"\ntrusted-registries = ["ghcr.io"]\n')
    found = config.find("a")
    assert (found.fail_on, found.trusted_registries) == ("info", ("ghcr.io",))


def test_a_file_that_is_named_must_be_there_and_be_ours(repository: Path) -> None:
    with pytest.raises(ConfigError, match=r"nope\.toml: cannot be read: No such file"):
        config.read("nope.toml")
    (repository / "pyproject.toml").write_text("[tool.black]\n")
    with pytest.raises(ConfigError, match="no table"):
        config.read("pyproject.toml")

"""What users get: the wheel, the source archive, the hooks for pre-commit and the action for GitHub."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from repro_audit.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
REPRO_AUDIT = [sys.executable, "-m", "repro_audit"]

Git = Callable[..., str]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel and the source archive, the wheel being made from what is in the source archive."""
    out = tmp_path_factory.mktemp("dist")
    source = tmp_path_factory.mktemp("source") / "repro-audit"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    names = [os.fsdecode(name) for name in listed.stdout.split(b"\0") if name]
    if not names:
        pytest.skip("the source archive is made from a git checkout, and this is none")
    for name in names:
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name, follow_symlinks=False)
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out)]
    done = subprocess.run([*build, str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.whl")), next(out.glob("*.tar.gz"))


def test_the_wheel_carries_the_rules_and_the_compiled_rule_book(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[0]) as wheel:
        names = set(wheel.namelist())
        rules = {path.relative_to(ROOT / "rules").as_posix() for path in (ROOT / "rules").rglob("*.yaml")}
        assert rules
        assert {f"repro_audit/rules/{rule}" for rule in rules} <= names
        book = json.loads(wheel.read("repro_audit/rulebook.json"))
        assert {rule["id"] for rule in book["rules"]} == {rule.rpartition("/")[2][:-5] for rule in rules}
        modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "repro_audit").rglob("*.py")}
        assert modules <= names
        data = {
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / "repro_audit").rglob("*.json")
            if "__pycache__" not in path.parts
        }
        assert data <= names
        assert "repro_audit/py.typed" in names
        assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"repro_audit"}
        entry = next(name for name in names if name.endswith("entry_points.txt"))
        assert "repro-audit = repro_audit.cli.main:main" in wheel.read(entry).decode()
        metadata = wheel.read(entry.replace("entry_points.txt", "METADATA")).decode()
    assert "Requires-Python: >=3.10" in metadata
    assert "License-Expression: Apache-2.0" in metadata


def test_the_source_archive_has_all_that_building_and_testing_need(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in (
        "pyproject.toml",
        "hatch_build.py",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "action.yml",
        ".pre-commit-hooks.yaml",
        ".ci/run",
        "tests/conftest.py",
        "bench/run.py",
        "fixtures/research-platform/Dockerfile",
    ):
        assert name in names, name
    assert any(name.startswith("rules/") for name in names)
    assert not any("__pycache__" in name or name.startswith((".venv", "dist/")) for name in names)


def test_the_installed_wheel_audits_outside_of_the_checkout(built: tuple[Path, Path], tmp_path: Path) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(built[0]) as wheel:
        wheel.extractall(site)
    (tmp_path / "Dockerfile").write_text("FROM python\n")
    script = (
        f"import sys; sys.path.insert(0, {str(site)!r}); import repro_audit; assert {str(site)!r} in repro_audit.__file__; "
        "from repro_audit.cli.main import main; sys.argv = ['repro-audit', '--format', 'json', '.']; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "image-latest" in {finding["rule"] for finding in json.loads(done.stdout)["findings"]}


# --- pre-commit ---------------------------------------------------------------------------------------------------


def hooks() -> dict[str, dict[str, object]]:
    return {hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("Dockerfile", True),
        ("docker/Dockerfile.gpu", True),
        ("api.dockerfile", True),
        ("Containerfile", True),
        ("requirements.txt", True),
        ("requirements/dev.in", True),
        ("dev-requirements.txt", True),
        ("constraints.txt", True),
        ("compose.yaml", True),
        ("deploy/docker-compose.prod.yml", True),
        ("Dockerfile.md", False),
        ("Dockerfile.dockerignore", False),
        ("Dockerfile.j2", False),
        ("src/dockerfile.py", False),
        ("README.md", False),
        ("composer.json", False),
        ("values.yaml", False),
    ],
)
def test_the_hook_for_files_is_given_what_it_can_audit(name: str, taken: bool) -> None:
    hook = hooks()["repro-audit"]
    given = re.search(str(hook["files"]), name) and not re.search(str(hook["exclude"]), name)
    assert bool(given) == taken


def test_the_hooks_work_in_a_repository(tmp_path: Path, git: Git) -> None:
    """The hooks' own entries, run by pre-commit itself as `language: system` so that nothing is downloaded."""
    project = tmp_path / "project"
    project.mkdir()
    git(project, "init", "-q")
    (project / "Dockerfile").write_text("FROM python\n")
    (project / "environment.yml").write_text("name: x\ndependencies: [numpy]\n")
    git(project, "add", ".")
    script = tmp_path / "bin/repro-audit"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m repro_audit "$@"\n')
    script.chmod(0o755)
    local = [{**hook, "language": "system"} for hook in hooks().values()]
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"repos": [{"repo": "local", "hooks": local}]}))
    env = {
        **os.environ,
        "PATH": f"{script.parent}:{os.environ['PATH']}",
        "PRE_COMMIT_HOME": str(tmp_path / "home"),
        "PYTHONPATH": str(ROOT),
    }

    def run(hook: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "pre_commit", "run", "--config", str(config), "--all-files", hook]
        done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    status, output = run("repro-audit")
    assert status == 1, output
    assert "Dockerfile" in output
    assert "image-latest" in output
    assert "environment.yml" not in output
    status, output = run("repro-audit-repo")
    assert status == 1, output
    assert "environment.yml" in output


# --- the GitHub action --------------------------------------------------------------------------------------------


def action() -> dict[str, dict[str, object]]:
    loaded: dict[str, dict[str, object]] = yaml.safe_load((ROOT / "action.yml").read_text())
    return loaded


def steps() -> dict[str, dict[str, object]]:
    found = action()["runs"]["steps"]
    assert isinstance(found, list)
    return {step["name"]: step for step in found}


def test_the_action_lets_no_input_become_part_of_a_script() -> None:
    for name, step in steps().items():
        assert "${{" not in str(step.get("run", "")), name
        if "uses" in step:
            assert re.fullmatch(r"[\w/.-]+@[0-9a-f]{40}", str(step["uses"])), name


def test_every_input_of_the_action_is_used_and_every_used_one_exists() -> None:
    text = (ROOT / "action.yml").read_text()
    used = set(re.findall(r"inputs\.([\w-]+)", text))
    assert used == set(action()["inputs"])


def run_audit_step(folder: Path, temporary: Path, **inputs: str) -> tuple[dict[str, str], str, str]:
    """Run the action's `Audit` step as the runner does; gives its outputs, what it printed and the step summary."""
    step = steps()["Audit"]
    binary = temporary / "repro-audit/bin/repro-audit"
    binary.parent.mkdir(parents=True, exist_ok=True)
    binary.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m repro_audit "$@"\n')
    binary.chmod(0o755)
    declared = action()["inputs"]
    env = {"PATH": os.environ["PATH"], "RUNNER_TEMP": str(temporary), "PYTHONPATH": str(ROOT)}
    for variable, expression in step["env"].items():  # type: ignore[attr-defined]
        name = re.fullmatch(r"\$\{\{ inputs\.([\w-]+) \}\}", expression).group(1)  # type: ignore[union-attr]
        env[variable] = inputs.get(name.replace("-", "_"), declared[name]["default"])  # type: ignore[index]
    for variable in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        (temporary / variable).write_text("")
        env[variable] = str(temporary / variable)
    script = temporary / "script.sh"
    script.write_text(str(step["run"]))
    command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    outputs = dict(line.split("=", 1) for line in (temporary / "GITHUB_OUTPUT").read_text().splitlines())
    return outputs, done.stdout, (temporary / "GITHUB_STEP_SUMMARY").read_text()


def test_the_action_annotates_summarises_and_writes_sarif(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "Dockerfile").write_text("FROM python\n")
    outputs, printed, summary = run_audit_step(project, tmp_path / "runner")
    assert outputs["exit-code"] == "1"
    assert re.search(r"::error .*file=Dockerfile,.*line=1", printed)
    assert "image-latest" in summary
    results = json.loads(Path(outputs["sarif-file"]).read_text())["runs"][0]["results"]
    assert "image-latest" in {result["ruleId"] for result in results}
    outputs, _, _ = run_audit_step(project, tmp_path / "runner", fail_on="never")
    assert outputs["exit-code"] == "0"


def test_the_action_installs_only_files_whose_hashes_are_known() -> None:
    script = str(steps()["Install repro-audit"]["run"])
    assert "--require-hashes" in script and "--no-index --no-build-isolation" in script
    text = (ROOT / "action-requirements.txt").read_text()
    entries = re.findall(r"(?m)^([\w-]+)==(\S+)(.*(?:\n .*)*)", text)
    assert len(entries) == len(re.findall(r"(?m)^[^\s#]", text))
    assert all("--hash=sha256:" in rest for _, _, rest in entries)
    pinned = {name: version for name, version, _ in entries}
    project = pytest.importorskip("tomllib").loads((ROOT / "pyproject.toml").read_text())
    for asked in map(Requirement, (*project["project"]["dependencies"], *project["build-system"]["requires"])):
        assert asked.specifier.contains(pinned[asked.name]), asked


def test_the_action_takes_inputs_as_words_whatever_is_in_them(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "a b; touch gone").mkdir(parents=True)
    (project / "a b; touch gone/Dockerfile").write_text("FROM python\n")
    outputs, printed, _ = run_audit_step(
        project, tmp_path / "runner", path="a b; touch gone\n", select='"; touch "gone'
    )
    assert not (project / "gone").exists()
    assert outputs["exit-code"] == "2"
    outputs, printed, _ = run_audit_step(project, tmp_path / "runner", path="a b; touch gone\n")
    assert outputs["exit-code"] == "1"
    assert "image-latest" in printed


# --- the documents ------------------------------------------------------------------------------------------------


def test_every_file_that_the_readme_links_to_exists() -> None:
    for name in ("README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))):
        text = (ROOT / name).read_text()
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", text):
            assert (ROOT / name).parent.joinpath(target).exists(), f"{name}: {target}"


def test_every_command_in_the_readme_names_options_that_exist() -> None:
    documents = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    used = {
        option
        for path in documents
        for command in re.findall(r"(?:^|`)repro-audit ([^`\n#]*)", path.read_text(), re.MULTILINE)
        for option in re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", command)
    }
    assert {"--diff", "--stdin-filename", "--write-baseline"} <= used
    known: set[str] = set()
    env = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    for command in ([], *([each] for each in COMMANDS)):
        done = subprocess.run(
            [*REPRO_AUDIT, *command, "--help"], cwd=ROOT, env=env, capture_output=True, text=True, check=False
        )
        known |= set(re.findall(r"--[a-z][a-z-]+", done.stdout))
    assert used <= known

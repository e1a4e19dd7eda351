"""The program from the outside: what it prints, what it writes, and its exit status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from repro_audit.cli.main import COMMANDS, main

BAD = "FROM python\n"
GOOD = "FROM scratch\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "Dockerfile").write_text(BAD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REPRO_AUDIT_DEBUG", raising=False)
    return tmp_path


def run(*argv: str, stdin: bytes = b"", **more: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "repro_audit", *argv], input=stdin, capture_output=True, **more)  # type: ignore[call-overload, no-any-return]


def findings(capsys: pytest.CaptureFixture[str], *argv: str) -> list[tuple[str, str]]:
    capsys.readouterr()
    main([*argv, "--format", "json"])
    return [(f["path"], f["rule"]) for f in json.loads(capsys.readouterr().out)["findings"]]


def test_check_is_the_default_command(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = []
    for argv in ([], ["."], ["check"], ["check", "."], ["Dockerfile"], ["./Dockerfile"]):
        assert main([*argv, "--select", "image-latest"]) == 1, argv
        outputs.append(capsys.readouterr().out)
    assert "image-latest" in outputs[0]
    assert len({output.replace("./", "") for output in outputs}) == 1


def test_a_path_called_like_a_command_is_written_with_its_folder(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "rules").mkdir()
    (project / "rules" / "Dockerfile").write_text(BAD)
    assert findings(capsys, "./rules", "--select", "image-latest") == [("rules/Dockerfile", "image-latest")]
    assert main(["rules"]) == 0
    assert "pinning" in capsys.readouterr().out


def test_the_exit_status_follows_fail_on(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    select = ["--select", "image-latest"]
    assert main(select) == 1
    assert main([*select, "--fail-on", "never"]) == 0
    (project / "repro-audit.toml").write_text('[severity]\nimage-latest = "warning"\n')
    assert main(select) == 0
    assert main([*select, "--fail-on", "warning"]) == 1
    assert main([*select, "--profile", "strict"]) == 1
    assert main([*select, "--no-config"]) == 1
    (project / "Dockerfile").write_text(GOOD)
    assert main([*select, "--fail-on", "info"]) == 0


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["nowhere"], "nowhere: there is no such file or folder"),
        (["--format", "nope"], "Invalid value for '--format'"),
        (["--nope"], "No such option: --nope"),
        (["check", "--jobs", "zero"], "Invalid value for '--jobs'"),
        (["--select", "image-lates"], "no rule is called `image-lates`; did you mean `image-latest`?"),
        (["--config", "nope.toml"], "nope.toml: cannot be read: No such file or directory"),
        (["--baseline", "nope.json"], "nope.json: the baseline cannot be used: No such file or directory"),
        (["--output", "no/where/report"], "no/where/report: cannot be written: No such file or directory"),
        (["explain", "nope-nope"], "no rule is called `nope-nope`"),
        (["ast", "nowhere"], "nowhere: there is no such file or folder"),
        (["ast"], "Missing argument"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line_and_status_2(
    project: Path, capsys: pytest.CaptureFixture[str], argv: list[str], said: str
) -> None:
    (project / "Dockerfile").write_text(GOOD)
    assert main(argv) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert said in lines[0]
    assert lines[0].startswith("repro-audit: ")


def test_a_broken_configuration_is_told_with_its_place(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "pyproject.toml").write_text('[tool.repro-audit]\nignroe = ["x"]\n')
    assert main([]) == 2
    assert capsys.readouterr().err == "repro-audit: pyproject.toml: unknown key `ignroe`; did you mean `ignore`?\n"


def test_standard_input_is_audited_under_the_name_it_is_given(project: Path) -> None:
    done = run(
        "-", "--stdin-filename", "sub/Dockerfile", "--format", "json", "--select", "image-latest", stdin=BAD.encode()
    )
    assert done.returncode == 1, done.stderr
    assert [f["path"] for f in json.loads(done.stdout)["findings"]] == ["sub/Dockerfile"]


def test_a_report_goes_to_the_file_that_is_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--output", "report.json", "--format", "json"]) == 1
    assert capsys.readouterr().out == ""
    assert json.loads((project / "report.json").read_text())["version"] == 1
    assert [p.name for p in project.iterdir() if "tmp" in p.name] == []


def test_what_is_in_the_baseline_no_longer_counts(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "sub").mkdir()
    assert main(["--write-baseline", "."]) == 0
    assert main(["--baseline", ".repro-audit-baseline.json"]) == 0
    (project / "sub" / "Dockerfile").write_text(BAD)
    (project / "Dockerfile").write_text("# moved\n" + BAD)
    assert set(findings(capsys, "--baseline", ".repro-audit-baseline.json", "--select", "image-latest")[-1:]) == {
        ("sub/Dockerfile", "image-latest")
    }
    (project / "repro-audit.toml").write_text('baseline = "b.json"\n')
    assert main(["--write-baseline", "b.json"]) == 0
    assert main([]) == 0


def test_quiet_prints_nothing_when_nothing_is_found(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quiet", "--select", "image-latest"]) == 1
    assert "image-latest" in capsys.readouterr().out
    (project / "Dockerfile").write_text(GOOD)
    assert main(["--quiet", "--select", "image-latest"]) == 0
    assert capsys.readouterr().out == ""


def test_colour_is_for_terminals_unless_asked_for(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    main([])
    assert "\033[" not in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    main(["--color", "always"])
    assert "\033[" in capsys.readouterr().out


def test_rules_of_the_users_own_run_and_broken_ones_are_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = project / "ci" / "rules"
    rules.mkdir(parents=True)
    (rules / "no-python.yaml").write_text(
        "id: no-python\nsummary: Python\nseverity: error\non: image\nmatch: {repository: {regex: ^python}}\n"
        "message: '{image}'\nwhy: x\nfix: y\n"
    )
    (rules / "broken.yaml").write_text("id: broken\n")
    (project / "repro-audit.toml").write_text('rules = ["ci/rules"]\n')
    assert findings(capsys, "--select", "custom") == [
        ("Dockerfile", "no-python"),
        ("ci/rules/broken.yaml", "internal-error"),
    ]


def test_no_rule_runs_code_of_the_repository(project: Path) -> None:
    for name in ("yaml", "typer", "dataclasses", "json", "tomllib"):
        (project / f"{name}.py").write_text("raise SystemExit('ran code of the repository')")
    (project / "ci").mkdir()
    (project / "ci" / "bad.yaml").write_text(
        "id: bad\nsummary: Bad\nseverity: error\non: image\ncheck: yaml.load\nmessage: m\nwhy: x\nfix: y\n"
    )
    (project / "repro-audit.toml").write_text('rules = ["ci"]\n')
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = run("--select", "bad", cwd=project, env=environment)
    assert b"ran code" not in done.stdout + done.stderr
    assert b"no installed package provides the checks `yaml`" in done.stdout


def test_fixes_are_shown_and_applied(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compose = project / "compose.yaml"
    before = "version: '3'\nservices:\n  a:\n    image: a:1\n"
    compose.write_text(before)
    select = ["--select", "version-obsolete"]
    assert main(["fix", "--diff", *select]) == 1
    assert "-version: '3'\n" in capsys.readouterr().out
    assert compose.read_text() == before
    assert main(["--fix", *select, "--fail-on", "info"]) == 0
    assert "version" not in compose.read_text()
    capsys.readouterr()
    assert main(["fix", *select]) == 0
    assert capsys.readouterr().out == "Nothing to fix.\n"


def test_a_coloured_diff_shows_tabs_as_tabs_and_no_escape_sequences(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    (project / "compose.yaml").write_text("version: '3'\nservices:\n  a:\t# \x7f\n    image: a:1\n")
    assert main(["fix", "--diff", "--select", "version-obsolete"]) == 1
    out = capsys.readouterr().out
    assert "\033[31m-version: '3'\033[0m\n" in out
    assert "   a:\t# \\x7f\n" in out


def test_one_audit_writes_several_reports(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--select", "image-latest", "--format", "github", "--report", "json=a,b.json", "--report", "markdown=c.md"]
    assert main(argv) == 1
    assert "::error " in capsys.readouterr().out
    assert json.loads((project / "a,b.json").read_text())["findings"][0]["rule"] == "image-latest"
    assert "image-latest" in (project / "c.md").read_text()
    for wrong in ("sarif", "nope=x", "json="):
        assert main(["--report", wrong]) == 2
        assert "FORMAT=FILE" in capsys.readouterr().err


def test_inputs_are_listed_with_level_and_place(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inputs"]) == 0
    out = capsys.readouterr().out
    assert "floating" in out
    assert "Dockerfile:1" in out
    assert main(["inputs", "--format", "json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["level"] == 0
    assert [(i["name"], i["pin"], i["line"]) for i in content["inputs"]] == [("python", "floating", 1)]


def test_a_rule_is_explained_by_any_of_its_names(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "image-latest"]) == 0
    page = capsys.readouterr().out
    assert all(part in page for part in ("Why it matters", "What to do", "FROM python"))
    assert main(["explain", "dl3006"]) == 0
    assert capsys.readouterr().out == page


def test_the_rule_book_is_listed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "pinning", "--format", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)["rules"]
    assert {rule["family"] for rule in listed} == {"pinning"}
    assert "DL3006" in next(rule["aliases"] for rule in listed if rule["id"] == "image-latest")


def test_a_dockerfile_is_shown_as_it_was_read(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "Dockerfile").write_text('# syntax=x\nFROM --platform=a b AS C\nRUN ["x", "y"]\nRUN <<E\nz\nE\nEXPOSE\n')
    assert main(["ast", "Dockerfile"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["kind"] == "dockerfile"
    assert shown["directives"] == [{"name": "syntax", "value": "x"}]
    assert shown["stages"] == [{"index": 0, "name": "c", "base": "b", "start_line": 2}]
    first, second, third = shown["instructions"][:3]
    assert (first["keyword"], first["flags"], first["value"], first["stage"]) == (
        "FROM",
        ["--platform=a"],
        ["b", "AS", "C"],
        0,
    )
    assert (second["json"], second["value"]) == (True, ["x", "y"])
    assert third["heredocs"] == [{"name": "E", "content": "z\n"}]
    assert (third["start_line"], third["end_line"]) == (4, 6)


def test_pairs_and_onbuild_are_shown_as_their_words(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "Dockerfile").write_text('FROM a\nENV A=1 B="x y"\nONBUILD CMD ["a", "b"]\n')
    assert main(["ast", "Dockerfile"]) == 0
    _, env, onbuild = json.loads(capsys.readouterr().out)["instructions"]
    assert env["value"] == ["A", "1", "B", '"x y"']
    assert (onbuild["keyword"], onbuild["json"], onbuild["value"]) == ("ONBUILD", True, ["a", "b"])
    assert onbuild["onbuild"]["keyword"] == "CMD"


def test_other_files_are_shown_with_places(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "requirements.txt").write_text("numpy==1.26.4\n")
    assert main(["ast", "requirements.txt"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["kind"] == "requirements"
    assert "numpy" in json.dumps(shown)
    assert {"line": 1, "column": 1} in [part["start"] for part in _places(shown)]


def _places(value: object) -> list[dict[str, dict[str, int]]]:
    if isinstance(value, list):
        return [place for item in value for place in _places(item)]
    if isinstance(value, dict):
        own = [value] if "start" in value else []
        return own + [place for item in value.values() for place in _places(item)]
    return []


def test_a_configuration_is_written_once(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init"]) == 0
    assert main([]) == 1
    text = (project / "repro-audit.toml").read_text()
    uncommented = "\n".join(
        line.removeprefix("# ") if "=" in line or line.startswith("# [") else "" for line in text.splitlines()
    )
    (project / "repro-audit.toml").write_text(uncommented.replace('rules = ["ci/rules"]', ""))
    capsys.readouterr()
    assert main(["--fail-on", "never"]) == 0, capsys.readouterr().err
    assert main(["init"]) == 2
    assert "exists already" in capsys.readouterr().err


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    from repro_audit import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"repro-audit {__version__}\n"


def test_a_reader_that_goes_away_is_no_error(project: Path) -> None:
    (project / "Dockerfile").write_text(BAD * 3000)
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-m", "repro_audit"], stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert done.stderr == b""
    assert done.returncode == 141


def test_interrupting_ends_with_130_and_one_line(project: Path) -> None:
    read, write = os.pipe()
    process = subprocess.Popen([sys.executable, "-m", "repro_audit", "-"], stdin=read, stderr=subprocess.PIPE)
    time.sleep(0.7)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=20)
    os.close(read)
    os.close(write)
    assert process.returncode == 130
    assert error == b"repro-audit: interrupted\n"


def test_an_interrupted_build_says_what_became_of_it(project: Path, tmp_path: Path) -> None:
    (project / "Dockerfile").write_text("FROM scratch\n")
    hangs = tmp_path / "docker"
    hangs.write_text("#!/bin/sh\nexec sleep 60\n")
    hangs.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin"}
    words = [sys.executable, "-m", "repro_audit", "build", ".", "--engine", "docker"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, env=env)
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=20)
    assert process.returncode == 130
    assert error == b"repro-audit: interrupted; what was started for it is stopped and removed\n"


def test_arguments_and_names_that_are_no_unicode_are_told_and_not_fatal(project: Path) -> None:
    done = run(b"no\xffwhere", env={**os.environ, "PYTHONUTF8": "0", "LC_ALL": "C"})  # type: ignore[arg-type]
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    with open(os.fsencode(project) + b"/Dockerfile.\xff\n", "w") as file:
        file.write(BAD)
    for shown_as in ("text", "json", "sarif", "junit", "github", "gitlab", "markdown", "html"):
        done = run("--format", shown_as)
        assert done.returncode == 1, done.stderr
        assert done.stderr == b""


def test_no_level_is_promised_where_a_part_could_not_be_read(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "Dockerfile").write_text("FROM scratch\n")
    (project / "requirements.txt").write_text("numpy==2.1.3\ntorch=2.5.1\n")
    assert main(["."]) == 1
    assert "Reproducibility level not known: not everything could be read." in capsys.readouterr().out
    (project / "requirements.txt").write_text("numpy==2.1.3\ntorch==2.5.1\n")
    assert main(["."]) == 0
    assert "Reproducibility level 2 of 4" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_terminal_of_80_columns(command: str) -> None:
    done = run(command, "--help", env={**os.environ, "COLUMNS": "80", "NO_COLOR": "1", "TERM": "xterm"})
    text = done.stdout.decode()
    assert done.returncode == 0
    assert "…" not in text
    assert all(len(line) <= 80 for line in text.splitlines())


def test_a_value_that_is_missing_is_said_with_the_help_of_its_command() -> None:
    assert b"(see `repro-audit verify --help`)" in run("verify", "--vary").stderr


def test_completion_knows_commands_options_and_choices() -> None:
    def complete(line: str) -> str:
        environment = {**os.environ, "_REPRO_AUDIT_COMPLETE": "complete_bash", "COMP_WORDS": line}
        environment["COMP_CWORD"] = str(len(line.split(" ")) - 1)
        code = "import sys; sys.argv = ['repro-audit']; from repro_audit.cli.main import main; sys.exit(main())"
        return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True).stdout

    assert "explain" in complete("repro-audit ex")
    assert "--write-baseline" in complete("repro-audit check --wr")
    assert "sarif" in complete("repro-audit check --format sa")
    assert "--write-baseline" in complete("repro-audit . --wr")
    assert complete("repro-audit --fo").split() == ["--format"]
    assert {"--version", "--select"} <= set(complete("repro-audit -").split())
    assert complete("repro-audit explain image-lat").split() == ["image-latest"]
    assert complete("repro-audit smoke --only t").split() == ["torch", "tensorflow"]
    assert complete("repro-audit verify --vary time,u").split() == ["time,umask"]
    assert "none" in complete("repro-audit verify --vary ").split()
    assert complete("repro-audit . --select DL3006,image-lat").split() == ["DL3006,image-latest"]
    assert complete("repro-audit fix --ignore gpu-hidden").split() == ["gpu-hidden-by-renumbering"]
    assert "DL3006" in complete("repro-audit rules DL30").split()


def test_a_missing_path_that_looks_like_a_command_names_it(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verfy"]) == 2
    assert "did you mean the command `verify`?" in capsys.readouterr().err

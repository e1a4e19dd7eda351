"""The quick reader of argv and Typer must not differ, since both run the same command."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro_audit.cli import app as application
from repro_audit.cli.options import OPTIONS, CheckOptions, explicit, read


def by_typer(argv: list[str], monkeypatch: pytest.MonkeyPatch) -> CheckOptions | None:
    """What Typer makes of the arguments; None where it refuses them."""
    seen: list[CheckOptions] = []
    monkeypatch.setattr(application, "check", lambda options: seen.append(options) or 0)
    try:
        application.run(["check", *argv])
    except application.CannotError:
        return None
    return seen[0] if seen else None


words = st.sampled_from(
    ["a", "Dockerfile", "x,y", "-", "3", "json", "strict", "a=b", "", "--", "-x", "never", "b.json", " "]
)
names = st.sampled_from([name for option in OPTIONS for name in option.names])
arguments = st.one_of(words, names, st.builds("{}={}".format, names, words))


@given(st.lists(arguments, max_size=6))
@settings(max_examples=150, deadline=None)
def test_what_the_quick_reader_understands_typer_understands_alike(argv: list[str]) -> None:
    rest = explicit(argv)
    quick = read(rest)
    if quick is None:
        return
    with pytest.MonkeyPatch.context() as patch:
        assert by_typer(rest, patch) == quick


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.field)
def test_the_quick_reader_understands_every_option(option) -> None:
    value = {"flag": [], "number": ["3"], "choice": [*option.choices[:1]]}.get(option.kind, ["x"])
    argv = [option.names[0], *value, "path"]
    if option.field == "write_baseline":
        argv = ["--write-baseline=x", "path"]
    options = read(argv)
    assert options is not None
    assert options.paths == ("path",)
    expected = {
        "flag": True,
        "number": 3,
        "choice": (*option.choices, None)[0],
        "text": "x",
        "names": ("x",),
        "texts": ("x",),
    }
    assert getattr(options, option.field) == expected[option.kind]


def test_names_may_be_given_with_commas_and_by_repeating_the_option() -> None:
    options = read(["--select", "a,b", "--select=c", "--", "--quiet"])
    assert options is not None
    assert options.select == ("a", "b", "c")
    assert options.paths == ("--quiet",)


@pytest.mark.parametrize("argv", [["--nope"], ["--jobs", "0"], ["--jobs"], ["--format", "nope"], ["--quiet=1"], ["-h"]])
def test_the_quick_reader_leaves_mistakes_and_help_to_typer(argv: list[str]) -> None:
    assert read(argv) is None


def test_the_baseline_to_write_need_not_be_named() -> None:
    assert explicit(["--write-baseline", "."]) == ["--write-baseline=.repro-audit-baseline.json", "."]
    assert explicit(["--write-baseline", "b.json", "."]) == ["--write-baseline=b.json", "."]
    assert explicit(["--select", "--write-baseline"]) == ["--select", "--write-baseline"]


def test_the_reader_does_not_load_typer(tmp_path) -> None:
    import subprocess
    import sys

    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    code = (
        "import sys; from repro_audit.cli.main import main; main(['--no-config', 'Dockerfile']); "
        "print([m for m in ('typer', 'click', 'rich', 'requests', 'yaml', 'multiprocessing', 'packaging') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr

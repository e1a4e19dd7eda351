"""What becomes of a value in a shell script: which file its way ends in, and which command is given it."""

from __future__ import annotations

import pytest

from repro_audit.facts.shell_use import output, program
from repro_audit.source import Source, Span
from repro_audit.syntax import shell


def ends(text: str) -> list[str]:
    """Where the output of each `date` in a script ends up: a file, or `program <- word`."""
    source = Source("x.sh", text)
    script = shell.parse(source.excerpt(Span(0, len(text))))
    found = []
    for command in script.commands:
        if program(command, {}) == "date":
            for use in output(command, script, {}):
                found.append(use.file or f"{program(use.command, {})} <- {use.word.raw if use.word else ''}")
    return found


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("date > /built", ["/built"]),
        ("date | tr -d : | tee -a /built > /dev/null", ["/built"]),
        ('echo "built $(date -u)" >> /x', ["/x"]),
        ("printf '%s' `date` > x", ["x"]),
        ("cat > /x <<EOF\nbuilt $(date)\nEOF\n", ["/x"]),
        ("D=$(date) && echo $D && echo $D > f", ["f"]),
        ("A=$(date); B=v-$A; make V=$B", ["make <- V=$B"]),
        ("export D=`date`; make V=$D", ["make <- V=$D"]),
        ("D=$(date)\ncat > /x <<EOF\n${D}\nEOF\n", ["/x"]),
        ("D=$(date) go build", ["go <- $(date)"]),
        ('go build -ldflags "-X main.d=$(date -u +%F)" .', ['go <- "-X main.d=$(date -u +%F)"']),
        ("date | xargs -I{} touch {}", ["touch <- touch"]),
    ],
)
def test_a_value_is_followed_through_pipes_substitutions_and_variables(text: str, where: list[str]) -> None:
    assert ends(text) == where


@pytest.mark.parametrize(
    "text",
    [
        "date",
        'echo "$(date)"',
        "date > /dev/null",
        "date 2> /log",
        "D=$(date); E=$D",
        "echo $(date) | cat >&2",
        "D=1; date",
    ],
)
def test_what_only_the_log_sees_ends_nowhere(text: str) -> None:
    assert ends(text) == []


def test_variables_that_name_each_other_are_followed_once() -> None:
    assert ends("A=$(date); B=$A; A=$B; B=$A; echo $A$B > /x") == ["/x"]


def test_a_very_long_script_is_still_looked_at_command_by_command() -> None:
    text = "date > /first\n" + "date | cat\n" * 5000 + "echo $(date)\n" * 5000
    assert ends(text) == ["/first"]

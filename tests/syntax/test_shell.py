from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro_audit.source import Source, Span, join
from repro_audit.syntax import shell


def read(text: str) -> shell.Script:
    return shell.parse(Source("x", text).excerpt(Span(0, len(text))))


def shown(text: str) -> list[list[str]]:
    return [[word.shown({}) for word in command.words] for command in read(text).commands]


def test_lists_pipelines_and_compound_commands_give_every_simple_command() -> None:
    text = (
        "a && (b | c) || { d; }; if e; then f; else g; fi; for i in $(h); do j; done; case x in y) k;; esac; l() { m; }"
    )
    assert [words[0] for words in shown(text)] == list("abcdefghjkm")


def test_operators_pipelines_and_surroundings_are_told() -> None:
    a, b, c, d = read("a && b | c; if d; then :; fi").commands[:4]
    assert (a.before, a.after, b.before, b.after, c.before, c.after) == (None, "&&", "&&", "|", "|", ";")
    assert b.pipeline == c.pipeline != a.pipeline
    assert (b.stage, c.stage) == (0, 1)
    assert d.context == ("if", "condition")


def test_options_set_in_the_script_hold_for_what_follows_and_end_with_a_subshell() -> None:
    script = read("a; set -euxo pipefail; b; (set +e; c); d; set +o pipefail; e")
    found = {c.words[0].literal: (c.errexit, c.pipefail) for c in script.commands if c.words[0].literal != "set"}
    assert found == {"a": (False, False), "b": (True, True), "c": (False, True), "d": (True, True), "e": (True, False)}


@pytest.mark.parametrize(
    ("text", "words", "via"),
    [
        ("sudo -E -u x A=1 cmd y", ["cmd", "y"], ("sudo",)),
        ("env -i -u Z A=b nice -n 5 timeout -k 1 5 cmd", ["cmd"], ("env", "nice", "timeout")),
        ("cat f | xargs -0 -n 1 -I{} pip install {}", ["pip", "install", "{}"], ("xargs",)),
        ("conda run -n env --no-capture-output pip install y", ["pip", "install", "y"], ("conda run",)),
        ("uv run --with z python a.py", ["python", "a.py"], ("uv run",)),
        ("su - u -c 'pip install x'", ["pip", "install", "x"], ("su",)),
        ("gosu user cmd", ["cmd"], ("gosu",)),
        ("bash -lc 'cmd \"a b\"'", ["cmd", "a b"], ("bash",)),
        ("exec nohup time -p cmd", ["cmd"], ("exec", "nohup", "time")),
        ("eval cmd a", ["cmd", "a"], ("eval",)),
        ("command -v cmd", ["command", "-v", "cmd"], ()),
        ("env", ["env"], ()),
    ],
)
def test_wrappers_are_taken_off(text: str, words: list[str], via: tuple[str, ...]) -> None:
    command = read(text).commands[-1]
    assert [word.shown({}) for word in command.words] == words
    assert command.via == via


def test_a_nested_script_keeps_its_own_options_and_leads_to_the_file() -> None:
    text = r'sh -c "echo \"hi $X\" && foo"; bash -eo pipefail -c "x | y"'
    source = Source("x", text)
    hi, foo, x, _ = shell.parse(source.excerpt(Span(0, len(text)))).commands
    assert hi.words[1].shown({"X": "you"}) == "hi you"
    assert source.slice(foo.words[0].span) == "foo"
    assert not hi.errexit
    assert (x.errexit, x.pipefail) == (True, True)


def test_a_script_that_only_a_run_can_tell_stays_a_command_of_the_shell() -> None:
    assert shown('sh -c "$(curl -fsSL u)"') == [["sh", "-c", "$(curl -fsSL u)"], ["curl", "-fsSL", "u"]]


def test_heredocs_are_read_though_there_are_several_on_a_line() -> None:
    script = read("cat <<EOF > /x && sh <<'E2' | g\na $(c d)\nEOF\necho hi; q\nE2\nz\n")
    assert [c.words[0].literal for c in script.commands] == ["cat", "g", "c", "echo", "q", "z"]
    cat = script.commands[0]
    assert [(r.op, r.body.text if r.body else None) for r in cat.redirects] == [("<<", "a $(c d)\n"), (">", None)]
    assert script.commands[3].via == ("sh",)


def test_tabs_are_taken_from_a_dash_heredoc_and_places_stay() -> None:
    text = "sh <<-EOF\n\t\tapt-get update\n\tEOF\n"
    source = Source("x", text)
    command = shell.parse(source.excerpt(Span(0, len(text)))).commands[0]
    assert source.slice(command.span) == "apt-get update"


def test_a_heredoc_without_an_end_is_an_error() -> None:
    assert read("cat <<EOF\nx\n").errors[0].message == "here-document has no end"


def test_a_shift_is_no_heredoc() -> None:
    assert shown("echo $((1 << 2))\nfoo") == [["echo", "$((1 << 2))"], ["foo"]]


def test_words_after_a_redirection_belong_to_the_command() -> None:
    command = read("a 2>/dev/null b > f c").commands[0]
    assert [w.literal for w in command.words] == ["a", "b", "c"]
    assert [(r.op, r.fd, r.target.literal if r.target else None) for r in command.redirects] == [
        (">", 2, "/dev/null"),
        (">", None, "f"),
    ]


def test_what_stands_around_a_syntax_error_is_still_read() -> None:
    script = read("if a && fi b; x\necho hi")
    assert script.errors
    assert ["echo", "hi"] in [[w.literal for w in c.words] for c in script.commands]


@pytest.mark.parametrize(
    "text", ["grep x$) ; y", "for t in $(ls | grep .d$) ; do $t ; done", "if a; then if b; then c; fi else d; fi"]
)
def test_what_shells_accept_and_the_grammar_does_not_is_mended(text: str) -> None:
    if text.startswith("grep"):
        text = "(" + text[:7] + ") ; y"
    assert not read(text).errors


def test_words_know_their_place_across_continuations() -> None:
    file = "RUN apt-get \\\n  install \\\n  cu\\\nrl"
    source = Source("Dockerfile", file)
    pieces = [("apt-get ", 4, 8), ("  install ", 14, 10), ("  cu", 26, 4), ("rl", 32, 2)]
    command = shell.parse(join(source, pieces)).commands[0]
    assert source.slice(command.words[1].span) == "install"
    assert source.slice(command.words[2].span) == "cu\\\nrl"
    assert command.words[2].literal == "curl"


def test_variables_resolve_as_the_shell_expands_them() -> None:
    text = 'x $A ${A} "$A-b" ${N:-d} ${A:+s} ${V%.*} ${V%%.*} ${V#v} ${V/./_} ${V//./_} ${U} $1 ${N:-$A}'
    words = read(text).commands[0].words[1:]
    variables = {"A": "a", "V": "v1.2.3", "U": None}
    assert [w.resolve(variables) for w in words] == [
        "a", "a", "a-b", "d", "s", "v1.2", "v1", "1.2.3", "v1_2.3", "v1_2_3", None, None, "a",
    ]  # fmt: skip
    assert words[10].shown(variables) == "${U}"


def test_assignments_are_seen_by_later_commands_and_conditional_ones_are_unknown() -> None:
    script = read('A=1; B="$A.2" && [ x ] && C=3; export D=4; for i in 1 2; do :; done; x')
    known = shell.visible(script, script.commands[-1].span.start, {})
    assert dict(known) == {"A": "1", "B": "1.2", "C": None, "D": "4", "i": None}


def test_exec_form_words_are_taken_as_they_are() -> None:
    source = Source("x", '["sh", "-c", "echo $HOME | tee x"]')
    items = tuple(source.excerpt(Span(a, b)) for a, b in ((2, 4), (8, 10), (14, 32)))
    script = shell.parse_exec(items, source.excerpt(Span(0, len(source.text))))
    assert [[w.shown({}) for w in c.words] for c in script.commands] == [["echo", "$HOME"], ["tee", "x"]]
    plain = shell.parse_exec((source.excerpt(Span(19, 24)),), source.excerpt(Span(0, 24)))
    assert plain.commands[0].words[0].literal == "$HOME"


def test_deep_nesting_and_broken_pipelines_cost_little() -> None:
    for text in ("$(" * 10_000 + ")" * 10_000, "a | " * 50_000, ")(" * 20_000, "sudo " * 5_000 + "x", '"' * 50_001):
        read(text)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="ab $(){}\"'`;&|<>\n\\#!=[]-EOFé\0\t", max_size=60))
def test_any_text_is_read_and_spans_stay_inside(text: str) -> None:
    script = read(text)
    for command in script.commands:
        assert 0 <= command.span.start <= command.span.end <= len(text)
        for word in command.words:
            assert 0 <= word.span.start <= word.span.end <= len(text)
            word.resolve({"a": "b"})
            assert isinstance(word.shown({}), str)


_PIECES = st.sampled_from(
    ["a", "b1", "'q r'", '"d e"', '"x\\"y"', "\\ ", "\\$", "'$z'", "$'t\\n'", '"\\a"', "--o=", "é", "''"]
)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash to compare with")
@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(_PIECES, min_size=1, max_size=4).map("".join), min_size=1, max_size=4))
def test_quotes_are_removed_as_bash_removes_them(words: list[str]) -> None:
    text = "printf '%s\\0' " + " ".join(words)
    out = subprocess.run(["bash", "-c", text], capture_output=True, check=True).stdout.decode()
    assert [w.literal for w in read(text).commands[0].words[2:]] == out.split("\0")[:-1]

"""The text report: what a person reads."""

from __future__ import annotations

from dataclasses import replace

from repro_audit.facts.pin import Level
from repro_audit.finding import Severity
from repro_audit.report import Look, render
from repro_audit.report.visible import terminal
from repro_audit.result import InputRecord, Result
from repro_audit.source import Position, Source, Span

ESC = "\x1b"


def test_a_report_shows_files_places_messages_help_and_a_summary(sample):
    assert render(sample, "text") == (
        "Dockerfile\n"
        "  1:6 error[image-latest] `python` is whatever the registry serves today\n"
        "     1 | FROM python\n"
        "       |      ^^^^^^\n"
        "         help: Mend image-latest so.\n"
        "\n"
        "  2:17 error[pip-unpinned] `numpy` has no version\n"
        "     2 | RUN pip install numpy\n"
        "       |                 ^^^^^\n"
        "         see docker/compose.yaml:2: the service that runs it\n"
        "         help: Mend pip-unpinned so.\n"
        "\n"
        "docker/compose.yaml\n"
        "  1:1 warning[version-obsolete] `version` has had no effect since Compose v2\n"
        "     1 | version: '3'\n"
        "       | ^^^^^^^^^^^^\n"
        "         fix: Remove `version`\n"
        "\n"
        "  5:9 info[port-on-all-interfaces] port 8080 can be reached from everywhere\n"
        "     5 |       - 8080:80\n"
        "       |         ^^^^^^^\n"
        "         fix (unsafe): Publish on 127.0.0.1 only\n"
        "\n"
        "note: pyproject.toml: the setting `jobs` had no effect\n"
        "\n"
        "2 errors, 1 warning, 1 info in 2 of 5 files.\n"
        "1 can be fixed with `repro-audit fix`, 1 more with `--unsafe`.\n"
        "Not shown: 2 suppressed by a comment, 1 known to the baseline.\n"
        "Reproducibility level 0 of 4: 2 inputs float (python in Dockerfile:1, numpy in Dockerfile:2). Pin them to reach 1.\n"
        "Why a rule matters: `repro-audit explain image-latest`.\n"
    )


def test_colour_is_only_there_when_asked_for(sample):
    assert ESC not in render(sample, "text", Look(color=False))
    colored = render(sample, "text", Look(color=True))
    assert f"{ESC}[1;31merror{ESC}[0m" in colored
    assert f"{ESC}[1;31m^^^^^^{ESC}[0m" in colored


def test_the_summary_can_be_left_out(sample):
    shown = render(replace(sample, notes=()), "text", Look(summary=False))
    assert shown.endswith("         fix (unsafe): Publish on 127.0.0.1 only\n")
    assert render(Result((), files=1), "text", Look(summary=False)) == ""


def test_help_stands_once_for_each_rule(sample, finding):
    text = "FROM python\nFROM node\n"
    twice = (finding(text, "python"), finding(text, "node"))
    assert render(replace(sample, findings=twice), "text").count("help:") == 1


def test_escape_sequences_from_a_file_its_name_or_a_message_are_spelt_out(sample, finding):
    text = "RUN echo \x1b[31mred\x07 \u202eevil \x9b1m\n"
    one = finding(text, "echo", path="a\x1b[2J\nb", message="says \x1b]0;title\x07 and \u2028")
    shown = render(replace(sample, findings=(one,)), "text")
    assert not set(shown) & {"\x1b", "\x07", "\x9b", "\u202e", "\u2028"}
    assert "a\\x1b[2J\\nb" in shown
    assert "RUN echo \\x1b[31mred\\x07 \\u202eevil \\u009b1m" in shown


def test_broken_bytes_are_shown_as_bytes(sample, finding):
    text = b"RUN echo \xff\xfe\n".decode("utf-8", "surrogateescape")
    shown = render(replace(sample, findings=(finding(text, text[9:11]),)), "text")
    assert "RUN echo \\xff\\xfe" in shown
    assert "         ^^^^^^^^\n" in shown


def _lines_of(shown: str) -> tuple[str, str]:
    lines = shown.splitlines()
    at = next(i for i, line in enumerate(lines) if line.lstrip(" |").startswith("^"))
    return lines[at - 1], lines[at]


def test_the_underline_counts_columns_of_the_terminal_not_characters(sample, finding):
    for text, place, under in [
        ("RUN echo 日本語 numpy\n", "numpy", " " * 16 + "^^^^^"),
        ("RUN echo 日本語 numpy\n", "本語", " " * 11 + "^^^^"),
        ("RUN echo e\u0301 numpy\n", "numpy", " " * 11 + "^^^^^"),
        ("RUN\tpip\tnumpy\n", "numpy", " " * 8 + "^^^^^"),
        ("\tnumpy\n", "numpy", " " * 4 + "^^^^^"),
        ("RUN \x07numpy\n", "numpy", " " * 8 + "^^^^^"),
    ]:
        shown = render(replace(sample, findings=(finding(text, place),)), "text")
        assert _lines_of(shown)[1] == "       | " + under, text


def test_a_long_line_is_shown_as_a_window_around_the_place(sample, finding):
    text = "RUN " + "a " * 5_000_000 + "numpy" + " b" * 5_000_000 + "\n"
    shown = render(replace(sample, findings=(finding(text, "numpy"),)), "text", Look(width=80))
    line, under = _lines_of(shown)
    assert len(line) <= 80
    assert line.startswith("     1 | ... a a")
    assert line.endswith(" b...")
    assert line[under.index("^") : under.rindex("^") + 1] == "numpy"


def test_a_place_longer_than_the_line_is_cut_with_its_underline(sample, finding):
    text = "RUN " + "x" * 500
    line, under = _lines_of(render(replace(sample, findings=(finding(text, "x" * 500),)), "text", Look(width=80)))
    assert line.endswith("xxx...")
    assert len(under) <= len(line) <= 80


def test_of_a_place_over_many_lines_the_ends_are_shown(sample, finding):
    text = "RUN a && \\\n    b && \\\n    c && \\\n    d && \\\n    e\nCMD x\n"
    shown = render(replace(sample, findings=(finding(text, text[: text.index("CMD")]),)), "text")
    assert "     1 | RUN a && \\\n       | ^^^^^^^^^^\n     2 |     b && \\\n       |     ^^^^^^\n" in shown
    assert "   ... | (2 more lines)\n     5 |     e\n       |     ^\n" in shown
    assert "CMD x" not in shown


def test_a_finding_about_an_empty_file_or_the_end_of_one_is_shown(sample):
    from repro_audit.finding import Finding

    for text in ("", "FROM x\n", "FROM x"):
        one = Finding(
            "no-from", "syntax", Severity.ERROR, "no FROM", Source("Dockerfile", text), Span(len(text), len(text))
        )
        assert "error[no-from] no FROM" in render(replace(sample, findings=(one,)), "text")


def test_windows_line_endings_are_not_part_of_the_line(sample, finding):
    assert "FROM python\n" in render(replace(sample, findings=(finding("FROM python\r\nRUN x\r\n", "python"),)), "text")


def test_nothing_found_and_nothing_to_audit_are_told_apart():
    assert render(Result((), files=3), "text") == (
        "No findings in 3 files.\nReproducibility level not known: not everything could be read.\n"
    )
    assert render(Result(()), "text").startswith("Nothing to audit: ")


def _level(level: int, *pins: Level) -> str:
    inputs = tuple(
        InputRecord("image", "", f"in{i}", "", pin, "", "Dockerfile", Position(i, 1), Position(i, 2))
        for i, pin in enumerate(pins, 1)
    )
    return render(Result((), inputs=inputs, level=level, files=1), "text").splitlines()[-1]


def test_each_level_says_what_holds_it_and_what_would_raise_it():
    assert _level(0, Level.FLOATING, Level.RANGED) == (
        "Reproducibility level 0 of 4: 1 input floats (in1 in Dockerfile:1). Pin it to reach 1."
    )
    assert _level(0, *[Level.FLOATING] * 9).endswith(
        "9 inputs float (in1 in Dockerfile:1, in2 in Dockerfile:2, in3 in Dockerfile:3, ...). Pin them to reach 1."
    )
    assert "2 inputs can still change (in1 in Dockerfile:1, in3 in Dockerfile:3)" in _level(
        1, Level.RANGED, Level.HASHED, Level.PERISHABLE
    )
    assert "every input is held. Run `repro-audit verify`" in _level(2, Level.HASHED, Level.LOCAL)
    assert "nothing was found that is taken from outside. Run `repro-audit verify`" in _level(2, Level.LOCAL)
    assert "same digest twice makes it 4" in _level(3, Level.HASHED)
    assert _level(4, Level.HASHED) == "Reproducibility level 4 of 4: two builds gave the same digest."


def test_a_diff_for_a_terminal_keeps_its_lines_and_tabs_only():
    assert terminal("+a\tb\x1b[2J\r\n-\u202ec\n") == "+a\tb\\x1b[2J\\r\n-\\u202ec\n"

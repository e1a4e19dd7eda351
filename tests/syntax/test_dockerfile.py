"""Dockerfiles, read as BuildKit's parser reads them, with every part led back to its place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro_audit.source import Excerpt, Source
from repro_audit.syntax.dockerfile import Dockerfile, Instruction, parse
from repro_audit.syntax.dockerfile_check import check_instructions


def read(text: str | bytes) -> Dockerfile:
    return parse(Source.from_bytes("Dockerfile", text.encode() if isinstance(text, str) else text))


def values(instruction: Instruction) -> list[str]:
    return [item.text for item in instruction.value]


def one(text: str) -> Instruction:
    dockerfile = read(text)
    assert len(dockerfile.instructions) == 1
    return dockerfile.instructions[0]


def reasons(text: str) -> list[str]:
    dockerfile = read(text)
    return [error.message for error in (*dockerfile.errors, *check_instructions(dockerfile))]


# --- lines -----------------------------------------------------------------------------------------------------------


def test_an_instruction_knows_its_lines_its_keyword_and_its_words() -> None:
    dockerfile = read("# hello\n\nFROM alpine:3.20 AS base\n  run echo hi  \n")
    first, second = dockerfile.instructions
    assert (first.keyword, first.start_line, first.end_line, values(first)) == (
        "from",
        3,
        3,
        ["alpine:3.20", "AS", "base"],
    )
    assert (second.keyword, second.raw_keyword, values(second)) == ("run", "run", ["echo hi"])
    assert dockerfile.source.position(second.keyword_span.start) == (4, 3)


def test_continuations_skip_comments_and_empty_lines() -> None:
    instruction = one("RUN a \\\n# why\n\n   # not\n  b \\  \n\n  c\n")
    assert values(instruction) == ["a   b   c"]
    assert (instruction.start_line, instruction.end_line) == (1, 7)
    assert instruction.empty_lines == (3, 6)


def test_columns_hold_across_continuations() -> None:
    dockerfile = read("FROM x\nCOPY a \\\r\n    # note\r\n    b\\\r\nc /to\r\n")
    words = dockerfile.instructions[1].value
    assert [word.text for word in words] == ["a", "bc", "/to"]
    source = dockerfile.source
    assert source.position(words[1].offset(0)) == (4, 5)
    assert source.position(words[1].offset(1)) == (5, 1)
    assert source.slice(words[2].whole) == "/to"


def test_two_escape_characters_at_the_end_continue_nothing() -> None:
    dockerfile = read("RUN a \\\\\nRUN b\n")
    assert [values(i) for i in dockerfile.instructions] == [["a \\\\"], ["b"]]


def test_the_file_may_end_in_a_continuation() -> None:
    assert values(one("RUN a \\")) == ["a"]
    assert values(one("RUN a \\\n\n# end\n")) == ["a"]


def test_line_endings_and_byte_order_mark_do_not_matter() -> None:
    dockerfile = read(b"\xef\xbb\xbfFROM x\r\nRUN a \\\r\n  b\r\n")
    assert [values(i) for i in dockerfile.instructions] == [["x"], ["a   b"]]
    assert dockerfile.errors == ()


def test_comments_above_stay_with_the_instruction_until_an_empty_one() -> None:
    dockerfile = read("# one\n#\n# two\n\n# three\nFROM x\n# four\nRUN a\n")
    assert [[c.text for c in i.comments] for i in dockerfile.instructions] == [["two", "three"], ["four"]]
    assert [(c.text, c.line) for c in dockerfile.comments] == [
        ("one", 1),
        ("", 2),
        ("two", 3),
        ("three", 5),
        ("four", 7),
    ]


# --- directives ------------------------------------------------------------------------------------------------------


def test_directives_count_at_the_very_top_only() -> None:
    dockerfile = read("# syntax = docker/dockerfile:1\n# escape=`\n# check=skip=all\nFROM x\nRUN a `\n b\n")
    assert [(d.name, d.value) for d in dockerfile.directives] == [
        ("syntax", "docker/dockerfile:1"),
        ("escape", "`"),
        ("check", "skip=all"),
    ]
    assert dockerfile.escape == "`"
    assert values(dockerfile.instructions[1]) == ["a  b"]
    assert dockerfile.comments == ()
    assert dockerfile.source.slice(dockerfile.directives[0].value_span) == "docker/dockerfile:1"


@pytest.mark.parametrize(
    "top", ["\n# escape=`\n", "# note\n# escape=`\n", "# foo=bar\n# escape=`\n", "FROM y\n# escape=`\n"]
)
def test_a_directive_below_anything_else_is_a_comment(top: str) -> None:
    dockerfile = read(top + "FROM x\n")
    assert dockerfile.escape == "\\"
    assert dockerfile.directive("escape") is None
    assert "escape=`" in [comment.text for comment in dockerfile.comments]


def test_after_a_shebang_syntax_counts_and_escape_does_not() -> None:
    dockerfile = read("#!/usr/bin/env x\n# syntax=a\n# escape=`\nFROM x\n")
    assert [d.name for d in dockerfile.directives] == ["syntax"]
    assert dockerfile.escape == "\\"


def test_before_an_indented_hash_escape_counts_and_syntax_does_not() -> None:
    dockerfile = read("  # escape=`\n  # syntax=a\nFROM x\n")
    assert [d.name for d in dockerfile.directives] == ["escape"]


def test_syntax_may_stand_in_a_comment_of_another_language() -> None:
    assert read("// syntax=a/b\nx\n").directive("syntax") is not None
    assert read('{"syntax": "a/b"}').directive("syntax") is not None


def test_wrong_directives_are_refused_in_buildkits_words() -> None:
    assert reasons("# escape=x\nFROM x\n") == ["invalid escape token 'x' does not match ` or \\"]
    assert reasons("# escape=`\n# ESCAPE=`\nFROM x\n") == ["only one escape parser directive can be used"]


# --- forms -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "json", "expected"),
    [
        ('CMD ["a", "b c"]', True, ["a", "b c"]),
        ("CMD []", True, []),
        ('CMD [ "\\u00e9\\n\\ud83d\\ude00" ]', True, ["é\n😀"]),
        ("CMD ['a']", False, ["['a']"]),
        ('CMD ["a"', False, ['["a"']),
        ('CMD ["a"] # note', False, ['["a"] # note']),
        ('CMD ["a",]', False, ['["a",]']),
        ("RUN [ -f x ] && y", False, ["[ -f x ] && y"]),
        ('COPY ["a b", "/c"]', True, ["a b", "/c"]),
        ('COPY ["a b", /c]', False, ['["a', 'b",', "/c]"]),
        ('VOLUME "/a b"', False, ['"/a', 'b"']),
        ("EXPOSE 80\t443", False, ["80", "443"]),
        ("USER a b", False, ["a b"]),
        ('HEALTHCHECK CMD ["a"]', True, ["CMD", "a"]),
        ("HEALTHCHECK --interval=5s CMD a  b", False, ["CMD", "a  b"]),
        ("ENV a b c=d", False, ["a", "b c=d", ""]),
        ("ENV a=b 'c d'=\"e f\" g=h\\ i", False, ["a", "b", "=", "'c d'", '"e f"', "=", "g", "h\\ i", "="]),
        ("LABEL a=", False, ["a", "", "="]),
        ("ARG a b=c", False, ["a", "b=c"]),
        ("NOPE a b", False, [""]),
    ],
)
def test_each_keyword_has_its_form(text: str, json: bool, expected: list[str]) -> None:
    instruction = one(text)
    assert (instruction.json, values(instruction)) == (json, expected)


def test_json_escapes_lead_back_to_where_they_stand() -> None:
    dockerfile = read('CMD ["a\\u0041b"]')
    word = dockerfile.instructions[0].value[0]
    assert word.text == "aAb"
    assert dockerfile.source.slice(word.span(1, 2)) == "\\u0041"
    assert dockerfile.source.slice(word.span(2, 3)) == "b"


def test_flags_come_without_quotes_and_escapes() -> None:
    instruction = one("RUN --mount=type=cache,target=/x --a='b c' --d\\ e -- --f")
    assert [(f.name, f.value, f.raw) for f in instruction.flags] == [
        ("mount", "type=cache,target=/x", "--mount=type=cache,target=/x"),
        ("a", "b c", "--a=b c"),
        ("d e", None, "--d e"),
    ]
    assert values(instruction) == ["--f"]
    assert instruction.text.source.slice(instruction.flags[0].value_span) == "type=cache,target=/x"


def test_onbuild_holds_an_instruction() -> None:
    instruction = one('ONBUILD COPY --from=a ["b", "c"]')
    inner = instruction.onbuild
    assert inner is not None
    assert (inner.keyword, inner.json, values(inner), inner.flags[0].value) == ("copy", True, ["b", "c"], "a")
    assert instruction.text.source.slice(inner.span) == 'COPY --from=a ["b", "c"]'


# --- heredocs --------------------------------------------------------------------------------------------------------


def test_a_heredoc_body_is_not_read_as_instructions() -> None:
    dockerfile = read("FROM x\nRUN <<EOF\nFROM y\n# c\nRUN z \\\nEOF\nCMD a\n")
    assert [i.keyword for i in dockerfile.instructions] == ["from", "run", "cmd"]
    heredoc = dockerfile.instructions[1].heredocs[0]
    assert (heredoc.name, heredoc.content, heredoc.expand) == ("EOF", "FROM y\n# c\nRUN z \\\n", True)
    assert dockerfile.source.slice(heredoc.marker) == "<<EOF"
    assert (dockerfile.instructions[1].start_line, dockerfile.instructions[1].end_line) == (2, 6)


def test_several_heredocs_of_one_instruction_follow_each_other() -> None:
    instruction = one("COPY <<a <<-'b c' 3<<\"d\" /to\n1\na\n\t2\n\tb c\n3\nd\n")
    assert [(h.name, h.content, h.body.text, h.expand, h.chomp, h.fd) for h in instruction.heredocs] == [
        ("a", "1\n", "1\n", True, False, 0),
        ("b c", "\t2\n", "2\n", False, True, 0),
        ("d", "3\n", "3\n", False, False, 3),
    ]


def test_a_stripped_body_still_knows_its_columns() -> None:
    dockerfile = read("RUN <<-E\n\t\ta\n\tb\nE\n")
    body = dockerfile.instructions[0].heredocs[0].body
    assert body.text == "a\nb\n"
    assert dockerfile.source.position(body.offset(2)) == (3, 2)


@pytest.mark.parametrize(
    "line",
    [
        'RUN ["<<EOF"]',
        "CMD <<EOF",
        "RUN a<<EOF",
        "RUN cat <<<EOF",
        "RUN '<<EOF'",
        "RUN it's <<EOF",
        "RUN <<",
        "ONBUILD CMD <<EOF",
        "ONBUILD ONBUILD RUN <<EOF",
    ],
)
def test_what_only_looks_like_a_heredoc_is_none(line: str) -> None:
    dockerfile = read(line + "\nUSER x\nEOF\n")
    assert dockerfile.instructions[0].heredocs == ()
    assert [i.keyword for i in dockerfile.instructions][1:2] == ["user"]


def test_spaces_may_part_the_marker_from_its_name_and_onbuild_may_have_a_heredoc() -> None:
    instruction = one("ONBUILD RUN <<  EOF cat\nx\nEOF")
    assert [h.name for h in instruction.heredocs] == ["EOF"]
    assert instruction.onbuild is not None
    assert instruction.onbuild.heredocs == instruction.heredocs


def test_a_heredoc_without_end_is_an_error_and_what_follows_its_indented_end_is_read() -> None:
    dockerfile = read("FROM x\nRUN <<EOF\na\n  EOF\nUSER y\n")
    assert [e.message for e in dockerfile.errors] == ["unterminated heredoc"]
    assert [i.keyword for i in dockerfile.instructions] == ["from", "run", "user"]
    assert not dockerfile.instructions[1].heredocs[0].terminated
    assert [e.message for e in read("RUN <<EOF\nUSER y\n").errors] == ["unterminated heredoc"]


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "file with no instructions"),
        ("# only\n\n", "file with no instructions"),
        ("FROM x\nENV a\n", "ENV must have two arguments"),
        ("FROM x\nLABEL a=b c\n", 'Syntax error - can\'t find = in "c". Must be of the form: name=value'),
        ('FROM x\nCMD ["a", ["b"]]\n', "when using JSON array syntax, arrays must be comprised of strings only"),
        ("FORM x\n", "unknown instruction: FORM (did you mean FROM?)"),
        ("FROM x\nxyzzy y\n", "unknown instruction: xyzzy"),
        ("RUN a\nFROM x\n", "no build stage in current context"),
        ("ARG a\n", "dockerfile contains no stages to build"),
        ("FROM x y\n", "FROM requires either one or three arguments"),
        ("FROM x AS 1a\n", 'invalid name for build stage: "1a", name can\'t start with a number or contain symbols'),
        ("FROM --platfrom=a x\n", "unknown flag: --platfrom (did you mean platform?)"),
        (
            "FROM x\nCOPY a\n",
            "COPY requires at least two arguments, but only one was provided. Destination could not be determined",
        ),
        ("FROM x\nCOPY --chown a b\n", "missing a value on flag: --chown"),
        ("FROM x\nCOPY --link=maybe a b\n", "expecting boolean value for flag --link, not: maybe"),
        ("FROM x\nCOPY --from=a --from=b a b\n", "duplicate flag specified: --from"),
        ("FROM x\nCOPY a <<EOF\nEOF\n", "COPY cannot accept a heredoc as a destination"),
        ("FROM x\nONBUILD FROM y\n", "FROM isn't allowed as an ONBUILD trigger"),
        ("FROM x\nONBUILD ONBUILD RUN a\n", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
        ("FROM x\nONBUILD\n", "ONBUILD requires at least one argument"),
        ("FROM x\nWORKDIR\n", "WORKDIR requires exactly one argument"),
        ("FROM x\nEXPOSE\n", "EXPOSE requires at least one argument"),
        ("FROM x\nENV =a\n", "ENV names can not be blank"),
        ('FROM x\nVOLUME [""]\n', "VOLUME specified can not be an empty string"),
        ("FROM x\nSHELL bash -c\n", "SHELL requires the arguments to be in JSON form"),
        ("FROM x\nHEALTHCHECK\n", "HEALTHCHECK requires at least one argument"),
        ("FROM x\nHEALTHCHECK curl x\n", 'Unknown type "CURL" in HEALTHCHECK (try CMD)'),
        ("FROM x\nHEALTHCHECK CMD\n", "Missing command after HEALTHCHECK CMD"),
        ("FROM x\nHEALTHCHECK NONE x\n", "HEALTHCHECK NONE takes no arguments"),
        ("FROM x\nHEALTHCHECK --interval=5 CMD a\n", 'time: missing unit in duration "5"'),
        ("FROM x\nHEALTHCHECK --timeout=1us CMD a\n", 'Interval "timeout" cannot be less than 1ms'),
        ("FROM x\nHEALTHCHECK --retries=-1 CMD a\n", "--retries cannot be negative (-1)"),
        ("FROM x\nRUN --network=foo a\n", 'invalid network mode "foo"'),
        (
            "FROM x\nRUN --mount=type=bind,from=$y a\n",
            "'from' doesn't support variable expansion, define alias stage instead",
        ),
    ],
)
def test_what_buildkit_refuses_is_told_in_its_words(text: str, reason: str) -> None:
    assert reasons(text)[0] == reason


def test_what_follows_an_error_is_still_read() -> None:
    dockerfile = read("FROM x\nENV a\nUSER y\nENV b\n")
    assert [i.keyword for i in dockerfile.instructions] == ["from", "env", "user", "env"]
    assert [dockerfile.source.slice(e.span) for e in dockerfile.errors] == ["ENV a", "ENV b"]


def test_a_line_that_buildkit_cannot_hold_is_an_error() -> None:
    assert reasons("FROM x\nRUN " + "a" * 65531 + "\n") == []
    assert reasons("FROM x\nRUN " + "a" * 65532 + "\n") == ["dockerfile line greater than max allowed size of 65535"]


# --- any input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (lambda n: "COPY " + "a " * n, 20_000),
        (lambda n: "RUN a \\\n" + "  b && \\\n" * n + "c", 3_000),
        (lambda n: "ENV a=b \\\n" + "  c=d \\\n" * n + "e=f", 1_000),
        (lambda n: "RUN a\n" * n, 1_000),
        (lambda n: "".join(f"RUN <<E{i}\n" for i in range(n)), 1_000),
        (lambda n: "".join(f"RUN <<E{i}\n E{i}\n" for i in range(n)), 1_000),
        (lambda n: "ONBUILD " * n, 1_000),
        (lambda n: "CMD " + "[" * n, 8_000),
        (lambda n: 'ENV a="' + '\\"' * n, 4_000),
        (lambda n: "\\\n" * n, 5_000),
    ],
    ids=range(10),
)
def test_time_stays_in_proportion_to_the_input(make, size: int, linear) -> None:
    linear(lambda n: check_instructions(read(make(n))), size)


_LINES = st.sampled_from(
    [
        "FROM x AS y",
        "RUN a \\",
        "  b",
        "RUN --mount=type=cache <<EOF cat",
        "EOF",
        "COPY <<-'A B' <<C /d",
        "\tA B",
        "C",
        'CMD ["a\\u0041", "b"]',
        "ENV a=b \\",
        "ENV 'c d'=e\\ f g",
        "ONBUILD RUN <<X",
        "X",
        "# comment",
        "# escape=`",
        "RUN c `",
        "",
        "\\",
        "HEALTHCHECK --interval=1s CMD x",
        "LABEL a='b",
        "ARG é=\u3000x",
        "\ufeff",
        "RUN --a='b\\\"c",
    ]
)
_FILES = st.lists(_LINES | st.text(max_size=8), max_size=10).flatmap(
    lambda lines: st.sampled_from(["\n", "\r\n"]).map(lambda end: end.join(lines))
)


def excerpts(instruction: Instruction) -> list[Excerpt]:
    inner = excerpts(instruction.onbuild) if instruction.onbuild else []
    return [instruction.text, *instruction.value, *(h.body for h in instruction.heredocs), *inner]


@settings(max_examples=200, deadline=None)
@given(_FILES)
def test_every_character_leads_back_to_the_file(text: str) -> None:
    dockerfile = parse(Source("Dockerfile", text))
    check_instructions(dockerfile)
    for error in dockerfile.errors:
        assert 0 <= error.span.start <= error.span.end <= len(text)
    for instruction in dockerfile.instructions:
        span = instruction.span
        assert 0 <= span.start <= span.end <= len(text)
        for flag in instruction.flags:
            assert span.start <= flag.span.start <= flag.value_span.start <= flag.value_span.end <= span.end
        for excerpt in excerpts(instruction):
            for index, char in enumerate(excerpt.text):
                place = excerpt.offset(index)
                assert span.start <= place < span.end + 2
                assert text[place] == char or text[place] == "\\" or char == "\ufffd"


def shape(instruction: Instruction) -> object:
    return (
        instruction.raw_keyword,
        [flag.raw for flag in instruction.flags],
        instruction.json,
        values(instruction),
        [(h.name, h.content.rstrip("\r\n"), h.expand, h.terminated) for h in instruction.heredocs],
        shape(instruction.onbuild) if instruction.onbuild else None,
    )


@settings(max_examples=200, deadline=None)
@given(_FILES)
def test_an_instructions_own_text_reads_as_the_same_instruction(text: str) -> None:
    dockerfile = parse(Source("Dockerfile", text))
    top = f"# escape={dockerfile.escape}\n"
    for instruction in dockerfile.instructions:
        if not instruction.raw_keyword or any(not heredoc.terminated for heredoc in instruction.heredocs):
            continue
        again = parse(Source("Dockerfile", top + dockerfile.source.slice(instruction.span)))
        assert [shape(i) for i in again.instructions] == [shape(instruction)]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_into_instructions_in_order_and_without_overlap(data: bytes) -> None:
    dockerfile = read(data)
    ends = [0]
    for instruction in dockerfile.instructions:
        assert ends[-1] <= instruction.span.start <= instruction.span.end <= len(dockerfile.source.text)
        ends.append(instruction.span.end)
    for error in (*dockerfile.errors, *check_instructions(dockerfile)):
        assert 0 <= error.span.start <= error.span.end <= len(dockerfile.source.text)


# --- mounts and ports ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("RUN --mount=typ=cache,target=/x true", "unexpected key 'typ' in 'typ=cache' (did you mean type?)"),
        ("RUN --mount=type=cach,target=/x true", 'unsupported mount type "cach" (did you mean cache?)'),
        ("RUN --mount=type=cache,targt true", "invalid field 'targt' must be a key=value pair"),
        ("RUN --mount=type=cache,target=/x,sharing=lock true", 'unsupported sharing value "lock"'),
        ("RUN --mount=target=/x,sharing=locked true", "invalid cache sharing set for bind mount"),
        ("RUN --mount=target=/x,ro=yes true", "invalid value for ro: yes"),
        ("RUN --mount=type=cache,target=/x,mode=9 true", "invalid value 9 for mode"),
        ("RUN --mount=target=/x,uid=0 true", 'uid not allowed for "bind" type mounts'),
        ("RUN --mount=target=/x,required true", "unexpected key 'required' for mount type 'bind'"),
        ("RUN --mount=type=secret true", "invalid secret mount. one of source, target required"),
        ("RUN --mount=type=secret,id=a,src=b true", "both source and id can't be set"),
        ("EXPOSE 80/tpc", 'invalid port: "80/tpc": invalid proto: tpc'),
        ("EXPOSE 80 70000", "invalid containerPort: 70000"),
        ("EXPOSE 80 # web", "invalid containerPort: #"),
        ("EXPOSE 90-80", "invalid containerPort: 90-80"),
        ("EXPOSE x:80", "invalid hostPort: x"),
        ("EXPOSE a.b:80:80", "invalid IP address: a.b"),
        ("EXPOSE /tcp", 'invalid port: "/tcp": no port specified'),
    ],
)
def test_mounts_and_ports_that_buildkit_refuses_are_refused_for_its_reason(line: str, reason: str) -> None:
    (message,) = reasons(f"FROM x\n{line}\n")
    assert message.startswith(reason)


@pytest.mark.parametrize(
    "line",
    [
        "RUN --mount=type=cache,target=/x,sharing=locked,mode=0755,uid=1000,rw,id=a true",
        "RUN --mount=type=secret,required,id=a,env=A,mode=0400 --mount=type=ssh,required=true true",
        "RUN --mount=TYPE=TMPFS,DST=/x,size=1.5GiB true",
        "RUN --mount=type=$KIND,sharing=locked,required,target=/x true",
        "RUN --mount=type=cache,target=/x,sharing=$HOW,uid=${UID} true",
        'RUN --mount=type="cache",sharing=locked,target=/x true',
        "EXPOSE 80 80/TCP 53/udp 1/sctp 8000-8010/tcp 80/ 0080",
        'EXPOSE $PORT ${A}/udp 80/$PROTOCOL "80" {{port}}',
        "EXPOSE 127.0.0.1:80:80 [::1]:8080:8080 5000:5000 1-2:3-4 1-9:80",
    ],
)
def test_mounts_and_ports_that_buildkit_takes_are_taken(line: str) -> None:
    assert reasons(f"FROM x\n{line}\n") == []

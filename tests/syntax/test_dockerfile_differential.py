"""The Dockerfile reader beside BuildKit's own parser (PyPI `dockerfile`) and, where that reads right, dockerfile-parse.

`REPRO_AUDIT_CORPUS` may name a folder of real files to compare as well. The binding holds BuildKit 0.12; what later
versions read otherwise is named here.
"""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro_audit.source import Source
from repro_audit.syntax.dockerfile import Instruction, parse

buildkit = pytest.importorskip("dockerfile")

_ROOT = Path(__file__).parents[2]
_NAME = re.compile(r"(?i)(?:^|\.)(?:dockerfile|containerfile)(?:$|\.)")


def corpus() -> list[Path]:
    roots = [_ROOT / "fixtures"]
    if os.environ.get("REPRO_AUDIT_CORPUS"):
        roots.append(Path(os.environ["REPRO_AUDIT_CORPUS"]))
    return [path for root in roots for path in sorted(root.rglob("*")) if _NAME.search(path.name) and path.is_file()]


def ours(instruction: Instruction) -> tuple[object, ...]:
    inner = instruction.onbuild or instruction
    value = [item.text for item in inner.value]
    if inner.keyword in ("env", "label"):  # 0.12 does not tell the `=` of a pair
        value = [text for index, text in enumerate(value) if index % 3 != 2]
    return (
        instruction.raw_keyword.upper(),
        instruction.onbuild.raw_keyword if instruction.onbuild else None,
        inner.json,
        instruction.start_line,
        instruction.end_line,
        tuple(flag.raw for flag in instruction.flags),
        tuple(value),
        tuple((h.name, h.fd, h.content) for h in instruction.heredocs),
    )


def theirs(command: object) -> tuple[object, ...]:
    c: object = command
    return (
        (c.cmd or "").upper(),  # type: ignore[attr-defined]
        c.sub_cmd,  # type: ignore[attr-defined]
        c.json,  # type: ignore[attr-defined]
        c.start_line,  # type: ignore[attr-defined]
        c.end_line,  # type: ignore[attr-defined]
        c.flags,  # type: ignore[attr-defined]
        c.value,  # type: ignore[attr-defined]
        tuple((h.name, h.file_descriptor, h.content) for h in c.heredocs),  # type: ignore[attr-defined]
    )


# Later versions take text after a JSON array for the shell form; 0.12 ignores it, or refuses the array before it.
_TEXT_AFTER_ARRAY = re.compile(r'\[\s*["0-9\]].*\]\s*[^\s\]]')


def changed_since(instruction: Instruction) -> bool:
    inner = instruction.onbuild or instruction
    text = inner.value[-1].text if inner.keyword == "healthcheck" and inner.value else inner.text.text
    return not inner.json and _TEXT_AFTER_ARRAY.match(text) is not None


def same(text: str) -> None:
    """Both read the text alike, or both refuse it for the same reason."""
    dockerfile = parse(Source("Dockerfile", text))
    if any(changed_since(instruction) for instruction in dockerfile.instructions):
        return
    reason, commands = None, ()
    try:
        commands = buildkit.parse_string(text)
    except buildkit.GoParseError as error:
        reason = str(error)
    assert next((error.message for error in dockerfile.errors), None) == reason
    if reason is None:
        assert [ours(instruction) for instruction in dockerfile.instructions] == [theirs(c) for c in commands]


def test_real_files_are_read_as_buildkit_reads_them() -> None:
    paths = corpus()
    if not paths:
        pytest.skip("there are no files to compare yet")
    for path in paths:
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError:
            continue
        if "\0" in text or "\\u0000" in text:  # the binding ends a string there
            continue
        try:
            same(text)
        except AssertionError as error:
            raise AssertionError(f"{path}: {error}") from error


_PIECES = st.sampled_from(
    [
        "FROM x\n",
        "RUN ",
        "COPY ",
        "ENV ",
        "LABEL ",
        "ARG ",
        "ONBUILD RUN ",
        "CMD ",
        "HEALTHCHECK CMD ",
        "USER ",
        "VOLUME ",
        "--a=b ",
        "--a='b c' ",
        '["a", "b\\n\\u00e9"]',
        "[1]",
        '["a", 1]',
        "a=b ",
        "a='b c' ",
        'a="b\\" c" ',
        "a b",
        "<<EOF ",
        "<<-'E F' ",
        "\nEOF\n",
        "\n\tE F\n",
        "\n",
        "\r\n",
        " \\\n",
        "\\\n",
        "`\n",
        "# c\n",
        "# escape=`\n",
        "# syntax=x\n",
        "  ",
        "\t",
        "'",
        '"',
        "\\",
        "é\u3000",
        "${x:-a b}",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(_PIECES, max_size=14).map("".join))
def test_made_up_files_are_read_as_buildkit_reads_them(text: str) -> None:
    same(text)


def test_dockerfile_parse_finds_the_same_lines_where_it_reads_right() -> None:
    dockerfile_parse = pytest.importorskip("dockerfile_parse")
    text = '# c\nFROM x AS y\nRUN a \\\n  # c\n  b\nENV a=b \\\n  c=d\n\nCMD ["a"]\n'
    structure = dockerfile_parse.DockerfileParser(fileobj=io.BytesIO(text.encode())).structure
    expected = [
        (item["instruction"].lower(), item["startline"] + 1, item["endline"] + 1)
        for item in structure
        if item["instruction"] != "COMMENT"
    ]
    dockerfile = parse(Source("Dockerfile", text))
    assert [(i.keyword, i.start_line, i.end_line) for i in dockerfile.instructions] == expected

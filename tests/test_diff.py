"""Diffs: what git applies, whatever the texts are, and in linear time."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro_audit.diff import blocks, unified_diff


@pytest.mark.parametrize("name", ["Dockerfile", "a b/Dockerfile", 'q"uo\\te', "new\nline", "caf\u00e9"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a\nb\nc\n", "a\nB\nc\n"),
        ("a\nb", "a\nb\n"),
        ("a\r\nb\r\n", "a\r\nB\r\n"),
        ("", "a\n"),
        ("a\n", ""),
        ("a\x0cb\u2028c\rd\n", "a\x0cb\u2028X\rd\n"),
    ],
)
def test_a_diff_is_one_that_git_applies(tmp_path, name, old, new):
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(old.encode())
    diff = unified_diff(old, new, name)
    subprocess.run(["git", "apply", "-"], input=diff.encode(), cwd=tmp_path, check=True)
    assert file.read_bytes() == new.encode()


def test_ranges_of_empty_sides_start_at_zero():
    assert unified_diff("", "a\n", "f").split("\n")[2] == "@@ -0,0 +1 @@"
    assert unified_diff("a\nb\n", "", "f").split("\n")[2] == "@@ -1,2 +0,0 @@"


def test_no_change_gives_no_diff():
    assert unified_diff("a\n", "a\n", "f") == ""


def test_a_diff_looks_as_diffs_do():
    assert unified_diff("a\nb\nc", "a\nB\nc", "docker/Dockerfile") == (
        "--- a/docker/Dockerfile\n+++ b/docker/Dockerfile\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n\\ No newline at end of file\n"
    )


LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "d\n", "e\n"]), max_size=30)


@settings(max_examples=200, deadline=None)
@given(LINES, LINES)
def test_what_lies_between_the_blocks_is_equal(before, after):
    at_a = at_b = 0
    for block in blocks(before, after):
        assert before[at_a : block.a] == after[at_b : block.b]
        assert (block.a, block.b) == (0, 0) or (block.a > at_a or at_a == 0)
        at_a, at_b = block.a_end, block.b_end
    assert before[at_a:] == after[at_b:]


@settings(max_examples=60, deadline=None)
@given(st.text("ab\n\r", max_size=60), st.text("ab\n\r", max_size=60))
def test_any_two_texts_give_a_diff_that_leads_from_one_to_the_other(old, new):
    assert _patched(old, unified_diff(old, new, "f")) == new


def _patched(old: str, diff: str) -> str:
    """`old` after the diff, by its hunks."""
    if not diff:
        return old
    lines, out, at = old.split("\n"), [], 0
    lines = [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    rows = diff.replace("\n\\ No newline at end of file\n", "\0").split("\n")
    rows = [row for part in rows for row in _whole(part)][2:]
    for row in rows:
        if row.startswith("@@"):
            start, _, size = row.split(" ")[1][1:].partition(",")
            begin = int(start) - (size != "0")
            out += lines[at:begin]
            at = begin
        elif row.startswith("+"):
            out.append(row[1:])
        else:
            assert lines[at] == row[1:]
            if row.startswith(" "):
                out.append(row[1:])
            at += 1
    return "".join(out + lines[at:])


def _whole(part: str) -> list[str]:
    rows = part.split("\0")
    return [*rows[:-1], *([rows[-1] + "\n"] if rows[-1] else [])]


def test_far_changes_stand_in_hunks_of_their_own_and_near_ones_share_one():
    lines = [f"line {i}\n" for i in range(40)]
    changed = [*lines]
    changed[5], changed[12], changed[30] = "x\n", "y\n", "z\n"
    hunks = [row for row in unified_diff("".join(lines), "".join(changed), "f").split("\n") if row.startswith("@@")]
    assert hunks == ["@@ -3,14 +3,14 @@", "@@ -28,7 +28,7 @@"]


def changed_lines(size: int) -> None:
    old = "".join(f"package-{i}>=1\n" for i in range(size))
    new = "".join(
        line.replace(">", "=") if i % 50 == 0 else line for i, line in enumerate(old.splitlines(keepends=True))
    )
    assert unified_diff(old, new, "requirements.txt").count("\n+") == size // 50 + 1


def test_many_changes_take_time_in_proportion_to_the_lines(linear):
    linear(changed_lines, 6_000)

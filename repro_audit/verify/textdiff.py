"""Short unified diffs of differing text files, for reports."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_WIDTH = 200
_INPUT = 4000  # lines; difflib takes quadratic time on unlike files


def is_text(data: bytes) -> bool:
    """Whether the bytes can be shown as text."""
    if b"\0" in data[:65536]:
        return False
    try:
        data[:65536].decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > 65530  # a character cut in two at the end
    return True


def unified(
    left: bytes,
    right: bytes,
    bound: int = 40,
    *,
    mask: Callable[[str], str] = str,
    names: tuple[str, str] = ("first", "second"),
) -> str:
    """A unified diff of at most `bound` lines between sides of these names, each line passed through `mask`, long ones
    cut; empty where there is nothing to show.
    """
    sides = []
    for data in (left, right):
        lines = data.decode("utf-8", "replace").split("\n")
        if len(lines) > 1 and not lines[-1]:
            lines.pop()
        sides.append([line.rstrip("\r") for line in lines])
    one, two = sides
    # what both begin and end with need not be compared line by line
    head = 0
    while head < min(len(one), len(two)) and one[head] == two[head]:
        head += 1
    tail = 0
    while tail < min(len(one), len(two)) - head and one[-1 - tail] == two[-1 - tail]:
        tail += 1
    start = max(0, head - 2)
    one, two = one[start : len(one) - max(0, tail - 2)], two[start : len(two) - max(0, tail - 2)]
    cut = len(one) > _INPUT or len(two) > _INPUT
    before, after = (name.removeprefix("the ") for name in names)
    rows = list(difflib.unified_diff(one[:_INPUT], two[:_INPUT], before, after, lineterm="", n=2))
    if not rows:
        return ""
    if start:
        rows.insert(2, f"  (from line {start + 1} on)")
    if len(rows) > bound or cut:
        rows = [*rows[:bound], "... (shortened)"]
    # before it is cut: half a secret is not found again
    rows = list(map(mask, rows))
    return "\n".join(row if len(row) <= _WIDTH else row[:_WIDTH] + "..." for row in rows)

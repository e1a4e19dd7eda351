"""The difference between two texts as a unified diff, in time that grows with their size and not with its square."""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple

# Ranges without a line that stands once in both are compared exactly up to this many pairs of lines.
_EXACT = 250_000
_CONTEXT = 3


class Block(NamedTuple):
    """Lines `[a, a_end)` of the old text and `[b, b_end)` of the new that differ."""

    a: int
    a_end: int
    b: int
    b_end: int


def unified_diff(old: str, new: str, path: str) -> str:
    """The change as a unified diff that `git apply` and `patch` take; empty when there is none.

    It holds the file's own text: pass it through `report.visible.terminal` before it goes to a terminal.
    """
    if old == new:
        return ""
    before, after = _lines(old), _lines(new)
    out = [f"--- {_quoted('a/' + path)}\n", f"+++ {_quoted('b/' + path)}\n"]
    hunk: list[Block] = []
    for block in blocks(before, after):
        if hunk and block.a - hunk[-1].a_end > 2 * _CONTEXT:
            out += _hunk(before, after, hunk)
            hunk = []
        hunk.append(block)
    out += _hunk(before, after, hunk)
    return "".join(out)


def blocks(before: list[str], after: list[str]) -> list[Block]:
    """Where two lists of lines differ, in order.

    Lines that stand once in both texts are the anchors, as in patience diff; what lies between is compared again.
    The outcome is right but not always the shortest.
    """
    out: list[Block] = []
    todo = [Block(0, len(before), 0, len(after))]
    while todo:
        block = _trimmed(before, after, todo.pop())
        if block.a == block.a_end and block.b == block.b_end:
            continue
        if block.a == block.a_end or block.b == block.b_end:
            _add(out, block)
            continue
        anchors = _anchors(before, after, block)
        if anchors:
            todo += reversed(_between(block, anchors))
        elif (block.a_end - block.a) * (block.b_end - block.b) <= _EXACT:
            for part in _exact(before, after, block):
                _add(out, part)
        else:
            _add(out, block)
    return out


def _add(out: list[Block], block: Block) -> None:
    if out and (out[-1].a_end, out[-1].b_end) == (block.a, block.b):
        out[-1] = Block(out[-1].a, block.a_end, out[-1].b, block.b_end)
    else:
        out.append(block)


def _trimmed(before: list[str], after: list[str], block: Block) -> Block:
    """The block without the lines that begin or end both of its sides."""
    a, a_end, b, b_end = block
    while a < a_end and b < b_end and before[a] == after[b]:
        a += 1
        b += 1
    while a < a_end and b < b_end and before[a_end - 1] == after[b_end - 1]:
        a_end -= 1
        b_end -= 1
    return Block(a, a_end, b, b_end)


def _anchors(before: list[str], after: list[str], block: Block) -> list[tuple[int, int]]:
    """The longest ascending run of pairs of lines that stand once on each side of the block."""
    ours = _once(before, block.a, block.a_end)
    theirs = _once(after, block.b, block.b_end)
    pairs = [(place, theirs[line]) for line, place in ours.items() if line in theirs]
    ends: list[int] = []  # ends[n]: where the best run of n + 1 pairs ends in the new text
    last: list[int] = []
    back: list[int] = []
    for index, (_, b) in enumerate(pairs):
        size = bisect_left(ends, b)
        back.append(last[size - 1] if size else -1)
        if size == len(ends):
            ends.append(b)
            last.append(index)
        else:
            ends[size] = b
            last[size] = index
    run = []
    at = last[-1] if last else -1
    while at != -1:
        run.append(pairs[at])
        at = back[at]
    return run[::-1]


def _once(lines: list[str], start: int, end: int) -> dict[str, int]:
    """Where each line that stands once in `lines[start:end]` stands, in order of place."""
    places: dict[str, int] = {}
    for index in range(start, end):
        places[lines[index]] = -1 if lines[index] in places else index
    return {line: place for line, place in places.items() if place != -1}


def _between(block: Block, anchors: list[tuple[int, int]]) -> list[Block]:
    out = []
    a, b = block.a, block.b
    for place_a, place_b in anchors:
        out.append(Block(a, place_a, b, place_b))
        a, b = place_a + 1, place_b + 1
    return [*out, Block(a, block.a_end, b, block.b_end)]


def _exact(before: list[str], after: list[str], block: Block) -> list[Block]:
    from difflib import SequenceMatcher

    matcher = SequenceMatcher(None, before[block.a : block.a_end], after[block.b : block.b_end], autojunk=False)
    return [
        Block(block.a + a, block.a + a_end, block.b + b, block.b + b_end)
        for tag, a, a_end, b, b_end in matcher.get_opcodes()
        if tag != "equal"
    ]


def _hunk(before: list[str], after: list[str], hunk: list[Block]) -> list[str]:
    start, end = max(hunk[0].a - _CONTEXT, 0), min(hunk[-1].a_end + _CONTEXT, len(before))
    lead, trail = hunk[0].a - start, end - hunk[-1].a_end
    size_b = hunk[-1].b_end + trail - (hunk[0].b - lead)
    out = [f"@@ -{_range(start, end - start)} +{_range(hunk[0].b - lead, size_b)} @@\n"]
    at = start
    for block in hunk:
        out += [_marked(" ", line) for line in before[at : block.a]]
        out += [_marked("-", line) for line in before[block.a : block.a_end]]
        out += [_marked("+", line) for line in after[block.b : block.b_end]]
        at = block.a_end
    out += [_marked(" ", line) for line in before[at:end]]
    return out


def _range(start: int, size: int) -> str:
    if size == 1:
        return str(start + 1)
    return f"{start + 1 if size else start},{size}"


def _marked(mark: str, line: str) -> str:
    return mark + line if line.endswith("\n") else f"{mark}{line}\n\\ No newline at end of file\n"


def _lines(text: str) -> list[str]:
    """Lines with their endings, cut at line feeds only."""
    lines = [line + "\n" for line in text.split("\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


def _quoted(path: str) -> str:
    """A path for a diff's header, in C quotes as git writes it where it holds what would break the line."""
    if path.isprintable() and '"' not in path and "\\" not in path:
        return path
    out = []
    for character in path:
        if character in '"\\':
            out.append("\\" + character)
        elif character.isprintable():
            out.append(character)
        else:
            out += [f"\\{byte:03o}" for byte in character.encode("utf-8", "surrogateescape")]
    return f'"{"".join(out)}"'

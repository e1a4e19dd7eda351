"""The report for a terminal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from repro_audit.verify.comparison import counted
from repro_audit.verify.report.groups import (
    by_instruction,
    groups,
    lines,
    made_in,
    origin,
    set_aside,
    short,
    shown,
    summary,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from repro_audit.verify.comparison import Comparison, Reason
    from repro_audit.verify.report.groups import Group

# What a terminal is shown at most: the other formats have it all.
_ALL = "--format html or json shows all"
_FEW = 4
_INSTRUCTIONS = 12
_CAUSES = 8
_LINES = 80  # after so many, less is shown of the rest
_OPENED = 3  # files of one cause whose contents are shown
_DIFF = 12
_COLORS = {"red": "31", "green": "32", "yellow": "33", "bold": "1", "dim": "2"}


def render(comparison: Comparison, *, conditions: dict[str, str], color: bool = False, limit: int = 10) -> str:
    """The differences of each instruction by cause, with `limit` paths of each and the remedy; in short what does not
    count; the result last. However much differs, it stays a few screens.
    """

    def paint(name: str, text: str) -> str:
        return f"\x1b[{_COLORS[name]}m{text}\x1b[0m" if color else text

    out: list[str] = []
    instructions = by_instruction(groups(comparison))
    for group in instructions[:_INSTRUCTIONS]:
        first = group[0]
        out.append(paint("bold", origin(first.place, first.created_by, first.layer)))
        if made := made_in(first.place):
            out.append(f"  {made}")
        most = _CAUSES if len(out) < _LINES else _FEW
        for each in group[:most]:
            room = len(out) < _LINES
            out += _cause(each, paint, limit if room else min(limit, 2), _OPENED if room else 0)
        if len(group) > most:
            out.append(f"  ... and {counted(len(group) - most, 'more cause')} ({_ALL})")
        out.append("")
    if len(instructions) > _INSTRUCTIONS:
        out += [f"... and {counted(len(instructions) - _INSTRUCTIONS, 'more instruction')} ({_ALL})", ""]
    fields = []
    for item in comparison.config:
        if not item.harmless:
            where = f" ({shown(item.place.path)}:{item.place.line})" if item.place else ""
            fields.append(f"configuration {shown(item.field)}{where}: {_value(item.left)} -> {_value(item.right)}")
    if fields:
        out += [*_bounded(fields, 2 * limit), ""]
    out += _set_aside(comparison, paint)
    if comparison.packages:
        names = comparison.circumstances.names
        out.append(paint("bold", "packages that moved"))
        out += _bounded([f"  {c.ecosystem:6} {shown(c.told(names))}" for c in comparison.packages], 2 * limit)
        out.append("")
    out += [f"note: {shown(note, 500)}" for note in comparison.notes]
    out += [f"{shown(key)}: {shown(value)}" for key, value in conditions.items()]
    left, right = comparison.left, comparison.right
    wide = max(len(shown(image.where)) for image in (left, right))
    for image in (left, right):
        out.append(f"{shown(image.where):{wide}}  {short(image.manifest_digest or image.config_digest)}")
    out.append(summary(comparison))
    told = comparison.circumstances.told(comparison.result)
    out.append(paint("red" if comparison.result == "different" else "green", told))
    return "\n".join(out) + "\n"


def _cause(group: Group, paint: Callable[[str, str], str], limit: int, opened: int) -> list[str]:
    """One cause of what an instruction wrote: its files, of the first ones with what differs inside, and the remedy."""
    one, many = group.differences[0].reason, len(group.differences)
    out = [f"  {paint('red', group.cause)}: {counted(many, 'file')}; {shown(one.why)}"]
    for number, difference in enumerate(group.differences[:limit]):
        kinds = ", ".join(difference.kinds)
        hidden = ", hidden by a later layer" if difference.hidden else ""
        out.append(f"    {shown(difference.path)}  [{kinds}{hidden}]")
        reason = difference.reason
        if reason.why != one.why:
            out.append(f"      {shown(reason.why)}")
        if number < opened:
            out += [f"      {shown(line)}" for line in reason.inside]
            if reason.diff:
                out += [f"      {line}" for line in _bounded(lines(reason.diff).split("\n"), _DIFF)]
    if many > limit:
        out.append(f"    ... and {many - limit} more")
    return [*out, f"    {paint('green', 'remedy')}: {_remedy(one)}"]


def _bounded(rows: list[str], most: int) -> list[str]:
    """The first of the rows, and how many more there are."""
    indent = rows[0][: len(rows[0]) - len(rows[0].lstrip())]
    return rows if len(rows) <= most + 1 else [*rows[:most], f"{indent}... and {len(rows) - most} more"]


def _set_aside(comparison: Comparison, paint: Callable[[str, str], str]) -> list[str]:
    out = []
    for cause, differences in set_aside(comparison):
        one, count = differences[0].reason, len(differences)
        paths = ", ".join(shown(each.path, 60) for each in differences[:_FEW])
        more = f" and {count - _FEW} more" if count > _FEW else ""
        out.append(f"  {cause}: {counted(count, 'file')}; {shown(one.why)}: {paths}{more}")
        out.append(f"    {paint('green', 'remedy')}: {_remedy(one)}")
    fields = sorted({re.sub(r"\[\d+\]", "", item.field) for item in comparison.config if item.harmless})
    if fields:
        out.append(f"  configuration: {', '.join(map(shown, fields))}")
    return [paint("dim", "does not count:"), *out, ""] if out else []


def _remedy(reason: Reason) -> str:
    return f"{reason.remedy} (rule {reason.rule})" if reason.rule else reason.remedy


def _value(text: str | None) -> str:
    return "(not set)" if text is None else shown(text, 120)

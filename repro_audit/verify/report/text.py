"""The report for a terminal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from repro_audit.verify.report.groups import RESULTS, groups, lines, origin, set_aside, short, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from repro_audit.verify.comparison import Comparison, Reason

_FEW = 4
_COLORS = {"red": "31", "green": "32", "yellow": "33", "bold": "1", "dim": "2"}


def render(comparison: Comparison, *, conditions: dict[str, str], color: bool = False, limit: int = 10) -> str:
    """Groups of differences by instruction and cause, with `limit` paths of each and the remedy; in short what does not
    count; the result last.
    """

    def paint(name: str, text: str) -> str:
        return f"\x1b[{_COLORS[name]}m{text}\x1b[0m" if color else text

    out: list[str] = []
    for group in groups(comparison):
        if group.harmless:
            continue
        one = group.differences[0].reason
        count = len(group.differences)
        files = "1 file" if count == 1 else f"{count} files"
        out.append(paint("bold", origin(group.place, group.created_by, group.layer)))
        out.append(f"  {paint('red', group.cause)}: {files}; {shown(one.why)}")
        for difference in group.differences[:limit]:
            kinds = ", ".join(difference.kinds)
            hidden = ", hidden by a later layer" if difference.hidden else ""
            out.append(f"    {shown(difference.path)}  [{kinds}{hidden}]")
            reason = difference.reason
            if reason.why != one.why:
                out.append(f"      {shown(reason.why)}")
            out += [f"      {shown(line)}" for line in reason.inside]
            if reason.diff:
                out += [f"      {line}" for line in lines(reason.diff).split("\n")]
        if count > limit:
            out.append(f"    ... and {count - limit} more")
        out.append(f"  {paint('green', 'remedy')}: {_remedy(one)}")
        out.append("")
    counted = [item for item in comparison.config if not item.harmless]
    for item in counted:
        where = f" ({shown(item.place.path)}:{item.place.line})" if item.place else ""
        out.append(f"configuration {shown(item.field)}{where}: {_value(item.left)} -> {_value(item.right)}")
    if counted:
        out.append("")
    out += _set_aside(comparison, paint)
    if comparison.packages:
        out.append(paint("bold", "packages that moved"))
        out += [f"  {change.ecosystem:6} {shown(str(change))}" for change in comparison.packages]
        out.append("")
    out += [f"note: {shown(note, 500)}" for note in comparison.notes]
    out += [f"{shown(key)}: {shown(value)}" for key, value in conditions.items()]
    left, right = comparison.left, comparison.right
    out.append(f"first:  {short(left.manifest_digest or left.config_digest)}  {shown(left.where)}")
    out.append(f"second: {short(right.manifest_digest or right.config_digest)}  {shown(right.where)}")
    harmful = sum(not d.harmless for d in comparison.differences)
    same = sum(layer.same for layer in comparison.layers)
    out.append(
        f"{len(left.files)} files in {len(comparison.layers)} layers, {same} of them the same; "
        f"{harmful} files differ, {len(comparison.differences) - harmful} more only in times, order or storage"
    )
    out.append(paint("red" if comparison.result == "different" else "green", RESULTS[comparison.result]))
    return "\n".join(out) + "\n"


def _set_aside(comparison: Comparison, paint: Callable[[str, str], str]) -> list[str]:
    out = []
    for cause, differences in set_aside(comparison):
        one, count = differences[0].reason, len(differences)
        paths = ", ".join(shown(each.path, 60) for each in differences[:_FEW])
        more = f" and {count - _FEW} more" if count > _FEW else ""
        out.append(f"  {cause}: {'1 file' if count == 1 else f'{count} files'}; {shown(one.why)}: {paths}{more}")
        out.append(f"  {paint('green', 'remedy')}: {_remedy(one)}")
    fields = sorted({re.sub(r"\[\d+\]", "", item.field) for item in comparison.config if item.harmless})
    if fields:
        out.append(f"  configuration: {', '.join(map(shown, fields))}")
    return [paint("dim", "does not count:"), *out, ""] if out else []


def _remedy(reason: Reason) -> str:
    return f"{reason.remedy} (rule {reason.rule})" if reason.rule else reason.remedy


def _value(text: str | None) -> str:
    return "(not set)" if text is None else shown(text, 120)

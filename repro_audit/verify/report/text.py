"""The report for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro_audit.verify.report.groups import RESULTS, groups, lines, origin, short, shown

if TYPE_CHECKING:
    from repro_audit.verify.comparison import Comparison

_COLORS = {"red": "31", "green": "32", "yellow": "33", "bold": "1", "dim": "2"}


def render(comparison: Comparison, *, conditions: dict[str, str], color: bool = False, limit: int = 10) -> str:
    """Groups of differences by instruction and cause, `limit` paths of each, with the remedy; the result last."""

    def paint(name: str, text: str) -> str:
        return f"\x1b[{_COLORS[name]}m{text}\x1b[0m" if color else text

    out: list[str] = []
    for group in groups(comparison):
        one = group.differences[0].reason
        count = len(group.differences)
        files = "1 file" if count == 1 else f"{count} files"
        head = paint("dim" if group.harmless else "bold", origin(group.place, group.created_by, group.layer))
        harmless = " (does not count)" if group.harmless else ""
        out.append(head)
        out.append(f"  {paint('dim' if group.harmless else 'red', group.cause)}{harmless}: {files}; {shown(one.why)}")
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
        rule = f" (rule {one.rule})" if one.rule else ""
        out.append(f"  {paint('green', 'remedy')}: {one.remedy}{rule}")
        out.append("")
    for item in comparison.config:
        where = f" ({shown(item.place.path)}:{item.place.line})" if item.place else ""
        harmless = " (does not count)" if item.harmless else ""
        out.append(f"configuration {shown(item.field)}{where}{harmless}: {_value(item.left)} -> {_value(item.right)}")
    if comparison.config:
        out.append("")
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


def _value(text: str | None) -> str:
    return "(not set)" if text is None else shown(text, 120)

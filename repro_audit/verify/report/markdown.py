"""The report for a pull request's comment or a step summary."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from repro_audit.verify.report.groups import groups, lines, made_in, origin, set_aside, short, shown, summary

if TYPE_CHECKING:
    from repro_audit.verify.comparison import Comparison, Difference

_SIGNS = {"identical": "✅", "same-files": "✅", "different": "❌"}


def render(comparison: Comparison, *, conditions: dict[str, str], limit: int = 20) -> str:
    """A headline, a table of groups, diffs folded away, packages and configuration."""
    out = [
        f"## {_SIGNS[comparison.result]} {comparison.circumstances.title}: {comparison.result}",
        "",
        comparison.circumstances.told(comparison.result) + ".",
        "",
        summary(comparison) + ".",
        "",
    ]
    found = groups(comparison)
    first, second = plain(comparison.left.where), plain(comparison.right.where)
    if found:
        out += ["| Instruction | Cause | Files | Remedy |", "|---|---|---|---|"]
        for group in found:
            if not group.harmless:
                place = code(origin(group.place, group.created_by, group.layer))
                place += f"<br>{plain(made)}" if (made := made_in(group.place)) else ""
                out.append(_row(place, group.cause, group.differences))
        out += [_row("(does not count)", cause, differences) for cause, differences in set_aside(comparison)]
        out.append("")
    diffs = [d for g in found for d in g.differences if d.reason.diff or d.reason.inside][:limit]
    for difference in diffs:
        inside = "\n".join([*map(shown, difference.reason.inside), lines(difference.reason.diff)]).strip()
        fence = "`" * max(3, 1 + max((len(m) for m in re.findall("`+", inside)), default=0))
        out += [
            f"<details><summary>{html(difference.path)}</summary>",
            "",
            f"{fence}diff",
            inside,
            fence,
            "",
            "</details>",
            "",
        ]
    if comparison.config:
        out += [f"| Configuration | {first} | {second} |", "|---|---|---|"]
        out += [f"| {code(c.field)} | {code(c.left)} | {code(c.right)} |" for c in comparison.config]
        out.append("")
    if comparison.packages:
        out += [f"| Package | {first} | {second} |", "|---|---|---|"]
        out += [f"| {code(p.name)} ({p.ecosystem}) | {code(p.left)} | {code(p.right)} |" for p in comparison.packages]
        out.append("")
    out += [f"- {plain(note)}" for note in comparison.notes]
    out += [f"- {plain(key)}: {code(value)}" for key, value in conditions.items()]
    digests = (code(short(image.config_digest)) for image in (comparison.left, comparison.right))
    out.append(f"- {first} {next(digests)}, {second} {next(digests)}")
    return "\n".join(out) + "\n"


def _row(place: str, cause: str, differences: tuple[Difference, ...]) -> str:
    one = differences[0].reason
    paths = "<br>".join(code(each.path) for each in differences[:5])
    more = f"<br>... {len(differences) - 5} more" if len(differences) > 5 else ""
    return f"| {place} | {cause}: {plain(one.why)} | {paths}{more} | {plain(one.remedy)} |"


def code(text: str | None) -> str:
    """A code span that no content can leave, in a table cell too."""
    if text is None:
        return "-"
    text = shown(text).replace("|", "\\|")
    ticks = "`" * (1 + max((len(m) for m in re.findall("`+", text)), default=0))
    pad = " " if text.startswith("`") or text.endswith("`") or not text.strip() else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def plain(text: str) -> str:
    """Text with everything escaped that Markdown or HTML would take for its own."""
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", html(text))


def html(text: str) -> str:
    """Text within HTML."""
    return shown(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

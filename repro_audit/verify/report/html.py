"""The report as one HTML file: a picture of the layers and where they differ, then every difference. No script,
nothing loaded.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from repro_audit.verify.report.groups import Group, groups, lines, made_in, origin, short, shown, size, summary

if TYPE_CHECKING:
    from repro_audit.verify.comparison import Comparison, Difference, LayerPair

_STYLE = """
:root{--ok:#2e7d4f;--soft:#b7791f;--bad:#b3261e;--line:#d9dde3;--ink:#1d2329;--paper:#fff;--dim:#5d6873;
--code:#f4f6f8}
@media (prefers-color-scheme:dark){:root{--ok:#5bbd86;--soft:#e0b050;--bad:#ff8a80;--line:#39424c;--ink:#e4e8ec;
--paper:#14181c;--dim:#9aa5b1;--code:#1d2329}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:72rem;margin:2rem auto;
padding:0 1rem}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}
.result{border-left:6px solid;padding:.4rem .8rem}.identical,.same-files{border-color:var(--ok)}
.different{border-color:var(--bad)}
.layers{display:grid;grid-template-columns:auto minmax(6rem,1fr) auto;gap:4px 12px;align-items:center}
.layers a{color:inherit;text-decoration:none;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;
max-width:34rem}
.bar{height:1.3rem;display:flex;border-radius:3px;overflow:hidden;background:var(--line)}.bar i{display:block;
height:100%}
.ok{background:var(--ok)}.soft{background:var(--soft)}.bad{background:var(--bad)}
.count{color:var(--dim);white-space:nowrap;font-size:.85rem}
.key span{display:inline-block;width:.8rem;height:.8rem;border-radius:2px;margin:0 .3rem 0 1rem;vertical-align:-1px}
code,pre{font:13px/1.45 ui-monospace,monospace;background:var(--code)}code{padding:.05rem .25rem;
overflow-wrap:anywhere}
pre{padding:.6rem;overflow:auto;margin:.3rem 0}pre ins{color:var(--ok);text-decoration:none}
pre del{color:var(--bad);text-decoration:none}
details{border:1px solid var(--line);border-radius:4px;margin:.4rem 0;padding:.3rem .7rem}summary{cursor:pointer}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid var(--line);text-align:left;
padding:.25rem .5rem;vertical-align:top}
.tag{font-size:.8rem;border:1px solid var(--line);border-radius:3px;padding:0 .3rem;color:var(--dim)}
.remedy{color:var(--ok)}
"""


def render(comparison: Comparison, *, conditions: dict[str, str], limit: int = 200) -> str:
    """The page; of each group at most `limit` files."""
    left, right = comparison.left, comparison.right
    found = groups(comparison)
    title, told = comparison.circumstances.title, comparison.circumstances.told(comparison.result)
    sides = f"<th>{_e(left.where)}<th>{_e(right.where)}"
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{title}: {comparison.result}</title><style>{_STYLE}</style></head><body>",
        f'<h1>{title}</h1><p class="result {comparison.result}">{_e(told)}</p>',
        f"<p>{_e(left.where)} <code>{short(left.manifest_digest or left.config_digest)}</code> and ",
        f"{_e(right.where)} <code>{short(right.manifest_digest or right.config_digest)}</code>: ",
        f"{summary(comparison)}.</p>",
        *_picture(comparison.layers),
    ]
    if found:
        parts.append("<h2>Differences</h2>")
    anchored: set[int] = set()
    for group in found:
        anchor = "" if group.layer in anchored else f' id="layer{group.layer}"'
        anchored.add(group.layer)
        parts += _group(group, anchor, limit)
    if comparison.config:
        parts.append(f"<h2>Configuration</h2><table><tr><th>field{sides}<th></tr>")
        parts += [
            f"<tr><td><code>{_e(c.field)}</code><td>{_value(c.left)}<td>{_value(c.right)}<td>"
            f"{'does not count' if c.harmless else ''}</tr>"
            for c in comparison.config
        ]
        parts.append("</table>")
    if comparison.packages:
        parts.append(f"<h2>Packages that moved</h2><table><tr><th>package<th>from{sides}</tr>")
        parts += [
            f"<tr><td>{_e(p.name)}<td>{_e(p.ecosystem)}<td>{_value(p.left)}<td>{_value(p.right)}</tr>"
            for p in comparison.packages
        ]
        parts.append("</table>")
    if comparison.notes or conditions:
        parts.append("<h2>Notes</h2><ul>")
        parts += [f"<li>{_e(note)}</li>" for note in comparison.notes]
        parts += [f"<li>{_e(key)}: <code>{_e(value)}</code></li>" for key, value in conditions.items()]
        parts.append("</ul>")
    parts.append("</body></html>\n")
    return "\n".join(parts)


def _e(text: str) -> str:
    return escape(shown(text, 500))


def _value(text: str | None) -> str:
    return "-" if text is None else f"<code>{_e(text)}</code>"


def _picture(layers: tuple[LayerPair, ...]) -> list[str]:
    """One bar for each layer, longer for larger ones (by the logarithm), coloured by how many of its files differ."""
    if not layers:
        return []
    parts = ['<h2>Layers</h2><p class="key"><span class="ok"></span>same<span class="soft"></span>']
    parts.append('times, order or storage<span class="bad"></span>files differ</p><div class="layers">')
    longest = max(math.log10(layer.size + 10) for layer in layers)
    for layer in layers:
        total = layer.harmless + layer.harmful
        wide = 100 * math.log10(layer.size + 10) / longest
        if layer.same:
            shares = [("ok", 100.0)]
        elif not total:
            shares = [("soft", 100.0)]
        else:
            bad = 100 * layer.harmful / total
            shares = [("bad", bad), ("soft", 100 - bad)]
        bar = "".join(f'<i class="{kind}" style="width:{share:.1f}%"></i>' for kind, share in shares if share)
        text = _e(origin(layer.place, layer.created_by, layer.index))
        label = f'<a href="#layer{layer.index}">{text}</a>' if total else f"<a>{text}</a>"
        told = "same" if layer.same else f"{layer.harmful} differ, {layer.harmless} harmless"
        parts.append(
            f'{label}<div><div class="bar" style="width:{wide:.1f}%" role="img" '
            f'aria-label="layer {layer.index}: {told}">{bar}</div></div>'
            f'<span class="count">{told} · {size(layer.size)}</span>'
        )
    parts.append("</div>")
    return parts


def _group(group: Group, anchor: str, limit: int) -> list[str]:
    one = group.differences[0].reason
    rule = f" (rule <code>{_e(one.rule)}</code>)" if one.rule else ""
    count = len(group.differences)
    made = f"{_e(made_in(group.place))}: " if made_in(group.place) else ""
    harmless = ' <span class="tag">does not count</span>' if group.harmless else ""
    parts = [
        f"<details{anchor}{'' if group.harmless else ' open'}><summary><b>{_e(group.cause)}</b>{harmless} "
        f"{count} {'file' if count == 1 else 'files'} · <code>{_e(origin(group.place, group.created_by, group.layer))}"
        f'</code></summary><p>{made}{_e(one.why)}. <span class="remedy">Remedy: {_e(one.remedy)}{rule}.</span></p>'
    ]
    parts += [_file(difference, one.why) for difference in group.differences[:limit]]
    if count > limit:
        parts.append(f"<p>... and {count - limit} more</p>")
    parts.append("</details>")
    return parts


def _file(difference: Difference, why: str) -> str:
    reason = difference.reason
    tags = " ".join(f'<span class="tag">{kind}</span>' for kind in difference.kinds)
    hidden = ' <span class="tag">hidden by a later layer</span>' if difference.hidden else ""
    text = f"<div><code>{_e(difference.path)}</code> {tags}{hidden}"
    if reason.why != why:
        text += f" {_e(reason.why)}"
    if reason.inside:
        text += f"<pre>{escape(chr(10).join(map(shown, reason.inside)))}</pre>"
    if reason.diff:
        rows = []
        for row in lines(reason.diff).split("\n"):
            tag = {"+": "ins", "-": "del"}.get(row[:1])
            rows.append(f"<{tag}>{escape(row)}</{tag}>" if tag else escape(row))
        text += f"<pre>{chr(10).join(rows)}</pre>"
    return text + "</div>"

"""The HTML report: one file that needs nothing else, grouped by file, with the source and what each rule is about."""

from __future__ import annotations

from html import escape
from itertools import groupby
from typing import TYPE_CHECKING

from repro_audit import __version__
from repro_audit.report import summary
from repro_audit.report.frame import frame
from repro_audit.report.prose import first_sentence, parts
from repro_audit.report.visible import visible

if TYPE_CHECKING:
    from repro_audit.finding import Finding
    from repro_audit.result import InputRecord, Result

_WIDTH = 110
_STYLE = """
:root { color-scheme: light dark; --error: #c62828; --warning: #b26a00; --info: #1565c0; --line: #8884; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; }
h2 { font-size: 1.1rem; border-bottom: 1px solid var(--line); margin-top: 2rem; overflow-wrap: anywhere; }
pre { overflow-x: auto; padding: .5rem .75rem; background: #8881; border-radius: 4px; font-size: .85rem; }
article { margin: 1rem 0 1.5rem; border-left: 3px solid var(--line); padding-left: .75rem; }
article.error { border-color: var(--error); } article.warning { border-color: var(--warning); }
article.info { border-color: var(--info); }
b.error { color: var(--error); } b.warning { color: var(--warning); } b.info { color: var(--info); }
code { background: #8882; border-radius: 3px; padding: 0 .2em; overflow-wrap: anywhere; } p { margin: .3rem 0; }
table { border-collapse: collapse; font-size: .9rem; width: 100%; }
td, th { text-align: left; border-bottom: 1px solid var(--line); padding: .2rem .75rem .2rem 0; vertical-align: top; }
footer { margin-top: 3rem; opacity: .7; font-size: .85rem; }
"""


def render(result: Result) -> str:
    """The whole page."""
    out = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        # The page shows text from strangers' files: should an escape ever be missing, nothing may run or load.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        '<meta name="viewport" content="width=device-width">',
        f"<title>repro-audit</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>repro-audit</h1>",
    ]
    out += [f"<p>{_inline(line)}</p>" for line in summary.lines(result)]
    for note in result.notes:
        where = f"<code>{_text(note.path)}</code>: " if note.path else ""
        out.append(f"<p>Note: {where}{_inline(note.message)}</p>")
    hints = {rule: first_sentence(result.text(rule).fix) for rule in {finding.rule for finding in result.findings}}
    for path, group in groupby(result.findings, key=lambda finding: finding.path):
        out.append(f"<h2>{_text(path or '.')}</h2>")
        out += [_finding(finding, hints) for finding in group]
    out += _inputs(result.inputs)
    out.append(f"<footer>repro-audit {escape(__version__)}</footer>\n</body>\n</html>\n")
    return "\n".join(out)


def _finding(finding: Finding, hints: dict[str, str]) -> str:
    severity = summary.severity_name(finding.severity)
    start = finding.source.position(finding.span.start)
    out = [
        f'<article class="{severity}">',
        f'<p><b class="{severity}">{severity}</b> {start.line}:{start.column} <code>{_text(finding.rule)}</code></p>',
        f"<p>{_inline(finding.message)}</p>",
    ]
    if finding.source.text:
        rows = []
        for row in frame(finding.source, finding.span, _WIDTH):
            rows.append(f"{'...' if row.number is None else row.number:>5} | {escape(row.text)}")
            if row.under:
                rows.append(f'      | <b class="{severity}">{row.under}</b>')
        out.append("<pre>" + "\n".join(rows) + "</pre>")
    for related in finding.related:
        line = related.source.position(related.span.start).line
        out.append(f"<p>See <code>{_text(related.source.path)}:{line}</code>: {_inline(related.message)}</p>")
    if finding.fix is not None:
        out.append(f"<p>Fix{'' if finding.fix.safe else ' (unsafe)'}: {_inline(finding.fix.title)}</p>")
    elif hints[finding.rule]:
        out.append(f"<p>{_inline(hints[finding.rule])}</p>")
    out.append("</article>")
    return "\n".join(out)


def _inputs(inputs: tuple[InputRecord, ...]) -> list[str]:
    if not inputs:
        return []
    rows = [
        f"<tr><td>{_text(record.kind)}</td><td>{_text(f'{record.name} {record.requested}'.rstrip())}</td>"
        f"<td>{record.pin}</td><td>{_text(record.reason)}</td><td>{_text(record.path)}:{record.start.line}</td></tr>"
        for record in inputs
    ]
    head = "<tr><th>Kind</th><th>Input</th><th>Pin</th><th>Why</th><th>Where</th></tr>"
    return [f"<h2>Inputs</h2>\n<table>\n<thead>{head}</thead>\n<tbody>", *rows, "</tbody>\n</table>"]


def _text(text: str) -> str:
    return escape(visible(text))


def _inline(text: str) -> str:
    """A message as HTML: its `code` in `<code>`, everything escaped."""
    shown = parts(visible(text))
    return "".join(f"<code>{escape(part)}</code>" if is_code else escape(part) for is_code, part in shown)

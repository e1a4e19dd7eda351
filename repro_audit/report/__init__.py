"""Reports: one module per format, each a pure function from a `Result` to text. Called by the CLI, which prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro_audit.record import dataclass

if TYPE_CHECKING:
    from repro_audit.result import Result

FORMATS = ("text", "json", "sarif", "github", "gitlab", "junit", "markdown", "html")


@dataclass(slots=True, frozen=True)
class Look:
    """How the text report looks: `color` with ANSI colours, `width` the columns that a line may take.

    Without `summary` there are only findings and notes; a clean run then gives no text at all.
    """

    color: bool = False
    width: int = 120
    summary: bool = True


def render(result: Result, name: str, look: Look | None = None) -> str:
    """The report on `result` in the format called `name`; raises ValueError for one that is not in `FORMATS`.

    The text holds no lone surrogates, so it can be encoded as UTF-8; JSON, SARIF and GitLab reports are ASCII.
    Only the text report heeds `look`.
    """
    # Imported one at a time: a run pays for the format it prints.
    if name == "text":
        from repro_audit.report import text

        return text.render(result, look or Look())
    if name == "json":
        from repro_audit.report import json

        return json.render(result)
    if name == "sarif":
        from repro_audit.report import sarif

        return sarif.render(result)
    if name == "github":
        from repro_audit.report import github

        return github.render(result)
    if name == "gitlab":
        from repro_audit.report import gitlab

        return gitlab.render(result)
    if name == "junit":
        from repro_audit.report import junit

        return junit.render(result)
    if name == "markdown":
        from repro_audit.report import markdown

        return markdown.render(result)
    if name == "html":
        from repro_audit.report import html

        return html.render(result)
    raise ValueError(f"unknown report format {name!r}; one of {', '.join(FORMATS)}")

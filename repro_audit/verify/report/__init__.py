"""A comparison as text, JSON, Markdown or one HTML file. Every name from an image is escaped for where it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from repro_audit.verify.comparison import Comparison

FORMATS = ("text", "json", "markdown", "html")


def render(comparison: Comparison, style: str, *, conditions: dict[str, str] | None = None, **options: object) -> str:
    """The report in one of `FORMATS`. `conditions` are what was in force (`SOURCE_DATE_EPOCH`, what was varied),
    shown as they are.

    For `text`, `color` (bool) adds colours and `limit` (int) bounds the paths shown of each group.
    """
    import importlib

    if style not in FORMATS:
        raise ValueError(f"no such format: {style}; there are {', '.join(FORMATS)}")
    module = importlib.import_module(f"repro_audit.verify.report.{'json_' if style == 'json' else style}")
    write: Callable[..., str] = module.render
    return write(comparison, conditions=conditions or {}, **options)

"""`repro-audit inputs`: every external input with its pin level and place."""

from __future__ import annotations

import enum
import json
from collections.abc import Sequence
from typing import Annotated

import typer

from repro_audit.cli.audit import audit
from repro_audit.cli.options import Request
from repro_audit.cli.output import emit, note, wants_color
from repro_audit.report.json import input_object
from repro_audit.report.visible import visible
from repro_audit.result import InputRecord

_COLORS = {"floating": "\033[31m", "ranged": "\033[33m", "perishable": "\033[33m", "immutable": "\033[32m"}


class Format(str, enum.Enum):
    """How `inputs` and `rules` may print."""

    text = "text"
    json = "json"


def command(
    paths: Annotated[
        list[str] | None, typer.Argument(help="Folders and files. Default: the current folder.", show_default=False)
    ] = None,
    format: Annotated[Format, typer.Option("--format", help="A table, or JSON.")] = Format.text,
    output: Annotated[str | None, typer.Option("--output", "-o", help="Write to this file.", metavar="FILE")] = None,
    config: Annotated[str | None, typer.Option(help="Use this configuration file.", metavar="FILE")] = None,
    no_config: Annotated[bool, typer.Option("--no-config", help="Use no configuration file.")] = False,
    stdin_filename: Annotated[
        str | None, typer.Option(help="What standard input (`-`) is to be taken for.", metavar="NAME")
    ] = None,
) -> int:
    """List what the build takes from outside, loosest first, and how firmly each is pinned."""
    # No rule has to run; one is named, since naming none means all.
    request = Request(
        paths=tuple(paths or ()),
        select=("internal-error",),
        config=config,
        no_config=no_config,
        stdin_filename=stdin_filename,
    )
    done = audit(request)
    listed = sorted(done.result.inputs, key=lambda i: (i.pin, i.kind, i.ecosystem, i.name, i.path, i.start))
    if format is Format.json:
        content = {"version": 1, "inputs": [input_object(record) for record in listed], "level": done.result.level}
        emit(json.dumps(content, indent=2) + "\n", output)
    else:
        emit(_table(listed, done.result.level, wants_color(None, output)), output)
    for missing in done.missing:
        note(missing)
    return 2 if done.missing else 0


def _table(inputs: Sequence[InputRecord], level: int | None, color: bool) -> str:
    if not inputs:
        return "No external inputs.\n"
    rows = [
        (
            str(record.pin),
            record.ecosystem or record.kind,
            visible(record.name + (record.requested if record.kind == "package" else _revision(record))),
            visible(f"{record.path}:{record.start.line}"),
            visible(record.reason),
        )
        for record in inputs
    ]
    widths = [min(max(len(row[column]) for row in rows), 60) for column in range(4)]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:4], widths)]
        paint = _COLORS.get(row[0], "") if color else ""
        cells[0] = f"{paint}{cells[0]}\033[0m" if paint else cells[0]
        lines.append("  ".join((*cells, row[4])).rstrip())
    counted = f"{len(inputs)} input{'' if len(inputs) == 1 else 's'}"
    return "\n".join(lines) + f"\n\n{counted}, reproducibility level {level}.\n"


def _revision(record: InputRecord) -> str:
    return f"@{record.requested}" if record.requested and record.kind != "image" else ""

"""`repro-audit fix`: apply the safe fixes, with `--unsafe` all of them; `--diff` only shows what would change."""

from __future__ import annotations

from typing import Annotated

import typer

from repro_audit.cli.audit import audit
from repro_audit.cli.completion import rule_names
from repro_audit.cli.mend import apply_fixes, text_of_input
from repro_audit.cli.options import Request, split
from repro_audit.cli.output import emit, note, wants_color
from repro_audit.cli.problem import CannotError
from repro_audit.diff import unified_diff
from repro_audit.report.visible import terminal, visible

_COLORS = {"+": "\033[32m", "-": "\033[31m", "@": "\033[36m"}


def command(
    paths: Annotated[
        list[str] | None, typer.Argument(help="Folders and files. Default: the current folder.", show_default=False)
    ] = None,
    unsafe: Annotated[bool, typer.Option("--unsafe", help="Also fixes that may change what the file does.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show the changes, write nothing.")] = False,
    select: Annotated[
        list[str] | None, typer.Option(help="Fix only these rules.", metavar="IDS", autocompletion=rule_names)
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="Leave these rules out.", metavar="IDS", autocompletion=rule_names)
    ] = None,
    config: Annotated[str | None, typer.Option(help="Use this configuration file.", metavar="FILE")] = None,
    no_config: Annotated[bool, typer.Option("--no-config", help="Use no configuration file.")] = False,
    stdin_filename: Annotated[
        str | None, typer.Option(help="What standard input (`-`) is to be taken for.", metavar="NAME")
    ] = None,
) -> int:
    """Mend what can be mended without a doubt.

    Exit status: 0, with --diff 1 when something would change, 2 when a file could not be written.
    """
    request = Request(
        paths=tuple(paths or ()),
        select=split(select or ()),
        ignore=split(ignore or ()),
        config=config,
        no_config=no_config,
        stdin_filename=stdin_filename,
    )
    done = audit(request)
    if done.missing:
        raise CannotError(done.missing[0])
    changes = apply_fixes(done, unsafe=unsafe, write=not diff)
    for line in changes.notes:
        note(visible(line))
    if diff:
        color = wants_color(None)
        for change in changes.changed:
            emit(_shown(unified_diff(change.before.text, change.after.text, change.file.shown), color))
        return 1 if changes.changed else 0
    if "-" in request.paths:
        text = text_of_input(done, changes)
        if text is not None:
            emit(text)
    else:
        mended = sum(change.applied for change in changes.changed)
        files = len(changes.changed)
        fixed = f"Fixed {mended} finding{'' if mended == 1 else 's'} in {files} file{'' if files == 1 else 's'}."
        emit(f"{fixed if mended else 'Nothing to fix.'}\n")
    return 2 if changes.failed else 0


def _shown(diff: str, color: bool) -> str:
    """The diff for a terminal where `color`, else byte for byte so that `git apply` takes it."""
    if not color:
        return diff
    lines = []
    for line in terminal(diff).split("\n"):
        paint = _COLORS.get(line[:1], "")
        lines.append(f"{paint}{line}\033[0m" if paint else line)
    return "\n".join(lines)

"""What a user sees of a build while it runs: a line that moves on a terminal, plain lines elsewhere. Where it is to be
quiet, the line only says how long it has taken.
"""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from repro_audit.report.visible import encodable, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_STEP = re.compile(r"^(?:#\d+ (\[.*)|(?:\[\d+/\d+\] )?((?:STEP|Step) \d+/\d+ ?: .*))$")


@contextmanager
def display(title: str, *, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """Yields what takes the engine's lines. On a terminal only the steps stay on the screen."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield _nothing if quiet else _plain
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, highlight=False)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[said]}"),
    )
    steps: set[str] = set()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(escape(title), total=None, said="")

        def show(line: str) -> None:
            if quiet:
                return
            text = visible(line).strip()
            step = _STEP.match(text)
            if step is not None:
                said = step[1] or step[2]
                if said not in steps and "[internal]" not in said:
                    steps.add(said)
                    console.print(escape(said[: console.width - 2]), style="bold")
            if text:
                progress.update(task, said=escape(text[: max(10, console.width - len(title) - 14)]))

        yield show


def _plain(line: str) -> None:
    sys.stderr.write(encodable(visible(line)) + "\n")
    sys.stderr.flush()


def _nothing(_line: str) -> None:
    pass

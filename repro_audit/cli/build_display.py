"""What a user sees of a build while it runs: a line that moves on a terminal, plain lines elsewhere."""

from __future__ import annotations

import re
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from repro_audit.report.visible import encodable, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_STEP = re.compile(r"^(?:#\d+ (\[.*)|(?:\[\d+/\d+\] )?((?:STEP|Step) \d+/\d+ ?: .*))$")


@contextmanager
def display(title: str, *, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """Yields what takes the engine's lines. On a terminal only the steps stay on the screen."""
    if quiet:
        yield _nothing
        return
    if sys.stderr is None or not sys.stderr.isatty():
        yield _plain
        return
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=True, highlight=False)
    started = time.monotonic()
    steps: set[str] = set()
    with console.status(escape(title)) as status:

        def show(line: str) -> None:
            text = visible(line).strip()
            step = _STEP.match(text)
            if step is not None:
                said = step[1] or step[2]
                if said not in steps and "[internal]" not in said:
                    steps.add(said)
                    console.print(escape(said[: console.width - 2]), style="bold")
            if text:
                head = f"{title} {time.monotonic() - started:.0f} s  "
                status.update(escape(head + text[: max(10, console.width - len(head) - 4)]))

        yield show


def _plain(line: str) -> None:
    sys.stderr.write(encodable(visible(line)) + "\n")
    sys.stderr.flush()


def _nothing(_line: str) -> None:
    pass

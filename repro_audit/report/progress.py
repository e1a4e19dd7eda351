"""A progress bar for runs that take longer than a moment. Called by the CLI where it writes to a terminal."""

from __future__ import annotations

from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Progress, TaskID

DELAY = 1.0


@contextmanager
def progress(total: int, what: str, *, enabled: bool, delay: float = DELAY) -> Iterator[Callable[[int], None]]:
    """Yields a function that takes how many more of `total` are done.

    The bar appears on standard error after `delay` seconds, and is wiped at the end. Only then is rich loaded.
    """
    if not enabled:
        yield _nothing
        return
    bar = _Bar(total, what, delay)
    try:
        yield bar.advance
    finally:
        bar.close()


def _nothing(count: int) -> None:
    pass


class _Bar:
    def __init__(self, total: int, what: str, delay: float) -> None:
        self._total = total
        self._what = what
        self._due = monotonic() + delay
        self._done = 0
        self._shown: Progress | None = None
        self._task: TaskID | None = None

    def advance(self, count: int) -> None:
        self._done += count
        if self._shown is None:
            if monotonic() < self._due or self._done >= self._total:
                return
            self._show()
        if self._shown is not None and self._task is not None:
            self._shown.update(self._task, completed=self._done)

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._shown = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._shown.add_task(self._what, total=self._total)
        self._shown.start()

    def close(self) -> None:
        if self._shown is not None:
            self._shown.stop()

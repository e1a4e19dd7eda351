"""What the smoke test needs of whoever runs commands: a container engine with an image, or this host.

`container.engine` and the host's runner fulfil this; tests have their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True, frozen=True)
class Ran:
    """How one command went.

    `status` is None when the engine's program itself could not be started (then `stderr` says why). An engine that
    could not start the container gives its own status (125 with docker and podman) and its message in `stderr`; a
    command that is not in the image gives 126 or 127. `timed_out` means it was killed after `seconds`.
    """

    status: int | None
    stdout: bytes = b""
    stderr: bytes = b""
    timed_out: bool = False
    seconds: float = 0.0


class Runner(Protocol):
    """Runs commands in one image (or on the host), each in a fresh container that is gone afterwards."""

    @property
    def engine(self) -> str:
        """`docker`, `podman`, ... or `host`."""

    @property
    def subject(self) -> str:
        """The image, service or host, as reports name it."""

    def run(self, command: Sequence[str], *, stdin: bytes, gpus: bool, timeout: float) -> Ran:
        """Run `command` (its first word is the entry point) with `stdin`. `gpus` False leaves every GPU setting out."""

    def files(self) -> Iterable[str] | None:
        """The paths of the image's files, for an image in which nothing can be run; None where they cannot be had."""

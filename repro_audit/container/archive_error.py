"""What goes wrong when an image archive is read, and the bounds within which one is read at all."""

from __future__ import annotations

from dataclasses import dataclass


class ArchiveError(Exception):
    """An archive that cannot be read as an image. The message names the file, the place in it, and what is wrong
    there.

    `what` is the fault, `where` the archive or the part of it (`image.tar: layer 2 (sha256:ab...)`).
    """

    def __init__(self, what: str, where: str = "") -> None:
        super().__init__(f"{where}: {what}" if where else what)
        self.what = what
        self.where = where


@dataclass(slots=True, frozen=True)
class Limits:
    """How much a hostile archive may ask for before it is refused.

    `documents` bounds each JSON document, `headers` each extended tar header, in bytes; `entries` the files of one
    image and `names` the bytes of their paths; `unpacked` the bytes of one layer; `holes` the bytes of nothing that
    sparse files of one layer may claim.
    """

    documents: int = 16 << 20
    headers: int = 1 << 20
    entries: int = 5_000_000
    names: int = 512 << 20
    unpacked: int = 1 << 40
    holes: int = 64 << 30


def printable(data: bytes | str, bound: int = 200) -> str:
    """A name from an archive, fit for a message: no control characters, nothing undecodable, no longer than `bound`."""
    text = data.decode("utf-8", "backslashreplace") if isinstance(data, bytes) else data
    if not (text.isprintable() and text.isascii()):
        text = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
    return text if len(text) <= bound else text[:bound] + "..."

"""Byte streams over layers: plain, gzip or zstd, told apart by their first bytes, hashed on the way.

`Blob` is one stored file of an archive (a slice of a tar, or a file of an OCI layout); `Stream` is what the tar
reader pulls from. Both work in pieces of a mebibyte, so that memory does not grow with what is read.
"""

from __future__ import annotations

import hashlib
import os
import stat
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from repro_audit.container.archive_error import ArchiveError, printable

PIECE = 1 << 20
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_ZSTD_WINDOW = 1 << 27
Update = Callable[[bytes | memoryview], object]


@dataclass(slots=True, frozen=True)
class Blob:
    """A stored file: `size` bytes at `offset` of the file at `path` on disk (or of the open `file`, where there
    is no path).
    """

    path: str
    offset: int
    size: int
    name: str
    file: BinaryIO | None = None

    def pieces(self, start: int = 0) -> Iterator[bytes]:
        """The bytes from `start` on, a mebibyte at a time; raises ArchiveError when the file is shorter than it
        should be.
        """
        left = self.size - start
        handle = os.dup(self.file.fileno()) if self.file is not None else open_plain(self.path)
        position = self.offset + start
        try:
            while left > 0:
                # pread: several threads may read the same unnamed file
                data = os.pread(handle, min(left, PIECE), position)
                if not data:
                    raise ArchiveError(f"{printable(self.name)} ends {left} bytes early", self.path)
                left -= len(data)
                position += len(data)
                yield data
        except OSError as error:
            raise ArchiveError(f"cannot be read: {error.strerror}", self.path) from error
        finally:
            os.close(handle)

    def head(self, count: int) -> bytes:
        """The first `count` bytes, or fewer where the blob is shorter."""
        return Blob(self.path, self.offset, min(count, self.size), self.name, self.file).whole()

    def whole(self) -> bytes:
        """All bytes; for documents whose size has been checked."""
        return b"".join(self.pieces())


def open_plain(path: str) -> int:
    """A descriptor for reading a regular file; a pipe or a device is refused instead of being waited for."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except OSError as error:
        raise ArchiveError(f"cannot be opened: {error.strerror}", path) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ArchiveError("is not a regular file", path)
    return handle


class Stream:
    """What is inside a blob, unpacked, read once from the start.

    `digest` (of the blob as stored) and `diff_id` (of what is inside) hold once `drain` has been called.
    `compression` is `gzip`, `zstd` or `none`. `offset` is the number of unpacked bytes taken so far.
    """

    __slots__ = ("_at", "_buffer", "_inside", "_limit", "_outer", "_source", "compression", "offset", "where")

    def __init__(self, blob: Blob, where: str, unpacked: int, hashed: bool = True) -> None:
        self.where = where
        self.offset = 0
        self._limit = unpacked
        self._outer = hashlib.sha256() if hashed else None
        self._inside = hashlib.sha256() if hashed else None
        head = blob.head(4)
        raw = self._counted(blob)
        if head.startswith(GZIP):
            self.compression = "gzip"
            self._source = _gunzip(raw, where)
        elif head == ZSTD or (len(head) == 4 and head[1:] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F):
            self.compression = "zstd"
            self._source = unzstd(raw, where)
        else:
            self.compression = "none"
            self._source = raw
        self._buffer = memoryview(b"")
        self._at = 0

    def _counted(self, blob: Blob) -> Iterator[bytes]:
        outer = self._outer
        for data in blob.pieces():
            if outer is not None:
                outer.update(data)
            yield data

    def _fill(self) -> bool:
        data = next(self._source, b"")
        if not data:  # sources yield no empty pieces
            return False
        # a plain layer is hashed once: what is stored is what is inside
        if self._inside is not None and self.compression != "none":
            self._inside.update(data)
        self._limit -= len(data)
        if self._limit < 0:
            raise ArchiveError("unpacks to more than any real layer holds; refused", self.where)
        self._buffer = memoryview(data)
        self._at = 0
        return True

    def exact(self, count: int) -> bytes:
        """The next `count` bytes; fewer only at the end of the stream."""
        at = self._at
        end = at + count
        if end <= len(self._buffer):
            self._at = end
            self.offset += count
            return bytes(self._buffer[at:end])
        return b"".join(self.pieces(count))

    def pieces(self, count: int) -> Iterator[memoryview]:
        """The next `count` bytes in pieces; fewer only at the end of the stream."""
        while count > 0:
            have = len(self._buffer) - self._at
            if have == 0:
                if not self._fill():
                    return
                have = len(self._buffer)
            take = have if have < count else count
            piece = self._buffer[self._at : self._at + take]
            self._at += take
            self.offset += take
            count -= take
            yield piece

    def skip(self, count: int) -> int:
        """Pass over `count` bytes; gives how many there were."""
        end = self._at + count
        if end <= len(self._buffer):
            self._at = end
            self.offset += count
            return count
        return sum(map(len, self.pieces(count)))

    def drain(self) -> None:
        """Read what is left, so that the digests hold."""
        self.offset += len(self._buffer) - self._at
        self._at = 0
        while self._fill():
            self.offset += len(self._buffer)
        self._buffer = memoryview(b"")

    @property
    def digest(self) -> str:
        """`sha256:...` of the blob as stored."""
        return f"sha256:{self._outer.hexdigest()}" if self._outer is not None else ""

    @property
    def diff_id(self) -> str:
        """`sha256:...` of what is inside."""
        if self.compression == "none":
            return self.digest
        return f"sha256:{self._inside.hexdigest()}" if self._inside is not None else ""


def unpacked(blob: Blob, where: str) -> Iterator[bytes]:
    """The bytes inside a gzip or zstd blob."""
    raw = blob.pieces()
    return _gunzip(raw, where) if blob.head(2) == GZIP else unzstd(raw, where)


def _gunzip(raw: Iterator[bytes], where: str) -> Iterator[bytes]:
    """Members of a gzip file one after another. Zeros behind a member are padding, anything else an error."""
    member: zlib._Decompress | None = None
    try:
        for piece in raw:
            data = piece
            while data:
                if member is None:
                    data = data.lstrip(b"\0")
                    if not data:
                        break
                    member = zlib.decompressobj(wbits=31)
                out = member.decompress(data, PIECE)
                if out:
                    yield out
                data = member.unconsumed_tail
                if member.eof:
                    data, member = member.unused_data, None
        while member is not None:
            # output that had no room yet, or an end that never came
            out = member.decompress(b"", PIECE)
            if out:
                yield out
            elif not member.eof:
                raise ArchiveError("the gzip data ends early: the archive is truncated", where)
            if member.eof:
                member = None
    except zlib.error as error:
        reason = str(error).rsplit(": ", 1)[-1]
        raise ArchiveError(f"damaged gzip data ({reason})", where) from error


def unzstd(raw: Iterator[bytes], where: str) -> Iterator[bytes]:
    """Frames of a zstd file one after another, skippable ones (zstd:chunked's table of contents) passed over."""
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]  # Python 3.14
    except ImportError:
        yield from _unzstd_package(raw, where)
        return
    decoder = None
    try:
        for piece in raw:
            data: bytes = piece
            while data or (decoder is not None and not decoder.eof and not decoder.needs_input):
                if decoder is None:
                    decoder = zstd.ZstdDecompressor()
                out = decoder.decompress(data, PIECE)
                data = b""
                if out:
                    yield out
                if decoder.eof:
                    data = decoder.unused_data
                    decoder = None
    except zstd.ZstdError as error:
        raise ArchiveError(f"damaged zstd data ({error})", where) from error
    if decoder is not None:
        raise ArchiveError("the zstd data ends early: the archive is truncated", where)


class _Pieces:
    """An iterator of bytes as the file that zstandard wants; `ended` when it was read to its end."""

    def __init__(self, raw: Iterator[bytes]) -> None:
        self._raw = raw
        self._rest = b""

    def read(self, count: int = -1) -> bytes:
        if not self._rest:
            self._rest = next(self._raw, b"")
        data, self._rest = self._rest[:count], self._rest[count:]
        return data


def _unzstd_package(raw: Iterator[bytes], where: str) -> Iterator[bytes]:
    try:
        import zstandard
    except ImportError:
        raise ArchiveError(
            "the layer is zstd-compressed, which this Python cannot read: install the package `zstandard`", where
        ) from None
    try:
        decoder = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        reader = decoder.stream_reader(_Pieces(raw), read_size=PIECE, read_across_frames=True)  # type: ignore[arg-type]
        while data := reader.read(PIECE):
            yield data
    except zstandard.ZstdError as error:
        raise ArchiveError(f"damaged zstd data ({error})", where) from error

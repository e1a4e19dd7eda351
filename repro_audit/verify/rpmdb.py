"""Reads rpm's databases: the headers of the installed packages out of sqlite, ndb and Berkeley DB files, and what a
header says. `packages` calls it.

Nothing of rpm is needed. The layouts are those of rpm's own sources (`lib/backend/ndb/rpmpkg.c`, "RPM Package format")
and of Berkeley DB's (`dbinc/db_page.h`).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# what a header calls its values
_NAME, _VERSION, _RELEASE, _EPOCH, _ARCH = 1000, 1001, 1002, 1003, 1022
_FOLDER_OF, _BASENAMES, _FOLDERS = 1116, 1117, 1118
_INT32, _STRING, _STRINGS, _I18N = 4, 6, 8, 9
_ENTRIES = 10_000
_FILES = 500_000


class Package(NamedTuple):
    """An installed package; `version` is `[epoch:]version-release`."""

    name: str
    version: str
    arch: str


def headers(data: bytes) -> Iterator[bytes]:
    """The header of each package in a database, whatever its format. Raises ValueError where it is none."""
    if data.startswith(b"SQLite format 3\0"):
        yield from _sqlite(data)
    elif data.startswith(b"RpmP"):
        yield from _ndb(data)
    elif data[12:16] in (b"\x61\x15\x06\x00", b"\x00\x06\x15\x61"):
        yield from _berkeley(data, "<" if data[12] == 0x61 else ">")
    else:
        raise ValueError("neither sqlite, ndb nor a Berkeley DB hash")


def _sqlite(data: bytes) -> Iterator[bytes]:
    import os
    import sqlite3
    import tempfile

    with tempfile.TemporaryDirectory(prefix="repro-audit-") as folder:
        copy = os.path.join(folder, "rpmdb.sqlite")
        with open(copy, "wb") as file:
            file.write(data)
        try:
            database = sqlite3.connect(f"file:{copy}?mode=ro&immutable=1", uri=True)
            try:
                for (blob,) in database.execute("SELECT blob FROM Packages"):
                    yield bytes(blob)
            finally:
                database.close()
        except (sqlite3.Error, TypeError) as error:
            raise ValueError(str(error)) from None


def _ndb(data: bytes) -> Iterator[bytes]:
    """Pages of slots follow a header of 32 bytes, which takes two slots; a slot says in which block of 16 bytes a
    package's blob begins.
    """
    _, version, _, pages = struct.unpack_from("<4sIII", data)
    if version != 0:
        raise ValueError(f"ndb of version {version}")
    for at in range(32, min(pages * 4096, len(data) - 15), 16):
        mark, package, offset, _ = struct.unpack_from("<4sIII", data, at)
        if mark != b"Slot":
            raise ValueError("a damaged slot")
        if package == 0:
            continue
        begin = offset * 16
        mark, same, _, length = struct.unpack_from("<4sIII", data, begin)
        if mark != b"BlbS" or same != package or begin + 16 + length > len(data):
            raise ValueError("a damaged blob")
        yield data[begin + 16 : begin + 16 + length]


def _berkeley(data: bytes, order: str) -> Iterator[bytes]:
    """Pages of pairs of a key and a value; a large value lies in a chain of pages of its own."""
    (size,) = struct.unpack_from(order + "I", data, 20)
    if size < 512 or size > 65536 or size & (size - 1):
        raise ValueError("a damaged first page")
    for page in range(0, len(data) - size + 1, size):
        if data[page + 25] not in (2, 13):  # a page of a hash, unsorted or sorted
            continue
        (entries,) = struct.unpack_from(order + "H", data, page + 20)
        if 26 + 2 * entries > size:
            raise ValueError("a damaged page")
        places = struct.unpack_from(f"{order}{entries}H", data, page + 26)
        for number in range(1, entries, 2):
            at = page + places[number]
            if data[at] == 3:
                first, length = struct.unpack_from(order + "II", data, at + 4)
                yield _chained(data, order, size, first, length)
            elif data[at] == 1:
                value = data[at + 1 : page + places[number - 1]]
                if len(value) > 16:  # a counter is no package
                    yield value


def _chained(data: bytes, order: str, size: int, first: int, length: int) -> bytes:
    parts = []
    page = first
    for _ in range(len(data) // size):
        if page == 0 or (page + 1) * size > len(data):
            break
        at = page * size
        (following,) = struct.unpack_from(order + "I", data, at + 16)
        (used,) = struct.unpack_from(order + "H", data, at + 22)
        parts.append(data[at + 26 : at + 26 + min(used, size - 26)])
        page = following
    whole = b"".join(parts)
    if len(whole) < length:
        raise ValueError("a value that is cut off")
    return whole[:length]


def package(blob: bytes) -> Package | None:
    """Whom a header describes; None for one without a name. Raises ValueError for a damaged one."""
    name = _text(blob, _NAME)
    if not name:
        return None
    epoch = _numbers(blob, _EPOCH)
    version = f"{_text(blob, _VERSION)}-{_text(blob, _RELEASE)}"
    return Package(name, f"{epoch[0]}:{version}" if epoch else version, _text(blob, _ARCH))


def files(blob: bytes) -> list[str]:
    """The paths that a package brought."""
    folders, names = _texts(blob, _FOLDERS), _texts(blob, _BASENAMES)
    return [folders[at] + name for at, name in zip(_numbers(blob, _FOLDER_OF), names) if at < len(folders)]


def _value(blob: bytes, wanted: int) -> tuple[int, int, int] | None:
    """Type, offset and count of a value. A header is an index of (tag, type, offset, count) and a store of values."""
    if len(blob) < 8:
        raise ValueError("a damaged header")
    entries, length = struct.unpack_from(">II", blob)
    store = 8 + 16 * entries
    if len(blob) < store or length > len(blob):
        raise ValueError("a damaged header")
    for number in range(min(entries, _ENTRIES)):
        tag, type_, offset, count = struct.unpack_from(">IIII", blob, 8 + 16 * number)
        if tag == wanted:
            return type_, store + offset, min(count, _FILES)
    return None


def _text(blob: bytes, tag: int) -> str:
    found = _value(blob, tag)
    if found is None or found[0] not in (_STRING, _I18N):
        return ""
    return blob[found[1] : blob.index(b"\0", found[1])].decode("utf-8", "replace")


def _texts(blob: bytes, tag: int) -> list[str]:
    found = _value(blob, tag)
    if found is None or found[0] != _STRINGS:
        return []
    return [part.decode("utf-8", "surrogateescape") for part in blob[found[1] :].split(b"\0", found[2])[: found[2]]]


def _numbers(blob: bytes, tag: int) -> tuple[int, ...]:
    found = _value(blob, tag)
    if found is None or found[0] != _INT32 or found[1] + 4 * found[2] > len(blob):
        return ()
    return struct.unpack_from(f">{found[2]}I", blob, found[1])

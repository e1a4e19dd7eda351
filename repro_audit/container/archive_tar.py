"""Tar archives as a stream of members: ustar, GNU and PAX headers, sparse files, extended attributes, raw names.

Python's own tarfile decodes names, loses the bytes of extended attributes and takes several times as long; this
reader gives what stands in the archive. The formats are described in POSIX `pax` and in GNU tar's manual ("Tar
Internals").
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from repro_audit.container.archive_error import ArchiveError, Limits, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from repro_audit.container.archive_stream import Stream, Update

BLOCK = 512
_ZERO = bytes(BLOCK)
_HEADER = struct.Struct("<100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12x")
_KINDS = {
    b"0": "file",
    b"\0": "file",
    b"7": "file",
    b"1": "hardlink",
    b"2": "symlink",
    b"3": "chardev",
    b"4": "blockdev",
    b"5": "dir",
    b"6": "fifo",
    b"S": "file",
    b"D": "dir",
}
# records that are told elsewhere in a Member, or that say nothing about the file
_TOLD = frozenset(
    (b"path", b"linkpath", b"size", b"uid", b"gid", b"uname", b"gname", b"mtime", b"hdrcharset", b"charset")
)
_PATH_BOUND = 1 << 15
_NUMBERS = 10_000
_HOLE = bytes(1 << 16)


class Member(NamedTuple):
    """One member as its headers describe it.

    `path` and `target` are raw bytes as stored. `kind` is `file dir symlink hardlink chardev blockdev fifo`, or
    `other` for a type no image should have. `mtime` is in nanoseconds. `size` is that of the file, `stored` that of
    its data in the archive, `extents` the (offset, length) pairs of a sparse file's data. `format` is `ustar`, `gnu`,
    `pax` or `v7`; `records` are PAX records with no field of their own here.
    """

    path: bytes
    kind: str
    mode: int
    uid: int
    gid: int
    uname: bytes
    gname: bytes
    size: int
    mtime: int
    target: bytes
    device: tuple[int, int] | None
    xattrs: tuple[tuple[bytes, bytes], ...]
    format: str
    records: tuple[tuple[bytes, bytes], ...]
    stored: int
    extents: tuple[tuple[int, int], ...] | None
    offset: int


class TarReader:
    """Iterates over the members of a stream. Between two steps `content` may be called once for the data of the
    current one.
    """

    def __init__(self, stream: Stream, limits: Limits) -> None:
        self.stream = stream
        self.limits = limits
        self._unread = 0
        self._padding = 0
        self._holes = limits.holes
        self._global: dict[bytes, bytes] = {}
        self._numbers: dict[bytes, int] = {}

    def fail(self, what: str, offset: int | None = None) -> ArchiveError:
        """An error at this place of the archive."""
        at = self.stream.offset if offset is None else offset
        return ArchiveError(f"{what} (at byte {at} of the tar)", self.stream.where)

    def __iter__(self) -> Iterator[Member]:
        stream = self.stream
        exact = stream.exact
        pax: dict[bytes, bytes] | None = None
        sparse_map: list[tuple[bytes, bytes]] = []
        long_name: bytes | None = None
        long_target: bytes | None = None
        while True:
            left = self._unread + self._padding
            if left and stream.skip(left) < self._unread:
                raise self.fail("the archive is truncated in the middle of a file")
            self._unread = self._padding = 0
            offset = stream.offset
            block = exact(BLOCK)
            if len(block) < BLOCK:
                if block.strip(b"\0"):
                    raise self.fail("the archive is truncated in the middle of a header", offset)
                return
            if block == _ZERO:
                following = exact(BLOCK)
                if following.strip(b"\0"):
                    raise self.fail("data after the end-of-archive mark", offset)
                return
            fields = _HEADER.unpack(block)
            self._check_sum(block, fields[6], offset)
            type_ = fields[7]
            size = self._number(fields[4], "size", offset)
            if size < 0:
                raise self.fail("a negative file size", offset)
            if type_ in b"xXgLK":
                data = self._extension(size, offset)
                if type_ in b"xX":
                    pax, sparse_map = self._records(data, offset)
                elif type_ == b"g":
                    self._global.update(self._records(data, offset)[0])
                elif type_ == b"L":
                    long_name = data.split(b"\0", 1)[0]
                else:
                    long_target = data.split(b"\0", 1)[0]
                continue
            records = pax
            if self._global:
                records = {**self._global, **(pax or {})}
            member = self._member(fields, block, size, offset, records, sparse_map, long_name, long_target)
            pax, long_name, long_target = None, None, None
            sparse_map = []
            yield member

    def content(self, member: Member, update: Update) -> None:
        """Hand the file's bytes, holes included, to `update`, piece by piece."""
        if member.extents is None:
            got = 0
            for piece in self.stream.pieces(self._unread):
                update(piece)
                got += len(piece)
            if got < self._unread:
                raise self.fail(f"the archive is truncated in the middle of {printable(member.path)}")
            self._unread = 0
            return
        position = 0
        for start, length in (*member.extents, (member.size, 0)):
            if start < position or start + length > member.size or length > self._unread:
                raise self.fail(f"the sparse map of {printable(member.path)} makes no sense")
            self._holes -= start - position
            if self._holes < 0:
                raise self.fail(
                    f"the holes of sparse file {printable(member.path)} are larger than any real image's; refused"
                )
            for _ in range((start - position) // len(_HOLE)):
                update(_HOLE)
            update(_HOLE[: (start - position) % len(_HOLE)])
            got = 0
            for piece in self.stream.pieces(length):
                update(piece)
                got += len(piece)
            if got < length:
                raise self.fail(f"the archive is truncated in the middle of {printable(member.path)}")
            self._unread -= length
            position = start + length

    def some(self, count: int) -> Iterator[memoryview]:
        """The first `count` bytes of the current file's data; the rest is passed over."""
        for piece in self.stream.pieces(min(count, self._unread)):
            self._unread -= len(piece)
            yield piece

    def _check_sum(self, block: bytes, field: bytes, offset: int) -> None:
        want = self._number(field, "checksum", offset)
        have = sum(block) - sum(field) + 256
        if want != have:
            signed = have - 256 * (sum(b > 127 for b in block) - sum(b > 127 for b in field))
            if want != signed:
                raise self.fail("a tar header with a wrong checksum: not a tar archive, or a damaged one", offset)

    def _number(self, field: bytes, name: str, offset: int) -> int:
        """Octal digits, or GNU's base 256 where the first bit is set. Modes, owners and checksums recur: they are
        remembered.
        """
        value = self._numbers.get(field)
        if value is None:
            value = self._parsed(field, name, offset)
            if len(field) == 8 and len(self._numbers) < _NUMBERS:
                self._numbers[field] = value
        return value

    def _parsed(self, field: bytes, name: str, offset: int) -> int:
        if field[0] & 0x80:
            if field[0] == 0xFF:
                return int.from_bytes(field, "big", signed=True)
            return int.from_bytes(bytes((field[0] & 0x7F,)) + field[1:], "big")
        digits = field.partition(b"\0")[0].strip()
        if not digits:
            return 0
        if not digits.isdigit():
            raise self.fail(f"a tar header whose {name} is no number ({printable(field)})", offset)
        try:
            return int(digits, 8)
        except ValueError:
            raise self.fail(f"a tar header whose {name} is no number ({printable(field)})", offset) from None

    def _extension(self, size: int, offset: int) -> bytes:
        if size > self.limits.headers:
            raise self.fail(f"an extended header of {size} bytes; refused", offset)
        data = self.stream.exact(size)
        if len(data) < size:
            raise self.fail("the archive is truncated in the middle of an extended header", offset)
        self.stream.skip(-size % BLOCK)
        return data

    def _records(self, data: bytes, offset: int) -> tuple[dict[bytes, bytes], list[tuple[bytes, bytes]]]:
        """PAX records (`length key=value\\n`); those of sparse format 0.0, which repeat, come separately and in
        order.
        """
        records: dict[bytes, bytes] = {}
        sparse: list[tuple[bytes, bytes]] = []
        at = 0
        while at < len(data):
            space = data.find(b" ", at, at + 20)
            if space < 0 and not data[at:].strip(b"\0"):
                break
            digits = data[at:space] if space >= 0 else b""
            if not digits.isdigit():
                raise self.fail("a PAX header that cannot be read", offset)
            end = at + int(digits)
            equals = data.find(b"=", space, end)
            if equals < 0 or end > len(data) or data[end - 1 : end] != b"\n":
                raise self.fail("a PAX header that cannot be read", offset)
            key, value = data[space + 1 : equals], data[equals + 1 : end - 1]
            if key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
                sparse.append((key, value))
            elif value == b"" and key in _TOLD:
                records.pop(key, None)
            else:
                records[key] = value
            at = end
        return records, sparse

    def _member(
        self,
        fields: tuple[bytes, ...],
        block: bytes,
        size: int,
        offset: int,
        records: dict[bytes, bytes] | None,
        sparse_map: list[tuple[bytes, bytes]],
        long_name: bytes | None,
        long_target: bytes | None,
    ) -> Member:
        name, mode_f, uid_f, gid_f, _, mtime_f, _, type_, link, magic, uname, gname, major, minor, prefix = fields
        number = self._number
        path = name.partition(b"\0")[0]
        if magic == b"ustar\x0000":
            style = "ustar"
            if prefix[0]:
                path = prefix.partition(b"\0")[0] + b"/" + path
        else:
            style = "gnu" if magic == b"ustar  \0" else "v7"
        if long_name is not None:
            path = long_name
        target = link.partition(b"\0")[0] if long_target is None else long_target
        uid, gid = number(uid_f, "owner", offset), number(gid_f, "group", offset)
        mtime = number(mtime_f, "time", offset) * 1_000_000_000
        owner, group = uname.partition(b"\0")[0], gname.partition(b"\0")[0]
        xattrs: tuple[tuple[bytes, bytes], ...] = ()
        others: tuple[tuple[bytes, bytes], ...] = ()
        real: int | None = None
        extents: tuple[tuple[int, int], ...] | None = None
        if records:
            style = "pax"
            path = records.get(b"path", path)
            target = records.get(b"linkpath", target)
            owner, group = records.get(b"uname", owner), records.get(b"gname", group)
            if b"size" in records:
                size = self._decimal(records[b"size"], "size", offset)
            if b"uid" in records:
                uid = self._decimal(records[b"uid"], "owner", offset)
            if b"gid" in records:
                gid = self._decimal(records[b"gid"], "group", offset)
            if b"mtime" in records:
                mtime = self._time(records[b"mtime"], offset)
            if len(records) > sum(key in records for key in (b"path", b"linkpath", b"mtime", b"size")):
                xattrs, others = _split(records)
        kind = _KINDS.get(type_, "other")
        if kind == "file" and type_ != b"7" and type_ != b"S" and path.endswith(b"/"):
            kind = "dir"
        if kind not in ("file", "other"):
            size = 0
        if b"\0" in path:
            path = path.partition(b"\0")[0]
        if not path or len(path) > _PATH_BOUND:
            raise self.fail("a member without a name" if not path else "a member with an impossibly long name", offset)
        self._unread, self._padding = size, -size % BLOCK
        stored = size
        if type_ == b"S":
            real, extents = self._old_sparse(block, offset)
        elif records and kind == "file" and any(key.startswith(b"GNU.sparse.") for key in records):
            path = records.get(b"GNU.sparse.name", path)
            real, extents = self._pax_sparse(records, sparse_map, offset)
        if real is not None:
            stored, size = self._unread, real
        device = (
            (number(major, "device", offset), number(minor, "device", offset))
            if kind in ("chardev", "blockdev")
            else None
        )
        mode = number(mode_f, "mode", offset)
        return Member(
            path,
            kind,
            mode,
            uid,
            gid,
            owner,
            group,
            size,
            mtime,
            target,
            device,
            xattrs,
            style,
            others,
            stored,
            extents,
            offset,
        )

    def _decimal(self, value: bytes, name: str, offset: int) -> int:
        if not value.isdigit() or len(value) > 30:
            raise self.fail(f"a PAX header whose {name} is no number ({printable(value)})", offset)
        return int(value)

    def _time(self, value: bytes, offset: int) -> int:
        """Nanoseconds of `[-]seconds[.fraction]`, exactly."""
        whole, _, fraction = value.lstrip(b"-").partition(b".")
        if not whole.isdigit() or len(whole) > 20 or (fraction and not fraction.isdigit()):
            raise self.fail(f"a PAX header whose time is no number ({printable(value)})", offset)
        nanos = int(whole) * 1_000_000_000 + int(fraction[:9].ljust(9, b"0"))
        return -nanos if value.startswith(b"-") else nanos

    def _old_sparse(self, block: bytes, offset: int) -> tuple[int, tuple[tuple[int, int], ...]]:
        """GNU's old format: four extents and the real size in the header, more in blocks that follow it."""
        extents: list[tuple[int, int]] = []
        real = self._number(block[483:495], "real size", offset)
        part, more = block[386:482], block[482]
        while True:
            for at in range(0, len(part) - 23, 24):
                start, length = part[at : at + 12], part[at + 12 : at + 24]
                if start[0] == 0 or length[0] == 0:
                    break
                extents.append((self._number(start, "sparse map", offset), self._number(length, "sparse map", offset)))
            if not more:
                break
            if len(extents) * 24 > self.limits.headers:
                raise self.fail("a sparse map larger than any real file's; refused", offset)
            following = self.stream.exact(BLOCK)
            if len(following) < BLOCK:
                raise self.fail("the archive is truncated in the middle of a sparse map", offset)
            part, more = following[:504], following[504]
        return self._checked(real, extents, offset)

    def _pax_sparse(
        self, records: dict[bytes, bytes], repeated: list[tuple[bytes, bytes]], offset: int
    ) -> tuple[int, tuple[tuple[int, int], ...]]:
        """The three PAX formats: 0.0 repeats records, 0.1 has one list, 1.0 puts the list before the data."""
        if records.get(b"GNU.sparse.major") == b"1":
            real = self._decimal(records.get(b"GNU.sparse.realsize", b""), "real size", offset)
            numbers = self._leading_map(offset)
        else:
            real = self._decimal(
                records.get(b"GNU.sparse.size", records.get(b"GNU.sparse.realsize", b"")), "real size", offset
            )
            listed = records.get(b"GNU.sparse.map")
            values = listed.split(b",") if listed else [value for _, value in repeated]
            numbers = [self._decimal(value, "sparse map", offset) for value in values]
        if len(numbers) % 2:
            raise self.fail("a sparse map with an odd number of entries", offset)
        return self._checked(real, list(zip(numbers[::2], numbers[1::2], strict=True)), offset)

    def _leading_map(self, offset: int) -> list[int]:
        lines: list[bytes] = []
        rest, want, read = b"", 1, 0
        while len(lines) < want:
            if self._unread < BLOCK or read > self.limits.headers:
                raise self.fail("a sparse map that does not end", offset)
            block = self.stream.exact(BLOCK)
            self._unread -= BLOCK
            read += BLOCK
            *whole, rest = (rest + block).split(b"\n")
            lines += whole
            if want == 1 and lines:
                want = 1 + 2 * self._decimal(lines[0], "sparse map", offset)
        return [self._decimal(line, "sparse map", offset) for line in lines[1:want]]

    def _checked(
        self, real: int, extents: list[tuple[int, int]], offset: int
    ) -> tuple[int, tuple[tuple[int, int], ...]]:
        position = 0
        for start, length in extents:
            if start < position or length < 0 or start + length > real:
                raise self.fail("a sparse map that makes no sense", offset)
            position = start + length
        return real, tuple(extents)


def _split(records: dict[bytes, bytes]) -> tuple[tuple[tuple[bytes, bytes], ...], tuple[tuple[bytes, bytes], ...]]:
    """Extended attributes (with ACLs, which tar spells as records of their own), and the records that are told
    nowhere else.
    """
    xattrs: list[tuple[bytes, bytes]] = []
    others: list[tuple[bytes, bytes]] = []
    for key, value in sorted(records.items()):
        if key.startswith(b"SCHILY.xattr."):
            xattrs.append((key[13:], value))
        elif key.startswith(b"SCHILY.acl."):
            xattrs.append((b"acl." + key[11:], value))
        elif key not in _TOLD and not key.startswith(b"GNU.sparse."):
            others.append((key, value))
    return tuple(xattrs), tuple(others)

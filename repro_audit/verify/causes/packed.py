"""Archives within the image: zip, wheel, jar, tar, compressed files, static libraries. Says which members differ, in
what, and why as far as that is known.
"""

from __future__ import annotations

import bz2
import hashlib
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from repro_audit.verify.causes.evidence import Evidence, Verdict
from repro_audit.verify.comparison import Reason

_BOUND = 32 << 20  # unpacked bytes that are looked at, on each side
_LINES = 12
_OPENED = 3  # members whose content is looked into
_DEPTH = 3  # archives within archives
Read = Callable[[], bytes]
# who packs files of these names takes the time from elsewhere than tar does
_REMEDIES = (
    ((".deb",), "declare ARG SOURCE_DATE_EPOCH before the RUN: dpkg-deb then writes no later times"),
    ((".whl",), "declare ARG SOURCE_DATE_EPOCH before the RUN: whatever builds wheels then uses it"),
    (
        (".jar", ".war"),
        "jar --date; in Maven project.build.outputTimestamp, in Gradle isPreserveFileTimestamps = false",
    ),
)
_SAME = "pack with the same program, version and level in both builds"
_PACK = {
    "tar": "declare ARG SOURCE_DATE_EPOCH before the RUN: "
    "tar --sort=name --mtime=@$SOURCE_DATE_EPOCH --owner=0 --group=0 --numeric-owner",
    "zip": "declare ARG SOURCE_DATE_EPOCH before the RUN: touch -d @$SOURCE_DATE_EPOCH what is packed, then zip -X",
    "ar": "`ar rcD` and `ranlib -D` leave times and owners out",
}


class Member(NamedTuple):
    """A member of an archive: digest of its content, everything else as text, and how to get the content."""

    digest: bytes
    rest: str
    read: Read


def gzipped(evidence: Evidence) -> Verdict | None:
    """A gzip file: its header (time, name), or what is inside."""
    if evidence.pair is None or not all(side.startswith(b"\x1f\x8b\x08") for side in evidence.pair):
        return None
    left, right = evidence.pair
    inner = _gunzip(left), _gunzip(right)
    if inner[0] is None or inner[1] is None:
        return None
    lines = []
    times = [int.from_bytes(side[4:8], "little") for side in (left, right)]
    if times[0] != times[1]:
        lines.append(f"time in the gzip header {times[0]} -> {times[1]}")
    names = [_gzip_name(side) for side in (left, right)]
    if names[0] != names[1]:
        lines.append(f"name in the gzip header {names[0]} -> {names[1]}")
    if inner[0] == inner[1]:
        if not lines:
            return Verdict("gzip-header", "the same content, compressed by another program or level", (), _SAME)
        return Verdict("gzip-header", None, tuple(lines))
    tars = _tar(inner[0]), _tar(inner[1])
    if tars[0] is not None and tars[1] is not None:
        verdict = _members(evidence, tars[0], tars[1], "tar")
        return replace(verdict, inside=(*lines, *verdict.inside)[:_LINES])
    return _unpacked(evidence, inner[0], inner[1], tuple(lines))


def compressed(evidence: Evidence) -> Verdict | None:
    """What xz, lzma, bzip2 or zstd packed."""
    if evidence.pair is None or not evidence.whole:
        return None
    for marks, unpack in (
        (b"\xfd7zXZ\x00", _unxz),
        (b"]\0\0", _unxz),
        (b"BZh", _unbzip),
        (b"\x28\xb5\x2f\xfd", _unzstd),
    ):
        if all(side.startswith(marks) for side in evidence.pair):
            left, right = (unpack(side) for side in evidence.pair)
            break
    else:
        return None
    if left is None or right is None:
        return None
    if left == right:
        return Verdict("archive-header", "the same content, compressed by another program or level", (), _SAME)
    tars = _tar(left), _tar(right)
    if tars[0] is not None and tars[1] is not None:
        return _members(evidence, tars[0], tars[1], "tar")
    return _unpacked(evidence, left, right, ())


def _unxz(data: bytes) -> bytes | None:
    try:
        return lzma.LZMADecompressor(memlimit=256 << 20).decompress(data, _BOUND)
    except lzma.LZMAError:
        return None


def _unbzip(data: bytes) -> bytes | None:
    try:
        return bz2.BZ2Decompressor().decompress(data, _BOUND)
    except (OSError, ValueError):
        return None


def _unzstd(data: bytes) -> bytes | None:
    from repro_audit.container.archive_error import ArchiveError
    from repro_audit.container.archive_stream import unzstd

    out = bytearray()
    try:
        for part in unzstd(iter((data,)), ""):
            out += part
            if len(out) > _BOUND:
                break
    except ArchiveError:
        return None
    return bytes(out)


def _unpacked(evidence: Evidence, left: bytes, right: bytes, lines: tuple[str, ...]) -> Verdict:
    """What differs within a compressed file that is no archive, for the same reasons as a file may that is not
    compressed.
    """
    inner = _inner(evidence, "", left, right)
    told = (f"inside: {inner.why}", *inner.inside) if inner else ()
    return Verdict(
        "archive-content",
        "what is inside the compressed file differs",
        (*lines, *(told or _text_lines(left, right)))[:_LINES],
        inner.remedy if inner else None,
    )


def _inner(evidence: Evidence, name: str, left: bytes, right: bytes) -> Reason | None:
    """Why a member differs; None where that is not known."""
    from repro_audit.verify.causes import reason

    if evidence.depth >= _DEPTH:
        return None
    path = f"{evidence.path}/{name}" if name else evidence.path.rpartition(".")[0]
    # a member's path says little about what wrote it: only its content counts
    found = reason(
        Evidence(
            path,
            frozenset(("content",)),
            left,
            right,
            varied=evidence.varied,
            depth=evidence.depth + 1,
            names=evidence.names,
        )
    )
    return None if found.cause == "unknown" else found


def _gunzip(data: bytes) -> bytes | None:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        return unpacker.decompress(data, _BOUND)
    except zlib.error:
        return None


def _gzip_name(data: bytes) -> str:
    if not data[3:4] or not data[3] & 8 or data[3] & 4:
        return "none"
    return data[10:].split(b"\0", 1)[0][:100].decode("latin-1")


def _text_lines(left: bytes, right: bytes) -> tuple[str, ...]:
    from repro_audit.verify.textdiff import is_text, unified

    if not (is_text(left) and is_text(right)):
        return ()
    return tuple(unified(left, right, bound=_LINES).splitlines()[3:])


def zipped(evidence: Evidence) -> Verdict | None:
    """Zip files and what are zip files by another name: wheels, jars, eggs, documents."""
    if evidence.pair is None or not all(side.startswith(b"PK\x03\x04") for side in evidence.pair) or not evidence.whole:
        return None
    members = [_zip(side) for side in evidence.pair]
    if members[0] is None or members[1] is None:
        return None
    return _members(evidence, members[0], members[1], "zip")


def _zip(data: bytes) -> dict[str, Member] | None:
    members: dict[str, Member] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                # the checksum stands in the directory: nothing has to be unpacked
                content = f"{info.CRC}:{info.file_size}".encode()
                rest = f"time {info.date_time} mode {info.external_attr >> 16:o} extra {info.extra.hex()[:80]}"
                members[info.filename] = Member(content, rest, partial(_from_zip, data, info))
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, zlib.error, IndexError):
        return None
    return members


def _from_zip(data: bytes, info: zipfile.ZipInfo) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open(info) as file:
        return file.read(_BOUND)


def tarred(evidence: Evidence) -> Verdict | None:
    """Tar files."""
    if evidence.pair is None or not all(side[257:262] == b"ustar" for side in evidence.pair) or not evidence.whole:
        return None
    members = [_tar(side) for side in evidence.pair]
    if members[0] is None or members[1] is None:
        return None
    return _members(evidence, members[0], members[1], "tar")


def _tar(data: bytes) -> dict[str, Member] | None:
    if data[257:262] != b"ustar":
        return None
    members: dict[str, Member] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for info in archive:
                file = archive.extractfile(info) if info.isfile() and info.size <= _BOUND else None
                held = file.read() if file else info.linkname.encode("utf-8", "replace")
                content = hashlib.sha256(held).digest()
                rest = f"time {info.mtime} mode {info.mode:o} owner {info.uid}:{info.gid} {info.uname}:{info.gname}"
                members[info.name] = Member(content, rest, partial(_slice, data, info.offset_data, info.size))
    except (tarfile.TarError, ValueError, OSError, OverflowError, KeyError, RecursionError):
        return None
    return members


def library(evidence: Evidence) -> Verdict | None:
    """Static libraries (`ar` archives), Debian packages among them."""
    if evidence.pair is None or not all(side.startswith(b"!<arch>\n") for side in evidence.pair):
        return None
    return _members(evidence, _ar(evidence.pair[0]), _ar(evidence.pair[1]), "ar")


def _slice(data: bytes, start: int, size: int) -> bytes:
    return data[start : start + size]


def rpm(evidence: Evidence) -> Verdict | None:
    """Packages of rpm, as files."""
    if evidence.pair is None or not all(side.startswith(b"\xed\xab\xee\xdb") for side in evidence.pair):
        return None
    return Verdict("package-file")


def _ar(data: bytes) -> dict[str, Member]:
    members: dict[str, Member] = {}
    at = 8
    while at + 60 <= len(data) and len(members) < 100_000:
        header = data[at : at + 60]
        digits = header[48:58].strip()
        if not digits.isdigit():
            break
        size = int(digits)
        name = header[:16].decode("latin-1").strip() or str(at)
        while name in members:
            name += "'"
        about = "time/owner/mode " + header[16:48].decode("latin-1")
        content = hashlib.sha256(_slice(data, at + 60, size)).digest()
        members[name] = Member(content, about, partial(_slice, data, at + 60, size))
        at += 60 + size + size % 2
    return members


def _members(evidence: Evidence, left: dict[str, Member], right: dict[str, Member], kind: str) -> Verdict:
    lines = [f"only in {evidence.names[0]}: {name}" for name in left if name not in right]
    lines += [f"only in {evidence.names[1]}: {name}" for name in right if name not in left]
    content, header = [], []
    reasons: list[Reason | None] = []
    for name, one in left.items():
        other = right.get(name)
        if other is None:
            continue
        if other.digest != one.digest:
            inner = _inner(evidence, name, one.read(), other.read()) if len(reasons) < _OPENED else None
            reasons.append(inner)
            content.append(f"other content: {name}" + (f" ({inner.cause}: {inner.why})" if inner else ""))
        elif other.rest != one.rest:
            header.append(f"{name}: {one.rest} -> {other.rest}")
    lines += content
    if lines:
        many = "1 member" if len(lines) == 1 else f"{len(lines)} members"
        remedies = {each.remedy if each else None for each in reasons} if len(content) == len(lines) else {None}
        remedy = remedies.pop() if len(remedies) == 1 else None
        if remedy in _PACK.values():
            remedy = _packing(evidence.name, kind)
        why = f"{many} of the {kind} differ{'s' * (len(lines) == 1)}"
        return Verdict("archive-content", why, _shortened(lines), remedy)
    same = f"the members of the {kind} are the same"
    if header:
        why = f"{same} but for times, owners or modes"
        return Verdict("archive-header", why, _shortened(header), _packing(evidence.name, kind))
    if list(left) != list(right):
        return Verdict("archive-header", f"{same} in another order", (), _packing(evidence.name, kind))
    return Verdict("archive-header", f"{same}, packed by another program or level", (), _SAME)


def _packing(name: str, kind: str) -> str:
    """How to pack a file of this name the same way twice."""
    return next((remedy for ends, remedy in _REMEDIES if name.endswith(ends)), _PACK[kind])


def _shortened(lines: list[str]) -> tuple[str, ...]:
    return (*lines[:_LINES], f"... and {len(lines) - _LINES} more") if len(lines) > _LINES else tuple(lines)


DETECTORS = (gzipped, compressed, zipped, tarred, library, rpm)

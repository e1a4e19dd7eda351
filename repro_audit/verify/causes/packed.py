"""Archives within the image: zip, wheel, jar, tar, gzip, static libraries. Says which members differ, and in what."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
import zlib

from repro_audit.verify.causes.evidence import Evidence, Verdict

_BOUND = 32 << 20  # unpacked bytes that are looked at, on each side
_LINES = 12
Member = tuple[bytes, str]  # digest of the content, and everything else as text


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
            return Verdict("gzip-header", "the same content, compressed by another program or level")
        return Verdict("gzip-header", None, tuple(lines))
    tars = _tar(inner[0]), _tar(inner[1])
    if tars[0] is not None and tars[1] is not None:
        verdict = _members(tars[0], tars[1], "tar")
        return Verdict(verdict.cause, verdict.why, (*lines, *verdict.inside)[:_LINES])
    return Verdict(
        "archive-content", "what is inside the gzip file differs", (*lines, *_text_lines(inner[0], inner[1]))
    )


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
    return _members(members[0], members[1], "zip")


def _zip(data: bytes) -> dict[str, Member] | None:
    members: dict[str, Member] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                # the checksum stands in the directory: nothing has to be unpacked
                content = f"{info.CRC}:{info.file_size}".encode()
                rest = f"time {info.date_time} mode {info.external_attr >> 16:o} extra {info.extra.hex()[:80]}"
                members[info.filename] = (content, rest)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, zlib.error, IndexError):
        return None
    return members


def tarred(evidence: Evidence) -> Verdict | None:
    """Tar files."""
    if evidence.pair is None or not all(side[257:262] == b"ustar" for side in evidence.pair) or not evidence.whole:
        return None
    members = [_tar(side) for side in evidence.pair]
    if members[0] is None or members[1] is None:
        return None
    return _members(members[0], members[1], "tar")


def _tar(data: bytes) -> dict[str, Member] | None:
    if data[257:262] != b"ustar":
        return None
    members: dict[str, Member] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for info in archive:
                file = archive.extractfile(info) if info.isfile() and info.size <= _BOUND else None
                content = hashlib.sha256(file.read() if file else info.linkname.encode("utf-8", "replace")).digest()
                rest = f"time {info.mtime} mode {info.mode:o} owner {info.uid}:{info.gid} {info.uname}:{info.gname}"
                members[info.name] = (content, rest)
    except (tarfile.TarError, ValueError, OSError, OverflowError, KeyError, RecursionError):
        return None
    return members


def library(evidence: Evidence) -> Verdict | None:
    """Static libraries (`ar` archives), Debian packages among them."""
    if evidence.pair is None or not all(side.startswith(b"!<arch>\n") for side in evidence.pair):
        return None
    verdict = _members(_ar(evidence.pair[0]), _ar(evidence.pair[1]), "ar")
    if verdict.cause == "archive-header":
        return Verdict(
            "archive-header", verdict.why, verdict.inside, "`ar rcD` and `ranlib -D` leave times and owners out"
        )
    return verdict


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
        content = hashlib.sha256(data[at + 60 : at + 60 + size]).digest()
        while name in members:
            name += "'"
        members[name] = (content, "time/owner/mode " + header[16:48].decode("latin-1"))
        at += 60 + size + size % 2
    return members


def _members(left: dict[str, Member], right: dict[str, Member], kind: str) -> Verdict:
    lines = [f"only in the first: {name}" for name in left if name not in right]
    lines += [f"only in the second: {name}" for name in right if name not in left]
    content, header = [], []
    for name, (digest, rest) in left.items():
        other = right.get(name)
        if other is None:
            continue
        if other[0] != digest:
            content.append(f"other content: {name}")
        elif other[1] != rest:
            header.append(f"{name}: {rest} -> {other[1]}")
    lines += content
    if lines:
        why = f"{len(lines)} members of the {kind} differ"
        return Verdict("archive-content", why, _shortened(lines))
    if header:
        return Verdict(
            "archive-header",
            f"the members of the {kind} are the same but for times, owners or modes",
            _shortened(header),
        )
    if list(left) != list(right):
        return Verdict("archive-header", f"the members of the {kind} are the same in another order")
    return Verdict("archive-header", f"the members of the {kind} are the same, packed by another program or level")


def _shortened(lines: list[str]) -> tuple[str, ...]:
    return (*lines[:_LINES], f"... and {len(lines) - _LINES} more") if len(lines) > _LINES else tuple(lines)


DETECTORS = (gzipped, zipped, tarred, library)

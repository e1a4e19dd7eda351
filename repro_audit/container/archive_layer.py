"""Reads one layer into a table of its files: what each is, and the digest of what it holds."""

from __future__ import annotations

import hashlib
import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from repro_audit.container.archive_error import ArchiveError, Limits, printable
from repro_audit.container.archive_stream import Stream
from repro_audit.container.archive_tar import Member, TarReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from repro_audit.container.archive_layout import StoredLayer

WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"
_XATTR_BOUND = 256
_NOTES_BOUND = 100


class Header(NamedTuple):
    """What a tar header says beyond the file itself: it changes the layer's digest, but not what a container sees."""

    format: str
    uname: bytes
    gname: bytes
    spelling: str
    records: tuple[tuple[bytes, bytes], ...]


class Entry(NamedTuple):
    """One file of an image.

    `layer` is the index of the layer that wrote it. `kind` is `file dir symlink hardlink chardev blockdev fifo
    whiteout other`. `mode` holds the permission bits (with set-uid, set-gid and sticky). `mtime` is in nanoseconds.
    `target` is where a symbolic link leads, as stored; for files with several names it is the first of these names in
    the alphabet, for each of them. `digest` is the SHA-256 of the content of a `file` or `hardlink`; None where it
    has none, or where the file that is linked to is missing.
    """

    layer: int
    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    target: str | None
    device: tuple[int, int] | None
    xattrs: tuple[tuple[bytes, bytes], ...]
    digest: bytes | None
    header: Header


@dataclass(slots=True)
class LayerTable:
    """The files of one layer by absolute path, in the order of the archive; whiteouts and what they take away;
    remarks.
    """

    files: dict[str, Entry]
    hidden: list[tuple[str, Entry]] = field(default_factory=list)
    removed: set[str] = field(default_factory=set)
    opaque: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Keep a remark; a hostile archive cannot make the list grow without end."""
        if len(self.notes) < _NOTES_BOUND:
            self.notes.append(text)


def read_layer(
    index: int,
    layer: StoredLayer,
    where: str,
    limits: Limits,
    share: dict[object, object],
    progress: Callable[[int], None] | None = None,
) -> LayerTable:
    """The table of a layer, its digests checked. Equal paths, digests and headers are kept once in `share`."""
    stream = Stream(layer.blob, where, limits.unpacked)
    reader = TarReader(stream, limits)
    table = LayerTable({})
    files, once = table.files, share.setdefault
    links: dict[str, str] = {}
    sha256 = hashlib.sha256
    told = 0
    count = names = 0
    for member in reader:
        count += 1
        names += len(member.path)
        if count > limits.entries or names > limits.names:
            raise ArchiveError("holds more files than any real image; refused", where)
        path, spelling = _absolute(member.path, table)
        parent, _, name = path.rpartition("/")
        if name.startswith(WHITEOUT):
            _whiteout(table, parent, name, member, index)
            continue
        path = once(path, path)  # type: ignore[assignment]
        digest: bytes | None = None
        target: str | None = None
        kind = member.kind
        if kind == "file":
            content = sha256()
            reader.content(member, content.update)
            digest = content.digest()
        elif kind == "symlink":
            target = member.target.decode("utf-8", "surrogateescape")
        elif kind == "hardlink":
            first = _absolute(member.target, table)[0]
            links[path] = once(first, first)  # type: ignore[assignment]
        elif kind == "other":
            table.note(f"{printable(path)} is of a type that no image should have; only its header was read")
        header = Header(member.format, member.uname, member.gname, spelling, _short(member.records))
        entry = Entry(
            index,
            kind,
            member.mode & 0o7777,
            member.uid,
            member.gid,
            member.size,
            once(member.mtime, member.mtime),  # type: ignore[arg-type]
            target,
            member.device,
            once(x, x) if (x := _short(_named_once(member.xattrs, share))) else (),  # type: ignore[arg-type]
            digest and once(digest, digest),  # type: ignore[arg-type]
            once(header, header),  # type: ignore[arg-type]
        )
        if path in files:
            table.note(f"{printable(path)} stands twice in {where}; the last one counts")
            table.hidden.append((path, files.pop(path)))
            if kind != "hardlink":
                links.pop(path, None)
        files[path] = entry
        if progress is not None and stream.offset - told > (8 << 20):
            progress(stream.offset - told)
            told = stream.offset
    stream.drain()
    if progress is not None:
        progress(stream.offset - told)
    _check(layer, stream, where)
    if links:
        _link(table, links, where)
    return table


def check_blob(layer: StoredLayer, where: str, limits: Limits) -> None:
    """Verify a layer whose files are known from another image already: by its blob's digest where that is enough."""
    stream = Stream(layer.blob, where, limits.unpacked)
    if layer.digest is not None and layer.digest.startswith("sha256:") and stream.compression != "none":
        have = hashlib.sha256()
        for piece in layer.blob.pieces():
            have.update(piece)
        if f"sha256:{have.hexdigest()}" == layer.digest:
            return
    stream.drain()
    _check(layer, stream, where)


def _check(layer: StoredLayer, stream: Stream, where: str) -> None:
    if layer.digest is not None and layer.digest.startswith("sha256:") and layer.digest != stream.digest:
        raise ArchiveError(f"is damaged: it should have digest {layer.digest} and has {stream.digest}", where)
    if layer.diff_id != stream.diff_id:
        raise ArchiveError(
            f"is damaged: unpacked it should have digest {layer.diff_id} and has {stream.diff_id}", where
        )


def absolute(raw: bytes) -> str:
    """The path of a member as an absolute one, nothing leading out of the image."""
    return _spelt(raw)[0]


def _absolute(raw: bytes, table: LayerTable) -> tuple[str, str]:
    path, spelling = _spelt(raw)
    if spelling == "other" and b".." in raw.split(b"/"):
        table.note(f"{printable(raw)} tries to leave the image; taken as {printable(path)}")
    return path, spelling


def _spelt(raw: bytes) -> tuple[str, str]:
    """The absolute path, and how it was spelt: `` (`a/b`), `./`, `/` or `other`."""
    text = raw.decode("utf-8", "surrogateescape")
    spelling = ""
    if text.startswith("./"):
        spelling, text = "./", text[2:]
    elif text.startswith("/"):
        spelling, text = "/", text[1:]
    plain = "/" + text.rstrip("/")
    if "//" in plain or "/." in plain:
        clean = posixpath.normpath(plain)
        clean = clean[1:] if clean.startswith("//") else clean
        return clean, spelling if clean == plain else "other"
    return plain, spelling


def _named_once(pairs: tuple[tuple[bytes, bytes], ...], share: dict[object, object]) -> tuple[tuple[bytes, bytes], ...]:
    """The pairs with names that are kept once: every file may have the same few attributes."""
    return tuple((share.setdefault(name, name), value) for name, value in pairs)  # type: ignore[misc]


def _short(pairs: tuple[tuple[bytes, bytes], ...]) -> tuple[tuple[bytes, bytes], ...]:
    """Long values are kept as their digest: they are compared, not shown."""
    if all(len(value) <= _XATTR_BOUND for _, value in pairs):
        return pairs
    return tuple(
        (key, value if len(value) <= _XATTR_BOUND else b"sha256:" + hashlib.sha256(value).hexdigest().encode())
        for key, value in pairs
    )


def _whiteout(table: LayerTable, parent: str, name: str, member: Member, index: int) -> None:
    header = Header(member.format, member.uname, member.gname, "", _short(member.records))
    gone = name.removeprefix(WHITEOUT)
    if name == OPAQUE:
        table.opaque.add(parent)
        path = f"{parent}/{name}"
    elif name.startswith(".wh..wh."):
        return  # aufs' own bookkeeping
    elif gone in ("", ".", ".."):
        table.note(f"{printable(parent)}/{printable(name)} is a whiteout of nothing; left out")
        return
    else:
        table.removed.add(f"{parent}/{gone}")
        path = f"{parent}/{gone}"
    entry = Entry(
        index, "whiteout", member.mode & 0o7777, member.uid, member.gid, 0, member.mtime, None, None, (), None, header
    )
    table.hidden.append((path, entry))


def _link(table: LayerTable, links: dict[str, str], where: str) -> None:
    """Give each hard link the content of its file, and every name of the file the first of these names as `target`."""
    files = table.files
    groups: dict[str, list[str]] = {}
    # a link may lead to a link: where each one ends is remembered, so that a long chain is walked once
    ends: dict[str, str] = {}
    for path, target in links.items():
        if path not in files or files[path].kind != "hardlink":
            continue
        seen = {path}
        while target in links and files.get(target, files[path]).kind == "hardlink":
            if target in seen:
                raise ArchiveError(f"the hard links {printable(path)} and {printable(target)} lead in a circle", where)
            seen.add(target)
            target = ends.get(target) or links[target]
        ends.update(dict.fromkeys(seen, target))
        if target not in files:
            table.note(f"{printable(path)} is a hard link to {printable(target)}, which is not in the layer")
            files[path] = files[path]._replace(target=target)
            continue
        groups.setdefault(target, []).append(path)
    for root, names in groups.items():
        first = min(root, *names)
        origin = files[root]
        files[root] = origin if origin.kind != "file" else origin._replace(target=first)
        for name in names:
            files[name] = files[name]._replace(target=first, digest=origin.digest, size=origin.size)

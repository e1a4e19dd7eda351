"""Finds an image's documents and layers in what `docker save`, podman, buildah, skopeo or BuildKit wrote.

Three shapes are read: a docker archive (`manifest.json`; layers as `<id>/layer.tar`, `<digest>.tar` or blobs), an OCI
layout as a tar, and an OCI layout as a folder. Where an archive is both (Docker 25 and newer), the OCI side is taken,
since it knows the manifest's digest.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from repro_audit.container.archive_error import ArchiveError, Limits, printable
from repro_audit.container.archive_stream import GZIP, ZSTD, Blob, Stream, open_plain, unpacked
from repro_audit.container.archive_tar import TarReader

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIGEST = re.compile(r"(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})\Z")
_INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_T = TypeVar("_T")
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


@dataclass(slots=True, frozen=True)
class StoredLayer:
    """A layer as it lies in the archive. `digest` is that of the blob where a manifest tells it; `diff_id` that
    of the tar inside.
    """

    blob: Blob
    digest: str | None
    diff_id: str


@dataclass(slots=True, frozen=True)
class StoredImage:
    """One image of an archive: its documents, checked, and where its layers lie.

    `manifest_digest` is None for a plain docker archive, which has no registry manifest. `config_digest` is the image
    id. `platform` is `os/arch[/variant]`. `names` are the tags it was saved under.
    """

    where: str
    config: dict[str, object]
    config_digest: str
    manifest_digest: str | None
    layers: tuple[StoredLayer, ...]
    platform: str
    names: tuple[str, ...] = ()


@dataclass(slots=True)
class _Store:
    """The stored files of an archive by name; those of a folder are looked up when asked for."""

    where: str
    limits: Limits
    folder: str | None = None
    blobs: dict[str, Blob] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def find(self, name: str) -> Blob | None:
        """The file of that name; links within the archive are followed, a few at most."""
        if self.folder is not None:
            return self._on_disk(name)
        for _ in range(10):
            if name in self.blobs:
                return self.blobs[name]
            if name not in self.links:
                return None
            name = self.links[name]
        raise ArchiveError(f"{printable(name)} is a link that leads in a circle", self.where)

    def _on_disk(self, name: str) -> Blob | None:
        assert self.folder is not None
        path = os.path.join(self.folder, *name.split("/"))
        root = os.path.realpath(self.folder)
        if name.startswith("/") or ".." in name.split("/") or "\0" in name:
            raise ArchiveError(f"names a file outside of it ({printable(name)})", self.where)
        if not os.path.lexists(path):
            return None
        if os.path.commonpath((root, os.path.realpath(path))) != root:
            raise ArchiveError(f"{printable(name)} is a link out of the folder", self.where)
        handle = open_plain(path)
        size = os.fstat(handle).st_size
        os.close(handle)
        return Blob(path, 0, size, name)

    def need(self, name: str, role: str) -> Blob:
        """The file of that name; an error that says what it was needed for, where there is none."""
        blob = self.find(name)
        if blob is None:
            raise ArchiveError(f"{role} ({printable(name)}) is not in the archive", self.where)
        return blob

    def document(self, name: str, role: str, digest: str | None = None) -> object:
        """A JSON document, its digest checked where one is known."""
        return self.parsed(self.need(name, role), role, digest)

    def parsed(self, blob: Blob, role: str, digest: str | None) -> object:
        if blob.size > self.limits.documents:
            raise ArchiveError(f"{role} is {blob.size} bytes long; refused", self.where)
        data = blob.whole()
        if digest is not None:
            algorithm, _, want = digest.partition(":")
            have = hashlib.new(algorithm, data).hexdigest()
            if have != want:
                raise ArchiveError(
                    f"{role} is damaged: it should have digest {digest} and has {algorithm}:{have}", self.where
                )
        try:
            value: object = json.loads(data)
            json.dumps(value).encode()
        except (ValueError, RecursionError) as error:
            raise ArchiveError(f"{role} ({printable(blob.name)}) is not valid JSON", self.where) from error
        return value


@contextmanager
def stored_image(
    path: str, *, platform: str | None = None, reference: str | None = None, limits: Limits | None = None
) -> Iterator[StoredImage]:
    """The image in the archive or folder at `path`, with its layers readable until the context ends.

    `platform` (`linux/arm64`) chooses among several; without it, an image for this machine is taken. `reference`
    chooses among several saved images by tag. An archive that was compressed as a whole is unpacked into an unnamed
    temporary file first. Raises ArchiveError.
    """
    limits = limits or Limits()
    if os.path.isdir(path):
        yield _choose(_Store(path, limits, folder=path), platform, reference)
        return
    handle = open_plain(path)
    size = os.fstat(handle).st_size
    os.close(handle)
    outer = Blob(path, 0, size, os.path.basename(path))
    if outer.head(2) == GZIP or outer.head(4) == ZSTD:
        with tempfile.TemporaryFile(prefix="repro-audit-") as file:
            yield _choose(_index(_spool(outer, file, path, limits), path, limits), platform, reference)
    else:
        yield _choose(_index(outer, path, limits), platform, reference)


def _spool(outer: Blob, file: BinaryIO, path: str, limits: Limits) -> Blob:
    size = 0
    try:
        for piece in unpacked(outer, path):
            size += len(piece)
            if size > limits.unpacked:
                raise ArchiveError("unpacks to more than any real image holds; refused", path)
            file.write(piece)
        file.flush()
    except OSError as error:
        raise ArchiveError(f"cannot be unpacked into a temporary file: {error.strerror}", path) from error
    return Blob(path, 0, size, os.path.basename(path), file)


def _index(outer: Blob, path: str, limits: Limits) -> _Store:
    """Where each file of the outer tar lies, found from the headers alone."""
    head = outer.head(512)
    if head.strip(b"\0") and head[257:262] != b"ustar" and not head[148:156].strip(b" \0").isdigit():
        raise ArchiveError("this is no image archive: neither what `docker save` writes nor an OCI layout", path)
    store = _Store(path, limits)
    stream = _Seeking(outer, path)
    count = 0
    for member in TarReader(stream, limits):
        name = posixpath.normpath("/" + member.path.decode("utf-8", "surrogateescape")).lstrip("/")
        count += 1
        if count > limits.entries:
            raise ArchiveError("holds more files than any real image; refused", path)
        if member.kind == "file":
            if member.extents is not None:
                raise ArchiveError(f"{printable(name)} is stored as a sparse file, which no tool writes", path)
            store.blobs[name] = Blob(path, stream.offset, member.stored, name, outer.file)
        elif member.kind in ("symlink", "hardlink"):
            target = member.target.decode("utf-8", "surrogateescape")
            folder = posixpath.dirname(name) if member.kind == "symlink" else ""
            store.links[name] = posixpath.normpath("/" + posixpath.join(folder, target)).lstrip("/")
    if not count:
        raise ArchiveError("holds no files: not an image archive", path)
    return store


class _Seeking(Stream):
    """A plain tar on disk whose file contents are passed over without being read."""

    __slots__ = ("_blob", "_handle_end")

    def __init__(self, blob: Blob, where: str) -> None:
        super().__init__(Blob(blob.path, blob.offset, 0, blob.name, blob.file), where, 1 << 62, hashed=False)
        self._blob = blob
        self._handle_end = blob.size

    def exact(self, count: int) -> bytes:
        blob = self._blob
        left = max(0, min(count, self._handle_end - self.offset))
        data = Blob(blob.path, blob.offset + self.offset, left, blob.name, blob.file).whole()
        self.offset += len(data)
        return data

    def pieces(self, count: int) -> Iterator[memoryview]:
        yield memoryview(self.exact(count))

    def skip(self, count: int) -> int:
        step = max(0, min(count, self._handle_end - self.offset))
        self.offset += step
        return step


def _choose(store: _Store, platform: str | None, reference: str | None) -> StoredImage:
    if store.find("index.json") is not None and store.find("oci-layout") is not None:
        return _oci(store, platform, reference)
    if store.find("manifest.json") is not None:
        return _docker(store, platform, reference)
    if store.find("index.json") is not None:
        return _oci(store, platform, reference)
    raise ArchiveError(
        "is not an image archive: it has neither manifest.json (docker save) nor index.json (OCI layout)", store.where
    )


def _object(value: object, role: str, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ArchiveError(f"{role} is not a JSON object", where)
    return value


def _list(value: object, role: str, where: str) -> list[object]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ArchiveError(f"{role} is not a JSON list", where)
    return value


def _docker(store: _Store, platform: str | None, reference: str | None) -> StoredImage:
    where = store.where
    entries = [
        _object(e, "an entry of manifest.json", where)
        for e in _list(store.document("manifest.json", "manifest.json"), "manifest.json", where)
    ]
    images = []
    for entry in entries:
        names = tuple(n for n in _list(entry.get("RepoTags"), "RepoTags", where) if isinstance(n, str))
        if reference is None or any(_same_name(reference, n) for n in names):
            images.append((entry, names))
    if not images:
        raise ArchiveError(f"holds no image called {reference}" if entries else "manifest.json lists no image", where)
    found = [_docker_image(store, entry, names) for entry, names in images]
    return _for_platform(found, [f.platform for f in found], platform, where)


def _docker_image(store: _Store, entry: dict[str, object], names: tuple[str, ...]) -> StoredImage:
    where = store.where
    name = entry.get("Config")
    if not isinstance(name, str):
        raise ArchiveError("manifest.json names no configuration", where)
    blob = store.need(_clean(name), "the image's configuration")
    stem = posixpath.basename(name).removesuffix(".json")
    digest = f"sha256:{stem}" if re.fullmatch("[0-9a-f]{64}", stem) else None
    config = _object(store.parsed(blob, "the image's configuration", digest), "the image's configuration", where)
    digest = digest or "sha256:" + hashlib.sha256(blob.whole()).hexdigest()
    diff_ids = _diff_ids(config, where)
    layers = _list(entry.get("Layers"), "Layers of manifest.json", where)
    if len(layers) != len(diff_ids):
        raise ArchiveError(f"manifest.json lists {len(layers)} layers, the configuration {len(diff_ids)}", where)
    stored = []
    for index, (layer, diff_id) in enumerate(zip(layers, diff_ids, strict=True)):
        if not isinstance(layer, str):
            raise ArchiveError("manifest.json names a layer by something that is not text", where)
        stored.append(StoredLayer(store.need(_clean(layer), f"layer {index}"), None, diff_id))
    return StoredImage(where, config, digest, None, tuple(stored), _platform(config), names)


def _clean(name: str) -> str:
    return posixpath.normpath("/" + name).lstrip("/")


def _oci(store: _Store, platform: str | None, reference: str | None) -> StoredImage:
    where = store.where
    index = _object(store.document("index.json", "index.json"), "index.json", where)
    found: list[tuple[dict[str, object], tuple[str, ...]]] = []
    _manifests(store, index, (), found, 0)
    if reference is not None:
        named = [f for f in found if any(_same_name(reference, n) for n in f[1])]
        if not named:
            raise ArchiveError(f"holds no image called {reference}", where)
        found = named
    if not found:
        raise ArchiveError("index.json lists no image", where)
    # the platform stands in the descriptor or only in the configuration
    platforms = []
    for descriptor, _ in found:
        told = descriptor.get("platform")
        if isinstance(told, dict) and told.get("architecture"):
            platforms.append(_platform(told))
        else:
            platforms.append("" if len(found) == 1 else _oci_image(store, descriptor, ()).platform)
    descriptor, names = _for_platform(found, platforms, platform if len(found) > 1 or platforms[0] else None, where)
    image = _oci_image(store, descriptor, names)
    if platform is not None and not _fits(platform, image.platform):
        raise ArchiveError(f"holds an image for {image.platform} and none for {platform}", where)
    return image


def _manifests(
    store: _Store,
    index: dict[str, object],
    names: tuple[str, ...],
    found: list[tuple[dict[str, object], tuple[str, ...]]],
    depth: int,
) -> None:
    """Collects the image manifests of an index and of the indexes within it; attestations are left out."""
    if depth > 4 or len(found) > 1000:
        raise ArchiveError("indexes within indexes without end", store.where)
    for item in _list(index.get("manifests"), "manifests of an index", store.where):
        descriptor = _object(item, "an entry of an index", store.where)
        notes = descriptor.get("annotations")
        notes = notes if isinstance(notes, dict) else {}
        if notes.get("vnd.docker.reference.type") == "attestation-manifest":
            continue
        told = tuple(
            n
            for k in ("io.containerd.image.name", "org.opencontainers.image.ref.name")
            if isinstance(n := notes.get(k), str)
        )
        if descriptor.get("mediaType") in _INDEXES:
            inner = _object(_by_digest(store, descriptor, "an image index"), "an image index", store.where)
            _manifests(store, inner, told or names, found, depth + 1)
        elif not any(d.get("digest") == descriptor.get("digest") for d, _ in found):
            found.append((descriptor, told or names))


def _by_digest(store: _Store, descriptor: dict[str, object], role: str) -> object:
    digest = _digest(descriptor, role, store.where)
    return store.document(_blob_name(digest), role, digest)


def _digest(descriptor: dict[str, object], role: str, where: str) -> str:
    digest = descriptor.get("digest")
    if not isinstance(digest, str) or not _DIGEST.match(digest):
        raise ArchiveError(f"{role} has no valid digest ({printable(str(digest))})", where)
    return digest


def _blob_name(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _oci_image(store: _Store, descriptor: dict[str, object], names: tuple[str, ...]) -> StoredImage:
    where = store.where
    manifest_digest = _digest(descriptor, "the manifest", where)
    manifest = _object(_by_digest(store, descriptor, "the manifest"), "the manifest", where)
    told = _object(manifest.get("config"), "the manifest's config", where)
    config = _object(_by_digest(store, told, "the image's configuration"), "the image's configuration", where)
    diff_ids = _diff_ids(config, where)
    layers = _list(manifest.get("layers"), "the manifest's layers", where)
    if len(layers) != len(diff_ids):
        raise ArchiveError(f"the manifest lists {len(layers)} layers, the configuration {len(diff_ids)}", where)
    stored = []
    for index, (layer, diff_id) in enumerate(zip(layers, diff_ids, strict=True)):
        digest = _digest(_object(layer, f"layer {index} of the manifest", where), f"layer {index}", where)
        stored.append(StoredLayer(store.need(_blob_name(digest), f"layer {index}"), digest, diff_id))
    config_digest = _digest(told, "the image's configuration", where)
    return StoredImage(where, config, config_digest, manifest_digest, tuple(stored), _platform(config), names)


def _diff_ids(config: dict[str, object], where: str) -> list[str]:
    rootfs = _object(config.get("rootfs") or {}, "rootfs of the configuration", where)
    diff_ids = _list(rootfs.get("diff_ids"), "diff_ids of the configuration", where)
    for diff_id in diff_ids:
        if not isinstance(diff_id, str) or not _DIGEST.match(diff_id) or not diff_id.startswith("sha256:"):
            raise ArchiveError(f"the configuration has an invalid diff_id ({printable(str(diff_id))})", where)
    return [str(d) for d in diff_ids]


def _platform(told: dict[str, object]) -> str:
    parts = [told.get("os") or "linux", told.get("architecture") or "unknown", told.get("variant")]
    return "/".join(str(p) for p in parts if p)


def _fits(want: str, have: str) -> bool:
    wanted, got = want.split("/"), have.split("/")
    return got[: len(wanted)] == wanted or (
        want in ("linux/arm64", "linux/arm64/v8") and have.startswith("linux/arm64")
    )


def _for_platform(found: list[_T], platforms: list[str], platform: str | None, where: str) -> _T:
    """The one for `platform`, or the only one, or the one for this machine."""
    if len(found) == 1 and platform is None:
        return found[0]
    machine = os.uname().machine if hasattr(os, "uname") else "x86_64"
    want = platform or f"linux/{_MACHINES.get(machine, machine)}"
    fitting = [item for item, have in zip(found, platforms, strict=True) if _fits(want, have)]
    if fitting and (platform is not None or len(set(platforms)) > 1 or len(found) == 1):
        return fitting[0]
    if not fitting:
        raise ArchiveError(f"holds no image for {want}, but: {', '.join(sorted(set(platforms)))}", where)
    raise ArchiveError("holds several images; say which by its name", where)


def _same_name(asked: str, have: str) -> bool:
    def full(name: str) -> str:
        name = name.removeprefix("docker.io/").removeprefix("library/").removeprefix("localhost/")
        return name if ":" in name.rsplit("/", 1)[-1] else name + ":latest"

    return asked == have or full(asked) == full(have)

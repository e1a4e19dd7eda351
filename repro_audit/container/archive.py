"""Images read from archives: their configuration, their layers, and a table of every file with the layer that wrote
it.

`read_image` and `read_pair` read each layer once as a stream; `contents` goes over chosen layers again for the bytes
of a few files. `verify` compares what they give.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from repro_audit.container.archive_error import ArchiveError, Limits
from repro_audit.container.archive_layer import Entry, Header, LayerTable, absolute, check_blob, read_layer
from repro_audit.container.archive_layout import StoredImage, StoredLayer, stored_image
from repro_audit.container.archive_stream import GZIP, ZSTD, Stream
from repro_audit.container.archive_tar import TarReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["ArchiveError", "Content", "Entry", "Header", "History", "Image", "Layer", "Limits", "Place", "contents"]
__all__ += ["read_image", "read_pair"]

Place = tuple[int, str]


@dataclass(slots=True, frozen=True)
class History:
    """One entry of an image's history; `layer` is the index of its layer, None where it made none."""

    created_by: str
    created: str | None
    comment: str
    layer: int | None


@dataclass(slots=True, frozen=True, eq=False)
class Layer:
    """A layer: `digest` of its blob where known, `diff_id` of its tar, `size` of the blob, and the history entry
    that made it.
    """

    index: int
    digest: str | None
    diff_id: str
    size: int
    history: History | None

    @property
    def created_by(self) -> str:
        """The command that made it, as the image's history tells; empty where it tells nothing."""
        return self.history.created_by if self.history else ""


@dataclass(slots=True, frozen=True, eq=False)
class Image:
    """What an archive holds.

    `files` are those a container would see, by absolute path (undecodable bytes as surrogates). `hidden` are those
    that a later layer replaced or removed, and the whiteouts, by layer and path. `notes` are remarks about odd things
    that were met and read all the same.
    """

    where: str
    config: Mapping[str, object]
    config_digest: str
    manifest_digest: str | None
    platform: str
    names: tuple[str, ...]
    layers: tuple[Layer, ...]
    history: tuple[History, ...]
    files: dict[str, Entry]
    hidden: dict[Place, Entry]
    notes: tuple[str, ...] = ()


@dataclass(slots=True, frozen=True, eq=False)
class Content:
    """The first bytes of a file; `complete` when they are all of it."""

    data: bytes
    complete: bool


def read_image(
    path: str,
    *,
    platform: str | None = None,
    reference: str | None = None,
    limits: Limits | None = None,
    progress: Callable[[int], None] | None = None,
) -> Image:
    """The image in the archive or OCI layout at `path`, every digest checked. Raises ArchiveError.

    `progress` is called with the number of unpacked bytes that were read since its last call.
    """
    limits = limits or Limits()
    with stored_image(path, platform=platform, reference=reference, limits=limits) as stored:
        return _image(stored, _tables(stored, limits, {}, progress))


def read_pair(
    left: str,
    right: str,
    *,
    platform: str | None = None,
    references: tuple[str | None, str | None] = (None, None),
    limits: Limits | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[Image, Image]:
    """Both images; compressed ones are read side by side in two threads, since unpacking runs outside the
    interpreter's lock.

    A layer that both have at the same place is read once; of the other copy only the digest is checked. `progress` is
    called from both threads.
    """
    limits = limits or Limits()
    share: dict[object, object] = {}
    with ExitStack() as stack:
        stored = [
            stack.enter_context(stored_image(path, platform=platform, reference=reference, limits=limits))
            for path, reference in zip((left, right), references, strict=True)
        ]
        same = {index for index, (a, b) in enumerate(zip(stored[0].layers, stored[1].layers)) if a.diff_id == b.diff_id}
        first, second = _both(stored, same, limits, share, progress)
        del share
        for index in same:
            second[index] = _copy(first[index])
        return _image(stored[0], first), _image(stored[1], second)


def _both(
    stored: list[StoredImage],
    same: set[int],
    limits: Limits,
    share: dict[object, object],
    progress: Callable[[int], None] | None,
) -> tuple[dict[int, LayerTable], dict[int, LayerTable]]:
    if not any(_packed(layer) for image in stored for layer in image.layers):
        # hashing many small files gives up and takes back the interpreter's lock so often that two threads are slower
        return _tables(stored[0], limits, share, progress), _tables(stored[1], limits, share, progress, same)
    from concurrent.futures import ThreadPoolExecutor

    stop = [False]

    def told(count: int) -> None:
        if stop[0]:
            raise ArchiveError("given up", "the other archive")
        if progress is not None:
            progress(count)

    with ThreadPoolExecutor(2, "repro-audit-archive") as pool:
        jobs = [
            pool.submit(_tables, stored[0], limits, share, told),
            pool.submit(_tables, stored[1], limits, share, told, same),
        ]
        try:
            return jobs[0].result(), jobs[1].result()
        except BaseException:
            # an error on one side, or an interrupt: the other side need not go on
            stop[0] = True
            raise


def _packed(layer: StoredLayer) -> bool:
    head = layer.blob.head(4)
    return head.startswith(GZIP) or head == ZSTD


def _copy(table: LayerTable) -> LayerTable:
    return LayerTable(dict(table.files), list(table.hidden), table.removed, table.opaque, list(table.notes))


def _where(stored: StoredImage, index: int) -> str:
    return f"{stored.where}: layer {index} ({stored.layers[index].diff_id[:19]})"


def _tables(
    stored: StoredImage,
    limits: Limits,
    share: dict[object, object],
    progress: Callable[[int], None] | None,
    known: Iterable[int] = (),
) -> dict[int, LayerTable]:
    tables: dict[int, LayerTable] = {}
    count = 0
    for index, layer in enumerate(stored.layers):
        if index in known:
            check_blob(layer, _where(stored, index), limits)
            continue
        tables[index] = table = read_layer(index, layer, _where(stored, index), limits, share, progress)
        count += len(table.files) + len(table.hidden)
        if count > limits.entries:
            raise ArchiveError("holds more files than any real image; refused", stored.where)
    return tables


def _image(stored: StoredImage, tables: dict[int, LayerTable]) -> Image:
    history = _history(stored)
    made = {h.layer: h for h in history if h.layer is not None}
    layers = tuple(
        Layer(index, layer.digest, layer.diff_id, layer.blob.size, made.get(index))
        for index, layer in enumerate(stored.layers)
    )
    notes = [note for index in range(len(layers)) for note in tables[index].notes]
    files, hidden = _merge(tables, len(layers))
    return Image(
        stored.where,
        stored.config,
        stored.config_digest,
        stored.manifest_digest,
        stored.platform,
        stored.names,
        layers,
        history,
        files,
        hidden,
        tuple(notes),
    )


def _history(stored: StoredImage) -> tuple[History, ...]:
    """The history with each entry's layer. Where it does not fit the number of layers, it is matched from the
    end: bases lack it, not builds.
    """
    raw = stored.config.get("history")
    entries = [e for e in raw if isinstance(e, dict)] if isinstance(raw, list) else []
    filled = sum(not e.get("empty_layer") for e in entries)
    layer = len(stored.layers) - filled
    found = []
    for entry in entries:
        mine: int | None = None
        if not entry.get("empty_layer"):
            mine = layer if 0 <= layer < len(stored.layers) else None
            layer += 1
        created = entry.get("created")
        found.append(
            History(
                str(entry.get("created_by") or ""),
                created if isinstance(created, str) else None,
                str(entry.get("comment") or ""),
                mine,
            )
        )
    return tuple(found)


def _merge(tables: dict[int, LayerTable], count: int) -> tuple[dict[str, Entry], dict[Place, Entry]]:
    """What a container sees, and what it does not. From the top layer down, a path counts once and not below
    what took it away.
    """
    seen: dict[str, Entry] = {}
    hidden: dict[Place, Entry] = {}
    covered: set[str] = set()  # removed, or no folder any more: nothing lower counts at or under it
    emptied: set[str] = set()  # opaque: nothing lower counts under it
    for index in range(count - 1, -1, -1):
        table = tables.pop(index)
        for path, entry in table.hidden:
            hidden[index, path] = entry
        under: dict[str, bool] = {}
        fresh: list[str] = []
        for path, entry in table.files.items():
            if path in seen or path in covered or ((covered or emptied) and _under(path, covered, emptied, under)):
                hidden[index, path] = entry
                continue
            seen[path] = entry
            if entry.kind != "dir":
                fresh.append(path)
        covered.update(table.removed)
        covered.update(fresh)
        emptied |= table.opaque
    return seen, hidden


def _under(path: str, covered: set[str], emptied: set[str], known: dict[str, bool]) -> bool:
    """Whether a folder above `path` is gone or emptied; answers are kept in `known` by folder."""
    trail: list[str] = []
    answer = False
    folder = path
    while folder:
        folder = folder.rpartition("/")[0]
        if folder in known:
            answer = known[folder]
            break
        trail.append(folder)
        if folder in covered or folder in emptied:
            answer = True
            break
    for item in trail:
        known[item] = answer
    return answer


def contents(
    path: str,
    wanted: Mapping[Place, int],
    *,
    total: int,
    platform: str | None = None,
    reference: str | None = None,
    limits: Limits | None = None,
) -> dict[Place, Content]:
    """The bytes of the wanted files, from a second pass over their layers only.

    `wanted` maps (layer, path) to how many bytes of it are wanted at most; no more than `total` bytes are kept
    altogether, and files beyond that are missing from the result. Hard links are to be asked for by the name that
    carries the data.
    """
    limits = limits or Limits()
    found: dict[Place, Content] = {}
    with stored_image(path, platform=platform, reference=reference, limits=limits) as stored:
        for index in sorted({layer for layer, _ in wanted}):
            if not 0 <= index < len(stored.layers):
                continue
            names = {name for layer, name in wanted if layer == index}
            total -= _take(stored, index, names, wanted, total, limits, found)
    return found


def _take(
    stored: StoredImage,
    index: int,
    names: set[str],
    wanted: Mapping[Place, int],
    total: int,
    limits: Limits,
    found: dict[Place, Content],
) -> int:

    reader = TarReader(Stream(stored.layers[index].blob, _where(stored, index), limits.unpacked, hashed=False), limits)
    taken = 0
    for member in reader:
        if member.kind != "file":
            continue
        name = absolute(member.path)
        if name not in names:
            continue
        bound = min(wanted[index, name], total - taken)
        if bound <= 0 and member.size:
            continue
        data = _Head(bound)
        if member.extents is None and member.size > bound:
            for piece in reader.some(bound):
                data.update(piece)
        else:
            reader.content(member, data.update)
        taken += len(data.kept)
        found[index, name] = Content(bytes(data.kept), len(data.kept) == member.size)
    return taken


class _Head:
    """Keeps the first bytes of what it is given."""

    __slots__ = ("bound", "kept")

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self.kept = bytearray()

    def update(self, piece: bytes | memoryview) -> None:
        """Take as much of the piece as there is room for."""
        room = self.bound - len(self.kept)
        if room > 0:
            self.kept += piece[:room]

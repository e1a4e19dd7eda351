"""Compares the tables of two images: every file, the configuration, the layers. Looks at no content; `explain` does."""

from __future__ import annotations

import itertools
import json
from bisect import bisect_left
from typing import TYPE_CHECKING

from repro_audit.verify.comparison import Comparison, ConfigDifference, Difference, LayerPair
from repro_audit.verify.instruction import Origins, origins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from repro_audit.container.archive import Entry, Image
    from repro_audit.verify.instruction import InstructionPlace

_SHOWN = 2000
# fields that say how an image came to be; no container sees them
_RECORDS = (
    "container",
    "docker_version",
    "history",
    "id",
    "moby.buildkit",
    "parent",
    "author",
    "config.Image",
    "config.Hostname",
)
_TIMES = ("created", "org.opencontainers.image.created", "org.label-schema.build-date", "build-date")


def compare(left: Image, right: Image, instructions: Sequence[InstructionPlace] = ()) -> Comparison:
    """What differs between two images, each difference led back to the layer and, by `instructions`, to the line
    that wrote it.
    """
    where = origins(left, instructions)
    other = origins(right, instructions) if instructions else where
    aligned = len(left.layers) == len(right.layers)
    changed = (
        {index for index, (a, b) in enumerate(zip(left.layers, right.layers)) if a.diff_id != b.diff_id}
        if aligned
        else set(range(max(len(left.layers), len(right.layers))))
    )
    found: dict[tuple[int | None, str], tuple[Entry | None, Entry | None, list[str]]] = {}
    for path, a in left.files.items():
        b = right.files.get(path)
        if a is not b and a != b:
            found[None, path] = (a, b, kinds(a, b, aligned))
    for path, b in right.files.items():
        if path not in left.files:
            found[None, path] = (None, b, ["only-right"])
    if aligned:
        _hidden(left, right, changed, found)
        for path in _moved(left, right, changed):
            if (None, path) in found:
                found[None, path][2].append("order")
            else:
                found[None, path] = (left.files[path], right.files[path], ["order"])
    differences = [
        _difference(path, layer is not None, a, b, what, left, right, where, other)
        for (layer, path), (a, b, what) in found.items()
        if what
    ]
    differences.sort(key=lambda d: (d.layer, d.hidden, d.path))
    return Comparison(
        left,
        right,
        tuple(differences),
        tuple(_config(left, right, where)),
        tuple(_layers(left, right, differences, where)),
        (),
        tuple(_notes(left, right, changed, differences, aligned)),
    )


def kinds(a: Entry, b: Entry | None, aligned: bool = True) -> list[str]:
    """In what two entries of one path differ."""
    if b is None:
        return ["only-left"]
    found = []
    plain = ("file", "hardlink")
    if a.kind != b.kind:
        # which of a file's names carries the data is only a question of order
        swapped = a.kind in plain and b.kind in plain and a.target == b.target and a.target is not None
        found.append("order" if swapped else "link" if a.kind in plain and b.kind in plain else "kind")
    elif a.kind == "symlink" and a.target != b.target:
        found.append("target")
    elif a.kind in plain and a.target != b.target:
        found.append("link")
    if a.digest != b.digest and a.kind in plain and b.kind in plain:
        found.append("content")
    if a.mode != b.mode and "symlink" not in (a.kind, b.kind):
        found.append("mode")
    if (a.uid, a.gid) != (b.uid, b.gid):
        found.append("owner")
    if a.device != b.device and a.kind == b.kind:
        found.append("device")
    if a.xattrs != b.xattrs:
        found.append("xattrs")
    if a.mtime != b.mtime:
        found.append("time")
    if a.layer != b.layer and aligned:
        found.append("layer")
    if a.header != b.header or (a.mode != b.mode and "symlink" in (a.kind, b.kind)):
        found.append("header")
    return found


def _hidden(
    left: Image,
    right: Image,
    changed: set[int],
    found: dict[tuple[int | None, str], tuple[Entry | None, Entry | None, list[str]]],
) -> None:
    for key, a in left.hidden.items():
        if key[0] not in changed:
            continue
        b = right.hidden.get(key)
        if b is None and (seen := right.files.get(key[1])) is not None and seen.layer == key[0]:
            continue  # told by the file itself
        if a != b:
            found[key] = (a, b, kinds(a, b))
    for key, b in right.hidden.items():
        if key[0] in changed and key not in left.hidden:
            seen = left.files.get(key[1])
            if seen is None or seen.layer != key[0]:
                found[key] = (None, b, ["only-right"])


def _moved(left: Image, right: Image, changed: set[int]) -> list[str]:
    """Files that stand elsewhere in the order of their layer: all but the longest run that both layers have in
    one order.
    """
    moved: list[str] = []
    if not changed:
        return moved
    places: dict[str, int] = {}
    for number, (path, entry) in enumerate(right.files.items()):
        if entry.layer in changed:
            places[path] = number
    by_layer: dict[int, list[str]] = {}
    for path, entry in left.files.items():
        if entry.layer in changed and path in places and right.files[path].layer == entry.layer:
            by_layer.setdefault(entry.layer, []).append(path)
    for paths in by_layer.values():
        numbers = [places[p] for p in paths]
        if all(x < y for x, y in itertools.pairwise(numbers)):
            continue
        tails: list[int] = []
        ends: list[int] = []
        before = [-1] * len(numbers)
        for at, number in enumerate(numbers):
            slot = bisect_left(tails, number)
            if slot == len(tails):
                tails.append(number)
                ends.append(at)
            else:
                tails[slot], ends[slot] = number, at
            before[at] = ends[slot - 1] if slot else -1
        kept = set()
        at = ends[-1]
        while at >= 0:
            kept.add(at)
            at = before[at]
        moved += [p for n, p in enumerate(paths) if n not in kept]
    return moved


def _difference(
    path: str,
    hidden: bool,
    a: Entry | None,
    b: Entry | None,
    what: list[str],
    left: Image,
    right: Image,
    where: Origins,
    other: Origins,
) -> Difference:
    if a is not None and (b is None or a.layer >= b.layer or len(left.layers) != len(right.layers)):
        layer, image, lead = a.layer, left, where
    else:
        assert b is not None
        layer, image, lead = b.layer, right, other
    created_by = image.layers[layer].created_by
    return Difference(path, tuple(what), a, b, layer, created_by, lead.place(layer, path), hidden)


def _layers(left: Image, right: Image, differences: list[Difference], where: Origins) -> list[LayerPair]:
    harmless: dict[int, int] = {}
    harmful: dict[int, int] = {}
    for difference in differences:
        count = harmless if difference.harmless else harmful
        count[difference.layer] = count.get(difference.layer, 0) + 1
    pairs = []
    for index in range(max(len(left.layers), len(right.layers))):
        a = left.layers[index] if index < len(left.layers) else None
        b = right.layers[index] if index < len(right.layers) else None
        one = a or b
        assert one is not None
        pairs.append(
            LayerPair(
                index,
                a.diff_id if a else None,
                b.diff_id if b else None,
                one.created_by,
                where.place(index, ""),
                max(a.size if a else 0, b.size if b else 0),
                harmless.get(index, 0),
                harmful.get(index, 0),
            )
        )
    return pairs


def _notes(left: Image, right: Image, changed: set[int], differences: list[Difference], aligned: bool) -> list[str]:
    notes = [f"{image.where}: {note}" for image in (left, right) for note in image.notes]
    if not aligned:
        notes.append(
            f"the images have {len(left.layers)} and {len(right.layers)} layers; compared is what a container would see"
        )
    else:
        touched = {d.layer for d in differences}
        touched |= {e.layer for d in differences for e in (d.left, d.right) if e is not None}
        notes += [
            f"layer {index} differs only in how its archive is written (padding, or fields that say nothing of files)"
            for index in sorted(changed - touched)
        ]
    blobs = [
        a.index
        for a, b in zip(left.layers, right.layers)
        if a.diff_id == b.diff_id and a.digest and b.digest and a.digest != b.digest
    ]
    if blobs:
        notes.append(f"the same files are packed differently in layers {', '.join(map(str, blobs))} (compression)")
    return notes


def _config(left: Image, right: Image, where: Origins) -> list[ConfigDifference]:
    a, b = _flat(left.config), _flat(right.config)
    found = []
    for key in sorted(a.keys() | b.keys()):
        one, two = a.get(key), b.get(key)
        if one == two or key.startswith("rootfs"):
            continue
        name = key.removeprefix("config.Labels.")
        if key.rsplit(".", 1)[-1] == "created" or name in _TIMES:
            kind = "time"
        else:
            kind = "record" if key.startswith(_RECORDS) else "value"
        found.append(ConfigDifference(key, one, two, kind, _config_place(key, where)))
    return found


def _flat(config: object) -> dict[str, str]:
    """Every leaf of the configuration by its path; environment variables by their name."""
    flat: dict[str, str] = {}
    stack: list[tuple[str, object]] = [("", config)]
    while stack:
        key, value = stack.pop()
        if key == "config.Env" and isinstance(value, list):
            for item in value:
                name, _, text = str(item).partition("=")
                flat[f"config.Env.{name}"] = text[:_SHOWN]
        elif isinstance(value, dict) and value:
            stack += [(f"{key}.{name}" if key else str(name), inner) for name, inner in value.items()]
        elif key == "history" and isinstance(value, list):
            stack += [(f"history[{number}]", inner) for number, inner in enumerate(value)]
        elif value is not None and value != {} and value != [] and value != "":
            flat[key] = value[:_SHOWN] if isinstance(value, str) else json.dumps(value, sort_keys=True)[:_SHOWN]
    return flat


_FROM_FIELD = {
    "Env": "ENV",
    "Labels": "LABEL",
    "Cmd": "CMD",
    "Entrypoint": "ENTRYPOINT",
    "ExposedPorts": "EXPOSE",
    "User": "USER",
    "WorkingDir": "WORKDIR",
    "Volumes": "VOLUME",
    "Healthcheck": "HEALTHCHECK",
    "StopSignal": "STOPSIGNAL",
    "Shell": "SHELL",
    "OnBuild": "ONBUILD",
}


def _config_place(key: str, where: Origins) -> InstructionPlace | None:
    """The last instruction that sets the field."""
    if key.startswith("history["):
        number = key[8 : key.index("]")]
        return where.history.get(int(number))
    parts = key.split(".", 2)
    keyword = _FROM_FIELD.get(parts[1]) if parts[0] == "config" and len(parts) > 1 else None
    places = [p for p in where.history.values() if p.keyword.upper() == keyword]
    if keyword in ("ENV", "LABEL") and len(parts) > 2:
        places = [p for p in places if parts[2] in p.text]
    return max(places, key=lambda p: p.line, default=None)

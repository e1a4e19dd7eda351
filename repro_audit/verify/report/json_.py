"""The report for machines: version 1 of a documented shape."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from repro_audit.container.archive_error import printable

if TYPE_CHECKING:
    from repro_audit.container.archive import Entry, Image
    from repro_audit.verify.comparison import Comparison, ConfigDifference, Difference
    from repro_audit.verify.instruction import InstructionPlace


def render(comparison: Comparison, *, conditions: dict[str, str], indent: int | None = 2) -> str:
    """The document as text."""
    return json.dumps(document(comparison, conditions), indent=indent) + "\n"


def document(comparison: Comparison, conditions: dict[str, str]) -> dict[str, object]:
    """`version`, `result`, `level`, the two images, `differences`, `config`, `packages`, `layers`, `conditions`,
    `notes`.
    """
    harmful = sum(not d.harmless for d in comparison.differences)
    return {
        "version": 1,
        "compared": comparison.circumstances.kind,
        "result": comparison.result,
        "level": comparison.level,
        "summary": {
            "differences": len(comparison.differences),
            "harmful": harmful,
            "packages": len(comparison.packages),
        },
        "images": [_image(comparison.left), _image(comparison.right)],
        "differences": [_difference(d) for d in comparison.differences],
        "config": [_config(c) for c in comparison.config],
        "packages": [
            {"ecosystem": p.ecosystem, "name": p.name, "from": p.left, "to": p.right} for p in comparison.packages
        ],
        "layers": [
            {
                "index": layer.index,
                "same": layer.same,
                "diff_ids": [layer.left_id, layer.right_id],
                "size": layer.size,
                "created_by": _text(layer.created_by),
                "instruction": _place(layer.place),
                "harmless": layer.harmless,
                "harmful": layer.harmful,
            }
            for layer in comparison.layers
        ],
        "conditions": conditions,
        "notes": [_text(note) for note in comparison.notes],
    }


def _image(image: Image) -> dict[str, object]:
    return {
        "source": _text(image.where),
        "names": [_text(name) for name in image.names],
        "manifest": image.manifest_digest,
        "config": image.config_digest,
        "platform": _text(image.platform),
        "files": len(image.files),
    }


def _difference(difference: Difference) -> dict[str, object]:
    reason = difference.reason
    return {
        "path": _text(difference.path),
        "kinds": list(difference.kinds),
        "harmless": difference.harmless,
        "hidden": difference.hidden,
        "layer": difference.layer,
        "created_by": _text(difference.created_by),
        "instruction": _place(difference.place),
        "cause": reason.cause,
        "why": _text(reason.why),
        "remedy": reason.remedy,
        "rule": reason.rule,
        "inside": [_text(line) for line in reason.inside],
        "diff": _text(reason.diff) or None,
        "left": _entry(difference.left),
        "right": _entry(difference.right),
    }


def _entry(entry: Entry | None) -> dict[str, object] | None:
    if entry is None:
        return None
    return {
        "kind": entry.kind,
        "mode": f"{entry.mode:04o}",
        "uid": entry.uid,
        "gid": entry.gid,
        "size": entry.size,
        "mtime": entry.mtime / 1e9,
        "target": None if entry.target is None else _text(entry.target),
        "sha256": entry.digest.hex() if entry.digest else None,
    }


def _place(place: InstructionPlace | None) -> dict[str, object] | None:
    if place is None:
        return None
    return {
        "path": _text(place.path),
        "line": place.line,
        "keyword": place.keyword,
        "text": _text(place.text),
        "made_in": _text(place.made_in) or None,
    }


def _config(difference: ConfigDifference) -> dict[str, object]:
    return {
        "field": _text(difference.field),
        "from": None if difference.left is None else _text(difference.left),
        "to": None if difference.right is None else _text(difference.right),
        "kind": difference.kind,
        "harmless": difference.harmless,
        "instruction": _place(difference.place),
    }


def _text(text: str) -> str:
    """Text that is valid Unicode: bytes that were none are spelt `\\xff`, since half a surrogate is no JSON to
    many readers.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return (
            printable(text.encode("utf-8", "surrogateescape"), 1 << 20) if _escaped(text) else printable(text, 1 << 20)
        )
    return text


def _escaped(text: str) -> bool:
    """Whether every surrogate stands for a byte."""
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True

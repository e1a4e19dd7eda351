"""What `verify` found, kept for later: a small JSON file that proves a level as long as the inputs stay as they were.

`repro-audit verify --record FILE` writes one; `repro-audit check --record FILE` shows the level that it proves.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from repro_audit.container.build_context import Inputs, digest
from repro_audit.container.engine_error import EngineError

if TYPE_CHECKING:
    from repro_audit.verify.comparison import Comparison

VERSION = 1
_SIZE = 1 << 20


class RecordError(Exception):
    """A record that cannot be used: in one line, with the file's name."""


@dataclass(slots=True, frozen=True)
class Record:
    """A stored result. `context` and `dockerfile` are relative to the record's own folder; `inputs` are digests over
    them and over `settings` (target, platform, build arguments). The modes of the files count unless the builds showed
    that they do not matter (`any_modes`). `apart` are files beside the record that were made with it.
    """

    result: str
    level: int | None
    context: str
    dockerfile: str
    settings: tuple[str, ...]
    inputs: Inputs
    any_modes: bool
    images: tuple[str, ...]
    conditions: Mapping[str, str]
    written: str
    apart: tuple[str, ...] = ()


@dataclass(slots=True, frozen=True)
class Proof:
    """What a record proves now of one Dockerfile and its context: a level, or None and the `reason` why nothing."""

    level: int | None
    reason: str
    context: str = ""
    dockerfile: str = ""


def record(
    path: str,
    comparison: Comparison,
    *,
    context: str,
    dockerfile: str,
    settings: Sequence[str],
    inputs: Inputs,
    any_modes: bool,
    conditions: Mapping[str, str],
    apart: Sequence[str] = (),
) -> Record:
    """The record of a comparison, to be kept at `path`. `inputs` is the digest taken before the first build."""
    from datetime import datetime, timezone

    folder = os.path.dirname(os.path.abspath(path))

    def inside(place: str) -> str:
        return os.path.relpath(os.path.realpath(place), os.path.realpath(folder)).replace(os.sep, "/")

    return Record(
        comparison.result,
        comparison.level,
        inside(context),
        inside(dockerfile),
        tuple(settings),
        inputs,
        any_modes and comparison.level is not None,
        tuple(i.manifest_digest or i.config_digest for i in (comparison.left, comparison.right)),
        dict(conditions),
        datetime.now(timezone.utc).isoformat(timespec="seconds"),
        tuple(inside(each) for each in apart),
    )


def dump(kept: Record) -> str:
    """The record as JSON."""
    document = {
        "version": VERSION,
        "kind": "repro-audit-verify",
        "result": kept.result,
        "level": kept.level,
        "inputs": {
            "digest": kept.inputs.content,
            "modes": None if kept.any_modes else kept.inputs.modes,
            "context": kept.context,
            "dockerfile": kept.dockerfile,
            "settings": list(kept.settings),
            "apart": list(kept.apart),
        },
        "images": list(kept.images),
        "conditions": dict(kept.conditions),
        "written": kept.written,
    }
    return json.dumps(document, indent=2) + "\n"


def load(path: str) -> Record:
    """The record at `path`; raises RecordError."""
    try:
        with open(path, "rb") as file:
            document = json.loads(file.read(_SIZE))
        if document["version"] != VERSION or document["kind"] != "repro-audit-verify":
            raise RecordError(f"{path}: it was written by another version of repro-audit; verify again")
        inputs, level = document["inputs"], document["level"]
        if level not in (None, 3, 4):
            raise ValueError("level")
        return Record(
            str(document["result"]),
            level,
            str(inputs["context"]),
            str(inputs["dockerfile"]),
            tuple(str(each) for each in inputs["settings"]),
            Inputs(str(inputs["digest"]), str(inputs["modes"])),
            inputs["modes"] is None,
            tuple(str(each) for each in document["images"]),
            {str(k): str(v) for k, v in document["conditions"].items()},
            str(document["written"]),
            tuple(str(each) for each in inputs.get("apart", ())),
        )
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise RecordError(f"{path}: this is no record that `repro-audit verify` wrote") from None


def proven(path: str) -> Proof:
    """What the record at `path` proves about the files as they are now; raises RecordError where there is none."""
    kept = load(path)
    if kept.level is None:
        return Proof(None, f"two builds were different when verified on {kept.written[:10]}")
    # as it was written, or from where the user stands now, for a record that is kept elsewhere
    folder = next(
        (each for each in (os.path.dirname(os.path.abspath(path)), os.getcwd()) if _stands(each, kept.dockerfile)), None
    )
    if folder is None:
        missing = os.path.normpath(os.path.join(os.path.dirname(path), kept.dockerfile))
        return Proof(None, f"it tells of {missing}, which is not there: keep the record where verify wrote it")
    context, dockerfile = (os.path.normpath(os.path.join(folder, each)) for each in (kept.context, kept.dockerfile))
    apart = [path, *(os.path.join(folder, each) for each in kept.apart)]
    try:
        now = digest(context, dockerfile, kept.settings, apart=apart)
    except EngineError as error:
        return Proof(None, f"the inputs cannot be read: {error}")
    day = kept.written[:10]
    if now.content != kept.inputs.content:
        return Proof(None, f"the inputs have changed since it was verified on {day}; verify again")
    if now.modes != kept.inputs.modes and not kept.any_modes:
        return Proof(
            None,
            f"the files have other permissions than when it was verified on {day}, as a checkout under another umask "
            "has; --vary=all shows whether that matters",
        )
    return Proof(kept.level, f"verified on {day}", context, dockerfile)


def _stands(folder: str, dockerfile: str) -> bool:
    return os.path.isfile(os.path.join(folder, dockerfile))

"""Remedies for what was in force: what general advice asks for may have been there already, or not be in reach."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from repro_audit.verify.causes.written import ONLY_NUMBERS
from repro_audit.verify.comparison import Reason

if TYPE_CHECKING:
    from repro_audit.verify.circumstances import Circumstances

# Who can give every file of an image the time of the commit.
DATING = (
    "what does: a builder of its own (`docker buildx create --use`), Docker 26 or newer with containerd's image store, "
    "podman, buildah"
)
_NO_TIME = "nothing gave a time to build for: commit what is built, or give --source-date-epoch"
_HANDED = {
    "option": "here it is handed to no RUN unless --build-arg SOURCE_DATE_EPOCH=SECONDS is given, too",
    "none": "this engine hands it in only with --build-arg SOURCE_DATE_EPOCH=SECONDS",
    "no-time": _NO_TIME,
}
_TIMES = {
    "files": "times before SOURCE_DATE_EPOCH are kept as they are: `touch -d @$SOURCE_DATE_EPOCH` in the same RUN, "
    "after ARG SOURCE_DATE_EPOCH",
    "option": "set them in the same RUN: touch -d @SECONDS",
    "image": f"this engine dates the image, not its files; {DATING}",
    "none": f"this engine cannot date files; {DATING}",
    "no-time": f"{_NO_TIME}; files are then dated by it",
}
_UNKNOWN = {
    "images": "see in what their sources, their bases and their builders differ",
    "fresh": "see whether sources, base or packages are others than when that image was made; if not, look at what the "
    "instruction does that depends on the day, the machine or chance",
}


def fitted(reason: Reason, circumstances: Circumstances) -> Reason:
    """The reason with a remedy that helps here."""
    if circumstances.kind != "builds":
        # made of the same sources, or of others: then a number tells nothing
        if reason.why == ONLY_NUMBERS:
            reason = replace(reason, cause="unknown", rule=None)
        if reason.cause == "unknown":
            return replace(reason, remedy=_UNKNOWN[circumstances.kind])
    if circumstances.kind == "images":
        return reason
    dating = circumstances.dating
    if dating is None:
        return reason
    if reason.cause == "timestamps":
        if circumstances.kind == "fresh" and dating in ("files", "option"):
            return replace(
                reason,
                remedy="the fresh build has its files dated, the other has not: build that with SOURCE_DATE_EPOCH="
                f"{circumstances.epoch} and rewrite-timestamp=true (BuildKit) or --timestamp (buildah, podman)",
            )
        return replace(reason, remedy=_TIMES[dating])
    if "ARG SOURCE_DATE_EPOCH" in reason.remedy and dating in _HANDED:
        return replace(reason, remedy=f"{reason.remedy} ({_HANDED[dating]})")
    return reason

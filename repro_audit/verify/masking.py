"""A comparison without the secrets of the build: what a Dockerfile writes down, shows in diffs, targets of links,
history and configuration. Called by `explain`, before anything is shown or kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from repro_audit.container.archive import Entry, Image
    from repro_audit.verify.comparison import Comparison, Difference, Reason
    from repro_audit.verify.instruction import InstructionPlace

Mask = Callable[[str], str]


def masked(comparison: Comparison, mask: Mask) -> Comparison:
    """The comparison with every text passed through `mask`; what it comes to stays as it is."""
    return replace(
        comparison,
        left=_image(comparison.left, mask),
        right=_image(comparison.right, mask),
        differences=tuple(_difference(each, mask) for each in comparison.differences),
        config=tuple(
            replace(
                each,
                field=mask(each.field),
                left=each.left and mask(each.left),
                right=each.right and mask(each.right),
                place=_place(each.place, mask),
            )
            for each in comparison.config
        ),
        layers=tuple(
            replace(each, created_by=mask(each.created_by), place=_place(each.place, mask))
            for each in comparison.layers
        ),
        packages=tuple(
            replace(each, left=each.left and mask(each.left), right=each.right and mask(each.right))
            for each in comparison.packages
        ),
        notes=tuple(map(mask, comparison.notes)),
    )


def _image(image: Image, mask: Mask) -> Image:
    return replace(
        image, where=mask(image.where), names=tuple(map(mask, image.names)), notes=tuple(map(mask, image.notes))
    )


def _difference(difference: Difference, mask: Mask) -> Difference:
    return replace(
        difference,
        path=mask(difference.path),
        left=_entry(difference.left, mask),
        right=_entry(difference.right, mask),
        created_by=mask(difference.created_by),
        place=_place(difference.place, mask),
        reason=_reason(difference.reason, mask),
    )


def _entry(entry: Entry | None, mask: Mask) -> Entry | None:
    return entry._replace(target=mask(entry.target)) if entry is not None and entry.target else entry


def _place(place: InstructionPlace | None, mask: Mask) -> InstructionPlace | None:
    return replace(place, text=mask(place.text)) if place is not None else None


def _reason(reason: Reason, mask: Mask) -> Reason:
    return replace(
        reason,
        why=mask(reason.why),
        remedy=mask(reason.remedy),
        inside=tuple(map(mask, reason.inside)),
        diff="\n".join(map(mask, reason.diff.split("\n"))),
    )

"""What a comparison of two images says. Built by `compare` and `explain`, shown by `report`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from repro_audit.verify.circumstances import Circumstances

if TYPE_CHECKING:
    from repro_audit.container.archive import Entry, Image
    from repro_audit.verify.instruction import InstructionPlace


def counted(count: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


# A difference in nothing but these leaves the files the same: level 3 says "timestamps and order aside".
HARMLESS = frozenset(("time", "order", "header", "layer"))


@dataclass(slots=True, frozen=True, eq=False)
class Reason:
    """Why something differs. `cause` is an id (`python-bytecode`), `why` a sentence, `remedy` what would remove the
    difference.

    `rule` is the audit rule that foresees it, where there is one. `inside` are lines about what differs within the
    file, `diff` a short unified diff.
    """

    cause: str
    why: str
    remedy: str
    rule: str | None = None
    inside: tuple[str, ...] = ()
    diff: str = ""


UNKNOWN = Reason(
    "unknown",
    "the cause is not known",
    "look at what the instruction does that depends on the day, the machine or chance",
)


@dataclass(slots=True, frozen=True, eq=False)
class Difference:
    """One file that is not the same in both images.

    `kinds` are among `content mode owner time kind order xattrs target device link layer header only-left
    only-right`. `link` is which names share one file; `header` is what a tar header says beyond the file (owner's
    name, tar format); `layer` is that another layer wrote it. `hidden` files lie in a lower layer and no container
    sees them. `place` is the instruction that wrote it, `created_by` what the image's own history says.
    """

    path: str
    kinds: tuple[str, ...]
    left: Entry | None
    right: Entry | None
    layer: int
    created_by: str = ""
    place: InstructionPlace | None = None
    hidden: bool = False
    reason: Reason = UNKNOWN

    @property
    def harmless(self) -> bool:
        """Whether the files are the same for all that: only times, order or tar headers differ, or nobody sees it."""
        return self.hidden or HARMLESS.issuperset(self.kinds)


@dataclass(slots=True, frozen=True, eq=False)
class ConfigDifference:
    """One field of the configuration (`config.Env.PATH`, `created`, `history[3].created_by`). None where a side lacks
    it.

    `kind` is `value`, `time`, or `record` for what tells how the image was made and no container sees.
    """

    field: str
    left: str | None
    right: str | None
    kind: str
    place: InstructionPlace | None = None

    @property
    def harmless(self) -> bool:
        """Whether a container behaves the same for all that."""
        return self.kind != "value"


@dataclass(slots=True, frozen=True)
class PackageChange:
    """A package that is not the same: `left` and `right` are versions, None where it is not installed."""

    ecosystem: str
    name: str
    left: str | None
    right: str | None

    def __str__(self) -> str:
        return self.told(Circumstances().names)

    def told(self, names: tuple[str, str]) -> str:
        """The change in words that call the two images so."""
        if self.left is None:
            return f"{self.name} {self.right} only in {names[1]}"
        if self.right is None:
            return f"{self.name} {self.left} only in {names[0]}"
        return f"{self.name} {self.left} -> {self.right}"


@dataclass(slots=True, frozen=True, eq=False)
class LayerPair:
    """A layer of both images by its index: what made it, whether both are the same, and how many files of it
    differ, harmlessly or not.
    """

    index: int
    left_id: str | None
    right_id: str | None
    created_by: str
    place: InstructionPlace | None
    size: int
    harmless: int
    harmful: int

    @property
    def same(self) -> bool:
        """Whether the layers have one digest."""
        return self.left_id == self.right_id


@dataclass(slots=True, frozen=True, eq=False)
class Comparison:
    """Two images compared. `notes` are remarks for the reader: what could not be looked into, and oddities of
    the archives.
    """

    left: Image
    right: Image
    differences: tuple[Difference, ...]
    config: tuple[ConfigDifference, ...]
    layers: tuple[LayerPair, ...]
    packages: tuple[PackageChange, ...] = ()
    notes: tuple[str, ...] = ()
    circumstances: Circumstances = field(default=Circumstances())

    @property
    def identical(self) -> bool:
        """Whether both have one digest: that of the manifest where both know it, that of the configuration in
        any case.
        """
        manifests = (self.left.manifest_digest, self.right.manifest_digest)
        return self.left.config_digest == self.right.config_digest and (
            None in manifests or manifests[0] == manifests[1]
        )

    @property
    def result(self) -> str:
        """`identical`, `same-files` (but for times, order and how they are stored) or `different`."""
        if self.identical:
            return "identical"
        harmful = any(not d.harmless for d in self.differences) or any(not c.harmless for c in self.config)
        return "different" if harmful else "same-files"

    @property
    def level(self) -> int | None:
        """The reproducibility level this proves: 4, 3, or None for none."""
        return {"identical": 4, "same-files": 3}.get(self.result)

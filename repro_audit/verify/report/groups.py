"""What all reports share: differences in groups of one instruction and one cause, and names fit to be shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from repro_audit.container.archive_error import printable
from repro_audit.verify.comparison import counted

if TYPE_CHECKING:
    from repro_audit.verify.comparison import Comparison, Difference
    from repro_audit.verify.instruction import InstructionPlace


@dataclass(slots=True, frozen=True, eq=False)
class Group:
    """Differences of one instruction that have one cause."""

    place: InstructionPlace | None
    created_by: str
    layer: int
    cause: str
    harmless: bool
    differences: tuple[Difference, ...]


def groups(comparison: Comparison) -> list[Group]:
    """Harmful ones first, then by layer; large groups before small ones."""
    found: dict[tuple[bool, int, int, str], list[Difference]] = {}
    for difference in comparison.differences:
        line = difference.place.line if difference.place else 0
        found.setdefault((difference.harmless, difference.layer, line, difference.reason.cause), []).append(difference)
    made = [
        Group(items[0].place, items[0].created_by, key[1], key[3], key[0], tuple(items)) for key, items in found.items()
    ]
    return sorted(made, key=lambda g: (g.harmless, g.layer, -len(g.differences), g.cause))


def by_instruction(found: list[Group]) -> list[list[Group]]:
    """The groups that count, those of one instruction together."""
    places: dict[tuple[int, int], list[Group]] = {}
    for group in found:
        if not group.harmless:
            places.setdefault((group.layer, group.place.line if group.place else 0), []).append(group)
    return list(places.values())


def set_aside(comparison: Comparison) -> list[tuple[str, tuple[Difference, ...]]]:
    """The differences that do not count, by cause, whatever instruction wrote them."""
    found: dict[str, list[Difference]] = {}
    for difference in comparison.differences:
        if difference.harmless:
            found.setdefault(difference.reason.cause, []).append(difference)
    return [(cause, tuple(items)) for cause, items in sorted(found.items(), key=lambda each: -len(each[1]))]


def shown(text: str, bound: int = 300) -> str:
    """Text from an image without control characters and undecodable bytes, for one line."""
    if text.isprintable():
        return text if len(text) <= bound else text[:bound] + "..."
    return printable(text, bound)


def lines(text: str) -> str:
    """Text of several lines, each as `shown`."""
    return "\n".join(shown(line.replace("\t", "    ")) for line in text.split("\n"))


def origin(place: InstructionPlace | None, created_by: str, layer: int) -> str:
    """Where a group comes from, in one line: the file and line where known, else what the history says."""
    if place is not None:
        first = next((part.strip() for part in place.text.splitlines() if part.strip()), place.keyword)
        return f"{shown(place.path)}:{place.line}: {shown(first, 100)}"
    said = shown(" ".join(created_by.split()), 100)
    return f"layer {layer}: {said}" if said else f"layer {layer}"


def made_in(place: InstructionPlace | None) -> str:
    """Where the files of a `COPY --from` were made, as words to add; empty for all else."""
    return f"made in {shown(place.made_in)}" if place is not None and place.made_in else ""


def summary(comparison: Comparison) -> str:
    """How much there is and how much of it differs, in one sentence."""
    layers, harmful = len(comparison.layers), sum(not d.harmless for d in comparison.differences)
    same = sum(layer.same for layer in comparison.layers)
    alike = "all" if same == layers else str(same or "none")
    there = f"{counted(len(comparison.left.files), 'file')} in {counted(layers, 'layer')}"
    return (
        f"{there} ({alike} of the layers the same): "
        f"{counted(harmful, 'file')} {'differs' if harmful == 1 else 'differ'}, "
        f"{len(comparison.differences) - harmful} more only in times, order or storage"
    )


def size(count: int) -> str:
    """A number of bytes for people."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def short(digest: str | None) -> str:
    """The beginning of a digest."""
    return digest.partition(":")[2][:12] if digest else "-"

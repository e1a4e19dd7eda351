"""Looks into the files that differ: a second pass over the layers they lie in, then packages, causes and short diffs.

`verify_archives` is the whole way from two archives to an explained comparison; the CLI calls it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from repro_audit.container.archive import Content, Image, contents, read_pair
from repro_audit.verify import packages
from repro_audit.verify.causes import reason, told
from repro_audit.verify.causes.evidence import Evidence, Varied, Verdict
from repro_audit.verify.causes.stored import shape
from repro_audit.verify.causes.system import secret
from repro_audit.verify.circumstances import Circumstances
from repro_audit.verify.compare import compare
from repro_audit.verify.comparison import HARMLESS, Comparison, Difference, Reason, counted
from repro_audit.verify.masking import masked
from repro_audit.verify.remedy import fitted
from repro_audit.verify.textdiff import is_text, unified

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from repro_audit.container.archive import Entry, Limits, Place
    from repro_audit.verify.comparison import PackageChange
    from repro_audit.verify.instruction import InstructionPlace

_TWINS = 64  # candidates that one file may have on the other side


@dataclass(slots=True, frozen=True)
class Depth:
    """How far the second pass goes, in bytes for each image: of one file, of all files, and of one package database."""

    file: int = 4 << 20
    total: int = 48 << 20
    database: int = 96 << 20


@dataclass(slots=True, frozen=True)
class Reach:
    """How the two archives are opened again."""

    left: str
    right: str
    platform: str | None = None
    references: tuple[str | None, str | None] = (None, None)
    limits: Limits | None = None

    def fetch(self, side: int, wanted: dict[Place, int], total: int) -> dict[Place, Content]:
        """The bytes of the wanted files of one side."""
        if not wanted:
            return {}
        path = (self.left, self.right)[side]
        return contents(
            path, wanted, total=total, platform=self.platform, reference=self.references[side], limits=self.limits
        )

    def fetch_both(self, plans: Sequence[dict[Place, int]], total: int) -> list[dict[Place, Content]]:
        """The bytes of the wanted files of both sides, read side by side."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(2, "repro-audit-archive") as pool:
            jobs = [pool.submit(self.fetch, side, plan, total) for side, plan in enumerate(plans)]
            return [job.result() for job in jobs]


def verify_archives(
    left: str,
    right: str,
    instructions: Sequence[InstructionPlace] = (),
    *,
    platform: str | None = None,
    references: tuple[str | None, str | None] = (None, None),
    limits: Limits | None = None,
    depth: Depth | None = None,
    varied: Varied | None = None,
    mask: Callable[[str], str] = str,
    circumstances: Circumstances | None = None,
    progress: Callable[[int], None] | None = None,
) -> Comparison:
    """Reads, compares and explains two archives (`docker save`, OCI layout as tar or folder). Raises ArchiveError.

    `instructions` are those of the stage that was built and of the stages it stands on, in the order of the build.
    `varied` is what was changed on purpose between the builds; `mask` takes secrets out of what is shown.
    `circumstances` tells what the two images are.
    """
    images = read_pair(left, right, platform=platform, references=references, limits=limits, progress=progress)
    comparison = replace(compare(*images, instructions), circumstances=circumstances or Circumstances())
    reach = Reach(left, right, platform, references, limits)
    return masked(explain(comparison, reach, depth or Depth(), varied or Varied(), mask), mask)


def explain(
    comparison: Comparison, reach: Reach, depth: Depth, varied: Varied, mask: Callable[[str], str] = str
) -> Comparison:
    """The comparison with a reason for each difference and the packages that moved."""
    left, right, moved, unread = _installed(comparison, reach, depth)
    names = comparison.circumstances.names
    wanted = [d for d in comparison.differences if _worth_reading(d)]
    plans = [_plan(comparison, wanted, side, depth) for side in (0, 1)]
    data = reach.fetch_both(plans, depth.total)
    twins = _twins(comparison.differences)
    by_key = {(c.ecosystem, c.name): c for c in moved}
    # the base image's files are not this build's doing, where the base itself moved
    base = _base_layers(comparison)
    explained = []
    skipped = 0
    for difference in comparison.differences:
        sides = [_content(comparison, difference, side, data[side]) for side in (0, 1)]
        if "content" in difference.kinds and None in sides:
            skipped += 1
        owner = packages.moved_owner(difference.path, (left, right), by_key) if by_key else None
        # a folder is shared by many packages: it moved with one only where it stands on one side
        if owner is not None and difference.harmless:
            owner = None
        evidence = Evidence(
            difference.path,
            frozenset(difference.kinds),
            sides[0].data if sides[0] else None,
            sides[1].data if sides[1] else None,
            all(s is None or s.complete for s in sides),
            difference.left,
            difference.right,
            difference.created_by,
            twins.get(difference.path),
            owner.told(names) if owner is not None else None,
            varied,
            names=names,
        )
        found = fitted(_reason(difference, evidence, base, moved, mask), comparison.circumstances)
        explained.append(replace(difference, reason=found))
    notes = [*comparison.notes, *unread]
    if skipped:
        notes.append(
            f"{counted(skipped, 'differing file')} not looked into: there are more, "
            "or larger ones, than are kept in memory"
        )
    return replace(comparison, differences=tuple(explained), packages=moved, notes=tuple(dict.fromkeys(notes)))


def _reason(
    difference: Difference,
    evidence: Evidence,
    base: frozenset[int],
    moved: tuple[PackageChange, ...],
    mask: Callable[[str], str],
) -> Reason:
    if difference.layer in base and not difference.harmless:
        found = told(Verdict("base-image"))
    else:
        found = reason(evidence)
        if found.cause == "dpkg-status":
            mine = [c.told(evidence.names) for c in moved if c.ecosystem == "dpkg"]
            why = (
                f"{counted(len(mine), 'package')} moved"
                if mine
                else "the same packages, recorded in another order or state"
            )
            found = told(Verdict("dpkg-status", f"dpkg's database: {why}", tuple(mine[:10])))
        elif found.cause == "package-database":
            mine = [c.told(evidence.names) for c in moved if c.ecosystem in ("apk", "rpm")]
            if mine:
                found = told(
                    Verdict(
                        "package-version",
                        f"the database of a system where {counted(len(mine), 'package')} moved",
                        tuple(mine[:10]),
                    )
                )
    pair = evidence.pair
    if pair and "content" in difference.kinds and is_text(pair[0]) and is_text(pair[1]):
        # of lines in another order a diff shows no more than the remedy says
        hidden = found.cause == "line-order" or secret(difference.path, found.cause)
        return replace(found, diff="" if hidden else unified(*pair, mask=mask, names=evidence.names))
    return found


def _base_layers(comparison: Comparison) -> frozenset[int]:
    """Layers that come from FROM and differ."""
    return frozenset(
        pair.index
        for pair in comparison.layers
        if pair.place is not None and pair.place.keyword.upper() == "FROM" and not pair.same
    )


def _worth_reading(difference: Difference) -> bool:
    return not HARMLESS.issuperset(difference.kinds) and "content" in difference.kinds


def _plan(comparison: Comparison, wanted: Iterable[Difference], side: int, depth: Depth) -> dict[Place, int]:
    """What to fetch from one side: small files first, so that a few large ones do not keep the rest from being
    explained.
    """
    sized = []
    for difference in wanted:
        entry = (difference.left, difference.right)[side]
        if entry is not None:
            place = _place((comparison.left, comparison.right)[side], difference.path, entry)
            sized.append((min(entry.size, depth.file), place))
    plan: dict[Place, int] = {}
    left = depth.total
    for size, place in sorted(sized):
        if size > left:
            break
        left -= size
        plan[place] = max(size, 1)
    return plan


def _place(image: Image, path: str, entry: Entry) -> Place:
    """Where the data of a file lies: for a hard link, under the name that carries it."""
    if entry.kind != "hardlink" or entry.target is None:
        return entry.layer, path
    first = image.files.get(entry.target)
    if first is not None and first.kind == "file":
        return entry.layer, entry.target
    carrier = next(
        (p for p, e in image.files.items() if e.kind == "file" and e.target == entry.target and e.layer == entry.layer),
        path,
    )
    return entry.layer, carrier


def _content(comparison: Comparison, difference: Difference, side: int, data: dict[Place, Content]) -> Content | None:
    entry = (difference.left, difference.right)[side]
    if entry is None or entry.digest is None or not data:
        return None
    if entry.kind == "hardlink":
        return data.get(_place((comparison.left, comparison.right)[side], difference.path, entry))
    return data.get((entry.layer, difference.path))


def _installed(
    comparison: Comparison, reach: Reach, depth: Depth
) -> tuple[packages.Installed, packages.Installed, tuple[PackageChange, ...], list[str]]:
    """The packages of both images as far as their databases differ, what moved, and what could not be read."""
    databases = [d for d in comparison.differences if not d.hidden and packages.is_database(d.path) and not d.harmless]
    sides = (packages.Installed(), packages.Installed())
    if not databases:
        return *sides, (), []
    for side, image in enumerate((comparison.left, comparison.right)):
        wanted: dict[Place, int] = {}
        entries = []
        for difference in databases:
            entry = (difference.left, difference.right)[side]
            if entry is not None and entry.kind in ("file", "hardlink", "dir"):
                entries.append((difference.path, entry))
                if entry.kind != "dir" and entry.size <= depth.database:
                    wanted[_place(image, difference.path, entry)] = max(entry.size, 1)
        data = reach.fetch(side, wanted, 2 * depth.database)
        for path, entry in sorted(entries):
            content = data.get(_place(image, path, entry))
            packages.read(path, content.data if content and content.complete else None, sides[side])
    moved = packages.changes(*sides)
    for side, image in enumerate((comparison.left, comparison.right)):
        lists = {
            (image.files[p].layer, p): depth.file
            for p in packages.ownership_paths(image.files, moved)
            if image.files[p].kind == "file"
        }
        for (_, path), content in reach.fetch(side, lists, depth.total).items():
            packages.read_owner(path, content.data, sides[side])
        packages.own_moved(moved, sides[side])
    return *sides, moved, [*sides[0].unread, *sides[1].unread]


def _twins(differences: Iterable[Difference]) -> dict[str, str]:
    """For files on one side only: the path on the other side that is the same but for a part that looks made up."""
    lonely: tuple[dict[str, list[Difference]], dict[str, list[Difference]]] = ({}, {})
    for difference in differences:
        if difference.hidden or not {"only-left", "only-right"} & set(difference.kinds):
            continue
        folder, _, name = difference.path.rpartition("/")
        like = f"{'/'.join(map(shape, folder.split('/')))}/{shape(name)}"
        if "*" in like:
            # letters and digits alone may be a word: then the file must be as large, too
            entry = difference.left or difference.right
            key = f"{like} {entry.size if entry and like.rpartition('/')[2][1:].isdigit() else ''}"
            lonely["only-right" in difference.kinds].setdefault(key, []).append(difference)
    found: dict[str, str] = {}
    for like, mine in lonely[0].items():
        others = lonely[1].get(like, [])[:_TWINS]
        for one in mine[:_TWINS]:
            fitting = [o for o in others if o.path not in found and _alike(one, o)]
            if fitting:
                best = min(
                    fitting, key=lambda o: one.left is None or o.right is None or o.right.digest != one.left.digest
                )
                found[one.path], found[best.path] = best.path, one.path
    return found


def _alike(one: Difference, two: Difference) -> bool:
    return one.left is not None and two.right is not None and one.left.kind == two.right.kind

"""Compiled code: ELF files whose build id, embedded paths, dates or code differ."""

from __future__ import annotations

import re
import struct

from repro_audit.verify.causes.evidence import Evidence, Verdict

_STRING = re.compile(rb"[\x20-\x7e]{4,400}")
_DATE = re.compile(
    rb"\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ 0-3]\d"
    rb"(?: \d\d:\d\d:\d\d)?(?: |, )?\d{0,4}|\d\d:\d\d:\d\d\b|\b20\d\d-\d\d-\d\d|\b1[5-9]\d{8}\b"
)
_PATH = re.compile(rb"/(?:tmp|var/tmp|build|root|home|workspace|src|usr/src|proc/self)[\w./+@-]*")
_SEEDED = re.compile(rb"(\.gnu\.lto_\S*\.[0-9a-f]{8,}|_GLOBAL__\S*_[0-9A-F]{8}_0x[0-9a-f]+|\S*\.lto_priv\.\d+)")
_LINES = 8


def elf(evidence: Evidence) -> Verdict | None:
    """ELF files, by the sections that differ and the strings that stand on one side only."""
    if evidence.pair is None or not all(side.startswith(b"\x7fELF") for side in evidence.pair):
        return None
    left, right = evidence.pair
    lines: list[str] = []
    sections = _sections(left), _sections(right)
    if sections[0] and sections[1] and evidence.whole:
        differ = [
            name
            for name in sections[0].keys() | sections[1].keys()
            if _part(left, sections[0].get(name)) != _part(right, sections[1].get(name))
        ]
        differ.sort()
        if differ == [".note.gnu.build-id"]:
            return Verdict(
                "compiler-output", "only the build id differs: what it was computed over was stripped later", ()
            )
        if differ:
            lines.append(f"sections that differ: {', '.join(differ[:12])}")
    one, two = set(_STRING.findall(left[: 8 << 20])), set(_STRING.findall(right[: 8 << 20]))
    mine, other = sorted(one - two)[:2000], sorted(two - one)[:2000]
    dated = _pairs(mine, other, _DATE)
    if dated:
        return Verdict("compile-time", None, (*lines, *dated))
    placed = _pairs(mine, other, _PATH)
    if placed:
        return Verdict("build-path", None, (*lines, *placed), _placed_by(placed))
    if seeded := sorted({match[1].decode() for name in mine if (match := _SEEDED.match(name))}):
        return Verdict(
            "compiler-output",
            "gcc made names in it from a seed that it takes at random",
            tuple(f"name with a seed: {name}" for name in seeded[:_LINES]),
            "compile with -frandom-seed=FILE (the name of the source file does), or without -flto for what is kept",
        )
    shown = [f"only in {evidence.names[0]}: {s.decode('ascii')[:120]}" for s in mine[:2]]
    shown += [f"only in {evidence.names[1]}: {s.decode('ascii')[:120]}" for s in other[:2]]
    return Verdict("compiler-output", None, (*lines, *shown))


def _placed_by(lines: tuple[str, ...]) -> str | None:
    """A remedy for those whose folder is not theirs to choose."""
    if any("/pip-" in line for line in lines):
        return (
            "install a wheel instead of sources; or `CFLAGS=-g0 pip install ...`, which leaves out the paths of the "
            "folder that pip builds in"
        )
    if any("/go-build" in line or ".go" in line for line in lines):
        return "go build -trimpath"
    return None


def coverage(evidence: Evidence) -> Verdict | None:
    """gcc's notes and counts for coverage."""
    if evidence.pair is None or not all(side[:4] in (b"oncg", b"adcg", b"gcno", b"gcda") for side in evidence.pair):
        return None
    return Verdict(
        "compiler-output",
        "gcc stamps what it writes for coverage with a number of its own",
        (),
        "compile without --coverage for what is kept, or remove it",
    )


def _pairs(mine: list[bytes], other: list[bytes], pattern: re.Pattern[bytes]) -> tuple[str, ...]:
    """Strings of both sides that are the same but for what the pattern takes out."""
    if not mine or not other:
        return ()
    shapes = {pattern.sub(b"*", s): s for s in other if pattern.search(s)}
    found = []
    for string in mine:
        if pattern.search(string) and (twin := shapes.get(pattern.sub(b"*", string))) is not None:
            found.append(f"{string.decode('ascii')[:120]} -> {twin.decode('ascii')[:120]}")
    return tuple(found[:_LINES])


def _part(data: bytes, place: tuple[int, int] | None) -> bytes | None:
    return None if place is None else data[place[0] : place[0] + place[1]]


def _sections(data: bytes) -> dict[str, tuple[int, int]]:
    """Section name -> (offset, size), of 32 and 64 bit files in either byte order; empty where the table cannot
    be read.
    """
    try:
        wide, order = data[4] == 2, "<" if data[5] == 1 else ">"
        if wide:
            table, size, count, names = struct.unpack_from(order + "Q10xHHH", data, 40)
        else:
            table, size, count, names = struct.unpack_from(order + "I10xHHH", data, 32)
        layout = struct.Struct(order + ("IIQQQQ" if wide else "IIIIII"))
        rows = [layout.unpack_from(data, table + n * size) for n in range(count)]
        _, _, _, _, at, length = rows[names]
        text = data[at : at + length]
        found: dict[str, tuple[int, int]] = {}
        for name, type_, _, _, offset, extent in rows:
            if type_ in (0, 8):  # unused, or without bytes in the file
                continue
            found[text[name : text.index(b"\0", name)].decode("latin-1")] = (offset, extent)
    except (struct.error, IndexError, ValueError, OverflowError):
        return {}
    return found


DETECTORS = (elf, coverage)

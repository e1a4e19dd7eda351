"""Compiled Python code, and what installers write about the packages they install."""

from __future__ import annotations

import re
import struct

from repro_audit.verify.causes.evidence import Evidence, Verdict

_STRING = re.compile(rb"[\x20-\x7e]{4,400}")
# marshal marks an object that is used again by the highest bit of its type
_NO_FLAG = bytes(b & 0x7F for b in range(256))
_NONE = "PYTHONDONTWRITEBYTECODE=1"
_AGAIN = "or compile it once more: PYTHONHASHSEED=0 python -m compileall -f --invalidation-mode unchecked-hash FOLDER"
_LOG = re.compile(rb"^\d{4}-\d\d-\d\dT[\d:]+,\d+ +(?:Using pip \d|Created temporary directory: \S*/pip-)", re.MULTILINE)
_RECORD = re.compile(r".*\.(dist-info|egg-info)/(RECORD|installed-files\.txt|SOURCES\.txt)$")


def bytecode(evidence: Evidence) -> Verdict | None:
    """`.pyc` files: the header's time, or the code itself."""
    if not evidence.path.endswith((".pyc", ".pyo")):
        return None
    if evidence.kinds & {"only-left", "only-right"}:
        return Verdict(
            "python-bytecode",
            "it was compiled for one of them only: which modules were imported during the build differs",
            (),
            _NONE,
        )
    if "content" not in evidence.kinds:
        return None
    if evidence.pair is None or min(map(len, evidence.pair)) < 16:
        return Verdict("python-bytecode")
    left, right = evidence.pair
    if left[:4] != right[:4]:
        return Verdict("python-bytecode", "compiled by two versions of Python")
    if left[16:] == right[16:]:
        if left[4] & 1 or right[4] & 1:
            return Verdict(
                "python-bytecode", "the hash of the source in its header differs: the source file is another"
            )
        times = [struct.unpack("<I", side[8:12])[0] for side in (left, right)]
        return Verdict(
            "python-bytecode",
            "the code is the same; the header holds the time of the source file",
            (f"source time {times[0]} -> {times[1]}",),
            "declare ARG SOURCE_DATE_EPOCH in the stage, before the RUN: what compiles then keeps a hash of the source "
            f"instead; or do without it: pip install --no-compile, and for what is imported {_NONE}; {_AGAIN}",
        )
    lines = _code_lines(left, right, evidence.names)
    if any("/pip-target-" in line for line in lines):
        return Verdict(
            "python-bytecode",
            "`pip install --target` compiles in a folder with a name made at random, which the code keeps",
            lines,
            f"pip install --no-compile, or another way of naming the place: --prefix, a virtual environment; {_AGAIN}",
        )
    return Verdict("python-bytecode", "the compiled code differs", lines)


def _code_lines(left: bytes, right: bytes, names: tuple[str, str]) -> tuple[str, ...]:
    """In what the code differs, told by its strings: unmarshalling bytes from an image could crash this process."""
    if len(left) == len(right) and left[16:].translate(_NO_FLAG) == right[16:].translate(_NO_FLAG):
        return (
            "equal code; objects are shared otherwise, which depends on what else was compiled in the same process",
        )
    one, two = (set(_STRING.findall(side[16 : 4 << 20])) for side in (left, right))
    mine, other = sorted(one - two), sorted(two - one)
    if not mine and not other:
        return ("the same names and constants in another order: a set literal, whose order follows PYTHONHASHSEED",)
    lines = [f"only in {names[0]}: {string.decode('ascii')[:120]}" for string in mine[:3]]
    return (*lines, *(f"only in {names[1]}: {string.decode('ascii')[:120]}" for string in other[:3]))


def record(evidence: Evidence) -> Verdict | None:
    """RECORD files that differ in the lines of files which differ themselves."""
    if not _RECORD.match(evidence.path) or evidence.pair is None:
        return None
    left, right = (set(side.split(b"\n")) for side in evidence.pair)
    lines = sorted(left ^ right)
    names = sorted({line.split(b",")[0].decode(errors="replace") for line in lines})
    return Verdict("pip-record", None, tuple(names[:10]))


def log(evidence: Evidence) -> Verdict | None:
    """What `pip --log` writes, wherever it lies."""
    sides = [side for side in (evidence.left, evidence.right) if side is not None]
    if sides and all(_LOG.search(side[:4000]) for side in sides):
        return Verdict("pip-log")
    return None


def pickled(evidence: Evidence) -> Verdict | None:
    """Pickles: never loaded, since that would run what they say."""
    if evidence.pair is None or not evidence.whole:
        return None
    if all(
        len(side) > 3 and side[0] == 0x80 and side[1] in (2, 3, 4, 5) and side[-1:] == b"." for side in evidence.pair
    ):
        return Verdict("pickled-data")
    return None


DETECTORS = (bytecode, record, log, pickled)

"""Why a file differs: each module knows some causes; `reason` asks them in order and takes the first that knows."""

from __future__ import annotations

from struct import error as StructError  # noqa: N812

from repro_audit.verify.causes import compiled, database, installed, packed, python, stored, system, varied, written
from repro_audit.verify.causes.catalogue import CATALOGUE
from repro_audit.verify.causes.evidence import Detector, Evidence, Verdict
from repro_audit.verify.comparison import Reason

# the special before the general: a .pyc in a cache is told as bytecode, a key in a log as a log
DETECTORS: tuple[Detector, ...] = (
    stored.times_only,
    *installed.DETECTORS,
    *python.DETECTORS,
    *system.DETECTORS,
    stored.random_name,
    *varied.DETECTORS,
    *compiled.DETECTORS,
    *packed.DETECTORS,
    *database.DETECTORS,
    *written.DETECTORS,
)


def reason(evidence: Evidence) -> Reason:
    """The reason for one difference; `unknown` where no cause fits."""
    for detector in DETECTORS:
        try:
            verdict = detector(evidence)
        except (ArithmeticError, LookupError, ValueError, RecursionError, StructError):
            # a file that was made to confuse a reader explains nothing, and must not end the report
            continue
        if verdict is not None:
            return told(verdict)
    return told(Verdict("unknown", _plain(evidence)))


def told(verdict: Verdict, diff: str = "") -> Reason:
    """A verdict with the catalogue's words."""
    cause = CATALOGUE[verdict.cause]
    return Reason(
        verdict.cause, verdict.why or cause.why, verdict.remedy or cause.remedy, cause.rule, verdict.inside, diff
    )


def _plain(evidence: Evidence) -> str | None:
    kinds = evidence.kinds
    if kinds & {"only-left", "only-right"}:
        return f"only in {evidence.names['only-left' not in kinds]}; the cause is not known"
    parts = [f"{kind}: {before} -> {after}" for kind, before, after in _fields(evidence) if kind in kinds]
    return ", ".join(parts) or None


def _fields(evidence: Evidence) -> list[tuple[str, str, str]]:
    a, b = evidence.left_entry, evidence.right_entry
    if a is None or b is None:
        return []
    return [
        ("kind", a.kind, b.kind),
        ("target", str(a.target), str(b.target)),
        ("mode", f"{a.mode:04o}", f"{b.mode:04o}"),
        ("owner", f"{a.uid}:{a.gid}", f"{b.uid}:{b.gid}"),
        ("device", str(a.device), str(b.device)),
    ]

"""The baseline: findings that were there before, so that only new ones count. Called by the CLI after the engine.

A finding is known again by its rule, its file and the text it stands on, with space evened out, so it stays known when
lines move. Where the same text appears several times, the baseline holds how often.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping

from repro_audit.finding import Finding
from repro_audit.record import dataclass

_VERSION = 1
_MAX_LINES = 20

Key = tuple[str, str, str]


class BaselineError(ValueError):
    """The file is no baseline; the message says why."""


@dataclass(slots=True, frozen=True)
class Compared:
    """`new` are the findings not in the baseline, `known` how many are, `gone` how many it has that no longer occur."""

    new: tuple[Finding, ...]
    known: int
    gone: int


def dump(findings: Iterable[Finding]) -> str:
    """The baseline file of these findings; the same findings give the same text. Paths are taken as they are shown."""
    counted = Counter(_key(finding) for finding in findings)
    listed = [
        {"rule": rule, "path": path, "text": text, **({"count": count} if count > 1 else {})}
        for (rule, path, text), count in sorted(counted.items())
    ]
    return json.dumps({"version": _VERSION, "findings": listed}, indent=1) + "\n"


def load(text: str) -> Mapping[Key, int]:
    """How often each finding is known; raises BaselineError."""
    try:
        stored = json.loads(text)
    except (ValueError, RecursionError):
        raise BaselineError("it is not JSON") from None
    if not isinstance(stored, dict) or not isinstance(stored.get("findings"), list):
        raise BaselineError("it has no list of findings")
    if stored.get("version") != _VERSION:
        raise BaselineError(f"its version is {stored.get('version')!r}, this program reads {_VERSION}; write it anew")
    known: Counter[Key] = Counter()
    for entry in stored["findings"]:
        fields = [entry.get(name) for name in ("rule", "path", "text")] if isinstance(entry, dict) else [None]
        count = entry.get("count", 1) if isinstance(entry, dict) else 0
        if not all(isinstance(item, str) for item in fields) or not isinstance(count, int):
            raise BaselineError("an entry lacks rule, path or text")
        known[(str(fields[0]), str(fields[1]), str(fields[2]))] += count
    return known


def compare(findings: Iterable[Finding], known: Mapping[Key, int]) -> Compared:
    """Which findings are new, taking the first of equal ones as the known ones."""
    left = dict(known)
    new: list[Finding] = []
    matched = 0
    for finding in findings:
        key = _key(finding)
        if left.get(key, 0) > 0:
            left[key] -= 1
            matched += 1
        else:
            new.append(finding)
    return Compared(tuple(new), matched, sum(count for count in left.values() if count > 0))


def _key(finding: Finding) -> Key:
    source = finding.source
    first = source.position(finding.span.start).line
    last = source.position(max(finding.span.start, finding.span.end - 1)).line
    lines = [" ".join(source.line(n).split()) for n in range(first, min(last, first + _MAX_LINES) + 1)]
    text = "\n".join(lines).encode("utf-8", "surrogateescape")
    return finding.rule, finding.path, hashlib.sha256(text).hexdigest()[:16]

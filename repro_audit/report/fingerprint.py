"""Fingerprints: what makes a finding the same after lines above it have moved. Used by the SARIF and GitLab reports."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from repro_audit.finding import Finding

_BEFORE, _WITHIN, _AFTER = 80, 200, 80


def fingerprints(findings: Sequence[Finding]) -> list[str]:
    """One fingerprint for each finding, all different: 32 hexadecimal digits.

    Made from the rule, the path and the text around the place on its own line, blanks aside; equal ones are told
    apart by their order. Inserting lines elsewhere or indenting the line does not change it.
    """
    seen: dict[str, int] = {}
    out: list[str] = []
    for finding in findings:
        key = "\0".join((finding.rule, finding.path, _context(finding)))
        count = seen[key] = seen.get(key, 0) + 1
        out.append(sha256(f"{key}\0{count}".encode("utf-8", "surrogatepass")).hexdigest()[:32])
    return out


def _context(finding: Finding) -> str:
    """The place with what stands beside it on its line, bounded: a line of megabytes costs no more than another."""
    text = finding.source.text
    start, end = finding.span
    low = text.rfind("\n", max(0, start - _BEFORE), start) + 1 or max(0, start - _BEFORE)
    stop = min(end, start + _WITHIN)
    high = text.find("\n", stop, stop + _AFTER)
    return " ".join(text[low : high if high != -1 else stop + _AFTER].split())

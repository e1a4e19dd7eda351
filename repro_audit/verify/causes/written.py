"""Text files: dates, host names, identifiers, random numbers and build folders written into them, and lines in
another order.
"""

from __future__ import annotations

import re

from repro_audit.verify.causes.catalogue import CATALOGUE
from repro_audit.verify.causes.evidence import Evidence, Verdict

_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_UUID = re.compile(r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b")
_DATE = re.compile(
    r"\b\d{4}[-/.]\d{2}[-/.]\d{2}(?:[T _-]?\d{2}:?\d{2}(?::?\d{2})?(?:[.,]\d+)?)?(?: ?(?:Z|UTC|GMT|[+-]\d{2}:?\d{2}))?"
    r"|\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? +)?"
    rf"(?:\d{{1,2}}[ -]{_MONTH}[ -]\d{{2,4}}|{_MONTH} +\d{{1,2}}(?:, \d{{4}})?)"
    r"(?:,? +\d{1,2}:\d{2}(?::\d{2})?)?(?: [AP]M)?(?: [A-Z]{2,5})?(?: \d{4})?"
    r"|\b\d{1,2}:\d{2}:\d{2}(?:\.\d+)?\b"
    r"|\b1\.[5-9]\d{6,}e\+0?9\b|\b1[5-9]\d{8}(?:\.\d+|\d{3}|\d{6}|\d{9})?\b"
    r"|\b20[2-9]\d(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])(?:\d{4}|\d{6})?Z?\b"
)
_TEMPORARY = re.compile(
    r"/(?:tmp|var/tmp|dev/shm)/[\w.+-]+"
    r"|\b(?:tmp|pip-[a-z]+-[a-z]+-|pip-|build-)[a-z0-9_]{6,10}\b|/(?:buildkit|workspace|build)/[\w.+/-]+"
)
# engines call the machine of a RUN after its container, where nobody gives it a name
_CONTAINER = re.compile(r"\b[0-9a-f]{12}\b")
_ASKED = re.compile(r"\bhostname|\$\{?HOST|\buname\b|gethostname|/etc/hosts|platform\.node|\bnode\(\)")
_HASHED = re.compile(r"\$(?:apr1|[156y]|2[abxy]|argon2\w*)\$[\w./$=,+-]{8,}")
_HEX = re.compile(r"\b(?=\w*\d)(?=\w*[a-fA-F])(?:[0-9a-f]{7,}|[0-9A-F]{12,})\b")
# what base64 makes of random bytes: capitals, small letters and digits in one word
_TOKEN = re.compile(r"(?<![\w+/-])(?=[\w+/-]*\d)(?=[\w+/-]*[A-Z])(?=[\w+/-]*[a-z])[\w+/-]{16,512}={0,2}")
_WORD = re.compile(r"\w+|\*")
_HOST = re.compile(
    r"(?i)(?:host ?name|node|machine|built (?:on|by)|builder|user@host)\W+\S+|\b[\w-]+@[\w.-]+\b|\bbuildkitsandbox\b"
)
_NUMBER = re.compile(r"-?\b\d+(?:\.\d+)?(?:e[+-]?\d+)?\b")
_BOUND = 2 << 20
ONLY_NUMBERS = "only numbers differ"


def text(evidence: Evidence) -> Verdict | None:
    """The first thing that, taken out, leaves both sides the same."""
    from repro_audit.verify.textdiff import is_text

    if evidence.pair is None or not evidence.whole or max(map(len, evidence.pair)) > _BOUND:
        return None
    if not all(is_text(side) for side in evidence.pair):
        return None
    left, right = (side.decode("utf-8", "replace") for side in evidence.pair)
    return explained(left.split("\n"), right.split("\n"), evidence.created_by)


def explained(one: list[str], two: list[str], command: str = "") -> Verdict | None:
    """Why the lines of two texts differ, which this command wrote."""
    named = _ASKED.search(command) is not None
    if len(one) == len(two):
        # only the lines that differ: a pattern must explain those
        differing = [(a, b) for a, b in zip(one, two) if a != b]
        return _explained(differing, named) or _shuffled(one, two)
    return _shuffled(one, two) or _explained([("\n".join(one)[:200_000], "\n".join(two)[:200_000])], named)


def _explained(pairs: list[tuple[str, str]], named: bool) -> Verdict | None:
    taken: list[tuple[str, re.Pattern[str]]] = []
    touched = [False] * len(pairs)
    for cause, pattern in (
        ("password-salt", _HASHED),
        ("embedded-uuid", _UUID),
        ("embedded-date", _DATE),
        ("build-path", _TEMPORARY),
        *([("embedded-host", _CONTAINER)] if named else []),
        ("random-number", _HEX),
        ("embedded-host", _HOST),
        ("random-number", _TOKEN),
    ):
        here = [pattern.findall(a) != pattern.findall(b) for a, b in pairs]
        changed = any(here)
        touched = [one or two for one, two in zip(touched, here)]
        pairs = [(pattern.sub("*", a), pattern.sub("*", b)) for a, b in pairs]
        if changed and cause not in [c for c, _ in taken]:
            taken.append((cause, pattern))
        if all(a == b for a, b in pairs):
            return _told([c for c, _ in taken])
    found = [cause for cause, _ in taken]
    pairs = [(_NUMBER.sub("*", a), _NUMBER.sub("*", b)) for a, b in pairs]
    if all(a == b for a, b in pairs):
        return (
            _told(list(dict.fromkeys([*found, "random-number"]))) if found else Verdict("random-number", ONLY_NUMBERS)
        )
    if found and all(sorted(_WORD.findall(a)) == sorted(_WORD.findall(b)) for a, b in pairs):
        return _told([*found, "line-order"])
    if found and all(touched):
        return Verdict(found[0], f"{CATALOGUE[found[0]].why}; that is not all that differs")
    return None


def _told(causes: list[str]) -> Verdict | None:
    if not causes:
        return None
    if causes == ["build-path"]:
        return Verdict("build-path", None, (), "work in a folder with a fixed name, or write a fixed path")
    if len(causes) == 1:
        return Verdict(causes[0])
    return Verdict(causes[0], f"several things were written into it: {', '.join(causes)}")


def _shuffled(left: list[str], right: list[str]) -> Verdict | None:
    if sorted(left) == sorted(right):
        return Verdict("line-order")
    if len(left) == len(right) and len(left) < 10_000:
        # the same words within each line: a set or a dictionary was written out
        if all(a == b or sorted(re.findall(r"\w+", a)) == sorted(re.findall(r"\w+", b)) for a, b in zip(left, right)):
            return Verdict("line-order", "the same words in another order: a set or a hash table was written out")
    return None


def target(evidence: Evidence) -> Verdict | None:
    """Where links lead, which is text like any other."""
    one, two = evidence.left_entry, evidence.right_entry
    if one is None or two is None or "target" not in evidence.kinds or evidence.kinds & {"kind", "mode", "owner"}:
        return None
    if not one.target or not two.target:
        return None
    verdict = explained([one.target], [two.target], evidence.created_by)
    if verdict is None:
        return None
    return Verdict(verdict.cause, verdict.why, (f"{one.target} -> {two.target}",), verdict.remedy)


def array(evidence: Evidence) -> Verdict | None:
    """Arrays as numpy saves them."""
    if evidence.pair is None or not all(side.startswith(b"\x93NUMPY") for side in evidence.pair):
        return None
    return Verdict("random-number", "an array of numpy whose numbers differ")


def noise(evidence: Evidence) -> Verdict | None:
    """Bytes without any pattern: what a random generator gives."""
    if evidence.pair is None or min(map(len, evidence.pair)) < 16:
        return None
    left, right = (side[:4096] for side in evidence.pair)
    if len(left) != len(right):
        return None
    equal = sum(a == b for a, b in zip(left, right))
    if equal * 20 > len(left) + 20:
        return None
    for side in (left, right):
        if len(set(side)) < min(len(side), 256) * 0.55:
            return None
    return Verdict("random-number", "both are bytes without a pattern: made at random, encrypted or compressed")


DETECTORS = (target, text, array, noise)

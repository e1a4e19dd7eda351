"""Files that differ by exactly what verify itself changed between the two builds: hostname, locale, folder, umask."""

from __future__ import annotations

import re

from repro_audit.verify.causes.evidence import Evidence, Varied, Verdict

_BOUND = 2 << 20
_PLACES = 50
# what the first build had is for its engine to say: anything of the same kind
_NAME = rb"[A-Za-z0-9][A-Za-z0-9.-]{0,252}"
_LOCALE = rb"[A-Za-z0-9_.@/+-]{0,60}"
_STORED = frozenset(("time", "order", "header", "layer"))


def condition(evidence: Evidence) -> Verdict | None:
    """A file that says under which conditions it was built."""
    varied = evidence.varied
    if "mode" in evidence.kinds and evidence.kinds <= _STORED | {"mode"}:
        return _masked(evidence, varied)
    if evidence.pair is None or not evidence.whole or max(map(len, evidence.pair)) > _BOUND:
        return None
    left, right = evidence.pair
    if varied.folders is not None:
        one, two = (folder.encode() for folder in varied.folders)
        if two in right and left.replace(one, b"*") == right.replace(two, b"*"):
            return Verdict("build-path", "it holds the path of the folder that it was built from")
    for value, cause, pattern, what in (
        (varied.hostname, "embedded-host", _NAME, None),
        (varied.zone, "embedded-locale", _LOCALE, "the time zone of the building machine was written into it"),
        (varied.locale, "embedded-locale", _LOCALE, "the locale of the building machine was written into it"),
    ):
        if value and (was := _instead(left, right, value.encode(), pattern)) is not None:
            return Verdict(cause, what, (f"{was.decode('utf-8', 'replace') or 'nothing'} -> {value}",))
    return None


def _instead(left: bytes, right: bytes, value: bytes, pattern: bytes) -> bytes | None:
    """What stands on the left wherever `value` stands on the right, where nothing else differs."""
    parts = [re.escape(part) for part in right.split(value)]
    if not 1 < len(parts) <= _PLACES:
        return None
    found = re.fullmatch(parts[0] + b"(" + pattern + b")" + rb"\1".join(parts[1:]), left)
    return found[1] if found else None


def _masked(evidence: Evidence, varied: Varied) -> Verdict | None:
    """Permissions that differ by bits that one umask takes away and the other does not."""
    before, after = evidence.left_entry, evidence.right_entry
    if before is None or after is None:
        return None
    for masks, whose in ((varied.checkouts, "that the files were checked out under"), (varied.umasks, "of the engine")):
        if masks is None or before.mode & masks[0] or after.mode & masks[1]:
            continue
        if (before.mode ^ after.mode) & ~(masks[0] ^ masks[1]) == 0:
            return Verdict("umask", f"mode {before.mode:04o} -> {after.mode:04o}, which follows the umask {whose}")
    return None


DETECTORS = (condition,)

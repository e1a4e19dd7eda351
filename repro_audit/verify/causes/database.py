"""SQLite databases: the rows that differ, for the same reasons as the lines of a text do."""

from __future__ import annotations

from repro_audit.verify.causes.evidence import Evidence, Verdict

_BOUND = 4 << 20
_LINES = 8
_ROWS = 50_000
_SECONDS = 5.0


def sqlite(evidence: Evidence) -> Verdict | None:
    """A database whose rows, or only whose pages, differ. What rpm and conda keep is known by its place before."""
    if evidence.pair is None or not evidence.whole or max(map(len, evidence.pair)) > _BOUND:
        return None
    if not all(side.startswith(b"SQLite format 3\0") for side in evidence.pair):
        return None
    left, right = (_dump(side) for side in evidence.pair)
    if left is None or right is None:
        return None
    if left == right:
        return Verdict(
            "archive-header",
            "the rows of both databases are the same; sqlite counts changes, and lays pages out as they came",
            (),
            "write it anew in one go at the end: sqlite3 OLD 'VACUUM INTO \"NEW\"'",
        )
    from repro_audit.verify.causes.written import explained

    lines = tuple(line[:160] for line in sorted(set(left) ^ set(right)))[:_LINES]
    verdict = explained(left, right, evidence.created_by)
    if verdict is None:
        return Verdict("unknown", "rows of the database differ", lines)
    return Verdict(verdict.cause, verdict.why, lines)


def _dump(data: bytes) -> list[str] | None:
    import os
    import sqlite3
    import tempfile
    import time
    from itertools import islice

    with tempfile.TemporaryDirectory(prefix="repro-audit-") as folder:
        copy = os.path.join(folder, "file.sqlite")
        with open(copy, "wb") as file:
            file.write(data)
        try:
            database = sqlite3.connect(f"file:{copy}?mode=ro&immutable=1", uri=True)
            try:
                # a file that was made to keep a reader busy must not
                until = time.monotonic() + _SECONDS
                database.set_progress_handler(lambda: time.monotonic() > until, 10_000)
                return list(islice(database.iterdump(), _ROWS))
            finally:
                database.close()
        except (sqlite3.Error, UnicodeDecodeError, OverflowError):
            return None


DETECTORS = (sqlite,)

"""Differences that lie in how files are stored, not in what they hold; and names made at random."""

from __future__ import annotations

import re

from repro_audit.verify.causes.evidence import Evidence, Verdict

# what mkdtemp, mktemp, pip, npm, hash-named caches and the like make up
_RANDOM = re.compile(
    r"(?:tmp|temp|\.tmp|pip-|npm-|yarn-|v8-compile-cache-|go-build|hsperfdata|ssh-|rustc|cargo-install|build-env-|ccache|"
    r"matplotlib-|torch_|cache-)[-._]?[A-Za-z0-9_]{4,}"
    r"|\.[A-Za-z0-9]{6,}$|[.-][A-Za-z0-9]{6}$|[0-9a-f]{16,}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\d{5,}"
)
# what mktemp fills its X with: capitals, small letters and digits without the order of words
_MIXED = re.compile(r"(?=.*(?:[a-z][A-Z]|[A-Za-z]\d+[A-Za-z]|\d[A-Za-z]))[A-Za-z0-9]{6,12}")
_TEMPORARY = ("/tmp/", "/var/tmp/", "/run/", "/dev/shm/", "/root/.cache/")  # noqa: S108


def times_only(evidence: Evidence) -> Verdict | None:
    """Times, order or headers, and nothing else."""
    if not evidence.kinds <= {"time", "order", "header", "layer"}:
        return None
    if "time" in evidence.kinds:
        return Verdict("timestamps")
    if "order" in evidence.kinds:
        return Verdict("file-order")
    if "header" in evidence.kinds:
        return Verdict("tar-header")
    return Verdict("unknown", "the same file comes from another layer")


def random_name(evidence: Evidence) -> Verdict | None:
    """A file on one side only whose like stands beside it on the other under a name of the same shape."""
    if not evidence.kinds & {"only-left", "only-right"}:
        return None
    if evidence.twin is not None:
        return Verdict("random-name", None, (f"on the other side it is called {evidence.twin}",))
    made_up = _RANDOM.search(evidence.name) or _MIXED.fullmatch(evidence.name)
    if made_up and evidence.path.startswith(_TEMPORARY):
        return Verdict("random-name", "a temporary file with a name made at random")
    return None


def shape(name: str) -> str:
    """A name with what looks made up replaced, so that the names of one purpose have one shape."""
    return f"*{len(name)}" if _MIXED.fullmatch(name) else _RANDOM.sub("*", name)


DETECTORS = (times_only, random_name)

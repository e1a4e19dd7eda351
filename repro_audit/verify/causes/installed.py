"""Files that belong to packages which were installed in another version, and the package managers' databases."""

from __future__ import annotations

import re

from repro_audit.verify.causes.evidence import Evidence, Verdict

_DPKG = re.compile(r"/var/lib/dpkg/(status|status\.d/.*|available|info/.*)$")
_DATABASE = re.compile(r"/(usr/)?lib/apk/db/.*$|(/var/lib|/usr/share|/usr/lib/sysimage)/rpm(/.*)?$|.*/\.rpmdb/.*$")
_CONDA = re.compile(r".*/conda-meta/[^/]+\.json$")


def owned(evidence: Evidence) -> Verdict | None:
    """A file of a package that moved."""
    if evidence.owner is None:
        return None
    return Verdict("package-version", f"it belongs to {evidence.owner}")


def database(evidence: Evidence) -> Verdict | None:
    """Databases that differ though no package moved, or that list the packages that did."""
    if _DPKG.match(evidence.path):
        return Verdict("dpkg-status")
    if evidence.name == "rpmdb.sqlite-shm":
        return Verdict(
            "package-database",
            "sqlite's index of rpm's database, which it makes anew where there is none",
            (),
            "rm -f it at the end of the RUN",
        )
    if _DATABASE.match(evidence.path):
        return Verdict("package-database")
    if _CONDA.match(evidence.path) and evidence.kinds <= {"content", "time", "header", "order"}:
        return Verdict(
            "conda-history",
            "conda's record of a package: where it came from and when it was linked",
            (),
            "install what a lock file names by URL and digest (conda-lock, pixi), into a folder of the same name",
        )
    return None


DETECTORS = (owned, database)

"""Why a build failed: the kinds of failure, the signs of which are in `failure_sign`, and which sign explains a log."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from repro_audit.container.failure_sign import SIGNS, Sign

if TYPE_CHECKING:
    from collections.abc import Sequence

# What each kind means, and what to do about it.
KINDS: dict[str, tuple[str, str]] = {
    "syntax": ("the Dockerfile is wrong", "mend the instruction; `repro-audit check` says what is wrong with it"),
    "wrong-architecture": (
        "a program or image for another architecture",
        "build for the platform that the base image and the binaries are for (`--platform`), or set up emulation",
    ),
    "disk-full": ("the disk is full", "make room where the engine keeps its images (`docker system df`)"),
    "out-of-memory": ("out of memory", "give the build more memory, or compile with fewer jobs at a time"),
    "authentication": (
        "access was refused",
        "log in to the registry, or hand the credentials over as a build secret; a deleted image says the same",
    ),
    "image-not-found": ("a base image does not exist any more", "choose a tag that exists, and pin it by its digest"),
    "network": ("the network could not be reached", "try again with a network; mirror or vendor what the build needs"),
    "package-version-gone": (
        "a version of a package is not there any more",
        "take the version from an archive that keeps it (a dated snapshot, a lock file with hashes, a mirror)",
    ),
    "package-not-found": (
        "a package does not exist under this name in the sources in use",
        "correct the name, update the index in the same RUN, or add the source that has it",
    ),
    "compiler": ("compiling failed", "install the compiler and headers it needs, or take a prebuilt package"),
    "file-not-found": (
        "a file is missing",
        "check the path, the build context and `.dockerignore`, and that a download is still served",
    ),
    "program-not-found": ("a program is not installed in the image", "install it in an earlier instruction"),
    "permission": ("a permission is missing", "check the USER in force and the mode of the files"),
    "engine": ("the engine could not start a container", "see what it says below; try another one with `--engine`"),
    "command-failed": ("a command failed", "the lines above say what it said"),
}
_TAIL = 60
_SHOWN = 8
_CUT = 600
_ALL = 5000


def classify(said: Sequence[tuple[str, str]], ran: bool) -> tuple[Sign | None, tuple[str, ...]]:
    """The sign that explains a failure, and the lines that show it.

    `said` are lines as they are to be read, without what they only quote, each with what is to be shown of it; `ran`
    tells whether a command of the image ran and failed, so that what looks like a complaint of the builder is not.
    """
    once = dict.fromkeys((bare[:_CUT], shown[:_CUT]) for bare, shown in said if bare)
    said = list(once)[-_ALL:]
    for lines, all_of_it in ((said[-_TAIL:], False), (said, True)):
        for sign in SIGNS:
            if sign.by == ("builder" if ran else "command"):
                continue
            among = said if sign.anywhere else lines
            found = [shown for bare, shown in among if sign.pattern.search(bare)]
            if found:
                return _exact(sign, among), shortened(found)
        if all_of_it or len(said) <= _TAIL:
            break
    return None, ()


def _exact(sign: Sign, lines: Sequence[tuple[str, str]]) -> Sign:
    # conda lists what it misses below: with versions, it is these that are not there
    if (
        any("PackageNotFound" in bare or "PackagesNotFound" in bare for bare, _ in lines)
        and sign.kind == "package-not-found"
    ):
        if any(_CONDA_PIN.match(bare) for bare, _ in lines):
            return next(each for each in SIGNS if each.kind == "package-version-gone" and not each.summary)
    return sign


_CONDA_PIN = re.compile(r"\s*- \S*[=<>]\S")


def shortened(lines: Sequence[str]) -> tuple[str, ...]:
    """Each line once, and of many the first ones and the last: causes stand first, sums last."""
    once: list[str] = []
    for line in lines:
        # builders say it again with more words before it
        if line and not any(line.endswith(kept) or kept.endswith(line) for kept in once):
            once.append(line)
    return tuple(once if len(once) <= _SHOWN else [*once[: _SHOWN - 3], *once[-3:]])

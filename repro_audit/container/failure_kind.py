"""Why a build failed: the kinds of failure, the signs of which are in `failure_sign`, and which sign explains a log."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from repro_audit.container.failure_sign import Sign
from repro_audit.container.failure_sign_machine import MACHINE
from repro_audit.container.failure_sign_package import PACKAGES
from repro_audit.container.failure_sign_program import PROGRAMS
from repro_audit.container.failure_sign_source import SOURCES

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
    "command-failed": ("a command failed", ""),
}
# Tried in this order: what stands first explains what stands later (a network that is down makes packages "not found").
SIGNS = (*MACHINE, *SOURCES, *PACKAGES, *PROGRAMS)
_TAIL = 60
_SHOWN = 8
_CUT = 600
_ALL = 250_000


def classify(said: Sequence[tuple[str, str]], ran: bool) -> tuple[Sign | None, tuple[str, ...]]:
    """The sign that explains a failure, and the lines that show it.

    `said` are lines as they are to be read, without what they only quote, each with what is to be shown of it; `ran`
    tells whether a command of the image ran and failed, so that what looks like a complaint of the builder is not.
    """
    once = dict.fromkeys((bare[:_CUT], shown[:_CUT]) for bare, shown in said if bare)
    said = _latest(list(once))
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


# what the status says where `wget --quiet` or `curl --silent` say nothing: the kind, and a message that means the same
_WGET = {
    "4": "connection failed",
    "5": "certificate verification failed",
    "6": "401 Unauthorized",
    "8": "404 Not Found",
}
_CURL = {"6": "connection failed", "7": "connection failed", "18": "connection failed", "22": "404 Not Found"}
_CURL |= {"28": "connection failed", "35": "connection failed", "52": "connection failed", "56": "connection failed"}
_CURL |= {"60": "certificate verification failed"}


def silent(command: str, said: Sequence[str]) -> Sign | None:
    """The sign that stands for the exit status of a download that said nothing."""
    statuses = [told[1] for told in map(_STATUS.match, said) if told]
    if not statuses or any(text.strip() and not _STATUS.match(text) for text in said):
        return None
    for program, meant in (("wget", _WGET), ("curl", _CURL)):
        if program in command and statuses[-1] in meant:
            return next((sign for sign in SIGNS if sign.pattern.search(meant[statuses[-1]])), None)
    return None


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


def _latest(said: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The last lines, as many as may be read for signs: a log can be written to make that slow."""
    left = _ALL
    for at in range(len(said) - 1, -1, -1):
        left -= len(said[at][0]) + 10
        if left < 0:
            return said[at + 1 :]
    return said


_STATUS = re.compile(r"^(?:returned a )?(?:exit (?:code|status)|non-zero code):? (\d+)$")


def shortened(lines: Sequence[str]) -> tuple[str, ...]:
    """Each line once, and of many the first ones and the last: causes stand first, sums last."""
    once: list[str] = []
    told = [line for line in lines if not _STATUS.match(line)]
    for line in told or lines:
        # builders say it again with more words before it
        if line and not any(line.endswith(kept) or kept.endswith(line) for kept in once):
            once.append(line)
    return tuple(once if len(once) <= _SHOWN else [*once[: _SHOWN - 3], *once[-3:]])

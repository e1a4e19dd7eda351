"""Checks of what a build fetches by address: files, repositories, models, data sets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from repro_audit.checks.ease import eased
from repro_audit.facts.pin import Level
from repro_audit.finding import Problem, Severity

if TYPE_CHECKING:
    from repro_audit.facts.input import Download

_MOVING_WORD = re.compile(r"(?:^|[/@=_.-])(latest|master|main|nightly|HEAD|trunk)(?=$|[/@=_.?#-])")


def git_clone_unpinned(download: Download) -> Iterator[Problem]:
    """A clone that ends at a branch, or at a tag."""
    if download.kind != "git":
        return
    if download.pin.level == Level.FLOATING:
        what = f"the tip of `{download.revision}`" if download.revision else "the tip of its default branch"
        severity = Severity.ERROR
    elif download.pin.level <= Level.PERISHABLE:
        unknown = "$" in (download.revision or "")
        what = f"`{download.revision}`, " + ("which nothing here sets" if unknown else "a tag that its owner can move")
        severity = Severity.WARNING
    else:
        return
    severity = eased(download.command, severity)
    yield Problem(download.source, download.span, values={"what": what}, severity=severity)


def _moving_word(download: Download) -> str | None:
    found = _MOVING_WORD.search(download.url or "")
    return found[1] if found else None


def download_floating(download: Download) -> Iterator[Problem]:
    """An address with a moving name in it."""
    if download.kind == "download" and download.pin.level == Level.FLOATING and not download.verified:
        word = _moving_word(download)
        if word and download.use != "key":
            severity = eased(download.command, Severity.ERROR)
            yield Problem(download.source, download.span, values={"word": f"`{word}`"}, severity=severity)


def download_unverified(download: Download) -> Iterator[Problem]:
    """A file whose content nothing checks; a floating one is `download-floating`'s."""
    if download.kind != "download" or download.verified or download.pin.level >= Level.HASHED:
        return
    if download.use == "file" and _moving_word(download) is None:
        severity = eased(download.command, Severity.WARNING)
        yield Problem(download.source, download.span, severity=severity)


def pipe_to_shell(download: Download) -> Iterator[Problem]:
    """A script that goes from the network straight into a shell."""
    if download.kind == "download" and download.use == "script" and not download.verified:
        severity = eased(download.command, Severity.WARNING)
        yield Problem(download.source, download.span, severity=severity)


def dataset_unpinned(download: Download) -> Iterator[Problem]:
    """A data set without a revision, a version or a checksum."""
    if download.kind == "dataset" and download.pin.level <= Level.RANGED:
        severity = eased(download.command, Severity.WARNING)
        yield Problem(download.source, download.span, values={"reason": download.pin.reason}, severity=severity)


def model_unpinned(download: Download) -> Iterator[Problem]:
    """A model without a revision, or at a branch."""
    if download.kind == "model" and download.pin.level <= Level.RANGED:
        yield Problem(download.source, download.span)

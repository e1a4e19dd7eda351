"""Git repositories that a command clones, with the revision that later commands check out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from repro_audit.facts.address import of_revision
from repro_audit.facts.input import Download
from repro_audit.facts.operand import operands, shown

if TYPE_CHECKING:
    from repro_audit.facts.command import Command

_GLOBAL = frozenset(("-C", "-c", "--git-dir", "--work-tree", "--namespace", "--exec-path"))
_CLONE = frozenset(
    (
        "-b", "--branch", "-o", "--origin", "-u", "--upload-pack", "--reference", "--reference-if-able", "--depth",
        "--separate-git-dir", "-c", "--config", "--shallow-since", "--shallow-exclude", "-j", "--jobs", "--filter",
        "--template", "--server-option", "--revision", "--bundle-uri",
    )
)  # fmt: skip
_OWN = re.compile(r"\$\{?GITHUB_REPOSITORY\b|\$\{?CI_REPOSITORY_URL\b|github\.repository\b")
_REMOTE = re.compile(r"(?:https?|git|ssh|git\+ssh)://|[\w.-]+@[\w.-]+:|\$")


def clones(command: Command, later: Sequence[Command]) -> Iterator[Download]:
    """`git clone` and `git remote add` with an address."""
    args = command.args
    found = list(operands(command, _GLOBAL))
    if not found:
        return
    verb = found[0].text
    if verb == "clone":
        named = list(operands(command, _CLONE, found[0].at + 1))
        given = command.value("--branch", "-b") or command.value("--revision")
    elif verb == "remote" and args[found[0].at + 1 : found[0].at + 2] == ("add",):
        named = [item for item in found[3:] if "://" in item.text or "@" in item.text]
        given = None
    elif verb == "submodule" and args[found[0].at + 1 : found[0].at + 2] == ("add",):
        named = list(operands(command, _CLONE, found[0].at + 2))
        given = command.value("--branch", "-b")
    else:
        return
    if not named or not _REMOTE.match(named[0].text):
        return
    url = named[0].text
    if command.when == "ci" and (verb == "remote" or _OWN.search(url)):
        return  # A workflow that looks at its own repository's branches.
    folder = named[1].text if len(named) > 1 else url.rstrip("/").rpartition("/")[2].removesuffix(".git")
    revision = _checked_out(command, folder, later, verb == "remote") or given
    pin = of_revision(revision, "no revision: the default branch's newest commit is taken")
    yield Download(
        source=command.source,
        span=named[0].span,
        kind="git",
        tool="git",
        name=shown(command, named[0].span, url),
        url=url,
        revision=revision,
        verified=pin.reason.startswith("a commit"),
        pin=pin,
        command=command,
        stage=command.stage,
    )


def _checked_out(command: Command, folder: str, later: Sequence[Command], fetched: bool) -> str | None:
    """The revision that a command after the clone goes to, before the next clone."""
    base = folder.rstrip("/").rpartition("/")[2]
    unknown = "$" in base
    start = command.node.span.start
    fetch = None
    for node in command.script.commands:
        if node.span.start <= start or not node.words:
            continue
        program = node.words[0].literal
        if program != "git":
            continue
        texts = [word.shown(command.variables) for word in node.words[1:]]
        place = _place(texts)
        if "clone" in texts[:3] and place is None:
            break
        if place is not None and not unknown and place.rstrip("/").rpartition("/")[2] != base and "$" not in place:
            continue
        revision = _revision(texts)
        if revision is not None and revision != "FETCH_HEAD":
            return revision
        if "fetch" in texts[:3]:
            names = [text for text in texts if text[:1] != "-" and text not in ("fetch", "origin", place)]
            fetch = names[-1] if names and not names[-1].isdigit() else fetch
        if revision == "FETCH_HEAD" and fetch is not None:
            return fetch
    if fetched and fetch is not None:
        return fetch
    for other in later:
        if other.name != "git":
            continue
        place = _place(list(other.args)) or other.workdir or ""
        if unknown or place.rstrip("/").rpartition("/")[2] == base:
            revision = _revision(list(other.args))
            if revision is not None:
                return revision
        if unknown and "clone" in other.args[:3]:
            break
    return None


def _place(texts: list[str]) -> str | None:
    return texts[texts.index("-C") + 1] if "-C" in texts[:-1] else None


def _revision(texts: list[str]) -> str | None:
    """What `checkout`, `switch --detach` or `reset --hard` go to."""
    for verb in ("checkout", "switch", "reset"):
        if verb in texts[:6]:
            rest = texts[texts.index(verb) + 1 :]
            if "--" in rest or (verb == "reset" and "--hard" not in rest):
                return None
            if any(option in rest for option in ("-b", "-B", "-c")) and len([t for t in rest if t[:1] != "-"]) < 2:
                return None
            names = [text for text in rest if text[:1] != "-" and text != "."]
            return names[-1] if names else None
    return None

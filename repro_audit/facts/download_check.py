"""Whether a script checks what it downloaded: checksums, signatures, comparisons."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from repro_audit.facts.command import Command
    from repro_audit.syntax.shell import SimpleCommand

_SUMS = frozenset("sha1sum sha224sum sha256sum sha384sum sha512sum shasum b2sum b3sum md5sum sha256 rhash".split())
_BRACED = re.compile(r"\$\{(\w+)\}")
_SIGNATURE = {
    "gpg": ("--verify", "-d", "--decrypt"),
    "gpg2": ("--verify",),
    "gpgv": (),
    "cosign": ("verify", "verify-blob", "verify-blob-attestation"),
    "openssl": ("-verify",),
    "rpm": ("--checksig", "-K"),
    "rpmkeys": ("--checksig", "-K"),
    "minisign": ("-V", "-Vm"),
    "signify": ("-V", "-C"),
    "slsa-verifier": ("verify-artifact",),
    "gh": ("attestation",),
}


def check(command: Command, output: str | None, later: Sequence[Command]) -> str | None:
    """What checks the command's result after it, as the reason of its pin; None if nothing does.

    A check that names another file does not count; one whose file is unknown does.
    """
    start = command.node.span.start
    siblings = command.script.commands
    following = [node for node in siblings if node.span.start >= start and node is not command.node]
    found = _among(following, siblings, command, output)
    if found is not None or not later:
        return found
    scripts: dict[int, Command] = {id(other.script): other for other in later}
    for other in scripts.values():
        found = _among(other.script.commands, other.script.commands, other, output)
        if found is not None:
            return found
    return None


def _among(
    nodes: Sequence[SimpleCommand], every: Sequence[SimpleCommand], command: Command, output: str | None
) -> str | None:
    for node in nodes:
        if not node.words:
            continue
        name = (node.words[0].literal or "").rpartition("/")[2]
        if name in _SUMS:
            reason = _sum(name, node, every, command, output)
            if reason is not None:
                return reason
        elif name in _SIGNATURE:
            wanted = _SIGNATURE[name]
            texts = [word.literal or "" for word in node.words[1:]]
            if not wanted or any(text in wanted for text in texts):
                return "its signature is checked"
    return None


def _sum(
    name: str, node: SimpleCommand, every: Sequence[SimpleCommand], command: Command, output: str | None
) -> str | None:
    texts = [word.shown(command.variables) for word in node.words[1:]]
    checks = any(
        text in ("--check", "--strict", "--status")
        or (text[:1] == "-" and text[1:2] != "-" and "c" in text)
        or text.startswith("--check")
        for text in texts
    )
    line = [other for other in every if other.pipeline == node.pipeline]
    if (
        not checks
        and "substitution" not in node.context
        and not any((other.words[0].literal or "") in ("grep", "egrep", "cmp", "diff") for other in line if other.words)
    ):
        return None
    said = [_BRACED.sub(r"$\1", word.shown(command.variables)) for other in line for word in other.words[1:]]
    for other in line:
        for redirect in other.redirects:
            if redirect.body is not None:
                said.append(redirect.body.text)
            elif redirect.target is not None:
                said.append(redirect.target.shown(command.variables))
    reason = "its MD5 sum is checked, which is weak" if name == "md5sum" else "its checksum is checked"
    if output is None or (checks and any(text != "-" and text[:1] != "-" for text in texts)):
        return reason  # a file of checksums, which may list anything
    whole = " ".join(said)
    base = _BRACED.sub(r"$\1", output).rpartition("/")[2]
    if not base or base in whole or "$" in whole or "*" in whole:
        return reason
    # A file of checksums (`SHASUMS256.txt`) or a check of standard input that something else feeds names no file here.
    if not any("." in item or "/" in item for item in said if item[:1] != "-" and "sum" not in item.lower()):
        return reason
    if any("sum" in item.lower() or item.endswith((".sha256", ".sha512", ".md5", ".asc")) for item in said):
        return reason
    return None

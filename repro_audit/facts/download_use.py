"""What becomes of a download: kept, handed to a shell, looked at, or a key that checks others. Called by `download`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from repro_audit.facts.command import Command
    from repro_audit.syntax.shell import SimpleCommand

_KEY = re.compile(
    r"\.(?:asc|gpg|pub|key|pem|sig|sign|crt)(?:$|[?#])|/(?:gpg|gpgkey|keys?|KEYS)$|[/=]0x[0-9A-Fa-f]{8,}", re.IGNORECASE
)
_FILTERS = frozenset("jq yq grep egrep zgrep awk gawk sed cut head tail sort tr wc cat xargs".split())
_SHELLS = frozenset("sh bash dash ash zsh ksh python python2 python3 perl ruby node php".split())
_GNUPG = ("apt-key", "gpg", "gpg2", "rpmkeys")


def is_key(url: str) -> bool:
    """Whether an address is that of a signing key, a signature or a certificate."""
    return _KEY.search(url.partition("://")[2]) is not None


def use_of(command: Command, url: str, output: str | None) -> str:
    """What becomes of the content, as `Download.use` names it. `output` is the file it goes to, if any."""
    if is_key(url):
        return "key"
    node = command.node
    following = [n for n in command.script.commands if n.pipeline == node.pipeline and n.stage > node.stage and n.words]
    names = [_name(n) for n in following]
    if any(name in _GNUPG for name in names):
        return "key"
    if output not in (None, "-", "/dev/stdout"):
        return "file"
    if names:
        if names[0] in _SHELLS:
            return "script" if _reads_program([w.shown(command.variables) for w in following[0].words[1:]]) else "text"
        looked_at = all(name in _FILTERS for name in names) and not any(n.redirects for n in following)
        return "text" if looked_at else "file"
    return "script" if _is_program(command) else "text"


def _name(node: SimpleCommand) -> str:
    return (node.words[0].literal or "").rpartition("/")[2]


def _reads_program(args: list[str]) -> bool:
    """Whether an interpreter with these arguments takes its program from standard input."""
    for index, arg in enumerate(args):
        if arg in ("-", "--", "/dev/stdin") or arg.startswith("-s"):
            return True
        if arg in ("-c", "-m", "-e") or (arg[:1] != "-" and not (index and args[index - 1] in ("-o", "+o"))):
            return False
    return True


def _is_program(command: Command) -> bool:
    """Whether the substitution that the command stands in is what a shell runs: `sh -c "$(curl ...)"`."""
    start, end = command.node.span.start, command.node.span.end
    for node in command.script.commands:
        if node is command.node or not node.words:
            continue
        name = _name(node)
        if name not in _SHELLS and name not in ("source", ".", "eval"):
            continue
        places = [w.span for w in node.words[1:]]
        places += [r.span for r in node.redirects if r.target is not None]
        if any(place.start <= start and end <= place.end for place in places):
            return True
    return False

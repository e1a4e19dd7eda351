"""Passwords and tokens that stand in audited files, kept out of what is shown: logs are read by more people than code.

Called by the engine for messages and names, and by reports for lines of the source.
"""

from __future__ import annotations

import re

# Compiled at their first use: few runs meet a password.
_ADDRESS = (
    r"(?i)(?:(?:https?|ftps?|ssh|git|svn|postgres(?:ql)?|mysql|mariadb|rediss?|amqps?|mongodb(?:\+srv)?)://[^\s/@:]*:"
    # A name without a password is a token where it is a site of the web; `git@` is everybody's name.
    r"|https?://(?!git@))(?P<secret>[!-.0-?A-~]+)(?=@)"
)
_TOKEN = (
    r"(?<![A-Za-z0-9])(?P<secret>gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|hf_[A-Za-z0-9]{16,}"
    r"|sk-[\w-]{16,}|xox[abp]-[\w-]{10,}|AKIA[A-Z0-9]{16})"
)
_TOKEN_STARTS = ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "hf_", "sk-", "xox", "AKIA")
_ASSIGNED = (
    r"(?i)(?:PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY)(?:_[A-Z0-9]+){0,2}(?:=|:\s)\s*[\"']?"
    r"(?P<secret>[!#%&(-.0-;=?-z|}~]{4,})"
)
_ASSIGNED_NAMES = ("passw", "secret", "token", "key")


def masked(text: str) -> str:
    """`text` with the passwords and tokens of addresses in it as `***`; variables are left as they are."""
    if "@" not in text or "://" not in text:
        return text
    return re.sub(_ADDRESS, lambda found: _with(found, "***"), text)


def masked_line(line: str) -> str:
    """A line of a file with a `*` for each character of what looks like a password or a token: no column moves."""
    low = line.lower()
    if "@" in line and "://" in line:
        line = re.sub(_ADDRESS, _stars, line)
    if any(start in line for start in _TOKEN_STARTS):
        line = re.sub(_TOKEN, _stars, line)
    if any(name in low for name in _ASSIGNED_NAMES):
        line = re.sub(_ASSIGNED, _stars, line)
    return line


def _stars(found: re.Match[str]) -> str:
    return _with(found, "*" * len(found["secret"]))


def _with(found: re.Match[str], mask: str) -> str:
    secret = found["secret"]
    if secret[0] in "$<{":  # a variable, or a place to fill in
        return found[0]
    return found[0][: -len(secret)] + mask

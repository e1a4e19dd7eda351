"""How firmly an address or a git revision holds what it names."""

from __future__ import annotations

import re

from repro_audit.facts.pin import Level, Pin

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_SHORT_COMMIT = re.compile(r"(?=[0-9a-f]*\d)(?=[0-9]*[a-f])[0-9a-f]{7,39}\Z")
# Seven digits are a commit without a letter; eight are a date.
_DIGITS = re.compile(r"(?:\d{7}|\d{9,39})\Z")
_OWN_COMMIT = re.compile(r"\$\{?(?:GITHUB_SHA|CI_COMMIT_SHA|GIT_COMMIT|BUILD_SOURCEVERSION)\}?\Z")
_TAG = re.compile(r"\d")
# `release-1.37.0` is a tag, `release-1.37` more often a branch that takes its fixes.
_RELEASE = re.compile(r"(?:^|[^\d.])\d+\.\d+\.\d+[-.+]?[0-9a-z]*$")
_BRANCH = re.compile(
    r"(?:^|[/_.-])(?:release|releases|stable|branch|maint|dev|develop|main|master|nightly|x)(?:$|[/_-])|\.x$"
)
_IN_PATH = re.compile(r"(?:^|[/_.=@-])(latest|nightly|master|main|HEAD|trunk)(?:$|[/_.?&#-])")
_ARCHIVE = re.compile(r"/(?:pool|dists|debian|ubuntu|alpine)/")
_HEX = re.compile(r"[/@=][0-9a-f]{40}(?:$|[/?&#._-])")
_VERSION = re.compile(r"\d+\.\d|[vV_/-]\d|\d{4}")
_VARIABLE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")
_SUBSTITUTION = re.compile(r"\$\([^)]*\)|`[^`]*`")
_PLATFORM = re.compile(
    r"arch|platform|machine|cpu|^os|_os|distro|codename|uname|target|host|mirror|base|bin", re.IGNORECASE
)


def of_url(url: str) -> Pin:
    """The pin of an address whose content nobody checks; variables with no known value stand in it as `$X`."""
    _, _, path = url.partition("://")
    path = path.partition("/")[2]
    if _HEX.search("/" + path):
        return Pin(Level.IMMUTABLE, "the address names a commit")
    named = _IN_PATH.search(path)
    if named is not None and not (named.group(1) == "main" and _ARCHIVE.search(url)):
        return Pin(Level.FLOATING, f"`{named.group(1)}` in the address moves")
    if _VERSION.search("/" + _VARIABLE.sub("", _SUBSTITUTION.sub("", path))):
        return Pin(Level.PERISHABLE, "whoever serves it may replace it")
    if any(not _PLATFORM.search(name) for name in _VARIABLE.findall(url)):
        return Pin(Level.PERISHABLE, "a variable gives the address, and whoever serves it may replace the file")
    return Pin(Level.FLOATING, "the address names no version")


def of_revision(revision: str | None, nothing: str = "no revision: the newest commit is taken") -> Pin:
    """The pin of a git revision: a commit, a tag or a branch, told by its form."""
    if not revision:
        return Pin(Level.FLOATING, nothing)
    if _COMMIT.match(revision):
        return Pin(Level.HASHED, "a commit")
    if _SHORT_COMMIT.match(revision) or _DIGITS.match(revision):
        return Pin(Level.IMMUTABLE, "a commit, shortened")
    if _OWN_COMMIT.match(revision):
        return Pin(Level.HASHED, "a commit, that of the run")
    if "$" in revision or "`" in revision:
        return Pin(Level.PERISHABLE, f"the file does not say what `{revision}` is")
    bare = revision.removeprefix("refs/tags/").removeprefix("tags/").removeprefix("origin/")
    if _RELEASE.search(bare) or (_TAG.search(bare) and not _BRANCH.search(bare)):
        return Pin(Level.PERISHABLE, f"tag `{revision}` can be moved")
    return Pin(Level.FLOATING, f"`{revision}` is a branch, which moves")

"""Checks of the `pinning` family: is what the build takes held to what it was?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from repro_audit.facts.pin import Level
from repro_audit.finding import Edit, Fix, Problem, Severity
from repro_audit.source import Span
from repro_audit.syntax.dockerfile import Comment, Dockerfile

if TYPE_CHECKING:
    from repro_audit.facts.context import ContextFile
    from repro_audit.facts.file import FileFacts
    from repro_audit.facts.input import ActionRef, Download, ImageRef, Package
    from repro_audit.facts.installation import IndexOption, Installation

OS_ECOSYSTEMS = frozenset("apt apk dnf yum microdnf tdnf zypper pacman".split())


# --- images -----------------------------------------------------------------------------------------------------


def image_latest(image: ImageRef) -> Iterator[Problem]:
    """No tag or `latest`, written so; a tag that an ARG brings is `image-arg-open`'s."""
    if image.local or image.digest or image.unknown or "$" in image.text:
        return
    if image.tag in (None, "latest"):
        yield Problem(image.source, image.span, aliases=_latest_aliases(image))


def _latest_aliases(image: ImageRef) -> tuple[str, ...]:
    if image.where == "compose":
        return ("dclint/service-image-require-explicit-tag",)
    return ("DL3006" if image.tag is None else "DL3007", "CKV_DOCKER_7")


def image_moving_tag(image: ImageRef) -> Iterator[Problem]:
    """A tag that stands for several versions, one after the other."""
    if image.local or image.digest or image.unknown or image.tag in (None, "latest"):
        return
    if image.pin.level in (Level.FLOATING, Level.RANGED):
        yield Problem(image.source, image.span, values={"reason": image.pin.reason})


def image_not_digest(image: ImageRef) -> Iterator[Problem]:
    """An exact tag that nothing but a promise holds."""
    if image.pin.level == Level.PERISHABLE and not image.unknown:
        yield Problem(image.source, image.span)


def image_arg_open(image: ImageRef) -> Iterator[Problem]:
    """FROM with an ARG that has no default, or whose default floats."""
    if image.where != "from" or image.local or "$" not in image.text:
        return
    if image.unknown:
        names = " and ".join(f"`{name}`" for name in image.unknown)
        have = "has" if len(image.unknown) == 1 else "have"
        yield Problem(image.source, image.span, values={"open": f"{names}, which {have} no default"})
    elif image.tag in (None, "latest") and not image.digest:
        yield Problem(image.source, image.span, values={"open": f"a default that floats (`{image.image}`)"})


# --- directives -------------------------------------------------------------------------------------------------

_DIRECTIVE = re.compile(r"(syntax|escape|check)\s*=\s*(\S+)")
_VALUES = {
    "syntax": re.compile(r"[\w.-]+(?:/[\w.-]+)+(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?"),
    "escape": re.compile(r"[\\`]"),
    "check": re.compile(r"(?:skip|error|experimental)=\S+"),
}


def syntax_directive_ignored(facts: FileFacts) -> Iterator[Problem]:
    """A comment that reads as a directive, below the place where directives count."""
    node = facts.ast
    if not isinstance(node, Dockerfile):
        return
    for comment in node.comments:
        found = _DIRECTIVE.fullmatch(comment.text)
        if found is None or not _VALUES[found[1]].fullmatch(found[2]):
            continue
        fix = None if node.directive(found[1]) else _moved(facts, node, comment, safe=found[1] != "escape")
        yield Problem(facts.source, comment.span, values={"name": found[1], "value": found[2]}, fix=fix)


def _moved(facts: FileFacts, node: Dockerfile, comment: Comment, *, safe: bool) -> Fix:
    text = facts.source.text
    start = text.rfind("\n", 0, comment.span.start) + 1
    end = text.find("\n", comment.span.end)
    end = len(text) if end == -1 else end + 1
    top = 0
    for directive in node.directives:
        line_end = text.find("\n", directive.span.end)
        top = max(top, len(text) if line_end == -1 else line_end + 1)
    line = text[comment.span.start : comment.span.end].strip()
    return Fix("Move it to the top of the file", (Edit(Span(top, top), line + "\n"), Edit(Span(start, end), "")), safe)


# --- packages ---------------------------------------------------------------------------------------------------


def _listed(packages: list[Package]) -> str:
    names = [f"`{p.name}{p.specifier}`" for p in packages]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def os_package_unpinned(install: Installation) -> Iterator[Problem]:
    """A distribution's packages without a version and without a dated archive: one finding for a command."""
    if install.ecosystem not in OS_ECOSYSTEMS:
        return
    found = [p for p in install.packages if p.pin.level <= Level.RANGED and "$" not in p.name]
    if found:
        yield Problem(install.source, found[0].span, values={"names": _listed(found)})


def os_package_perishable(install: Installation) -> Iterator[Problem]:
    """Exact versions in an archive that deletes them: one finding for a command."""
    if install.ecosystem not in OS_ECOSYSTEMS:
        return
    found = [p for p in install.packages if p.pin.level == Level.PERISHABLE and p.url is None]
    if found:
        yield Problem(install.source, found[0].span, values={"names": _listed(found)})


def _judged(package: Package, ecosystem: str) -> bool:
    """Whether a rule speaks of this package: one that somebody asked for by name and that no lock file covers."""
    return (
        package.ecosystem == ecosystem
        and package.via not in ("constraints", "lock", "build-system")
        and package.url is None
        and package.locked is None
        and "$" not in package.name
        and not (package.via == "pyproject" and not package.installed)
    )


_INSTALLERS = frozenset(("pip", "setuptools", "wheel", "uv"))


def pip_unpinned(package: Package) -> Iterator[Problem]:
    """No version at all. An upgrade of pip itself is another matter."""
    if not _judged(package, "pip") or package.pin.level != Level.FLOATING:
        return
    if package.name in _INSTALLERS and package.command is not None:
        return
    aliases = ("DL3013",) if package.command is not None else ()
    yield Problem(package.source, package.span, aliases=aliases, severity=_in_ci(package))


def pip_range(package: Package) -> Iterator[Problem]:
    """Bounded, but open inside the bounds."""
    if _judged(package, "pip") and package.pin.level == Level.RANGED:
        if package.name not in _INSTALLERS or package.command is None:
            yield Problem(package.source, package.span)


def _in_ci(package: Package) -> Severity | None:
    """A tool that a workflow installs for itself is not in the image."""
    return Severity.WARNING if package.command is not None and package.command.when == "ci" else None


def pip_vcs_unpinned(package: Package) -> Iterator[Problem]:
    """`git+https://...` at a branch, or at a tag."""
    url = package.url
    if package.ecosystem != "pip" or url is None or not re.match(r"(?:git|hg|svn|bzr)\+", url):
        return
    if package.via in ("constraints", "lock") or package.locked is not None:
        return
    name = package.name or url
    if package.pin.level == Level.FLOATING:
        yield Problem(package.source, package.span, values={"name": name, "what": "whatever its branch holds that day"})
    elif package.pin.level <= Level.PERISHABLE:
        values: dict[str, object] = {"name": name, "what": "a tag, which its owner can move"}
        yield Problem(package.source, package.span, values=values, severity=Severity.WARNING)


def pip_index_ambiguous(option: IndexOption) -> Iterator[Problem]:
    """`--extra-index-url`, or `--find-links` on an address."""
    if option.tool == "uv":
        return  # uv asks the indexes in order and stops at the first that has the package.
    if option.option == "--extra-index-url" or (option.option == "--find-links" and "://" in option.value):
        if not option.value.startswith("file:"):
            yield Problem(option.source, option.span)


def conda_unpinned(package: Package) -> Iterator[Problem]:
    """A conda package without a version."""
    if _judged(package, "conda") and package.pin.level == Level.FLOATING:
        yield Problem(package.source, package.span, severity=_in_ci(package))


# --- downloads --------------------------------------------------------------------------------------------------

_MOVING_WORD = re.compile(r"(?:^|[/@=_.-])(latest|master|main|nightly|HEAD|trunk)(?=$|[/@=_.?#-])")


def git_clone_unpinned(download: Download) -> Iterator[Problem]:
    """A clone that ends at a branch, or at a tag."""
    if download.kind != "git":
        return
    if download.pin.level == Level.FLOATING:
        at = f"the tip of `{download.revision}`" if download.revision else "the tip of its default branch"
        yield Problem(download.source, download.span, values={"what": at})
    elif download.pin.level <= Level.PERISHABLE:
        what = f"`{download.revision}`, a tag that its owner can move"
        yield Problem(download.source, download.span, values={"what": what}, severity=Severity.WARNING)


def _moving_word(download: Download) -> str | None:
    found = _MOVING_WORD.search(download.url or "")
    return found[1] if found else None


def download_floating(download: Download) -> Iterator[Problem]:
    """An address with a moving name in it."""
    if download.kind == "download" and download.pin.level == Level.FLOATING and not download.verified:
        word = _moving_word(download)
        if word:
            yield Problem(download.source, download.span, values={"word": f"`{word}`"})


def download_unverified(download: Download) -> Iterator[Problem]:
    """A file whose content nothing checks; a floating one is `download-floating`'s."""
    if download.kind != "download" or download.verified or download.pin.level >= Level.HASHED:
        return
    if _moving_word(download) is None:
        yield Problem(download.source, download.span)


def model_unpinned(download: Download) -> Iterator[Problem]:
    """A model without a revision, or at a branch."""
    if download.kind == "model" and download.pin.level <= Level.RANGED:
        yield Problem(download.source, download.span)


def action_unpinned(action: ActionRef) -> Iterator[Problem]:
    """An action by tag or branch."""
    if action.kind == "action" and action.pin.level < Level.HASHED:
        yield Problem(action.source, action.span, values={"ref": action.ref or ""})


# --- the build context ------------------------------------------------------------------------------------------

# What builds make, and a fresh clone rightly lacks.
_MADE = re.compile(
    r"(?:^|/)(?:dist|build|target|out|output|bin|obj|publish|release|node_modules|vendor|artifacts?|\.next|coverage|wheels?|wheelhouse)(?:/|$)"
    r"|\.(?:jar|war|whl|tar|gz|tgz|bz2|xz|zip|deb|rpm|apk|exe|so|a|o|dll|bin|pem|crt|key|pub|cer|env|repo|iso|img|qcow2|run|pt|pth|onnx|safetensors)$",
    re.IGNORECASE,
)


def requirements_missing(file: ContextFile) -> Iterator[Problem]:
    """A copied or installed file that is not in the context, or that `.dockerignore` hides."""
    if file.state == "found" or _MADE.search(file.path) or "$" in file.path:
        return
    if file.state == "ignored":
        text = f"is hidden by `{file.ignore_path}`"
    elif file.certain or file.others_found:
        text = f"is not in the build context (`{file.context or '.'}`)"
    else:
        return
    yield Problem(file.source, file.span, values={"state_text": text})

"""Image references: taken apart as `distribution/reference` does, and judged by how firmly their tag holds them.

Called for every FROM, `COPY --from`, compose `image:`, devcontainer, workflow container, `docker run` and Apptainer
`From:`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from repro_audit.facts.input import ImageRef
from repro_audit.facts.pin import Level, Pin
from repro_audit.record import replace
from repro_audit.source import Source, Span
from repro_audit.syntax.error import Error

_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*\Z")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
_DIGEST = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}\Z")
_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
_PART = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_REGISTRY = re.compile(rf"(?:{_PART}(?:\.{_PART})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?\Z")
_HUBS = frozenset(("docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"))

# --- what a tag says -----------------------------------------------------------------------------------------------

_SPLIT = re.compile(r"[-_+]")
_VERSION = re.compile(
    r"(?:[vr]|rel|release|version)?\.?(\d+(?:\.\d+)*)(?:u(\d+))?(?:\.?(?:a|b|rc|alpha|beta|post|p|dev|ce|ee)\.?\d*)?\Z"
)
_DATE = re.compile(
    r"(?<!\d)(?:20[0-4]\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
    r"|20[0-4]\d([-.])(?:0?[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01]|[1-9]))(?!\d)"
)
_THREE_NUMBERS = re.compile(r"\d+\.\d+\.\d+(?:\.\d+)*\Z")
_COMMIT = re.compile(r"(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,64}\Z|[0-9]{9,}\Z")

# Names that the publisher moves on purpose.
_CHANNELS = frozenset(
    "alpha beta canary current dev devel develop development edge experimental head insiders lts main mainline master"
    " next nightly preview prod production rawhide release rolling sid snapshot stable staging test testing"
    " tip trunk unstable".split()
)
# Names of a distribution's or program's release line: they take its updates and nothing newer.
_CODENAMES = frozenset(
    "wheezy jessie stretch buster bullseye bookworm trixie forky oldstable oldoldstable"
    " precise trusty xenial bionic cosmic disco eoan focal groovy hirsute impish jammy kinetic lunar mantic noble"
    " oracular plucky questing resolute"
    " argon boron carbon dubnium erbium fermium gallium hydrogen iron jod krypton".split()
)
# Images that are a distribution, so that a codename alone says which one.
_DISTRIBUTIONS = frozenset("debian ubuntu buildpack-deps node neurodebian".split())

# How many numbers make a release of these images exact; 0: only a date or build number does. Everybody else needs
# three, as semantic versions have. Read from the images' own lists of tags.
_NUMBERS = {
    "almalinux": 2,
    "amazonlinux": 0,
    "archlinux": 0,
    "buildpack-deps": 0,
    "centos": 3,
    "continuumio/anaconda3": 2,
    "debian": 2,
    "fedora": 0,
    "neurodebian": 0,
    "opensuse/leap": 0,
    "oraclelinux": 2,
    "pause": 2,
    "postgres": 2,
    "redhat/ubi8": 0,
    "redhat/ubi9": 0,
    "rockylinux": 2,
    "rockylinux/rockylinux": 2,
    "ubuntu": 0,
}
# The same for everything below a path. NVIDIA names its framework images by month (`23.10-py3`).
_NUMBERS_BELOW = (
    ("nvcr.io/nvidia/cuda", 3),
    ("nvcr.io/nvidia/l4t", 3),
    ("nvcr.io/nvidia/", 2),
    ("registry.access.redhat.com/", 0),
    ("registry.redhat.io/", 0),
    ("jupyter/", 0),
    ("staphb/", 2),
    ("quay.io/jupyter/", 0),
)
# Docker Hub serves the official images for one architecture under these names.
_ARCHITECTURES = frozenset("amd64 arm32v5 arm32v6 arm32v7 arm64v8 i386 mips64le ppc64le riscv64 s390x".split())


class Parts(NamedTuple):
    """A reference taken apart. `registry` is None for Docker Hub, whose official images have no `library/`."""

    registry: str | None
    repository: str
    tag: str | None
    digest: str | None


def parse(image: str) -> Parts:
    """The parts of a reference; text that is no reference comes apart as well as it can (see `fault`)."""
    for scheme in ("docker://", "https://", "http://"):
        if image.startswith(scheme):
            image = image[len(scheme) :]
    name, _, digest = image.partition("@")
    tag: str | None = None
    head, colon, tail = name.rpartition(":")
    if colon and "/" not in tail:
        name, tag = head, tail
    registry: str | None = None
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost" or first != first.lower()):
        registry, name = first, rest
    if registry in _HUBS:
        registry = None
    if registry is None and name.startswith("library/"):
        name = name[len("library/") :]
    return Parts(registry, name, tag or None, digest or None)


def fault(image: str) -> str | None:
    """Why a reference without variables would be refused, in the words of `distribution/reference`, or None."""
    if "://" in image:
        return "invalid reference format"
    parts = parse(image)
    if not parts.repository or image != image.strip():
        return "invalid reference format"
    if not _REPOSITORY.match(parts.repository):
        if _REPOSITORY.match(parts.repository.lower()):
            return "invalid reference format: repository name must be lowercase"
        return "invalid reference format"
    name, at, digest = image.partition("@")
    if name.endswith(":") or (parts.tag is not None and not _TAG.match(parts.tag)):
        return "invalid reference format"
    if parts.registry is not None and not _REGISTRY.match(parts.registry):
        return "invalid reference format"
    return _digest_fault(digest) if at else None


def _digest_fault(digest: str) -> str | None:
    if not _DIGEST.match(digest):
        return "invalid reference format"
    algorithm, _, value = digest.partition(":")
    length = _LENGTHS.get(algorithm)
    if length is None:
        return "unsupported digest algorithm"
    if len(value) != length:
        return "invalid checksum digest length"
    return None if value == value.lower() else "invalid checksum digest format"


def errors(facts: Iterable[object]) -> Iterator[Error]:
    """What the builder or Compose would refuse of the images among `facts`.

    References with unknown variables or the blanks of a template are passed over, and so are those that a variable
    without a value leaves incomplete: somebody is to give it one.
    """
    for image in facts:
        if not isinstance(image, ImageRef) or image.where not in ("from", "copy-from", "compose"):
            continue
        if image.unknown or _BLANK.search(image.text) or _BLANK.search(image.image):
            continue
        if image.where == "from" and not image.image and image.text and "$" not in image.text:
            yield Error(image.span, f"base name ({image.text}) should not be blank")
        elif image.image and not image.local and image.image.lower() not in image.stage_names:
            reason = fault(image.image)
            if reason is not None and not ("$" in image.text and _GAP.search(image.image)):
                yield Error(image.span, f"`{image.image}`: {reason}")


# What a program or a person is to fill in before there is a file to build: `{{base}}`, `<image>`, `%VERSION%`, `@TAG@`,
# `REPLACE-ME`.
_BLANK = re.compile(r"(?<!\$)\{|\{\{|[<>%#]|\A@|@\w*@|__\w+__|\A[A-Z0-9]+(?:[-_]+[A-Z0-9]+)+\Z|\$\(")
_GAP = re.compile(r"\A[/:@.-]|[/:@.-]\Z|[/:@][/:@]")


def pin_of(parts: Parts) -> Pin:
    """Where on the ladder a reference stands, by its tag and digest alone."""
    if parts.digest is not None:
        return _digest_pin(parts.digest)
    tag = parts.tag
    if tag is None:
        return Pin(Level.FLOATING, "no tag, so `latest`")
    lower = tag.lower()
    words = [w for w in _SPLIT.split(lower) if w]
    if "latest" in words:
        return Pin(Level.FLOATING, f"tag `{tag}`" if lower == "latest" else f"tag `{tag}` is `latest` of its kind")
    if _DATE.search(lower):
        return Pin(Level.PERISHABLE, "dated tag, without digest")
    needed = _needed(parts)
    version: re.Match[str] | None = None
    for word in words:
        version = _VERSION.match(word)
        if version:
            break
        if _COMMIT.match(word) and (len(word) >= 7):
            return Pin(Level.PERISHABLE, "tag of one build, without digest")
    if version is None:
        return _without_version(parts.repository, tag, lower, words)
    numbers = version.group(1).split(".")
    if parts.repository == "postgres" and int(numbers[0][:4]) < 10:
        needed = 3
    exact = needed and (len(numbers) >= needed or version.group(2) is not None)
    if needed == 3 and any(_THREE_NUMBERS.match(word) for word in words[1:]):
        return Pin(Level.PERISHABLE, "exact tag, without digest")  # `kafka:2.13-2.8.1`: for Scala 2.13
    if exact or len(numbers) >= 4 or _COMMIT.match(words[-1]) or len(numbers[0]) >= 6:
        return Pin(Level.PERISHABLE, "exact tag, without digest")
    if not needed and len(words) > 1 and words[1].isdigit() and len(words[1]) >= 3:
        return Pin(Level.PERISHABLE, "tag of one build, without digest")
    return Pin(Level.RANGED, f"tag `{tag}` moves with every update of {'.'.join(numbers)}")


def _digest_pin(digest: str) -> Pin:
    if _digest_fault(digest) is not None:
        return Pin(Level.FLOATING, f"`{digest}` is no digest")
    return Pin(Level.HASHED, "digest")


def _without_version(repository: str, tag: str, lower: str, words: list[str]) -> Pin:
    if words and (words[0] in _CHANNELS or words[-1] in _CHANNELS):
        return Pin(Level.FLOATING, f"tag `{tag}` follows the newest")
    if words and words[0] in _CODENAMES and repository.rpartition("/")[2] in _DISTRIBUTIONS:
        return Pin(Level.RANGED, f"tag `{tag}` moves with every update of {words[0]}")
    if any(c.isdigit() for c in lower):
        return Pin(Level.RANGED, f"tag `{tag}` names no exact version")
    return Pin(Level.FLOATING, f"tag `{tag}` names no version")


def _needed(parts: Parts) -> int:
    if parts.registry is None:
        first, slash, rest = parts.repository.partition("/")
        found = _NUMBERS.get(rest if slash and first in _ARCHITECTURES else parts.repository)
        if found is not None:
            return found
    elif parts.registry in ("registry.k8s.io", "k8s.gcr.io", "public.ecr.aws", "mirror.gcr.io"):
        return _NUMBERS.get(parts.repository.rpartition("/")[2], 3)
    name = f"{parts.registry}/{parts.repository}" if parts.registry else parts.repository
    for prefix, needed in _NUMBERS_BELOW:
        if name.startswith(prefix):
            return needed
    return 3


def reference(
    source: Source,
    span: Span,
    text: str,
    image: str,
    where: str,
    *,
    unknown: tuple[str, ...] = (),
    local: bool = False,
    platform: str | None = None,
) -> ImageRef:
    """The `ImageRef` for `text` as written, which is `image` once its known variables are filled in.

    `unknown` names variables whose value nobody knows. They leave the level open only where they can matter: a
    digest written out holds whatever the tag may be.
    """
    if _TEMPLATE in image and not unknown:
        unknown = (_TEMPLATE,)
    parts = parse(image)
    nothing = image in ("scratch", "")  # Where a name is missing, the build stops.
    if nothing or local:
        pin = Pin(Level.LOCAL, "nothing from outside" if nothing else "an earlier stage or a local build")
        local = True
    elif unknown:
        pin = _open_pin(parts, unknown)
    else:
        pin = pin_of(parts)
    return ImageRef(
        source=source,
        span=span,
        text=text,
        image=image,
        registry=parts.registry,
        repository=parts.repository,
        tag=parts.tag,
        digest=parts.digest,
        where=where,
        pin=pin,
        local=local,
        unknown=unknown,
        platform=platform,
    )


# A blank of a development container template, filled in when somebody starts a project from it.
_TEMPLATE = "${templateOption:"


def full_name(image: ImageRef) -> str:
    """Registry, repository and tag with what a reference implies written out, so that equal images are equal."""
    return f"{image.registry or ''}/{image.repository}:{image.tag or 'latest'}"


def built_here(image: ImageRef) -> ImageRef:
    """`image`, known to be built by the project itself and not taken from a registry."""
    return replace(image, local=True, pin=Pin(Level.LOCAL, "built by this project"))


def _open_pin(parts: Parts, unknown: tuple[str, ...]) -> Pin:
    names = ", ".join(f"`{name}`" for name in unknown)
    if parts.digest is not None and not _mentions(parts.digest, unknown):
        return _digest_pin(parts.digest)
    if parts.tag is not None and not _mentions(parts.tag, unknown) and parts.digest is None:
        return pin_of(parts)
    return Pin(Level.FLOATING, f"depends on {names}, which has no value here")


def _mentions(text: str, names: tuple[str, ...]) -> bool:
    return "$" in text or any(f"{{{name}" in text for name in names)

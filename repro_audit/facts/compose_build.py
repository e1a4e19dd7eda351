"""A service's `build:` in a compose file -> a `Build`: what rules ask about, and what whoever builds it has to know.

What the keys mean: https://github.com/compose-spec/compose-spec/blob/main/build.md. Called by `facts.containers`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Sequence

from repro_audit.facts.container import Build, BuildSecret, BuildTerms, EnvVar
from repro_audit.facts.image_reference import reference
from repro_audit.facts.input import ImageRef
from repro_audit.source import Source, Span
from repro_audit.syntax import compose, compose_value
from repro_audit.syntax.compose_value import Variable
from repro_audit.syntax.tree import Mapping, Scalar

_REMOTE = re.compile(r"[a-z+]+://|git@|github\.com/|gitlab\.com/|bitbucket\.org/")
_IMAGE = "docker-image://"


def of_service(
    file: compose.Compose,
    service: compose.Service,
    folder: str,
    place: Callable[[Span, Source], Span],
    variables: Callable[[Sequence[Variable]], tuple[EnvVar, ...]],
) -> Build | None:
    """What builds the service, None where nothing does. `folder` is the file's own, relative to the project root."""
    build = service.build
    if build is None:
        return None
    base = folder
    if build.source is not service.source:
        # `extends` from another file: its paths are relative to that file.
        base = posixpath.normpath(posixpath.join(folder, _relative(build.source.path, service.source.path)))
    context = inside(base, build.context.text if build.context else ".")
    dockerfile: str | None = None
    if build.dockerfile_inline is None and context is not None:
        dockerfile = inside(context, build.dockerfile.text if build.dockerfile else "Dockerfile")
    return Build(
        context=context,
        dockerfile=dockerfile,
        target=build.target.text if build.target else None,
        args=variables(build.args),
        span=place(build.span, build.source),
        contexts=tuple(each.name for each in build.additional_contexts),
        images=tuple(_images(service, build, place)),
        terms=_terms(file, service, build, base),
    )


def _images(
    service: compose.Service, build: compose.Build, place: Callable[[Span, Source], Span]
) -> Iterator[ImageRef]:
    """The contexts that are images: what takes them by their name takes these."""
    for each in build.additional_contexts:
        value = each.value
        if value is not None and value.shown.startswith(_IMAGE):
            name = value.content.sub(len(_IMAGE), len(value.shown))
            span = place(name.whole, value.source)
            written = value.raw.removeprefix(_IMAGE)
            yield reference(service.source, span, written, name.text, "compose", unknown=value.unknown)


def _terms(file: compose.Compose, service: compose.Service, build: compose.Build, base: str) -> BuildTerms:
    own = service.value("platform")
    given = (build.context, build.dockerfile, build.target, build.network, own, *build.platforms)
    pairs = [each.value for each in (*build.args, *build.additional_contexts)]
    unset = dict.fromkeys(name for value in (*given, *pairs) if value is not None for name in value.unknown)
    return BuildTerms(
        folder=base,
        context=build.context.shown if build.context else ".",
        dockerfile=build.dockerfile.shown if build.dockerfile else None,
        inline=build.dockerfile_inline.text if build.dockerfile_inline is not None else None,
        contexts=tuple((v.name, v.value.shown if v.value else "") for v in build.additional_contexts),
        network=build.network.shown if build.network else None,
        no_cache=bool(build.no_cache and compose_value.boolean(build.no_cache.text)),
        secrets=tuple(_secret(file, each) for each in build.secrets),
        # a service that is to run on one platform is built for that one
        platforms=(own.shown,) if own is not None else tuple(value.shown for value in build.platforms),
        unset=tuple(unset),
        others=build.others,
    )


def _secret(file: compose.Compose, secret: compose.BuildSecret) -> BuildSecret:
    name = secret.name.shown
    declared = next((entry.value for entry in file.secrets if entry.key.text == name), None)

    def said(key: str) -> str | None:
        value = declared.get(key) if isinstance(declared, Mapping) else None
        return value.text if isinstance(value, Scalar) else None

    return BuildSecret(secret.target.shown if secret.target else name, said("file"), said("environment"))


def is_remote(context: str) -> bool:
    """Whether a context is an address and no folder."""
    return _REMOTE.match(context) is not None


def inside(folder: str, path: str | None) -> str | None:
    """`path` from `folder`, relative to the project root; None for addresses and for what lies outside."""
    if not path or "$" in path or is_remote(path) or path.startswith(("/", "~")):
        return None
    joined = posixpath.normpath(posixpath.join(folder, path.replace("\\", "/")))
    if joined == "." or not joined:
        return ""
    return None if joined == ".." or joined.startswith("../") else joined


def _relative(path: str, start: str) -> str:
    """The folder of one file as seen from the folder of another; both as reports name them."""
    return posixpath.relpath(posixpath.dirname(path) or ".", posixpath.dirname(start) or ".")

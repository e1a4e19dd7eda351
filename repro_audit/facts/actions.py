"""What workflows call and devcontainers add: `uses:` and features -> `ActionRef`, with the rung each stands on."""

from __future__ import annotations

import re
from collections.abc import Iterator

from repro_audit.facts import address, image_reference
from repro_audit.facts.input import ActionRef, ImageRef
from repro_audit.facts.pin import Level, Pin
from repro_audit.source import Source, Span
from repro_audit.syntax.devcontainer import Devcontainer
from repro_audit.syntax.precommit import PreCommit
from repro_audit.syntax.tree import Scalar
from repro_audit.syntax.workflow import Workflow

_VERSION = re.compile(r"v?\d+(?:\.\d+)?(?:\.x)?\Z")


def ref_pin(ref: str | None) -> Pin:
    """The rung of an action's revision: as of any git revision, but `v4` is a tag that is moved on purpose."""
    if ref and _VERSION.match(ref):
        return Pin(Level.RANGED, f"`{ref}` is moved to every new release")
    return address.of_revision(ref, "no revision")


def of_workflow(workflow: Workflow) -> Iterator[ActionRef | ImageRef]:
    """Every `uses:` of a workflow or composite action; `docker://` ones are images."""
    for job in workflow.jobs:
        if job.uses is not None:
            yield _uses(workflow.source, job.uses)
        for step in job.steps:
            if step.uses is not None:
                yield _uses(workflow.source, step.uses)
    image = workflow.image
    if image is not None and image.text.startswith("docker://"):
        yield _uses(workflow.source, image)


def _uses(source: Source, uses: Scalar) -> ActionRef | ImageRef:
    text = uses.text
    if text.startswith("docker://"):
        return image_reference.reference(source, uses.span, text, text[len("docker://") :], "workflow")
    if text.startswith(("./", "../")):
        return ActionRef(source, uses.span, text, None, Pin(Level.LOCAL, "part of the repository"))
    name, _, ref = text.partition("@")
    return ActionRef(source, uses.span, name, ref or None, ref_pin(ref))


def of_features(devcontainer: Devcontainer) -> Iterator[ActionRef]:
    """The features of a devcontainer: references to artifacts in a registry, tarballs or folders."""
    for entry in devcontainer.features:
        text, span = entry.key.text, entry.key.span
        yield feature(devcontainer.source, span, text)


def feature(source: Source, span: Span, text: str) -> ActionRef:
    """One feature by its id. A missing tag means `latest`."""
    if text.startswith(("./", "../")):
        return ActionRef(source, span, text, None, Pin(Level.LOCAL, "part of the repository"), "feature")
    if text.startswith(("https://", "http://")):
        return ActionRef(source, span, text, None, Pin(Level.PERISHABLE, "an archive nobody checks"), "feature")
    parts = image_reference.parse(text)
    name = f"{parts.registry}/{parts.repository}" if parts.registry else parts.repository
    if parts.digest:
        return ActionRef(source, span, name, parts.digest, image_reference.pin_of(parts), "feature")
    if parts.tag is None or parts.tag == "latest":
        reason = "no version, so `latest`" if parts.tag is None else "tag `latest`"
        return ActionRef(source, span, name, parts.tag, Pin(Level.FLOATING, reason), "feature")
    return ActionRef(source, span, name, parts.tag, ref_pin(parts.tag), "feature")


def of_precommit(config: PreCommit) -> Iterator[ActionRef]:
    """The repositories of a pre-commit configuration, `kind` `hook`."""
    for repository in config.repositories:
        if repository.local:
            continue
        rev = repository.rev
        place = rev or repository.url
        pin = ref_pin(rev.text if rev else None)
        yield ActionRef(config.source, place.span, repository.url.text, rev.text if rev else None, pin, "hook")

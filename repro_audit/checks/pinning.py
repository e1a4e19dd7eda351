"""Checks of images, directives, actions and the build context: is what the build takes held to what it was?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from repro_audit.facts.pin import Level
from repro_audit.finding import Edit, Fix, Problem
from repro_audit.source import Span
from repro_audit.syntax.dockerfile import Comment, Dockerfile

if TYPE_CHECKING:
    from repro_audit.facts.context import ContextFile
    from repro_audit.facts.file import FileFacts
    from repro_audit.facts.input import ActionRef, ImageRef
    from repro_audit.syntax.tree import Node, Scalar
    from repro_audit.syntax.workflow import Job, Workflow

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
    if image.local or image.digest or image.tag in (None, "latest"):
        return
    if image.pin.level in (Level.FLOATING, Level.RANGED) and not image.unknown:
        yield Problem(image.source, image.span, values={"reason": image.pin.reason})


def image_not_digest(image: ImageRef) -> Iterator[Problem]:
    """An exact tag that nothing but a promise holds."""
    if image.pin.level == Level.PERISHABLE and not image.unknown:
        yield Problem(image.source, image.span)


def image_arg_open(image: ImageRef) -> Iterator[Problem]:
    """FROM with an ARG that has no default, or whose default floats."""
    if image.where != "from" or image.local or "$" not in image.text or "${templateOption:" in image.text:
        return  # A development container template's blank is filled in before there is a Dockerfile.
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


# --- workflows, devcontainers and hooks ---------------------------------------------------------------------------


def action_unpinned(action: ActionRef) -> Iterator[Problem]:
    """An action by tag or branch."""
    if action.kind == "action" and action.pin.level < Level.HASHED:
        yield Problem(action.source, action.span, values={"ref": action.ref or ""})


def feature_unpinned(action: ActionRef) -> Iterator[Problem]:
    """A development container's feature without a full version."""
    if action.kind == "feature" and action.pin.level <= Level.RANGED:
        yield Problem(action.source, action.span, values={"reason": action.pin.reason})


def hook_unpinned(action: ActionRef) -> Iterator[Problem]:
    """A pre-commit hook at a branch."""
    if action.kind == "hook" and action.pin.level == Level.FLOATING:
        values: dict[str, object] = {"ref": action.ref or "HEAD"}
        yield Problem(action.source, action.span, values=values)


_RUNNER = re.compile(r"(?:ubuntu|macos|windows)-latest(?:-[\w-]+)?")


def runner_floating(facts: FileFacts) -> Iterator[Problem]:
    """`runs-on: ubuntu-latest`, and the same in a matrix; each label once in a file."""
    from repro_audit.syntax.workflow import Workflow

    node = facts.ast
    if not isinstance(node, Workflow):
        return
    said: set[str] = set()
    for job in node.jobs:
        for label in job.runs_on:
            for value in _matrix(node, job) if "matrix." in label.text else (label,):
                if _RUNNER.fullmatch(value.text) and value.text not in said:
                    said.add(value.text)
                    yield Problem(facts.source, value.span, values={"label": value.text})


def _matrix(workflow: Workflow, job: Job) -> Iterator[Scalar]:
    """The values of a job's matrix."""
    from repro_audit.syntax.tree import Mapping, Scalar, Sequence

    node: Node | None = workflow.document.root
    for key in ("jobs", job.name, "strategy", "matrix"):
        node = node.get(key) if isinstance(node, Mapping) else None
    waiting = [node]
    while waiting:
        found = waiting.pop()
        if isinstance(found, Scalar):
            yield found
        elif isinstance(found, Sequence):
            waiting += found.items[::-1]
        elif isinstance(found, Mapping):
            waiting += [entry.value for entry in found.entries][::-1]


# --- the build context ------------------------------------------------------------------------------------------

# What builds make, and a fresh clone rightly lacks.
_MADE = re.compile(
    r"(?:^|/)(?:dist|build|target|out|output|bin|obj|publish|release|node_modules|vendor|artifacts?|\.next|coverage|wheels?|wheelhouse)(?:/|$)"
    r"|\.(?:jar|war|whl|tar|gz|tgz|bz2|xz|zip|deb|rpm|apk|exe|so|a|o|dll|bin|pem|crt|key|pub|cer|env|repo|iso|img|qcow2|run|pt|pth|onnx|safetensors)$",
    re.IGNORECASE,
)


# A folder that is missing is more often fetched or made than forgotten.
_FILE = re.compile(
    r"\.\w+$|(?:^|/)(?:Dockerfile|Containerfile|Makefile|LICENSE|README|Gemfile|Pipfile|Procfile|Rakefile)$"
)


def requirements_missing(file: ContextFile) -> Iterator[Problem]:
    """A copied, installed or included file that is not in the context, or that `.dockerignore` hides."""
    if file.state == "found" or file.made or _MADE.search(file.path) or "$" in file.path:
        return
    if file.state == "ignored":
        text = f"is hidden by `{file.ignore_path}`"
    elif file.purpose == "include":
        text = f"is not in `{file.context or '.'}`, so pip stops"
    elif file.certain or (file.others_found and _FILE.search(file.path)):
        text = f"is not in the build context (`{file.context or '.'}`)"
    else:
        return
    yield Problem(file.source, file.span, values={"state_text": text})

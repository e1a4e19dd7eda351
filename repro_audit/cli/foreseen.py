"""Which findings of an audit foresaw a failed build: each rule is tied to the kinds of failure that it is about. Called
for the diagnosis of a failed build.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro_audit.cli.problem import CannotError

if TYPE_CHECKING:
    from repro_audit.cli.build_plan import Plan
    from repro_audit.container.build_failure import Failure
    from repro_audit.finding import Finding

_IMAGES = ("image-latest", "image-moving-tag", "image-not-digest", "image-arg-open")
_PACKAGES = (
    "cargo-unpinned",
    "conda-range",
    "conda-unpinned",
    "gem-unpinned",
    "go-unpinned",
    "npm-unpinned",
    "os-package-perishable",
    "pip-range",
    "pip-unpinned",
)
_DOWNLOADS = (
    "dataset-unpinned",
    "download-floating",
    "download-unverified",
    "git-clone-unpinned",
    "model-unpinned",
    "pip-url-unverified",
    "pip-vcs-unpinned",
    "pipe-to-shell",
)
# A kind that is not here (a network that is down, a full disk) is foreseen by no rule; `syntax` by its whole family.
RULES: dict[str, tuple[str, ...]] = {
    "image-not-found": (*_IMAGES, "unknown-stage-ref"),
    # what a registry answers for an image that is gone, too
    "authentication": ("unknown-stage-ref",),
    "package-version-gone": (*_PACKAGES, "pip-vcs-unpinned", "requirement-redirected"),
    "package-not-found": ("os-package-unpinned", *_PACKAGES, "pip-index-ambiguous", "requirement-redirected"),
    "compiler": ("pip-range", "pip-unpinned", "pip-self-upgrade", "pip-vcs-unpinned", "git-clone-unpinned"),
    "file-not-found": ("requirements-missing", "relative-workdir", "interpreter-copied-alone", *_DOWNLOADS),
    "program-not-found": ("interpreter-copied-alone",),
    "wrong-architecture": ("build-host-leak",),
    "command-failed": ("gpu-query-at-build", "interpreter-copied-alone", "requirement-redirected", *_DOWNLOADS),
}
_MOST = 10


def foreseen(planned: Plan, failure: Failure) -> list[Finding]:
    """The findings of an audit on the failing instruction that led to a failure of this kind."""
    from repro_audit.cli.audit import audit
    from repro_audit.cli.options import Request

    rules = RULES.get(failure.kind, ())
    if failure.line is None or not (rules or failure.kind == "syntax"):
        return []
    try:
        path = planned.request.dockerfile if planned.inline else planned.shown
        done = audit(Request(paths=(path,), jobs=1, no_config=planned.inline))
    except (CannotError, OSError):
        return []
    last = failure.end_line or failure.line
    found = []
    for finding in done.result.findings:
        line = finding.source.position(finding.span.start).line
        fits = finding.rule in rules or finding.family == failure.kind
        if fits and failure.line <= line <= last:
            found.append(finding)
    return found[:_MOST]

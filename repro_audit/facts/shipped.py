"""Which stages of a Dockerfile end up in an image. Called by checks of what is left lying in one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from repro_audit.facts.stage import Stage

if TYPE_CHECKING:
    from repro_audit.facts.file import FileFacts


# What a stage calls itself that is built for the sake of its build.
_TRIAL = re.compile(r"(?:^|[-_.])(?:tests?|testing|lint|linter|validate|check|vet)(?:[-_.]|$)")


def shipped(facts: FileFacts) -> tuple[Stage, ...]:
    """The last stage, those that a compose file or devcontainer names as its target, and all that these start from.

    In order of place. What another stage only copies from is left behind with its layers; so is a last stage that
    calls itself a test, while what it starts from is what it tests.
    """
    stages = [fact for fact in facts.facts if isinstance(fact, Stage)]
    if not stages:
        return ()
    wanted = {build.target.lower() for build, _ in facts.project.builds(facts.file.path) if build.target is not None}
    kept: set[int] = set()
    for stage in reversed(stages):  # a stage starts from an earlier one
        last = stage.final and not (stage.parent is not None and _TRIAL.search(stage.name or ""))
        if last or stage.index in kept or stage.name in wanted or str(stage.index) in wanted:
            kept.add(stage.index)
        elif not stage.final:
            continue
        if stage.parent is not None:
            kept.add(stage.parent.index)
    return tuple(stage for stage in stages if stage.index in kept)

"""Files that a COPY misses in the build context and that lie beside it. Called for the diagnosis of a failed build."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from repro_audit.cli.build_plan import Plan
    from repro_audit.container.build_failure import Failure
    from repro_audit.syntax.dockerfile import Dockerfile

# How many folders above the context are looked into.
_ABOVE = 3


def elsewhere(planned: Plan, failure: Failure, tree: Dockerfile) -> str | None:
    """Where what the failed COPY or ADD names can be found, and how to build with it; None where it is nowhere."""
    from repro_audit.container.build_context import ignore_file

    if failure.kind != "file-not-found" or failure.line is None:
        return None
    at = (i for i in tree.instructions if tree.source.position(i.span.start).line == failure.line)
    node = next(at, None)
    if node is None or node.keyword not in ("copy", "add") or node.flag("from") is not None:
        return None
    request = planned.request
    ignore = ignore_file(request.context, request.dockerfile)
    for word in node.value[:-1]:
        name = word.text.lstrip("/")
        if "$" in name or "://" in name or any(c in name for c in "*?["):
            continue
        path = os.path.normpath(name)
        if os.path.lexists(os.path.join(request.context, path)):
            if ignore is not None and ignore.excludes(path):
                return f"`{name}` is there, and `{os.path.relpath(ignore.source.path)}` keeps it out of the context"
            continue
        above = request.context
        for _ in range(_ABOVE):
            above = os.path.dirname(above)
            if os.path.lexists(os.path.join(above, path)):
                context, folder = (os.path.relpath(each) for each in (request.context, above))
                return (
                    f"`{name}` is not in the context `{context}`, but in `{folder}`: build from there, with "
                    f"`repro-audit build {folder} --file {planned.shown}`"
                )
            if above == os.path.dirname(above) or os.path.exists(os.path.join(above, ".git")):
                break
    return None

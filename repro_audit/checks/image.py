"""Checks of the `image` family: is what stands in the image whole, and no more than it needs?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from repro_audit.finding import Problem

if TYPE_CHECKING:
    from repro_audit.facts.instruction import Instruction

_INTERPRETER = re.compile(r"/usr/(?:local/)?bin/(python\d(?:\.\d+)?)")
_LIBRARY = re.compile(r"(?:^|/)lib(?:64)?(?:/python[\d.]*)?/?$|^/usr/local/?$|^/usr/?$|^/?$|/lib/python[\d.]+")


def interpreter_copied_alone(instruction: Instruction) -> Iterator[Problem]:
    """`COPY --from=... /usr/bin/python3.10` where nothing brings the standard library."""
    stage = instruction.stage
    if instruction.keyword != "COPY" or instruction.node.flag("from") is None or stage is None:
        return
    for excerpt, word in list(zip(instruction.node.value, instruction.words))[:-1]:
        found = _INTERPRETER.fullmatch(word or "")
        if found is None:
            continue
        for each in stage.lineage:
            for other in each.instructions:
                if other.keyword == "COPY" and any(_LIBRARY.search(w or "") for w in other.words[:-1]):
                    return
            if any(p.name.startswith("python3") for p in each.packages if p.ecosystem not in ("pip", "conda")):
                return
        if re.match(r"(?:python|pypy|jupyter/|continuumio/|mambaorg/|.*/python$)", stage.root.repository):
            return
        yield Problem(instruction.source, excerpt.whole, values={"path": word})

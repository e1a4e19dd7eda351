"""From an image's history back to the Dockerfile: which instruction made which layer.

BuildKit, the legacy builder, buildah and kaniko each write `created_by` in a form of their own; the instructions are
aligned with the end of the history, since what comes before is the base image's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from repro_audit.container.archive import History, Image


@dataclass(slots=True, frozen=True)
class InstructionPlace:
    """An instruction of the Dockerfile: where it stands, and its text as written. In the order of the build:
    parent stages first. `made_in` says where the files of a `COPY --from` of another stage were made.
    """

    line: int
    keyword: str
    text: str
    path: str
    made_in: str = ""


_KEYWORDS = frozenset(
    (
        "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL STOPSIGNAL USER "
        "VOLUME WORKDIR"
    ).split()
)
_WRITING = frozenset(("RUN", "COPY", "ADD", "WORKDIR"))
_BOUND = 300
_WORD = re.compile(r"[^\s\"'\[\],;&|()=]+")
_CONTINUED = re.compile(r"\\[ \t]*\r?\n(?:[ \t]*(?:#[^\n]*)?\n)*")
_FLAG = re.compile(r"\s*--[a-z][\w-]*(?:=\S*)?(?=\s)")


def spoken(created_by: str) -> tuple[str, str]:
    """The keyword and the rest of a history entry, whatever builder wrote it."""
    text = created_by.strip()
    text = text.removesuffix("# buildkit").rstrip()
    _, nop, rest = text.partition("#(nop)")
    if nop and text.startswith(("/bin/sh", "|", "cmd ", "powershell")):
        text = rest.strip()
    keyword, _, rest = text.partition(" ")
    if keyword.upper() in _KEYWORDS and keyword.upper() != "RUN":
        return keyword.upper(), rest.strip()
    if keyword.upper() == "RUN":
        text = rest.strip()
    if text.startswith(("|", "/bin/sh -c ", "/bin/bash -c ")) or " -c " in text[:60]:
        # build arguments come before the shell: |2 A=1 B=2 /bin/sh -c command
        _, found, command = text.partition(" -c ")
        text = command if found else text
    return "RUN", text.strip()


def _said(place: InstructionPlace) -> tuple[str, str]:
    text = _CONTINUED.sub(" ", place.text).strip()
    keyword = place.keyword.upper()
    if text[: len(keyword)].upper() == keyword:
        text = text[len(keyword) :]
    while match := _FLAG.match(text):
        text = text[match.end() :]
    return keyword, text.strip()


def _likeness(spoken_: tuple[str, str], said: tuple[str, str], words: tuple[frozenset[str], frozenset[str]]) -> float:
    """How sure a history entry is to come from an instruction: 0 for not at all, up to 2."""
    if spoken_[0] != said[0]:
        return 0.0
    have, want = words
    if not have and not want:
        return 1.0
    overlap = 2 * len(have & want) / (len(have) + len(want))
    if overlap >= 0.3:
        return 1.0 + overlap
    # legacy builders name files by digest, and variables are filled in
    open_ = (
        "$" in said[1] or spoken_[1].startswith(("file:", "dir:", "multi:")) or said[0] in ("WORKDIR", "ENV", "LABEL")
    )
    return 0.6 + overlap if open_ else 0.0


def align(history: Sequence[History], instructions: Sequence[InstructionPlace]) -> dict[int, InstructionPlace]:
    """History index -> instruction, in order on both sides, the likeliest pairing that reaches as far to the end
    as it can.
    """
    first = max(0, len(history) - _BOUND)
    entries = [spoken(h.created_by) for h in history[first:]]
    places = [p for p in instructions if p.keyword.upper() != "FROM"][-_BOUND:]
    says = [_said(p) for p in places]
    entry_words = [frozenset(_WORD.findall(e[1][:4000])) for e in entries]
    place_words = [frozenset(_WORD.findall(s[1][:4000])) for s in says]
    rows, columns = len(entries), len(says)
    like = [
        [_likeness(entries[i], says[j], (entry_words[i], place_words[j])) for j in range(columns)] for i in range(rows)
    ]
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    for i in range(rows - 1, -1, -1):
        row, below = best[i], best[i + 1]
        for j in range(columns - 1, -1, -1):
            pair = like[i][j]
            row[j] = max(below[j], row[j + 1], below[j + 1] + pair if pair else 0.0)
    found: dict[int, InstructionPlace] = {}
    i = j = 0
    while i < rows and j < columns:
        if best[i][j] == best[i + 1][j]:
            i += 1
        elif best[i][j] == best[i][j + 1]:
            j += 1
        else:
            found[first + i] = places[j]
            i += 1
            j += 1
    return found


@dataclass(slots=True, frozen=True, eq=False)
class Origins:
    """Which instructions may have written each layer, likeliest first, and which made each history entry."""

    layers: tuple[tuple[InstructionPlace, ...], ...]
    history: dict[int, InstructionPlace]

    def place(self, layer: int, path: str) -> InstructionPlace | None:
        """The instruction that wrote `path` in that layer, as far as can be told."""
        places = self.layers[layer] if 0 <= layer < len(self.layers) else ()
        if len(places) < 2:
            return places[0] if places else None
        name = path.rsplit("/", 1)[-1]
        for place in places:
            words = _WORD.findall(_said(place)[1])
            if place.keyword.upper() in ("COPY", "ADD") and words:
                to = words[-1].rstrip("/")
                if to.startswith("/") and (path == to or path.startswith(to + "/")):
                    return place
            if place.keyword.upper() == "RUN" and (
                path in words or (len(name) > 3 and any(w.endswith("/" + name) for w in words))
            ):
                return place
        return places[0]


def origins(image: Image, instructions: Sequence[InstructionPlace]) -> Origins:
    """Leads each layer back to instructions.

    The base image's layers come from the first FROM; a layer that a builder squashed out of several instructions
    (buildah without `--layers`) has them all.
    """
    found = align(image.history, instructions)
    order = {id(place): number for number, place in enumerate(instructions)}
    taken = {id(place) for place in found.values()}
    bases = [p for p in instructions if p.keyword.upper() == "FROM"]
    layers: list[tuple[InstructionPlace, ...]] = [()] * len(image.layers)
    last = -1
    begun = False
    for index, entry in enumerate(image.history):
        place = found.get(index)
        if place is not None:
            begun = True
        if entry.layer is None:
            continue
        if place is None:
            layers[entry.layer] = () if begun or not bases else (bases[0],)
            continue
        number = order[id(place)]
        skipped = [p for p in instructions[last + 1 : number] if id(p) not in taken and p.keyword.upper() in _WRITING]
        layers[entry.layer] = (place, *reversed(skipped))
        last = number
    if bases:
        known = {h.layer for h in image.history}
        layers = [x if n in known else (bases[0],) for n, x in enumerate(layers)]
    return Origins(tuple(layers), found)

"""The log of a failed build, read up to what matters: the step that failed, what was said in it, and where the engine
says it stands. Knows the logs of BuildKit (old and new), the classic builder, podman and buildah.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_KIT_HEAD = re.compile(r"^ > (?:\[([^\]]*)\] ?)?(.*?):?\s*$")
_KIT_LINE = re.compile(r"^\s*(\d+) \| >>> ?(.*)$")
_KIT_SOURCE = re.compile(r"^\s*\d* ?\|(?: |$)")
_KIT_OUTPUT = re.compile(r"^#(\d+) (?:\d+\.\d+(?: |$))?(.*)$")
_KIT_FAILED = re.compile(r"^#(\d+) ERROR: ")
_KIT_TIME = re.compile(r"^(?:#\d+ )?(?:\d+\.\d+(?: |$)|sha256:\w+$)?")
_KIT_STAGE = re.compile(r"^(?:(\S+) +)?\d+/\d+$")
_STEP = re.compile(r"^(?:\[(\d+)/\d+\] )?(?:STEP|Step) (\d+)(?:/\d+)? ?: (.*)$")
_PARSE_LINE = re.compile(r"parse error(?: on)? line (\d+)|StartLine:(\d+)", re.IGNORECASE)
_NOISE = re.compile(
    r"^(?:Sending build context| ?=> | *\d+ warnings? found| - [A-Z][A-Za-z]+: .*\(line \d+\)|WARNING: current commit|"
    r"\[ERROR\]\W*(?:$|To see the full|Re-run Maven|For more information|After correcting|\[Help|Help \d)|"
    r"View build details|(?:ERROR: )?Service '\S+' failed to build ?: Build failed$|docker-desktop://|\W*$|"
    r"Removing intermediate| ?-+>|DEPRECATED:|subprocess exited|time=\"|-{4,}$|"
    r"\[[^]]*\d+/\d+\] |\[internal\]|"
    r"Install the buildx|https://docs\.docker|\s*BuildKit is currently|\s*environment-variable|CANCELED$|sha256:|DONE |"
    r"WARNING: No output|[^ ]+:\d+$|exporting|naming to|CACHED$|transferring|# Executing \d+ build trigger|"
    r"Error: exit status \d+$)"
)
_RAN = re.compile(
    r"did not complete successfully|returned a non-zero code|executor failed running|: exit status \d+$|"
    r"while running runtime: exit status|error while running"
)
# how builders begin the last line of every failed build
_PREFIX = re.compile(
    r"^(?:ERROR: |Error: )?(?:buildx failed with: (?:ERROR: )?)?(?:Service '[^']*' failed to build ?: |"
    r"target \S+: |INFO\[\d+\] )?"
    r"(?:failed to build: )?(?:failed to solve(?: with frontend [\w.]+)?: )?"
    r"(?:failed to (?:create LLB definition|build LLB): )?(?:rpc error: code = Unknown desc = )?"
    r"(?:Error response from daemon: )?(?:error (?=building at STEP))?"
)
_QUOTING = re.compile(r"^(?:building at STEP|process|executor failed running|The command) ")
_ENDED = re.compile(r"^process .* did not complete successfully: |^building at STEP .*?\": ")
_REF = re.compile(r"(?:failed to calculate checksum )?of ref \S+: ")
# colours, and what programs that run builds put before each line: the time, a step of theirs
_BEFORE = re.compile(
    r"^(?:(?:\[?\d{4}-\d\d-\d\d[T ])?\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\]?\s|\s*\[exec\] ?|\d+>(?=\S|"
    r" --->))\s?"
)
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\[(?:0|91)m")
# what the shell shows with `set -x`
_TRACE = re.compile(r"^\++ \S")
_SPACE = re.compile(r"\s+")
_LONG = 20_000
_MANY = 20_000
_WRAPPED = re.compile(
    r'^(?:(?:error: )?(?:building at STEP|process|executor failed running|The command) ?.*?[\'"\]]?:? ?)?'
    r"((?:returned a )?(?:exit (?:code|status)|non-zero code):? \d+)$",
    re.IGNORECASE,
)


@dataclass(slots=True, frozen=True)
class FailedStep:
    """The end of a log. `step` is the instruction as the engine shows it; `stage` the name or `stage-N` of its stage,
    `number` that of the step (in stage number `stage_at`, where that is told). `line` is where the engine says it is.
    `said` are what was said in it and after, as (to be read, to be shown); `ran` whether a command ran and failed.
    """

    step: str
    said: tuple[tuple[str, str], ...]
    line: int | None
    ran: bool
    stage: str | None = None
    number: int | None = None
    stage_at: int | None = None


def failed_step(log: str) -> FailedStep:
    """What the end of the log tells."""
    log = _COLOUR.sub("", log) if "[" in log else log
    lines = [_BEFORE.sub("", text[:_LONG]) for text in log.splitlines()]
    line = next((int(told[1]) for told in map(_KIT_LINE.match, lines) if told), None) or _parse_line(lines)
    for at in range(len(lines) - 1, -1, -1):
        head = _KIT_HEAD.match(lines[at])
        if head:
            label = lines[at][3:].rstrip().removesuffix(":")
            said = _vertex(lines, label, at)
            stage = _KIT_STAGE.match((head[1] or "").strip())
            return _found(head[2], said, line, stage=stage[1] if stage else None)
        told = _STEP.match(lines[at])
        if told:
            said = [text for text in lines[at + 1 :] if not _NOISE.match(text)]
            return _found(told[3], said, line, number=int(told[2]), stage_at=int(told[1]) - 1 if told[1] else None)
    tail = [_KIT_TIME.sub("", text) for text in lines[-40:] if not _KIT_SOURCE.match(text)]
    tail = [text for text in tail if not _NOISE.match(text)]
    return _found("", tail, line)


def _found(
    step: str,
    said: Sequence[str],
    line: int | None,
    *,
    stage: str | None = None,
    number: int | None = None,
    stage_at: int | None = None,
) -> FailedStep:
    ran = any(_RAN.search(text) for text in said[-20:])
    # the step itself is quoted in errors: what it says there is no sign of anything
    quoted = _squeezed(step)
    read = tuple(_read(text, quoted) for text in said[-_MANY:])
    return FailedStep(step, read, line, ran, stage, number, stage_at)


def _read(text: str, step: str) -> tuple[str, str]:
    """A line as it is to be read, without what it only quotes, and as it is to be shown."""
    shown = _REF.sub("", _PREFIX.sub("", text[:4000].strip()))
    bare = _squeezed(shown)
    wrapped = _WRAPPED.match(bare)
    if wrapped:
        return wrapped[1], wrapped[1]
    if _TRACE.match(bare):
        return "", shown
    if _QUOTING.match(bare):
        shown = bare = _ENDED.sub("", bare)
        for part in (step, step.partition(" ")[2]):
            bare = bare.replace(part, "") if len(part) > 3 else bare
    return bare, shown


def _squeezed(text: str) -> str:
    return _SPACE.sub(" ", text).strip()


def _parse_line(lines: Sequence[str]) -> int | None:
    for text in reversed(lines[-60:]):
        told = _PARSE_LINE.search(text)
        if told:
            return int(told[1] or told[2])
    return None


def _vertex(lines: Sequence[str], label: str, at: int) -> list[str]:
    """What BuildKit's failing step said, each line once."""
    number = None
    for text in lines[:at]:
        found = _KIT_OUTPUT.match(text)
        if found and found[2] == label:
            number = found[1]
    if number is None:
        number = next((told[1] for told in map(_KIT_FAILED.match, reversed(lines[:at])) if told), None)
    said: list[str] = []
    seen: set[str] = set()
    for index, text in enumerate(lines):
        if index < at:
            found = _KIT_OUTPUT.match(text)
            if not found or found[1] != number:
                continue
            bare = found[2]
            if bare == label:
                continue
        elif index == at or _KIT_SOURCE.match(text):
            continue
        else:
            bare = _KIT_TIME.sub("", text)
        if bare.strip() and bare not in seen and not _NOISE.match(bare):
            # the last lines stand once more at the end
            if index > at:
                seen.add(bare)
            if index < at or bare not in said:
                said.append(bare)
    return said

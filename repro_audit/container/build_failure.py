"""Why a build failed: from the engine's log to the instruction, the kind of failure, and the lines that show it.

Pure: takes text, gives a `Failure`. `build_log` reads the log, `failure_kind` tells the kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from repro_audit.container.build_log import FailedStep, failed_step
from repro_audit.container.failure_kind import KINDS, classify, shortened, silent
from repro_audit.container.failure_sign import Sign

if TYPE_CHECKING:
    from collections.abc import Sequence

    from repro_audit.syntax.dockerfile import Dockerfile, Instruction

_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"[^\s\"'\[\],;&|()=]+")
_QUOTED = re.compile(r"\"((?:\\.|[^\"\\]){2,200})\"|'([^']{2,200})'|`([^`]{2,200})`|\((\S{2,200}?)\)|: (\S{2,200})$")
_TOLD = re.compile(r"[^\s\"'`()\[\]{}<>,;:=]{3,}")
_TRACE = re.compile(r"^\++ (\S.*)$")
_TRIGGERS = ("ONBUILD ", "RUN ", "COPY ", "ADD ", "WORKDIR ")
_COMPLAINT = re.compile(
    r"(?i)\b(?:error|err!|fatal|fail(?:ed|ure)?|panic|exception|traceback|invalid|unknown|missing|unexpected|critical|usage)\b|"
    r"(?i:\b(?:not|no such|can't|cannot|couldn't|unable|denied|unsupported)\b)|\w(?:Error|Exception)\b"
)
_SHOWN = 8
_TAIL = 40
_LONG = 400
_ALIKE = 0.5


@dataclass(slots=True, frozen=True)
class Failure:
    """A failed build. `kind` is a key of `KINDS`; `step` is the instruction as the engine shows it, `line` where it
    begins in the Dockerfile (None where it cannot be told), `end_line` where it ends; `evidence` are lines of the log.
    `at` is the line within a long instruction that failed, where its words tell.
    """

    kind: str
    step: str
    line: int | None
    end_line: int | None
    evidence: tuple[str, ...]
    summary: str
    remedy: str
    at: int | None = None


def diagnose(log: str, dockerfile: Dockerfile | None = None) -> Failure:
    """Why the build with this log failed. Never raises; the worst answer is `command-failed` with the last lines."""
    failed = failed_step(log)
    sign, evidence = classify(failed.said, failed.ran)
    sign = sign or silent(failed.step, [shown for _, shown in failed.said])
    found = _instruction(dockerfile, failed) if dockerfile is not None else None
    step, line, end, at = failed.step, failed.line, failed.line, None
    if dockerfile is not None and found is None and failed.line is not None:
        line = end = None if failed.line > len(dockerfile.source.text.splitlines()) else failed.line
    if dockerfile is not None and found is None and line is None and (sign is None or sign.kind == "syntax"):
        sign, line, end = _unread(dockerfile, sign)
    if dockerfile is not None and found is not None:
        line, end = found.start_line, found.end_line
        if found.keyword == "from" and step.startswith(_TRIGGERS):
            # not in this file: the base image brought it along
            step = step if step.startswith("ONBUILD ") else f"ONBUILD {step}"
        elif step.split(" ", 1)[0] != found.raw_keyword:
            step = _shown(found)
        if sign is not None and sign.kind == "syntax" and found.heredocs and not failed.ran:
            sign = _NO_HEREDOC if all(each.terminated for each in found.heredocs) else sign
        if sign is not None and sign.kind in ("network", "image-not-found", "authentication"):
            sign = _stage_meant(dockerfile, found) or sign
        if found.keyword == "run" and end > line:
            at = _within(dockerfile, found, [shown for _, shown in failed.said], evidence)
    if not evidence:
        said = [shown for _, shown in failed.said if shown.strip()]
        # causes stand before sums, and both before what helps nobody
        errors = [text for text in said[-_TAIL:] if _COMPLAINT.search(text)]
        evidence = shortened(errors or said[-_SHOWN:])
    kind = sign.kind if sign is not None else "command-failed"
    summary, remedy = KINDS[kind]
    return Failure(
        kind,
        _SPACE.sub(" ", step).strip()[:_LONG],
        line,
        end,
        tuple(text.strip()[:_LONG] for text in evidence),
        sign.summary or summary if sign is not None else summary,
        sign.remedy or remedy if sign is not None else remedy,
        at,
    )


_NEVER = re.compile(r"(?!)")
_NO_HEREDOC = Sign(
    "syntax",
    _NEVER,
    "this engine does not know heredocs",
    "let a newer BuildKit read it (`# syntax=docker/dockerfile:1` as the first line), or put it into a script",
)
_PLAIN_SYNTAX = Sign("syntax", _NEVER)


def _unread(dockerfile: Dockerfile, sign: Sign | None) -> tuple[Sign | None, int | None, int | None]:
    """Where the builder named no place: the first thing in the file that no builder can read."""
    if dockerfile.errors:
        line = dockerfile.source.position(dockerfile.errors[0].span.start).line
        return sign or _PLAIN_SYNTAX, line, line
    if sign is not None and dockerfile.instructions and not any(i.keyword == "from" for i in dockerfile.instructions):
        first = dockerfile.instructions[0].start_line
        return sign, first, first
    return sign, None, None


def _stage_meant(dockerfile: Dockerfile, found: Instruction) -> Sign | None:
    """A name after `--from=` that is no stage is taken for an image, and fetched."""
    flag = found.flag("from") if found.keyword in ("copy", "add") else None
    name = flag.value if flag is not None else None
    stages = [each.text.text.split()[-1] for each in dockerfile.instructions if each.keyword == "from"]
    if not name or name in stages or any(char in name for char in "/:.@$"):
        return None
    return Sign(
        "syntax",
        _NEVER,
        f"there is no stage `{name}`, so an image of that name was looked for",
        "name a stage that an earlier `FROM ... AS name` begins, or write the image with its registry and tag",
    )


def _shown(found: Instruction) -> str:
    return " ".join([found.raw_keyword, *(flag.raw for flag in found.flags), found.text.text])


def _instruction(dockerfile: Dockerfile, failed: FailedStep) -> Instruction | None:
    for each in dockerfile.instructions if failed.line is not None else ():
        if each.start_line <= (failed.line or 0) <= each.end_line:
            return each
    step = _squeezed(failed.step)
    keyword, _, rest = step.partition(" ")
    numbered = _numbered(dockerfile, failed)
    alike: list[tuple[float, Instruction]] = []
    words = set(_WORD.findall(rest))
    for each in dockerfile.instructions:
        if each.keyword == keyword.lower():
            text = _squeezed(each.text.text)
            # a step is shown with its flags; a shell form with heredocs by its first line only
            have = set(_WORD.findall(text)) | {word for flag in each.flags for word in _WORD.findall(flag.raw)}
            same = text == rest or (text and rest.endswith(text)) or (rest and text.startswith(rest))
            alike.append((2.0 if same else 2 * len(words & have) / max(1, len(words) + len(have)), each))
    best = max((likeness for likeness, _ in alike), default=0.0)
    if best >= _ALIKE:
        equal = [each for likeness, each in alike if likeness == best]
        if len(equal) > 1:
            equal = [each for each in equal if each in numbered] or equal
        return equal[-1]
    if step.startswith(_TRIGGERS):
        bases = [each for each in dockerfile.instructions if each.keyword == "from"]
        bases = [each for each in bases if each in numbered] if len(bases) > 1 else bases
        return bases[0] if len(bases) == 1 else None
    return _naming(dockerfile, failed)


def _numbered(dockerfile: Dockerfile, failed: FailedStep) -> list[Instruction]:
    """The instructions that the step's number, or the name of its stage, leaves over."""
    stages: list[list[Instruction]] = []
    for each in dockerfile.instructions:
        if each.keyword == "from" or not stages:
            stages.append([])
        stages[-1].append(each)
    if failed.stage is not None:
        for index, stage in enumerate(stages):
            names = {f"stage-{index}", *(w.lower() for w in stage[0].text.text.split()[2:3])}
            if failed.stage.lower() in names:
                return stage
    if failed.number is not None:
        among = list(dockerfile.instructions)
        if failed.stage_at is not None:
            among = stages[failed.stage_at] if failed.stage_at < len(stages) else []
        return among[failed.number - 1 : failed.number]
    return []


def _naming(dockerfile: Dockerfile, failed: FailedStep) -> Instruction | None:
    """The instruction that names what the engine speaks of: an image to fetch, a URL, a word that it cannot read."""
    step = (
        failed.step.removeprefix("load metadata for ").removeprefix("FROM ").removeprefix("resolve image config for ")
    )
    told = [step.strip(), step.strip().removeprefix("docker.io/").removeprefix("library/").removesuffix(":latest")]
    for _, shown in failed.said[-3:]:
        told += [word.replace("\\", "") for each in _QUOTED.findall(shown) for word in each if word]
    for word in told:
        if len(word) < 2:
            continue
        naming = [each for each in dockerfile.instructions if word in _shown(each)]
        naming = [each for each in naming if each.keyword in ("from", "copy", "add", "run")] if word == step else naming
        if naming and (len(naming) == 1 or word in told[:2]):
            return naming[0]
        bodies = [each for each in dockerfile.instructions if any(word in here.body.text for here in each.heredocs)]
        if len(bodies) == 1:
            return bodies[0]
    for _, shown in failed.said[-1:]:
        blamed = [each for each in dockerfile.instructions if each.keyword == shown.partition(" ")[0].lower()]
        if "no FROM" in shown:
            blamed = [each for each in dockerfile.instructions if each.keyword == "from" and "$" in each.text.text]
        if len(blamed) == 1:
            return blamed[0]
    return None


def _within(dockerfile: Dockerfile, found: Instruction, said: Sequence[str], evidence: Sequence[str]) -> int | None:
    """The line within the instruction whose words the log repeats; None unless it is one line alone."""
    lines = dockerfile.source.text.splitlines()[found.start_line - 1 : found.end_line]
    traced = [told[1] for told in map(_TRACE.match, said) if told]
    for text in [*traced[-1:], *evidence]:
        words = {word.rstrip(".") for word in _TOLD.findall(text)}
        counted = [sum(word in words for word in _TOLD.findall(line.rstrip("\\"))) for line in lines]
        best = max(counted)
        if best and counted.count(best) == 1:
            return found.start_line + counted.index(best)
    return None


def _squeezed(text: str) -> str:
    return _SPACE.sub(" ", text).strip()

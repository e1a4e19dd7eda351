"""The instructions of a Dockerfile as `verify` leads files back to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro_audit.cli.build_plan import stages

if TYPE_CHECKING:
    from repro_audit.cli.build_plan import Plan
    from repro_audit.facts.instruction import Instruction
    from repro_audit.facts.stage import Stage
    from repro_audit.verify.instruction import InstructionPlace


def places(planned: Plan) -> list[InstructionPlace]:
    """The instructions that made the image, in the order of the build."""
    from repro_audit.verify.instruction import InstructionPlace

    found = []
    for stage in stages(planned.request):
        made = {i.span: _made_in(i, planned) for i in stage.instructions}
        for span in dict.fromkeys((stage.span, *made)):
            text = stage.source.slice(span)
            line = stage.source.position(span.start).line
            keyword = text.split(None, 1)[0].upper()
            found.append(InstructionPlace(line, keyword, text, planned.shown, made.get(span, "")))
    return found


def _made_in(instruction: Instruction, planned: Plan) -> str:
    """For a `COPY --from` of another stage: that stage, and the lines in which it makes files."""
    flag = instruction.node.flag("from")
    if flag is None or instruction.keyword != "COPY":
        return ""
    from dataclasses import replace

    name = flag.value or ""
    # a name that no stage has is an image
    found = stages(replace(planned.request, target=name)) if name else []
    if not found:
        return ""
    lines = [each for stage in found for i in stage.instructions if i.keyword == "RUN" for each in _lines(i, stage)]
    where = f", line {lines[0]}" if len(set(lines)) == 1 else f", lines {min(lines)}-{max(lines)}" if lines else ""
    return f"stage `{found[-1].name or name}`{where}"


def _lines(instruction: Instruction, stage: Stage) -> tuple[int, int]:
    span = instruction.span
    return stage.source.position(span.start).line, stage.source.position(span.end).line

"""`repro-audit check`: audit, report, and say by the exit status whether it is good."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from repro_audit.cli.audit import Audit, audit
from repro_audit.cli.options import CheckOptions
from repro_audit.cli.output import emit, note, wants_color, width
from repro_audit.cli.problem import CannotError
from repro_audit.record import replace
from repro_audit.report import FORMATS, Look, render

if TYPE_CHECKING:
    from collections.abc import Iterable

    from repro_audit.filetree import Tree
    from repro_audit.result import Result
    from repro_audit.verify.record import Proof


def check(options: CheckOptions) -> int:
    """Run the command; gives the exit status, raises CannotError."""
    shown_as = options.format or "text"
    beside = [_report(text) for text in options.report]
    progress = not options.quiet and sys.stderr is not None and sys.stderr.isatty()
    done = audit(options, progress=progress)
    if options.fix:
        from repro_audit.cli.mend import apply_fixes

        mended = apply_fixes(done, unsafe=False, write=True)
        if mended.changed and "-" not in options.paths:
            done = audit(options, progress=progress)
        for line in mended.notes:
            note(line)
    if options.write_baseline is not None:
        return _write_baseline(done, options.write_baseline)
    result = _compared(done, options)
    if options.record is not None:
        result = _proven(result, done.trees, options.record)
    if not (options.quiet and shown_as == "text" and not result.findings):
        look = Look(color=wants_color(options.color, options.output), width=width(), summary=not options.quiet)
        emit(render(result, shown_as, look), options.output)
    for name, path in beside:
        emit(render(result, name), path)
    for text in (*done.traces, *done.missing):
        note(text)
    if done.missing:
        return 2
    return 1 if result.failed else 0


def _report(text: str) -> tuple[str, str]:
    """The format and the file of `--report FORMAT=FILE`; raises CannotError."""
    name, _, path = text.partition("=")
    if name not in FORMATS or not path:
        raise CannotError(f"--report {text}: expected FORMAT=FILE with one of {', '.join(FORMATS)}")
    return name, path


def _compared(done: Audit, options: CheckOptions) -> Result:
    """The result less what the baseline knows."""
    name = options.baseline
    if name is None and done.config.baseline is not None:
        name = os.path.join(done.config.folder, done.config.baseline)
    if name is None:
        return done.result
    from repro_audit import baseline
    from repro_audit.result import Note

    try:
        with open(name, encoding="utf-8") as file:
            known = baseline.load(file.read())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CannotError(f"{name}: the baseline cannot be used: {reason}") from None
    compared = baseline.compare(done.result.findings, known)
    notes = done.result.notes
    if compared.gone:
        what = "1 finding" if compared.gone == 1 else f"{compared.gone} findings"
        notes = (*notes, Note(f"{what} of the baseline no longer occur; write it anew", name))
    return replace(done.result, findings=compared.new, baselined=compared.known, notes=notes)


def _proven(result: Result, trees: Iterable[Tree], name: str) -> Result:
    """The result at the level that a record of `verify` proves, as far as it goes: it tells of one Dockerfile and what
    that takes from its context. A note says what it proves, or why nothing.
    """
    from repro_audit.result import Note, level_of
    from repro_audit.verify.record import RecordError, proven

    try:
        proof = proven(name)
    except RecordError as error:
        raise CannotError(str(error)) from None
    level, said = result.level, proof.reason
    if proof.level is not None:
        dockerfile, covered = _covered(trees, proof)
        if dockerfile is None:
            said = f"it proves level {proof.level} of {os.path.relpath(proof.dockerfile)}, which is not audited here"
        elif level is not None:
            others = [each for each in result.inputs if each.path not in covered]
            level = min(proof.level, level_of(each.pin for each in others)) if others else proof.level
            said = f"level {proof.level} of {dockerfile} {proof.reason}"
            if level < proof.level:
                said += f"; inputs of other files, such as {others[0].path}, keep the project at level {level}"
    return replace(result, level=level, notes=(*result.notes, Note(said, name)))


def _covered(trees: Iterable[Tree], proof: Proof) -> tuple[str | None, set[str]]:
    """How reports call the Dockerfile that was verified, None where it is not audited; and all files that it covers:
    itself, and lists of packages in its context, which can only reach the image through it.
    """
    dockerfile, found = None, set()
    real, context = os.path.realpath(proof.dockerfile), os.path.realpath(proof.context) + os.sep
    for tree in trees:
        for file in tree.files:
            place = os.path.realpath(os.path.join(tree.root, file.path))
            if place == real:
                dockerfile = file.shown
                found.add(file.shown)
            elif file.kind in _LISTS and place.startswith(context):
                found.add(file.shown)
    return dockerfile, found


_LISTS = frozenset(
    "requirements constraints pyproject uv-lock poetry-lock pdm-lock pylock pipfile pipfile-lock conda".split()
)


def _write_baseline(done: Audit, name: str) -> int:
    from repro_audit import baseline

    if done.missing:
        raise CannotError(done.missing[0])
    emit(baseline.dump(done.result.findings), name)
    count = len(done.result.findings)
    note(f"wrote {count} finding{'' if count == 1 else 's'} to {name}")
    return 0

"""`repro-audit check`: audit, report, and say by the exit status whether it is good."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from repro_audit.cli.audit import Audit, audit
from repro_audit.cli.options import CheckOptions
from repro_audit.cli.output import emit, note, wants_color, width
from repro_audit.cli.problem import CannotError
from repro_audit.record import replace
from repro_audit.report import FORMATS, Look, render

if TYPE_CHECKING:
    from repro_audit.result import Result


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
        result = _proven(result, options.record)
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
        import os

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


def _proven(result: Result, name: str) -> Result:
    """The result at the level that a record of `verify` proves, or with a note that says why it proves nothing."""
    from repro_audit.result import Note
    from repro_audit.verify.record import RecordError, proven

    try:
        proof = proven(name)
    except RecordError as error:
        raise CannotError(str(error)) from None
    notes = (*result.notes, Note(f"level {proof.level} {proof.reason}" if proof.level else proof.reason, name))
    return replace(result, level=proof.level or result.level, notes=notes)


def _write_baseline(done: Audit, name: str) -> int:
    from repro_audit import baseline

    if done.missing:
        raise CannotError(done.missing[0])
    emit(baseline.dump(done.result.findings), name)
    count = len(done.result.findings)
    note(f"wrote {count} finding{'' if count == 1 else 's'} to {name}")
    return 0

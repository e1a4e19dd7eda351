"""Applies the fixes of an audit to its files. Used by `fix` and by `check --fix`."""

from __future__ import annotations

import os

from repro_audit import fix
from repro_audit.cli.audit import Audit
from repro_audit.cli.problem import CannotError
from repro_audit.discover import File, Tree
from repro_audit.facts.project import Project
from repro_audit.finding import Finding
from repro_audit.record import dataclass
from repro_audit.save import SaveError, rewritten, save
from repro_audit.source import Source


@dataclass(slots=True, frozen=True)
class Change:
    """One file that fixes change: its text before and after, and how many findings that mends."""

    file: File
    before: Source
    after: Source
    applied: int


@dataclass(slots=True, frozen=True)
class Changes:
    """What fixing came to. `notes` say what could not be done, a line each; `failed` that a file was not written."""

    changed: tuple[Change, ...]
    notes: tuple[str, ...]
    failed: bool = False


def apply_fixes(audit: Audit, *, unsafe: bool, write: bool) -> Changes:
    """Mend what can be mended, and write the files where `write` says so (never standard input)."""
    by_path: dict[str, list[Finding]] = {}
    for finding in audit.result.findings:
        if finding.fix is not None and (unsafe or finding.fix.safe):
            by_path.setdefault(finding.path, []).append(finding)
    changes: list[Change] = []
    notes: list[str] = []
    failed = False
    for tree in audit.trees:
        for file in tree.files:
            own = by_path.get(file.shown)
            if not own:
                continue
            mended = _mended(audit, tree, file, own, unsafe)
            notes += [
                f"{file.shown}: {skipped.finding.rule} was not fixed: {skipped.reason}" for skipped in mended.skipped
            ]
            before = own[0].source
            if mended.source.text == before.text:
                continue
            changes.append(Change(file, before, mended.source, len(mended.applied)))
            if write and file.path not in tree.given:
                try:
                    _save(tree, file, mended.source)
                except SaveError as error:
                    notes.append(str(error))
                    changes.pop()
                    failed = True
    return Changes(tuple(changes), tuple(notes), failed)


def _mended(audit: Audit, tree: Tree, file: File, findings: list[Finding], unsafe: bool) -> fix.Mended:
    def with_text(source: Source) -> Project:
        changed = Tree(
            tree.root,
            tree.files,
            given={**tree.given, file.path: source.encode(source.text)},
            named=tree.named,
            shown_prefix=tree.shown(""),
        )
        return Project(changed, audit.config.for_rules)

    def reparse(source: Source) -> int:
        return len(with_text(source).facts(file.path).errors)

    def again(source: Source) -> tuple[Finding, ...]:
        # The fixer's own source has to stand in the findings, whose edits are places of it.
        return audit.engine.file(with_text(source), file).findings

    return fix.mend(findings[0].source, findings, unsafe=unsafe, reparse=reparse, audit=again)


def _save(tree: Tree, file: File, source: Source) -> None:
    place = os.path.join(tree.root, file.path)
    try:
        before = tree.read(file.path)
    except OSError as error:
        raise SaveError(f"{file.shown}: not changed, {error.strerror or error}") from None
    # A file that the user named may be a link to elsewhere; one that was found may not.
    root = None if file.path in tree.named else tree.root
    save(place, rewritten(source, before), expected=before, root=root)


def text_of_input(audit: Audit, changes: Changes) -> str | None:
    """The fixed text of standard input, or as it came when nothing was to be fixed; None where it was not audited."""
    for tree in audit.trees:
        for path in tree.given:
            for change in changes.changed:
                if change.file.path == path:
                    return change.after.text
            try:
                return Source.from_bytes(path, tree.read(path)).text
            except OSError as error:
                raise CannotError(f"standard input: {error}") from None
    return None

"""The engine: shows every fact of a file to the rules that ask for its type, and turns what they say into findings.

Called by the CLI with a `Project` and a `Selection`. A rule that breaks and a file that breaks become findings of the
rule `internal-error`; the rest goes on.
"""

from __future__ import annotations

import enum
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from repro_audit import checks, suppression
from repro_audit.credential import masked
from repro_audit.facts.pin import Level
from repro_audit.finding import Finding, Fix, Problem, Severity
from repro_audit.match import compile_match
from repro_audit.result import InputRecord
from repro_audit.rulebook import FACT_NAMES, KINDS
from repro_audit.source import Source, Span
from repro_audit.syntax.error import Error

if TYPE_CHECKING:
    from repro_audit.discover import File
    from repro_audit.facts.file import FileFacts
    from repro_audit.facts.project import Project
    from repro_audit.selection import Chosen, Selection

# What a rule does with a fact: adds its findings to the list.
Runner = Callable[[object, Source, list[Finding]], None]

_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_VALUE_LIMIT = 160
_ERRORS_LISTED = 100
_START = Span(0, 0)


class Failure(NamedTuple):
    """A rule, or the reading of a file, that broke: a fact, so that a rule reports it. `detail` is the traceback."""

    source: Source
    span: Span
    rule: str
    error: str
    detail: str = ""


class Audited(NamedTuple):
    """What came of one file.

    `findings` are those that count, `suppressed` how many comments silenced. `failures` are tracebacks, empty unless
    debugging. `read` is false where the file, or a part of it, could not be read.
    """

    findings: tuple[Finding, ...] = ()
    inputs: tuple[InputRecord, ...] = ()
    suppressed: int = 0
    failures: tuple[str, ...] = ()
    read: bool = True


class Engine:
    """The rules of one selection, ready to run. Made once; holds nothing of the files it has seen."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self._by_name: dict[str, list[Chosen]] = {}
        for chosen in selection.chosen.values():
            for name in chosen.rule.on:
                self._by_name.setdefault(name, []).append(chosen)
        self._runners: dict[str, Runner] = {}
        self._by_names: dict[tuple[str, ...], tuple[tuple[str, Runner], ...]] = {}
        self._judged: set[str] | None = None
        self._prefixes: dict[str, str] = {}

    def file(self, project: Project, file: File) -> Audited:
        """What the selected rules say about one file of the project."""
        try:
            facts = project.facts(file.path)
        except Exception as error:
            return self.failed(_failure(Source(file.shown, ""), "", error))
        found: list[Finding] = []
        failed: dict[str, Failure] = {}
        source = facts.source
        self._report(facts.errors, source, found)
        self._show(facts, ("file", *KINDS.get(file.kind, ())), source, found, failed)
        by_type: dict[type, tuple[tuple[str, Runner], ...]] = {}
        for fact in facts.facts:
            kind = type(fact)
            runners = by_type.get(kind)
            if runners is None:
                runners = by_type[kind] = self._for(FACT_NAMES.get(kind.__name__, ()))
            if runners:
                self._run(runners, fact, source, found, failed)
        for failure in failed.values():
            self._show(failure, ("failure",), source, found, None)
        kept, suppressed = self._settle(facts, found)
        return Audited(
            tuple(kept),
            tuple(_records(project, file)),
            suppressed,
            tuple(f.detail for f in failed.values()),
            read=not facts.errors,
        )

    def unreadable(self, shown: str, message: str) -> Audited:
        """What there is to say about a place that could not even be opened."""
        source = Source(shown, "")
        found: list[Finding] = []
        self._report((Error(Span(0, 0), message),), source, found)
        return Audited(tuple(found), read=False)

    def broken_rule(self, path: str, reason: str) -> Audited:
        """What there is to say about a rule file of the user that cannot be used."""
        return self.failed(Failure(Source(path, ""), Span(0, 0), "this rule file", reason))

    def failed(self, failure: Failure) -> Audited:
        """What there is to say about a file that could not be looked at at all."""
        found: list[Finding] = []
        self._show(failure, ("failure",), failure.source, found, None)
        return Audited(tuple(found), failures=(failure.detail,), read=False)

    def project(self, project: Project) -> Audited:
        """What the rules for whole projects say."""
        runners = self._for(("project",))
        found: list[Finding] = []
        failed: dict[str, Failure] = {}
        if runners:
            self._run(runners, project, Source(project.tree.shown(""), ""), found, failed)
        for failure in failed.values():
            self._show(failure, ("failure",), failure.source, found, None)
        by_shown = {file.shown: file for file in project.files}
        kept: list[Finding] = []
        suppressed = 0
        for path in dict.fromkeys(finding.path for finding in found):
            own = [finding for finding in found if finding.path == path]
            file = by_shown.get(path)
            if file is None:
                kept += [f for f in own if self.selection.finish(f, path, "") is not None]
                continue
            place = self._from_root(project, file.path)
            own = [f for each in own if (f := self.selection.finish(each, place, file.kind)) is not None]
            stay, silenced = suppression.read(project.facts(file.path)).apply(own)
            kept += stay
            suppressed += silenced
        return Audited(tuple(kept), (), suppressed, tuple(f.detail for f in failed.values()))

    # --- from facts to findings -----------------------------------------------------------------------------------

    def _for(self, names: tuple[str, ...]) -> tuple[tuple[str, Runner], ...]:
        known = self._by_names.get(names)
        if known is None:
            rules = {chosen.rule.id: chosen for name in names for chosen in self._by_name.get(name, ())}
            known = self._by_names[names] = tuple((key, self._runner(chosen)) for key, chosen in rules.items())
        return known

    def _runner(self, chosen: Chosen) -> Runner:
        rule = chosen.rule
        known = self._runners.get(rule.id)
        if known is None:
            try:
                known = _check_runner(chosen, checks.find(rule.check)) if rule.check else _match_runner(chosen)
            except Exception as broken:
                # Raised when the rule runs, where a broken rule is reported like any other failure.
                known = _raiser(broken)
            self._runners[rule.id] = known
        return known

    def _show(
        self,
        fact: object,
        names: tuple[str, ...],
        source: Source,
        found: list[Finding],
        failed: dict[str, Failure] | None,
    ) -> None:
        self._run(self._for(names), fact, source, found, {} if failed is None else failed)

    def _run(
        self,
        runners: Iterable[tuple[str, Runner]],
        fact: object,
        source: Source,
        found: list[Finding],
        failed: dict[str, Failure],
    ) -> None:
        for name, run in runners:
            try:
                run(fact, source, found)
            except Exception as error:
                if name not in failed:
                    span = getattr(fact, "span", None)
                    failed[name] = _failure(source, name, error, span if isinstance(span, Span) else Span(0, 0))

    def _report(self, errors: Sequence[Error], source: Source, found: list[Finding]) -> None:
        """Syntax errors go to the rule that they name, those that name none to `syntax`.

        Of a file with hundreds, which is of another kind than it was taken for, the first are reported.
        """
        if len(errors) > _ERRORS_LISTED:
            more = Error(errors[_ERRORS_LISTED].span, f"{len(errors) - _ERRORS_LISTED} more errors are not listed")
            errors = (*errors[:_ERRORS_LISTED], more)
        runners = dict(self._for(("syntax-error",)))
        for error in errors:
            run = runners.get(error.code or "syntax")
            if run is not None:
                run(error, source, found)

    # --- from findings to those that count ------------------------------------------------------------------------

    def _settle(self, facts: FileFacts, found: list[Finding]) -> tuple[list[Finding], int]:
        finish, kind = self.selection.finish, facts.file.kind
        path = self._from_root(facts.project, facts.file.path)
        counted = [f for each in found if (f := finish(each, path, kind)) is not None]
        suppressions = suppression.read(facts)
        suppressed = 0
        if suppressions is not suppression.NOTHING:
            own = [f for f in counted if f.source is facts.source]
            kept, suppressed = suppressions.apply(own)
            counted = kept + [f for f in counted if f.source is not facts.source]
            if self._for(("suppression",)):
                idle: list[Finding] = []
                for needless in suppressions.unused(self._all_judged(), self.selection.known):
                    self._show(needless, ("suppression",), facts.source, idle, None)
                counted += [f for each in idle if (f := finish(each, path, kind)) is not None]
        return _unique(counted), suppressed

    def _from_root(self, project: Project, path: str) -> str:
        """The path relative to the folder of the configuration, from which its patterns count."""
        root, top = self.selection.root, project.root
        if not root or root == top or not self.selection.per_file:
            return path
        prefix = self._prefixes.get(top)
        if prefix is None:
            prefix = self._prefixes[top] = os.path.relpath(top, root).replace(os.sep, "/") + "/"
        return os.path.normpath(prefix + path)

    def _all_judged(self) -> set[str]:
        """The names (lower case) that a comment may be called needless for: all that they mean has run on this file.

        The empty name stands for all rules. Rules for projects run elsewhere and are left out.
        """
        if self._judged is None:
            judged: set[str] = set()
            for chosen in self.selection.chosen.values():
                rule = chosen.rule
                if "project" not in rule.on and chosen.only is None and not chosen.hidden:
                    judged.update((rule.id, *(alias.lower() for alias in rule.all_aliases)))
            self._judged = judged
        return self._judged


def _check_runner(chosen: Chosen, check: Callable[[object], Iterable[Problem]]) -> Runner:
    finding = _maker(chosen)

    def run(fact: object, _source: Source, found: list[Finding]) -> None:
        for problem in check(fact):
            found.append(finding(fact, problem))

    return run


def _match_runner(chosen: Chosen) -> Runner:
    assert chosen.rule.match is not None
    test = compile_match(chosen.rule.match)
    finding = _maker(chosen)

    def run(fact: object, source: Source, found: list[Finding]) -> None:
        if test(fact):
            place = getattr(fact, "source", source)
            fix = getattr(fact, "fix", None)
            span = getattr(fact, "span", Span(0, 0))
            found.append(finding(fact, Problem(place, span, fix=fix if isinstance(fix, Fix) else None)))

    return run


def _raiser(broken: Exception) -> Runner:
    def run(_fact: object, _source: Source, _found: list[Finding]) -> None:
        raise broken

    return run


def _maker(chosen: Chosen) -> Callable[[object, Problem], Finding]:
    """A function that makes a finding of what a rule says about a fact."""
    rule, forced = chosen.rule, chosen.severity
    # A rule that is off has no severity of its own; whoever asks for it wants to know, not to fail.
    usual = rule.severity or Severity.INFO
    named, constant = rule.aliases, rule.aliases_for(None)
    by_ecosystem = len(named) > (1 if "" in named else 0)
    template = rule.message if "{" in rule.message else None

    def finding(fact: object, problem: Problem) -> Finding:
        message = problem.message
        if message is None:
            message = _filled(template, fact, problem) if template is not None else rule.message
        aliases = problem.aliases
        if aliases is None:
            aliases = rule.aliases_for(getattr(fact, "ecosystem", None)) if by_ecosystem else constant
        return Finding(
            rule.id,
            rule.family,
            forced or problem.severity or usual,
            masked(message),
            problem.source,
            problem.span,
            problem.fix,
            problem.related,
            aliases,
        )

    return finding


def _filled(template: str, fact: object, problem: Problem) -> str:
    """The message with its `{names}` filled in; only plain attributes are looked up, their text is not read again."""

    def value(found: re.Match[str]) -> str:
        name = found[1]
        text = _spelt(problem.values[name] if name in problem.values else getattr(fact, name, None))
        return text if len(text) <= _VALUE_LIMIT else text[: _VALUE_LIMIT - 1] + "…"

    return _PLACEHOLDER.sub(value, template)


def _spelt(value: object) -> str:
    if value is None:
        return "?"
    if isinstance(value, enum.Enum):
        return value.name.lower()
    if isinstance(value, (tuple, list)):
        return ", ".join(_spelt(item) for item in value[:20])
    return str(value)


def _failure(source: Source, rule: str, error: Exception, span: Span = _START) -> Failure:
    detail = ""
    if os.environ.get("REPRO_AUDIT_DEBUG"):
        import traceback

        detail = "".join(traceback.format_exception(error))
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return Failure(source, span, rule or "reading the file", what, detail)


def _unique(findings: list[Finding]) -> list[Finding]:
    """The findings in order of place, each once though several facts led to it."""
    if len(findings) < 2:
        return findings
    first: dict[tuple[str, Span, str, str], Finding] = {}
    for finding in findings:
        first.setdefault((finding.path, finding.span, finding.rule, finding.message), finding)
    return [first[key] for key in sorted(first)]


# --- inputs -----------------------------------------------------------------------------------------------------------


def _records(project: Project, file: File) -> Iterator[InputRecord]:
    """The external inputs that stand in a file, as reports list them."""
    for fact in project.inputs(file.path):
        if fact.pin.level is Level.LOCAL:
            continue
        source, span = fact.source, fact.span
        requested: object = ""
        for name in ("specifier", "revision", "ref"):
            requested = getattr(fact, name, None) or requested
        if fact.kind == "image":
            requested = getattr(fact, "digest", None) or getattr(fact, "tag", None) or ""
        where = getattr(fact, "where", None) or getattr(fact, "via", None) or getattr(fact, "tool", None) or ""
        yield InputRecord(
            kind=fact.kind,
            ecosystem=getattr(fact, "ecosystem", ""),
            name=masked(fact.name),
            requested=str(requested),
            pin=fact.pin.level,
            reason=fact.pin.reason,
            path=source.path,
            start=source.position(span.start),
            end=source.position(span.end),
            where=str(where),
        )

"""One audit from paths to a `Result`: configuration, rule book, files, engine. Used by `check`, `fix` and `inputs`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple

from repro_audit import config as configuration
from repro_audit import parallel, rulebook
from repro_audit.cli.options import Request
from repro_audit.cli.problem import CannotError
from repro_audit.config import Config
from repro_audit.discover import Tree, Trouble, discover
from repro_audit.engine import Engine
from repro_audit.facts.project import Project
from repro_audit.finding import Finding, Severity
from repro_audit.result import InputRecord, Note, Result, RuleRecord, RuleText, level_of
from repro_audit.selection import Selection, SelectionError, choose

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from repro_audit.rulebook import Rule, RuleBook


class Audit(NamedTuple):
    """An audit that was done.

    `missing` says which of the paths asked for could not be audited, and why; `traces` are what broke, for debugging.
    """

    config: Config
    book: RuleBook
    engine: Engine
    trees: tuple[Tree, ...]
    result: Result
    missing: tuple[str, ...]
    traces: tuple[str, ...] = ()


def load_config(request: Request) -> Config:
    """The configuration that holds for the paths; raises CannotError."""
    start = request.paths[0] if request.paths and request.paths[0] != "-" else request.stdin_filename or "."
    try:
        if request.no_config:
            return Config()
        return configuration.read(request.config) if request.config else configuration.find(start)
    except configuration.ConfigError as error:
        raise CannotError(str(error)) from None


def load_book(config: Config | None = None) -> tuple[RuleBook, list[tuple[str, str]]]:
    """The rule book with the user's own rules, and which of their files are broken (path and reason)."""
    try:
        book = rulebook.load()
        if config is None or not config.rules:
            return book, []
        rules: list[Rule] = []
        broken: list[tuple[str, str]] = []
        for name in config.rules:
            found, bad = rulebook.read_user_rules(_rules_folder(name, config))
            rules += found
            broken += bad
        return book.extended(rules), broken
    except rulebook.RuleError as error:
        raise CannotError(str(error)) from None
    except OSError as error:
        raise CannotError(f"{error.filename}: the rules cannot be read: {error.strerror or error}") from None


def _rules_folder(name: str, config: Config) -> str:
    """The folder of rule files that `rules` names: a path from the configuration file, or `package:NAME`."""
    if name.startswith("package:"):
        from repro_audit.checks import CheckError, provided

        try:
            module = provided(name[len("package:") :])
        except (CheckError, ImportError) as error:
            raise CannotError(f"{config.path}: rules: {error}") from None
        return os.path.join(os.path.dirname(str(getattr(module, "__file__", ""))), "rules")
    folder = os.path.join(config.folder, name)
    if not os.path.isdir(folder):
        raise CannotError(f"{config.path}: rules: there is no folder {os.path.relpath(folder)}")
    return folder


def select(book: RuleBook, config: Config, request: Request) -> Selection:
    """The rules of this run; the command line's `--select` replaces the configured one, `--ignore` adds to it."""
    try:
        return choose(
            book,
            select=request.select or config.select,
            ignore=(*config.ignore, *request.ignore),
            extend_select=(*config.extend_select, *request.extend_select),
            severity=config.severity,
            strict=(request.profile or config.profile) == "strict",
            per_file_ignores=config.per_file_ignores,
            hadolint=config.hadolint,
            root=config.folder,
        )
    except SelectionError as error:
        raise CannotError(str(error)) from None


def fail_on(config: Config, request: Request) -> Severity | None:
    """From which severity findings fail the run: as asked, else errors, and warnings too in the strict profile."""
    strict = (request.profile or config.profile) == "strict"
    name = request.fail_on or config.fail_on or ("warning" if strict else "error")
    return None if name == "never" else Severity.parse(name)


def audit(request: Request, *, progress: bool = False) -> Audit:
    """Do what is asked, with a bar on standard error where `progress` says so; raises CannotError."""
    started = time.perf_counter()
    config = load_config(request)
    book, broken = load_book(config)
    selection = select(book, config, request)
    engine = Engine(selection)
    trees = find(request, config)
    count = sum(len(tree.files) for tree in trees)
    jobs = request.jobs or config.jobs or parallel.default_jobs(count)
    findings: list[Finding] = []
    inputs: list[InputRecord] = []
    traces: list[str] = []
    complete = True
    suppressed = 0
    with _progress(count, enabled=progress) as advance:
        projects = [Project(tree, config.for_rules) for tree in trees]
        done = parallel.audit_files(engine, projects, jobs, advance)
        for project in projects:
            done.append(engine.project(project))
            done += [engine.unreadable(p.shown, p.message) for p in project.tree.problems if p.reason == "unreadable"]
    for audited in done:
        findings += audited.findings
        inputs += audited.inputs
        suppressed += audited.suppressed
        complete = complete and audited.read
        traces += [detail for detail in audited.failures if detail]
    for path, reason in broken:
        findings += engine.broken_rule(os.path.relpath(path), reason).findings
    # Two Dockerfiles that install from one list of packages say the same about it.
    findings = list({(f.path, f.span, f.rule, f.message): f for f in findings}.values())
    findings.sort(key=lambda f: (f.path, f.span, f.rule, f.message))
    problems = [problem for tree in trees for problem in tree.problems]
    notes = [Note(p.message, p.shown) for p in problems if not _stops(p) and p.reason != "unreadable" and p.named]
    level = level_of(record.pin for record in inputs) if count else None
    result = Result(
        findings=tuple(findings),
        inputs=tuple(inputs),
        # What could not be read may hold worse.
        level=level if complete or not level else None,
        files=count,
        rules_run=len(selection.chosen),
        rules=records(book, findings),
        suppressed=suppressed,
        notes=tuple(notes),
        duration=time.perf_counter() - started,
        fail_on=fail_on(config, request),
        text=_texts(book),
    )
    missing = tuple(f"{problem.shown}: {problem.message}{_meant(problem)}" for problem in problems if _stops(problem))
    return Audit(config, book, engine, tuple(trees), result, missing, tuple(dict.fromkeys(traces)))


def find(request: Request, config: Config) -> list[Tree]:
    """The trees to audit; raises CannotError where standard input cannot be read."""
    paths = request.paths or (".",)
    data = b""
    if "-" in paths:
        try:
            data = sys.stdin.buffer.read()
        except (OSError, ValueError, AttributeError) as error:
            raise CannotError(f"standard input cannot be read: {error}") from None
    try:
        return discover(
            paths,
            exclude=config.exclude,
            exclude_from=config.folder or None,
            stdin_name=request.stdin_filename or ("Dockerfile" if "-" in paths else None),
            stdin=data,
        )
    except OSError as error:
        raise CannotError(f"{error.filename or '.'}: {error.strerror or error}") from None


def records(book: RuleBook, findings: Iterable[Finding]) -> dict[str, RuleRecord]:
    """What reports may say about the rules that findings name."""
    found: dict[str, RuleRecord] = {}
    for finding in findings:
        if finding.rule not in found:
            rule = book.rules[finding.rule]
            found[rule.id] = RuleRecord(
                rule.id, rule.family, rule.summary, rule.severity or Severity.INFO, rule.all_aliases, rule.references
            )
    return found


def _texts(book: RuleBook) -> Callable[[str], RuleText]:
    def text(rule: str) -> RuleText:
        try:
            return book.text(rule)
        except (KeyError, OSError, rulebook.RuleError):
            return RuleText("", "")  # a report without the prose is better than none

    return text


def _meant(problem: Trouble) -> str:
    """The command that a path which is not there may have been meant for."""
    if problem.reason != "missing" or not problem.shown.isalpha():
        return ""
    from repro_audit.cli.main import COMMANDS
    from repro_audit.rulebook import nearest

    close = nearest(problem.shown, COMMANDS)
    return f"; did you mean the command `{close}`?" if close else ""


def _stops(problem: Trouble) -> bool:
    """Whether a place that could not be audited means that the program could not do what it was asked."""
    return problem.named and problem.reason in ("missing", "special", "broken-link", "outside", "unknown")


def _progress(total: int, *, enabled: bool) -> AbstractContextManager[Callable[[int], None]]:
    if not enabled or total < 2:
        return nullcontext(lambda _count: None)
    from repro_audit.report.progress import progress

    return progress(total, "auditing", enabled=True)

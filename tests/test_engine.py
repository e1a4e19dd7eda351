"""The engine: facts to rules, rules to findings, and what breaks on the way."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Iterator

import pytest

from repro_audit import checks, parallel
from repro_audit.discover import File
from repro_audit.engine import Audited, Engine
from repro_audit.facts.file import FileFacts
from repro_audit.facts.input import Package
from repro_audit.facts.pin import Level, Pin
from repro_audit.finding import Edit, Finding, Fix, Problem, Severity
from repro_audit.rulebook import Rule, RuleBook
from repro_audit.selection import choose
from repro_audit.source import Source, Span
from repro_audit.syntax.error import Error


def rule(name: str, on: str = "package", **more: object) -> Rule:
    fields: dict[str, object] = {"message": "{name} of {ecosystem}", "severity": Severity.WARNING, **more}
    if "check" not in fields:
        fields.setdefault("match", {})
    return Rule(id=name, family="pinning", summary="s", on=(on,), file="f.yaml", **fields)  # type: ignore[arg-type]


INTERNAL = rule("internal-error", "failure", message="{rule} failed: {error}", severity=Severity.ERROR)
SYNTAX = rule("syntax", "syntax-error", message="{message}", severity=Severity.ERROR)


class FakeProject:
    """As much of a project as the engine uses: a package for each line of each file."""

    root = "/r"

    def __init__(self, texts: dict[str, str], errors: tuple[Error, ...] = ()) -> None:
        self.files = tuple(File(path, path, "requirements") for path in texts)
        self.texts = texts
        self.errors = errors
        self.tree = types.SimpleNamespace(shown=lambda path: path)

    def facts(self, path: str) -> FileFacts:
        text = self.texts[path]
        if text == "unreadable":
            raise RuntimeError("boom")
        if text == "deadly":
            os._exit(7)
        source = Source(path, text)
        facts = []
        at = 0
        for line in text.splitlines(keepends=True):
            name = line.split("#")[0].strip()
            span = Span(at, at + len(name))
            pin = Pin(Level.LOCAL if name.startswith(".") else Level.FLOATING, "no version")
            if name:
                facts.append(Package(source, span, "pip", name, "", None, pin, "requirements", span))
            at += len(line)
        comments = tuple((n, line.split("#", 1)[1]) for n, line in enumerate(text.splitlines(), 1) if "#" in line)
        file = next(file for file in self.files if file.path == path)
        return FileFacts(source, file, None, tuple(facts), self.errors, comments, self)  # type: ignore[arg-type]

    def inputs(self, path: str) -> tuple[object, ...]:
        return self.facts(path).facts


def engine(*rules: Rule, **settings: object) -> Engine:
    book = RuleBook({r.id: r for r in (*rules, INTERNAL)})
    return Engine(choose(book, **settings))  # type: ignore[arg-type]


def audit(text: str, *rules: Rule, errors: tuple[Error, ...] = (), **settings: object) -> Audited:
    project = FakeProject({"requirements.txt": text}, errors)
    return engine(*rules, **settings).file(project, project.files[0])  # type: ignore[arg-type]


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module of checks that is there for the length of a test."""
    made = types.ModuleType("repro_audit.checks.made_up")
    monkeypatch.setitem(sys.modules, "repro_audit.checks.made_up", made)
    monkeypatch.setattr(checks.os.path, "exists", lambda path: str(path).endswith("made_up.py"))
    return made


def told(audited: Audited) -> list[tuple[str, str]]:
    return [(f.rule, f.message) for f in audited.findings]


def test_a_match_becomes_a_finding_with_the_facts_own_words() -> None:
    (found,) = audit(
        "numpy\nscipy\n", rule("r", match={"name": "scipy"}, aliases={"pip": ("DL3013",), "apt": ("X",)})
    ).findings
    assert (found.rule, found.message, found.severity) == ("r", "scipy of pip", Severity.WARNING)
    assert found.source.slice(found.span) == "scipy"
    assert found.aliases == ("DL3013",)


def test_a_message_is_filled_from_plain_attributes_only() -> None:
    audited = audit("{pin}\n", rule("r", message="{name} {pin.level} {__class__} {nothing}"))
    assert told(audited) == [("r", "{pin} {pin.level} {__class__} ?")]


def test_what_a_check_says_replaces_what_the_rule_says(module: types.ModuleType) -> None:
    def check(fact: Package) -> Iterator[Problem]:
        fix = Fix("t", (Edit(fact.span, "x"),))
        yield Problem(fact.source, fact.span, values={"name": "it"}, fix=fix)
        yield Problem(fact.source, fact.span, "own words", severity=Severity.INFO, aliases=("Y",))

    module.check = check  # type: ignore[attr-defined]
    one, two = audit("numpy\n", rule("r", check="made_up.check", aliases={"": ("X",)})).findings
    assert (one.message, one.severity, one.aliases, one.fix is not None) == (
        "it of pip",
        Severity.WARNING,
        ("X",),
        True,
    )
    assert (two.message, two.severity, two.aliases) == ("own words", Severity.INFO, ("Y",))


def test_a_rule_sees_files_inputs_and_kinds_by_name() -> None:
    audited = audit(
        "numpy\n", rule("a", "input"), rule("b", "requirements", message="m"), rule("c", "file", message="m")
    )
    assert [f.rule for f in audited.findings] == ["b", "c", "a"]


def test_a_broken_check_is_one_finding_and_the_others_go_on(module: types.ModuleType) -> None:
    def check(fact: Package) -> Iterator[Problem]:
        raise ValueError("oh no")
        yield

    module.check = check  # type: ignore[attr-defined]
    audited = audit("numpy\nscipy\n", rule("bad", check="made_up.check"), rule("gone", check="made_up.nope"), rule("r"))
    assert sorted(told(audited)) == [
        ("internal-error", "bad failed: ValueError: oh no"),
        ("internal-error", "gone failed: CheckError: there is no check `made_up.nope`"),
        ("r", "numpy of pip"),
        ("r", "scipy of pip"),
    ]


def test_a_file_whose_reading_breaks_is_a_finding() -> None:
    audited = audit("unreadable", rule("r"))
    assert told(audited) == [("internal-error", "reading the file failed: RuntimeError: boom")]
    assert not audited.read


def test_syntax_errors_go_to_the_rule_they_name() -> None:
    named = rule("no-from", "syntax-error", message="{message}")
    errors = (Error(Span(0, 1), "bad"), Error(Span(1, 2), "none", "no-from"))
    assert told(audit("ab\n", SYNTAX, named, errors=errors)) == [("syntax", "bad"), ("no-from", "none")]
    assert told(audit("ab\n", SYNTAX, named, errors=errors, ignore=["no-from"])) == [("syntax", "bad")]


def test_comments_silence_and_needless_ones_are_told() -> None:
    unused = rule("unused-suppression", "suppression", message="{reason}")
    text = "numpy  # repro-audit: ignore[r]\nscipy\n# repro-audit: ignore[s]\nscipy\n"
    audited = audit(text, rule("r"), rule("s", match={"name": "x"}), unused)
    assert told(audited) == [
        ("r", "scipy of pip"),
        ("unused-suppression", "`s` finds nothing here"),
        ("r", "scipy of pip"),
    ]
    assert audited.suppressed == 1
    assert audited.findings[1].fix is not None


def test_rules_that_are_off_speak_as_info_when_asked_for() -> None:
    off = rule("r", severity=Severity.OFF)
    assert audit("numpy\n", off).findings == ()
    assert [f.severity for f in audit("numpy\n", off, select=["r"]).findings] == [Severity.INFO]


def test_inputs_are_listed_with_pin_and_place_but_local_ones_are_not() -> None:
    (record,) = audit("numpy\n./here\n", rule("r")).inputs
    assert (record.kind, record.ecosystem, record.name, record.pin, record.start) == (
        "package",
        "pip",
        "numpy",
        0,
        (1, 1),
    )


def test_rules_for_projects_speak_once_and_are_silenced_where_they_point(module: types.ModuleType) -> None:
    def check(project: FakeProject) -> Iterator[Problem]:
        for file in project.files:
            yield Problem(project.facts(file.path).source, Span(0, 1), f"about {file.path}")

    module.check = check  # type: ignore[attr-defined]
    project = FakeProject({"a": "x\n", "b": "x # repro-audit: ignore[r]\n"})
    audited = engine(rule("r", "project", check="made_up.check")).project(project)  # type: ignore[arg-type]
    assert told(audited) == [("r", "about a")]
    assert audited.suppressed == 1


@pytest.fixture
def many() -> FakeProject:
    return FakeProject({f"{n:03}.txt": f"p{n}\n# repro-audit: ignore[r]\nq\n" for n in range(100)})


def plain(audited: list[Audited]) -> list[object]:
    def row(f: Finding) -> tuple[object, ...]:
        return f.rule, f.message, f.severity, f.path, f.span, f.source.text, f.aliases, f.family

    return [([row(f) for f in each.findings], each.inputs, each.suppressed) for each in audited]


def test_several_processes_find_what_one_finds_in_the_same_order(many: FakeProject) -> None:
    counted: list[int] = []
    alone = parallel.audit_files(engine(rule("r")), [many], 1, lambda n: None)  # type: ignore[arg-type]
    together = parallel.audit_files(engine(rule("r")), [many], 3, counted.append)  # type: ignore[arg-type]
    assert plain(together) == plain(alone)
    assert sum(counted) == 100


def test_a_file_that_kills_its_process_is_a_finding_and_the_rest_is_audited(many: FakeProject) -> None:
    many.texts["050.txt"] = "deadly"
    found = parallel.audit_files(engine(rule("r")), [many], 2, lambda n: None)  # type: ignore[arg-type]
    assert len(found) == 100
    assert told(found[50]) == [("internal-error", "reading the file failed: its process ended with status 7")]
    assert all(each.read and each.findings for n, each in enumerate(found) if n != 50)


def test_processes_pay_only_for_many_files() -> None:
    assert parallel.default_jobs(3) == 1
    assert parallel.default_jobs(10_000) >= 1

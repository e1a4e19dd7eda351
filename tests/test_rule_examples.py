"""Every example of every rule file: bad ones are found where they say, good ones are not, fixes give what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro_audit import config, rulebook
from repro_audit.cli.audit import audit
from repro_audit.cli.mend import apply_fixes
from repro_audit.cli.options import Request
from repro_audit.discover import discover
from repro_audit.engine import Engine
from repro_audit.facts.project import Project
from repro_audit.finding import Finding
from repro_audit.report.prose import first_sentence
from repro_audit.rule_file import Example, RuleFile, read_rule_file
from repro_audit.selection import choose

FILES = [read_rule_file(path, family) for path, family in rulebook.rule_files(rulebook.rules_folder())]
BOOK = rulebook.load()
EXAMPLES = [(file.rule.id, number, example) for file in FILES for number, example in enumerate(file.examples)]


def build(folder: Path, example: Example) -> None:
    for name, text in {**example.files, example.file: example.text}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    (folder / ".git").mkdir(exist_ok=True)


def findings(rule: str, example: Example) -> tuple[Finding, ...]:
    """What the rule and its companions say about the project in the current folder."""
    settings = config.from_values(example.settings)
    # The rules that are silenced by a comment must run for a needless comment to be known.
    names = [] if rule == "unused-suppression" else [rule]
    engine = Engine(choose(BOOK, select=names))
    found: list[Finding] = []
    for tree in discover(["."]):
        project = Project(tree, settings.for_rules)
        for file in tree.files:
            found += engine.file(project, file).findings
        found += engine.project(project).findings
    return tuple(found)


def place(finding: Finding, example: Example) -> str:
    line, column = finding.source.position(finding.span.start)
    return f"{line}:{column}" if finding.path == example.file else f"{finding.path}:{line}:{column}"


@pytest.mark.parametrize(
    ("rule", "example"), [(r, e) for r, _, e in EXAMPLES], ids=[f"{r}-{n}" for r, n, _ in EXAMPLES]
)
def test_an_example_is_found_where_it_says_and_nowhere_else(
    rule: str, example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(tmp_path, example)
    monkeypatch.chdir(tmp_path)
    found = findings(rule, example)
    broken = [f"{f.path}: {f.message}" for f in found if f.rule == "internal-error"]
    assert not broken
    assert sorted(place(f, example) for f in found if f.rule == rule) == sorted(example.at)


FIXED = [(rule, number, example) for rule, number, example in EXAMPLES if example.fixed is not None]


@pytest.mark.parametrize(("rule", "example"), [(r, e) for r, _, e in FIXED], ids=[f"{r}-{n}" for r, n, _ in FIXED])
def test_a_fix_gives_the_text_it_says_and_fixing_again_changes_nothing(
    rule: str, example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(tmp_path, example)
    monkeypatch.chdir(tmp_path)
    names = () if rule == "unused-suppression" else (rule,)
    request = Request(paths=(".",), select=names, no_config=True)
    apply_fixes(audit(request), unsafe=True, write=True)
    assert (tmp_path / example.file).read_bytes().decode() == example.fixed
    assert apply_fixes(audit(request), unsafe=True, write=True).changed == ()


@pytest.mark.parametrize("file", FILES, ids=[file.rule.id for file in FILES])
def test_a_rule_has_a_bad_and_a_good_example_and_says_why_and_what_to_do(file: RuleFile) -> None:
    assert file.text.why.strip()
    assert file.text.fix.strip()
    assert file.rule.summary[0].isupper() or file.rule.summary[0] == "`"
    assert not file.rule.summary.endswith(".")
    if file.rule.id != "internal-error":  # the one that no input is known to bring about
        assert {example.bad for example in file.examples} == {True, False}


@pytest.mark.parametrize("file", FILES, ids=[file.rule.id for file in FILES])
def test_the_advice_beneath_a_finding_is_a_whole_sentence(file: RuleFile) -> None:
    advice = first_sentence(file.text.fix)
    assert advice.endswith(".") and not advice.endswith("...")

"""The rule book: strict reading, the stored form, and finding rules by other names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from repro_audit import rule_file, rulebook
from repro_audit.finding import Severity

RULE = """\
id: no-foo
summary: There is foo
severity: warning
on: image
match: {tag: foo}
message: "`{image}` has foo"
why: Foo.
fix: Bar.
examples:
  - bad: FROM a:foo
    at: ["1:6"]
  - good: FROM a:bar
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "custom").mkdir()
    return tmp_path


def write(folder: Path, text: str, name: str = "no-foo") -> str:
    path = folder / "custom" / f"{name}.yaml"
    path.write_text(text)
    return str(path)


def test_a_rule_file_gives_rule_prose_and_examples(folder: Path) -> None:
    found = rule_file.read_rule_file(write(folder, RULE + "aliases: {apt: DL1, any: [X]}\nprofile: strict\n"), "custom")
    rule = found.rule
    assert (rule.id, rule.severity, rule.on, rule.match, rule.strict) == (
        "no-foo",
        Severity.WARNING,
        ("image",),
        {"tag": "foo"},
        True,
    )
    assert rule.aliases_for("apt") == ("X", "DL1")
    assert rule.aliases_for("apk") == ("X",)
    assert found.text.why == "Foo."
    assert [(e.bad, e.file, e.text, e.at) for e in found.examples] == [
        (True, "Dockerfile", "FROM a:foo", ("1:6",)),
        (False, "Dockerfile", "FROM a:bar", ()),
    ]


def test_off_and_on_are_words(folder: Path) -> None:
    rule = rule_file.read_rule(write(folder, RULE.replace("severity: warning", "severity: off")), "custom")
    assert rule.severity is Severity.OFF


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("summary:", "sumary:", "unknown key `sumary`; did you mean `summary`?"),
        ("id: no-foo", "id: no-bar", "must be the file's name, `no-foo`"),
        ("id: no-foo", "id: NoFoo", "kebab-case"),
        ("severity: warning", "severity: fatal", "expected error, warning, info or off, found `fatal`"),
        ("on: image", "on: imge", "unknown fact type `imge`; did you mean `image`?"),
        ("match: {tag: foo}", "match: {tga: foo}", "no attribute `tga`; did you mean `tag`?"),
        ("match: {tag: foo}", "match: {tag: {regex: '('}}", "match.tag.regex: missing `)`"),
        ("match: {tag: foo}", "match: {tag: foo}\ncheck: a.b", "either `match` or `check`"),
        ("match: {tag: foo}", "check: nonsense", "not of the form `module.function`"),
        ("why: Foo.", "why: ''", "why: is empty"),
        ("why: Foo.\n", "", "`why` is missing"),
        ('    at: ["1:6"]\n', "", "examples[0]: a bad example says where"),
        ("  - good: FROM a:bar", "  - goood: FROM a:bar", "examples[1]: unknown key `goood`; did you mean `good`?"),
        ("id: no-foo", "id: [", "custom/no-foo.yaml:3:"),
        ("message:", "profile: lax\nmessage:", "profile: expected default or strict"),
    ],
)
def test_a_mistake_is_told_with_what_was_meant(folder: Path, old: str, new: str, said: str) -> None:
    assert old in RULE
    path = write(folder, RULE.replace(old, new))
    with pytest.raises(rulebook.RuleError) as caught:
        rule_file.read_rule(path, "custom")
    assert said in str(caught.value)
    assert str(caught.value).startswith(path)


def test_a_stored_book_is_the_book(folder: Path) -> None:
    write(folder, RULE + "aliases: {apt: [DL1]}\nreferences: [https://example.org]\n")
    write(folder, RULE.replace("no-foo", "all").replace("{tag: foo}", "{}"), "all")
    target = folder / "book.json"
    rulebook.compile_book(str(folder), str(target))
    stored = rulebook._book(json.loads(target.read_text()), str(folder))
    assert list(stored.rules.values()) == [
        rule_file.read_rule(path, family) for path, family in rulebook.rule_files(str(folder))
    ]
    assert stored.text("no-foo") == rule_file.RuleText("Foo.", "Bar.", ("https://example.org",))


def test_two_rules_of_one_name_are_an_error(folder: Path) -> None:
    write(folder, RULE)
    (folder / "no-foo.yaml").write_text(RULE)
    with pytest.raises(rulebook.RuleError, match="is taken by"):
        rulebook.compile_book(str(folder), str(folder / "book.json"))


def test_a_broken_file_among_the_users_rules_does_not_stop_the_others(folder: Path) -> None:
    write(folder, RULE)
    write(folder, "nonsense: 1\n", "broken")
    rules, broken = rulebook.read_user_rules(str(folder))
    assert [rule.id for rule in rules] == ["no-foo"]
    assert [(Path(path).name, "unknown key `nonsense`" in reason) for path, reason in broken] == [("broken.yaml", True)]


def test_the_shipped_book_is_stored_and_made_anew_when_a_rule_changes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = folder / "rules"
    (rules / "custom").mkdir(parents=True)
    write(rules, RULE)
    package = folder / "package"
    package.mkdir()
    for name in ("rulebook.py", "rule_file.py", "match.py"):
        (package / name).write_text("")
    monkeypatch.setattr(rulebook, "__file__", str(package / "rulebook.py"))
    assert set(rulebook.load().rules) == {"no-foo"}
    monkeypatch.setattr(rule_file, "read_rule_file", lambda *_: pytest.fail("the stored book was not used"))
    assert set(rulebook.load().rules) == {"no-foo"}
    monkeypatch.undo()
    monkeypatch.setattr(rulebook, "__file__", str(package / "rulebook.py"))
    write(rules, RULE.replace("no-foo", "no-bar"), "no-bar")
    assert set(rulebook.load().rules) == {"no-foo", "no-bar"}


def test_a_rule_is_found_by_id_family_alias_and_glob(folder: Path) -> None:
    book = rulebook.RuleBook(
        {r.id: r for r in [rule_file.read_rule(write(folder, RULE + "aliases: [DL1]\n"), "custom")]}
    )
    for name in ("no-foo", "custom", "dl1", "DL*", "no-?oo"):
        assert [rule.id for rule in book.named(name)] == ["no-foo"], name
    assert book.named("nothing") == ()
    assert book.nearest("no-fo") == "no-foo"


def test_the_shipped_rules_can_all_be_read_and_no_alias_means_a_family() -> None:
    book = rulebook.load()
    assert {"syntax", "internal-error", "unused-suppression"} <= set(book.rules)
    families = {rule.family for rule in book.rules.values()}
    assert not families & {alias.lower() for rule in book.rules.values() for alias in rule.all_aliases}

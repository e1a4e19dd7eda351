"""Comments that silence findings: what they cover, and which of them are needless."""

from __future__ import annotations

from repro_audit import suppression
from repro_audit.discover import File
from repro_audit.facts.file import FileFacts
from repro_audit.finding import Finding, Severity
from repro_audit.source import Source, Span
from repro_audit.syntax import dockerfile

KNOWN = {"a-rule", "b-rule", "not-run", "pinning", "dl3006", "dl3008"}


def facts(text: str, kind: str = "dockerfile") -> FileFacts:
    source = Source("f", text)
    comments = tuple((n, line.split("#", 1)[1]) for n, line in enumerate(text.splitlines(), 1) if "#" in line)
    tree = dockerfile.parse(source) if kind == "dockerfile" else None
    return FileFacts(source, File("f", "f", kind), tree, (), (), comments, None)  # type: ignore[arg-type]


def finding(of: FileFacts, line: int, rule: str = "a-rule", *aliases: str) -> Finding:
    start = of.source.offset(line)
    return Finding(rule, "pinning", Severity.WARNING, "m", of.source, Span(start, start + 1), aliases=aliases)


def lines_left(of: FileFacts, *found: Finding) -> list[int]:
    kept, silenced = suppression.read(of).apply(list(found))
    assert silenced == len(found) - len(kept)
    return [of.source.position(f.span.start).line for f in kept]


def mended(of: FileFacts, *judged: str) -> list[tuple[str, str | None]]:
    """The reason of each needless comment, with the text after its fix."""
    found = []
    for needless in suppression.read(of).unused(set(judged), KNOWN):
        text = None
        if needless.fix is not None:
            (edit,) = needless.fix.edits
            text = of.source.text[: edit.span.start] + edit.text + of.source.text[edit.span.end :]
        found.append((needless.reason, text))
    return found


def test_a_comment_above_an_instruction_covers_all_its_lines_and_no_other() -> None:
    of = facts("# repro-audit: ignore[a-rule] why\nRUN a \\\n b \\\n c\nRUN d\n")
    assert lines_left(of, *(finding(of, n) for n in (2, 3, 4, 5))) == [5]


def test_other_comments_and_empty_lines_may_stand_between() -> None:
    of = facts("# repro-audit: ignore[a-rule]\n\n# why\nRUN a\nRUN b\n")
    assert lines_left(of, finding(of, 4), finding(of, 5)) == [5]


def test_a_comment_between_the_lines_of_an_instruction_covers_the_next_line() -> None:
    of = facts("RUN a \\\n# repro-audit: ignore[a-rule]\n b \\\n c\n")
    assert lines_left(of, finding(of, 1), finding(of, 3), finding(of, 4)) == [1, 4]


def test_a_comment_at_the_end_of_a_line_covers_that_line() -> None:
    of = facts("a\nb # repro-audit: ignore[a-rule]\nc\n", "requirements")
    assert lines_left(of, *(finding(of, n) for n in (1, 2, 3))) == [1, 3]


def test_a_rule_may_be_named_by_alias_in_any_case_or_family_and_none_means_all() -> None:
    for name in ("[dl3006]", "[pinning]", "[x, a-rule]", ""):
        of = facts(f"# repro-audit: ignore{name}\nRUN a\n")
        assert lines_left(of, finding(of, 2, "a-rule", "DL3006")) == [], name
    of = facts("# repro-audit: ignore[other]\nRUN a\n")
    assert lines_left(of, finding(of, 2, "a-rule", "DL3006")) == [2]


def test_a_file_may_be_silenced_from_any_line() -> None:
    of = facts("RUN a\nRUN b\n# repro-audit: ignore-file[a-rule]\n")
    assert lines_left(of, finding(of, 1), finding(of, 2, "b-rule")) == [2]


def test_hadolints_comments_count_by_its_codes() -> None:
    of = facts("# hadolint ignore=DL3008,DL3009\nRUN a\nRUN b\n")
    both = (finding(of, 2, "a-rule", "DL3009"), finding(of, 3, "a-rule", "DL3009"))
    assert lines_left(of, *both) == [3]
    of = facts("FROM a\n# hadolint global ignore=DL3009\nRUN a\nRUN b\n")
    assert lines_left(of, finding(of, 1, "a-rule", "DL3009"), finding(of, 4, "b-rule")) == [4]


def test_buildkits_directive_counts_by_its_names() -> None:
    of = facts("# check=skip=JSONArgsRecommended;error=true\nFROM a\n")
    found = [finding(of, 2, "json-args", "JSONArgsRecommended"), finding(of, 2, "casing", "StageNameCasing")]
    kept, _ = suppression.read(of).apply([*found, finding(of, 2)])
    assert [(f.rule, f.severity) for f in kept] == [("casing", Severity.ERROR), ("a-rule", Severity.WARNING)]
    of = facts("# check=skip=all\nFROM a\n")
    assert lines_left(of, found[1], finding(of, 2)) == [2]


def test_a_needless_comment_is_told_and_taken_away() -> None:
    of = facts("FROM a\n# repro-audit: ignore[a-rule] why\nRUN a\n")
    assert mended(of, "a-rule") == [("`a-rule` finds nothing here", "FROM a\nRUN a\n")]
    of = facts("a==1  # repro-audit: ignore[a-rule]\nb\n", "requirements")
    assert mended(of, "a-rule") == [("`a-rule` finds nothing here", "a==1\nb\n")]


def test_of_several_names_only_the_needless_go() -> None:
    of = facts("# repro-audit: ignore[a-rule, b-rule] why\nRUN a\n")
    suppressions = suppression.read(of)
    suppressions.apply([finding(of, 2)])
    (needless,) = suppressions.unused({"a-rule", "b-rule"}, KNOWN)
    assert needless.fix is not None
    assert needless.fix.edits[0].text == "repro-audit: ignore[a-rule]"


def test_nothing_is_called_needless_that_was_used_not_judged_or_anothers() -> None:
    of = facts("# repro-audit: ignore[not-run]\nRUN a\n# hadolint ignore=DL3008\nRUN b\n")
    assert mended(of, "a-rule", "dl3008") == []
    of = facts("# repro-audit: ignore[a-rule]\n# repro-audit: ignore[pinning]\nRUN a\n")
    suppressions = suppression.read(of)
    suppressions.apply([finding(of, 3)])
    assert suppressions.unused({"a-rule", "pinning"}, KNOWN) == []


def test_a_comment_that_makes_no_sense_is_told() -> None:
    assert mended(facts("# repro-audit: ignroe[a]\nRUN a\n")) == [
        ("`ignroe` is not understood; `ignore[...]` and `ignore-file[...]` are", None)
    ]
    assert mended(facts("# repro-audit: ignore[]\nRUN a\n")) == [("it names no rule", None)]
    assert mended(facts("# repro-audit: ignore[a-rule, c-rule]\nRUN a\n")) == [("no rule is called `c-rule`", None)]
    assert mended(facts("# run repro-audit: it helps\nRUN a\n")) == []


def test_a_rule_without_brackets_silences_nothing_and_is_reported() -> None:
    of = facts("# repro-audit: ignore a-rule\nRUN a\n")
    assert lines_left(of, finding(of, 2)) == [2]
    ((reason, _),) = mended(of, "a-rule")
    assert "ignore[a-rule]" in reason


def test_a_reason_without_brackets_still_ignores_every_rule() -> None:
    of = facts("# repro-audit: ignore the nightly job wants it\nRUN a\n")
    assert lines_left(of, finding(of, 2)) == []

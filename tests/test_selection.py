"""Which rules run: by id, family, alias and glob, with profiles, severities and per-file ignores."""

from __future__ import annotations

import pytest

from repro_audit.config import Hadolint
from repro_audit.finding import Finding, Severity
from repro_audit.rulebook import Rule, RuleBook
from repro_audit.selection import Selection, SelectionError, choose, path_test
from repro_audit.source import Source, Span


def rule(name: str, family: str, severity: Severity = Severity.WARNING, **more: object) -> Rule:
    return Rule(name, family, "s", severity, ("image",), "m", f"{name}.yaml", match={}, **more)  # type: ignore[arg-type]


BOOK = RuleBook(
    {
        r.id: r
        for r in (
            rule("image-latest", "pinning", Severity.ERROR, aliases={"": ("DL3006", "DL3007")}),
            rule("os-package-unpinned", "pinning", aliases={"apt": ("DL3008",), "apk": ("DL3018",)}),
            rule("image-eol", "pinning"),
            rule("consecutive-run", "image", Severity.OFF),
            rule("labels", "image", strict=True),
            rule("internal-error", "audit", Severity.ERROR),
        )
    }
)
ALWAYS = {"internal-error"}


def chosen(**settings: object) -> set[str]:
    return set(choose(BOOK, **settings).chosen) - ALWAYS  # type: ignore[arg-type]


def finding(name: str, *aliases: str, severity: Severity = Severity.WARNING) -> Finding:
    return Finding(name, "pinning", severity, "m", Source("d/Dockerfile", ""), Span(0, 0), aliases=aliases)


def kept(selection: Selection, found: Finding, path: str = "d/Dockerfile", kind: str = "dockerfile") -> bool:
    return selection.finish(found, path, kind) is not None


def test_by_default_all_rules_run_but_those_that_are_off_or_strict() -> None:
    assert chosen() == {"image-latest", "os-package-unpinned", "image-eol"}
    assert chosen(strict=True) == set(BOOK.rules) - ALWAYS


def test_select_takes_ids_families_aliases_and_globs_and_nothing_else() -> None:
    assert chosen(select=["image-eol"]) == {"image-eol"}
    assert chosen(select=["pinning"]) == {"image-latest", "os-package-unpinned", "image-eol"}
    assert chosen(select=["dl3007"]) == {"image-latest"}
    assert chosen(select=["image-*"]) == {"image-latest", "image-eol"}
    assert chosen(extend_select=["consecutive-run"]) == chosen() | {"consecutive-run"}


def test_ignore_takes_away_unless_the_rule_is_selected_by_its_own_name() -> None:
    assert chosen(ignore=["image-*", "DL3008"]) == {"os-package-unpinned"}
    assert chosen(select=["image-eol"], ignore=["pinning"]) == {"image-eol"}
    assert chosen(select=["pinning"], ignore=["image-eol"]) == {"image-latest", "os-package-unpinned"}
    assert chosen(select=["image-eol"], ignore=["image-eol"]) == set()


def test_an_alias_means_only_the_findings_that_carry_it() -> None:
    ignoring = choose(BOOK, ignore=["DL3018"])
    assert kept(ignoring, finding("os-package-unpinned", "DL3008"))
    assert not kept(ignoring, finding("os-package-unpinned", "DL3018"))
    selecting = choose(BOOK, select=["DL3018"])
    assert not kept(selecting, finding("os-package-unpinned", "DL3008"))
    assert kept(selecting, finding("os-package-unpinned", "DL3018"))


def test_severities_may_be_set_and_turn_rules_on_and_off() -> None:
    selection = choose(BOOK, severity={"image-eol": Severity.INFO, "pinning": Severity.ERROR})
    assert selection.chosen["image-eol"].severity is Severity.INFO
    assert selection.chosen["os-package-unpinned"].severity is Severity.ERROR
    assert chosen(severity={"image-eol": Severity.OFF}) == {"image-latest", "os-package-unpinned"}
    assert "consecutive-run" in chosen(severity={"consecutive-run": Severity.WARNING})


def test_a_name_that_no_rule_has_is_an_error_naming_the_nearest() -> None:
    with pytest.raises(SelectionError, match=r"no rule is called `image-lates`; did you mean `image-latest`"):
        choose(BOOK, ignore=["image-lates"])
    # The number of another rule that happens to look alike is no help.
    with pytest.raises(SelectionError, match=r"no rule is called `DL3028`$"):
        choose(BOOK, select=["DL3028"])


def test_rules_may_be_ignored_in_some_files() -> None:
    selection = choose(BOOK, per_file_ignores={"examples/**": ["pinning"], "*.dev": ["DL3018"]})
    assert not kept(selection, finding("image-eol"), "examples/a/Dockerfile")
    assert kept(selection, finding("image-eol"), "src/examples/a/Dockerfile")
    assert not kept(selection, finding("os-package-unpinned", "DL3018"), "a/Dockerfile.dev")
    assert kept(selection, finding("os-package-unpinned", "DL3008"), "a/Dockerfile.dev")


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("Dockerfile", "a/b/Dockerfile", True),
        ("Dockerfile", "a/Dockerfile.dev", False),
        ("examples", "examples/a/Dockerfile", True),
        ("a/*", "a/b", True),
        ("a/*/c", "a/b/x/c", False),
        ("a/**/c", "a/b/x/c", True),
        ("a/**/c", "a/c", True),
        ("**/test/**", "x/test/y/z", True),
        ("a/?.txt", "a/b.txt", True),
        ("a.b", "aXb", False),
    ],
)
def test_patterns_of_paths_read_as_people_write_them(pattern: str, path: str, fits: bool) -> None:
    assert path_test(pattern)(path) is fits


def test_hadolints_configuration_counts_for_dockerfiles_only_and_gives_way_to_ours() -> None:
    hadolint = Hadolint("x", frozenset({"dl3006"}), {"dl3008": Severity.ERROR})
    selection = choose(BOOK, hadolint=hadolint)
    assert not kept(selection, finding("image-latest", "DL3006"))
    assert kept(selection, finding("image-latest", "DL3006"), kind="compose")
    raised = selection.finish(finding("os-package-unpinned", "DL3008"), "Dockerfile", "dockerfile")
    assert raised is not None
    assert raised.severity is Severity.ERROR
    ours = choose(BOOK, hadolint=hadolint, severity={"os-package-unpinned": Severity.INFO})
    same = finding("os-package-unpinned", "DL3008")
    assert ours.finish(same, "Dockerfile", "dockerfile") is same


def test_broken_rules_are_always_reported_unless_ignored() -> None:
    assert "internal-error" in choose(BOOK, select=["image-eol"]).chosen
    assert "internal-error" not in choose(BOOK, ignore=["internal-error"]).chosen


def test_all_means_every_rule() -> None:
    assert chosen(select=["ALL"]) == set(BOOK.rules) - ALWAYS


def test_a_number_of_another_linter_without_a_counterpart_may_be_ignored_but_not_selected() -> None:
    assert chosen(ignore=["DL3042", "SC2086"]) == chosen()
    with pytest.raises(SelectionError, match="DL3042"):
        chosen(select=["DL3042"])
    with pytest.raises(SelectionError, match="nonsense"):
        chosen(ignore=["nonsense"])

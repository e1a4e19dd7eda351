import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro_audit.source import Source, Span
from repro_audit.syntax import ignorefile


def excludes(text: str, path: str) -> bool:
    return ignorefile.parse(Source(".dockerignore", text)).excludes(path)


@pytest.mark.parametrize(
    ("pattern", "path", "excluded"),
    [
        ("a.txt", "a.txt", True),
        ("a.txt", "dir/a.txt", False),
        ("dir", "dir/file/deep", True),
        ("dir/", "dir/file", True),
        ("/dir", "dir/file", True),
        ("./dir//sub/", "dir/sub/x", True),
        ("*", "anything/at/all", True),
        ("*.py", "a.py", True),
        ("*.py", "src/a.py", False),
        ("*/*.py", "src/a.py", True),
        ("src/*.py", "src/deep/a.py", False),
        ("**", "x/y", True),
        ("**/*.py", "a.py", True),
        ("**/*.py", "src/deep/a.py", True),
        ("**/node_modules", "a/b/node_modules/c", True),
        ("**/node_modules", "node_modules", True),
        ("**/node_modules", "my_node_modules", False),
        ("**file", "a/bfile", True),
        ("dir/**", "dir/a/b", True),
        ("dir/**", "dir", False),
        ("dir/**", "directory", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "a/xb", False),
        ("?.txt", "a.txt", True),
        ("?.txt", "ab.txt", False),
        ("a?c", "a/c", False),
        ("[a-c].txt", "b.txt", True),
        ("[^a-c].txt", "b.txt", False),
        (r"\*.txt", "*.txt", True),
        (r"\*.txt", "a.txt", False),
        ("a.c", "abc", False),
        ("a+(b)|{c}$", "a+(b)|{c}$", True),
        (".git", ".git/config", True),
        (".git", ".gitignore", False),
        ("..", "x", False),
        ("/", "x", False),
        ("# note", "# note", False),
        ("  spaced  ", "spaced", True),
    ],
)
def test_a_pattern_matches_as_docker_matches_it(pattern: str, path: str, excluded: bool) -> None:
    assert excludes(pattern + "\n", path) is excluded


def test_a_later_exception_brings_a_file_back() -> None:
    text = "*\n!src\nsrc/secret\n! README.md\n"
    assert excludes(text, "other")
    assert not excludes(text, "src/a.py")
    assert excludes(text, "src/secret/key")
    assert not excludes(text, "README.md")


def test_the_last_pattern_that_fits_decides() -> None:
    file = ignorefile.parse(Source("x", "*.md\n!README.md\nREADME.md\n"))
    decision = file.decided_by("README.md")
    assert decision is file.patterns[2]
    assert decision.span == Span(16, 25)


def test_windows_line_ends_are_no_part_of_a_pattern() -> None:
    assert excludes("dir\r\n", "dir/a")


def test_patterns_that_moby_refuses_are_errors() -> None:
    file = ignorefile.parse(Source("x", "!\n[a\nok\n"))
    assert [e.span for e in file.errors] == [Span(0, 1), Span(2, 4)]
    assert file.excludes("ok")


def test_many_wildcards_cost_no_more_than_their_length(linear) -> None:
    assert not excludes("*a" * 50 + "b", "a" * 2000)
    assert not excludes("**/a/" * 50 + "b", "a/" * 500)
    assert excludes("*" * 100_000, "a")
    for text, piece in (("*a" * 50 + "b", "a"), ("**/a/" * 50 + "b", "a/")):
        # a path is tried once more for each folder above it
        pattern = ignorefile.parse(Source("x", text)).patterns[0]
        linear(lambda size, pattern=pattern, piece=piece: pattern.matches(piece * size), 200)
    linear(lambda size: excludes("*" * size, "a"), 10_000)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab*?[]^-!\\/#. \r\n", max_size=30), st.text(alphabet="ab/.*[", max_size=12))
def test_a_later_line_decides_over_any_text_before_it(text: str, path: str) -> None:
    file = ignorefile.parse(Source("x", text))
    if path.strip("/.") and ".." not in path and "/." not in path:
        assert ignorefile.parse(Source("x", text + "\n**\n")).excludes(path)
        assert not ignorefile.parse(Source("x", text + "\n!**\n")).excludes(path)
    for place in (*file.patterns, *file.errors):
        assert 0 <= place.span.start <= place.span.end <= len(text)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from(["*", "**/", "**", "?", "a", "b", "/", "[ab]"]), max_size=5), st.text("ab/", max_size=8)
)
def test_the_quick_way_and_the_careful_way_agree(pieces: list[str], path: str) -> None:
    file = ignorefile.parse(Source("x", "".join(pieces)))
    for pattern in file.patterns:
        careful = ignorefile.Pattern(pattern.text, pattern.negated, pattern.span, pattern.pieces)
        assert pattern.matches(path) == careful.matches(path)

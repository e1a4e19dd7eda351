from hypothesis import given, settings
from hypothesis import strategies as st

from repro_audit.source import Source, Span
from repro_audit.syntax import yaml
from repro_audit.syntax.tree import Document, Mapping, Node, Scalar, Sequence, text_of


def read(text: str) -> Document:
    return yaml.parse(Source("compose.yaml", text))


def scalar(text: str, *path: str) -> Scalar:
    root = read(text).root
    assert isinstance(root, Mapping)
    node = root.at(*path)
    assert isinstance(node, Scalar)
    return node


def walk(node: Node | None, seen: set[int]) -> None:
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, Mapping):
        for entry in node.entries:
            walk(entry.key, seen)
            walk(entry.value, seen)
    elif isinstance(node, Sequence):
        for item in node.items:
            walk(item, seen)


def test_words_that_yaml_1_1_took_for_booleans_are_strings() -> None:
    for word in ("yes", "no", "NO", "on", "off", "y", "n", "2024-01-01", "22:22", "1.2.3", "0x"):
        assert scalar(f"a: {word}", "a").value == word


def test_numbers_booleans_and_null_are_what_go_yaml_makes_of_them() -> None:
    expected: dict[str, object] = {
        "1": 1,
        "-3": -3,
        "0x1F": 31,
        "0o17": 15,
        "017": 15,
        "0b11": 3,
        "1_000": 1000,
        "1.5": 1.5,
        ".5": 0.5,
        "1e3": 1000.0,
        "08": 8.0,
        "true": True,
        "FALSE": False,
        "~": None,
        "null": None,
        "": None,
    }
    for text, value in expected.items():
        found = scalar(f"a: {text}", "a").value
        assert found == value and type(found) is type(value), text


def test_quoted_scalars_and_str_tags_are_strings() -> None:
    assert scalar("a: '1'", "a").value == "1"
    assert scalar('a: "true"', "a").value == "true"
    tagged = scalar("a: !!str 1", "a")
    assert tagged.value == "1"
    assert tagged.tag == "str"
    assert tagged.span == Span(9, 10)


def test_spans_cover_scalars_as_written() -> None:
    text = "é: &x \"wörd\"\n😀: 'b c' # note\n"
    source = Source("x", text)
    root = yaml.parse(source).root
    assert isinstance(root, Mapping)
    assert [source.slice(e.key.span) for e in root.entries] == ["é", "😀"]
    assert [source.slice(e.value.span) for e in root.entries] == ['"wörd"', "'b c'"]


def test_each_character_of_a_literal_block_knows_its_line() -> None:
    text = "run: |\n    set -e\n\n      make\r\n    done\n"
    content = scalar(text, "run").content
    assert content.text == "set -e\n\n  make\ndone\n"
    at = content.text.index("make")
    assert text[slice(*content.span(at, at + 4))] == "make"
    at = content.text.index("done")
    assert text[slice(*content.span(at, at + 4))] == "done"


def test_words_of_folded_and_multi_line_scalars_know_their_places() -> None:
    for text in (
        "run: >-\n  alpha beta\n  gamma\n\n  delta\n",
        "run: alpha beta\n  gamma\n\n  delta\n",
        "run: 'alpha beta\n  gamma\n\n  delta'\n",
        'run: "alpha beta\n  ga\\\n  mma\n\n  \\x64elta"\n',
    ):
        content = scalar(text, "run").content
        assert content.text == "alpha beta gamma\ndelta"
        at = content.text.index("beta")
        assert text[slice(*content.span(at, at + 4))] == "beta"
        at = content.text.index("elta")
        assert text[slice(*content.span(at, at + 4))] == "elta"


def test_merge_keys_give_way_to_own_keys_and_earlier_merges() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc:\n  <<: [*a, *b]\n  x: 9\n"
    root = read(text).root
    assert isinstance(root, Mapping)
    merged = root.get("c")
    assert isinstance(merged, Mapping)
    assert {e.key.text: (text_of(e.value), e.merged) for e in merged.entries} == {
        "y": ("1", True),
        "z": ("2", True),
        "x": ("9", False),
    }


def test_aliases_share_the_node_of_their_anchor() -> None:
    root = read("a: &a [1]\nb: *a\n").root
    assert isinstance(root, Mapping)
    assert root.get("a") is root.get("b")


def test_a_duplicate_key_is_an_error_naming_the_first_line() -> None:
    document = read("a: 1\nb: 2\na: 3\n")
    assert [(e.span, e.message) for e in document.errors] == [
        (Span(10, 11), 'mapping key "a" already defined at line 1')
    ]
    assert isinstance(document.root, Mapping)
    assert text_of(document.root.get("a")) == "3"


def test_a_tab_as_indentation_is_an_error_and_what_stands_before_is_kept() -> None:
    document = read("a: 1\nb:\n\tc: 2\n")
    assert "tab" in document.errors[0].message
    assert isinstance(document.root, Mapping)
    assert text_of(document.root.get("a")) == "1"


def test_unknown_and_circular_aliases_are_errors() -> None:
    assert "unknown anchor 'x'" in read("a: *x").errors[0].message
    assert "contains itself" in read("a: &x [*x]").errors[0].message


def test_a_tag_that_would_build_an_object_is_only_a_tag() -> None:
    document = read('a: !!python/object/apply:os.system ["true"]')
    assert isinstance(document.root, Mapping)
    assert isinstance(document.root.get("a"), Sequence)


def test_an_alias_bomb_is_cut_off() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    assert "excessive aliasing" in read("\n".join(lines)).errors[0].message


def test_nesting_without_measure_is_an_error_and_ends_at_once() -> None:
    for text in ("[" * 100_000, "- " * 100_000, '{"a":' * 100_000):
        assert "deep" in read(text).errors[0].message
    chain = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 1000))
    assert "aliases" in read(chain).errors[0].message


def test_control_characters_are_errors_and_the_file_is_still_read() -> None:
    document = yaml.parse(Source.from_bytes("x", b"a: \x00\nb: \xff\n"))
    assert document.errors[0].span == Span(3, 4)
    assert isinstance(document.root, Mapping)
    assert document.root.get("b") is not None


def test_further_documents_are_kept_apart() -> None:
    document = read("a: 1\n---\nb: 2\n")
    assert isinstance(document.root, Mapping)
    assert len(document.more) == 1


def test_an_empty_file_has_no_root() -> None:
    assert read("").root is None
    assert read(" \n").root is None
    assert read("# note\n").root is None
    assert not read("").errors


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab:-#&*!|>'\"[]{},?<%@` \t\n\r\\01\x00é😀\ud800"), max_size=80))
def test_any_text_is_read_without_an_exception_and_with_spans_inside_it(text: str) -> None:
    document = read(text)
    for root in (document.root, *document.more):
        seen: set[int] = set()
        walk(root, seen)
        stack = [root] if root else []
        done: set[int] = set()
        while stack:
            node = stack.pop()
            if id(node) in done:
                continue
            done.add(id(node))
            assert 0 <= node.span.start <= node.span.end <= len(text)
            if isinstance(node, Mapping):
                stack.extend(e.value for e in node.entries)
                stack.extend(e.key for e in node.entries)
            elif isinstance(node, Sequence):
                stack.extend(node.items)
            else:
                whole = node.content.whole
                assert node.content.text == node.text
                assert 0 <= whole.start <= whole.end <= len(text)
    for error in document.errors:
        assert 0 <= error.span.start <= error.span.end <= len(text)

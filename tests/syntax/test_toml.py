"""TOML: the same values as Python's own reader, with places, and the readable rest of broken files."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro_audit.source import Source, Span
from repro_audit.syntax import toml
from repro_audit.syntax.tree import Document, Mapping, Node, Scalar, Sequence, entries_of, text_of

tomllib = pytest.importorskip("tomllib")


def read(text: str) -> Document:
    return toml.parse(Source("x.toml", text))


def plain(node: Node | None) -> object:
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return {entry.key.text: plain(entry.value) for entry in entries_of(node)}


def same(ours: object, theirs: object) -> bool:
    if isinstance(theirs, (dt.date, dt.time)):
        return isinstance(ours, str)
    if isinstance(theirs, dict):
        return isinstance(ours, dict) and list(ours) == list(theirs) and all(same(ours[k], theirs[k]) for k in theirs)
    if isinstance(theirs, list):
        return isinstance(ours, list) and len(ours) == len(theirs) and all(map(same, ours, theirs))
    return type(ours) is type(theirs) and (ours == theirs or ours != ours)


def nodes(root: Node | None) -> list[Node]:
    todo = [root] if root else []
    found: list[Node] = []
    while todo:
        node = todo.pop()
        found.append(node)
        if isinstance(node, Mapping):
            todo += [entry.key for entry in node.entries] + [entry.value for entry in node.entries]
        elif isinstance(node, Sequence):
            todo += node.items
    return found


def agrees_with_tomllib(text: str) -> None:
    document = read(text)
    for node in nodes(document.root):
        assert 0 <= node.span.start <= node.span.end <= len(text)
    try:
        expected = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        assert document.errors
    else:
        assert not document.errors
        assert same(plain(document.root), expected)


def test_every_value_and_key_knows_its_place() -> None:
    text = '[a."b c"]\nx = "one" # two\ny.z = [1, { k = \'v\' }]\n'
    root = read(text).root
    assert isinstance(root, Mapping)
    table = root.at("a", "b c")
    assert isinstance(table, Mapping)
    x = table.entry("x")
    assert x is not None
    assert isinstance(x.value, Scalar)
    assert text[slice(*x.key.span)] == "x"
    assert text[slice(*x.value.span)] == '"one"'
    assert text[slice(*x.value.content.whole)] == "one"
    items = table.at("y", "z")
    assert isinstance(items, Sequence)
    assert text[slice(*items.span)] == "[1, { k = 'v' }]"
    assert text[slice(*items.items[1].span)] == "{ k = 'v' }"
    assert text[slice(*table.span)] == text[:-1]


def test_characters_of_an_escaped_string_lead_back_to_their_places() -> None:
    text = 'k = "a\\u0041b\\n"\nm = """\nx\\\n   y\r\nz"""'
    root = read(text).root
    assert isinstance(root, Mapping)
    k, m = root.get("k"), root.get("m")
    assert isinstance(k, Scalar)
    assert isinstance(m, Scalar)
    assert k.text == "aAb\n"
    assert text[slice(*k.content.span(1, 2))] == "\\u0041"
    assert text[slice(*k.content.span(2, 3))] == "b"
    assert m.text == "xy\nz"
    assert text[slice(*m.content.span(1, 2))] == "y"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1\na = 2\n", "Cannot overwrite a value"),
        ("[a]\n[a]\n", "Cannot declare ('a') twice"),
        ("a = {b = 1}\n[a.c]\n", "Cannot overwrite a value"),
        ("[a]\nb.c = 1\n[a.b]\n", "Cannot declare ('a', 'b') twice"),
        ("a.b = 1\n[x]\n[a]\n", "Cannot declare ('a') twice"),
        ("<<<<<<< HEAD\nx = 1\n", "Invalid statement"),
        ("x 1\n", "Expected '=' after a key in a key/value pair"),
        ("x = [1\n", "Unclosed array"),
        ("x = 1 y = 2\n", "Expected newline or end of document after a statement"),
        ('x = """never ends\n', "Unterminated string"),
        ("x = 2021-02-30\n", "Invalid date or datetime"),
    ],
)
def test_a_broken_file_says_what_is_wrong(text: str, message: str) -> None:
    assert read(text).errors[0].message == message


def test_what_stands_around_a_broken_statement_is_still_read() -> None:
    text = '[project]\ndependencies = [\n "numpy",\n "torch"\n[tool.x]\ny = 1\nbad = \nz = 2\n'
    document = read(text)
    assert plain(document.root) == {"project": {"dependencies": ["numpy", "torch"]}, "tool": {"x": {"y": 1, "z": 2}}}
    assert [document.source.position(e.span.start).line for e in document.errors] == [5, 7]


def test_the_last_of_two_values_of_one_key_counts_and_both_are_kept() -> None:
    root = read("a = 1\na = 2\n").root
    assert isinstance(root, Mapping)
    assert len(root.entries) == 2
    assert text_of(root.get("a")) == "2"


def test_invalid_utf8_is_an_error_and_the_rest_is_read() -> None:
    document = toml.parse(Source.from_bytes("x.toml", b'a = "\xff"\nb = 1\n'))
    assert document.errors
    assert isinstance(document.root, Mapping)
    assert text_of(document.root.get("b")) == "1"


@pytest.mark.parametrize("text", ["a = " + "[" * 50_000, "a = " + "[" * 50_000 + "]" * 50_000, "a = " + "{a=" * 50_000])
def test_deep_nesting_is_read_without_recursion(text: str) -> None:
    read(text)


@pytest.mark.parametrize(
    "piece", ["[", "a = [\n", 'a = """\\"', "a.", " ", "#", "'''", "{", "\\\n", 'a = "\\', "a = {b = [\n"]
)
def test_time_is_linear_in_the_size_of_bad_input(piece: str, linear) -> None:
    linear(lambda size: read(piece * size), 3_000)


PIECES = st.sampled_from(
    [
        "a",
        "b",
        "a.b",
        '"c"',
        "''",
        " = ",
        "=",
        "\n",
        "\r\n",
        "[a]\n",
        "[a.b]\n",
        "[[a]]\n",
        "[[a.b]]\n",
        "[a.b.c]\n",
        "1",
        "-0",
        "0x1F",
        "1_000",
        "1e5",
        "3.14",
        "inf",
        "-nan",
        "true",
        "false",
        '"s"',
        '"\\u00e9\\t"',
        "'l'",
        ",",
        '"""m\n"""',
        "'''m\r\n'''",
        '""""q"""""',
        "[",
        "]",
        "{",
        "}",
        "# c\n",
        " ",
        "\t",
        "\\",
        "[1, 2]",
        "{x = 1}",
        "{x.y = 1, x.z = 2}",
        "1979-05-27T07:32:00Z",
        "07:32:00",
        "1979-05-27 07:32:00.5",
        "a = 1\n",
        "b.c = 2\n",
        '"',
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join))
def test_generated_documents_are_read_as_tomllib_reads_them(text: str) -> None:
    agrees_with_tomllib(text)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "a.b", "a.b.c", "b.a"]),
            st.sampled_from(["= 1", "= {}", "= {b=1}", "= []", "[", "[["]),
        ),
        max_size=7,
    )
)
def test_tables_may_be_declared_and_extended_where_tomllib_allows_it(statements: list[tuple[str, str]]) -> None:
    close = {"[": "]", "[[": "]]"}
    agrees_with_tomllib(
        "\n".join(f"{how}{key}{close[how]}" if how in close else f"{key} {how}" for key, how in statements)
    )


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(codec="utf-8")) | st.text("ab=[]{}'\"\\\n\r#.,1 -_"))
def test_arbitrary_text_is_judged_as_tomllib_judges_it(text: str) -> None:
    agrees_with_tomllib(text)


def test_an_empty_file_is_an_empty_mapping() -> None:
    root = read("").root
    assert isinstance(root, Mapping)
    assert root.span == Span(0, 0)

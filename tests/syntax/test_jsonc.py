import json

from hypothesis import given, settings
from hypothesis import strategies as st

from repro_audit.source import Source
from repro_audit.syntax import jsonc
from repro_audit.syntax.tree import Document, Mapping, Node, Scalar, entries_of, text_of


def read(text: str) -> Document:
    return jsonc.parse(Source("devcontainer.json", text))


def plain(node: Node | None) -> object:
    if node is None:
        return None
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Mapping):
        return {e.key.text: plain(e.value) for e in entries_of(node)}
    return [plain(i) for i in node.items]


def test_comments_and_trailing_commas_are_allowed() -> None:
    document = read('// top\n{\n  /* a */ "image": "x", // why\n  "list": [1, 2,],\n}\n')
    assert not document.errors
    assert plain(document.root) == {"image": "x", "list": [1, 2]}


def test_a_string_with_slashes_is_no_comment() -> None:
    assert plain(read('{"url": "https://x/*y*/"}').root) == {"url": "https://x/*y*/"}


def test_spans_cover_values_and_escapes_lead_back_to_the_file() -> None:
    text = '{"run": "echo \\"hi\\" \\u00e9 \\ud83d\\ude00 end"}'
    source = Source("x", text)
    root = jsonc.parse(source).root
    assert isinstance(root, Mapping)
    node = root.get("run")
    assert isinstance(node, Scalar)
    assert node.text == 'echo "hi" é 😀 end'
    at = node.text.index("end")
    assert source.slice(node.content.span(at, at + 3)) == "end"
    assert source.slice(node.span).startswith('"echo')


def test_errors_name_what_was_expected_and_where() -> None:
    for text, at, words in (
        ('{"a" 1}', 5, "`:`"),
        ('{"a": 1 "b": 2}', 8, "`,`"),
        ("{a: 1}", 1, "double quotes"),
        ('{"a": tru}', 6, "no value"),
        ('{"a": "x', 6, "without an end"),
        ('{"a": [1}', 8, "`]`"),
        ("{} {}", 3, "more than one value"),
        ('{"a":}', 5, "a value"),
        ('{"a": "\\q"}', 7, "no escape"),
    ):
        errors = read(text).errors
        assert errors and errors[0].span.start == at and words in errors[0].message, (text, errors)


def test_reading_goes_on_after_an_error() -> None:
    document = read('{"a": 1 "b": 2, c: 3, "d": }')
    assert plain(document.root) == {"a": 1, "b": 2, "c": 3, "d": None}


def test_the_last_of_two_equal_keys_wins() -> None:
    root = read('{"a": 1, "a": 2}').root
    assert isinstance(root, Mapping)
    assert text_of(root.get("a")) == "2"
    assert len(root.entries) == 2


def test_nesting_without_measure_is_one_error() -> None:
    for text in ("[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 100_000):
        assert "deep" in read(text).errors[0].message


def test_an_empty_file_has_no_root_and_no_error() -> None:
    assert read("").root is None
    assert not read(" // only a note").errors


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(_JSON, st.booleans(), st.sampled_from([None, 2]))
def test_plain_json_is_read_as_python_reads_it(value: object, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    document = read(text)
    assert not document.errors
    assert plain(document.root) == value


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=st.sampled_from('{}[]:,"\\/* \nu0d8e1a-.+tfn\x00é\ud800'), max_size=60))
def test_what_python_accepts_is_accepted_and_nothing_raises(text: str) -> None:
    document = read(text)
    for error in document.errors:
        assert 0 <= error.span.start <= error.span.end <= len(text)
    try:
        value = json.loads(text)
    except ValueError:
        return
    assert not document.errors
    assert plain(document.root) == value

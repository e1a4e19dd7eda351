"""pyproject.toml and Pipfile: every table that names dependencies, with places."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from repro_audit.source import Source
from repro_audit.syntax import pyproject

TEXT = """\
[build-system]
requires = ["hatchling>=1.2"]
[project]
name = "mine"
requires-python = ">=3.10,<3.13"
dynamic = ["version"]
dependencies = ["numpy>=1.2", "torch==2.0 ; sys_platform == 'linux'", "bad=1"]
[project.optional-dependencies]
dev = ["pytest"]
[dependency-groups]
test = ["coverage", {include-group = "lint"}]
lint = ["ruff==0.4"]
[[tool.uv.index]]
name = "cu118"
url = "https://download.pytorch.org/whl/cu118"
explicit = true
[tool.uv.sources]
torch = {index = "cu118"}
[tool.poetry.group.docs.dependencies]
Sphinx = {version = "^7.0", extras = ["x"], source = "private"}
many = [{version = "1.0", markers = "python_version<'3'"}, {version = "2.0"}]
[[tool.poetry.source]]
name = "private"
url = "https://p"
priority = "explicit"
"""


def test_every_table_of_dependencies_is_read_with_places() -> None:
    read = pyproject.parse(Source("pyproject.toml", TEXT))
    assert [(d.group, d.name, d.constraint, TEXT[slice(*d.constraint_span)]) for d in read.dependencies] == [
        ("build-system", "hatchling", ">=1.2", ">=1.2"),
        ("project", "numpy", ">=1.2", ">=1.2"),
        ("project", "torch", "==2.0", "==2.0"),
        ("optional:dev", "pytest", "", ""),
        ("group:test", "coverage", "", ""),
        ("group:lint", "ruff", "==0.4", "==0.4"),
        ("group:docs", "sphinx", "^7.0", "^7.0"),
        ("group:docs", "many", "1.0", "1.0"),
        ("group:docs", "many", "2.0", "2.0"),
    ]
    assert (read.name, read.requires_python, read.dynamic, read.tools) == (
        "mine",
        ">=3.10,<3.13",
        ("version",),
        ("uv", "poetry"),
    )
    assert read.includes == (("test", "lint"),)
    assert [(i.name, i.tool, i.supplemental, i.explicit) for i in read.indexes] == [
        ("cu118", "uv", True, True),
        ("private", "poetry", True, True),
    ]
    assert [(o.name, o.index) for o in read.overrides] == [("torch", "cu118")]
    assert [TEXT[slice(*e.span)] for e in read.errors] == ["bad=1"]


def test_git_path_and_url_dependencies_say_where_they_come_from() -> None:
    text = (
        "[tool.poetry.dependencies]\na = {git = 'https://h/a', branch = 'dev'}\nb = {path = '../b', develop = true}\n"
    )
    a, b = pyproject.parse(Source("pyproject.toml", text)).dependencies
    assert (a.url, a.url_kind, a.revision, a.revision_kind) == ("https://h/a", "git", "dev", "branch")
    assert (b.url, b.url_kind, b.editable) == ("../b", "path", True)


def test_a_pipfile_is_read_the_same_way() -> None:
    text = '[[source]]\nurl = "https://pypi.org/simple"\nname = "pypi"\n[requires]\npython_version = "3.10"\n'
    text += '[packages]\nRequests = "*"\nx = {version = "==1.0", index = "pypi"}\n[dev-packages]\npytest = ">=7"\n'
    read = pyproject.parse_pipfile(Source("Pipfile", text))
    assert [(d.group, d.name, d.constraint) for d in read.dependencies] == [
        ("packages", "requests", "*"),
        ("packages", "x", "==1.0"),
        ("dev-packages", "pytest", ">=7"),
    ]
    assert (read.requires_python, read.indexes[0].supplemental) == ("3.10", False)


KEYS = st.sampled_from(
    ["project", "tool", "uv", "poetry", "dependencies", "sources", "index", "build-system", "requires", "git"]
)
VALUES = st.recursive(
    st.sampled_from(["1", '"numpy>=1"', '"=="', "true", "[]", "{}"]),
    lambda v: (
        st.lists(v, max_size=2).map(lambda i: f"[{', '.join(i)}]")
        | st.tuples(KEYS, v).map(lambda i: f"{{{i[0]} = {i[1]}}}")
    ),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.lists(KEYS, min_size=1, max_size=4), VALUES), max_size=4) | st.just([]), st.text(max_size=5)
)
def test_tables_of_the_wrong_shape_raise_nothing(entries: list[tuple[list[str], str]], rest: str) -> None:
    text = "".join(f"{'.'.join(keys)} = {value}\n" for keys, value in entries) + rest
    for read in (pyproject.parse(Source("p", text)), pyproject.parse_pipfile(Source("p", text))):
        assert all(0 <= d.span.start <= d.span.end <= len(text) for d in read.dependencies)

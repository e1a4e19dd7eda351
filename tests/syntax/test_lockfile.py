"""Lock files of every tool, quickly where a machine wrote them and as TOML where somebody edited them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro_audit.source import Source
from repro_audit.syntax import lockfile

UV = """\
version = 1
requires-python = ">=3.10"

[[package]]
name = "Num_Py"
version = "1.26.4"
source = { registry = "https://pypi.org/simple" }
sdist = { url = "https://h/n.tar.gz", hash = "sha256:aa", size = 1 }
wheels = [
    { url = "https://h/n.whl", hash = "sha256:bb", size = 2 },
]

[[package]]
name = "x"
version = "0.1"
source = { git = "https://h/x?rev=v1#0123456789abcdef0123456789abcdef01234567" }

[[package]]
name = "mine"
version = "0"
source = { virtual = "." }
"""
POETRY = """\
[[package]]
name = "a"
version = "1.0"
description = "x = [[package]]"
files = [
    {file = "a.whl", hash = "sha256:aa"},
]

[[package]]
name = "b"
version = "2.0"
files = []

[package.source]
type = "git"
url = "https://h/b"
reference = "main"
resolved_reference = "abc"

[metadata]
lock-version = "2.1"
python-versions = "^3.9"
content-hash = "f1"
"""
PYLOCK = """\
lock-version = "1.0"
requires-python = ">=3.12"

[[packages]]
name = "a"
version = "1.0"
wheels = [{ url = "https://h/a.whl", hashes = { sha256 = "aa" } }]

[[packages]]
name = "b"
vcs = { type = "git", url = "https://h/b", commit-id = "abc" }
"""
PDM = """\
[metadata]
content_hash = "sha256:f2"

[[package]]
name = "a"
version = "1.0"
files = [
    {file = "a.whl", hash = "sha256:aa"},
]

[[package]]
name = "b"
version = "1.0"
git = "https://h/b"
revision = "abc"
"""
EXPECTED = {
    "uv": [
        ("num-py", "1.26.4", True, "https://pypi.org/simple", "registry"),
        ("x", "0.1", False, "https://h/x?rev=v1#0123456789abcdef0123456789abcdef01234567", "git"),
        ("mine", "0", False, ".", "virtual"),
    ],
    "poetry": [("a", "1.0", True, None, "registry"), ("b", "2.0", False, "https://h/b@abc", "git")],
    "pylock": [("a", "1.0", True, None, "registry"), ("b", None, False, "https://h/b@abc", "git")],
    "pdm": [("a", "1.0", True, None, "registry"), ("b", "1.0", False, "https://h/b@abc", "git")],
}
TEXTS = {"uv": UV, "poetry": POETRY, "pylock": PYLOCK, "pdm": PDM}


@pytest.mark.parametrize("kind", ["uv", "poetry", "pylock", "pdm"])
@pytest.mark.parametrize("odd", ["", "\nodd = '''\n[[package]]\nname = \"no\"\n'''\n", "\n<<<<<<< HEAD\n"])
def test_both_ways_of_reading_find_the_same(kind: str, odd: str) -> None:
    text = TEXTS[kind] + odd
    lock = lockfile.parse(Source(f"{kind}.lock", text), kind)
    found = [(p.name, p.version, bool(p.hashes), p.source_url, p.source_kind) for p in lock.packages]
    assert found == EXPECTED[kind]
    assert all(text[slice(*p.span)].startswith("name = ") for p in lock.packages)
    assert bool(lock.errors) == ("<<<" in odd)


def test_what_tells_a_stale_lock_is_kept() -> None:
    assert lockfile.parse(Source("uv.lock", UV), "uv").requires_python == ">=3.10"
    poetry = lockfile.parse(Source("poetry.lock", POETRY), "poetry")
    assert (poetry.requires_python, poetry.content_hash) == ("^3.9", "f1")
    assert lockfile.parse(Source("pdm.lock", PDM), "pdm").content_hash == "sha256:f2"


def test_a_pipfile_lock_is_read() -> None:
    text = '{"_meta": {"hash": {"sha256": "ff"}, "requires": {"python_version": "3.10"}}, "default": {"A": {"hashes": ["sha256:aa"], "version": "==1.0"}, "b": {"git": "https://h/b", "ref": "abc"}}, "develop": {}}'
    lock = lockfile.parse(Source("Pipfile.lock", text), "pipfile")
    assert [(p.name, p.version, p.hashes, p.source_url) for p in lock.packages] == [
        ("a", "1.0", 1, None),
        ("b", None, 0, "https://h/b@abc"),
    ]
    assert (lock.content_hash, lock.requires_python) == ("ff", "3.10")


def test_a_conda_lock_is_read() -> None:
    text = "version: 1\nmetadata:\n  content_hash: {}\npackage:\n- name: zlib\n  version: 1.2.13\n  manager: conda\n  url: https://h/z.conda\n"
    text += "  hash:\n    md5: aa\n    sha256: bb\n- name: x\n  version: '1.0'\n  manager: pip\n"
    lock = lockfile.parse(Source("conda-lock.yml", text), "conda-lock")
    assert [(p.name, p.version, p.hashes, p.ecosystem) for p in lock.packages] == [
        ("zlib", "1.2.13", 2, "conda"),
        ("x", "1.0", 0, "pip"),
    ]


def test_a_large_lock_takes_time_in_proportion(linear) -> None:
    def packages(size: int) -> None:
        entries = "\n".join(UV[UV.index("[[package]]") :].replace("Num_Py", f"p{i}") for i in range(size))
        assert len(lockfile.parse(Source("uv.lock", "version = 1\n\n" + entries), "uv").packages) == 3 * size

    linear(packages, 400)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(sorted(TEXTS)),
    st.integers(0, 400),
    st.integers(0, 60),
    st.text(max_size=8),
    st.sampled_from(["pipfile", "conda-lock", ""]),
)
def test_a_mutated_lock_raises_nothing_and_its_places_are_inside(
    kind: str, at: int, cut: int, new: str, other: str
) -> None:
    text = TEXTS[kind][:at] + new + TEXTS[kind][at + cut :]
    lock = lockfile.parse(Source("x.lock", text), other or kind)
    spans = [p.span for p in lock.packages] + [e.span for e in lock.errors]
    assert all(0 <= start <= end <= len(text) for start, end in spans)

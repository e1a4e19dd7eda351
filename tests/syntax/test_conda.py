"""conda environments and match specifications."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro_audit.source import Source, Span
from repro_audit.syntax import conda
from repro_audit.syntax.error import Error


def spec(text: str) -> conda.MatchSpec | Error:
    source = Source("environment.yml", text)
    return conda.parse_spec(source.excerpt(Span(0, len(text))))


@pytest.mark.parametrize(
    ("text", "channel", "name", "version", "build", "place"),
    [
        ("numpy", None, "numpy", "", None, ""),
        ("numpy=1.26", None, "numpy", "=1.26", None, "=1.26"),
        ("numpy==1.26.4", None, "numpy", "==1.26.4", None, "==1.26.4"),
        ("numpy=1.26.4=py310_0", None, "numpy", "==1.26.4", "py310_0", "=1.26.4=py310_0"),
        ("numpy 1.26.4 py310_0", None, "numpy", "1.26.4", "py310_0", "1.26.4 py310_0"),
        ("conda-forge::NumPy >=1.2, <2", "conda-forge", "numpy", ">=1.2,<2", None, ">=1.2, <2"),
        ("numpy[version='>=1', build=x]", None, "numpy", ">=1", "x", "[version='>=1', build=x]"),
        ("pytorch=*=*cuda*", None, "pytorch", "*", "*cuda*", "=*=*cuda*"),
    ],
)
def test_match_specifications(
    text: str, channel: str | None, name: str, version: str, build: str | None, place: str
) -> None:
    read = spec(text)
    assert isinstance(read, conda.MatchSpec)
    assert (read.channel, read.name, read.version, read.build) == (channel, name, version, build)
    assert text[slice(*read.spec_span)] == place


@pytest.mark.parametrize("text", ["numpy=", "{{ x }}", "a b c d", "", "numpy@1"])
def test_what_is_no_specification_is_an_error(text: str) -> None:
    assert isinstance(spec(text), Error)


def test_an_environment_has_channels_packages_and_a_pip_section() -> None:
    text = (
        "name: e\nchannels:\n  - conda-forge\ndependencies:\n  - python=3.10  # why\n  - pip\n  - pip:\n"
        "    - -r requirements.txt\n    - --extra-index-url https://x\n    - 'torch==2.0'\n    - numpy=1\n"
    )
    read = conda.parse(Source("environment.yml", text))
    assert (read.name, [c for c, _ in read.channels]) == ("e", ["conda-forge"])
    assert [(s.name, s.line) for s in read.specs] == [("python", 5), ("pip", 6)]
    assert [o.value for o in read.pip_options] == ["requirements.txt", "https://x"]
    assert [(r.name, text[slice(*r.span)], r.line) for r in read.pip] == [("torch", "torch==2.0", 10)]
    assert "did you mean" in read.errors[0].message.lower()


def test_an_explicit_list_names_addresses_with_checksums() -> None:
    text = "# platform: linux-64\n@EXPLICIT\nhttps://conda.anaconda.org/conda-forge/linux-64/zlib-1.2.13-h1_0.conda#0123abcd\n"
    read = conda.parse(Source("spec.txt", text))
    (zlib,) = read.specs
    assert read.explicit
    assert (zlib.name, zlib.version, zlib.build, zlib.checksum) == ("zlib", "==1.2.13", "h1_0", "0123abcd")


@settings(max_examples=150, deadline=None)
@given(st.text() | st.text("ab=<>!~[]()'\"*:/.,| \n#-"))
def test_any_text_is_read_with_places_inside_it(text: str) -> None:
    read = spec(text)
    spans = [read.span] if isinstance(read, Error) else [read.span, read.name_span, read.spec_span]
    for name in ("environment.yml", "list.txt"):
        environment = conda.parse(Source(name, text))
        spans += [s.span for s in environment.specs] + [e.span for e in environment.errors]
    assert all(0 <= start <= end <= len(text) for start, end in spans)

"""Requirements files: read as pip's own parser reads them, with the place of everything."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro_audit.source import Source
from repro_audit.syntax import requirements
from repro_audit.syntax.error import Error
from repro_audit.syntax.requirement import RequirementLine, is_remote


def read(text: str) -> requirements.Requirements:
    return requirements.parse(Source("requirements.txt", text))


def one(text: str, *, editable: bool = False) -> RequirementLine | Error:
    source = Source("Dockerfile", text)
    return requirements.parse_requirement(source.excerpt(source_span(text)), editable=editable)


def source_span(text: str):  # type: ignore[no-untyped-def]
    from repro_audit.source import Span

    return Span(0, len(text))


def only(text: str) -> RequirementLine:
    parsed = read(text)
    assert not parsed.errors
    (line,) = parsed.requirements
    return line


def at(text: str, span: tuple[int, int]) -> str:
    return text[span[0] : span[1]]


def test_a_requirement_knows_its_parts_and_their_places() -> None:
    text = '# top\n  Foo.Bar[b, A_x] >=1.2, !=1.3 ; python_version < "3.12"  # why\n'
    line = only(text)
    assert (line.name, line.extras, line.line) == ("foo-bar", ("b", "a-x"), 2)
    assert line.specifiers == ((">=", "1.2"), ("!=", "1.3"))
    assert line.marker == 'python_version < "3.12"'
    assert at(text, line.name_span) == "Foo.Bar"
    assert at(text, line.spec_span) == ">=1.2, !=1.3"
    assert at(text, line.span) == 'Foo.Bar[b, A_x] >=1.2, !=1.3 ; python_version < "3.12"'
    assert read(text).comments == ((1, "top"), (2, "why"))


def test_without_a_version_the_place_for_one_is_after_name_and_extras() -> None:
    text = "uvicorn[standard]\n"
    span = only(text).spec_span
    assert span == (len("uvicorn[standard]"),) * 2


def test_hashes_on_continued_lines_belong_to_their_requirement() -> None:
    text = f"numpy==1.26.4 \\\n    --hash=sha256:{'a' * 64} \\\n    --hash=sha256:{'b' * 64}\n    # via pandas\nsix==1.16\n"
    parsed = read(text)
    numpy, six = parsed.requirements
    assert numpy.hashes == (f"sha256:{'a' * 64}", f"sha256:{'b' * 64}")
    assert at(text, numpy.span) == "numpy==1.26.4"
    assert (six.line, six.hashes) == (5, ())


def test_places_are_exact_across_a_continuation_inside_a_requirement() -> None:
    text = "numpy\\\n==1.26.4\\\n ; python_version<'3'\n"
    line = only(text)
    assert at(text, line.name_span) == "numpy"
    assert at(text, line.spec_span) == "==1.26.4"


def test_a_comment_line_ends_a_continuation_as_pip_has_it() -> None:
    parsed = read("numpy \\\n# not here\n==1.0\n")
    assert [r.name for r in parsed.requirements] == ["numpy"]
    assert len(parsed.errors) == 1


def test_options_are_given_in_their_long_form_with_the_place_of_their_value() -> None:
    text = "-i https://a/simple\n--extra-index-url=https://b\n-rother.txt\n--constr c.txt\n--pre\n-f 'my links'\n"
    parsed = read(text)
    assert [(o.name, o.value, o.line) for o in parsed.options] == [
        ("--index-url", "https://a/simple", 1),
        ("--extra-index-url", "https://b", 2),
        ("--requirement", "other.txt", 3),
        ("--constraint", "c.txt", 4),
        ("--pre", None, 5),
        ("--find-links", "my links", 6),
    ]
    assert [at(text, o.value_span) for o in parsed.options[:4]] == [
        "https://a/simple",
        "https://b",
        "other.txt",
        "c.txt",
    ]
    assert parsed.values("--requirement")[0].span == (48, 59)
    assert not parsed.errors


@pytest.mark.parametrize(
    ("text", "name", "url", "editable"),
    [
        ("-e .[dev]", None, ".", True),
        ("-e git+https://x/y.git@main#egg=Foo_Bar", "foo-bar", "git+https://x/y.git@main#egg=Foo_Bar", True),
        ("-e 'foo @ git+https://x/y.git'", "foo", "git+https://x/y.git", True),
        ("./libs/mine", None, "./libs/mine", False),
        ("libs/mine[extra]", None, "libs/mine", False),
        ("wheels/torch-2.1.0+cu118-cp310-cp310-linux_x86_64.whl", "torch", None, False),
        ("https://h/p/foo-1.0.tar.gz#sha256=ab", None, "https://h/p/foo-1.0.tar.gz#sha256=ab", False),
        ("foo[a] @ https://h/foo.zip ; python_version>'3'", "foo", "https://h/foo.zip", False),
        ("foo@git+ssh://git@h/x.git@v1", "foo", "git+ssh://git@h/x.git@v1", False),
        ("git+https://h/x.git@abc#egg=x&subdirectory=y", "x", "git+https://h/x.git@abc#egg=x&subdirectory=y", False),
    ],
)
def test_addresses_and_paths_are_direct_references(
    text: str, name: str | None, url: str | None, editable: bool
) -> None:
    line = only(text)
    assert (line.name, line.editable) == (name, editable)
    assert line.url == (url or text)


def test_a_wheels_file_name_tells_its_version() -> None:
    assert only("https://h/torch-1.8.1%2Bcpu-cp37-cp37m-linux_x86_64.whl").specifiers == (("==", "1.8.1+cpu"),)


def test_an_environment_variable_is_no_error_and_marks_the_line_as_unknown() -> None:
    line = only("torch==${TORCH_VERSION}\n")
    assert (line.name, line.specifiers, line.unknown) == ("torch", (("==", "${TORCH_VERSION}"),), True)
    assert isinstance(one("torch==$V"), Error)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("numpy=1.26", "= is not a valid operator. Did you mean == ?"),
        ("numpy 1.26", "Invalid requirement: 'numpy 1.26'"),
        ("numpy>=1.0.0.x.y", "Invalid requirement"),
        ("--frobnicate x", "no such option: --frobnicate"),
        ("--no x", "ambiguous option: --no ("),
        ("-r", "-r option requires 1 argument"),
        ("--pre=1", "--pre option does not take a value"),
        ("foo==1 --hash=md5:abc", "Allowed hash algorithms for --hash are sha256, sha384, sha512."),
        ("foo==1 --hash=abc", "Arguments to --hash must be a hash name followed by a value"),
        ("-r 'x", "Could not split options"),
        ("foo; python_versio < '3'", "Invalid marker"),
        ("-e https://h/x.zip", "is not a valid editable requirement"),
        ("-e git+https://h/x.git", "Could not detect requirement name"),
        ("<<<<<<< HEAD", "Invalid requirement"),
    ],
)
def test_what_pip_refuses_is_an_error_with_its_reason_and_the_rest_is_read(text: str, reason: str) -> None:
    parsed = read(f"first\n{text}\nlast\n")
    assert reason in parsed.errors[0].message
    assert parsed.source.position(parsed.errors[0].span.start).line == 2
    assert {"first", "last"} <= {r.name for r in parsed.requirements}


def test_byte_order_marks_and_encodings_are_understood_as_pip_does() -> None:
    for data in ("numpy==1\n".encode("utf-16"), b"\xef\xbb\xbfnumpy==1\n", b"# coding: latin-1\nnumpy==1 # \xe9\n"):
        parsed = requirements.parse(Source.from_bytes("r.txt", data))
        assert [r.name for r in parsed.requirements] == ["numpy"]
        assert not parsed.errors
    assert "UTF-8" in requirements.parse(Source.from_bytes("r.txt", b"numpy==1 # \xe9\n")).errors[0].message


def test_ordinary_files_are_read_without_importing_packaging() -> None:
    import subprocess

    code = (
        "import sys; from repro_audit.source import Source; from repro_audit.syntax import requirements as r;"
        'p = r.parse(Source(\'r\', \'-r a\\nnumpy==1.26.4\\ntorch[x]>=2.0,<3; python_version < "3.9" and sys_platform == "linux"\\n'
        "a~=1.2\\nb==1.*\\nc==1.0+cu118\\nd @ git+https://h/d@x\\n./e\\n-e .\\n'));"
        "assert len(p.requirements) == 8 and not p.errors; assert 'packaging' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_many_lines_take_time_in_proportion(linear) -> None:
    def lines(size: int) -> None:
        text = "".join(f"package-{i}>=1.{i},<2 ; python_version >= '3.8'  # why\n" for i in range(size))
        assert len(read(text).requirements) == size

    linear(lines, 5_000)


@pytest.mark.parametrize(
    "piece", ["a\\\n", " #", "\\", "-e ", "a;", "'", "[", "a,", "==1.", "--hash=sha256:a ", " ", "a-", "/"]
)
def test_time_is_linear_in_the_size_of_bad_input(piece: str, linear) -> None:
    linear(lambda size: read(piece * size), 4_000)
    linear(lambda size: read("a" + piece * size + "$"), 4_000)


@pytest.mark.parametrize(
    "wrong", ["sha256:zz", "sha256:" + "a" * 63, "sha256:" + "g" * 64, "sha512:" + "a" * 64, "sha384:"]
)
def test_a_hash_of_other_than_its_digits_is_an_error_and_no_hash(wrong: str) -> None:
    good = "sha256:" + "A" * 64
    file = read(f"x==1 --hash={wrong}\ny==1 --hash={good} --hash {wrong}\n")
    assert [r.hashes for r in file.requirements] == [(), (good,)]
    assert [file.source.position(e.span.start).line for e in file.errors] == [1, 2]
    assert "hexadecimal digits" in file.errors[0].message


# -- against pip itself


def as_pip_reads(text: str) -> list[tuple[int, object]]:
    """What pip makes of each logical line: None where it refuses it."""
    req_file = pytest.importorskip("pip._internal.req.req_file")
    from pip._internal.exceptions import InstallationError
    from pip._internal.req.constructors import install_req_from_editable, install_req_from_line
    from pip._vendor.packaging.markers import InvalidMarker
    from pip._vendor.packaging.requirements import InvalidRequirement
    from pip._vendor.packaging.utils import canonicalize_name

    logging.disable(logging.CRITICAL)
    read_line = req_file.get_line_parser(None)
    found: list[tuple[int, object]] = []
    for number, content in req_file.preprocess(text):
        try:
            args, options = read_line(content)
        except req_file.OptionParsingError:
            found.append((number, None))
            continue
        line = req_file.ParsedLine("r.txt", number, args, options, constraint=False)
        editable = not args and bool(options.editables)
        if not args and not editable:
            value = options.requirements or options.constraints or [options.index_url]
            if value[0]:
                found.append((number, ("option", value[0])))
            continue
        try:
            made = (install_req_from_editable if editable else install_req_from_line)(line.requirement)
        except (InstallationError, InvalidMarker, InvalidRequirement):
            found.append((number, None))
            continue
        requirement = made.req
        hashes = {f"{name}:{value}" for name, values in (options.hashes or {}).items() for value in values}
        outcome = (
            canonicalize_name(requirement.name) if requirement else None,
            sorted({str(s).replace(" ", "") for s in requirement.specifier}) if requirement else [],
            {canonicalize_name(e) for e in made.extras},
            made.markers is not None,
            made.link is not None and made.link.scheme != "file",
            set() if editable else hashes,
        )
        found.append((number, outcome))
    return found


def as_we_read(text: str) -> list[tuple[int, object]]:
    parsed = read(text)
    found: dict[int, object] = {r.line: None for r in parsed.requirements}
    for option in parsed.options:
        before = found.get(option.line)
        if option.name in ("--requirement", "--constraint") or (option.name == "--index-url" and not before):
            found[option.line] = ("option", option.value)
    for r in parsed.requirements:
        versions = sorted({f"{operator}{version}" for operator, version in r.specifiers})
        remote = r.url is not None and is_remote(r.url)
        found[r.line] = (r.name, versions, set(r.extras), r.marker is not None, remote, set(r.hashes))
    for error in parsed.errors:
        number = parsed.source.position(error.span.start).line
        lines = text.splitlines()
        # pip counts a joined line by its first one.
        while number > 1 and lines[number - 2].endswith("\\") and not lines[number - 2].lstrip().startswith("#"):
            number -= 1
        found[number] = None
    return sorted(found.items(), key=lambda item: item[0])


HASH = "--hash=sha256:" + "0a" * 32
NAMES = st.sampled_from(
    ["numpy", "A.b_C", "x[y]", "x [y , z]", "foo[]", "1a", "a-", "-a", "a b", "", "é", "x[y", "x[1,]", "a--b"]
)
SPECS = st.lists(
    st.sampled_from(
        [
            "==1.0",
            ">= 2.0",
            "~=1.4",
            "~=1",
            "<3,!=2.1",
            "===x-y",
            "==1.*",
            ">=1.*",
            "==1.0+cu118",
            ">1.0+x",
            "==1.0rc1",
            "==v1",
            "==1.0-1",
            "=1",
            ">",
            "(>=1)",
            "(>=1",
            ",",
            "==2024.1.1",
            "== 1!2.0",
            "<2.dev0",
            "==1.0.post1,",
            " ",
            "<=1.0alpha",
        ]
    ),
    max_size=2,
).map(",".join)
TAILS = st.lists(
    st.sampled_from(
        [
            "",
            ";python_version<'3'",
            " ; os_name == 'nt' and extra == \"x\"",
            "; (python_version < '3')",
            ";",
            "; x",
            " # c",
            "#c",
            " " + HASH,
            f" {HASH} \\\n   {HASH}",
            " --hash=md5:a",
            " --pre",
            " \\\n",
            "\\",
            "\t" + HASH,
            " -x",
            " -- a",
            ";'3'<python_version",
        ]
    ),
    max_size=2,
).map("".join)
LINES = st.one_of(
    st.tuples(NAMES, SPECS, TAILS).map("".join),
    st.sampled_from(
        [
            "",
            "# c",
            "  # c \\",
            "--pre",
            "-r a.txt",
            "--requirement=a",
            "-ca.txt",
            "--index-url x",
            "--inde=y",
            "--no-index",
        ]
    )
    | st.sampled_from(
        [
            "git+https://h/x@v1#egg=x",
            "x @ git+https://h/y",
            "x@https://h/y.zip;python_version<'3'",
            "https://h/a-1.0-py3-none-any.whl",
        ]
    )
    | st.sampled_from(
        [
            "-e git+https://h/x#egg=Y",
            "-e 'x @ git+https://h/x'",
            "-e https://h/x",
            "-r",
            "-z",
            HASH,
            "a.zip",
            "\f",
            "a\vb",
            "\x1cx==1",
        ]
    ),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(LINES, st.sampled_from(["\n", "\r\n", "\n\n", "\r"])).map("".join), max_size=4).map("".join))
def test_generated_files_are_read_as_pip_reads_them(text: str) -> None:
    if "\r" in text.replace("\r\n", "") or "\f" in text or "\v" in text or "\x1c" in text:
        # pip counts these as line ends, reports do not: compare what is read, not where.
        text = "\n".join(text.splitlines())
    assert as_we_read(text) == as_pip_reads(text)


@settings(max_examples=200, deadline=None)
@given(st.text() | st.text("abc=<>~!;[](){}'\"\\\n\r #.-$@/:1,\t"))
def test_any_text_is_read_with_places_inside_it(text: str) -> None:
    parsed = read(text)
    spans = [s for r in parsed.requirements for s in (r.span, r.name_span, r.spec_span)]
    spans += [s for o in parsed.options for s in (o.span, o.value_span)] + [e.span for e in parsed.errors]
    assert all(0 <= start <= end <= len(text) for start, end in spans)
    for r in parsed.requirements:
        assert 1 <= r.line <= text.count("\n") + 1

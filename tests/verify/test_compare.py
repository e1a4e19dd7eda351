"""Everything in which two images can differ is told, with its kind, and sorted into what counts and what does not."""

import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from image_archives import F, docker_archive, folder, hardlink, layer, oci_tar, symlink

from repro_audit.container.archive import read_pair
from repro_audit.verify.compare import compare
from repro_audit.verify.instruction import InstructionPlace


def compared(tmp_path, left, right, **more):
    """Two images of one layer each, or of several where lists of tars are given."""
    sides = [side if isinstance(side[0], bytes) else [layer(side)] for side in (left, right)]
    paths = [docker_archive(tmp_path / f"{n}.tar", tars, **more) for n, tars in enumerate(sides)]
    return compare(*read_pair(*paths))


def told(comparison):
    return {d.path: d.kinds for d in comparison.differences}


FILE = F(b"data")


@pytest.mark.parametrize(
    ("left", "right", "kinds", "result"),
    [
        (FILE, F(b"DATA"), ("content",), "different"),
        (FILE, F(b"data", mode=0o600), ("mode",), "different"),
        (FILE, F(b"data", uid=7), ("owner",), "different"),
        (FILE, F(b"data", gid=7), ("owner",), "different"),
        (FILE, F(b"data", mtime=1), ("time",), "same-files"),
        (FILE, F(b"data", pax={"mtime": "1700000000.5"}), ("time",), "same-files"),
        (FILE, F(b"data", uname="bob"), ("header",), "same-files"),
        (FILE, F(b"data", pax={"SCHILY.xattr.user.x": "1"}), ("xattrs",), "different"),
        (FILE, folder(mode=0o644), ("kind",), "different"),
        (symlink("a"), symlink("b"), ("target",), "different"),
        (F(type=tarfile.CHRTYPE, device=(1, 3)), F(type=tarfile.CHRTYPE, device=(1, 5)), ("device",), "different"),
    ],
)
def test_a_file_that_differs_in_one_thing_is_told_to_differ_in_that(tmp_path, left, right, kinds, result):
    comparison = compared(tmp_path, [("f", left)], [("f", right)])
    found = told(comparison)["/f"]
    assert set(kinds) <= set(found)
    assert set(found) - set(kinds) <= {"header"}
    assert comparison.result == result


def test_the_same_archive_twice_is_identical(tmp_path):
    comparison = compared(tmp_path, [("f", b"1")], [("f", b"1")])
    assert (comparison.result, comparison.level) == ("identical", 4)
    assert not comparison.differences


def test_files_on_one_side_only_are_told_with_their_side(tmp_path):
    comparison = compared(tmp_path, [("a", b"1"), ("b", b"1")], [("b", b"1"), ("c", b"1")])
    assert told(comparison) == {"/a": ("only-left",), "/c": ("only-right",)}
    assert comparison.result == "different"


def test_only_the_files_that_moved_are_out_of_order(tmp_path):
    names = [f"f{n}" for n in range(10)]
    moved = [*names[:3], *names[4:], names[3]]
    comparison = compared(tmp_path, [(n, b"") for n in names], [(n, b"") for n in moved])
    assert told(comparison) == {"/f3": ("order",)}
    assert comparison.result == "same-files"


def test_which_name_of_a_file_came_first_is_a_question_of_order(tmp_path):
    comparison = compared(tmp_path, [("a", b"1"), ("b", hardlink("a"))], [("b", b"1"), ("a", hardlink("b"))])
    assert {"order"} == set().union(*told(comparison).values())
    assert comparison.result == "same-files"


def test_a_copy_in_place_of_a_hard_link_is_told(tmp_path):
    comparison = compared(tmp_path, [("a", b"1"), ("b", hardlink("a"))], [("a", b"1"), ("b", b"1")])
    assert "link" in told(comparison)["/b"]
    assert comparison.result == "different"


def test_a_hidden_file_that_differs_is_told_but_does_not_count(tmp_path):
    left = [layer([("f", b"1")]), layer([("f", b"end")])]
    right = [layer([("f", b"2")]), layer([("f", b"end")])]
    comparison = compared(tmp_path, left, right)
    (difference,) = comparison.differences
    assert (difference.path, difference.hidden, difference.layer) == ("/f", True, 0)
    assert "content" in difference.kinds
    assert comparison.result == "same-files"


def test_a_whiteout_on_one_side_only_is_told(tmp_path):
    base = layer([("f", b"1"), ("g", b"1")])
    comparison = compared(tmp_path, [base, layer([(".wh.f", b""), ("x", b"")])], [base, layer([("x", b"")])])
    assert ("/f", ("only-left",), True) in [(d.path, d.kinds, d.hidden) for d in comparison.differences]
    assert ("/f", ("only-right",), False) in [(d.path, d.kinds, d.hidden) for d in comparison.differences]


def test_each_difference_is_led_back_to_its_layer_and_line(tmp_path):
    history = [{"created_by": "base"}, {"created_by": "RUN /bin/sh -c date > /stamp # buildkit"}]
    base = layer([("etc", folder())])
    paths = [
        docker_archive(tmp_path / f"{n}.tar", [base, layer([("stamp", text)])], history)
        for n, text in enumerate((b"1", b"2"))
    ]
    instructions = [
        InstructionPlace(1, "FROM", "FROM base", "Dockerfile"),
        InstructionPlace(3, "RUN", "RUN date > /stamp", "Dockerfile"),
    ]
    comparison = compare(*read_pair(*paths), instructions)
    (difference,) = comparison.differences
    assert (difference.layer, difference.place.line, difference.path) == (1, 3, "/stamp")
    assert [pair.same for pair in comparison.layers] == [True, False]
    assert comparison.layers[1].harmful == 1


def test_configurations_are_compared_field_by_field(tmp_path):
    tar = layer([("f", b"")])
    left = {"config": {"Env": ["A=1", "B=1"], "Cmd": ["sh"], "Labels": {"x": "1"}}, "created": "2024-01-01T00:00:00Z"}
    right = {
        "config": {"Env": ["A=2", "B=1"], "Cmd": ["bash"], "Labels": {"x": "1"}},
        "created": "2024-02-01T00:00:00Z",
    }
    paths = [docker_archive(tmp_path / f"{n}.tar", [tar], **c) for n, c in enumerate((left, right))]
    comparison = compare(*read_pair(*paths))
    assert {(c.field, c.left, c.right, c.harmless) for c in comparison.config} == {
        ("config.Env.A", "1", "2", False),
        ("config.Cmd", '["sh"]', '["bash"]', False),
        ("created", "2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z", True),
    }
    assert comparison.result == "different"


@pytest.mark.parametrize(
    "more",
    [
        {"created": "2025-01-01T00:00:00Z"},
        {"history": [{"created_by": "RUN /bin/sh -c step 0 # buildkit", "created": "2030-01-01T00:00:00Z"}]},
        {
            "config": {
                "Env": ["PATH=/usr/bin"],
                "Cmd": ["sh"],
                "Labels": {"org.opencontainers.image.created": "2030-01-01"},
            }
        },
    ],
)
def test_times_and_records_in_the_configuration_do_not_count(tmp_path, more):
    tar = layer([("f", b"")])
    paths = [docker_archive(tmp_path / "0.tar", [tar]), docker_archive(tmp_path / "1.tar", [tar], **more)]
    comparison = compare(*read_pair(*paths))
    assert comparison.config
    assert comparison.result == "same-files"


def test_another_compression_alone_leaves_the_files_the_same(tmp_path):
    image = {"tars": [layer([("f", b"data" * 100)])]}
    paths = [oci_tar(tmp_path / f"{c}.tar", [image], compression=c) for c in ("gzip", "zstd")]
    comparison = compare(*read_pair(*paths))
    assert comparison.result == "same-files"
    assert any("packed differently" in note for note in comparison.notes)


def test_images_of_different_depth_are_compared_by_what_a_container_sees(tmp_path):
    left = [layer([("a", b"1"), ("b", b"2")])]
    right = [layer([("a", b"1")]), layer([("b", b"2"), ("c", b"3")])]
    comparison = compared(tmp_path, left, right)
    assert told(comparison) == {"/c": ("only-right",)}


def test_padding_alone_is_noted(tmp_path):
    tar = layer([("f", b"1")])
    comparison = compared(tmp_path, [tar], [tar + bytes(512)])
    assert not comparison.differences
    assert any("how its archive is written" in note for note in comparison.notes)
    assert comparison.result == "same-files"


NAMES = st.sampled_from(["a", "b", "d/a", "d/b", "d/e/f"])
FILES = st.builds(
    F,
    data=st.sampled_from([b"", b"1", b"2"]),
    mtime=st.sampled_from([1, 2]),
    mode=st.sampled_from([0o644, 0o600]),
    uid=st.sampled_from([0, 1]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(left=st.dictionaries(NAMES, FILES, max_size=5), right=st.dictionaries(NAMES, FILES, max_size=5))
def test_what_is_told_is_exactly_what_differs(tmp_path, left, right):
    comparison = compared(tmp_path, [layer(left)], [layer(right)])
    expected = set()
    for name in left.keys() | right.keys():
        if left.get(name) != right.get(name):
            expected.add("/" + name)
    assert {d.path for d in comparison.differences if set(d.kinds) - {"order"}} == expected
    mirrored = compared(tmp_path, [layer(right)], [layer(left)])
    assert mirrored.result == comparison.result

"""No archive, however broken or hostile, does more than raise an ArchiveError that says what and where."""

import gzip
import json
import os
import tarfile
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from image_archives import (
    F,
    config,
    docker_archive,
    folder,
    hardlink,
    layer,
    oci_files,
    oci_folder,
    oci_tar,
    pack,
    sha,
    symlink,
    tar_of,
)

from repro_audit.container.archive import ArchiveError, Limits, contents, read_image, read_pair

FILES = [
    ("etc", folder()),
    ("etc/a", b"hello" * 300),
    ("b", F(b"x", pax={"SCHILY.xattr.user.k": "v", "mtime": "17.25"})),
    ("c", hardlink("b")),
    ("d", symlink("b")),
    ("e" * 120, b"long"),
    ("null", F(type=tarfile.CHRTYPE, device=(1, 3))),
    ("etc/.wh.z", b""),
]


def image_with(tmp_path, tar: bytes) -> str:
    return docker_archive(tmp_path / "i.tar", [tar])


def test_names_that_lead_out_of_the_image_are_kept_inside_and_noted(tmp_path):
    image = read_image(
        image_with(tmp_path, layer([("../../etc/passwd", b"x"), ("/abs/./x", b"y"), ("a/../../b", b"z")]))
    )
    assert set(image.files) == {"/etc/passwd", "/abs/x", "/b"}
    assert any("../../etc/passwd tries to leave the image" in note for note in image.notes)


def test_an_entry_that_stands_twice_counts_once_and_is_noted(tmp_path):
    image = read_image(image_with(tmp_path, layer([("f", b"1"), ("f", b"22")])))
    assert image.files["/f"].size == 2
    assert image.hidden[0, "/f"].size == 1
    assert "stands twice" in image.notes[0]


def test_hard_links_in_a_circle_are_an_error(tmp_path):
    with pytest.raises(ArchiveError, match=r"layer 0 .* lead in a circle"):
        read_image(image_with(tmp_path, layer([("a", hardlink("b")), ("b", hardlink("a"))])))


def test_a_long_chain_of_hard_links_takes_linear_time(tmp_path):
    links = [(f"h{n}", hardlink(f"h{n - 1}")) for n in range(1, 20_000)]
    start = time.perf_counter()
    image = read_image(image_with(tmp_path, layer([("h0", b"x"), *links])))
    assert time.perf_counter() - start < 20  # far more where each link walks all of the chain
    assert {entry.target for entry in image.files.values()} == {"/h0"}
    assert len({entry.digest for entry in image.files.values()}) == 1


def test_a_hard_link_to_nothing_is_noted(tmp_path):
    image = read_image(image_with(tmp_path, layer([("a", hardlink("nowhere"))])))
    assert image.files["/a"].digest is None
    assert "/nowhere, which is not in the layer" in image.notes[0]


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize("keep", [3, 20, 0.5, -1])
def test_a_truncated_layer_is_named(tmp_path, compression, keep):
    files = oci_files([{"tars": [layer([("f", os.urandom(5000))])]}], compression=compression)
    name = max(files, key=lambda n: len(files[n]))
    data = files[name]
    files[name] = data[: int(len(data) * keep) if keep == 0.5 else keep]
    (tmp_path / "i.tar").write_bytes(tar_of(list(files.items())))
    with pytest.raises(ArchiveError, match=r"i\.tar: layer 0 \(sha256:\w+\): "):
        read_image(str(tmp_path / "i.tar"))


def test_a_layer_with_another_digest_than_promised_is_damaged(tmp_path):
    files = oci_files([{"tars": [layer(FILES)]}])
    name = max(files, key=lambda n: len(files[n]))
    files[name] = pack(layer([("evil", b"")]), "gzip")
    (tmp_path / "i.tar").write_bytes(tar_of(list(files.items())))
    with pytest.raises(ArchiveError, match="it should have digest"):
        read_image(str(tmp_path / "i.tar"))


def test_a_configuration_with_another_digest_than_its_name_is_damaged(tmp_path):
    path = docker_archive(tmp_path / "i.tar", [layer(FILES)])
    data = (tmp_path / "i.tar").read_bytes().replace(b'"PATH=/usr/bin"', b'"PATH=/usr/bad"')
    (tmp_path / "i.tar").write_bytes(data)
    with pytest.raises(ArchiveError, match="the image's configuration is damaged"):
        read_image(path)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "holds no files"),
        (b"PK\x03\x04 not a tar" * 100, "this is no image archive"),
        (bytes(10240), "holds no files"),
        (tar_of([("x", b"")]), "neither manifest.json .* nor index.json"),
        (tar_of([("manifest.json", b"[" * 100_000)]), "not valid JSON"),
        (tar_of([("manifest.json", b"\xff{")]), "not valid JSON"),
        (tar_of([("manifest.json", b"{}")]), "not a JSON list"),
        (tar_of([("manifest.json", b"[]")]), "lists no image"),
        (tar_of([("manifest.json", b'[{"Config": "x"}]')]), r"configuration \(x\) is not in the archive"),
        (tar_of([("index.json", b'{"manifests": [{"digest": "sha256:../../etc/passwd"}]}')]), "no valid digest"),
        (tar_of([("manifest.json", symlink("manifest.json"))]), "leads in a circle"),
        (gzip.compress(b"x" * 5000, mtime=0)[:30], "truncated|ends early"),
        (tar_of([("x", b"y" * 2000)])[:1200], "neither|truncated"),
    ],
)
def test_what_is_no_image_gets_a_clear_message(tmp_path, data, says):
    path = tmp_path / "i.tar"
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match=says) as caught:
        read_image(str(path))
    assert str(path) in str(caught.value)


def test_a_path_that_is_no_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArchiveError, match="not a regular file"):
        read_image(str(tmp_path / "pipe"))
    with pytest.raises(ArchiveError, match="No such file"):
        read_image(str(tmp_path / "missing"))


def test_a_blob_that_is_a_link_out_of_the_layout_is_refused(tmp_path):
    path = oci_folder(tmp_path / "oci", [{"tars": [layer(FILES)]}])
    blob = max((tmp_path / "oci/blobs/sha256").iterdir(), key=lambda p: p.stat().st_size)
    blob.unlink()
    blob.symlink_to("/etc/passwd")
    with pytest.raises(ArchiveError, match="link out of the folder"):
        read_image(path)


def test_an_unpacking_bomb_is_stopped(tmp_path):
    path = oci_tar(tmp_path / "i.tar", [{"tars": [layer([("zeros", bytes(5_000_000))])]}], compression="gzip")
    with pytest.raises(ArchiveError, match="unpacks to more"):
        read_image(path, limits=Limits(unpacked=1_000_000))


def test_the_holes_of_a_sparse_file_have_a_bound(tmp_path):
    pax = {"GNU.sparse.size": str(1 << 60), "GNU.sparse.map": "0,0", "GNU.sparse.major": "0"}
    with pytest.raises(ArchiveError, match="holes of sparse file"):
        read_image(image_with(tmp_path, layer([("lastlog", F(pax=pax))])))


def test_an_endless_extended_header_is_refused(tmp_path):
    tar = bytearray(layer([("x", F(b"", pax={"comment": "c" * 3_000_000}))]))
    with pytest.raises(ArchiveError, match="extended header of"):
        read_image(image_with(tmp_path, bytes(tar)))


def test_thousands_of_whiteouts_and_deep_folders_take_linear_time(tmp_path):
    deep = "/".join("d" * 200)
    base = layer([(f"{deep}/{n}", b"") for n in range(2000)])
    top = layer([(f"{deep}/.wh.{n}", b"") for n in range(2000)])
    image = read_image(docker_archive(tmp_path / "i.tar", [base, top]))
    assert not image.files
    assert len(image.hidden) == 4000


BAD = st.one_of(
    st.integers(0, 255).map(lambda b: bytes([b])),
    st.sampled_from([b"", b"\0" * 512, b"\xff" * 12, b"99999999", b"\n", b"="]),
)


@settings(max_examples=150, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1), bad=BAD, keep=st.booleans(), where=st.sampled_from(["layer", "archive"]))
def test_a_mutated_archive_is_read_or_refused_and_nothing_else(tmp_path, place, bad, keep, where):
    tar = layer(FILES)
    if where == "layer":
        at = int(place * len(tar))
        tar = tar[:at] + bad + tar[at + (len(bad) if keep else 0) :]
        path = docker_archive(tmp_path / "i.tar", [tar])  # with the digest that belongs to it
    else:
        path = oci_tar(tmp_path / "i.tar", [{"tars": [tar]}], compression="gzip" if keep else "zstd")
        whole = (tmp_path / "i.tar").read_bytes()
        at = int(place * len(whole))
        (tmp_path / "i.tar").write_bytes(whole[:at] + bad + whole[at + len(bad) :])
    with suppress(ArchiveError):
        image = read_image(path)
        contents(path, {(0, name): 100 for name in image.files}, total=10_000)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["a/layer.tar", "c.json", "linux"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "Config",
                    "Layers",
                    "RepoTags",
                    "rootfs",
                    "diff_ids",
                    "history",
                    "manifests",
                    "digest",
                    "layers",
                    "config",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(manifest=JSON, document=JSON, index=JSON, which=st.sampled_from(["docker", "oci", "config"]))
def test_any_json_in_place_of_the_documents_is_read_or_refused(tmp_path, manifest, document, index, which):
    tar = layer([("x", b"")])
    if which == "config":
        document = {**config([tar]), **(document if isinstance(document, dict) else {"history": document})}
        manifest = [{"Config": "c.json", "Layers": ["a/layer.tar"]}]
    data = json.dumps(document).encode()
    files = [("a/layer.tar", tar), ("c.json", data), ("manifest.json", json.dumps(manifest).encode())]
    if which == "oci":
        files += [("index.json", json.dumps(index).encode()), ("oci-layout", b"{}")]
    (tmp_path / "i.tar").write_bytes(tar_of(files))
    with suppress(ArchiveError):
        read_image(str(tmp_path / "i.tar"))


def test_an_error_in_one_archive_of_a_pair_ends_the_other(tmp_path):
    good = docker_archive(tmp_path / "good.tar", [layer(FILES)])
    bad = docker_archive(tmp_path / "bad.tar", [layer(FILES)[:1500]])
    for pair in ((good, bad), (bad, good)):
        with pytest.raises(ArchiveError, match=r"bad\.tar"):
            read_pair(*pair)
    assert sha(b"")


@pytest.mark.parametrize("content", [b"root:x:0:0:root:/root:/bin/bash\n" * 40, b"FROM scratch\n", b"\x7fELF" * 300])
def test_a_file_of_another_kind_is_no_image_archive(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "passwd").write_bytes(content)
    with pytest.raises(ArchiveError, match="passwd: this is no image archive"):
        read_image(str(tmp_path / "passwd"))

"""What an image archive says is read exactly, whichever tool wrote it."""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile

import pytest
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
    sha,
    symlink,
    tar_of,
)

from repro_audit.container.archive import ArchiveError, Limits, contents, read_image, read_pair


def digest(data):
    return hashlib.sha256(data).digest()


BASE = [
    ("etc", folder()),
    ("etc/passwd", b"root\n"),
    ("app", folder()),
    ("app/old", b"1"),
    ("app/gone", b"2"),
    ("opt", folder()),
    ("opt/a", b"a"),
]
TOP = [("app/old", b"new"), ("app/.wh.gone", b""), ("opt", folder()), ("opt/.wh..wh..opq", b""), ("opt/b", b"b")]


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
@pytest.mark.parametrize("write", [oci_tar, oci_folder])
def test_an_oci_layout_is_read_whatever_its_layers_are_packed_with(tmp_path, compression, write):
    image = read_image(write(tmp_path / "image", [{"tars": [layer(BASE), layer(TOP)]}], compression=compression))
    assert image.files["/app/old"].digest == digest(b"new")
    assert image.files["/app/old"].layer == 1
    assert image.manifest_digest is not None
    assert len(image.layers) == 2
    assert image.layers[1].created_by == "RUN /bin/sh -c step 1 # buildkit"


def test_a_docker_archive_is_read_and_knows_no_manifest_digest(tmp_path):
    path = docker_archive(tmp_path / "i.tar", [layer(BASE), layer(TOP)])
    image = read_image(path)
    assert set(image.files) == {"/etc", "/etc/passwd", "/app", "/app/old", "/opt", "/opt/b"}
    assert image.manifest_digest is None
    assert image.config_digest == sha(json.dumps(config([layer(BASE), layer(TOP)])).encode())
    assert image.names == ("test:latest",)


def test_an_archive_compressed_as_a_whole_is_read(tmp_path):
    path = docker_archive(tmp_path / "i.tar", [layer(BASE)])
    subprocess.run(["gzip", path], check=True)
    assert "/etc/passwd" in read_image(path + ".gz").files


def test_layers_that_docker_stored_as_links_to_one_another_are_found(tmp_path):
    tar = layer(BASE)
    document = json.dumps(config([tar, tar])).encode()
    manifest = json.dumps([{"Config": "c.json", "Layers": ["a/layer.tar", "b/layer.tar"]}]).encode()
    path = tmp_path / "i.tar"
    path.write_bytes(
        tar_of(
            [
                ("a/layer.tar", tar),
                ("b/layer.tar", symlink("../a/layer.tar")),
                ("c.json", document),
                ("manifest.json", manifest),
            ]
        )
    )
    assert len(read_image(str(path)).layers) == 2


def test_what_later_layers_replace_or_remove_is_hidden_but_kept(tmp_path):
    image = read_image(docker_archive(tmp_path / "i.tar", [layer(BASE), layer(TOP)]))
    assert image.hidden[0, "/app/gone"].digest == digest(b"2")
    assert image.hidden[0, "/app/old"].digest == digest(b"1")
    assert image.hidden[0, "/opt/a"].digest == digest(b"a")
    assert image.hidden[1, "/app/gone"].kind == "whiteout"


def test_a_folder_that_becomes_a_file_takes_its_contents_with_it(tmp_path):
    image = read_image(docker_archive(tmp_path / "i.tar", [layer(BASE), layer([("app", b"now a file")])]))
    assert image.files["/app"].kind == "file"
    assert "/app/old" not in image.files


def test_a_removed_folder_that_is_made_again_holds_only_what_is_new(tmp_path):
    top = layer([(".wh.app", b""), ("app", folder()), ("app/fresh", b"f")])
    image = read_image(docker_archive(tmp_path / "i.tar", [layer(BASE), top]))
    assert {p for p in image.files if p.startswith("/app")} == {"/app", "/app/fresh"}


def test_every_kind_of_file_keeps_what_makes_it(tmp_path):
    files = [
        ("link", symlink("../x")),
        ("fifo", F(type=tarfile.FIFOTYPE, mode=0o600)),
        ("null", F(type=tarfile.CHRTYPE, device=(1, 3))),
        ("disk", F(type=tarfile.BLKTYPE, device=(8, 0))),
        ("run", F(b"x", mode=0o4755, uid=70_000_000, gid=5)),
        ("z", b"shared"),
        ("a", hardlink("z")),
        ("b", hardlink("a")),
    ]
    table = read_image(docker_archive(tmp_path / "i.tar", [layer(files)])).files
    assert (table["/link"].kind, table["/link"].target) == ("symlink", "../x")
    assert table["/fifo"].kind == "fifo"
    assert (table["/null"].kind, table["/null"].device) == ("chardev", (1, 3))
    assert (table["/disk"].kind, table["/disk"].device) == ("blockdev", (8, 0))
    assert (table["/run"].mode, table["/run"].uid, table["/run"].gid) == (0o4755, 70_000_000, 5)
    assert {table[p].target for p in ("/z", "/a", "/b")} == {"/a"}
    assert {table[p].digest for p in ("/z", "/a", "/b")} == {digest(b"shared")}


@pytest.mark.parametrize("style", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_are_read_in_every_tar_format(tmp_path, style):
    long = "d" * 90 + "/" + "n" * 90
    table = read_image(docker_archive(tmp_path / "i.tar", [layer([(long, b"x")], style)])).files
    assert table["/" + long].digest == digest(b"x")


def test_names_that_are_not_utf8_survive(tmp_path):
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    tar = layer([(name, b"x")], tarfile.GNU_FORMAT)
    table = read_image(docker_archive(tmp_path / "i.tar", [tar])).files
    assert os.fsencode(next(iter(table))) == b"/caf\xe9"


def test_extended_attributes_keep_their_bytes(tmp_path):
    value = b"\x01\x00\x00\x02\xff\n="
    tar = layer(
        [
            (
                "ping",
                F(
                    b"x",
                    pax={
                        "SCHILY.xattr.security.capability": value.decode("utf-8", "surrogateescape"),
                        "hdrcharset": "BINARY",
                    },
                ),
            )
        ]
    )
    assert value in tar
    entry = read_image(docker_archive(tmp_path / "i.tar", [tar])).files["/ping"]
    assert entry.xattrs == ((b"security.capability", value),)


def test_times_keep_their_nanoseconds(tmp_path):
    tar = layer([("f", F(b"x", pax={"mtime": "1700000000.123456789"})), ("old", F(b"x", pax={"mtime": "-1.5"}))])
    table = read_image(docker_archive(tmp_path / "i.tar", [tar])).files
    assert table["/f"].mtime == 1_700_000_000_123_456_789
    assert table["/old"].mtime == -1_500_000_000


@pytest.mark.parametrize(
    "options",
    [
        ["--format=gnu"],
        ["--format=pax", "--sparse-version=0.0"],
        ["--format=pax", "--sparse-version=0.1"],
        ["--format=pax", "--sparse-version=1.0"],
    ],
)
def test_a_sparse_file_has_the_digest_of_its_whole_content(tmp_path, options):
    with open(tmp_path / "sparse", "wb") as file:
        for number in range(40):  # more extents than fit one header
            file.seek(number * 65536)
            file.write(b"data" * 10)
        file.truncate(40 * 65536 + 5)
    whole = (tmp_path / "sparse").read_bytes()
    made = subprocess.run(["tar", "-S", *options, "-cf", "-", "sparse"], cwd=tmp_path, capture_output=True, check=True)
    if len(made.stdout) > 1_000_000:
        pytest.skip("this file system keeps no holes, so tar wrote none")
    path = docker_archive(tmp_path / "i.tar", [made.stdout])
    entry = read_image(path).files["/sparse"]
    assert entry.size == len(whole)
    assert entry.digest == digest(whole)
    assert contents(path, {(0, "/sparse"): 1 << 30}, total=1 << 30)[0, "/sparse"].data == whole


def test_a_file_larger_than_octal_can_say_is_read_by_its_base_256_size(tmp_path):
    info = tarfile.TarInfo("huge")
    info.size = 9 << 30
    header = info.tobuf(tarfile.GNU_FORMAT)
    assert header[124] & 0x80
    with pytest.raises(ArchiveError, match="truncated in the middle of huge"):
        read_image(docker_archive(tmp_path / "i.tar", [header + b"x" * 512]))


def test_the_table_agrees_with_pythons_tarfile_on_a_real_tree(tmp_path):
    made = subprocess.run(
        ["tar", "-C", os.path.dirname(json.__file__), "-cf", "-", "."], capture_output=True, check=True
    ).stdout
    table = read_image(docker_archive(tmp_path / "i.tar", [made])).files
    with tarfile.open(fileobj=io.BytesIO(made)) as tar:
        members = tar.getmembers()
        assert len(members) == len(table) > 5
        for member in members:
            entry = table[os.path.normpath("/" + member.name)]
            assert (entry.mode, entry.uid, entry.size) == (member.mode, member.uid, member.size)
            assert entry.mtime // 10**9 == int(member.mtime)
            if member.isfile():
                assert entry.digest == digest(tar.extractfile(member).read())


def test_a_platform_is_chosen_among_several(tmp_path):
    images = [
        {"tars": [layer([("amd", b"")])], "platform": "linux/amd64"},
        {"tars": [layer([("arm", b"")])], "platform": "linux/arm64"},
    ]
    path = oci_tar(tmp_path / "i.tar", images)
    assert "/arm" in read_image(path, platform="linux/arm64").files
    with pytest.raises(ArchiveError, match=r"no image for linux/s390x, but: linux/amd64, linux/arm64"):
        read_image(path, platform="linux/s390x")


def test_an_index_within_the_index_is_followed_and_attestations_are_left_out(tmp_path):
    files = oci_files([{"tars": [layer(BASE)], "platform": "linux/amd64"}])
    inner = json.loads(files["index.json"])
    inner["manifests"].append(
        {
            "digest": sha(b"?"),
            "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
            "platform": {"os": "unknown", "architecture": "unknown"},
        }
    )
    document = json.dumps(inner).encode()
    files["blobs/" + sha(document).replace(":", "/")] = document
    files["index.json"] = json.dumps(
        {"manifests": [{"mediaType": "application/vnd.oci.image.index.v1+json", "digest": sha(document)}]}
    ).encode()
    (tmp_path / "i.tar").write_bytes(tar_of(list(files.items())))
    assert "/etc/passwd" in read_image(str(tmp_path / "i.tar")).files


def test_an_image_is_chosen_by_its_name(tmp_path):
    images = [{"tars": [layer([("one", b"")])]}, {"tars": [layer([("two", b"")])]}]
    path = oci_tar(tmp_path / "i.tar", images, names=["docker.io/library/one:latest", "docker.io/library/two:latest"])
    assert "/two" in read_image(path, reference="two").files
    with pytest.raises(ArchiveError, match="holds no image called three"):
        read_image(path, reference="three")
    with pytest.raises(ArchiveError, match="several images"):
        read_image(path)


def test_a_pair_shares_the_layers_that_both_have(tmp_path):
    left = docker_archive(tmp_path / "l.tar", [layer(BASE), layer(TOP)])
    right = oci_tar(tmp_path / "r.tar", [{"tars": [layer(BASE), layer([("other", b"")])]}])
    one, two = read_pair(left, right)
    assert one.files["/etc/passwd"] is two.files["/etc/passwd"]
    assert "/other" in two.files
    assert "/other" not in one.files


def test_a_shared_layer_is_still_verified_in_the_second_archive(tmp_path):
    left = docker_archive(tmp_path / "l.tar", [layer(BASE)])
    data = bytearray((tmp_path / "l.tar").read_bytes())
    data[data.index(b"root\n")] ^= 1
    (tmp_path / "r.tar").write_bytes(data)
    with pytest.raises(ArchiveError, match=r"r\.tar: layer 0 .* is damaged"):
        read_pair(left, str(tmp_path / "r.tar"))


def test_history_entries_lead_to_the_layers_they_made(tmp_path):
    history = [{"created_by": "a"}, {"created_by": "ENV A=1", "empty_layer": True}, {"created_by": "b"}]
    image = read_image(docker_archive(tmp_path / "i.tar", [layer(BASE), layer(TOP)], history))
    assert [h.layer for h in image.history] == [0, None, 1]
    assert [x.created_by for x in image.layers] == ["a", "b"]


def test_contents_gives_the_asked_bytes_and_no_more(tmp_path):
    path = docker_archive(tmp_path / "i.tar", [layer([("f", b"0123456789"), ("g", b"abc")])])
    found = contents(path, {(0, "/f"): 4, (0, "/g"): 10}, total=100)
    assert (found[0, "/f"].data, found[0, "/f"].complete) == (b"0123", False)
    assert (found[0, "/g"].data, found[0, "/g"].complete) == (b"abc", True)
    assert set(contents(path, {(0, "/f"): 4, (0, "/g"): 10}, total=4)) == {(0, "/f")}


def test_progress_counts_every_unpacked_byte(tmp_path):
    tars = [layer(BASE), layer(TOP)]
    seen = []
    read_image(docker_archive(tmp_path / "i.tar", tars), progress=seen.append)
    assert sum(seen) == sum(map(len, tars))


def test_limits_refuse_an_image_of_too_many_files(tmp_path):
    path = docker_archive(tmp_path / "i.tar", [layer(BASE)])
    with pytest.raises(ArchiveError, match="more files than any real image"):
        read_image(path, limits=Limits(entries=3))


def test_a_python_that_cannot_read_zstd_says_what_to_install(tmp_path, monkeypatch):
    path = oci_tar(tmp_path / "i.tar", [{"tars": [layer(BASE)]}], compression="zstd")
    monkeypatch.setitem(sys.modules, "zstandard", None)
    monkeypatch.setitem(sys.modules, "compression", None)
    with pytest.raises(ArchiveError, match="install the package `zstandard`"):
        read_image(path)


def test_zstd_frames_after_one_another_and_skippable_ones_are_read(tmp_path):
    zstandard = pytest.importorskip("zstandard")
    tar = layer(BASE)
    packer = zstandard.ZstdCompressor()
    skippable = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"table"
    for number, data in enumerate(
        (packer.compress(tar[:1000]) + packer.compress(tar[1000:]) + skippable, skippable + packer.compress(tar))
    ):
        files = oci_files([{"tars": [tar]}], compression="none")
        manifest = json.loads(
            files["blobs/" + json.loads(files["index.json"])["manifests"][0]["digest"].replace(":", "/")]
        )
        manifest["layers"] = [{"digest": sha(data), "size": len(data)}]
        document = json.dumps(manifest).encode()
        files |= {"blobs/" + sha(d).replace(":", "/"): d for d in (data, document)}
        files["index.json"] = json.dumps({"manifests": [{"digest": sha(document)}]}).encode()
        (tmp_path / f"{number}.tar").write_bytes(tar_of(list(files.items())))
        assert "/etc/passwd" in read_image(str(tmp_path / f"{number}.tar")).files


def test_long_names_are_kept_once_for_both_images_and_all_their_links(tmp_path):
    """Memory grows with the names: a thousand bytes for each of 200,000 files are 200 MB each time they are kept."""
    long = "folder-with-a-long-name/" * 30
    sides = []
    for side in (b"1", b"2"):
        files = {f"{long}a": F(side), f"{long}b": hardlink(f"{long}a"), f"{long}c": hardlink(f"{long}a")}
        sides.append(docker_archive(tmp_path / f"{side.decode()}.tar", [layer(files)]))
    left, right = read_pair(*sides)
    kept = {id(name) for image in (left, right) for name in image.files}
    kept |= {id(entry.target) for image in (left, right) for entry in image.files.values() if entry.target}
    assert len(kept) == 3

"""Saving: one step, nothing lost on the way, and a clear word when it cannot be done."""

from __future__ import annotations

import os
import stat

import pytest

from repro_audit.fix import with_text
from repro_audit.save import SaveError, rewritten, save
from repro_audit.source import Source


def test_content_is_replaced_and_the_mode_stays(tmp_path):
    file = tmp_path / "Dockerfile"
    file.write_bytes(b"old")
    file.chmod(0o754)
    save(str(file), b"new", expected=b"old")
    assert file.read_bytes() == b"new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o754
    assert os.listdir(tmp_path) == ["Dockerfile"]


def test_a_file_that_changed_meanwhile_is_left_alone(tmp_path):
    file = tmp_path / "Dockerfile"
    file.write_bytes(b"newer")
    with pytest.raises(SaveError, match="modified meanwhile"):
        save(str(file), b"new", expected=b"old")
    assert file.read_bytes() == b"newer"


def test_a_read_only_file_is_left_alone(tmp_path):
    file = tmp_path / "Dockerfile"
    file.write_bytes(b"old")
    file.chmod(0o444)
    with pytest.raises(SaveError, match=r"Dockerfile: not changed, it is read-only"):
        save(str(file), b"new", expected=b"old")
    assert file.read_bytes() == b"old"


def test_a_link_within_the_tree_stays_a_link(tmp_path):
    (tmp_path / "docker").mkdir()
    target = tmp_path / "docker" / "Dockerfile"
    target.write_bytes(b"old")
    link = tmp_path / "Dockerfile"
    link.symlink_to("docker/Dockerfile")
    save(str(link), b"new", expected=b"old", root=str(tmp_path))
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_link_out_of_the_tree_is_not_followed(tmp_path):
    (tmp_path / "tree").mkdir()
    target = tmp_path / "tree-outside"
    target.write_bytes(b"old")
    link = tmp_path / "tree" / "Dockerfile"
    link.symlink_to(target)
    with pytest.raises(SaveError, match="outside of"):
        save(str(link), b"new", expected=b"old", root=str(tmp_path / "tree"))
    assert target.read_bytes() == b"old"


def test_what_is_missing_or_no_file_gives_a_clear_error(tmp_path):
    with pytest.raises(SaveError, match="No such file"):
        save(str(tmp_path / "gone"), b"new", expected=b"old")
    with pytest.raises(SaveError, match="no plain file"):
        save(str(tmp_path), b"new", expected=b"old")


def test_a_failure_on_the_way_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    file = tmp_path / "Dockerfile"
    file.write_bytes(b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(SaveError, match="Dockerfile: not changed, No space left on device"):
        save(str(file), b"new", expected=b"old")
    assert file.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["Dockerfile"]


def test_a_file_is_written_in_its_own_encoding():
    for data in (b"\xef\xbb\xbfa\xff", "a\u65e5".encode("utf-16-le"), b"plain"):
        bom = b"\xff\xfe" if b"\x00" in data or data[:2] == b"a\x00" else b""
        source = Source.from_bytes("f", bom + data)
        assert rewritten(source, bom + data) == bom + data
        assert rewritten(with_text(source, source.text + "x"), bom + data).startswith(bom + data)


def test_a_file_that_could_not_be_decoded_faithfully_is_left_alone():
    data = b"\xff\xfea\x00\x00\xd8"  # UTF-16 that ends within a pair
    with pytest.raises(SaveError, match="not all of its bytes are valid utf-16-le"):
        rewritten(Source.from_bytes("f", data), data)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give a file away")
def test_the_owner_stays(tmp_path):
    file = tmp_path / "Dockerfile"
    file.write_bytes(b"old")
    os.chown(file, 12345, 54321)
    save(str(file), b"new", expected=b"old")
    assert (file.stat().st_uid, file.stat().st_gid) == (12345, 54321)

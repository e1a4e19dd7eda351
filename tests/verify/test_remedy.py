"""Remedies fit what was in force when the images were made, and reports call the images by their names."""

from __future__ import annotations

import pytest
from image_archives import F, docker_archive, folder, layer

from repro_audit.verify.circumstances import Circumstances
from repro_audit.verify.explain import verify_archives
from repro_audit.verify.report import FORMATS, render

BUILDS = ("the first build", "the second build")


def compared(tmp_path, left, right, circumstances=None):
    paths = []
    for number, files in enumerate((left, right)):
        tar = layer([("etc", folder()), *files.items()])
        paths.append(docker_archive(tmp_path / f"{number}.tar", [tar]))
    return verify_archives(*paths, circumstances=circumstances)


@pytest.mark.parametrize(
    ("circumstances", "words"),
    [
        (Circumstances("builds", BUILDS, "no-time"), "--source-date-epoch"),
        (Circumstances("builds", BUILDS, "none", 7), "docker buildx create --use"),
        (Circumstances("builds", BUILDS, "image", 7), "dates the image, not its files"),
        (Circumstances("builds", BUILDS, "files", 7), "before SOURCE_DATE_EPOCH are kept"),
        (Circumstances("fresh", ("app:1", "the fresh build"), "files", 7), "build that with SOURCE_DATE_EPOCH=7"),
        (Circumstances("fresh", ("app:1", "the fresh build"), "no-time"), "nothing gave a time"),
        (Circumstances("images", ("app:1", "app:2")), "rewrite-timestamp=true"),
    ],
)
def test_what_removes_differing_times_depends_on_what_was_in_force(tmp_path, circumstances, words):
    found = compared(tmp_path, {"a": F(b"x", mtime=1)}, {"a": F(b"x", mtime=2)}, circumstances)
    (difference,) = (d for d in found.differences if d.path == "/a")
    assert difference.reason.cause == "timestamps"
    assert words in difference.reason.remedy


@pytest.mark.parametrize(
    ("dating", "words"),
    [
        ("files", None),
        ("image", None),
        ("option", "--build-arg SOURCE_DATE_EPOCH="),
        ("none", "--build-arg SOURCE_DATE_EPOCH="),
        ("no-time", "--source-date-epoch"),
    ],
)
def test_a_date_is_handed_in_as_the_engine_takes_it(tmp_path, dating, words):
    sides = ({"a": f"built 2024-01-0{n} 10:00:00\n".encode()} for n in (1, 2))
    (difference,) = compared(tmp_path, *sides, Circumstances("builds", BUILDS, dating, 7)).differences
    assert "ARG SOURCE_DATE_EPOCH" in difference.reason.remedy
    assert ("(" in difference.reason.remedy) is (words is not None)
    assert (words or "") in difference.reason.remedy


def test_two_images_are_not_told_as_two_builds(tmp_path):
    left = {"a": b"one\n", "n": b"number 17\n", "only": b"x", "t": F(b"x", mtime=1)}
    right = {"a": b"two\n", "n": b"number 23\n", "t": F(b"x", mtime=2)}
    found = compared(tmp_path, left, right, Circumstances("images", ("debian:12", "good.tar")))
    reasons = {d.path: d.reason for d in found.differences}
    assert reasons["/only"].why == "only in debian:12; the cause is not known"
    assert {reasons[path].cause for path in ("/a", "/n")} == {"unknown"}
    for style in FORMATS:
        text = render(found, style).lower()
        assert style == "markdown" or "--- debian:12" in text.replace("<del>", "")
        assert not any(word in text for word in ("two builds", "rebuilding", "chance", "the day", "first build")), style
    assert "<title>Two images compared" in render(found, "html")


def test_packages_on_one_side_only_are_said_to_be_in_the_image_of_that_name(tmp_path):
    status = "Package: {}\nStatus: install ok installed\nVersion: 1\n\n"
    both, more = status.format("bash"), status.format("bash") + status.format("curl")
    sides = ({"var/lib/dpkg/status": text.encode()} for text in (more, both))
    text = render(compared(tmp_path, *sides, Circumstances("images", ("debian:12", "good.tar"))), "text")
    assert "dpkg   curl 1 only in debian:12" in text

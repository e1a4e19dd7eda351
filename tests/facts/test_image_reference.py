import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro_audit.facts.image_reference import fault, parse, pin_of, reference
from repro_audit.facts.pin import Level
from repro_audit.source import Source, Span

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("python", (None, "python", None, None)),
        ("python:3.10", (None, "python", "3.10", None)),
        ("docker.io/library/python:3", (None, "python", "3", None)),
        ("library/python", (None, "python", None, None)),
        ("nvidia/cuda:11.8.0-base", (None, "nvidia/cuda", "11.8.0-base", None)),
        ("localhost/x", ("localhost", "x", None, None)),
        ("host:5000/a/b:c", ("host:5000", "a/b", "c", None)),
        ("host:5000/a", ("host:5000", "a", None, None)),
        ("nvcr.io/nvidia/pytorch:23.10-py3", ("nvcr.io", "nvidia/pytorch", "23.10-py3", None)),
        (f"ghcr.io/a/b@{DIGEST}", ("ghcr.io", "a/b", None, DIGEST)),
        (f"alpine:3.19@{DIGEST}", (None, "alpine", "3.19", DIGEST)),
        ("docker://alpine:3.19", (None, "alpine", "3.19", None)),
    ],
)
def test_a_reference_comes_apart_as_docker_takes_it(image: str, parts: tuple[str | None, ...]) -> None:
    assert tuple(parse(image)) == parts


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ("Python:3", "lowercase"),
        ("a/B", "lowercase"),
        ("", "invalid reference"),
        ("a b", "invalid reference"),
        ("python:", "invalid reference"),
        ("python:a b", "invalid reference"),
        ("python@sha256:abc", "invalid reference"),
        ("a//b", "invalid reference"),
        ("https://a/b", "invalid reference"),
        ("-h.org/b", "invalid reference"),
        (f"python@sha256:{'a' * 63}", "invalid checksum digest length"),
        (f"python@sha256:{'A' * 64}", "invalid checksum digest format"),
        (f"python@md5:{'a' * 32}", "unsupported digest algorithm"),
    ],
)
def test_what_docker_refuses_has_a_fault(image: str, reason: str) -> None:
    assert reason in (fault(image) or "")


def test_a_malformed_digest_holds_nothing() -> None:
    for image in ("python:3.12@sha256:abc", f"python@sha256:{'a' * 63}", "python@"):
        assert pin_of(parse(image)).level is Level.FLOATING


def test_ordinary_references_have_no_fault() -> None:
    for image in ("python", "a/b-c__d.e:1.0_x", f"host:5000/a@{DIGEST}", "localhost:5000/x:y"):
        assert fault(image) is None


@pytest.mark.parametrize(
    ("level", "images"),
    [
        (
            Level.FLOATING,
            "python python:latest tensorflow/tensorflow:latest-gpu node:lts alpine:edge debian:stable-slim python:slim"
            " python:alpine python:bookworm tensorflow/tensorflow:nightly org/app:gpu ubuntu:rolling ghcr.io/a/b:main",
        ),
        (
            Level.RANGED,
            "python:3 python:3.10-slim ubuntu:22.04 ubuntu:jammy debian:bookworm-slim debian:12 node:20 alpine:3.19"
            " postgres:16 postgres:9.6 golang:1.22 nvidia/cuda:11.8-base centos:7 amazonlinux:2 fedora:39"
            " amd64/ubuntu:22.04 registry.access.redhat.com/ubi8/ubi:8.9 mcr.microsoft.com/devcontainers/python:1-3.11"
            " mcr.microsoft.com/windows/servercore:ltsc2022 python:3.10-alpine3.19.1 jupyter/scipy-notebook:python-3.11.6",
        ),
        (
            Level.PERISHABLE,
            "python:3.12.7-slim-bookworm pytorch/pytorch:1.9.0-cuda11.1-cudnn8-runtime"
            " nvidia/cuda:11.8.0-cudnn8-devel-ubuntu22.04 ubuntu:jammy-20240111 debian:bookworm-20240110 alpine:3.19.1"
            " postgres:16.1 postgres:9.6.24-alpine debian:12.4-slim rockylinux:9.3 nvcr.io/nvidia/pytorch:23.10-py3"
            " openjdk:8u342-jdk python:3.13.0rc1 vllm/vllm-openai:v0.4.2 ghcr.io/a/b:sha-1a2b3c4 org/app:1a2b3c4d5e6f"
            " minio/minio:RELEASE.2023-11-20T22-40-07Z quay.io/jupyter/base-notebook:2024-01-15 centos:7.9.2009"
            " registry.access.redhat.com/ubi8/ubi:8.9-1028 rocm/pytorch:rocm5.7_ubuntu22.04_py3.10_pytorch_2.0.1",
        ),
        (Level.HASHED, f"python@{DIGEST} python:latest@{DIGEST}"),
    ],
)
def test_a_tag_stands_on_its_rung_of_the_ladder(level: Level, images: str) -> None:
    for image in images.split():
        assert pin_of(parse(image)).level == level, image


def test_a_variable_without_a_value_leaves_the_image_open_unless_a_digest_holds_it() -> None:
    source, span = Source("Dockerfile", ""), Span(0, 0)
    image = reference(source, span, "python:${V}", "python:${V}", "from", unknown=("V",))
    assert image.pin.level == Level.FLOATING
    assert "V" in image.pin.reason
    held = reference(source, span, f"${{R}}/a@{DIGEST}", f"${{R}}/a@{DIGEST}", "from", unknown=("R",))
    assert held.pin.level == Level.HASHED
    mirrored = reference(source, span, "${R}/python:3.12.7", "${R}/python:3.12.7", "from", unknown=("R",))
    assert mirrored.pin.level == Level.PERISHABLE


def test_scratch_and_earlier_stages_are_local() -> None:
    source, span = Source("Dockerfile", ""), Span(0, 0)
    assert reference(source, span, "scratch", "scratch", "from").pin.level == Level.LOCAL
    assert reference(source, span, "build", "build", "from", local=True).local


def test_a_missing_name_is_no_image() -> None:
    assert reference(Source("Dockerfile", "FROM\n"), Span(4, 4), "", "", "from").local


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text_comes_apart(text: str) -> None:
    parts = parse(text)
    assert pin_of(parts).level is not Level.LOCAL
    assert (pin_of(parts).level is Level.HASHED) <= (parts.digest is not None)
    fault(text)


NAMES = st.from_regex(r"[a-z0-9]+(?:[._-][a-z0-9]+)*", fullmatch=True)


@given(
    st.sampled_from([None, "localhost", "ghcr.io", "r.example:5000"]),
    st.lists(NAMES, min_size=1, max_size=3).map("/".join),
    st.none() | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True),
    st.sampled_from([None, DIGEST]),
)
def test_a_reference_put_together_comes_apart_into_the_same(
    registry: str | None, repository: str, tag: str | None, digest: str | None
) -> None:
    host, _, rest = repository.partition("/")
    if registry is None and rest and (host == "localhost" or "." in host or host == "library"):
        return  # that would be a registry, or the part of the name that goes without saying
    text = "".join(
        (f"{registry}/" if registry else "", repository, f":{tag}" if tag else "", f"@{digest}" if digest else "")
    )
    assert parse(text) == (registry, repository, tag, digest)
    assert fault(text) is None

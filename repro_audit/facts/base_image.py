"""What published base images are known to leave in force: the user, the workdir, a health check.

Read from the images' own Dockerfiles. Called by checks that would otherwise have to guess about an image that they
cannot see; where nothing is known the answer is None.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from repro_audit.facts.input import ImageRef

_DISTRIBUTIONS = frozenset(
    "scratch alpine almalinux amazonlinux archlinux buildpack-deps busybox centos debian fedora oraclelinux photon "
    "rockylinux ubuntu opensuse/leap opensuse/tumbleweed rockylinux/rockylinux".split()
)
# Official images that neither set a user nor start through a program that gives up root.
_ROOT = _DISTRIBUTIONS | frozenset(
    "amazoncorretto bash caddy clojure composer dart docker eclipse-temurin elixir erlang gcc golang haskell httpd "
    "julia maven mono nginx node openjdk perl php pypy python r-base rocm/pytorch ruby rust swift traefik "
    "continuumio/anaconda3 continuumio/miniconda3 condaforge/mambaforge condaforge/miniforge3 nvidia/cuda "
    "nvidia/cudagl pytorch/pytorch rocker/r-ver tensorflow/tensorflow ufoym/deepo".split()
)
_ROOT_ELSEWHERE = re.compile(
    r"nvcr\.io/nvidia/(?:cuda|pytorch|tensorflow|tensorrt|tritonserver|jax|nemo|l4t-\w+)\Z"
    r"|mcr\.microsoft\.com/(?:dotnet/(?:sdk|aspnet|runtime|runtime-deps)|azurelinux/.*|cbl-mariner/.*)\Z"
    r"|(?:registry\.access\.redhat\.com|registry\.redhat\.io)/ubi\d+(?:/ubi(?:-minimal|-micro)?)?\Z"
    r"|(?:gcr\.io/distroless|ghcr\.io/astral-sh)/.*\Z"
    r"|public\.ecr\.aws/amazonlinux/amazonlinux\Z|quay\.io/(?:centos/centos|rockylinux/rockylinux|fedora/fedora)\Z"
)
# Official images whose entrypoint gives up root, and images that a development container's user is set for.
_GIVES_UP_ROOT = frozenset(
    "cassandra elasticsearch haproxy influxdb kibana logstash mariadb memcached mongo mysql neo4j postgres rabbitmq "
    "redis solr valkey varnish zookeeper mambaorg/micromamba".split()
)
_NONROOT = re.compile(
    r"mcr\.microsoft\.com/(?:vscode/)?devcontainers/|(?:quay\.io/)?jupyter/|cgr\.dev/|(?:docker\.io/)?"
    r"(?:bitnami|cimg|circleci|selenium|gitpod|chainguard|grafana|prom|prometheus|nginxinc|kasmweb)/"
    r"|.*/(?:ubi\d*|rhel\d*)/(?:python|nodejs|openjdk|ruby|perl|php|go-toolset|nginx|httpd)"
    r"|docker\.elastic\.co/|nvcr\.io/nvidia/(?:rapidsai|distroless)/"
)
# Tags under which these publishers set another user than root.
_NONROOT_TAG = re.compile(r"nonroot|chiseled|distroless|(?:^|-)appuser")
_ARCHITECTURE = re.compile(r"(?:amd64|arm32v[567]|arm64v8|i386|mips64le|ppc64le|riscv64|s390x)/")
_WINDOWS = re.compile(r"windowsservercore|nanoserver|windows-?server|ltsc20\d\d")


def windows(image: ImageRef) -> bool:
    """Whether the image is one for Windows, where users and paths are others."""
    return bool(_WINDOWS.search(image.tag or "")) or image.repository.startswith("windows")


def runs_as_root(image: ImageRef) -> bool | None:
    """Whether the image leaves root in force; None where nobody here knows."""
    full = f"{image.registry}/{image.repository}" if image.registry else image.repository
    if _NONROOT_TAG.search(image.tag or "") or _NONROOT.match(full) or _official(image) in _GIVES_UP_ROOT:
        return False
    if _official(image) in _ROOT:
        return True
    if image.registry is not None and _ROOT_ELSEWHERE.match(full):
        return True
    return None


_WORKDIRS = {
    **dict.fromkeys(_DISTRIBUTIONS, "/"),
    **dict.fromkeys("eclipse-temurin node openjdk python ruby rust nvidia/cuda continuumio/miniconda3".split(), "/"),
    "composer": "/app",
    "golang": "/go",
    "pytorch/pytorch": "/workspace",
}


def workdir(image: ImageRef) -> str | None:
    """The workdir that the image leaves in force; None where nobody here knows."""
    return None if windows(image) else _WORKDIRS.get(_official(image))


def checks_health(image: ImageRef) -> bool | None:
    """Whether the image brings a HEALTHCHECK: Docker's official images have none; None where nobody here knows."""
    name = _official(image)
    return False if name in _ROOT or (name and "/" not in name) or runs_as_root(image) else None


def _official(image: ImageRef) -> str:
    """The name on Docker Hub, without the architecture that official images may be asked for; '' for elsewhere."""
    repository = image.repository
    if image.registry is None:
        found = _ARCHITECTURE.match(repository)
        return repository[found.end() :] if found else repository
    if image.registry == "public.ecr.aws" and repository.startswith("docker/library/"):
        return repository[len("docker/library/") :]
    if image.registry == "mirror.gcr.io":
        return repository.removeprefix("library/")
    return ""

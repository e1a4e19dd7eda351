"""Packages that moved are listed from the databases of both images, and their files are told to belong to them."""

import json
import subprocess

import pytest
from image_archives import docker_archive, layer

from repro_audit.verify.explain import verify_archives
from repro_audit.verify.packages import Installed, read

CURL = "Package: curl\nStatus: install ok installed\nArchitecture: amd64\nVersion: {}\nDescription: x\n y\n\n"
BASH = "Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2-1\n\n"


def compared(tmp_path, left, right):
    paths = [
        docker_archive(tmp_path / f"{n}.tar", [layer([(p.lstrip("/"), d) for p, d in files.items()])])
        for n, files in enumerate((left, right))
    ]
    return verify_archives(*paths)


def texts(comparison):
    return [f"{p.ecosystem} {p}" for p in comparison.packages]


def test_debian_packages_and_the_files_they_brought(tmp_path):
    def image(version, data):
        return {
            "/var/lib/dpkg/status": (CURL.format(version) + BASH).encode(),
            "/var/lib/dpkg/info/curl.list": b"/.\n/usr\n/usr/bin/curl\n/lib/libcurl.so\n",
            "/usr/bin/curl": data,
            "/usr/lib/libcurl.so": data,
            "/usr/bin/own": data,
        }

    comparison = compared(tmp_path, image("7.88.1-10", b"old"), image("7.88.1-11", b"new"))
    assert texts(comparison) == ["dpkg curl 7.88.1-10 -> 7.88.1-11"]
    causes = {d.path: d.reason.cause for d in comparison.differences}
    assert causes["/usr/bin/curl"] == causes["/usr/lib/libcurl.so"] == "package-version"
    assert causes["/usr/bin/own"] == "unknown"
    assert causes["/var/lib/dpkg/status"] == "dpkg-status"


def test_a_real_dpkg_status_is_read_whole():
    try:
        made = subprocess.run(
            ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n"], capture_output=True, check=True, text=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("dpkg is not installed here")
    names = {line.split()[1] for line in made.stdout.splitlines() if line.startswith("installed ")}
    found = Installed()
    with open("/var/lib/dpkg/status", "rb") as file:
        read("/var/lib/dpkg/status", file.read(), found)
    assert {name.partition(":")[0] for _, name in found.versions} == names


def test_alpine_packages(tmp_path):
    def image(version, data):
        database = (
            f"C:Q1x=\nP:musl\nV:{version}\nF:lib\nR:ld-musl.so\n\nC:Q1y=\nP:busybox\nV:1.36-r0\nF:bin\nR:busybox\n\n"
        )
        return {"/lib/apk/db/installed": database.encode(), "/lib/ld-musl.so": data}

    comparison = compared(tmp_path, image("1.2.4-r1", b"1"), image("1.2.4-r2", b"2"))
    assert texts(comparison) == ["apk musl 1.2.4-r1 -> 1.2.4-r2"]
    assert {d.reason.cause for d in comparison.differences} == {"package-version"}


def test_python_packages_and_their_files(tmp_path):
    site = "/usr/lib/python3.11/site-packages"

    def image(version):
        info = f"{site}/my_tool-{version}.dist-info"
        return {
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: My.Tool\nVersion: {version}\n".encode(),
            f"{info}/RECORD": f"my_tool/a.py,sha256=x,1\nmy_tool-{version}.dist-info/METADATA,,\n".encode(),
            f"{site}/my_tool/a.py": version.encode(),
        }

    comparison = compared(tmp_path, image("1.2"), image("1.3"))
    assert texts(comparison) == ["pip my-tool 1.2 -> 1.3"]
    assert {d.reason.cause for d in comparison.differences} == {"package-version"}
    assert comparison.differences[0].reason.why.endswith("my-tool 1.2 -> 1.3")


def test_conda_packages(tmp_path):
    def image(version, data):
        record = {"name": "zlib", "version": version, "build": "h1", "files": ["lib/libz.so"]}
        return {
            f"/opt/conda/conda-meta/zlib-{version}-h1.json": json.dumps(record).encode(),
            "/opt/conda/lib/libz.so": data,
        }

    comparison = compared(tmp_path, image("1.2", b"1"), image("1.3", b"2"))
    assert texts(comparison) == ["conda zlib 1.2 h1 -> 1.3 h1"]
    assert {d.reason.cause for d in comparison.differences} == {"package-version"}


def test_a_package_on_one_side_only(tmp_path):
    status = "/var/lib/dpkg/status"
    comparison = compared(tmp_path, {status: BASH.encode()}, {status: (BASH + CURL.format("1")).encode()})
    assert texts(comparison) == ["dpkg curl 1 only in the second"]

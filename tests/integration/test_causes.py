"""Each cause on real builds: every line of these Dockerfiles differs for one reason, which must be named.

A Dockerfile is verified once, for all the tests of its table.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import pytest
from daemons import CACHE, Rig, need

EPOCH = "1700000000"


class Line(NamedTuple):
    """A line of a Dockerfile, the path that differs for it, the cause, and words of the remedy. `beside` are the
    causes of what else the line changes.
    """

    cause: str
    path: str
    text: str
    remedy: str
    beside: tuple[str, ...] = ()


def dockerfile(base: str, lines: tuple[Line, ...], *head: str) -> str:
    return "\n".join([f"FROM {base}", *head, *(f"RUN {line.text}" for line in lines)]) + "\n"


def check(report: dict, lines: tuple[Line, ...], line: Line, before: int) -> None:
    """The line's own difference has its cause, and whatever else differs for it is among those expected."""
    number = before + lines.index(line) + 1
    mine = {d["path"]: d for d in report["differences"] if not d["harmless"] and d["instruction"]["line"] == number}
    told = {path: each["cause"] for path, each in mine.items()}
    named = [each for path, each in mine.items() if fnmatch(path, line.path) and each["cause"] == line.cause]
    assert named, told
    assert set(told.values()) <= {line.cause, *line.beside}, told
    assert all(line.remedy in each["remedy"] for each in named), named[0]["remedy"]


@pytest.fixture(scope="module")
def reports() -> dict[str, dict]:
    """The verifications of this module, each made by the first test that asks for it."""
    return {}


def verified(reports: dict[str, dict], name: str, rig: Rig, project: Path, *words: str) -> dict:
    if name not in reports:
        reports[name] = {}  # where this fails, the other tests of the table need not try again
        words = (f"--source-date-epoch={EPOCH}", "--format=json", *words)
        reports[name] = json.loads(rig.run("verify", str(project), *words, check=1).stdout)
    assert reports[name], "its Dockerfile could not be verified: see the first test of this table"
    return reports[name]


# What a shell alone can do.
SHELL = (
    Line("random-name", "/var/tmp-*", "mktemp /var/tmp-XXXXXXXX", "fixed name"),
    Line(
        "machine-id",
        "/etc/machine-id",
        "head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \\n' > /etc/machine-id",
        ": > /etc/machine-id",
    ),
    Line("embedded-uuid", "/id", "cat /proc/sys/kernel/random/uuid > /id", "a fixed one"),
    Line("embedded-date", "/built", "date -u > /built", "SOURCE_DATE_EPOCH"),
    Line("embedded-host", "/built-on", "echo built on: $(hostname) > /built-on", "fixed name"),
    Line("embedded-host", "/etc/name", "hostname > /etc/name", "fixed name"),
    Line("embedded-host", "/url", 'echo "http://$(hostname):8080/" > /url', "fixed name"),
    Line("random-number", "/seed", "head -c 64 /dev/urandom > /seed", "seed"),
    Line("log", "/var/log/build.log", "mkdir -p /var/log && date > /var/log/build.log", "same RUN"),
    Line(
        "archive-header",
        "/d.tar",
        "mkdir /d && echo 1 > /d/f && tar -cf /d.tar /d && rm -r /d",
        "tar --sort=name --mtime",
    ),
)


@pytest.mark.parametrize("line", SHELL, ids=lambda line: f"{line.cause}:{line.path}")
def test_a_cause_is_named_on_a_real_build(rig_of, write, reports, line: Line) -> None:
    rig = rig_of("buildx")
    project = write({"Dockerfile": dockerfile(rig.base, SHELL, "RUN mkdir -p /var")})
    check(verified(reports, "shell", rig, project), SHELL, line, before=2)


# A package index on loopback, with an extension in C that pip has to compile and a package in Python alone.
INSTALL = """
import gzip, http.server, io, subprocess, sys, tarfile, threading

PURE = {"setup.py": "from setuptools import setup; setup(name='pure', version='1.2', py_modules=['pure'])", "pure.py": "x = 1"}
COMPILED = {
    "setup.py": "from setuptools import Extension, setup\\n"
    "setup(name='compiled', version='1.2', ext_modules=[Extension('_compiled', ['c.c'])])",
    "c.c": "int answer(int n) { return n * 42; }",
}


def sources(name, files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, text in files.items():
            info = tarfile.TarInfo(f"{name}-1.2/{path}")
            info.size, info.mtime = len(text), 1_700_000_000
            tar.addfile(info, io.BytesIO(text.encode()))
    return gzip.compress(out.getvalue(), mtime=0)


class Index(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.split("/")[1]
        page = f'<a href="{name}-1.2.tar.gz">{name}-1.2.tar.gz</a>'.encode()
        data = sources(name, {"pure": PURE, "compiled": COMPILED}[name]) if self.path.endswith(".gz") else page
        self.send_response(200)
        self.send_header("Content-Type", "application/gzip" if self.path.endswith(".gz") else "text/html")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "max-age=600")
        self.end_headers()
        self.wfile.write(data)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index)
threading.Thread(target=server.serve_forever, daemon=True).start()
index = f"--index-url=http://127.0.0.1:{server.server_port}/"
sys.exit(subprocess.call(["pip", "install", "-q", "--no-build-isolation", index, *sys.argv[1:]]))
"""
MAIN = "#include <stdio.h>\nint main(void) { puts(__FILE__); return 0; }\n"
DEB = (
    "mkdir -p /d/DEBIAN && printf 'Package: mine\\nVersion: 1\\nArchitecture: all\\nMaintainer: a <a@b>\\nDescription: x\\n'"
    " > /d/DEBIAN/control && dpkg-deb -b /d /m.deb && rm -r /d"
)
SPEC = """
Name: tool
Version: %{wanted}
Release: 1
Summary: A tool
License: MIT
BuildArch: noarch
%description
A tool.
%install
mkdir -p %{buildroot}/opt/rpm-tool
echo %{wanted} > %{buildroot}/opt/rpm-tool/data
%files
/opt/rpm-tool/data
"""
RPM = "rpmbuild -bb --define 'wanted {}' --define '_topdir /rb' /src/tool.spec && rpm --dbpath {} --force-debian -i /rb/RPMS/noarch/*.rpm && rm -r /rb /root/.rpmdb"

# What compilers, package managers and account tools do.
DEBIAN = (
    Line(
        "pip-log",
        "/opt/pip.txt",
        "python3 install.py --no-cache-dir --no-compile --log /opt/pip.txt -t /opt/a pure",
        "--log",
    ),
    Line("pip-cache", "/root/.cache/pip/*", "python3 install.py --no-compile -t /opt/b pure", "PIP_NO_CACHE_DIR"),
    Line(
        "pip-record",
        "*/compiled-1.2.dist-info/RECORD",
        "python3 install.py --no-cache-dir -t /opt/c compiled",
        "files it lists",
        ("build-path",),
    ),
    Line(
        "build-path",
        "/opt/d/_compiled.*.so",
        "python3 install.py --no-cache-dir -t /opt/d compiled",
        "CFLAGS=-g0 pip install",
        ("pip-record",),
    ),
    Line("python-bytecode", "/opt/e/*.pyc", "python3 install.py --no-cache-dir -t /opt/e pure", "--no-compile"),
    Line(
        "build-path",
        "/usr/local/bin/placed",
        "d=$(mktemp -d) && cp main.c $d && (cd $d && gcc -g -o /usr/local/bin/placed $d/main.c) && rm -r $d",
        "-ffile-prefix-map",
    ),
    Line(
        "compile-time",
        "/usr/local/bin/dated",
        "echo 'const char *t = __DATE__ __TIME__; int main(void) { return t[0]; }' | gcc -xc - -o /usr/local/bin/dated",
        "ARG SOURCE_DATE_EPOCH",
    ),
    Line(
        "compile-time",
        "/opt/stamped",
        "cp main.c m.c && sed -i s/__FILE__/__TIMESTAMP__/ m.c && gcc -o /opt/stamped m.c && rm m.c",
        "SOURCE_DATE_EPOCH",
    ),
    Line("compiler-output", "/opt/main.o", "gcc -flto -c -o /opt/main.o main.c", "-frandom-seed"),
    Line("compiler-output", "/opt/notes.gcno", "gcc --coverage -c -o /opt/notes.o main.c", "--coverage"),
    Line(
        "compiler-output",
        "/opt/made.so",
        "printf 'int made = %s;' $(od -An -N4 -i /dev/urandom) | gcc -shared -xc - -o /opt/made.so",
        "generated code",
    ),
    Line("archive-header", "/opt/libmain.a", "gcc -c -o m.o main.c && ar rcU /opt/libmain.a m.o && rm m.o", "ar rcD"),
    Line(
        "archive-header",
        "/opt/m.zip",
        "mkdir z && cp main.c z && python3 -m zipfile -c /opt/m.zip z && rm -r z",
        "zip -X",
    ),
    Line(
        "archive-header",
        "/opt/m.tar.xz",
        "cp main.c m.c && python3 -c \"import tarfile; tarfile.open('/opt/m.tar.xz', 'w:xz').add('m.c')\" && rm m.c",
        "--mtime",
    ),
    Line("gzip-header", "/opt/s.gz", "echo same > /opt/s && gzip /opt/s", "gzip -n"),
    Line(
        "ldconfig-cache",
        "/var/cache/ldconfig/aux-cache",
        "gcc -shared -o /usr/local/lib/libmain.so main.c && ldconfig",
        "aux-cache",
    ),
    Line("ssh-host-key", "/etc/ssh/ssh_host_ed25519_key", "ssh-keygen -A", "container starts"),
    Line(
        "generated-key",
        "/root/.ssh/id_ed25519.pub",
        "ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519",
        "container starts",
    ),
    Line("generated-key", "/opt/key.pem", "openssl genrsa -out /opt/key.pem 2048", "mount it"),
    Line("password-salt", "/etc/shadow", "useradd app && echo app:secret | chpasswd", "chpasswd -e"),
    Line(
        "apt-log",
        "/var/log/apt/history.log",
        f"{DEB} && apt-get install -y /m.deb && rm /m.deb",
        "rm -rf /var/log/apt",
        ("apt-cache",),
    ),
    Line(
        "package-database",
        "/usr/lib/sysimage/rpm/rpmdb.sqlite",
        RPM.format("1", "/usr/lib/sysimage/rpm"),
        "SOURCE_DATE_EPOCH",
    ),
    Line("line-order", "/opt/names", "python3 -c \"print({f'name{n}' for n in range(20)})\" > /opt/names", "sort"),
    Line("random-number", "/opt/weights", "python3 -c 'import random; print(random.random())' > /opt/weights", "seed"),
    Line(
        "conda-history",
        "/opt/conda/conda-meta/history",
        "mkdir -p /opt/conda/conda-meta && printf '%s\\n' \"==> $(date '+%Y-%m-%d %H:%M:%S') <==\""
        " '# cmd: /opt/conda/bin/conda install -y tool' '# conda version: 24.11.1' '+defaults/noarch::tool-1.2-0'"
        " \"# update specs: ['tool']\" > /opt/conda/conda-meta/history",
        "history",
    ),
)
TOOLS = {"install.py": INSTALL, "main.c": MAIN, "tool.spec": SPEC}


@pytest.mark.parametrize("line", DEBIAN, ids=lambda line: f"{line.cause}:{line.path}")
def test_a_cause_is_named_on_a_real_debian(rig_of, debian_tools, write, reports, line: Line) -> None:
    text = dockerfile(debian_tools, DEBIAN, "WORKDIR /src", "COPY . .")
    check(verified(reports, "debian", rig_of("buildx"), write({"Dockerfile": text, **TOOLS})), DEBIAN, line, before=3)


# The same Dockerfile built with other arguments, as when an archive moves between two builds.
VERSIONS = (
    "ARG VERSION=1.2 DAY=1700000000",
    "WORKDIR /src",
    "COPY . .",
    "RUN SOURCE_DATE_EPOCH=$DAY useradd app",
    "RUN mkdir -p /d/DEBIAN /d/opt/deb && echo $VERSION > /d/opt/deb/data && cp control /d/DEBIAN/control"
    " && echo Version: $VERSION >> /d/DEBIAN/control && dpkg-deb -b /d /m.deb && dpkg -i /m.deb && rm -r /d /m.deb",
    f"RUN {RPM.format('$VERSION', '/var/lib/rpm').replace(chr(39), chr(34))}",
    # the same headers as Berkeley DB keeps them, written by Berkeley DB itself
    "RUN mkdir -p /usr/share/rpm && python3 headers.py | db5.3_load -t hash /usr/share/rpm/Packages",
    "RUN pip install -q --no-cache-dir --no-build-isolation --no-deps -t /opt/python ./python-$VERSION",
    "COPY conda-$VERSION /opt/conda",
    "RUN mkdir -p /lib/apk/db && sed s/@VERSION@/$VERSION-r0/ installed > /lib/apk/db/installed"
    " && echo $VERSION > /usr/lib/ld-musl.so",
)
HEADERS = """
import sqlite3

print("VERSION=3", "format=bytevalue", "type=hash", "HEADER=END", sep="\\n")
for number, (blob,) in enumerate(sqlite3.connect("/var/lib/rpm/rpmdb.sqlite").execute("SELECT blob FROM Packages"), 1):
    print(" " + number.to_bytes(4, "little").hex(), " " + blob.hex(), sep="\\n")
print("DATA=END")
"""
# the form of apk's database, as its manual page `apk-v2(5)` gives it
INSTALLED = """C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=
P:musl
V:@VERSION@
A:x86_64
S:383459
I:622592
T:the musl c library
o:musl
t:1700000000
F:lib
R:ld-musl.so
a:0:0:755
"""
# rattler, the library under pixi, installs a package from a channel in a folder, as conda does
INSTALL_CONDA = """
import asyncio, os, sys
from rattler import index, install, solve


async def main(channel, prefix, version):
    await index.index_fs(channel)
    records = await solve([f"file://{channel}"], [f"tool=={version}"], platforms=["noarch"])
    await install(records, target_prefix=prefix, cache_dir=f"{channel}/cache")


asyncio.run(main(*sys.argv[1:]))
os._exit(0)  # its threads may still hold the interpreter
"""


def conda_package(version: str) -> bytes:
    """A package of the older of conda's two formats."""
    data = version.encode()
    entry = {
        "_path": "share/tool",
        "path_type": "hardlink",
        "sha256": hashlib.sha256(data).hexdigest(),
        "size_in_bytes": 3,
    }
    about = {"name": "tool", "version": version, "build": "0", "build_number": 0, "depends": [], "noarch": "generic"}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:bz2") as tar:
        for name, content in (
            ("info/index.json", json.dumps({**about, "subdir": "noarch"}).encode()),
            ("info/paths.json", json.dumps({"paths": [entry], "paths_version": 1}).encode()),
            ("info/files", b"share/tool"),
            ("share/tool", data),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


@pytest.fixture
def conda_prefixes(tmp_path: Path) -> dict[str, bytes]:
    """What rattler leaves in a prefix for two versions of a package, by the paths of a build context."""
    library = CACHE / "py-rattler-0.28.0"
    if not library.exists():
        need("py-rattler (.ci/integration-setup keeps it)", "rattler")
    channel = tmp_path / "channel"
    (channel / "noarch").mkdir(parents=True)
    found = {}
    for version in ("1.2", "1.3"):
        (channel / "noarch" / f"tool-{version}-0.tar.bz2").write_bytes(conda_package(version))
        prefix = tmp_path / "prefix" / version
        words = [sys.executable, "-c", INSTALL_CONDA, str(channel), str(prefix), version]
        env = {**os.environ, "PYTHONPATH": str(library), "HOME": str(tmp_path)}
        done = subprocess.run(words, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        for file in prefix.rglob("*"):
            if file.is_file():
                found[f"conda-{version}/{file.relative_to(prefix)}"] = file.read_bytes()
    return found


def test_packages_that_moved_and_days_are_read_from_real_databases(
    rig_of, debian_tools, write, conda_prefixes, tmp_path: Path
) -> None:
    rig = rig_of("buildx")
    setup = "from setuptools import setup\nsetup(name='Py.Tool', version='{}', py_modules=['pytool'])\n"
    project = write(
        {
            "Dockerfile": "\n".join([f"FROM {debian_tools}", *VERSIONS]) + "\n",
            "control": "Package: deb-tool\nArchitecture: all\nMaintainer: a <a@b>\nDescription: x\n",
            "tool.spec": SPEC,
            "headers.py": HEADERS,
            "installed": INSTALLED,
            **{f"python-{v}/setup.py": setup.format(v) for v in ("1.2", "1.3")},
            **{f"python-{v}/pytool.py": f"version = '{v}'\n" for v in ("1.2", "1.3")},
            **{path: data.decode() for path, data in conda_prefixes.items()},
        }
    )
    first = tmp_path / "first.tar"
    words = ["buildx", "build", "-q", "--provenance=false", f"--output=type=oci,dest={first}", str(project)]
    made = subprocess.run(words, env=rig.env, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr[-3000:]
    words = [f"--against={first}", "--build-arg=VERSION=1.3", "--build-arg=DAY=1600000000", "--format=json"]
    report = json.loads(rig.run("verify", str(project), *words, check=1).stdout)
    moved = {(each["ecosystem"], each["name"]): f"{each['from']} -> {each['to']}" for each in report["packages"]}
    assert moved == {
        ("dpkg", "deb-tool"): "1.2 -> 1.3",
        ("rpm", "tool"): "1.2-1 -> 1.3-1",
        ("pip", "py-tool"): "1.2 -> 1.3",
        ("conda", "tool"): "1.2 0 -> 1.3 0",
        ("apk", "musl"): "1.2-r0 -> 1.3-r0",
    }
    differing = {each["path"]: each for each in report["differences"] if not each["harmless"]}
    causes = {path: each["cause"] for path, each in differing.items()}
    assert causes["/etc/shadow"] == "shadow-date"
    assert differing["/etc/shadow"]["instruction"]["line"] == 5
    assert "app: day 19675 -> 18518" in differing["/etc/shadow"]["inside"]
    assert causes["/var/lib/dpkg/status"] == "dpkg-status"
    for path in (
        "/opt/deb/data",
        "/opt/rpm-tool/data",
        "/opt/python/pytool.py",
        "/opt/conda/share/tool",
        "/var/lib/rpm/rpmdb.sqlite",
        "/usr/share/rpm/Packages",
        "/usr/lib/apk/db/installed",
    ):
        assert causes[path] == "package-version", causes
    assert not any("cannot" in note or "not a readable" in note for note in report["notes"])


@pytest.mark.parametrize("name", ["docker", "podman", "buildah"])
def test_a_machine_named_after_its_container_is_told_as_a_host(rig_of, write, name: str) -> None:
    rig = rig_of(name)
    text = f"FROM {rig.base}\nRUN hostname > /name && echo http://$(hostname):80/ > /url\n"
    report = verified({}, name, rig, write({"Dockerfile": text}))
    causes = {each["path"]: each["cause"] for each in report["differences"] if not each["harmless"]}
    assert causes == {"/name": "embedded-host", "/url": "embedded-host"}

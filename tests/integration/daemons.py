"""Real engines for tests, started by hand in folders of their own and ended by their process id."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import pytest

GO_BIN = Path(os.environ.get("GOBIN") or Path.home() / "go" / "bin")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "repro-audit"
MOBY = CACHE / "moby"  # a current Docker, which must not hide Debian's
SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def find(*names: str) -> str | None:
    """The program of the first of these names that is here, also where a user's PATH does not reach."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), str(GO_BIN), *SBIN])
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


def need(what: str, group: str) -> None:
    """Skip for want of `what`, unless REPRO_AUDIT_REQUIRE names its group: then fail."""
    if group in os.environ.get("REPRO_AUDIT_REQUIRE", "").replace(",", " ").split():
        pytest.fail(f"{what} is required (REPRO_AUDIT_REQUIRE has {group})")
    pytest.skip(f"needs {what}")


def program(group: str, *names: str) -> str:
    """The program, else the test is skipped or fails."""
    return find(*names) or need(" or ".join(names), group) or ""


class Daemon:
    """A program that runs in the background until `stop`; what it says is in `log`."""

    def __init__(self, log: Path, *argv: str, env: dict[str, str] | None = None) -> None:
        self.log = log
        with open(log, "wb") as file:
            self.process = subprocess.Popen(
                argv, stdout=file, stderr=file, stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})}
            )

    def wait_for(self, ready, what: str, group: str, seconds: float = 30.0) -> None:
        """Wait until `ready()` holds; skip or fail where it never does."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.process.poll() is None:
            if ready():
                return
            time.sleep(0.2)
        self.stop()
        need(f"{what} that starts; it said: {self.log.read_text(errors='replace')[-600:]}", group)

    def stop(self) -> None:
        """End it, by its own id."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)


def watcher_of(process: int) -> int | None:
    """The shim of containerd that started a container's process; None where nothing of that kind did."""
    try:
        parent = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        return parent if "containerd-shim" in Path(f"/proc/{parent}/comm").read_text() else None
    except (OSError, ValueError):
        return None


def unmount_below(folder: Path) -> None:
    """Unmount what a daemon left mounted in its folder, so that it can be removed."""
    with open("/proc/self/mountinfo") as file:
        places = [line.split()[4] for line in file]
    for place in sorted((p for p in places if p.startswith(f"{folder}/")), key=len, reverse=True):
        subprocess.run(["umount", "-l", place], capture_output=True)


def connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as talk:
        try:
            talk.connect(str(path))
        except OSError:
            return False
    return True


def free_port() -> int:
    with socket.socket() as talk:
        talk.bind(("127.0.0.1", 0))
        return talk.getsockname()[1]


@dataclass
class Registry:
    """A registry on loopback."""

    address: str

    def _send(self, method: str, path: str, data: bytes | None = None, kind: str | None = None):
        request = urllib.request.Request(
            f"http://{self.address}{path}" if path[0] == "/" else path, data, method=method
        )
        if kind:
            request.add_header("Content-Type", kind)
        return urllib.request.urlopen(request, timeout=30)

    def push(self, name: str, layer: bytes, platform: tuple[str, str] = ("linux", "amd64"), **config: object) -> str:
        """Put an image of one layer (a tar) there; gives its full name."""
        repository, _, tag = name.partition(":")
        packed = gzip.compress(layer, 1, mtime=0)
        document = {
            "os": platform[0],
            "architecture": platform[1],
            "created": "2024-01-01T00:00:00Z",
            "config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], **config},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
            "history": [{"created": "2024-01-01T00:00:00Z", "created_by": "made by the tests"}],
        }
        blobs = []
        for data, kind in (
            (json.dumps(document).encode(), "application/vnd.docker.container.image.v1+json"),
            (packed, "application/vnd.docker.image.rootfs.diff.tar.gzip"),
        ):
            digest = "sha256:" + hashlib.sha256(data).hexdigest()
            place = self._send("POST", f"/v2/{repository}/blobs/uploads/", b"").headers["Location"]
            mark = "&" if "?" in place else "?"
            self._send("PUT", f"{place}{mark}digest={digest}", data, "application/octet-stream")
            blobs.append({"mediaType": kind, "digest": digest, "size": len(data)})
        kind = "application/vnd.docker.distribution.manifest.v2+json"
        manifest = {"schemaVersion": 2, "mediaType": kind, "config": blobs[0], "layers": blobs[1:]}
        self._send("PUT", f"/v2/{repository}/manifests/{tag}", json.dumps(manifest).encode(), kind)
        return f"{self.address}/{name}"


@dataclass
class Rig:
    """An engine as a test uses it: what to give to --engine, and the environment in which it is found."""

    name: str
    engine: str
    env: dict[str, str]
    base: str
    network: str = "default"
    builder: str = ""
    base_folder: Path = field(default_factory=Path)

    def run(self, *arguments: str, check: int | None = None, **options) -> subprocess.CompletedProcess[str]:
        """Run repro-audit with this engine."""
        command, *rest = arguments
        words = [sys.executable, "-m", "repro_audit", command, *rest, "--engine", self.engine]
        if command in ("build", "verify"):
            words += ["--network", self.network]
        done = subprocess.run(words, env=self.env, capture_output=True, text=True, timeout=240, **options)
        if check is not None:
            assert done.returncode == check, done.stdout[-3000:] + done.stderr[-3000:]
        return done

    def popen(self, *arguments: str) -> subprocess.Popen[str]:
        """Start repro-audit with this engine, and do not wait."""
        command, *rest = arguments
        words = [
            sys.executable,
            "-m",
            "repro_audit",
            command,
            *rest,
            "--engine",
            self.engine,
            "--network",
            self.network,
        ]
        return subprocess.Popen(words, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def ask(self, *words: str) -> str:
        """What the engine's own program says."""
        name = {"buildx": "docker"}.get(self.engine, self.engine)
        path = shutil.which(name, path=self.env["PATH"]) or name
        return subprocess.run([path, *words], env=self.env, capture_output=True, text=True, timeout=60).stdout

    def leftovers(self) -> set[str]:
        """Everything in the engine's store that a build could leave behind."""
        if self.engine == "buildah":
            words = [("containers", "--all", "--quiet"), ("images", "--all", "--quiet")]
        else:
            listing = ("ps", "--all", "--quiet", *(["--external"] if self.engine == "podman" else []))
            words = [listing, ("images", "--all", "--quiet", "--no-trunc")]
        return {f"{each[0]} {line}" for each in words for line in self.ask(*each).split()}


def busybox_layer() -> bytes:
    """A root file system of busybox alone, as a tar."""
    busybox = Path(program("engine", "busybox"))
    listed = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:

        def add(name: str, kind: bytes, mode: int, data: bytes = b"", link: str = "") -> None:
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.mtime, info.linkname, info.size = kind, mode, 1_700_000_000, link, len(data)
            tar.addfile(info, io.BytesIO(data))

        for folder in ("bin", "etc", "root", "dev", "proc", "sys", "run", "var", "usr", "home"):
            add(folder, tarfile.DIRTYPE, 0o755)
        add("tmp", tarfile.DIRTYPE, 0o1777)
        add("etc/passwd", tarfile.REGTYPE, 0o644, b"root:x:0:0:root:/root:/bin/sh\n")
        add("etc/group", tarfile.REGTYPE, 0o644, b"root:x:0:\n")
        add("bin/busybox", tarfile.REGTYPE, 0o755, busybox.resolve().read_bytes())
        for name in sorted({*listed, "sh"} - {"busybox"}):
            add(f"bin/{name}", tarfile.SYMTYPE, 0o777, link="busybox")
    return out.getvalue()

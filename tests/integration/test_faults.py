"""What real engines do to a build when they die, stop or run out of room in the middle of it."""

from __future__ import annotations

import http.server
import io
import os
import re
import signal
import socket
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from daemons import MOBY, Daemon, Registry, Rig, busybox_layer, connects, program, watcher_of

BEGAN = "it began"


@pytest.fixture
def room(tmp_path: Path, rig: Rig) -> Path:
    """Where repro-audit's own files go."""
    folder = tmp_path / "room"
    folder.mkdir()
    rig.env["TMPDIR"] = str(folder)
    return folder


@pytest.fixture
def tiny(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A disk of 80 MiB, or with the options that the parameter gives."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    options = getattr(request, "param", "size=80m")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True)
    if done.returncode != 0:
        pytest.skip("needs the right to mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def _mortal_docker(state: Path, registry: Registry, folder: Path) -> Daemon:
    words = ["--iptables=false", "--ip6tables=false", "--bridge=none", "--host", f"unix://{folder}.sock"]
    words += ["--data-root", str(folder), "--exec-root", f"{folder}-run", "--pidfile", f"{folder}.pid"]
    path = os.pathsep.join([str(MOBY), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    daemon = Daemon(
        Path(f"{folder}.log"),
        program("moby", str(MOBY / "dockerd")),
        *words,
        "--insecure-registry",
        registry.address,
        env={"PATH": path},
    )
    daemon.wait_for(lambda: connects(Path(f"{folder}.sock")), "a docker daemon", "moby")
    return daemon


def _end(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        pass


@pytest.fixture
def mortal(rig_of: Callable[[str], Rig], state: Path, registry: Registry) -> Iterator[tuple[Rig, Daemon]]:
    """A current Docker of the test's own."""
    rig, folder = rig_of("moby"), state / f"mortal-{time.monotonic_ns()}"
    daemon = _mortal_docker(state, registry, folder)
    env = rig.env | {"DOCKER_HOST": f"unix://{folder}.sock"}
    yield replace(rig, env=env), daemon
    if daemon.process.poll() is None:
        daemon.process.send_signal(signal.SIGCONT)
    daemon.stop()
    # a killed daemon leaves containerd, and below it what still runs
    for path in Path(f"{folder}-run").rglob("*.pid"):
        process = int(path.read_text())
        watcher = watcher_of(process)
        for each in (process, watcher):
            if each is not None:
                _end(each)


@pytest.fixture
def mortal_buildkit(
    state: Path, environment: dict[str, str], registry: Registry, base: str, buildx: str
) -> Iterator[tuple[Rig, Daemon]]:
    """A BuildKit of the test's own."""
    serve, name = program("buildkit", "buildkitd"), f"mortal{time.monotonic_ns()}"
    program("buildkit", "runc")
    folder = state / name
    config = state / f"{name}.toml"
    config.write_text(
        f'root = "{folder}"\n[grpc]\naddress = ["unix://{folder}.sock"]\n[worker.oci]\nenabled = true\nbinary = "runc"\n'
        f'networkMode = "host"\n[worker.containerd]\nenabled = false\n[registry."{registry.address}"]\nhttp = true\n'
    )
    daemon = Daemon(state / f"{name}.log", serve, "--config", str(config))
    daemon.wait_for(lambda: connects(Path(f"{folder}.sock")), "a BuildKit daemon", "buildkit")
    subprocess.run(
        [buildx, "create", f"--name={name}", "--driver=remote", f"unix://{folder}.sock"],
        env=environment,
        capture_output=True,
        check=True,
    )
    env = environment | {"DOCKER_HOST": f"unix://{state}/nothing.sock", "BUILDX_BUILDER": name}
    yield Rig("buildx", "buildx", env, base, "default", "buildkit"), daemon
    if daemon.process.poll() is None:
        daemon.process.send_signal(signal.SIGCONT)
    daemon.stop()
    subprocess.run([buildx, "rm", name], env=environment, capture_output=True)


@pytest.fixture
def dying(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Rig, Daemon, Path]:
    """The engine that the parameter names, its daemon, and where repro-audit's own files go."""
    rig, daemon = request.getfixturevalue(request.param)
    folder = tmp_path / "room"
    folder.mkdir()
    rig.env["TMPDIR"] = str(folder)
    return rig, daemon, folder


each_daemon = pytest.mark.parametrize("dying", ["mortal", "mortal_buildkit"], indirect=True)


def _until(child: subprocess.Popen[str], sign: str) -> str:
    """What a child says until that; it must say it."""
    assert child.stdout is not None
    said = ""
    for line in child.stdout:
        said += line
        if sign in line and "RUN" not in line:
            return said
    raise AssertionError(said)


# a BuildKit that is told to end finishes what it builds
@pytest.mark.parametrize(
    ("dying", "how"), [("mortal", "killed"), ("mortal", "ended"), ("mortal_buildkit", "killed")], indirect=["dying"]
)
def test_a_daemon_that_dies_while_a_step_runs_is_no_failed_build(dying, write, how: str) -> None:
    rig, daemon, room = dying
    text = f"FROM {rig.base}\nRUN echo {BEGAN} && sleep 30\n"
    child = rig.popen("verify", str(write({"Dockerfile": text})))
    said = _until(child, BEGAN)
    daemon.process.send_signal(signal.SIGKILL if how == "killed" else signal.SIGTERM)
    said += child.communicate(timeout=60)[0]
    assert child.returncode == 2, said
    assert "went away" in said and "internal error" not in said, said
    assert os.listdir(room) == []


@pytest.mark.parametrize("dying", ["mortal_buildkit"], indirect=True)
def test_a_daemon_that_stops_answering_is_given_up_after_the_time_that_was_given(dying, write) -> None:
    rig, daemon, room = dying
    child = rig.popen(
        "build", str(write({"Dockerfile": f"FROM {rig.base}\nRUN echo {BEGAN} && sleep 30\n"})), "--timeout=4"
    )
    said = _until(child, BEGAN)
    daemon.process.send_signal(signal.SIGSTOP)
    said += child.communicate(timeout=60)[0]
    assert child.returncode == 2, said
    assert "did not end in the time it was given" in said
    assert os.listdir(room) == []


@each_daemon
def test_a_daemon_that_dies_while_it_exports_is_no_failed_build(dying, write) -> None:
    rig, daemon, room = dying
    # what takes long to write
    text = f"FROM {rig.base}\nRUN dd if=/dev/urandom of=/a bs=1M count=150 && echo {BEGAN}\n"
    child = rig.popen("verify", str(write({"Dockerfile": text})))
    said = _until(child, "exporting")
    daemon.process.kill()
    said += child.communicate(timeout=60)[0]
    assert child.returncode == 2, said
    assert "went away" in said and "internal error" not in said, said
    assert os.listdir(room) == []


@each_daemon
def test_a_daemon_that_dies_while_it_is_sent_files_is_no_failed_build(dying, write) -> None:
    rig, daemon, room = dying
    project = write({"Dockerfile": f"FROM {rig.base}\nCOPY large /large\n"})
    with open(project / "large", "wb") as file:
        for _ in range(200):
            file.write(os.urandom(1 << 20))
    child = rig.popen("build", str(project))
    said = _until(child, "transferring context")
    daemon.process.kill()
    said += child.communicate(timeout=60)[0]
    assert child.returncode == 2, said
    assert "went away" in said, said
    assert os.listdir(room) == []


class _Stalling(http.server.BaseHTTPRequestHandler):
    """A registry's manifest is passed on; of the blobs comes the first half, and then the end of the connection."""

    upstream = ""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        import urllib.request

        asked = urllib.request.Request(f"http://{self.upstream}{self.path}", method=self.command)
        asked.add_header("Accept", self.headers.get("Accept", "*/*"))
        with urllib.request.urlopen(asked, timeout=20) as answer:
            data = answer.read()
            self.send_response(answer.status)
            for name in ("Content-Type", "Content-Length", "Docker-Content-Digest"):
                if answer.headers.get(name):
                    self.send_header(name, answer.headers[name])
            self.end_headers()
        if len(data) > 100_000:
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            # and nothing more from this registry
            self.server.socket.close()
        else:
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("rig", ["buildx", "podman"], indirect=True)
def test_a_registry_that_dies_in_the_middle_of_a_layer_is_a_fault_of_the_network(
    rig: Rig, registry: Registry, write, room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = io.BytesIO(busybox_layer())
    with tarfile.open(fileobj=layer, mode="a") as tar:
        # a layer that no engine has from another test
        info = tarfile.TarInfo("fresh")
        info.size = 300_000
        tar.addfile(info, io.BytesIO(os.urandom(info.size)))
    name = registry.push(f"halved-{rig.name}:1", layer.getvalue()).partition("/")[2]
    monkeypatch.setattr(_Stalling, "upstream", registry.address)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Stalling)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{server.server_address[1]}"
    if rig.name == "podman":
        own = room.parent / "registries.conf"
        own.write_text(f'[[registry]]\nlocation = "{address}"\ninsecure = true\n')
        rig.env["CONTAINERS_REGISTRIES_CONF"] = str(own)
    try:
        done = rig.run("build", str(write({"Dockerfile": f"FROM {address}/{name}\nRUN true\n"})))
    finally:
        server.shutdown()
        server.server_close()
    assert done.returncode == 1, done.stderr[-2000:]
    # a current BuildKit pulls a layer only for the step that needs it
    assert re.search(r"Dockerfile:[12]: network:", done.stdout), done.stdout + done.stderr[-2000:]
    assert os.listdir(room) == []


@pytest.fixture(params=["silence", "nonsense", "a web page"])
def strange_host(request: pytest.FixtureRequest) -> Iterator[str]:
    """An address where something listens that is no docker."""
    answers = {
        "nonsense": b"\0\xff 220 ready\r\n\r\n",
        "a web page": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<html",
    }
    answer = answers.get(request.param, b"")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    talk, _ = server.accept()
                except OSError:
                    return
                kept.append(talk)
                if answer:
                    talk.recv(4096)
                    talk.sendall(answer)
                    talk.close()

        kept: list[socket.socket] = []
        threading.Thread(target=serve, daemon=True).start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        for talk in kept:
            talk.close()


def test_a_docker_host_that_is_no_docker_is_told_in_time(strange_host: str, environment, write, request) -> None:
    program("engine", "docker")
    rig = Rig("docker", "docker", environment | {"DOCKER_HOST": strange_host}, "busy:1")
    done = rig.run("build", str(write({"Dockerfile": "FROM scratch\n"})), check=2)
    assert "docker: " in done.stderr and "internal error" not in done.stderr
    if "silence" in request.node.name:
        assert "does not answer" in done.stderr


def test_a_context_of_dockers_that_is_not_there_is_named(environment, write) -> None:
    program("engine", "docker")
    env = {name: value for name, value in environment.items() if name != "DOCKER_HOST"} | {
        "DOCKER_CONTEXT": "no-such-one"
    }
    done = Rig("docker", "docker", env, "busy:1").run("build", str(write({"Dockerfile": "FROM scratch\n"})), check=2)
    assert "no-such-one" in done.stderr


def test_a_builder_that_is_not_there_is_named(environment, buildx: str, write) -> None:
    program("engine", "docker")
    rig = Rig("buildx", "buildx", environment | {"BUILDX_BUILDER": "no-such-builder"}, "busy:1")
    done = rig.run("build", str(write({"Dockerfile": "FROM scratch\n"})), check=2)
    assert "no-such-builder" in done.stderr


@pytest.mark.parametrize("rig", ["moby"], indirect=True)
def test_a_builder_whose_container_cannot_be_started_is_told(rig: Rig, buildx: str, write) -> None:
    words = ["--name=lost", "--driver=docker-container", "--driver-opt=image=127.0.0.1:9/no-such:1"]
    subprocess.run([buildx, "create", *words], env=rig.env, check=True, capture_output=True)
    lost = Rig("buildx", "buildx", rig.env | {"BUILDX_BUILDER": "lost"}, rig.base)
    done = lost.run("build", str(write({"Dockerfile": "FROM scratch\n"})), check=2)
    subprocess.run([buildx, "rm", "--force", "lost"], env=rig.env, capture_output=True)
    assert "its builder" in done.stderr and "127.0.0.1:9" in done.stderr, done.stderr


@pytest.mark.parametrize("how", ["corrupt", "read-only"])
@pytest.mark.parametrize("name", ["podman", "buildah"])
def test_a_store_that_cannot_be_used_is_told(environment, write, tmp_path: Path, name: str, how: str) -> None:
    program("engine", name)
    store = tmp_path / "store"
    store.mkdir()
    (tmp_path / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{store}"\nrunroot = "{tmp_path}/run"\n'
    )
    env = environment | {"CONTAINERS_STORAGE_CONF": str(tmp_path / "storage.conf")}
    if how == "corrupt":
        # a broken list of images is started anew by this generation of engines; a folder that is none is not
        (store / "vfs-images").write_text("not a folder")
    else:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", str(store)], capture_output=True)
        if done.returncode != 0:
            pytest.skip("needs the right to mount")
    try:
        done = Rig(name, name, env, "busy:1").run(
            "build", str(write({"Dockerfile": "FROM scratch\nCOPY . /\n"})), check=2
        )
    finally:
        if how == "read-only":
            subprocess.run(["umount", "-l", str(store)], check=True)
    assert f"{name}: " in done.stderr and "internal error" not in done.stderr
    assert ("read-only" if how == "read-only" else "not a directory") in done.stderr, done.stderr


@pytest.mark.parametrize("rig", ["docker", "buildx", "podman"], indirect=True)
def test_a_disk_with_too_little_room_is_told_before_anything_is_built(rig: Rig, tiny: Path, write) -> None:
    rig.env["TMPDIR"] = str(tiny)
    done = rig.run("verify", str(write({"Dockerfile": f"FROM {rig.base}\n"})), check=2)
    assert "MiB are needed" in done.stderr
    assert os.listdir(tiny) == []


@pytest.mark.parametrize("rig", ["buildx"], indirect=True)
def test_a_disk_without_room_for_the_context_is_told(rig: Rig, tiny: Path, write) -> None:
    project = write({"Dockerfile": f"FROM {rig.base}\nCOPY . /x\n"})
    with open(project / "large", "wb") as file:
        file.truncate(100 << 20)
    rig.env["TMPDIR"] = str(tiny)
    done = rig.run("verify", str(project), check=2)
    assert "MiB free" in done.stderr
    assert os.listdir(tiny) == []


@pytest.mark.parametrize("rig", ["buildx"], indirect=True)
@pytest.mark.parametrize("tiny", ["size=1g,nr_inodes=60"], indirect=True)
def test_a_disk_that_fills_up_while_files_are_copied_is_told(rig: Rig, tiny: Path, write) -> None:
    project = write({"Dockerfile": f"FROM {rig.base}\nCOPY . /x\n", **{f"d/{n}": "x" for n in range(100)}})
    rig.env["TMPDIR"] = str(tiny)
    done = rig.run("verify", str(project), check=2)
    assert "cannot be copied: No space left on device" in done.stderr
    assert os.listdir(tiny) == []


@pytest.mark.parametrize("rig", ["moby", "buildx", "docker", "podman"], indirect=True)
@pytest.mark.parametrize("tiny", ["size=400m"], indirect=True)
def test_a_disk_that_fills_up_while_the_image_is_exported_is_told(rig: Rig, tiny: Path, write) -> None:
    rig.env["TMPDIR"] = str(tiny)
    project = write({"Dockerfile": f"FROM {rig.base}\nRUN echo {BEGAN} && sleep 3 && date +%N > /a\n"})
    child = rig.popen("verify", str(project), "--vary=none")
    said = _until(child, BEGAN)
    with open(tiny / "fills", "wb") as file:
        room = os.statvfs(tiny)
        os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_bsize - (200 << 10))
    said += child.communicate(timeout=60)[0]
    assert child.returncode == 2, said
    assert "no space left" in said.lower() or "MiB are needed" in said, said
    assert "internal error" not in said
    assert os.listdir(tiny) == ["fills"]


@pytest.mark.parametrize("rig", ["moby", "podman"], indirect=True)
@pytest.mark.parametrize(("moment", "number"), [("using", signal.SIGHUP), ("second time", signal.SIGTERM)])
def test_a_verification_that_is_told_to_end_leaves_nothing_behind(
    rig: Rig, room: Path, write, moment: str, number: signal.Signals
) -> None:
    rig.run("build", str(write({"Dockerfile": f"FROM {rig.base}\n"})), check=0)  # the base image stays
    before = rig.leftovers() if rig.name != "buildx" else set()
    text = f"FROM {rig.base}\nRUN echo {moment}{os.getpid()} > /a\nRUN sleep 2\n"
    child = rig.popen("verify", str(write({"Dockerfile": text})))
    said = _until(child, moment)
    time.sleep(0.7)
    child.send_signal(number)
    said += child.communicate(timeout=60)[0]
    assert child.returncode == 130, said
    assert "not removed" not in said
    assert os.listdir(room) == []
    assert (rig.leftovers() if rig.name != "buildx" else set()) - before == set()


@pytest.mark.parametrize("rig", ["buildah"], indirect=True)
def test_what_another_build_makes_at_the_same_time_is_left_alone(rig: Rig, write, tmp_path: Path) -> None:
    rig.run("build", str(write({"Dockerfile": f"FROM {rig.base}\n"})), check=0)  # the base image stays
    other = tmp_path / "other"
    other.mkdir()
    text = f"FROM {rig.base}\nRUN echo {os.getpid()} > /other\nRUN echo {BEGAN} && sleep 6\nRUN cat /other\n"
    (other / "Dockerfile").write_text(text)
    child = rig.popen("verify", str(write({"Dockerfile": f"FROM {rig.base}\nRUN echo {BEGAN} && sleep 60\n"})))
    said = _until(child, BEGAN)
    words = [rig.engine, "build", "--layers", "--tag=localhost/other:1", str(other)]
    building = subprocess.Popen(words, env=rig.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    _until(building, BEGAN)
    child.send_signal(signal.SIGTERM)
    said += child.communicate(timeout=60)[0]
    assert building.poll() is None, "the other build is to outlast ours"
    told_by_other = building.communicate(timeout=60)[0]
    assert building.returncode == 0, told_by_other
    assert "since another build runs" in said
    told = re.search(r"`(?:podman|buildah) (rm [^`]*)`", said)
    assert told is not None
    rig.ask(*told[1].split())
    rig.ask("rmi", "--force", "localhost/other:1")

"""The engines of the integration tests, each started once, when the first test asks for it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # `daemons` is no package: pytest imports each file on its own
from daemons import (
    CACHE,
    MOBY,
    Daemon,
    Registry,
    Rig,
    busybox_layer,
    connects,
    find,
    free_port,
    need,
    program,
    unmount_below,
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here needs an engine and takes its time; all share the daemons, so one process runs them all."""
    here = Path(__file__).parent
    for item in items:
        if here in Path(item.path).parents:
            item.add_marker(pytest.mark.engine)
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.xdist_group("engines"))


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of everything that engines keep; short, since sockets lie in it."""
    if os.geteuid() != 0:
        need("root, to start engines by hand", "engine")
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="rait-", dir="/tmp"))
    yield folder
    unmount_below(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def registry(state: Path) -> Iterator[Registry]:
    """A docker-registry on loopback."""
    serve = program("registry", "docker-registry", "registry")
    port = free_port()
    config = state / "registry.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {state}/registry}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    daemon = Daemon(state / "registry.log", serve, "serve", str(config))
    found = Registry(f"127.0.0.1:{port}")

    def ready() -> bool:
        try:
            found._send("GET", "/v2/")
        except OSError:
            return False
        return True

    daemon.wait_for(ready, "a registry", "registry")
    yield found
    daemon.stop()


@pytest.fixture(scope="session")
def base(registry: Registry) -> str:
    """An image of busybox alone."""
    return registry.push("busy:1", busybox_layer())


@pytest.fixture(scope="session")
def debian(registry: Registry) -> str:
    """A small Debian with Python, made by debootstrap once and kept in the user's cache."""
    kept = CACHE / "debian-bookworm.tar"
    if not kept.exists():
        need("a Debian root file system (.ci/integration-setup makes it)", "debian")
    return registry.push("debian:1", kept.read_bytes())


@pytest.fixture(scope="session")
def environment(state: Path, registry: Registry) -> dict[str, str]:
    """An environment in which no engine finds anything of the user's."""
    (state / "home").mkdir()
    (state / "bin").mkdir()
    (state / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{state}/containers"\nrunroot = "{state}/containers-run"\n'
    )
    (state / "registries.conf").write_text(f'[[registry]]\nlocation = "{registry.address}"\ninsecure = true\n')
    env = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "BUILD", "CONTAINER"))}
    repository = str(Path(__file__).parents[2])
    return env | {
        "HOME": str(state / "home"),
        "PATH": os.pathsep.join([str(state / "bin"), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]),
        "PYTHONPATH": repository,
        "CONTAINERS_STORAGE_CONF": str(state / "storage.conf"),
        "CONTAINERS_REGISTRIES_CONF": str(state / "registries.conf"),
        "DOCKER_HOST": f"unix://{state}/docker.sock",
        "DOCKER_CONFIG": str(state / "home" / "docker"),
        "BUILDX_CONFIG": str(state / "home" / "buildx"),
        "NO_COLOR": "1",
    }


@pytest.fixture(scope="session")
def dockerd(state: Path, registry: Registry) -> Iterator[None]:
    """Debian's Docker daemon."""
    program("engine", "docker")
    yield from _docker_daemon(program("engine", "dockerd"), state / "docker", registry, "engine")


@pytest.fixture(scope="session")
def moby(state: Path, registry: Registry, cdi: Path) -> Iterator[None]:
    """A current Docker daemon, with the image store of containerd."""
    serve = program("moby", str(MOBY / "dockerd"))
    program("moby", str(MOBY / "containerd"), "containerd")
    yield from _docker_daemon(serve, state / "moby", registry, "moby", f"--cdi-spec-dir={cdi}")


@pytest.fixture(scope="session")
def cdi(state: Path) -> Path:
    """The folder in which engines look for specifications of devices."""
    (state / "cdi").mkdir()
    return state / "cdi"


def _docker_daemon(serve: str, folder: Path, registry: Registry, group: str, *more: str) -> Iterator[None]:
    """A Docker daemon that touches neither the machine's network nor its store; its socket is `FOLDER.sock`."""
    words = ["--iptables=false", "--ip6tables=false", "--bridge=none", "--host", f"unix://{folder}.sock"]
    words += ["--data-root", str(folder), "--exec-root", f"{folder}-run", "--pidfile", f"{folder}.pid"]
    words += ["--insecure-registry", registry.address, *more]
    path = os.pathsep.join([str(Path(serve).parent), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    # clients of any age may ask
    daemon = Daemon(Path(f"{folder}.log"), serve, *words, env={"PATH": path, "DOCKER_MIN_API_VERSION": "1.24"})
    daemon.wait_for(lambda: connects(Path(f"{folder}.sock")), "a docker daemon", group)
    yield
    daemon.stop()


@pytest.fixture(scope="session")
def buildx(state: Path) -> str:
    """The program buildx, where every engine finds it."""
    found = program("buildkit", "buildx", "docker-buildx")
    os.symlink(found, state / "bin" / "buildx")
    return found


@pytest.fixture(scope="session")
def buildkitd(state: Path, environment: dict[str, str], registry: Registry, buildx: str) -> Iterator[None]:
    """A current BuildKit, selected in buildx."""
    serve = program("buildkit", "buildkitd")
    program("buildkit", "runc")
    config = state / "buildkitd.toml"
    config.write_text(
        f'root = "{state}/buildkit"\n[grpc]\naddress = ["unix://{state}/buildkit.sock"]\n'
        '[worker.oci]\nenabled = true\nbinary = "runc"\nnetworkMode = "host"\n[worker.containerd]\nenabled = false\n'
        f'[registry."{registry.address}"]\nhttp = true\n'
    )
    daemon = Daemon(state / "buildkitd.log", serve, "--config", str(config))
    daemon.wait_for(lambda: connects(state / "buildkit.sock"), "a BuildKit daemon", "buildkit")
    made = subprocess.run(
        [buildx, "create", "--name=tests", "--driver=remote", "--use", f"unix://{state}/buildkit.sock"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    yield
    daemon.stop()


@pytest.fixture
def rig(request: pytest.FixtureRequest) -> Rig:
    """The engine that the test's parameter names."""
    return request.getfixturevalue("rig_of")(request.param)


@pytest.fixture
def rig_of(request: pytest.FixtureRequest, environment: dict[str, str], base: str, state: Path) -> Callable[[str], Rig]:
    """Gives the engine of a name."""
    return lambda name: _rig(name, request, environment, base, state)


def _rig(name: str, request: pytest.FixtureRequest, environment: dict[str, str], base: str, state: Path) -> Rig:
    env = dict(environment)
    if name in ("docker", "docker-buildkit"):
        request.getfixturevalue("dockerd")
        env["DOCKER_BUILDKIT"] = "1" if name == "docker-buildkit" else "0"
        if name == "docker-buildkit":
            env["PATH"] = os.pathsep.join([_old_docker(state), env["PATH"]])
        return Rig(name, "docker", env, base, "none", "buildkit" if name == "docker-buildkit" else "classic")
    if name == "buildx":
        request.getfixturevalue("buildkitd")
        env["DOCKER_HOST"] = f"unix://{state}/nothing.sock"
        env["BUILDX_BUILDER"] = "tests"
        return Rig(name, "buildx", env, base, "default", "buildkit")
    if name == "moby":
        request.getfixturevalue("moby")
        plugins = state / "moby-config" / "cli-plugins"
        if not plugins.exists():
            plugins.mkdir(parents=True)
            os.symlink(request.getfixturevalue("buildx"), plugins / "docker-buildx")
        env |= {"DOCKER_HOST": f"unix://{state}/moby.sock", "DOCKER_CONFIG": str(plugins.parent)}
        return Rig(name, "docker", env, base, "none", "buildkit")
    program("engine", name)
    return Rig(name, name, env, base, "default", "buildah")


def _old_docker(state: Path) -> str:
    """A docker client that has BuildKit's client built in, in a folder of its own: newer ones want a plugin."""
    for path in dict.fromkeys(["/usr/bin/docker", find("docker") or ""]):
        if os.access(path, os.X_OK):
            told = subprocess.run(
                [path, "version", "--format", "{{json .Client.Version}}"],
                env=os.environ | {"DOCKER_HOST": f"unix://{state}/docker.sock"},
                capture_output=True,
                text=True,
            )
            try:
                version = json.loads(told.stdout)
            except ValueError:
                continue
            if int(version.split(".")[0]) < 23:
                folder = state / "old-docker"
                folder.mkdir(exist_ok=True)
                if not (folder / "docker").exists():
                    os.symlink(path, folder / "docker")
                return str(folder)
    pytest.skip("needs a docker client before 23, which has BuildKit's client built in")
    raise AssertionError

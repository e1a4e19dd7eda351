"""The engines of the integration tests, each started once, when the first test asks for it."""

from __future__ import annotations

import json
import os
import shutil
import signal
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
    watcher_of,
)

PROOF = ("test_verify", "test_other_comparers", "test_smoke_gpu")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here needs an engine and takes its time. Daemons are shared within a process, so two processes run
    them all, each its own files.
    """
    here = Path(__file__).parent
    for item in items:
        path = Path(item.path)
        if here in path.parents:
            item.add_marker(pytest.mark.engine)
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.xdist_group("proof" if path.stem in PROOF else "engines"))


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
def debian_tools(registry: Registry) -> str:
    """A Debian with a compiler, pip, rpm and ssh-keygen, made by debootstrap once and kept in the user's cache."""
    kept = CACHE / "debian-tools-1.tar"
    if not kept.exists():
        need("a Debian with tools (.ci/integration-setup makes it)", "debian-tools")
    return registry.push("debian-tools:1", kept.read_bytes())


@pytest.fixture(scope="session")
def python_root() -> bytes:
    """A root file system of little more than a complete Python, as a tar."""
    from gpus import python_layer

    kept = CACHE / "debian-tools-1.tar"
    if not kept.exists():
        need("a Debian with a complete Python (.ci/integration-setup makes it)", "debian-tools")
    return python_layer(kept)


@pytest.fixture(scope="session")
def python_image(registry: Registry, python_root: bytes) -> str:
    """An image of a Python and nothing else."""
    return registry.push("python:1", python_root)


@pytest.fixture(scope="session")
def gpus(state: Path, cdi: Path) -> str:
    """Two GPUs, played, in the CDI specification that the current Docker reads; gives the specification."""
    from gpus import Gpus, compiled

    program("compiler", "cc", "gcc")
    text = Gpus(compiled(state / "driver"), state / "nodes").specification()
    (cdi / "played.json").write_text(text)
    return text


@pytest.fixture(scope="session")
def podman_gpus(gpus: str) -> Iterator[None]:
    """The same for podman, which looks in the machine's own folders."""
    from gpus import foreign_specification

    if foreign_specification():
        pytest.skip("this machine has a CDI specification of its own")
    path = Path("/run/cdi/repro-audit-tests.json")
    path.parent.mkdir(exist_ok=True)
    path.write_text(gpus)
    yield
    path.unlink()


@pytest.fixture(scope="session")
def environment(state: Path, registry: Registry) -> dict[str, str]:
    """An environment in which no engine finds anything of the user's."""
    (state / "home").mkdir()
    (state / "bin").mkdir()
    (state / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{state}/containers"\nrunroot = "{state}/containers-run"\n'
    )
    # root without CAP_SYS_RESOURCE may not raise limits, and crun refuses mixed versions of cgroups
    limits, runtime = '"nofile=4096:4096", "nproc=4096:4096"', '[engine]\nruntime = "runc"\n' if find("runc") else ""
    (state / "containers.conf").write_text(f"[containers]\ndefault_ulimits = [{limits}]\n{runtime}")
    (state / "registries.conf").write_text(f'[[registry]]\nlocation = "{registry.address}"\ninsecure = true\n')
    env = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "BUILD", "CONTAINER"))}
    repository = str(Path(__file__).parents[2])
    return env | {
        "HOME": str(state / "home"),
        "PATH": os.pathsep.join([str(state / "bin"), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]),
        "PYTHONPATH": repository,
        "CONTAINERS_CONF": str(state / "containers.conf"),
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


@pytest.fixture
def dying_docker(
    rig_of: Callable[[str], Rig], state: Path, registry: Registry, cdi: Path, gpus: str
) -> Iterator[tuple[Rig, int]]:
    """A Docker of the test's own, with its process id, to be killed."""
    rig, folder = rig_of("moby"), state / "dying"
    own = rig.env | {"DOCKER_HOST": f"unix://{folder}.sock"}
    daemon = _docker_daemon(str(MOBY / "dockerd"), folder, registry, "moby", f"--cdi-spec-dir={cdi}")
    next(daemon)
    dying = Rig(rig.name, rig.engine, own, rig.base)
    yield dying, int(Path(f"{folder}.pid").read_text())
    next(daemon, None)
    # the killed daemon leaves containerd, and below it the container and what watches over it
    for path in Path(f"{folder}-run").rglob("*.pid"):
        process = int(path.read_text())
        for each in (process, watcher_of(process)):
            if each is not None:
                os.kill(each, signal.SIGKILL)


@pytest.fixture(scope="session")
def nvidia_docker(state: Path, registry: Registry, cdi: Path, gpus: str) -> Iterator[str]:
    """A current Docker with NVIDIA's own runtime, which gives out the GPUs that play; gives its address."""
    folder = CACHE / "nvidia"
    runtime = program("nvidia", str(folder / "nvidia-container-runtime"))
    config = state / "nvidia.toml"
    config.write_text(
        f'[nvidia-container-runtime]\nmode = "cdi"\nruntimes = ["{MOBY}/runc", "runc"]\n'
        f'[nvidia-container-runtime.modes.cdi]\nspec-dirs = ["{cdi}"]\n'
    )
    words = (f"--cdi-spec-dir={cdi}", f"--add-runtime=nvidia={runtime}")
    env = {"NVIDIA_CTK_CONFIG_FILE_PATH": str(config)}
    serve = program("moby", str(MOBY / "dockerd"))
    for _ in _docker_daemon(serve, state / "nvidia", registry, "nvidia", *words, tools=folder, env=env):
        yield f"unix://{state}/nvidia.sock"


@pytest.fixture(scope="session")
def cdi(state: Path) -> Path:
    """The folder in which engines look for specifications of devices."""
    (state / "cdi").mkdir()
    return state / "cdi"


def _docker_daemon(
    serve: str,
    folder: Path,
    registry: Registry,
    group: str,
    *more: str,
    tools: Path | None = None,
    env: dict[str, str] | None = None,
) -> Iterator[None]:
    """A Docker daemon that touches neither the machine's network nor its store; its socket is `FOLDER.sock`. It finds
    the programs in `tools` first.
    """
    words = ["--iptables=false", "--ip6tables=false", "--bridge=none", "--host", f"unix://{folder}.sock"]
    words += ["--data-root", str(folder), "--exec-root", f"{folder}-run", "--pidfile", f"{folder}.pid"]
    words += ["--insecure-registry", registry.address, *more]
    first = [str(tools)] if tools is not None else []
    path = os.pathsep.join([*first, str(Path(serve).parent), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    # clients of any age may ask
    own = {"PATH": path, "DOCKER_MIN_API_VERSION": "1.24", **(env or {})}
    daemon = Daemon(Path(f"{folder}.log"), serve, *words, env=own)
    daemon.wait_for(lambda: connects(Path(f"{folder}.sock")), "a docker daemon", group)
    yield
    daemon.stop()


@pytest.fixture(scope="session")
def buildx(state: Path, environment: dict[str, str]) -> str:
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
        env |= _moby_client(state, request)
        return Rig(name, "docker", env, base, "none", "buildkit")
    if name == "boxed":
        env |= _moby_client(state, request) | {"BUILDX_BUILDER": request.getfixturevalue("boxed")}
        return Rig(name, "buildx", env, base, "default", "buildkit")
    program("engine", name)
    del env["DOCKER_CONFIG"]  # `podman run` wants a file there
    return Rig(name, name, env, base, "default", "buildah")


def _moby_client(state: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """What makes a docker client talk to the current daemon, with buildx as its plugin."""
    request.getfixturevalue("moby")
    plugins = state / "moby-config" / "cli-plugins"
    if not plugins.exists():
        plugins.mkdir(parents=True)
        os.symlink(request.getfixturevalue("buildx"), plugins / "docker-buildx")
    return {"DOCKER_HOST": f"unix://{state}/moby.sock", "DOCKER_CONFIG": str(plugins.parent)}


@pytest.fixture(scope="session")
def boxed(
    state: Path, environment: dict[str, str], base: str, buildx: str, request: pytest.FixtureRequest
) -> Iterator[str]:
    """A BuildKit in a container, as CI services have it; gives the name of the builder."""
    env = environment | _moby_client(state, request)
    (state / "boxed").mkdir()
    for name, path in {
        "buildkitd": program("buildkit", "buildkitd"),
        "buildctl": program("buildkit", "buildctl"),
        "buildkit-runc": program("moby", str(MOBY / "runc")),
    }.items():
        shutil.copy(path, state / "boxed" / name)
    (state / "boxed" / "Dockerfile").write_text(
        f'FROM {base}\nCOPY buildctl buildkitd buildkit-runc /bin/\nENTRYPOINT ["buildkitd"]\n'
    )
    (state / "boxed.toml").write_text(f'[registry."{base.partition("/")[0]}"]\nhttp = true\n')
    options = ["--driver=docker-container", "--driver-opt=image=localhost/buildkit:1,network=host"]
    for words in (
        ["docker", "build", "--quiet", "--network=none", "--tag=localhost/buildkit:1", str(state / "boxed")],
        [buildx, "create", "--name=boxed", *options, f"--buildkitd-config={state}/boxed.toml", "--bootstrap"],
    ):
        done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            need(f"a BuildKit that starts in a container; it said: {done.stderr[-600:]}", "moby")
    yield "boxed"
    subprocess.run([buildx, "rm", "--force", "boxed"], env=env, capture_output=True, timeout=60)


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

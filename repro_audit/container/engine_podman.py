"""Podman and buildah: both build with buildah's code and keep images in one store, without a daemon."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from repro_audit.container import engine_docker
from repro_audit.container.engine import BuildCommand, Built, Engine, EngineInfo, fresh_name, need_space, scratch
from repro_audit.container.engine_answer import ask, document, part
from repro_audit.container.engine_error import Attempt, EngineError
from repro_audit.container.engine_request import BuildRequest, RunRequest
from repro_audit.container.process import Outcome, shielded

if TYPE_CHECKING:
    from collections.abc import Callable

# where podman and buildah keep what does not fit into memory
_ROOM = "/var/tmp"  # noqa: S108
_GET = {
    "podman": "install podman (https://podman.io/docs/installation)",
    "buildah": "install buildah (https://buildah.io)",
}
_CHROOT = "containers do not start here, so RUN gets a chroot: it sees this machine's network and processes"
# The smallest program there is, to see whether containers start at all: an ELF file that calls exit(0).
_EXIT = {
    "x86_64": (62, bytes.fromhex("31ffb83c0000000f05")),
    "aarch64": (183, bytes.fromhex("000080d2a80b80d2010000d4")),
}


def detect(name: str) -> EngineInfo | Attempt:
    """What podman or buildah can do here, or why it does not work: really builds the smallest image."""
    answers: list[Outcome] = []
    try:
        for words in (["--version"], ["build", "--help"], ["info"] if name == "buildah" else ["info", "--format=json"]):
            told = ask(name, *words)
            if told.timed_out:
                why = f"it does not answer (asked for `{name} {words[0]}`, waited {told.seconds:.0f} s)"
                return Attempt(name, why, f"`{name} info` shows where it hangs")
            if not told.ok:
                remedy = _GET[name] if words[0] == "--version" else f"`{name} info` says what is wrong"
                return Attempt(name, told.last_line, remedy)
            answers.append(told)
    except EngineError as error:
        return Attempt(name, str(error), _GET[name])
    told, helped, state = answers
    version = next((word for word in told.stdout.split() if word[:1].isdigit()), "?")[:40]
    host = part(document(state.stdout), "host")
    if not isinstance(host, dict):
        return Attempt(name, state.last_line, f"`{name} info` says what is wrong")
    rootless = bool(host.get("rootless") or part(host, "security", "rootless"))
    features = {"secrets", "timestamp", "load"}
    if "--source-date-epoch" in helped.stdout and "--rewrite-timestamp" in helped.stdout:
        features |= {"epoch", "rewrite"}
    if "--build-context" in helped.stdout:
        features.add("contexts")
    if name == "podman":
        features |= {"run", "gpus", "cdi"}
    builder = str(host.get("buildahVersion") or "")[:40] if name == "podman" else ""
    problem = ""
    for isolation in (None, "chroot") if "BUILDAH_ISOLATION" not in os.environ else (None,):
        notes = (_CHROOT,) if isolation else ()
        engine = Podman(
            EngineInfo(name, (name,), version, "buildah", builder, rootless, frozenset(features), isolation, notes)
        )
        failed = _trial(engine)
        if failed is None:
            return engine.info
        problem = problem or failed
    return Attempt(name, problem, f"`{name} build` says what is wrong")


def _trial(engine: Podman) -> str | None:
    """Build an image that runs one command; gives what went wrong."""
    machine = _EXIT.get(os.uname().machine)
    if machine is None:
        return None
    with scratch() as folder:
        with open(os.path.join(folder, "true"), "wb") as file:
            file.write(_elf(*machine))
        os.chmod(file.name, 0o755)  # noqa: S103 (a program)
        with open(os.path.join(folder, "Dockerfile"), "w", encoding="ascii") as text:
            text.write('FROM scratch\nCOPY true /true\nRUN ["/true"]\n')
        tag = f"{fresh_name()}:1"
        try:
            # no network: that part is the build's own affair
            chroot = engine._isolation() == "chroot"
            network = "default" if chroot else "none"
            request = BuildRequest(folder, text.name, tag=tag, no_cache=True, network=network, layers=False)
            done = engine.build(request, timeout=60.0)
        except EngineError as error:
            return str(error)
        finally:
            with shielded():
                engine.remove(tag)
    lines = [line for line in done.log.splitlines() if line.strip()]
    told = next(
        (line for line in lines if "rror" in line and "building at STEP" not in line), lines[-1] if lines else "?"
    )
    return None if done.ok else told.strip()[:300]


def _elf(machine: int, code: bytes) -> bytes:
    import struct

    base, size = 0x400000, 120 + len(code)
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, base + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return head + struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000) + code


class Podman(Engine):
    """podman, or buildah where it says so."""

    def __init__(self, info: EngineInfo) -> None:
        super().__init__(info)
        self._room = _ROOM

    def _build(
        self, request: BuildRequest, archive: str | None, on_line: Callable[[str], None] | None, timeout: float | None
    ) -> Built:
        if request.network == "none" and self._isolation() == "chroot":
            raise EngineError(f"{self.info.name} cannot keep a build off the network where it isolates by chroot only")
        # where a build that is interrupted leaves its folders; they belong where there is room for layers
        with scratch(os.environ.get("TMPDIR") or (_ROOM if os.path.isdir(_ROOM) else None)) as self._room:
            return super()._build(request, archive, on_line, timeout)

    def _command(self, request: BuildRequest, archive: str | None) -> BuildCommand:
        options, hidden = request.options()
        # a layer for each instruction, as docker makes them: so each file leads back to one
        options += ["--force-rm", f"--layers={str(request.layers).lower()}"]
        options += [f"--isolation={self.info.isolation}"] if self.info.isolation else []
        in_force = {}
        if request.epoch is not None and request.rewrite:
            if "epoch" in self.info.features:
                options += [f"--source-date-epoch={request.epoch}", "--rewrite-timestamp"]
                in_force = {"SOURCE_DATE_EPOCH": str(request.epoch), "rewrite-timestamp": "true"}
            else:
                options.append(f"--timestamp={request.epoch}")
                in_force = {"--timestamp": str(request.epoch)}
        return BuildCommand(
            "build" if self.info.name == "podman" else "bud", options, {**hidden, "TMPDIR": self._room}, in_force
        )

    def _isolation(self) -> str | None:
        return self.info.isolation or os.environ.get("BUILDAH_ISOLATION")

    def save(self, image: str, archive: str, *, platform: str | None = None, timeout: float | None = None) -> None:
        """An OCI archive, when there is room for it."""
        image = self.known(image)
        if self.info.name == "podman":
            need_space(archive, self.size(image))
            words = ("save", "--quiet", "--format=oci-archive", f"--output={archive}", image)
            done = self.command(*words, timeout=timeout)
        else:
            need_space(archive, self._listed_size(image))
            with scratch() as folder:
                # nobody has to log in to a file, but buildah looks for logins all the same
                logins = os.path.join(folder, "auth.json")
                with open(logins, "w", encoding="ascii") as file:
                    file.write("{}")
                where = f"oci-archive:{archive}"
                done = self.command("push", "--quiet", f"--authfile={logins}", image, where, timeout=timeout)
        self.saved(image, done, archive)

    def _listed_size(self, image: str) -> int:
        told = self.command("images", "--json", "--no-trunc")
        try:
            found = json.loads(told.stdout)
            for each in found:
                if any(str(name).endswith(image) for name in each.get("names") or ()) or image in str(each.get("id")):
                    return _bytes(str(each.get("size", "")))
        except (ValueError, AttributeError, TypeError):
            pass
        return 1 << 28

    def has(self, image: str) -> bool:
        """Whether the store has it."""
        return self.answer(
            self.known(image),
            "inspect",
            "--type=image",
            "--format={{.FromImageID}}" if self.info.name == "buildah" else "--format={{.Id}}",
            image,
        ).ok

    def run(self, request: RunRequest, *, on_line: Callable[[str], None] | None = None) -> Outcome:
        """`podman run`; GPUs come as CDI devices."""
        from dataclasses import replace

        if self.info.name != "podman":
            return super().run(request, on_line=on_line)
        return engine_docker.run_container(self, replace(request, cdi=True), on_line)


def _bytes(text: str) -> int:
    number, _, unit = text.strip().partition(" ")
    try:
        return int(float(number) * {"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}[unit.upper()])
    except (ValueError, KeyError):
        return 1 << 28

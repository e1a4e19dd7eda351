"""BuildKit through buildx: as a plugin of docker or as a program of its own, with whatever builder is selected."""

from __future__ import annotations

import re

from repro_audit.container import engine_docker
from repro_audit.container.engine import BuildCommand, EngineInfo
from repro_audit.container.engine_answer import SHORT, START, ask
from repro_audit.container.engine_docker import Docker, number
from repro_audit.container.engine_error import Attempt, EngineError
from repro_audit.container.engine_names import fields
from repro_audit.container.engine_request import BuildRequest
from repro_audit.container.process import Outcome

_GET = "install buildx (https://docs.docker.com/build/install-buildx/)"
_START = "start a builder: `docker buildx create --use --bootstrap`"
_FIELD = re.compile(r"^(\w[\w ]*?):[ \t]+(\S.*?)[ \t]*$", re.MULTILINE)
_NEVER = re.compile(r"^ > \[internal\] (?:waiting for connection|booting buildkit)", re.MULTILINE)
_GONE = (
    "rpc error: code = Unavailable",
    "failed to list workers",
    "Cannot connect to the Docker daemon",
    "connection refused",
    "no builder",
    "error reading from server: EOF",
    "transport is closing",
)


def detect() -> EngineInfo | Attempt:
    """What buildx can do here, or why it does not work."""
    reasons: list[str] = []
    silent: list[str] = []
    for program in (("docker", "buildx"), ("buildx",), ("docker-buildx",)):
        try:
            told = ask(*program, "version")
        except EngineError as error:
            reasons.append(str(error))
            continue
        if told.ok and "buildx" in told.stdout:
            return _inspect(program, told.stdout)
        said = f"no answer within {told.seconds:.0f} s" if told.timed_out else told.last_line
        (silent if told.timed_out else reasons).append(f"`{' '.join(program)} version`: {said}")
    return Attempt("buildx", silent[0] if silent else reasons[-1], _GET)


def _inspect(program: tuple[str, ...], version: str) -> EngineInfo | Attempt:
    found: dict[str, str] = {}
    for words in (["inspect"], ["inspect", "--bootstrap"]):
        try:
            told = ask(*program, *words, timeout=START if words[1:] else 2 * SHORT)
        except EngineError as error:
            return Attempt("buildx", str(error), _GET)
        if told.timed_out:
            return Attempt("buildx", f"its builder does not answer (waited {told.seconds:.0f} s)", _START)
        if not told.ok:
            return Attempt("buildx", f"its builder does not work: {told.last_line}", _START)
        found = {}
        for name, value in _FIELD.findall(told.stdout):
            found.setdefault(name.lower(), value)
        if found.get("status") in (None, "running"):
            break
    if found.get("status", "running") != "running" or "error" in found:
        fault = found.get("error")
        said = f"its builder does not work: {fault}" if fault else f"its builder is {found.get('status')}"
        return Attempt("buildx", said, _START)
    driver = found.get("driver", "docker")
    buildkit = found.get("buildkit version") or found.get("buildkit") or ""
    words = version.split()
    client = next((word for word in words if word[:1] == "v" and word[1:2].isdigit()), words[1] if words[1:] else "?")
    docker = engine_docker.detect() if program[0] == "docker" or driver == "docker" else None
    features = {"secrets", "hostname", "contexts"}
    if number(buildkit) >= (0, 11):
        features.add("epoch")
    if driver != "docker":
        features.add("archive")
        if number(buildkit) >= (0, 13):
            features.add("rewrite")
    if isinstance(docker, EngineInfo):
        own = {"archive", "rewrite"} if driver == "docker" else set()
        features |= {"load"} | (docker.features & {"run", "gpus", "cdi", *own})
    notes = () if "load" in features else ("no docker daemon answers: the image stays in the builder's cache",)
    return EngineInfo(
        "buildx",
        program,
        client,
        "buildkit",
        f"{buildkit} ({driver})".strip(),
        isinstance(docker, EngineInfo) and docker.rootless,
        frozenset(features),
        None,
        notes,
    )


class Buildx(Docker):
    """`docker buildx build`, or `docker build` where that is the same. Saving, running and removing go to docker, where
    there is one.
    """

    def _command(self, request: BuildRequest, archive: str | None) -> BuildCommand:
        extra, in_force = engine_docker.buildkit_arguments(self.info, request)
        options, hidden = request.options(extra)
        options.append("--progress=plain")
        version = number(self.info.version)
        if self.info.name == "docker" or version == (0, 0) or version >= (0, 10):
            # attestations tell when and where an image was built: no two builds would have one digest
            options += ["--provenance=false", "--sbom=false"]
        exports = archive is not None and "archive" in self.info.features
        if archive is not None and exports:
            settings = ["type=oci", f"dest={archive}"]
            if request.rewrite and "SOURCE_DATE_EPOCH" in in_force and "rewrite" in self.info.features:
                settings.append("rewrite-timestamp=true")
                in_force["rewrite-timestamp"] = "true"
            options.append(f"--output={fields(*settings)}")
        elif "load" in self.info.features:
            options.append("--load")
        return BuildCommand("build", options, hidden, in_force, exports)

    def _problem(self, done: Outcome) -> str | None:
        problem = super()._problem(done)
        if problem is None and not done.ok and _NEVER.search(done.stderr[-4000:]):
            return f"the builder could not be reached: {done.last_line}"
        if problem is None and not done.ok:
            last = "\n".join(done.stderr.strip().splitlines()[-3:])
            if any(sign in last for sign in _GONE) and " > [" not in done.stderr[-4000:]:
                return f"the builder went away: {done.last_line}"
        return problem

    def _program_for(self, verb: str) -> tuple[str, ...]:
        """Building goes to buildx, all else to docker itself."""
        return self.info.program if verb == "build" else (engine_docker.PROGRAM,)

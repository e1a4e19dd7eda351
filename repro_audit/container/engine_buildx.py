"""BuildKit through buildx: as a plugin of docker or as a program of its own, with whatever builder is selected."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from repro_audit.container import engine_docker
from repro_audit.container.engine import (
    Attempt,
    BuildRequest,
    Built,
    EngineError,
    EngineInfo,
    fresh_name,
    scratch,
)
from repro_audit.container.engine_docker import Docker, number
from repro_audit.container.engine_names import fields
from repro_audit.container.process import Outcome, ProcessError, run, shielded

if TYPE_CHECKING:
    from collections.abc import Callable

_GET = "install buildx (https://docs.docker.com/build/install-buildx/)"
_START = "start a builder: `docker buildx create --use --bootstrap`"
_FIELD = re.compile(r"^(\w[\w ]*?):[ \t]+(\S.*?)[ \t]*$", re.MULTILINE)
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
    reasons = []
    for program in (("docker", "buildx"), ("buildx",), ("docker-buildx",)):
        try:
            told = run([*program, "version"], timeout=20.0)
        except ProcessError as error:
            reasons.append(str(error))
            continue
        if told.ok and "buildx" in told.stdout:
            return _inspect(program, told.stdout)
        reasons.append(f"`{' '.join(program)} version`: {told.last_line}")
    return Attempt("buildx", reasons[0] if len(reasons) == 1 else reasons[-1], _GET)


def _inspect(program: tuple[str, ...], version: str) -> EngineInfo | Attempt:
    found: dict[str, str] = {}
    for words in (["inspect"], ["inspect", "--bootstrap"]):
        try:
            told = run([*program, *words], timeout=60.0)
        except ProcessError as error:
            return Attempt("buildx", str(error), _GET)
        if not told.ok:
            return Attempt("buildx", told.last_line, _START)
        found = {}
        for name, value in _FIELD.findall(told.stdout):
            found.setdefault(name.lower(), value)
        if found.get("status") in (None, "running"):
            break
    if found.get("status", "running") != "running" or "error" in found:
        return Attempt("buildx", f"its builder is {found.get('error') or found.get('status')}", _START)
    driver = found.get("driver", "docker")
    buildkit = found.get("buildkit version") or found.get("buildkit") or ""
    words = version.split()
    client = next((word for word in words if word[:1] == "v" and word[1:2].isdigit()), words[1] if words[1:] else "?")
    docker = engine_docker.detect() if program[0] == "docker" or driver == "docker" else None
    features = {"secrets", "hostname"}
    if number(buildkit) >= (0, 11):
        features.add("epoch")
    # The builder inside dockerd writes into dockerd's store; others write archives, and can then date every file.
    if driver != "docker":
        features.add("archive")
        if number(buildkit) >= (0, 13):
            features.add("rewrite")
    if isinstance(docker, EngineInfo):
        features |= {"load"} | (docker.features & {"run", "gpus", "cdi"})
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
    """`docker buildx build`. Saving, running and removing go to docker, where there is one."""

    def _build(
        self, request: BuildRequest, archive: str | None, on_line: Callable[[str], None] | None, timeout: float | None
    ) -> Built:
        features = self.info.features
        epoch = request.epoch if "epoch" in features else None
        rewrite = epoch is not None and request.rewrite and "rewrite" in features and archive is not None
        extra: list[tuple[str, str]] = []
        if epoch is not None:
            extra.append(("SOURCE_DATE_EPOCH", str(epoch)))
        if request.hostname:
            extra.append(("BUILDKIT_SANDBOX_HOSTNAME", request.hostname))
        words, hidden = request.words(extra)
        options = [f"--file={request.dockerfile}", *words, *request.secret_words(), "--progress=plain"]
        options += [f"--target={request.target}"] if request.target else []
        options += [f"--platform={request.platform}"] if request.platform else []
        options += ["--no-cache"] if request.no_cache else []
        options += [f"--network={request.network}"] if request.network != "default" else []
        if number(self.info.version) == (0, 0) or number(self.info.version) >= (0, 10):
            # attestations tell when and where an image was built: no two builds would have one digest
            options += ["--provenance=false", "--sbom=false"]
        temporary = None
        if archive is not None and "archive" in features:
            settings = ["type=oci", f"dest={archive}", *(["rewrite-timestamp=true"] if rewrite else [])]
            options.append(f"--output={fields(*settings)}")
        elif archive is not None:
            temporary = f"{fresh_name()}:1"
            options += [f"--tag={temporary}", "--load"]
        else:
            options += ["--load"] if "load" in features else []
        options += [f"--tag={request.tag}"] if request.tag and archive is None else []
        env = {**request.variables(), **hidden}
        with scratch() as folder:
            identity = os.path.join(folder, "image-id")
            try:
                done = self.command(
                    "build",
                    f"--iidfile={identity}",
                    *options,
                    "--",
                    request.context,
                    timeout=timeout,
                    on_line=on_line,
                    env=env,
                    redactor=request.redactor(),
                    umask=request.umask,
                )
                image = engine_docker._read(identity) if done.ok and archive is None and "load" in features else None
                if done.ok and temporary is not None and archive is not None:
                    self.save(temporary, archive)
            finally:
                if temporary is not None:
                    with shielded():
                        self.remove(temporary)
        in_force = {"SOURCE_DATE_EPOCH": str(epoch)} if epoch is not None else {}
        if rewrite:
            in_force["rewrite-timestamp"] = "true"
        return Built(done.ok, image, done.text, done.seconds, _problem(done), in_force)

    def command(self, *words: str, **options: object) -> Outcome:
        """Building goes to buildx, all else to docker itself."""
        if words[0] == "build":
            return super().command(*words, **options)  # type: ignore[arg-type]
        try:
            return run([engine_docker.PROGRAM, *words], **options)  # type: ignore[arg-type]
        except ProcessError as error:
            raise EngineError(str(error)) from None


def _problem(done: Outcome) -> str | None:
    problem = engine_docker._problem(done)
    if problem is None and not done.ok:
        last = "\n".join(done.stderr.strip().splitlines()[-3:])
        if any(sign in last for sign in _GONE) and " > [" not in done.stderr[-4000:]:
            return f"the builder went away: {done.last_line}"
    return problem

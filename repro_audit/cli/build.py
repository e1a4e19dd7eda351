"""`repro-audit build`: build the image, and where that fails say which line did it, why, and which rule foresaw it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from repro_audit.cli.build_options import LIMIT_HELP, BuildOptions, Network, with_build_options
from repro_audit.cli.output import emit, note, wants_color
from repro_audit.cli.problem import CannotError

if TYPE_CHECKING:
    from repro_audit.cli.build_plan import Plan
    from repro_audit.container.engine import Engine
    from repro_audit.container.engine_error import Attempt


@with_build_options
def command(
    build: BuildOptions,
    tag: Annotated[str | None, typer.Option("--tag", "-t", help="A name for the image.", metavar="NAME:TAG")] = None,
    network: Annotated[Network, typer.Option(help="What RUN instructions may reach.")] = Network.default,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Build every step anew.")] = False,
    timeout: Annotated[float | None, typer.Option(min=1, help=LIMIT_HELP, metavar="SECONDS")] = None,
) -> int:
    """Build the image; a failed build ends with a diagnosis.

    Exit status: 0 built; 1 the build failed; 2 no engine works, or it could not do its work.
    """
    from repro_audit.cli.build_plan import plan
    from repro_audit.container.engine_error import EngineError
    from repro_audit.container.process import interruptible

    planned = plan(build, tag=tag, network=network.value, no_cache=no_cache)
    with interruptible():
        try:
            return _build(planned, chosen(build.engine.value), build.quiet, timeout)
        except EngineError as error:
            raise CannotError(str(error)) from None


def chosen(name: str, need: tuple[str, ...] = (), *, builds: bool = True, tells: bool = True) -> Engine:
    """An engine that works, told to the user, with what it should know about builds and about the engines before it;
    raises EngineError. Without one, what was tried is told here where `tells`.
    """
    from repro_audit.container.engine_choice import choose
    from repro_audit.container.engine_error import EngineError, NoEngineError

    try:
        engine = choose(name, need=need)
    except NoEngineError as error:
        if not tells or len(error.attempts) < 2:
            raise
        for each in error.attempts:
            note(f"{each.engine}: {each.reason}; {each.remedy}")
        raise EngineError("no container engine works here (what was tried stands above)") from None
    engine.tell = note
    without_docker = any(each.engine == "docker" for each in engine.passed)
    for passed in engine.passed:
        why = _passed_over(passed)
        # what ails docker ails buildx too
        if why is not None and not (passed.engine == "buildx" and without_docker):
            note(why)
    note(f"using {engine.info}")
    for told in engine.info.notes if builds else ():
        note(told)
    return engine


def _passed_over(attempt: Attempt) -> str | None:
    """Why an engine was not taken that the user will have expected; None where it is only not installed."""
    import os
    import shutil

    if attempt.engine == "buildx":
        return f"not using buildx: {attempt.reason}" if attempt.reason.startswith("its builder") else None
    where = ""
    if attempt.engine == "docker":
        variable = next((each for each in ("DOCKER_HOST", "DOCKER_CONTEXT") if os.environ.get(each)), None)
        where = f" at {os.environ[variable]} ({variable})" if variable is not None else ""
    if not where and shutil.which(attempt.engine) is None:
        return None
    return f"not using {attempt.engine}{where}: {attempt.reason}"


def _build(planned: Plan, engine: Engine, quiet: bool, timeout: float | None) -> int:
    from repro_audit.cli.build_display import display

    with display("building", quiet=quiet) as show:
        built = engine.build(planned.request, on_line=show, timeout=timeout)
    if built.problem is not None:
        raise CannotError(built.problem)
    if built.ok:
        where = built.image or "in the builder's cache"
        name = f"{planned.request.tag} ({where})" if planned.request.tag else where
        emit(f"built {name} with {engine.info.name} in {built.seconds:.0f} s\n")
        return 0
    emit(explained(planned, built.log))
    return 1


def explained(planned: Plan, log: str) -> str:
    """The diagnosis of a failed build as text."""
    from repro_audit.cli.build_plan import parsed
    from repro_audit.cli.elsewhere import elsewhere
    from repro_audit.cli.foreseen import foreseen
    from repro_audit.container.build_failure import diagnose
    from repro_audit.report.visible import visible

    tree = parsed(planned.request)
    failure = diagnose(log, tree)
    bold, red, green, off = ("\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[0m") if wants_color(None) else ("",) * 4
    where = f"{planned.shown}:{failure.line}" if failure.line else planned.shown
    out = [f"{red}the build failed{off} at {bold}{visible(where)}{off}: {failure.kind}: {failure.summary}"]
    if failure.step:
        out.append(f"  {visible(failure.step)}")
    if failure.at is not None and tree is not None:
        text = tree.source.text.splitlines()[failure.at - 1].strip().removesuffix(tree.escape).rstrip()
        out.append(f"  in its line {failure.at}: {visible(text)}")
    out += [f"    | {visible(line)}" for line in failure.evidence]
    found = elsewhere(planned, failure, tree) if tree is not None else None
    remedy = visible(found) if found is not None else failure.remedy
    out += [f"  {green}remedy{off}: {remedy}"] if remedy else []
    for finding in foreseen(planned, failure):
        line = finding.source.position(finding.span.start).line
        place = f"{visible(planned.shown if planned.inline else finding.path)}:{line}"
        out.append(f"  foreseen by {bold}{finding.rule}{off} at {place}: {visible(finding.message)}")
    mask = planned.request.redactor().text
    return "\n".join(map(mask, out)) + "\n"

"""`repro-audit build`: build the image, and where that fails say which line did it, why, and which rule foresaw it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from repro_audit.cli.build_options import LIMIT_HELP, BuildOptions, Network, with_build_options
from repro_audit.cli.output import emit, note, wants_color
from repro_audit.cli.problem import CannotError

if TYPE_CHECKING:
    from repro_audit.cli.build_plan import Plan
    from repro_audit.container.build_failure import Failure
    from repro_audit.container.engine import Engine
    from repro_audit.finding import Finding


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


def chosen(name: str, need: tuple[str, ...] = (), *, builds: bool = True) -> Engine:
    """An engine that works, told to the user, with what it should know about builds; raises EngineError."""
    from repro_audit.container.engine_choice import choose

    engine = choose(name, need=need)
    engine.tell = note
    note(f"using {engine.info}")
    for each in engine.info.notes if builds else ():
        note(each)
    return engine


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
    out.append(f"  {green}remedy{off}: {failure.remedy}")
    for finding in foreseen(planned, failure):
        line = finding.source.position(finding.span.start).line
        place = f"{visible(finding.path)}:{line}"
        out.append(f"  foreseen by {bold}{finding.rule}{off} at {place}: {visible(finding.message)}")
    mask = planned.request.redactor().text
    return "\n".join(map(mask, out)) + "\n"


# Which findings can have to do with a failure: their families, by its kind.
_FAMILIES = {
    "syntax": ("syntax",),
    "wrong-architecture": ("gpu", "pinning", "image", "runtime"),
    "image-not-found": ("pinning",),
    "package-version-gone": ("pinning", "determinism"),
    "package-not-found": ("pinning", "determinism", "syntax"),
    "network": ("pinning", "determinism"),
    "authentication": ("pinning", "security"),
    "permission": ("security", "runtime"),
}


def foreseen(planned: Plan, failure: Failure) -> list[Finding]:
    """The findings of an audit on the failing instruction that can have to do with the failure."""
    from repro_audit.cli.audit import audit
    from repro_audit.cli.options import Request

    if failure.line is None:
        return []
    try:
        done = audit(Request(paths=(planned.shown,), jobs=1))
    except (CannotError, OSError):
        return []
    families = _FAMILIES.get(failure.kind)
    last = failure.end_line or failure.line
    found = []
    for finding in done.result.findings:
        line = finding.source.position(finding.span.start).line
        if failure.line <= line <= last and (families is None or finding.family in families):
            found.append(finding)
    return found[:10]

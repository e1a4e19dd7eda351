"""`repro-audit verify`: build twice under changed conditions, or once against what exists, and compare."""

from __future__ import annotations

import enum
import os
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from repro_audit.cli.build import chosen, explained
from repro_audit.cli.build_options import LIMIT_HELP, BuildOptions, Network, with_build_options
from repro_audit.cli.completion import variations
from repro_audit.cli.output import emit, note, wants_color
from repro_audit.cli.problem import CannotError
from repro_audit.cli.verify_conditions import (
    VARIATIONS,
    dating,
    epoch_of,
    told_epoch,
    told_variations,
    varied,
)

if TYPE_CHECKING:
    from repro_audit.cli.build_plan import Plan
    from repro_audit.container.build_context import Inputs
    from repro_audit.container.engine import Built, Engine
    from repro_audit.container.engine_request import BuildRequest
    from repro_audit.container.engine_secrets import Redactor
    from repro_audit.verify.causes.evidence import Varied
    from repro_audit.verify.circumstances import Circumstances
    from repro_audit.verify.comparison import Comparison
    from repro_audit.verify.instruction import InstructionPlace

# Seconds between the end of one build and the beginning of the other: clocks that count in twos show another time.
_APART = 2.1


class Format(str, enum.Enum):
    """How the comparison may be shown."""

    text = "text"
    json = "json"
    markdown = "markdown"
    html = "html"


class Color(str, enum.Enum):
    """Whether the text has colours."""

    auto = "auto"
    always = "always"
    never = "never"


@with_build_options
def command(
    build: BuildOptions,
    network: Annotated[Network, typer.Option(help="What RUN instructions may reach.")] = Network.default,
    against: Annotated[
        str | None, typer.Option(help="Compare with this image or archive.", metavar="IMAGE|ARCHIVE")
    ] = None,
    image: Annotated[
        str | None, typer.Option(help="Build nothing: compare this with --against.", metavar="IMAGE|ARCHIVE")
    ] = None,
    source_date_epoch: Annotated[
        int | None,
        typer.Option(min=0, help="The time to build for, in seconds (default: the last commit's).", metavar="SECONDS"),
    ] = None,
    vary: Annotated[
        str | None,
        typer.Option(
            help=f"What changes in the second build: all, none, or some of {', '.join(VARIATIONS)} (the permissions "
            "that another umask gives files). Default: all but checkout.",
            metavar="WHAT,...",
            autocompletion=variations,
        ),
    ] = None,
    timeout: Annotated[float | None, typer.Option(min=1, help=LIMIT_HELP, metavar="SECONDS")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Only an identical digest (level 4) will do.")] = False,
    format: Annotated[Format, typer.Option("--format", help="How to report.")] = Format.text,
    output: Annotated[str | None, typer.Option("--output", "-o", help="Write the report here.", metavar="FILE")] = None,
    record: Annotated[str | None, typer.Option(help="Keep the result for `check --record`.", metavar="FILE")] = None,
    color: Annotated[Color, typer.Option(help="Colours: on a terminal, always or never.")] = Color.auto,
) -> int:
    """Build twice and compare every file: is the image the same when it is built again?

    Exit status: 0 the same files (level 3) or the same digest (level 4, asked for by --strict); 1 different; 2 it
    could not be done.
    """
    from repro_audit.container.archive_error import ArchiveError
    from repro_audit.container.engine_error import EngineError
    from repro_audit.container.process import interruptible

    if image is not None and against is None:
        raise CannotError("--image needs --against: the image or archive to compare it with")
    if image is not None and record is not None:
        raise CannotError("--record needs a build: an image says nothing of the files it was made from")
    if image is not None and (build.context is not None or build.service is not None):
        raise CannotError("verify compares one thing: what a context or --service builds, or --image")
    asked = varied(vary)
    look = _Look(format, output, strict, color.value)
    with interruptible():
        try:
            if image is not None and against is not None:
                return look.report(_images(image, against, build.engine.value, build.platform), {})
            from repro_audit.cli.build_plan import plan

            planned = plan(build, network=network.value, no_cache=True)
            if record is not None and planned.inline:
                raise CannotError(f"--record proves something of a Dockerfile, and {planned.shown} is none of its own")
            run = _Run(planned, asked, source_date_epoch, against, build.quiet, timeout)
            return run.go(chosen(build.engine.value), record, look)
        except (EngineError, ArchiveError) as error:
            raise CannotError(str(error)) from None
        except OSError as error:
            if error.filename is None:  # nobody reads what is printed, or the like
                raise
            raise CannotError(f"{error.filename}: {error.strerror}") from None


class _Run:
    """One verification: builds in a folder that is gone at the end, and compares."""

    def __init__(
        self,
        planned: Plan,
        varied: tuple[str, ...],
        epoch: int | None,
        against: str | None,
        quiet: bool,
        timeout: float | None,
    ) -> None:
        self.planned = planned
        self.varied = varied
        self.against = against
        self.quiet = quiet
        self.timeout = timeout
        self.epoch, self.said_by = epoch_of(epoch, planned.request.context)

    def go(self, engine: Engine, record: str | None, look: _Look) -> int:
        """Build, compare, report; gives the exit status."""
        from repro_audit.container.build_context import digest
        from repro_audit.container.engine import scratch

        request = self.planned.request
        inputs = digest(request.context, request.dockerfile, self.planned.settings, apart=_made(record, look.output))
        with scratch() as folder:
            first = replace(request, epoch=self.epoch, rewrite=True)
            left = os.path.join(folder, "first.tar")
            copied = None
            if self.against is not None:
                left = _archive(self.against, engine.info.name, os.path.join(folder, "against.tar"), request.platform)
            else:
                copied = _copied(first, os.path.join(folder, "1"), self.varied, second=False)
                if self._build(engine, copied, left, "building, first time") is None:
                    return 2
                _clear(os.path.join(folder, "1"))
                if "time" in self.varied:
                    time.sleep(_APART)
            right = os.path.join(folder, "second.tar")
            varied = self.varied if self.against is None else ()
            second = _copied(first, os.path.join(folder, "another", "place"), varied, second=self.against is None)
            built = self._build(engine, second, right, "building, second time" if self.against is None else "building")
            if built is None:
                return 2
            conditions = self._conditions(engine, built, varied)
            from repro_audit.cli.verify_places import places
            from repro_audit.verify.circumstances import Circumstances

            dated = (dating(self.epoch, built), self.epoch)
            circumstances = Circumstances("builds", ("the first build", "the second build"), *dated)
            if self.against is not None:
                circumstances = Circumstances("fresh", (self.against, "the fresh build"), *dated)
            changed = _changed(copied, second, self.varied)
            made = places(self.planned)
            comparison = _compared(left, right, circumstances, made, request.platform, changed, request.redactor())
        if record is not None:
            self._keep(record, comparison, inputs, conditions, look.output)
        return look.report(comparison, conditions)

    def _build(self, engine: Engine, request: BuildRequest, archive: str, title: str) -> Built | None:
        from repro_audit.cli.build_display import display

        if not self.quiet:
            note(title)
        with display(title, quiet=self.quiet) as show:
            built = engine.build(request, archive=archive, on_line=show, timeout=self.timeout)
        if built.problem is not None:
            raise CannotError(built.problem)
        if built.ok:
            return built
        sys.stderr.write(explained(self.planned, built.log))
        note("nothing to compare: the build failed")
        return None

    def _conditions(self, engine: Engine, built: Built, asked: tuple[str, ...]) -> dict[str, str]:
        """What was in force, as reports show it."""
        found = {"engine": str(engine.info), **told_epoch(self.epoch, self.said_by, built, engine.info)}
        return found | (told_variations(asked, engine.info) if self.against is None else {})

    def _keep(
        self, path: str, comparison: Comparison, inputs: Inputs, conditions: dict[str, str], output: str | None
    ) -> None:
        from repro_audit.container.build_context import digest, reaches_builder
        from repro_audit.verify.record import dump
        from repro_audit.verify.record import record as kept

        request = self.planned.request
        if digest(request.context, request.dockerfile, self.planned.settings, apart=_made(path, output)) != inputs:
            note(f"{path}: not written: the inputs changed while they were built")
            return
        made = kept(
            path,
            comparison,
            context=request.context,
            dockerfile=request.dockerfile,
            settings=self.planned.settings,
            inputs=inputs,
            any_modes="checkout" in self.varied and self.against is None,
            conditions=conditions,
            apart=_made(output),
        )
        emit(dump(made), path)
        for each in _made(path, output):
            if reaches_builder(request.context, request.dockerfile, each):
                note(f"{each}: the Dockerfile copies it into the image; list it in .dockerignore")


def _made(*paths: str | None) -> list[str]:
    """The files that this run writes."""
    return [path for path in paths if path is not None and path != "-"]


# What people have: most systems, and those that give each user a group.
_CHECKOUTS = (0o022, 0o002)


def _copied(request: BuildRequest, folder: str, varied: tuple[str, ...], *, second: bool) -> BuildRequest:
    """The request for one build, from a copy of the context of its own, as a fresh checkout would be."""
    from repro_audit.container.build_context import copy

    if {"directory", "order", "checkout"} & set(varied):
        umask = (_CHECKOUTS[1] if second else _CHECKOUTS[0]) if "checkout" in varied else None
        own = copy(request.context, request.dockerfile, folder, backwards=second and "order" in varied, umask=umask)
        request = replace(request, context=folder, dockerfile=own)
    if "umask" in varied:
        request = replace(request, umask=0o027 if second else 0o022)
    if second and "hostname" in varied:
        request = replace(request, hostname="buildkitsandbox-2")
    if second and "locale" in varied:
        request = replace(request, locale="tr_TR.UTF-8", zone="Pacific/Kiritimati")
    return request


def _clear(folder: str) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _images(image: str, against: str, engine: str, platform: str | None) -> Comparison:
    from repro_audit.container.engine import scratch
    from repro_audit.verify.circumstances import Circumstances

    with scratch() as folder:
        left = _archive(image, engine, os.path.join(folder, "first.tar"), platform)
        right = _archive(against, engine, os.path.join(folder, "second.tar"), platform)
        return _compared(left, right, Circumstances("images", (image, against)), [], platform)


def _archive(name: str, engine: str, target: str, platform: str | None) -> str:
    """The archive that `name` is, or one made of the local image of that name."""
    if os.path.exists(name):
        return name
    if name.endswith((".tar", ".tar.gz", ".tgz", ".oci")) or name.startswith((".", "/")):
        raise CannotError(f"{name}: there is no such archive")
    from repro_audit.container.engine_choice import choose

    found = choose(engine)
    if not found.has(name):
        raise CannotError(f"{name}: neither an archive nor an image that {found.info.name} has")
    found.save(name, target, platform=platform)
    return target


def _compared(
    left: str,
    right: str,
    circumstances: Circumstances,
    places: list[InstructionPlace],
    platform: str | None,
    varied: Varied | None = None,
    redactor: Redactor | None = None,
) -> Comparison:
    from repro_audit.container.engine_secrets import Redactor
    from repro_audit.verify.explain import verify_archives

    mask = (redactor or Redactor()).text
    found = verify_archives(
        left, right, places, platform=platform, varied=varied, mask=mask, circumstances=circumstances
    )
    # names that say something once the archives are gone
    first, second = (name.removeprefix("the ") for name in circumstances.names)
    return replace(found, left=replace(found.left, where=first), right=replace(found.right, where=second))


def _changed(first: BuildRequest | None, second: BuildRequest, varied: tuple[str, ...]) -> Varied | None:
    """What the second build was given on purpose that the first was not."""
    from repro_audit.verify.causes.evidence import Varied

    if first is None:
        return None
    return Varied(
        second.hostname,
        second.locale,
        second.zone,
        (first.context, second.context) if first.context != second.context else None,
        (first.umask, second.umask) if first.umask != second.umask else None,
        _CHECKOUTS if "checkout" in varied else None,
    )


class _Look(NamedTuple):
    """How the comparison is shown, and which level will do."""

    format: Format
    output: str | None
    strict: bool
    color: str

    def report(self, comparison: Comparison, conditions: dict[str, str]) -> int:
        """Show the comparison; gives the exit status."""
        from repro_audit.verify.report import render

        options: dict[str, object] = {}
        if self.format is Format.text:
            options = {"color": wants_color(self.color, self.output)}
        emit(render(comparison, self.format.value, conditions=conditions, **options), self.output)
        level = comparison.level or 0
        return 0 if level >= (4 if self.strict else 3) else 1

"""GitHub workflows and composite actions: jobs, steps, what they use and what they run."""

from __future__ import annotations

from repro_audit.record import dataclass
from repro_audit.source import Excerpt, Source, Span
from repro_audit.syntax import yaml
from repro_audit.syntax.error import Error
from repro_audit.syntax.tree import Document, Entry, Mapping, Node, Scalar, entries_of, items_of


@dataclass(slots=True, frozen=True, eq=False)
class Step:
    """One step. `run` is its script with the place of every character; `uses` what it calls; `with_` its inputs."""

    span: Span
    name: str | None = None
    uses: Scalar | None = None
    run: Excerpt | None = None
    shell: str | None = None
    workdir: str | None = None
    env: tuple[Entry, ...] = ()
    with_: tuple[Entry, ...] = ()


@dataclass(slots=True, frozen=True, eq=False)
class JobContainer:
    """`container:` or one of `services:`; `name` is the service's name, or the job's."""

    name: str
    span: Span
    image: Scalar | None
    options: Scalar | None = None
    env: tuple[Entry, ...] = ()
    ports: tuple[Scalar, ...] = ()
    volumes: tuple[Scalar, ...] = ()


@dataclass(slots=True, frozen=True, eq=False)
class Job:
    """One job. `runs_on` are its labels; `uses` names a reusable workflow. An action's own steps count as one job."""

    name: str
    span: Span
    steps: tuple[Step, ...] = ()
    runs_on: tuple[Scalar, ...] = ()
    container: JobContainer | None = None
    services: tuple[JobContainer, ...] = ()
    uses: Scalar | None = None
    env: tuple[Entry, ...] = ()
    permissions: Node | None = None


@dataclass(slots=True, frozen=True, eq=False)
class Workflow:
    """A workflow, or an `action.yml`, whose `image` (`docker` actions) and composite steps are kept."""

    source: Source
    document: Document
    jobs: tuple[Job, ...] = ()
    env: tuple[Entry, ...] = ()
    permissions: Entry | None = None
    image: Scalar | None = None
    errors: tuple[Error, ...] = ()


def parse(source: Source) -> Workflow:
    """The file's jobs. `${{ ... }}` stays as written; anything of the wrong shape is left out."""
    document = yaml.parse(source)
    root = document.root
    errors = list(document.errors)
    if not isinstance(root, Mapping):
        if root is not None:
            errors.append(Error(root.span, "a workflow is a mapping"))
        return Workflow(source, document, errors=tuple(errors))
    shell, workdir = _defaults(root, None, None)
    jobs = [
        _job(entry.key, entry.value, shell, workdir)
        for entry in entries_of(root.get("jobs"))
        if isinstance(entry.value, Mapping)
    ]
    runs = root.entry("runs")
    image = None
    if runs is not None and isinstance(runs.value, Mapping):
        image = _scalar(runs.value.get("image"))
        steps = _steps(runs.value.get("steps"), None, None)
        if steps:
            jobs.append(Job("runs", runs.key.span, steps))
    return Workflow(
        source=source,
        document=document,
        jobs=tuple(jobs),
        env=tuple(entries_of(root.get("env"))),
        permissions=root.entry("permissions"),
        image=image,
        errors=tuple(errors),
    )


def _job(key: Scalar, node: Mapping, shell: str | None, workdir: str | None) -> Job:
    shell, workdir = _defaults(node, shell, workdir)
    container = node.entry("container")
    return Job(
        name=key.text,
        span=key.span,
        steps=_steps(node.get("steps"), shell, workdir),
        runs_on=_runs_on(node.get("runs-on")),
        container=_container(key.text, container.key.span, container.value) if container else None,
        services=tuple(
            c
            for entry in entries_of(node.get("services"))
            if (c := _container(entry.key.text, entry.key.span, entry.value)) is not None
        ),
        uses=_scalar(node.get("uses")),
        env=tuple(entries_of(node.get("env"))),
        permissions=node.get("permissions"),
    )


def _runs_on(node: Node | None) -> tuple[Scalar, ...]:
    if isinstance(node, Mapping):
        node = node.get("labels")
    return tuple(s for s in map(_scalar, items_of(node) or (node,)) if s is not None)


def _defaults(node: Mapping, shell: str | None, workdir: str | None) -> tuple[str | None, str | None]:
    run = node.at("defaults", "run")
    if not isinstance(run, Mapping):
        return shell, workdir
    return _text(run.get("shell")) or shell, _text(run.get("working-directory")) or workdir


def _steps(node: Node | None, shell: str | None, workdir: str | None) -> tuple[Step, ...]:
    found = []
    for item in items_of(node):
        if not isinstance(item, Mapping):
            continue
        run = _scalar(item.get("run"))
        found.append(
            Step(
                span=item.span,
                name=_text(item.get("name")),
                uses=_scalar(item.get("uses")),
                run=run.content if run else None,
                shell=_text(item.get("shell")) or shell,
                workdir=_text(item.get("working-directory")) or workdir,
                env=tuple(entries_of(item.get("env"))),
                with_=tuple(entries_of(item.get("with"))),
            )
        )
    return tuple(found)


def _container(name: str, span: Span, node: Node) -> JobContainer | None:
    if isinstance(node, Mapping):
        return JobContainer(
            name=name,
            span=span,
            image=_scalar(node.get("image")),
            options=_scalar(node.get("options")),
            env=tuple(entries_of(node.get("env"))),
            ports=tuple(s for s in map(_scalar, items_of(node.get("ports"))) if s),
            volumes=tuple(s for s in map(_scalar, items_of(node.get("volumes"))) if s),
        )
    image = _scalar(node)
    return JobContainer(name, span, image) if image else None


def _scalar(node: Node | None) -> Scalar | None:
    return node if isinstance(node, Scalar) and node.value is not None else None


def _text(node: Node | None) -> str | None:
    scalar = _scalar(node)
    return scalar.text if scalar else None

"""A Dockerfile's facts with their links to other files: packages, downloads, context files. Called by `Project`."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from repro_audit.facts import dockerfile as dockerfile_facts
from repro_audit.facts import download, health, image_reference, os_packages
from repro_audit.facts.command import Command
from repro_audit.facts.context import BuildContext, ContextFile, Copy, trace
from repro_audit.facts.dockerfile import DockerfileFacts, absolute
from repro_audit.facts.file import FileFacts
from repro_audit.facts.input import Package
from repro_audit.facts.install import Taken, facts_of, taken_by
from repro_audit.facts.instruction import Instruction
from repro_audit.facts.mount import build_mounts
from repro_audit.facts.named_context import named_contexts
from repro_audit.facts.place import in_order
from repro_audit.facts.stage import Stage
from repro_audit.kind import DOUBTFUL
from repro_audit.record import replace
from repro_audit.source import Source, Span
from repro_audit.syntax import dockerfile
from repro_audit.syntax.dockerfile_check import check_instructions
from repro_audit.syntax.error import Error

if TYPE_CHECKING:
    from repro_audit.discover import File
    from repro_audit.facts.project import Project
    from repro_audit.facts.python_install import Install

# How many later commands are looked through for a check of a download.
_LATER_LIMIT = 500


def read(project: Project, file: File, source: Source) -> FileFacts:
    """The facts of one Dockerfile: stages, instructions, commands, inputs and context files, in order of place."""
    node = dockerfile.parse(source)
    refused = (*node.errors, *check_instructions(node))
    given = project.built_images() | named_contexts(project, file.path, source)
    said = dockerfile_facts.read(source, node, _build_args(project, file), given)
    context = _context(project, file, said)
    copies = _copies(said, context)
    there = _there(said, context)
    facts: list[object] = [*said.images, *said.stages]
    for built in said.stages:
        built.context = context
        built.read_lists = partial(_all_listed, project)
    snapshots = os_packages.snapshots(said.stages)
    later = _Later()
    packages: dict[int, list[Package]] = {}
    # A missing file is missing where it is copied; that it cannot be installed from either says nothing new.
    copied: set[tuple[str, str]] = set()
    for instruction in said.instructions:
        facts.append(instruction)
        stage = instruction.stage
        if stage is None:
            continue
        if instruction.keyword in ("COPY", "ADD"):
            mine = tuple(_copied(instruction, context, there))
            copied.update((f.state, f.project_path) for f in mine)
            facts += mine
            if instruction.keyword == "ADD":
                facts += download.added(instruction)
        elif instruction.keyword == "HEALTHCHECK":
            facts += health.of_instruction(instruction)
        for command in instruction.commands:
            facts.append(command)
            taken = taken_by(command, snapshot=stage.index in snapshots, later=later.after(stage, instruction))
            if taken.python is not None and taken.python.constraint_files:
                taken = _constrained(project, taken, command, instruction, copies, context)
            facts += facts_of(command, taken)
            if instruction.keyword != "RUN":
                continue
            packages.setdefault(stage.index, []).extend(taken.packages)
            if taken.python is not None and (taken.python.projects or taken.python.manifest):
                stage.manifests += _projects(taken.python, command, instruction, copies, context)
            for path, span in taken.files:
                used = _installed(path, span, command, instruction, copies, context)
                if used is None or (used.state == "missing" and "if" in command.node.context):
                    continue
                if context is not None and not used.certain and used.state == "missing":
                    used = replace(used, others_found=_others(there, used.path))
                if (used.state, used.project_path) not in copied:
                    facts.append(used)
                if used.state == "found":
                    stage.manifests += (used.project_path,)
                    # Files that only this installation shows to be requirements are judged with it.
                    facts += _only_here(project, used.project_path, set())
    for stage in said.stages:
        stage.own_packages = tuple(packages.get(stage.index, ()))
    return FileFacts(
        source,
        file,
        node,
        in_order(facts),
        _first_of_each_kind(refused, source) + _images(said, refused),
        tuple((c.line, c.text) for c in node.comments),
        project,
    )


def _first_of_each_kind(errors: tuple[Error, ...], source: Source) -> tuple[Error, ...]:
    """The errors without those that follow from one already said: words that are no instructions on the lines below
    another one are usually the rest of what is missing its continuation there.
    """
    if source.path.rpartition(".")[2].lower() in DOUBTFUL:
        # What a template's blanks leave of a line says nothing about the file that will be built.
        return tuple(e for e in errors if e.code != "unknown-instruction")
    kept: list[Error] = []
    last = -10
    for error in errors:
        if error.code == "unknown-instruction":
            line = source.position(error.span.start)[0]
            follows, last = line - last <= 3, source.position(error.span.end)[0]
            if follows:
                continue
        kept.append(error)
    return tuple(kept)


def _images(said: DockerfileFacts, refused: Sequence[Error]) -> tuple[Error, ...]:
    """The references to images that BuildKit refuses; those of a template are not finished, and in an instruction that
    is refused itself they say nothing more.
    """
    if said.source.path.rpartition(".")[2].lower() in DOUBTFUL:
        return ()
    found = image_reference.errors(said.images)
    return tuple(e for e in found if not any(r.span.start <= e.span.start < r.span.end for r in refused))


def _build_args(project: Project, file: File) -> dict[str, str]:
    """The arguments that every compose file and devcontainer which builds this file passes with the same value."""
    builds = project.builds(file.path)
    if not builds:
        return {}
    given = [{arg.name: arg.value for arg in build.args} for build, _ in builds]
    return {
        name: value
        for name, value in given[0].items()
        if value is not None and "$" not in value and all(other.get(name) == value for other in given[1:])
    }


class _Later:
    """The commands of the later instructions of each stage, where a download may be checked: the next few hundred."""

    def __init__(self) -> None:
        self._commands: dict[int, list[Command]] = {}
        # Where among them the commands after an instruction begin.
        self._starts: dict[int, int] = {}

    def after(self, stage: Stage, instruction: Instruction) -> Sequence[Command]:
        commands = self._commands.get(stage.index)
        if commands is None:
            commands = self._commands[stage.index] = []
            for each in stage.instructions:
                commands += each.commands
                self._starts[each.index] = len(commands)
        start = self._starts.get(instruction.index, len(commands))
        return commands[start : start + _LATER_LIMIT]


def _context(project: Project, file: File, said: DockerfileFacts) -> BuildContext | None:
    """The likeliest build context: a named one, else the folder in which most of what is copied exists."""
    contexts = project.contexts(file.path)
    if not contexts:
        return None
    if contexts[0].certain:
        return contexts[0]
    wanted = [path for i in said.instructions if i.keyword == "COPY" for path, _ in _sources(i)]
    best, most = contexts[0], -1
    for context in contexts:
        count = sum(context.state(path) != "missing" for path in wanted)
        if count > most:
            best, most = context, count
        if count == len(wanted):
            break
    return replace(best, others=tuple(c for c in contexts if c is not best))


def _sources(instruction: Instruction) -> Iterator[tuple[str, Span]]:
    """The context paths that a COPY or ADD names, with their places; those with unknown variables are left out."""
    node = instruction.node
    if node.flag("from") is not None:
        return
    for excerpt, word in list(zip(node.value, instruction.words))[:-1]:
        if word is None or excerpt.text.startswith("<<") or "://" in word or word.startswith("git@"):
            continue
        yield word, excerpt.whole


def _copied(instruction: Instruction, context: BuildContext | None, there: Sequence[str]) -> Iterator[ContextFile]:
    if context is None:
        return
    for path, span in _sources(instruction):
        yield _file(path, span, instruction, None, context, others=_others(there, path))


def _there(said: DockerfileFacts, context: BuildContext | None) -> tuple[str, ...]:
    """The first two paths that the Dockerfile copies and that are in the context, the context as a whole aside."""
    found: list[str] = []
    if context is not None:
        for instruction in said.instructions:
            if instruction.keyword == "COPY":
                for path, _ in _sources(instruction):
                    if path not in found and path.strip("./*") and context.state(path) != "missing":
                        found.append(path)
                        if len(found) == 2:
                            return tuple(found)
    return tuple(found)


def _others(there: Sequence[str], path: str) -> bool:
    """Whether something else than `path` is there, of what the Dockerfile copies."""
    return any(other != path for other in there)


def _file(
    path: str,
    span: Span,
    instruction: Instruction,
    command: Command | None,
    context: BuildContext,
    *,
    others: bool = True,
) -> ContextFile:
    state = context.state(path)
    return ContextFile(
        source=instruction.source,
        span=span,
        path=path,
        project_path=context.project_path(path),
        state=state,
        purpose="copy" if command is None else "install",
        context=context.folder,
        instruction=instruction,
        command=command,
        stage=instruction.stage,
        ignore_path=context.ignore_path,
        certain=context.certain,
        others_found=others,
        made=state == "missing" and context.made(path),
    )


def _copies(said: DockerfileFacts, context: BuildContext | None) -> dict[int, list[Copy]]:
    copies: dict[int, list[Copy]] = {}
    names = {stage.name: stage for stage in said.stages if stage.name}
    for instruction in said.instructions:
        stage = instruction.stage
        if stage is None:
            continue
        mine = copies.setdefault(stage.index, [])
        if instruction.keyword in ("COPY", "ADD") and len(instruction.words) > 1:
            target = instruction.words[-1]
            if target is None:
                continue
            flag = instruction.node.flag("from")
            origin = None
            external = False
            if flag is not None and flag.value:
                origin = names.get(flag.value.lower())
                if origin is None and flag.value.isdigit() and int(flag.value) < len(said.stages):
                    origin = said.stages[int(flag.value)]
                external = origin is None
            for excerpt, word in list(zip(instruction.node.value, instruction.words))[:-1]:
                made = _made_by(excerpt.text, word)
                if made is not None:
                    mine.append(
                        Copy(
                            (made,),
                            frozenset(),
                            absolute(instruction.workdir, target),
                            target.endswith(("/", ".")),
                            None,
                            True,
                            instruction.index,
                        )
                    )
            sources = tuple(
                word
                for excerpt, word in list(zip(instruction.node.value, instruction.words))[:-1]
                if word is not None and _made_by(excerpt.text, word) is None
            )
            if not sources:
                continue
            folders = frozenset(s for s in sources if _is_folder(s, context if flag is None else None))
            mine.append(
                Copy(
                    sources,
                    folders,
                    absolute(instruction.workdir, target),
                    target.endswith(("/", ".")) or len(sources) > 1,
                    origin,
                    external,
                    instruction.index,
                )
            )
        elif instruction.keyword == "RUN":
            for mount in build_mounts(instruction.node):
                if mount.type == "bind" and mount.from_ is None:
                    path = mount.source or "."
                    folders = frozenset([path]) if _is_folder(path, context) else frozenset()
                    target = absolute(instruction.workdir, mount.target or ".")
                    # The mount is there for its own instruction, not after it.
                    mine.append(Copy((path,), folders, target, False, None, False, instruction.index - 1))
    return copies


def _made_by(written: str, word: str | None) -> str | None:
    """The name of a file that COPY or ADD takes from a here-document or an address, None for one from the context."""
    if written.startswith("<<"):
        return written.lstrip("<-").strip("'\"")
    if word is not None and "://" in word:
        return posixpath.basename(word.partition("?")[0].partition("#")[0].rstrip("/"))
    return None


def _is_folder(path: str, context: BuildContext | None) -> bool:
    name = posixpath.basename(posixpath.normpath(path))
    if context is None:
        return "." not in name
    return path.endswith("/") or name in (".", "") or context.files.is_dir(context.project_path(path) or ".")


def _installed(
    path: str,
    span: Span,
    command: Command,
    instruction: Instruction,
    copies: dict[int, list[Copy]],
    context: BuildContext | None,
) -> ContextFile | None:
    """The context file that a command installs from; None when it was not copied from the context."""
    stage = instruction.stage
    if context is None or stage is None or "://" in path:
        return None
    inside = absolute(command.workdir, path)
    found = trace(copies, stage, instruction.index, inside)
    if found is None and path.startswith("/"):
        # An unset workdir is `/` in nearly every base image.
        found = trace(copies, stage, instruction.index, absolute(dockerfile_facts.UNKNOWN_WORKDIR, path[1:]))
    if found is None:
        return None
    return _file(found, span, instruction, command, context)


def _constrained(
    project: Project,
    taken: Taken,
    command: Command,
    instruction: Instruction,
    copies: dict[int, list[Copy]],
    context: BuildContext | None,
) -> Taken:
    """The command's packages as its constraints files hold them, where those files are part of the project."""
    assert taken.python is not None
    held: list[Package] = []
    for path, span in taken.python.constraint_files:
        used = _installed(path, span, command, instruction, copies, context)
        if used is None or used.state != "found":
            return taken
        facts = project.facts(used.project_path, "constraints").facts
        held += [f for f in facts if isinstance(f, Package)]
    from repro_audit.facts import python_install, python_packages

    install = python_install.install(command)
    assert install is not None
    return replace(taken, packages=python_packages.with_constraints(install.packages, held))


def _projects(
    python: Install,
    command: Command,
    instruction: Instruction,
    copies: dict[int, list[Copy]],
    context: BuildContext | None,
) -> tuple[str, ...]:
    """The manifests of the local projects that a command installs (`pip install .`, `uv sync`)."""
    folders = [path.partition("[")[0] for path, _ in python.projects] or ["."]
    found = []
    for folder in folders:
        path = posixpath.join(folder, "pyproject.toml")
        used = _installed(path, command.span, command, instruction, copies, context)
        if used is not None and used.state == "found":
            found.append(used.project_path)
    return tuple(found)


def _all_listed(project: Project, stage: Stage) -> tuple[Package, ...]:
    """The packages that the lists name from which the stage installs, and those lists that they include."""
    seen: set[str] = set()
    return tuple(p for path in stage.manifests for p in _listed(project, path, stage, seen))


def _listed(project: Project, path: str, stage: Stage, seen: set[str]) -> Iterator[Package]:
    if path in seen or len(seen) > 100 or path.endswith("pyproject.toml"):
        return
    seen.add(path)
    said = project.facts(path, _kind_of_list(path))
    yield from (replace(f, stage=stage) for f in said.facts if isinstance(f, Package) and f.via != "constraints")
    for inner in _included(path, said):
        yield from _listed(project, inner, stage, seen)


def _only_here(project: Project, path: str, seen: set[str]) -> list[object]:
    """The facts of a list that is not audited by itself, and of those lists that it includes."""
    if path in seen or len(seen) > 100 or project.audits(path):
        return []
    seen.add(path)
    said = project.facts(path, _kind_of_list(path))
    return [*said.facts, *(f for inner in _included(path, said) for f in _only_here(project, inner, seen))]


def _kind_of_list(path: str) -> str:
    if path.endswith(".lock"):
        return ""  # conda's explicit list of addresses
    return "conda" if path.endswith((".yml", ".yaml")) else "requirements"


def _included(path: str, said: FileFacts) -> Iterator[str]:
    for include in getattr(said.ast, "options", ()):
        if include.name == "--requirement" and include.value and "://" not in include.value:
            yield posixpath.normpath(posixpath.join(posixpath.dirname(path), include.value))

"""Checks of the `determinism` family: does the same input give the same image?"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from repro_audit.facts.install import taken_by
from repro_audit.facts.instruction import Instruction
from repro_audit.facts.pin import Level
from repro_audit.facts.stage import Stage
from repro_audit.finding import Problem, Severity

if TYPE_CHECKING:
    from repro_audit.facts.command import Command
    from repro_audit.facts.context import BuildContext
    from repro_audit.facts.file import FileFacts
    from repro_audit.facts.input import Download

# What a working copy collects and an image must not have, as it lies at the top of a context.
_UNWANTED = (
    *(".git", ".env", ".venv", "venv", "node_modules", "__pycache__", ".ipynb_checkpoints", "wandb", "mlruns"),
    *("checkpoints", "outputs", ".aws", ".ssh", ".netrc", "id_rsa"),
)


# Commands that name a file and leave no copy of it.
_LEAVES_ALONE = frozenset(
    "cd chmod chown echo export file head ln ls md5sum mkdir printf rm sha256sum stat test touch [".split()
)
_SAVES = re.compile(r"save_pretrained|\.save\w*\(|shutil\.|snapshot_download\([^)]*local_dir")


def cache_mount_loses_output(download: Download) -> Iterator[Problem]:
    """A model, dataset or file whose place is inside a cache mount of its RUN, and that nothing takes out of there."""
    mount, command = download.cache_mount, download.command
    if mount is None or command is None:
        return
    if any(_SAVES.search(arg) for arg in command.args):
        return
    name = posixpath.basename((download.url or "").partition("?")[0])
    for other in command.siblings:
        if other.span.start <= command.span.start:
            continue
        words = [word.shown(command.variables) for word in other.words]
        if words and posixpath.basename(words[0]) in _LEAVES_ALONE:
            continue
        if any(mount.rstrip("/") in word or (name and name in word) for word in words):
            return  # Unpacked, installed or copied from the cache: that is what the mount is for.
    yield Problem(download.source, download.span, values={"mount": mount})


def copy_all_no_ignore(facts: FileFacts) -> Iterator[Problem]:
    """COPY of the whole context that no `.dockerignore` narrows enough; only a note where what it takes stays in a
    stage that the image is not made from, or where a folder that is only guessed to be the context holds nothing of
    the kind yet.
    """
    stages = [f for f in facts.facts if isinstance(f, Stage)]
    shipped = stages[-1].lineage if stages else ()
    for instruction in facts.facts:
        if not isinstance(instruction, Instruction) or not _copies_all(instruction):
            continue
        context = instruction.stage.context if instruction.stage is not None else None
        if context is None:
            continue
        present = [n for n in _UNWANTED if context.state(n) == "found"]
        if context.ignore is None:
            if not context.certain and _ignored_above(context):
                continue  # It is built in another folder than the guess, and that one has its ignore file.
            why = ", and there is no `.dockerignore`"
        elif not present:
            continue
        else:
            names = " and ".join(f"`{n}`" for n in present[:3])
            why = f": `{context.ignore_path}` lets {names} in"
        grave = instruction.stage in shipped and (present or context.certain or not context.folder)
        written = " ".join(instruction.source.slice(instruction.span).split())
        yield Problem(
            instruction.source,
            instruction.span,
            values={"written": written, "why_all": why},
            severity=None if grave else Severity.INFO,
        )


def _copies_all(instruction: Instruction) -> bool:
    if instruction.keyword not in ("COPY", "ADD") or instruction.node.flag("from") is not None:
        return False
    return any(s in (".", "./", "/", "*", "./*") for s in instruction.words[:-1])


def _ignored_above(context: BuildContext) -> bool:
    folder = context.folder
    while folder:
        folder = posixpath.dirname(folder)
        if context.files.exists(posixpath.join(folder, ".dockerignore")):
            return True
    return False


def install_at_start(command: Command) -> Iterator[Problem]:
    """An installation in CMD, ENTRYPOINT, a compose command or a devcontainer's lifecycle."""
    if command.when not in ("start", "create") or command.where not in ("cmd", "entrypoint", "compose", "devcontainer"):
        return
    taken = taken_by(command)
    outside = [p for p in taken.packages if p.pin.level != Level.LOCAL]
    python = taken.python
    if not outside and not taken.files:
        if python is None or not python.projects or "--no-deps" in python.flags:
            return
    text = " ".join((command.name, *command.args))
    text = text if len(text) <= 60 else text[:57] + "..."
    if command.where == "devcontainer":
        moment = "when the container is created" if command.when == "create" else "at every start"
        yield Problem(command.source, command.span, values={"text": text, "moment": moment}, severity=Severity.WARNING)
        return
    yield Problem(command.source, command.span, values={"text": text, "moment": "at every start"})


_FIXES_TIME = re.compile(r"SOURCE_DATE_EPOCH|source-date-epoch|rewrite-timestamp|--timestamp|--reproducible")


def source_date_epoch(facts: FileFacts) -> Iterator[Problem]:
    """The first build in a workflow for others to use, where nothing in the file fixes the times that images hold."""
    from repro_audit.facts.image_build import published

    if _FIXES_TIME.search(facts.source.text):
        return
    builds = [build for build in published(facts) if not build.bake or not _in_bake_file(facts)]
    if builds:
        first = min(builds, key=lambda build: build.span.start)
        more = f" (and {len(builds) - 1} more here)" if len(builds) > 1 else ""
        yield Problem(facts.source, first.span, values={"what": f"`{first.what}`{more}"})


def _in_bake_file(facts: FileFacts) -> bool:
    names = ("docker-bake.hcl", "docker-bake.json", "docker-bake.override.hcl")
    sources = [facts.project.source(name) for name in names if facts.project.tree.exists(name)]
    return any(source is not None and _FIXES_TIME.search(source.text) for source in sources)

"""The `Project`: every file's facts, made when asked for, and the links between files.

The engine asks it for one file after another; rules reach other files through the links that facts carry. A file is
read and parsed at most once.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from repro_audit.facts.file import FileFacts
from repro_audit.facts.input import ActionRef, Download, ImageRef, Input, Package
from repro_audit.source import Source, Span
from repro_audit.syntax.error import Error

if TYPE_CHECKING:
    from repro_audit.discover import File, Tree
    from repro_audit.facts.container import Build, Container
    from repro_audit.facts.context import BuildContext
    from repro_audit.facts.stage import Stage
    from repro_audit.syntax.ignorefile import IgnoreFile

Reader = Callable[["Project", "File", Source], FileFacts]

# Packages of these lists are not taken by a build themselves: they bound, or build, what is.
NOT_INPUTS = frozenset(("constraints", "lock", "build-system"))


class Project:
    """A tree of files and what they say.

    `files` are those to audit. `settings` are the configuration's values that rules ask about (`gpu.target`, ...).
    `variables` are those of the environment that compose files are read with: none for an audit, which is to say the
    same on every machine.
    """

    def __init__(
        self, tree: Tree, settings: Mapping[str, object] | None = None, variables: Mapping[str, str] | None = None
    ) -> None:
        self.tree = tree
        self.variables: Mapping[str, str] = variables or {}
        self.settings: Mapping[str, object] = settings or {}
        self._by_path = {file.path: file for file in tree.files}
        self._facts: dict[str, FileFacts] = {}
        self._sources: dict[str, Source | None] = {}
        self._installed: set[str] | None = None
        self._stated: dict[str, tuple[object, tuple[Container, ...]]] = {}
        self._builds: dict[str, list[tuple[Build, Container]]] | None = None
        self._built: frozenset[str] | None = None
        self._contexts: frozenset[str] | None = None
        self._ignore_files: dict[str, IgnoreFile | None] = {}

    @property
    def files(self) -> tuple[File, ...]:
        """The files to audit, in order."""
        return self.tree.files

    @property
    def root(self) -> str:
        """The folder that paths are relative to."""
        return self.tree.root

    def facts(self, path: str, kind: str = "") -> FileFacts:
        """What the file at `path` says. A file that cannot be read gives an error among its facts.

        `kind` says what it is where something else than its name tells, such as the command that installs from it.
        """
        known = self._facts.get(path)
        if known is None:
            known = self._facts[path] = self._read(self._file(path, kind))
        return known

    def audits(self, path: str) -> bool:
        """Whether the file is one of those to audit."""
        return path in self._by_path

    def source(self, path: str) -> Source | None:
        """The text of any file of the project, or None where it cannot be read."""
        if path not in self._sources:
            try:
                data = self.tree.read(path)
            except OSError:
                self._sources[path] = None
            else:
                self._sources[path] = Source.from_bytes(self._file(path).shown, data)
        return self._sources[path]

    def of_kind(self, *kinds: str) -> Iterator[FileFacts]:
        """The facts of all files of these kinds."""
        for file in self.files:
            if file.kind in kinds:
                yield self.facts(file.path)

    def inputs(self, path: str | None = None) -> tuple[Input, ...]:
        """What the build takes from outside: of one file, or of all files to audit."""
        paths = [path] if path is not None else [file.path for file in self.files]
        return tuple(
            fact
            for each in paths
            for fact in self.facts(each).facts
            if isinstance(fact, (ImageRef, Package, Download, ActionRef)) and is_input(fact)
        )

    @property
    def containers(self) -> tuple[Container, ...]:
        """Every container that some file of the project describes or starts."""
        from repro_audit.facts.container import Container

        kinds = ("compose", "devcontainer", "workflow", "action")
        return tuple(f for said in self.of_kind(*kinds) for f in said.facts if isinstance(f, Container))

    def installs(self, manifest: str) -> bool:
        """Whether an image of the project is built from this manifest (`pip install .`, `uv sync`, ...)."""
        if self._installed is None:
            from repro_audit.facts.stage import Stage

            self._installed = {
                path
                for said in self.of_kind("dockerfile")
                for stage in said.facts
                if isinstance(stage, Stage)
                for path in stage.manifests
            }
        return manifest in self._installed

    def stated(self, file: File) -> tuple[object, tuple[Container, ...]]:
        """The AST of a compose file or devcontainer and its containers, not yet linked to what they build."""
        if file.path not in self._stated:
            from repro_audit.facts import runtime_files

            source = self.source(file.path)
            self._stated[file.path] = runtime_files.stated(self, file, source) if source is not None else (None, ())
        return self._stated[file.path]

    # --- links --------------------------------------------------------------------------------------------------

    def builds(self, dockerfile: str) -> list[tuple[Build, Container]]:
        """The `build:` sections of compose files and devcontainers that build this Dockerfile."""
        if self._builds is None:
            self._builds = {}
            for file in self.files:
                if file.kind in ("compose", "devcontainer"):
                    for container in self.stated(file)[1]:
                        if container.build is not None and container.build.dockerfile is not None:
                            self._builds.setdefault(container.build.dockerfile, []).append((container.build, container))
        return self._builds.get(dockerfile, [])

    def built_images(self) -> frozenset[str]:
        """The images that `build:` sections beside an `image:` make, as `image_reference.full_name` writes them."""
        if self._built is None:
            from repro_audit.facts import image_reference

            self.builds("")
            self._built = frozenset(
                image_reference.full_name(container.image)
                for found in (self._builds or {}).values()
                for _, container in found
                if container.image is not None
            )
        return self._built

    def contexts_of_workflows(self) -> frozenset[str]:
        """The names that workflows and actions give to further contexts of their builds."""
        if self._contexts is None:
            from repro_audit.facts.named_context import of_workflow

            sources = (self.source(file.path) for file in self.files if file.kind in ("workflow", "action"))
            self._contexts = frozenset(name for source in sources if source is not None for name in of_workflow(source))
        return self._contexts

    def stage(self, build: Build) -> Stage | None:
        """The stage that a `build:` section ends with, where its Dockerfile is part of the project."""
        path = build.dockerfile
        if path is None or not self.tree.exists(path) or self.tree.is_dir(path):
            return None
        if path not in self._by_path or self._by_path[path].kind != "dockerfile":
            return None  # A compose file that says to be built from itself would be read without end.
        from repro_audit.facts.stage import Stage

        stages = [fact for fact in self.facts(path).facts if isinstance(fact, Stage)]
        if not stages:
            return None
        if build.target is None:
            return stages[-1]
        wanted = build.target.lower()
        return next((s for s in stages if s.name == wanted or str(s.index) == wanted), None)

    def contexts(self, dockerfile: str) -> list[BuildContext]:
        """The folders this Dockerfile may be built in: those that something names, else guesses, likeliest first."""
        named = list(dict.fromkeys(build.context for build, _ in self.builds(dockerfile) if build.context is not None))
        if named:
            return [self._context(folder, True, dockerfile) for folder in named]
        folder = posixpath.dirname(dockerfile)
        guesses = [self._context(folder, False, dockerfile)]
        while folder:
            folder = posixpath.dirname(folder)
            guesses.append(self._context(folder, False, dockerfile))
        return guesses

    def _context(self, folder: str, certain: bool, dockerfile: str) -> BuildContext:
        from repro_audit.facts.context import BuildContext

        path = f"{dockerfile}.dockerignore"
        ignore = self._ignore_file(path)
        if ignore is None:
            path = posixpath.join(folder, ".dockerignore")
            ignore = self._ignore_file(path)
        return BuildContext(folder, certain, self.tree, ignore, path if ignore is not None else None)

    def _ignore_file(self, path: str) -> IgnoreFile | None:
        """The `.dockerignore` at `path`, None where there is none. Files in deep folders ask for the same ones."""
        if path not in self._ignore_files:
            from repro_audit.syntax import ignorefile

            source = self.source(path) if self.tree.exists(path) else None
            self._ignore_files[path] = ignorefile.parse(source) if source is not None else None
        return self._ignore_files[path]

    # --- reading ------------------------------------------------------------------------------------------------

    def _file(self, path: str, kind: str = "") -> File:
        known = self._by_path.get(path)
        if known is None:
            from repro_audit.discover import File, kind_of

            known = File(path=path, shown=self.tree.shown(path), kind=kind_of(path) or kind)
        return known

    def _read(self, file: File) -> FileFacts:
        source = self.source(file.path)
        if source is None:
            message = "the file cannot be read"
            try:
                self.tree.read(file.path)
            except OSError as error:
                message = f"the file cannot be read: {error.strerror or error}"
            empty = Source(file.shown, "")
            return FileFacts(empty, file, None, (), (Error(Span(0, 0), message),), (), self)
        from repro_audit.facts.readers import reader_for

        return reader_for(file.kind)(self, file, source)


def is_input(fact: Input) -> bool:
    """Whether `fact` is something a build takes, rather than a bound or a build tool of it."""
    if isinstance(fact, ImageRef) and fact.unknown and fact.where in ("docker-run", "workflow"):
        return False  # A workflow fills it in; nothing here says with what.
    if (
        isinstance(fact, Package)
        and fact.name.startswith("$")
        and fact.command is not None
        and fact.command.when == "ci"
    ):
        return False
    return not (isinstance(fact, Package) and fact.via in NOT_INPUTS)

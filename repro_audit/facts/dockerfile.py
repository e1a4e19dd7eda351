"""Dockerfile AST -> facts: stages, instructions with their words expanded, commands, and the inputs they take.

Called by `Project` for every Dockerfile. Scopes follow BuildKit (`dockerfile2llb/convert.go`): FROM sees global ARGs
only, a stage sees its own ARGs and ENVs and those of the stage it starts from, and ENV wins over ARG.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping

from repro_audit.facts import image_reference, shell_commands
from repro_audit.facts.command import Command
from repro_audit.facts.input import ImageRef
from repro_audit.facts.instruction import Instruction
from repro_audit.facts.mount import build_mounts
from repro_audit.facts.stage import Stage
from repro_audit.record import dataclass, field, replace
from repro_audit.source import Excerpt, Source, join
from repro_audit.syntax import dockerfile, shell
from repro_audit.syntax.expand import PREDEFINED_ARGS, Expansion, expand

# Instructions whose words BuildKit expands itself; the others leave `$x` to the shell (or to nobody).
_EXPANDED = frozenset("add copy env expose from label stopsignal user volume workdir".split())
_COMMANDS = {
    "run": ("run", "build"),
    "cmd": ("cmd", "start"),
    "entrypoint": ("entrypoint", "start"),
    "healthcheck": ("healthcheck", "health"),
}
_SHELLS = frozenset(("sh", "bash", "ash", "dash", "ksh", "zsh"))
# The builder knows their values; a reader of the file does not.
_PREDEFINED: Mapping[str, str | None] = dict.fromkeys(PREDEFINED_ARGS)
# A base whose workdir nobody here knows; joined like a path, so that relative paths still meet each other.
UNKNOWN_WORKDIR = "?"


@dataclass(slots=True)
class _Scope:
    """What a stage has set so far. Mappings are replaced, never changed, since commands keep them."""

    args: Mapping[str, str | None] = field(default_factory=dict)
    env: Mapping[str, str | None] = field(default_factory=dict)
    workdir: str | None = None
    user: str | None = None
    shell: tuple[str, ...] = ("/bin/sh", "-c")

    _merged: tuple[Mapping[str, str | None], ...] = ()

    def variables(self) -> Mapping[str, str | None]:
        """What `$NAME` stands for; the same mapping as long as nothing new is set, since every command keeps it."""
        if not self.args:
            return self.env
        if not self._merged or self._merged[0] is not self.args or self._merged[1] is not self.env:
            self._merged = (self.args, self.env, {**self.args, **self.env})
        return self._merged[2]


@dataclass(slots=True, frozen=True, eq=False)
class DockerfileFacts:
    """What a Dockerfile says: all its stages, instructions, commands and the images it names, in order of place."""

    source: Source
    node: dockerfile.Dockerfile
    stages: tuple[Stage, ...]
    instructions: tuple[Instruction, ...]
    images: tuple[ImageRef, ...]
    global_args: Mapping[str, str | None]


def read(
    source: Source,
    node: dockerfile.Dockerfile,
    build_args: Mapping[str, str] | None = None,
    built: frozenset[str] = frozenset(),
) -> DockerfileFacts:
    """The facts of one Dockerfile, so far as they need no other file.

    `build_args` are what its builds pass, `built` the full names of what its builds do not ask a registry for: images
    that the project itself builds, and further contexts.
    """
    return _Reader(source, node, build_args or {}, built).read()


class _Reader:
    def __init__(
        self, source: Source, node: dockerfile.Dockerfile, build_args: Mapping[str, str], built: frozenset[str]
    ) -> None:
        self.source = source
        self.build_args = build_args
        self.built = built
        self.node = node
        self.global_args: dict[str, str | None] = {}
        self.stages: list[Stage] = []
        self.by_name: dict[str, Stage] = {}
        self.instructions: list[Instruction] = []
        self.images: list[ImageRef] = []
        self.scopes: dict[int, _Scope] = {}

    def read(self) -> DockerfileFacts:
        stage: Stage | None = None
        scope = _Scope()
        own: list[Instruction] = []
        for index, node in enumerate(self.node.instructions):
            if node.keyword == "from":
                if stage is not None:
                    self._close(stage, scope, own)
                own = []
                stage, scope = self._open(node)
            fact = self._instruction(node, index, stage, scope)
            self.instructions.append(fact)
            if stage is None:
                if node.keyword == "arg":
                    self._arg(node, self.global_args, self.global_args)
                continue
            own.append(fact)
            self._apply(fact, stage, scope)
        if stage is not None:
            self._close(stage, scope, own)
            stage.final = True
        names = frozenset(self.by_name)
        self.images = [
            replace(i, stage_names=names) if i.where in ("copy-from", "mount-from") else i for i in self.images
        ]
        return DockerfileFacts(
            self.source,
            self.node,
            tuple(self.stages),
            tuple(self.instructions),
            tuple(self.images),
            self.global_args,
        )

    # --- stages -------------------------------------------------------------------------------------------------

    def _open(self, node: dockerfile.Instruction) -> tuple[Stage, _Scope]:
        words = node.value
        visible = {**_PREDEFINED, **self.global_args}
        platform = node.flag("platform")
        platform_value = self._expand(platform.value, visible).value if platform and platform.value else None
        base, parent = self._image(words[0] if words else node.text, visible, "from", platform_value)
        name = words[2].text.lower() if len(words) == 3 and words[1].text.lower() == "as" else None
        stage = Stage(
            source=self.source,
            span=node.span,
            index=len(self.stages),
            name=name,
            base=base,
            parent=parent,
            platform=platform_value,
        )
        stage.base = replace(base, stage=stage)
        self.images.append(stage.base)
        self.stages.append(stage)
        if name:
            self.by_name[name] = stage
        scope = _Scope(workdir=UNKNOWN_WORKDIR)
        if parent is not None:
            from_parent = self.scopes[parent.index]
            scope = replace(from_parent, args=dict(from_parent.args))
            stage.healthcheck, stage.cmd, stage.entrypoint = parent.healthcheck, parent.cmd, parent.entrypoint
        elif base.image == "scratch":
            scope = _Scope(workdir="/")
        return stage, scope

    def _close(self, stage: Stage, scope: _Scope, own: list[Instruction]) -> None:
        self.scopes[stage.index] = scope
        stage.instructions = tuple(own)
        stage.user = scope.user
        stage.workdir = scope.workdir
        stage.shell = scope.shell
        stage.env = dict(scope.env)

    def _image(
        self, word: Excerpt, variables: Mapping[str, str | None], where: str, platform: str | None
    ) -> tuple[ImageRef, Stage | None]:
        expansion = self._expand(word.text, variables)
        if expansion.unset:
            # BuildKit puts nothing there; to a reader the name says more.
            expansion = self._expand(word.text, {**variables, **dict.fromkeys(expansion.unset)})
        parent = self.by_name.get((expansion.value or expansion.text).lower())
        image = image_reference.reference(
            self.source,
            word.whole,
            word.text,
            expansion.text,
            where,
            unknown=expansion.unknown,
            local=parent is not None or bool(expansion.unknown and self._some_stage(expansion.text)),
            platform=platform,
        )
        if self.built and image_reference.full_name(image) in self.built and not image.unknown:
            image = image_reference.built_here(image)
        return image, parent

    def _some_stage(self, text: str) -> bool:
        """Whether a name with unknown variables in it (`build-$TARGETOS`) can be that of an earlier stage."""
        parts = _UNKNOWN.split(text.lower())
        if not any(parts) or len(parts) > 4 or len(text) > 200:
            return False
        name = re.compile(".*".join(map(re.escape, parts)))
        return any(name.fullmatch(stage) for stage in self.by_name)

    def _expand(self, text: str, variables: Mapping[str, str | None]) -> Expansion:
        return expand(text, variables, self.node.escape)

    # --- instructions -------------------------------------------------------------------------------------------

    def _instruction(self, node: dockerfile.Instruction, index: int, stage: Stage | None, scope: _Scope) -> Instruction:
        variables = scope.variables()
        keyword = node.keyword
        words: tuple[str | None, ...]
        if keyword in _EXPANDED and keyword != "from" and _SPECIAL.search(node.text.text):
            expansions = [self._expand(w.text, variables) for w in node.value]
            if keyword in ("workdir", "user", "env") and stage is not None and stage.root.image != "scratch":
                # The base image may set what nothing here does.
                words = tuple(None if e.unset else e.value for e in expansions)
            else:
                words = tuple(e.value for e in expansions)
        else:
            words = tuple(w.text for w in node.value)
        fact = Instruction(
            source=self.source,
            span=node.span,
            keyword=keyword.upper(),
            index=index,
            node=node,
            stage=stage,
            words=words,
            commands=(),
            workdir=scope.workdir,
            user=scope.user,
        )
        if keyword in _COMMANDS:
            commands = tuple(self._commands(fact, node, scope, variables))
            fact = replace(fact, commands=commands)
        return fact

    def _commands(
        self, fact: Instruction, node: dockerfile.Instruction, scope: _Scope, variables: Mapping[str, str | None]
    ) -> Iterator[Command]:
        where, when = _COMMANDS[node.keyword]
        mounts = build_mounts(node) if node.keyword == "run" else ()
        caches = tuple(
            target
            for mount in mounts
            if mount.type == "cache" and (target := absolute(scope.workdir, self._expand(mount.target, variables).text))
        )
        exec_form = False
        pipefail = False
        if node.keyword == "healthcheck":
            if not node.value or node.value[0].text.upper() == "NONE":
                return
            words = node.value[1:]
            exec_form = node.json
        else:
            words = node.value
            exec_form = node.json
        if exec_form:
            script = shell.parse_exec(words, node.text)
        else:
            if posixpath.basename(scope.shell[0]) not in _SHELLS:
                return
            pipefail = "pipefail" in scope.shell
            script = shell.parse(self._script(node, words))
        yield from shell_commands.commands(
            script,
            variables,
            where=where,
            when=when,
            workdir=scope.workdir,
            user=scope.user,
            cache_mounts=caches,
            instruction=fact,
            stage=fact.stage,
            exec_form=exec_form,
            pipefail=pipefail,
        )

    def _script(self, node: dockerfile.Instruction, words: tuple[Excerpt, ...]) -> Excerpt:
        text = words[0] if len(words) == 1 else node.text
        if not node.heredocs:
            return text
        first = node.heredocs[0]
        if _ONLY_HEREDOC.fullmatch(text.text):
            # `RUN <<EOF` hands the body to the shell, or to the program that its `#!` line names.
            shebang = _SHEBANG.match(first.body.text)
            if shebang and posixpath.basename(shebang[1].split()[-1]) not in _SHELLS:
                return first.body.sub(0, 0)
            return first.body
        rest_start = self.source.text.find("\n", first.marker.end)
        if rest_start == -1:
            return text
        rest = self.source.text[rest_start : node.span.end]
        parts: list[tuple[str, int, int]] = []
        pieces = text.pieces
        for at, (start, place, length) in enumerate(pieces):
            stop = pieces[at + 1][0] if at + 1 < len(pieces) else len(text.text)
            parts.append((text.text[start:stop], place, length))
        parts.append((rest, rest_start, len(rest)))
        return join(self.source, parts)

    def _apply(self, fact: Instruction, stage: Stage, scope: _Scope) -> None:
        """Change what is in force by one instruction."""
        node = fact.node
        keyword = node.keyword
        if keyword == "env":
            env = dict(scope.env)
            for at in range(0, len(fact.words) - 1, 3):
                name = fact.words[at]
                if name:
                    env[name] = _unquoted(fact.words[at + 1], node.value[at + 1].text)
            scope.env = env
        elif keyword == "arg":
            args = dict(scope.args)
            self._arg(node, args, scope.variables())
            scope.args = args
        elif keyword == "workdir":
            path = fact.words[0] if fact.words else None
            scope.workdir = absolute(scope.workdir, path) if path else scope.workdir
        elif keyword == "user":
            scope.user = (fact.words[0] or node.value[0].text) if fact.words else scope.user
        elif keyword == "shell" and node.json and node.value:
            scope.shell = tuple(w.text for w in node.value)
        elif keyword == "cmd":
            stage.cmd = fact
        elif keyword == "entrypoint":
            stage.entrypoint = fact
            stage.cmd = None if stage.cmd is not None and stage.cmd.stage is not stage else stage.cmd
        elif keyword == "healthcheck":
            stage.healthcheck = fact
        elif keyword == "copy":
            self._from_flag(node, scope, "copy-from", stage)
        elif keyword == "run":
            for mount in build_mounts(node):
                if mount.from_ is not None:
                    self._other_image(mount.from_, {}, "mount-from", stage)

    def _from_flag(self, node: dockerfile.Instruction, scope: _Scope, where: str, stage: Stage) -> None:
        flag = node.flag("from")
        if flag is not None and flag.value:
            # BuildKit expands no variables here but those that FROM may see.
            self._other_image(self.source.excerpt(flag.value_span), {**_PREDEFINED, **self.global_args}, where, stage)

    def _other_image(self, word: Excerpt, variables: Mapping[str, str | None], where: str, stage: Stage) -> None:
        if word.text.isdigit() and int(word.text) < len(self.stages):
            image, _ = self._image(word, variables, where, None)
            image = replace(image, local=True)
        else:
            image, _ = self._image(word, variables, where, None)
        self.images.append(replace(image, stage=stage))

    def _arg(
        self, node: dockerfile.Instruction, args: dict[str, str | None], variables: Mapping[str, str | None]
    ) -> None:
        for word in node.value:
            name, equals, default = word.text.partition("=")
            if not name:
                continue
            if name in self.build_args:
                args[name] = self.build_args[name]
            elif equals:
                args[name] = self._expand(default, {**variables, **args}).value
            elif args is not self.global_args and name in self.global_args:
                args[name] = self.global_args[name]
            else:
                args[name] = None


_UNKNOWN = re.compile(r"\$(?:\{[^{}]*\}|\w+)")
# What an expansion changes: variables, quotes and escapes.
_SPECIAL = re.compile(r"""[$"'\\`]""")

_ONLY_HEREDOC = re.compile(r"\s*<<-?\s*(['\"]?)[A-Za-z_][\w.-]*\1\s*")
_SHEBANG = re.compile(r"#!\s*([^\n]*\S)")


def _unquoted(value: str | None, raw: str) -> str | None:
    """The value of an ENV word: expansion has removed the quotes unless there was nothing to expand."""
    if value is None or value is not raw or not any(c in raw for c in "\"'\\"):
        return value
    return expand(raw, {}, "\\").text


def absolute(workdir: str | None, path: str) -> str:
    """`path` seen from `workdir`, normalised; relative to `UNKNOWN_WORKDIR` where nothing else is known."""
    if path.startswith("/"):
        return posixpath.normpath(path).replace("//", "/")
    return posixpath.normpath(posixpath.join(workdir or UNKNOWN_WORKDIR, path))

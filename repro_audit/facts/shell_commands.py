"""A parsed script -> `Command` facts, with the values that its variables are known to have."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from repro_audit.facts.command import Command
from repro_audit.syntax import shell

if TYPE_CHECKING:
    from repro_audit.facts.instruction import Instruction
    from repro_audit.facts.stage import Stage


def commands(
    script: shell.Script,
    variables: Mapping[str, str | None],
    *,
    where: str,
    when: str,
    workdir: str | None = None,
    user: str | None = None,
    cache_mounts: tuple[str, ...] = (),
    instruction: Instruction | None = None,
    stage: Stage | None = None,
    exec_form: bool = False,
    pipefail: bool = False,
) -> Iterator[Command]:
    """Each simple command of `script` as a fact.

    A variable that the script assigns once, outside loops, has that value afterwards; one assigned several times
    counts as unknown, since which value holds depends on the run. `cd` changes the workdir of what follows it.
    """
    known = script_variables(script, variables)
    source = script.text.source
    for node in script.commands:
        name = ""
        args: tuple[str, ...] = ()
        words = _split_program(node.words, known)
        if words:
            name = posixpath.basename(words[0].shown(known))
            args = tuple(w.shown(known) for w in words[1:])
        command = Command(
            source=source,
            span=node.span,
            name=name,
            words=words,
            args=args,
            where=where,
            when=when,
            node=node,
            script=script,
            variables=_with_own(known, node),
            workdir=workdir,
            user=user,
            cache_mounts=cache_mounts,
            instruction=instruction,
            stage=stage,
            exec_form=exec_form,
            pipefail=pipefail or node.pipefail,
        )
        yield command
        if name == "cd" and len(args) == 1 and "subshell" not in node.context and workdir is not None:
            target = node.words[1].resolve(known)
            if target is not None and not target.startswith("~"):
                workdir = posixpath.normpath(posixpath.join(workdir, target))


def _split_program(words: tuple[shell.Word, ...], known: Mapping[str, str | None]) -> tuple[shell.Word, ...]:
    """The words with a variable that holds the program and its first arguments taken apart (`$APT_INSTALL curl`)."""
    if not words or len(words[0].parts) != 1 or type(words[0].parts[0]) is not shell.Variable or words[0].quoted:
        return words
    value = words[0].resolve(known)
    if value is None or len(pieces := value.split()) < 2 or any(c in value for c in "'\"$`\\;|&<>()"):
        return words
    if pieces[0] == "sudo" and not pieces[1].startswith("-"):
        del pieces[0]
    span = words[0].span
    return (*(shell.Word(words[0].raw, span, (shell.Literal(piece, span),)) for piece in pieces), *words[1:])


def _with_own(known: Mapping[str, str | None], node: shell.SimpleCommand) -> Mapping[str, str | None]:
    """The environment that one command sees: `HF_HOME=/models python ...` is for it alone."""
    if not node.assignments:
        return known
    return {**known, **{name: word.resolve(known) for name, word in node.assignments}}


def script_variables(script: shell.Script, variables: Mapping[str, str | None]) -> Mapping[str, str | None]:
    """`variables` with those that the script itself assigns."""
    if not script.assigned:
        return variables
    known = dict(variables)
    seen: set[str] = set()
    for name, word, _ in script.assigned:
        value = None if name in seen else word.resolve(known)
        known[name] = value
        seen.add(name)
    return known

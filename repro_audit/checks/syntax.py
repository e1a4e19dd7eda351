"""Checks of the `syntax` family: does the file do what it says?"""

from __future__ import annotations

import difflib
import json
import posixpath
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from repro_audit.facts import base_image
from repro_audit.finding import Edit, Fix, Problem, Severity
from repro_audit.source import Span
from repro_audit.syntax import shell
from repro_audit.syntax.tree import Document, Mapping

if TYPE_CHECKING:
    from repro_audit.facts.file import FileFacts
    from repro_audit.facts.input import ImageRef
    from repro_audit.facts.instruction import Instruction


def unknown_stage_ref(image: ImageRef) -> Iterator[Problem]:
    """`--from` of a name that is no stage above and no likely image either."""
    if image.where not in ("copy-from", "mount-from") or image.local or image.unknown:
        return
    name = image.text
    if name.isdigit():
        yield Problem(image.source, image.span, values={"meant": ""})
        return
    if any(c in name for c in "/:@$."):
        return
    below = {n.lower() for n in image.stage_names}
    if name.lower() in below:
        yield Problem(image.source, image.span, values={"meant": f" (the stage `{name}` comes later)"})
        return
    close = difflib.get_close_matches(name.lower(), below, n=1, cutoff=0.75)
    if close:
        yield Problem(image.source, image.span, values={"meant": f"; did you mean `{close[0]}`?"})


def relative_workdir(instruction: Instruction) -> Iterator[Problem]:
    """The first WORKDIR of a stage, relative to what only the base image knows."""
    if instruction.keyword != "WORKDIR" or instruction.workdir is None or instruction.workdir.startswith("/"):
        return
    path = instruction.words[0] if instruction.words else None
    if path is None or path.startswith(("/", "$")) or re.match(r"[A-Za-z]:[\\/]|\\", path) or instruction.stage is None:
        return
    if instruction.workdir != "?":
        return  # Said once, at the first.
    word = instruction.node.value[0]
    fix = None
    before = base_image.workdir(instruction.stage.root)
    if before is not None and word.text == path and re.fullmatch(r"[\w.-]+(?:/[\w.-]+)*/?", path):
        text = posixpath.normpath(posixpath.join(before, path))
        fix = Fix(f"Write `WORKDIR {text}`", (Edit(word.whole, text),))
    yield Problem(instruction.source, word.whole, values={"path": path.removeprefix("./")}, fix=fix)


_BUILTINS = frozenset(
    ". : [ alias bg break cd command continue eval exec exit export false fg getopts hash if jobs kill let local pwd "
    "read readonly return set shift source test times trap true type ulimit umask unalias unset wait while for "
    "case".split()
)


def json_args(instruction: Instruction) -> Iterator[Problem]:
    """CMD or ENTRYPOINT in shell form; the fix is safe where the shell would only have started the program."""
    if instruction.keyword not in ("CMD", "ENTRYPOINT") or instruction.json or not instruction.node.value:
        return
    if instruction.stage is not None and instruction.stage.shell != ("/bin/sh", "-c"):
        return  # SHELL was set: the shell is meant.
    commands = instruction.commands
    if commands and commands[0].node.via[:1] == ("exec",) and len(commands) == 1:
        return
    keyword = instruction.keyword
    if instruction.node.text.text.lstrip().startswith("["):
        message = f"The words of `{keyword}` are no valid JSON, so a shell runs them as they stand, brackets and all"
        yield Problem(instruction.source, instruction.span, message, severity=Severity.ERROR)
        return
    yield Problem(instruction.source, instruction.span, values={"keyword": keyword}, fix=_as_json(instruction))


def _as_json(instruction: Instruction) -> Fix | None:
    """The same words as JSON, where the shell would have changed none of them.

    Safe where the image then starts the same program with the same words: an ENTRYPOINT in exec form gets CMD's words
    after its own, a script without a `#!` line is run by a shell only, and an ENTRYPOINT in shell form ignores CMD.
    """
    stage = instruction.stage
    if len(instruction.commands) != 1 or instruction.node.heredocs:
        return None
    if stage is None or base_image.windows(stage.root):
        return None
    command = instruction.commands[0]
    node = command.node
    if node.assignments or node.redirects or node.via or node.context or node.after not in (None, ";"):
        return None
    words = [word.literal for word in node.words]
    if not words or words[0] is None or words[0] in _BUILTINS:
        return None
    written = instruction.node.text.text.strip()
    if any(w is None for w in words) or any(c in written for c in "$`*?[]{}~#&|;<>()\n"):
        return None
    place = instruction.node.text.whole
    if "#" in instruction.source.slice(place) or (words[0] in ("echo", "printf") and "\\" in written):
        return None  # Comments between the lines would be lost; a shell's own echo reads escapes in its own way.
    if not all(isinstance(part, shell.Literal) for word in node.words for part in word.parts):
        return None
    text = json.dumps(words, ensure_ascii=False)
    other = stage.entrypoint if instruction.keyword == "CMD" else stage.cmd
    alone = other is None or (instruction.keyword == "CMD" and not other.json)
    return Fix("Write it as JSON", (Edit(place, text),), safe=alone and not words[0].endswith(".sh"))


def version_obsolete(facts: FileFacts) -> Iterator[Problem]:
    """A top-level `version`."""
    document = getattr(facts.ast, "document", facts.ast)
    root = document.root if isinstance(document, Document) else None
    if not isinstance(root, Mapping):
        return
    entry = root.entry("version")
    if entry is None or root.entry("services") is None:
        return
    text = facts.source.text
    start = text.rfind("\n", 0, entry.key.span.start) + 1
    end = text.find("\n", entry.value.span.end)
    fix = None
    if not text[start : entry.key.span.start].strip() and len(root.entries) > 1:
        end = len(text) if end == -1 else end + 1
        # The empty lines that set it apart go with it, where it stood at the top.
        while start == 0 and text[end : end + 2].startswith(("\n", "\r\n")):
            end = text.find("\n", end) + 1
        fix = Fix("Remove it", (Edit(Span(start, end), ""),))
    yield Problem(facts.source, entry.key.span, fix=fix)

"""Checks of what installers leave in a layer of the image: apt's lists, pip's cache."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from repro_audit.facts import base_image
from repro_audit.facts.mount import build_mounts
from repro_audit.facts.operand import verb
from repro_audit.facts.shipped import shipped
from repro_audit.facts.stage import Stage
from repro_audit.finding import Edit, Fix, Problem
from repro_audit.source import Span

if TYPE_CHECKING:
    from repro_audit.facts.command import Command
    from repro_audit.facts.file import FileFacts
    from repro_audit.facts.instruction import Instruction

# Mounts whose content is not part of the image.
_APART = ("cache", "tmpfs")
_APT = frozenset(("apt", "apt-get", "aptitude"))
_APT_VALUED = frozenset("-t --target-release --default-release -o --option -c --config-file".split())
_LISTS = "/var/lib/apt/lists"
# The lists, a folder above them, or braces with apt among the names.
_NAMES_LISTS = re.compile(
    r"/var(?:/lib)?(?:/?\*?$|/apt/?\*?$|/\{[^}]*\b(?:lib/)?apt\b)|/var/\{[^}]*\blib\b[^}]*\}/(?:apt|\*)|\bapt/lists\b"
)
_LOOKS = frozenset("[ cp du echo ls mkdir test".split())
_CLEANS = re.compile(r"clean|purge|prune|shrink|minimi[sz]e", re.IGNORECASE)
_SCRIPT = re.compile(r"\.(?:sh|bash|py|pl)$|^\.?/|^(?:bash|sh|make|source|\.|ansible-playbook)$")


def apt_lists_left(facts: FileFacts) -> Iterator[Problem]:
    """A RUN that fetches apt's lists and leaves them in its layer, in a stage that the image is made of."""
    if "apt" not in facts.source.text:
        return
    wanted: dict[int, int] | None = None
    stages = shipped(facts)
    starts = any(stage.cmd is not None or stage.entrypoint is not None for stage in stages)
    for stage in stages:
        for instruction in stage.instructions:
            update = _left(instruction)
            if update is None:
                continue
            if wanted is None:
                wanted = _wanted_afterwards(facts)
            fix = _removal(instruction, wanted[instruction.index], starts)
            yield Problem(facts.source, update.span, values={"command": f"{update.name} update"}, fix=fix)


def _left(instruction: Instruction) -> Command | None:
    """The command whose lists the layer of this instruction keeps."""
    if instruction.keyword != "RUN":
        return None
    last: Command | None = None
    for command in instruction.commands:
        if _updates(command):
            last = command
        elif last is not None and _removes_lists(command):
            last = None
        elif command.name == "trap" and _removes_lists(command):
            return None
    if last is None or any("lists" in arg.lower() for arg in last.args):
        return None  # `-o Dir::State::Lists=...` has them elsewhere.
    for mount in build_mounts(instruction.node):
        if mount.type in _APART and (_LISTS + "/").startswith(mount.target.rstrip("/") + "/"):
            return None
    return last


def _updates(command: Command) -> bool:
    return command.name in _APT and verb(command, _APT_VALUED)[0] == "update"


def _removes_lists(command: Command) -> bool:
    """Whether a command removes the lists, as far as its name and words tell; what it says it cleans is believed."""
    name = command.name
    if name in _APT:
        return verb(command, _APT_VALUED)[0] in ("distclean", "dist-clean")
    if name in _LOOKS:
        return False
    if _CLEANS.search(name):
        return True
    if any(_NAMES_LISTS.search(arg) for arg in command.args):
        return True
    if name in ("bash", "sh", ".", "source"):
        return any(_CLEANS.search(arg) for arg in command.args)
    return name == "rm" and (command.workdir or "").startswith("/var/lib/apt")


def _wanted_afterwards(facts: FileFacts) -> dict[int, int]:
    """Whether what follows each instruction installs from the lists it left: 0 no, 1 perhaps, 2 yes."""
    stages = [fact for fact in facts.facts if isinstance(fact, Stage)]
    after: dict[int, int] = {}
    at_start: dict[int, int] = {}
    for stage in reversed(stages):
        wants = at_start.get(stage.index, 0)
        for instruction in reversed(stage.instructions):
            after[instruction.index] = wants
            for command in reversed(instruction.commands):
                if _updates(command) and not command.node.context:
                    wants = 0
                elif command.name in _APT:
                    wants = 2 if verb(command, _APT_VALUED)[0] not in ("clean", "autoclean", "autoremove") else wants
                elif instruction.keyword == "RUN" and _SCRIPT.search(command.name):
                    wants = max(wants, 1)
        if stage.parent is not None:
            at_start[stage.parent.index] = max(wants, at_start.get(stage.parent.index, 0))
    return after


def _removal(instruction: Instruction, wanted: int, starts: bool) -> Fix | None:
    """The lists' removal at the end of a RUN that installs, and whose commands are joined by `&&` alone.

    Safe where nothing after it can want them, which nobody knows of an image that starts nothing and is there for
    others to build on.
    """
    node = instruction.node
    if wanted == 2 or instruction.json or node.heredocs or not instruction.commands:
        return None
    script = instruction.commands[0].script
    if script.errors or len(script.commands) != len(instruction.commands):
        return None
    for command in instruction.commands:
        joins = {command.node.before, command.node.after}
        if command.node.context or joins - {None, "&&", "|"} or set(command.node.via) - {"sudo"}:
            return None
    apt = [command for command in instruction.commands if command.name in _APT]
    if all(_updates(command) for command in apt):
        return None
    sudo = "sudo " if any("sudo" in command.node.via for command in apt) else ""
    edit = _appended(instruction, f"{sudo}rm -rf {_LISTS}/*")
    if edit is None:
        return None
    return Fix("Remove the lists at the end of the RUN", (edit,), safe=wanted == 0 and starts)


_LEADING = re.compile(r"^([ \t]*)&&", re.MULTILINE)
_TRAILING = re.compile(r"&&[ \t]*[\\`][ \t]*\r?\n([ \t]*)")


def _appended(instruction: Instruction, command: str) -> Edit | None:
    """One more command at the end of a RUN, set as its lines are."""
    written = instruction.source.slice(instruction.span).rstrip()
    line = written.rpartition("\n")[2]
    if written.endswith(("\\", "`", ";", "&")) or "#" in line:
        return None
    end = instruction.span.start + len(written)
    if "\n" not in written:
        return Edit(Span(end, end), f" && {command}")
    escape = "`" if re.search(r"`[ \t]*\r?\n", written) else "\\"
    leading, trailing = _LEADING.findall(written), _TRAILING.findall(written)
    if trailing and not leading:
        return Edit(Span(end, end), f" && {escape}\n{trailing[-1]}{command}")
    indent = leading[-1] if leading else line[: len(line) - len(line.lstrip())]
    return Edit(Span(end, end), f" {escape}\n{indent}&& {command}")


# The folder of pip's cache, whole or with others of a home.
_CACHE = re.compile(r"\.cache(?:/?\*?$|/pip\b)|/\.(?:\*|\[)|^/root/?\*?$|\bpip\S*cache|PIP_CACHE")
_CONFIGURES = re.compile(r"no-cache-dir|pip\.conf|pip\.ini|PIP_NO_CACHE_DIR|PIP_CACHE_DIR|PIP_CONFIG_FILE")


def pip_cache(facts: FileFacts) -> Iterator[Problem]:
    """A RUN in which pip leaves its cache in the layer, in a stage that the image is made of."""
    if "pip" not in facts.source.text:
        return
    configured: set[int] = set()
    for stage in shipped(facts):
        if base_image.windows(stage.root):
            continue
        if stage.parent is not None and stage.parent.index in configured:
            configured.add(stage.index)
        for instruction in stage.instructions:
            if instruction.keyword in ("RUN", "COPY", "ADD") and stage.index not in configured:
                if _CONFIGURES.search(instruction.node.text.text) and _configures(instruction):
                    configured.add(stage.index)
            if instruction.keyword == "RUN" and stage.index not in configured:
                yield from _cached(instruction)


def _configures(instruction: Instruction) -> bool:
    """Whether an instruction writes a setting of pip's that may switch the cache off for those after it."""
    if instruction.keyword != "RUN":
        return True
    for command in instruction.commands:
        words = " ".join(command.args)
        if command.name.startswith(("pip", "python")) and "config" in command.args and "cache" in words:
            return True
        targets = [r.target.raw for r in command.node.redirects if r.target is not None and r.op in (">", ">>")]
        if targets and _CONFIGURES.search(" ".join((words, *targets))):
            return True
    return False


def _cached(instruction: Instruction) -> Iterator[Problem]:
    from repro_audit.facts.python_options import tool_of

    found: list[tuple[Command, int]] = []
    for command in instruction.commands:
        if "pip" not in command.name and not command.name.startswith(("python", "pypy")):
            if found and _removes_cache(command):
                found = []
            continue
        tool = tool_of(command.name, command.args)
        if tool is None or tool[0].name != "pip":
            if "cache" in command.args and "purge" in command.args:
                found = []
        elif tool[2] in ("install", "wheel", "download") and _caches(command, tool[1]):
            found.append((command, tool[1]))
    if not found or any(_on_cache(mount.target) for mount in build_mounts(instruction.node) if mount.type in _APART):
        return
    edits = [edit for command, at in found if (edit := _switched_off(command, at)) is not None]
    fix = Fix("Add `--no-cache-dir`", tuple(edits)) if len(edits) == len(found) else None
    yield Problem(instruction.source, found[0][0].span, fix=fix)


def _on_cache(target: str) -> bool:
    """Whether a mount at `target` holds pip's cache, wherever the home is."""
    path = posixpath.normpath(target)
    return path.endswith("/.cache") or "pip" in path.lower() or path in ("/root", "/root/.cache") or "CACHE" in path


def _caches(command: Command, skip: int) -> bool:
    """Whether what this command fetches stays in pip's cache."""
    # Options may stand before the subcommand, and pip takes `--no-cache` for the same.
    if any(arg.startswith(("--no-ca", "--no-ind", "--help", "--dry-run")) for arg in command.args):
        return False
    if "sudo" in command.node.via or any("no-cache-dir" in arg or "NO_CACHE" in arg for arg in command.args):
        return False  # For sudo it depends whose home is in force; a variable of this name holds the option.
    variables = command.variables
    if any(variables.get(name, "") != "" for name in ("PIP_NO_CACHE_DIR", "PIP_NO_INDEX")):
        return False  # Any value switches the cache off, `0` and `false` too.
    place = command.value("--cache-dir") or variables.get("PIP_CACHE_DIR", variables.get("XDG_CACHE_HOME", ""))
    if place is None or (place and (place.startswith(("/tmp", "/dev", "$")) or place in command.cache_mounts)):  # noqa: S108
        return False
    given = command.args[skip:]
    whole = [arg for arg in given if not arg.startswith("-")]
    if whole and all(arg.endswith(".whl") and "://" not in arg for arg in whole):
        return False  # What is there already is not cached; what it needs mostly is there too.
    links = command.value("--find-links", "-f") or "://"
    return "--no-deps" not in given or ("://" in links and not all(arg.startswith((".", "/")) for arg in whole))


def _removes_cache(command: Command) -> bool:
    if command.name in ("rm", "find", "trap"):
        return any(_CACHE.search(arg) for arg in command.args)
    return bool(_CLEANS.search(command.name)) and command.name not in _APT


def _switched_off(command: Command, at: int) -> Edit | None:
    """`--no-cache-dir` after the subcommand, where that stands in the file as it is."""
    word = command.words[at]
    if command.exec_form or command.source.slice(word.span) not in ("install", "wheel", "download"):
        return None
    return Edit(Span(word.span.end, word.span.end), " --no-cache-dir")

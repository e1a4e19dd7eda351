"""Programs that run another program named in their arguments (`sudo`, `env`, `timeout 5`, `sh -c`, ...), taken off."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from repro_audit.syntax.shell_node import Word
from repro_audit.syntax.shell_walk import State, options

SHELLS = frozenset(("sh", "bash", "ash", "dash", "zsh", "ksh", "mksh", "busybox sh"))
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")


class Wrapper(NamedTuple):
    """How a wrapper's arguments read: which options take a value, how many words stand before the command."""

    short: str = ""
    long: frozenset[str] = frozenset()
    positional: int = 0
    assigns: bool = False


class Unwrapped(NamedTuple):
    """What is left: `first` is the index of the program's word, `scripts` those of words that are scripts."""

    via: tuple[str, ...]
    first: int
    assignments: tuple[int, ...]
    scripts: tuple[int, ...] = ()
    state: State = State()
    stdin: bool = False


def _long(names: str) -> frozenset[str]:
    return frozenset("--" + name for name in names.split())


_WRAPPERS = {
    "sudo": Wrapper(
        "ugphCrtTUDR", _long("user group prompt host close-from role type other-user chdir chroot"), assigns=True
    ),
    "doas": Wrapper("uC"),
    "env": Wrapper("uCS", _long("unset chdir split-string"), 0, True),
    "xargs": Wrapper("adEILnPs", _long("arg-file delimiter max-args max-procs max-lines max-chars replace")),
    "time": Wrapper("fo", _long("format output")),
    "exec": Wrapper("a"),
    "nohup": Wrapper(),
    "setsid": Wrapper(),
    "nice": Wrapper("n", _long("adjustment")),
    "ionice": Wrapper("cnp", _long("class classdata")),
    "stdbuf": Wrapper("ioe", _long("input output error")),
    "timeout": Wrapper("sk", _long("signal kill-after"), 1),
    "command": Wrapper(),
    "builtin": Wrapper(),
    "gosu": Wrapper(positional=1),
    "su-exec": Wrapper(positional=1),
    "setpriv": Wrapper(long=_long("reuid regid groups inh-caps bounding-set")),
    "s6-setuidgid": Wrapper(positional=1),
    "chroot": Wrapper(long=_long("userspec groups"), positional=1),
    "flock": Wrapper("wE", _long("wait timeout conflict-exit-code"), 1),
    "taskset": Wrapper(positional=1),
    "numactl": Wrapper("NmCip"),
    "tini": Wrapper("pe"),
    "dumb-init": Wrapper("r", _long("rewrite")),
    "catatonit": Wrapper(),
    "busybox": Wrapper(),
    "eatmydata": Wrapper(),
    "fakeroot": Wrapper(),
    "chronic": Wrapper(),
    "unbuffer": Wrapper(),
    "linux32": Wrapper(),
    "linux64": Wrapper(),
    "coproc": Wrapper(),
    "dbus-run-session": Wrapper(),
    "xvfb-run": Wrapper("enfspw", _long("server-args server-num error-file")),
}  # fmt: skip
_RUN = {
    "conda": Wrapper("np", _long("name prefix cwd")),
    "mamba": Wrapper("nprecC", _long("name prefix root-prefix env cwd")),
    "micromamba": Wrapper("nprecC", _long("name prefix root-prefix env cwd")),
    "uv": Wrapper(
        "pfiwC",
        _long(
            "with with-requirements with-editable python project directory extra group package env-file index index-url"
            " default-index extra-index-url find-links only-group no-group config-file cache-dir"
        ),
    ),
    "poetry": Wrapper("CP", _long("directory project")),
    "pipenv": Wrapper(),
    "pdm": Wrapper("p", _long("project")),
    "hatch": Wrapper("e", _long("env")),
    "rye": Wrapper("p", _long("pyproject")),
    "pixi": Wrapper("e", _long("environment manifest-path")),
}
_SU = frozenset(("su", "runuser"))
_SCRIPT_SHELL_VALUES = frozenset(("--rcfile", "--init-file"))


def name(text: str) -> str:
    """The base name of a program's path."""
    return text[text.rfind("/") + 1 :]


def unwrap(words: Sequence[Word]) -> Unwrapped:
    """Where the program that is really run stands among the words, and what runs it."""
    via: list[str] = []
    assignments: list[int] = []
    at, size = 0, len(words)
    while True:
        program = name(words[at].literal or "")
        if program in SHELLS:
            return _shell(words, at, program, via, assignments)
        if program in _SU:
            return _su(words, at, program, via, assignments)
        if program == "eval":
            rest = tuple(range(at + 1, size))
            if rest:
                return Unwrapped((*via, program), at, tuple(assignments), rest)
        wrapper, called, begin = _WRAPPERS.get(program), program, at + 1
        if (wrapper is None and program in _RUN) or program == "bundle":
            verb = "exec" if program == "bundle" else "run"
            found = _verb(words, at, verb)
            if found:
                wrapper, called, begin = _RUN.get(program, Wrapper()), f"{program} {verb}", found + 1
        if wrapper is None:
            break
        following, given = _skip(words, begin, program, wrapper)
        if following >= size:
            break
        via.append(called)
        assignments.extend(given)
        at = following
    return Unwrapped(tuple(via), at, tuple(assignments))


def _verb(words: Sequence[Word], at: int, verb: str) -> int:
    """The index of the subcommand, which options may precede, or 0."""
    for index in range(at + 1, min(at + 6, len(words))):
        text = words[index].literal
        if text == verb:
            return index
        if text is None or text[:1] != "-":
            previous = words[index - 1].literal or ""
            if index == at + 1 or previous[:1] != "-" or "=" in previous:
                return 0
    return 0


def _skip(words: Sequence[Word], at: int, program: str, wrapper: Wrapper) -> tuple[int, list[int]]:
    """The index of the command's first word after the wrapper's options; past the end if there is none."""
    size = len(words)
    given: list[int] = []
    positional = wrapper.positional
    while at < size:
        text = words[at].literal
        if text is None:
            text = words[at].raw
        if text == "--":
            at += 1
            if program != "xargs":
                at += positional
            break
        if text[:1] == "-" and text != "-":
            if program == "command" and text in ("-v", "-V"):
                return size, []
            if program == "uv" and text in ("-m", "--module", "-s", "--script"):
                return size, []
            at += 2 if _takes_value(text, wrapper) else 1
        elif wrapper.assigns and _ASSIGNMENT.match(words[at].raw):
            given.append(at)
            at += 1
        elif positional:
            positional -= 1
            at += 1
        else:
            break
    return at, given


def _takes_value(text: str, wrapper: Wrapper) -> bool:
    if text.startswith("--"):
        return text in wrapper.long
    for index in range(1, len(text)):
        if text[index] in wrapper.short:
            return index == len(text) - 1
    return False


def _shell(words: Sequence[Word], at: int, program: str, via: list[str], assignments: list[int]) -> Unwrapped:
    """`sh -c SCRIPT`, or a shell that reads its script from standard input or a file."""
    given: list[str] = []
    index, size, reads = at + 1, len(words), False
    while index < size:
        text = words[index].literal
        if text is None or text[:1] not in "-+" or text in ("-", "--"):
            index += text in ("-", "--")
            break
        index += 1
        if text in _SCRIPT_SHELL_VALUES:
            index += 1
        elif not text.startswith("--"):
            reads = reads or "c" in text[1:]
            given.append(text)
            if "o" in text[1:].lower() and index < size:
                given.append(words[index].literal or "")
                index += 1
    plain = tuple(assignments)
    if reads and index < size:
        return Unwrapped((*via, program), at, plain, (index,), options(given, State()))
    stdin = not reads and (index >= size or words[index].literal in ("/dev/stdin", "-") or "-s" in given)
    return Unwrapped(tuple(via), at, plain, (), options(given, State()), stdin)


def _su(words: Sequence[Word], at: int, program: str, via: list[str], assignments: list[int]) -> Unwrapped:
    """`su user -c SCRIPT`, `runuser -u user -- command`."""
    index, size, user = at + 1, len(words), False
    while index < size:
        text = words[index].literal or ""
        if text in ("-c", "--command", "-lc") and index + 1 < size:
            return Unwrapped((*via, program), at, tuple(assignments), (index + 1,))
        if text in ("-u", "--user"):
            user = True
        if text in ("-u", "--user", "-s", "--shell", "-g", "--group", "-G"):
            index += 1
        elif user and text == "--":
            if index + 1 < size:
                return Unwrapped((*via, program), index + 1, tuple(assignments))
        elif user and text[:1] != "-":
            return Unwrapped((*via, program), index, tuple(assignments))
        index += 1
    return Unwrapped(tuple(via), at, tuple(assignments))

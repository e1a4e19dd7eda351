"""What BuildKit refuses after parsing: the rules of its `instructions` package, told in its words.

Called by the facts and checks that report a Dockerfile which cannot be built.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from repro_audit.syntax.dockerfile import Dockerfile, Instruction
from repro_audit.syntax.dockerfile_draft import KEYWORDS
from repro_audit.syntax.dockerfile_reader import HEREDOC_MARKER
from repro_audit.syntax.dockerfile_value import BOOLEANS, csv_fields, mount_fault, port_fault, suggestion
from repro_audit.syntax.error import Error
from repro_audit.syntax.expand_lexer import delimiter
from repro_audit.syntax.go_text import SPACE, SURROGATE, quoted

_STAGE_NAME = re.compile(r"[a-z][a-z0-9\-_.]*\Z")
_DURATION_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?([^.0-9]*)")
_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_MILLISECOND = 10**6
_LONGEST_DURATION = 2**63

# The flags of each instruction and what they take: a truth value, one value, or one value each time they are given.
_FLAGS: Mapping[str, Mapping[str, str]] = {
    "add": {
        "chown": "value",
        "chmod": "value",
        "link": "truth",
        "keep-git-dir": "truth",
        "checksum": "value",
        "unpack": "truth",
        "exclude": "values",
    },
    "copy": {
        "chown": "value",
        "from": "value",
        "chmod": "value",
        "link": "truth",
        "exclude": "values",
        "parents": "truth",
    },
    "from": {"platform": "value"},
    "healthcheck": {
        "interval": "value",
        "timeout": "value",
        "start-period": "value",
        "start-interval": "value",
        "retries": "value",
    },
    "run": {"device": "values", "mount": "values", "network": "value", "security": "value"},
}


def check_instructions(dockerfile: Dockerfile) -> tuple[Error, ...]:
    """What BuildKit would refuse in the instructions of a file that its parser reads, in file order.

    BuildKit stops at the first. Instructions that already have an error of the parser are left out.
    """
    known = {error.span for error in dockerfile.errors}
    errors: list[Error] = []
    staged = complained = False
    for instruction in dockerfile.instructions:
        if instruction.span not in known:
            reason = rejection(instruction)
            if reason is None and not staged and not complained and instruction.keyword not in ("arg", "from"):
                reason = "no build stage in current context"
                complained = True
            if reason is not None:
                errors.append(Error(instruction.span, reason, _code(reason)))
        staged = staged or instruction.keyword == "from"
    if dockerfile.instructions and not staged and not errors and not dockerfile.errors:
        last = dockerfile.instructions[-1].span
        errors.append(Error(last, "dockerfile contains no stages to build", "no-from"))
    return tuple(errors)


def _code(reason: str) -> str:
    """The rule of its own that reports this reason, if one does."""
    if reason == "no build stage in current context":
        return "no-from"
    return "unknown-instruction" if reason.startswith("unknown instruction: ") else ""


def rejection(instruction: Instruction) -> str | None:
    """Why BuildKit would refuse this instruction by itself, or None."""
    check = _CHECKS.get(instruction.keyword)
    if check is None:
        name = instruction.raw_keyword
        return f"unknown instruction: {name}" + suggestion(name, sorted(KEYWORDS), any_case=True)
    return check(instruction, [item.text for item in instruction.value])


def _flags(instruction: Instruction) -> str | None:
    """Why the flags are wrong, or None."""
    if not instruction.flags:
        return None
    known = _FLAGS.get(instruction.keyword, {})
    used: set[str] = set()
    for flag in instruction.flags:
        raw = flag.raw
        if raw == "--":
            return None
        if not raw.startswith("--"):
            return f"arg should start with -- : {raw}"
        name = f"--{flag.name}"
        takes = known.get(flag.name)
        if takes is None:
            return f"unknown flag: {name}" + suggestion(flag.name, known)
        if flag.name in used and takes != "values":
            return f"duplicate flag specified: {name}"
        used.add(flag.name)
        if takes == "truth":
            if flag.value == "":
                return f"missing a value on flag: {name}"
            if flag.value is not None and flag.value.lower() not in ("true", "false"):
                return f"expecting boolean value for flag {name}, not: {flag.value}"
        elif flag.value is None:
            return f"missing a value on flag: {name}"
    return None


def _any(instruction: Instruction, args: list[str]) -> str | None:
    return _flags(instruction)


def _one(instruction: Instruction, args: list[str]) -> str | None:
    if len(args) != 1:
        return f"{instruction.keyword.upper()} requires exactly one argument"
    return None if instruction.keyword == "stopsignal" else _flags(instruction)


def _at_least_one(instruction: Instruction, args: list[str]) -> str | None:
    if not args:
        return f"{instruction.keyword.upper()} requires at least one argument"
    return _flags(instruction)


def _expose(instruction: Instruction, args: list[str]) -> str | None:
    reason = _at_least_one(instruction, args)
    for word in args if reason is None else ():
        reason = port_fault(word)
        if reason is not None:
            return reason
    return reason


def _pairs(instruction: Instruction, args: list[str]) -> str | None:
    reason = _flags(instruction)
    if reason is None and not args:
        return f"{instruction.keyword.upper()} requires at least one argument"
    if reason is None and "" in args[::3]:
        return f"{instruction.keyword.upper()} names can not be blank"
    return reason


def _arg(instruction: Instruction, args: list[str]) -> str | None:
    if not args:
        return "ARG requires at least one argument"
    return "ARG names can not be blank" if any(word.startswith("=") for word in args) else None


def _copy(instruction: Instruction, args: list[str]) -> str | None:
    name = instruction.keyword.upper()
    if len(args) < 2:
        return f"{name} requires at least two arguments, but only one was provided. Destination could not be determined"
    reason = _flags(instruction)
    if reason is None and "<<" in args[-1] and _is_heredoc(args[-1]):
        return f"{name} cannot accept a heredoc as a destination"
    return reason


def _is_heredoc(word: str) -> bool:
    match = HEREDOC_MARKER.match(word)
    if match is None or not match.group(3):
        return False
    try:
        return delimiter(match.group(3)) is not None
    except ValueError:
        return False


def _from(instruction: Instruction, args: list[str]) -> str | None:
    if len(args) == 3 and args[1].lower() == "as":
        if not _STAGE_NAME.match(args[2].lower()):
            return f"invalid name for build stage: {quoted(args[2])}, name can't start with a number or contain symbols"
    elif len(args) != 1:
        return "FROM requires either one or three arguments"
    return _flags(instruction)


def _onbuild(instruction: Instruction, args: list[str]) -> str | None:
    inner = instruction.onbuild
    if inner is None:
        # Nested so deep that the reader gave up, or nothing there.
        return (
            "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"
            if instruction.text.text
            else ("ONBUILD requires at least one argument")
        )
    reason = _flags(instruction)
    if reason is not None:
        return reason
    trigger = inner.raw_keyword.strip(SPACE).upper()
    if trigger == "ONBUILD":
        return "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"
    return f"{trigger} isn't allowed as an ONBUILD trigger" if trigger in ("MAINTAINER", "FROM") else None


def _volume(instruction: Instruction, args: list[str]) -> str | None:
    reason = _at_least_one(instruction, args)
    if reason is None and not all(word.strip(SPACE) for word in args):
        return "VOLUME specified can not be an empty string"
    return reason


def _shell(instruction: Instruction, args: list[str]) -> str | None:
    reason = _flags(instruction)
    if reason is None and not args:
        return "SHELL requires at least one argument"
    if reason is None and not instruction.json:
        return "SHELL requires the arguments to be in JSON form"
    return reason


def _run(instruction: Instruction, args: list[str]) -> str | None:
    reason = _flags(instruction)
    if reason is not None or not instruction.flags:
        return reason
    for name, check in (("device", _device), ("mount", mount_fault)):
        for flag in instruction.flags:
            if flag.name == name and flag.value is not None:
                reason = check(flag.value)
                if reason is not None:
                    return reason
    network, security = instruction.flag("network"), instruction.flag("security")
    if network is not None and network.value not in ("default", "none", "host"):
        return f"invalid network mode {quoted(network.value or '')}"
    if security is not None and security.value not in ("insecure", "sandbox"):
        return f"security {quoted(security.value or '')} is not valid"
    return None


def _device(value: str) -> str | None:
    fields, reason = csv_fields(value)
    if reason is not None:
        return f"failed to parse csv devices: {reason}"
    name = ""
    for part in fields:
        key, equals, content = part.partition("=")
        key = key.lower()
        if not equals:
            if key == "required":
                continue
            if name:
                return f"invalid field '{part}' must be a key=value pair"
            name = part
        elif key == "name":
            if name:
                return f"device name already set to {name}"
            name = content
        elif key == "required":
            if content not in BOOLEANS:
                return f"invalid value for {key}: {content}"
        elif name:
            return f"unexpected key '{key}' in '{part}'" + suggestion(key, ("name", "required"))
        else:
            name = part
    return None


def _healthcheck(instruction: Instruction, args: list[str]) -> str | None:
    if not args:
        return "HEALTHCHECK requires at least one argument"
    kind = SURROGATE.sub("\ufffd", args[0]).upper()
    if kind == "NONE":
        return "HEALTHCHECK NONE takes no arguments" if len(args) > 1 else None
    reason = _flags(instruction)
    if reason is not None:
        return reason
    if kind != "CMD":
        return f"Unknown type {quoted(kind)} in HEALTHCHECK (try CMD)"
    if len(args) == 1:
        return "Missing command after HEALTHCHECK CMD"
    for name in ("interval", "timeout", "start-period", "start-interval"):
        flag = instruction.flag(name)
        if flag is not None and flag.value:
            length, reason = duration(flag.value)
            if reason is not None:
                return reason
            if length and length < _MILLISECOND:
                return f"Interval {quoted(name)} cannot be less than 1ms"
    retries = instruction.flag("retries")
    return _retries(retries.value) if retries is not None and retries.value else None


def _retries(value: str) -> str | None:
    if not re.match(r"[+-]?[0-9]+\Z", value):
        return f"strconv.ParseInt: parsing {quoted(value)}: invalid syntax"
    digits = value.lstrip("+-").lstrip("0") or "0"
    number = int(digits[:12]) * (-1 if value[0] == "-" else 1)
    if not -(2**31) <= number < 2**31 or len(digits) > 12:
        return f"strconv.ParseInt: parsing {quoted(value)}: value out of range"
    return f"--retries cannot be negative ({number})" if number < 0 else None


def duration(text: str) -> tuple[int, str | None]:
    """A Go duration such as `1m30s` in nanoseconds, and why it is none."""
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0, None
    invalid = f"time: invalid duration {quoted(text)}"
    if not rest:
        return 0, invalid
    total = at = 0
    while at < len(rest):
        match = _DURATION_PART.match(rest, at)
        assert match is not None  # it matches the empty string too
        whole, fraction, unit = match.groups()
        if not whole and not fraction:
            return 0, invalid
        if not unit:
            return 0, f"time: missing unit in duration {quoted(text)}"
        if unit not in _UNITS:
            return 0, f"time: unknown unit {quoted(unit)} in duration {quoted(text)}"
        if len(whole.lstrip("0")) > 19:
            return 0, invalid
        total += int(whole or 0) * _UNITS[unit]
        if fraction:
            digits = fraction[:18]
            total += int(digits) * _UNITS[unit] // 10 ** len(digits)
        if total > _LONGEST_DURATION:
            return 0, invalid
        at = match.end()
    if text[0] == "-":
        return -total, None
    return (total, None) if total < _LONGEST_DURATION else (0, invalid)


_CHECKS: Mapping[str, Callable[[Instruction, list[str]], str | None]] = {
    "add": _copy,
    "arg": _arg,
    "cmd": _any,
    "copy": _copy,
    "entrypoint": _any,
    "env": _pairs,
    "expose": _expose,
    "from": _from,
    "healthcheck": _healthcheck,
    "label": _pairs,
    "maintainer": _one,
    "onbuild": _onbuild,
    "run": _run,
    "shell": _shell,
    "stopsignal": _one,
    "user": _one,
    "volume": _volume,
    "workdir": _one,
}

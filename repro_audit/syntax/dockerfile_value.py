"""What BuildKit refuses in the values of `RUN --mount` and EXPOSE, told in its words.

Called by `dockerfile_check`. BuildKit fills in variables before it reads these values; one that has any, or quotes, or
a template's blank, is taken as right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from repro_audit.syntax.dockerfile_words import as_bytes
from repro_audit.syntax.go_text import quoted

# What is not the value itself: a variable, a quote or escape, a blank that a template fills in.
_OPEN = re.compile(r"[$'\"\\`{}<>%@]")

# --- mounts ----------------------------------------------------------------------------------------------------------

_TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
_SHARING = ("shared", "private", "locked")
_KEYS = (
    "type from source target readonly id sharing required size mode uid gid src dst destination ro rw readwrite env"
).split()
_SIZE = re.compile(r"[0-9.]+ ?[kKmMgGtTpP]?[iI]?[bB]?\Z")
_NUMBER = {"mode": re.compile("[0-7]+\\Z"), "uid": re.compile("[0-9]+\\Z"), "gid": re.compile("[0-9]+\\Z")}
BOOLEANS = frozenset({"1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"})


def mount_fault(value: str) -> str | None:
    """Why the value of a `--mount` is refused, or None."""
    fields, reason = csv_fields(value)
    if reason is not None:
        return f"failed to parse csv mounts: {reason}"
    for part in fields:
        key, equals, content = part.partition("=")
        if equals and key.lower() == "from" and "$" in content[:-1]:
            return f"'{key.lower()}' doesn't support variable expansion, define alias stage instead"
    kind = "bind"
    given: dict[str, str] = {}
    for part in fields:
        key, equals, content = part.partition("=")
        key = key.lower()
        if key in ("type", "sharing") and _OPEN.search(content):
            return None  # What else may stand there depends on these.
        reason = _field_fault(part, key, content if equals else None, kind)
        if reason is not None:
            return reason
        if key == "type":
            kind = content.lower()
        given[{"src": "source", "dst": "target", "destination": "target"}.get(key, key)] = content
    return _together(kind, given)


def _field_fault(part: str, key: str, content: str | None, kind: str) -> str | None:
    """Why one field is refused where the mount is of this kind so far."""
    if key in ("required", "size") and kind not in (("secret", "ssh") if key == "required" else ("tmpfs",)):
        if content is not None or key == "required":
            return f"unexpected key '{key}' for mount type '{kind}'"
    if content is None:
        if key in ("readonly", "ro", "readwrite", "rw", "required") or _OPEN.search(part):
            return None
        return f"invalid field '{part}' must be a key=value pair"
    if key not in _KEYS:
        return None if _OPEN.search(key) else f"unexpected key '{key}' in '{part}'" + suggestion(key, _KEYS, True)
    if _OPEN.search(content):
        return None
    if key == "type" and content.lower() not in _TYPES:
        return f"unsupported mount type {quoted(content.lower())}" + suggestion(content, _TYPES, True)
    if key == "sharing" and content.lower() not in _SHARING:
        return f"unsupported sharing value {quoted(content.lower())}" + suggestion(content, _SHARING, True)
    if key in ("readonly", "ro", "readwrite", "rw", "required") and content not in BOOLEANS:
        return f"invalid value for {key}: {content}"
    if key == "size" and not _SIZE.match(content):
        return f"invalid value for {key}: {content}"
    number = _NUMBER.get(key)
    if number is not None and not number.match(content):
        return f"invalid value {content} for {key}"
    return None


def _together(kind: str, given: dict[str, str]) -> str | None:
    """Why these fields are refused beside each other."""
    if kind in ("bind", "tmpfs"):
        for key in ("mode", "uid", "gid"):
            if key in given:
                return f"{key} not allowed for {quoted(kind)} type mounts"
    if kind == "secret":
        if given.get("from"):
            return "secret mount should not have a from"
        if given.get("sharing"):
            return "secret mount should not define sharing"
        if not any(given.get(key) for key in ("source", "target", "id")):
            return "invalid secret mount. one of source, target required"
        if given.get("source") and given.get("id"):
            return "both source and id can't be set"
    if kind != "cache" and given.get("sharing"):
        return f"invalid cache sharing set for {kind} mount"
    return None


# --- ports -----------------------------------------------------------------------------------------------------------


def port_fault(word: str) -> str | None:
    """Why a word of EXPOSE, `[[ip:]public:]private[/protocol]`, is refused, or None."""
    if _OPEN.search(word) or not word:
        return None
    ip, _, rest = word.rpartition(":")
    ip, _, public = ip.rpartition(":")
    private, _, protocol = rest.partition("/")
    if not private:
        return f"invalid port: {quoted(word)}: no port specified"
    if protocol.lower() not in ("", "tcp", "udp", "sctp"):
        return f"invalid port: {quoted(word)}: invalid proto: {protocol}"
    if ip and not _is_address(ip):
        return f"invalid IP address: {ip}"
    inner = _range(private)
    if inner is None:
        return f"invalid containerPort: {private}"
    if public:
        outer = _range(public)
        if outer is None:
            return f"invalid hostPort: {public}"
        if inner[0] != inner[1] and inner[1] - inner[0] != outer[1] - outer[0]:
            return f"invalid ranges specified for container and host Ports: {private} and {public}"
    return None


def _is_address(text: str) -> bool:
    import ipaddress

    if text[0] == "[" and text[-1] == "]":
        text = text[1:-1]
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def _range(text: str) -> tuple[int, int] | None:
    first, dash, last = text.partition("-")
    start = _port(first)
    end = start if not dash or first == last else _port(last)
    return None if start is None or end is None or end < start else (start, end)


def _port(text: str) -> int | None:
    digits = text[1:] if text[:1] == "+" else text
    if not digits.isascii() or not digits.isdigit():
        return None
    number = int(digits[-5:]) if not digits[:-5].strip("0") else 65536
    return number if number < 65536 else None


# --- what both need --------------------------------------------------------------------------------------------------


def csv_fields(value: str) -> tuple[list[str], str | None]:
    """The comma-separated fields of a flag such as `--mount`, and why they cannot be read."""
    if value.endswith("\n"):
        value = value[:-2] if value.endswith("\r\n") else value[:-1]
    if not value:
        return [], "EOF"
    fields: list[str] = []
    at, size = 0, len(value)
    while True:
        if not value.startswith('"', at):
            comma = value.find(",", at)
            stop = size if comma < 0 else comma
            quote = value.find('"', at, stop)
            if quote >= 0:
                return [], f'parse error on line 1, column {_column(value, quote)}: bare " in non-quoted-field'
            fields.append(value[at:stop])
        else:
            at += 1
            pieces: list[str] = []
            while True:
                quote = value.find('"', at)
                if quote < 0:
                    place = _column(value, at)
                    return [], f'parse error on line 1, column {place}: extraneous or missing " in quoted-field'
                pieces.append(value[at:quote])
                at = quote + 1
                if not value.startswith('"', at):
                    break
                pieces.append('"')
                at += 1
            if at < size and value[at] != ",":
                place = _column(value, quote)
                return [], f'parse error on line 1, column {place}: extraneous or missing " in quoted-field'
            fields.append("".join(pieces))
            comma = at if at < size else -1
        if comma < 0:
            return fields, None
        at = comma + 1


def _column(value: str, at: int) -> int:
    return len(as_bytes(value[:at])) + 1


def suggestion(name: str, options: Iterable[str], any_case: bool = False) -> str:
    """BuildKit's hint at what was meant: the option at most two edits away."""
    wanted = name.lower() if any_case else name
    best, best_distance = "", 3
    for option in options:
        if option == wanted:
            return ""
        if abs(len(option) - len(wanted)) < best_distance:
            distance = _distance(wanted, option)
            if distance < best_distance:
                best, best_distance = option, distance
    if not best:
        return ""
    if any_case and name != name.lower() and name == name.upper():
        best = best.upper()
    return f" (did you mean {best}?)"


def _distance(one: str, other: str) -> int:
    """The Levenshtein distance."""
    row = list(range(len(other) + 1))
    for index, char in enumerate(one, 1):
        previous, row[0] = row[0], index
        for column, wanted in enumerate(other, 1):
            cost = min(row[column] + 1, row[column - 1] + 1, previous + (char != wanted))
            previous, row[column] = row[column], cost
    return row[-1]

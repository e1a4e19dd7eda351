"""Which names may reach an engine's command line. Nothing that a Dockerfile or compose file says can become an option:
what starts with a dash, holds blanks or breaks out of a list of fields is refused here.
"""

from __future__ import annotations

import re

# The grammar of image references is that of github.com/distribution/reference.
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_NAME = rf"(?:{_DOMAIN}/)?{_COMPONENT}(?:/{_COMPONENT})*"
_REFERENCE = re.compile(rf"{_NAME}(?::[\w][\w.-]{{0,127}})?", re.ASCII)
_IMAGE = re.compile(rf"(?:{_REFERENCE.pattern})?(?:@sha256:[0-9a-f]{{64}})?|sha256:[0-9a-f]{{64}}", re.ASCII)
_ID = re.compile(r"(?:sha256:)?[0-9a-f]{12,64}")
_TARGET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_PLATFORM = re.compile(r"[a-z0-9][a-z0-9_.]*(?:/[a-z0-9][a-z0-9_.]*){0,2}")
_ARGUMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,255}")
_SECRET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,255}")
_GPUS = re.compile(r"all|[1-9][0-9]{0,2}|device=[A-Za-z0-9:_-]+(?:,[A-Za-z0-9:_-]+)*")
_CONTEXT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@-]{0,255}")
_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+-]*://|git@)[!-~]+")
_PLAIN = re.compile(r"[A-Za-z0-9/][A-Za-z0-9/_.:=@-]{0,255}")
_MAX = 512


def _fits(pattern: re.Pattern[str], text: str) -> bool:
    return 0 < len(text) <= _MAX and pattern.fullmatch(text) is not None


def is_reference(text: str) -> bool:
    """Whether it is an image's name, perhaps with a tag: `ghcr.io/owner/name:tag`."""
    return _fits(_REFERENCE, text)


def is_image(text: str) -> bool:
    """Whether it names an image that exists: by reference, digest or id."""
    return _fits(_IMAGE, text) or _fits(_ID, text)


def is_target(text: str) -> bool:
    """Whether it can be a stage's name or number."""
    return _fits(_TARGET, text)


def is_platform(text: str) -> bool:
    """Whether it has the form `os/arch/variant`."""
    return _fits(_PLATFORM, text)


def is_argument(text: str) -> bool:
    """Whether it can be the name of a build argument or variable."""
    return _fits(_ARGUMENT, text)


def is_secret_id(text: str) -> bool:
    """Whether it can be the id of a build secret."""
    return _fits(_SECRET, text)


def is_context(text: str) -> bool:
    """Whether it can be the name of a further build context: a stage's or an image's."""
    return _fits(_CONTEXT, text)


def is_address(text: str) -> bool:
    """Whether a build context is an address (`docker-image://`, `https://`, `git@`) rather than a folder."""
    return _fits(_ADDRESS, text)


def is_gpus(text: str) -> bool:
    """Whether it is `all`, a number of GPUs, or `device=` with indices or UUIDs."""
    return _fits(_GPUS, text)


def is_plain(text: str) -> bool:
    """Whether it is one plain word: a runtime, a network, a user, a device."""
    return _fits(_PLAIN, text)


def fields(*parts: str) -> str:
    """A list of fields as `--mount`, `--secret` and `--output` read it: CSV, quoted where a value needs it."""
    return ",".join('"' + part.replace('"', '""') + '"' if any(c in part for c in ',"\n') else part for part in parts)

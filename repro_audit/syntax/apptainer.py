"""Apptainer (Singularity) definition files: where the image comes from and the scripts that make and run it."""

from __future__ import annotations

import re

from repro_audit.record import dataclass
from repro_audit.source import Excerpt, Source, Span
from repro_audit.syntax.error import Error

_HEADER = re.compile(r"[ \t]*([A-Za-z][A-Za-z0-9_-]*)[ \t]*:[ \t]*([^\r\n]*)")
_SECTION = re.compile(r"[ \t]*%([A-Za-z]+)([^\r\n]*)")

# Sections that hold shell; the others hold files, labels or text.
SCRIPTS = frozenset(("pre", "setup", "post", "environment", "runscript", "startscript", "test", "apprun", "appinstall"))


@dataclass(slots=True, frozen=True, eq=False)
class Header:
    """`Name: value` before the first section; `name` is lower case. A comment after the value is no part of it."""

    name: str
    value: str
    span: Span
    value_span: Span


@dataclass(slots=True, frozen=True, eq=False)
class Section:
    """`%name args` and its body; `name` is lower case. `body` is without the section's own line."""

    name: str
    arguments: str
    span: Span
    body: Excerpt


@dataclass(slots=True, frozen=True, eq=False)
class Stage:
    """A header with the sections after it; a file with several `Bootstrap:` lines has several."""

    headers: tuple[Header, ...]
    sections: tuple[Section, ...]

    def header(self, name: str) -> Header | None:
        """The header called `name` (lower case), or None."""
        return next((h for h in self.headers if h.name == name), None)


@dataclass(slots=True, frozen=True, eq=False)
class Definition:
    """A definition file. `comments` are `(line, text)` pairs."""

    source: Source
    stages: tuple[Stage, ...]
    errors: tuple[Error, ...] = ()
    comments: tuple[tuple[int, str], ...] = ()


def parse(source: Source) -> Definition:
    """The file's stages. A line before the first section that is no header is an `Error`."""
    stages: list[tuple[list[Header], list[Section]]] = []
    errors: list[Error] = []
    comments: list[tuple[int, str]] = []
    opened: tuple[str, str, int, int] | None = None
    text = source.text
    place = 0

    def close(end: int) -> None:
        if opened is not None:
            name, arguments, start, body = opened
            if not stages:
                stages.append(([], []))
            stages[-1][1].append(Section(name, arguments, Span(start, end), source.excerpt(Span(min(body, end), end))))

    for number, line in enumerate(text.split("\n"), 1):
        start, place = place, min(place + len(line) + 1, len(text))
        stripped = line.strip()
        if stripped.startswith("#"):
            comments.append((number, stripped[1:].strip()))
            continue
        section = _SECTION.match(line)
        header = _HEADER.match(line)
        begins = header is not None and header.group(1).lower() == "bootstrap"
        if section and stripped.startswith("%"):
            close(start)
            opened = (section.group(1).lower(), section.group(2).strip(), start, place)
        elif header and (opened is None or (begins and not line[:1].isspace())):
            close(start)
            opened = None
            if begins or not stages:
                stages.append(([], []))
            value = header.group(2).split(" #")[0].rstrip()
            at = start + header.start(2)
            name_at = start + header.start(1)
            span = Span(name_at, at + len(value))
            stages[-1][0].append(Header(header.group(1).lower(), value, span, Span(at, at + len(value))))
        elif opened is None and stripped:
            errors.append(
                Error(Span(start, start + len(line.rstrip())), "neither a header (`From: ...`) nor a section")
            )
    close(len(text))
    made = tuple(Stage(tuple(headers), tuple(sections)) for headers, sections in stages)
    return Definition(source, made, tuple(errors), tuple(comments))

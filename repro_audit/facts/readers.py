"""Which reader makes the facts of which kind of file. Each reader is imported when the first such file comes."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from repro_audit.facts.file import FileFacts
from repro_audit.source import Source

if TYPE_CHECKING:
    from repro_audit.discover import File
    from repro_audit.facts.project import Project, Reader

_READERS = {
    "dockerfile": "dockerfile_file:read",
    "requirements": "python_files:requirements",
    "constraints": "python_files:requirements",
    "pyproject": "python_files:pyproject",
    "uv-lock": "python_files:lock",
    "poetry-lock": "python_files:lock",
    "pdm-lock": "python_files:lock",
    "pylock": "python_files:lock",
    "pipfile": "python_files:pipfile",
    "pipfile-lock": "python_files:lock",
    "conda": "python_files:conda",
    "compose": "runtime_files:compose",
    "devcontainer": "runtime_files:devcontainer",
    "workflow": "runtime_files:workflow",
    "action": "runtime_files:workflow",
    "apptainer": "runtime_files:apptainer",
    "pre-commit": "runtime_files:precommit",
}


def reader_for(kind: str) -> Reader:
    """The function that reads files of `kind`."""
    name = _READERS.get(kind)
    if name is None:
        return _nothing
    module, function = name.split(":")
    reader: Reader = getattr(import_module(f"repro_audit.facts.{module}"), function)
    return reader


def _nothing(project: Project, file: File, source: Source) -> FileFacts:
    return FileFacts(source, file, None, (), (), (), project)


def comments(source: Source) -> tuple[tuple[int, str], ...]:
    """The comments that may hold a suppression; any `#` or `//` before our words counts as the start of one."""
    text = source.text
    if "repro-audit:" not in text and "hadolint" not in text:
        return ()
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        at = line.find("repro-audit:")
        if at == -1:
            at = line.find("hadolint")
        if at == -1:
            continue
        sign = max(line.rfind("#", 0, at) + 1, line.rfind("//", 0, at) + 2 if "//" in line[:at] else 0)
        if sign:
            found.append((number, line[sign:].strip()))
    return tuple(found)

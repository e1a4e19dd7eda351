"""`repro-audit ast FILE`: a file as it was read, as JSON."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Annotated

import typer

from repro_audit.cli.audit import find
from repro_audit.cli.options import Request
from repro_audit.cli.output import emit
from repro_audit.cli.problem import CannotError
from repro_audit.config import Config
from repro_audit.facts.file import FileFacts
from repro_audit.facts.project import Project
from repro_audit.source import Excerpt, Source, Span
from repro_audit.syntax import dockerfile, tree
from repro_audit.syntax.error import Error

# Deeper trees are cut: the JSON writer goes down by recursion.
_MAX_DEPTH = 150


def command(
    path: Annotated[str, typer.Argument(metavar="FILE", help="A file, or `-` for standard input.")],
    stdin_filename: Annotated[
        str | None, typer.Option(help="What standard input (`-`) is to be taken for.", metavar="NAME")
    ] = None,
) -> int:
    """Print the parsed file as JSON: for a Dockerfile, value and flags as BuildKit's own parser gives them."""
    trees = find(Request(paths=(path,), stdin_filename=stdin_filename), Config())
    for found in trees:
        for problem in found.problems:
            raise CannotError(f"{problem.shown}: {problem.message}")
    files = [(found, file) for found in trees for file in found.files]
    if len(files) != 1:
        raise CannotError(f"{path}: is a folder; `ast` takes one file")
    top, file = files[0]
    facts = Project(top).facts(file.path)
    emit(json.dumps(as_json(facts), indent=2) + "\n")
    return 0


def as_json(facts: FileFacts) -> dict[str, object]:
    """The file's syntax tree as plain values."""
    source = facts.source
    parsed = facts.ast
    errors = [_error(source, error) for error in facts.errors]
    if isinstance(parsed, dockerfile.Dockerfile):
        return {**_dockerfile(parsed), "errors": errors}
    if isinstance(parsed, tree.Document):
        documents = [node for node in (parsed.root, *parsed.more) if node is not None]
        return {"kind": facts.file.kind, "documents": [_node(source, n, 0) for n in documents], "errors": errors}
    content = _plain(source, parsed, 0)
    return {"kind": facts.file.kind, **(content if isinstance(content, dict) else {}), "errors": errors}


def _dockerfile(parsed: dockerfile.Dockerfile) -> dict[str, object]:
    instructions = []
    stages: list[dict[str, object]] = []
    for instruction in parsed.instructions:
        if instruction.keyword == "from":
            words = [word.text for word in instruction.value]
            named = len(words) == 3 and words[1].lower() == "as"
            stages.append(
                {
                    "index": len(stages),
                    "name": words[2].lower() if named else None,
                    "base": words[0] if words else None,
                    "start_line": instruction.start_line,
                }
            )
        instructions.append({**_instruction(instruction), "stage": len(stages) - 1 if stages else None})
    return {
        "kind": "dockerfile",
        "escape": parsed.escape,
        "directives": [{"name": d.name, "value": d.value} for d in parsed.directives],
        "instructions": instructions,
        "stages": stages,
    }


def _instruction(instruction: dockerfile.Instruction) -> dict[str, object]:
    inner = instruction.onbuild
    words = inner or instruction  # ONBUILD's value is that of the instruction it holds.
    found: dict[str, object] = {
        "keyword": instruction.keyword.upper(),
        "start_line": instruction.start_line,
        "end_line": instruction.end_line,
        "flags": [flag.raw for flag in instruction.flags],
        "json": words.json,
        "value": _words(words),
        "heredocs": [{"name": heredoc.name, "content": heredoc.content} for heredoc in instruction.heredocs],
    }
    if inner is not None:
        found["onbuild"] = _instruction(inner)
    return found


def _words(instruction: dockerfile.Instruction) -> list[str]:
    """The value as words; the separator that BuildKit's parser adds to each pair of ENV and LABEL is no word."""
    words = [word.text for word in instruction.value]
    if instruction.keyword in ("env", "label") and len(words) % 3 == 0:
        return [word for index, word in enumerate(words) if index % 3 != 2]
    return words


def _error(source: Source, error: Error) -> dict[str, object]:
    return {**_place(source, error.span), "message": error.message}


def _place(source: Source, span: Span) -> dict[str, object]:
    start, end = source.position(span.start), source.position(span.end)
    return {
        "start": {"line": start.line, "column": start.column},
        "end": {"line": end.line, "column": end.column},
    }


def _node(source: Source, node: tree.Node, depth: int) -> dict[str, object]:
    place = _place(source, node.span)
    if depth > _MAX_DEPTH:
        return {"type": "too deep", **place}
    if isinstance(node, tree.Scalar):
        return {"type": "scalar", "value": node.value, "text": node.text, **place}
    if isinstance(node, tree.Sequence):
        return {"type": "sequence", "items": [_node(source, item, depth + 1) for item in node.items], **place}
    entries = [
        {
            "key": entry.key.text,
            "value": _node(source, entry.value, depth + 1),
            **({"merged": True} if entry.merged else {}),
        }
        for entry in node.entries
    ]
    return {"type": "mapping", "entries": entries, **place}


def _plain(source: Source, value: object, depth: int) -> object:
    """Any part of a syntax tree as plain values: spans as lines and columns, excerpts as their text."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if depth > _MAX_DEPTH or isinstance(value, Source):
        return None
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, Excerpt):
        return value.text
    if isinstance(value, Span):
        return _place(source, value)
    if isinstance(value, (tree.Scalar, tree.Sequence, tree.Mapping)):
        return _node(source, value, depth)
    if isinstance(value, (tuple, list, frozenset, set)):
        return [_plain(source, item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(source, item, depth + 1) for key, item in value.items()}
    if is_dataclass(value):
        return {
            field.name: _plain(source, getattr(value, field.name), depth + 1)
            for field in fields(value)
            if field.name not in ("source", "errors") and not field.name.startswith("_")
        }
    return str(value)

"""tree-sitter-bash, kept from what it cannot bear and helped over what it reads otherwise than shells do."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Parser, Tree

_NOT_ASCII = re.compile(r"[^\x01-\x7f]")
# What shells accept and the grammar does not: `$` before the end of a word, and `fi else` without a separator.
_DOLLAR = re.compile(r"\$(?=[\s)|;&])")
_CLOSED = re.compile(r"(?:(?<=\bfi)|(?<=\bdone)|(?<=\besac)|(?<=\}))[ \t](?=[ \t]*(?:else|elif|fi|done|esac)\b)")
_ESCAPED = re.compile(r"\\.", re.DOTALL)
# An error within a pipeline of many thousands of stages makes the grammar take gigabytes before it can be stopped.
_PIPE_LIMIT = 1000
_STATEMENT = re.compile(r";|&&|\|\||(?<![|\s])[ \t\r]*\n")
_SMALL = 2048
_SLICE = 1 << 16

_parser: Parser | None = None


def tree(text: str) -> Tree | None:
    """The grammar's tree, whose byte offsets are character offsets of `text`; None when it gives up."""
    if "\\ " in text:  # which the grammar takes for a blank at the start of a word
        text = _ESCAPED.sub(lambda match: "xx" if match.group() == "\\ " else match.group(), text)
    found = _parsed(text)
    if found is not None and found.root_node.has_error and len(text) < _SLICE:
        mended = _DOLLAR.sub("x", _CLOSED.sub(";", text))
        if mended != text:
            found = _parsed(mended)
    return found


def _parsed(text: str) -> Tree | None:
    """The tree of the text as it is.

    Its recovery from errors takes quadratic time and memory, so that a long text gets a budget of steps.
    """
    global _parser
    if text.count("|") > _PIPE_LIMIT and any(part.count("|") > _PIPE_LIMIT for part in _STATEMENT.split(text)):
        return None
    if _parser is None:
        import tree_sitter

        _parser = tree_sitter.Parser(tree_sitter.Language(_bash()))
    data = text.encode() if text.isascii() and "\0" not in text else _NOT_ASCII.sub("x", text).encode()
    if len(data) < _SMALL:
        return _parser.parse(data)
    limit = time.process_time() + 0.25 + len(data) * 4e-6
    try:
        return _parser.parse(
            lambda at, _: data[at : at + _SLICE], progress_callback=lambda _at, _error: time.process_time() > limit
        )
    except ValueError:  # stopped
        _parser.reset()
        return None


def _bash() -> object:
    """The grammar itself. Its package also imports what reads its queries, which takes a tenth of a whole short run."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    package = PathFinder.find_spec("tree_sitter_bash")
    spec = PathFinder.find_spec("_binding", package.submodule_search_locations) if package is not None else None
    if spec is None or spec.loader is None:
        import tree_sitter_bash

        return tree_sitter_bash.language()
    binding = module_from_spec(spec)
    spec.loader.exec_module(binding)
    return binding.language()

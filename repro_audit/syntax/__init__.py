"""Syntax: one module per file kind, each `parse(source) -> AST`. No opinions, no I/O, and no exception on any input."""

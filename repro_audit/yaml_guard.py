"""Keeps PyYAML from what would harm the process that loads a text: called before configuration and rule files are read.

Audited files are read by `syntax.yaml`, which has bounds of its own.
"""

from __future__ import annotations

# PyYAML composes nodes by recursion, and in C: some ten thousand levels end the process.
_MAX_DEPTH = 100


def check(data: bytes) -> None:
    """Raise yaml.YAMLError where the text nests too deep or merges mappings, which can grow without end."""
    import yaml

    depth = 0
    for event in yaml.parse(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        fault = None
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                fault = f"nested more than {_MAX_DEPTH} deep"
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]:
            fault = "merge keys are not understood here"
        if fault is not None:
            raise yaml.MarkedYAMLError(problem=fault, problem_mark=event.start_mark)  # type: ignore[arg-type]

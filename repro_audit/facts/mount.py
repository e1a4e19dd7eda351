"""`RUN --mount=...` of a Dockerfile, read as BuildKit reads it (a CSV row of `key=value`)."""

from __future__ import annotations

from repro_audit.record import dataclass
from repro_audit.source import Excerpt, Span
from repro_audit.syntax import dockerfile


@dataclass(slots=True, frozen=True, eq=False)
class BuildMount:
    """`type` is `bind` (the default), `cache`, `tmpfs`, `secret` or `ssh`; `target` is `` where none is given."""

    type: str
    target: str
    source: str
    from_: Excerpt | None
    span: Span


def build_mounts(node: dockerfile.Instruction) -> tuple[BuildMount, ...]:
    """The mounts of a RUN instruction, in order."""
    found = []
    for flag in node.flags:
        if flag.name != "mount" or not flag.value:
            continue
        values: dict[str, str] = {}
        from_: Excerpt | None = None
        at = 0
        for field in flag.value.split(","):
            key, _, value = field.partition("=")
            values[key.lower()] = value.strip('"')
            if key.lower() == "from":
                start = flag.value_span.start + at + len(key) + 1
                from_ = flag_excerpt(flag, node).source.excerpt(Span(start, start + len(value)))
            at += len(field) + 1
        found.append(
            BuildMount(
                type=values.get("type", "bind"),
                target=values.get("target") or values.get("dst") or values.get("destination") or "",
                source=values.get("source") or values.get("src") or "",
                from_=from_,
                span=flag.span,
            )
        )
    return tuple(found)


def flag_excerpt(flag: dockerfile.Flag, node: dockerfile.Instruction) -> Excerpt:
    """The flag's value with its place."""
    return node.text.source.excerpt(flag.value_span)

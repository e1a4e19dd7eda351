"""`RUN --mount=...` of a Dockerfile, read as BuildKit reads it (a CSV row of `key=value`)."""

from __future__ import annotations

from repro_audit.record import dataclass
from repro_audit.source import Excerpt, Source, Span
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
        for field in flag.value.split(","):
            key, _, value = field.partition("=")
            values[key.lower()] = value = value.strip('"')
            if key.lower() == "from":
                from_ = _written(node.text.source, flag.value_span, key, value)
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


def _written(source: Source, span: Span, key: str, value: str) -> Excerpt:
    """The place of a field's value within the flag's, where quotes may stand that the parser has taken away."""
    written = source.slice(span)
    at = max(written.find(value, written.find(key) + len(key) + 1), 0)
    return source.excerpt(Span(span.start + at, span.start + at + len(value)))

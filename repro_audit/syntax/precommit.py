"""`.pre-commit-config.yaml`: the repositories of hooks and the revisions they are taken at."""

from __future__ import annotations

from repro_audit.record import dataclass
from repro_audit.source import Source, Span
from repro_audit.syntax import yaml
from repro_audit.syntax.error import Error
from repro_audit.syntax.tree import Document, Mapping, Scalar, items_of


@dataclass(slots=True, frozen=True, eq=False)
class Hook:
    """One hook; `dependencies` are what it installs besides."""

    id: str
    span: Span
    dependencies: tuple[Scalar, ...] = ()
    language: str | None = None


@dataclass(slots=True, frozen=True, eq=False)
class Repository:
    """`repo:` with its `rev:`; `local` and `meta` repositories have none."""

    url: Scalar
    rev: Scalar | None
    hooks: tuple[Hook, ...]
    span: Span

    @property
    def local(self) -> bool:
        """Whether nothing is fetched for it."""
        return self.url.text in ("local", "meta")


@dataclass(slots=True, frozen=True, eq=False)
class PreCommit:
    """A pre-commit configuration."""

    source: Source
    document: Document
    repositories: tuple[Repository, ...]
    errors: tuple[Error, ...] = ()


def parse(source: Source) -> PreCommit:
    """The file's repositories. Anything of the wrong shape is left out."""
    document = yaml.parse(source)
    root = document.root
    repositories = []
    for item in items_of(root.get("repos") if isinstance(root, Mapping) else None):
        url = item.get("repo") if isinstance(item, Mapping) else None
        if not isinstance(item, Mapping) or not isinstance(url, Scalar):
            continue
        rev = item.get("rev")
        hooks = tuple(
            Hook(
                id=hook_id.text,
                span=hook_id.span,
                dependencies=tuple(d for d in items_of(hook.get("additional_dependencies")) if isinstance(d, Scalar)),
                language=language.text if isinstance(language := hook.get("language"), Scalar) else None,
            )
            for hook in items_of(item.get("hooks"))
            if isinstance(hook, Mapping) and isinstance(hook_id := hook.get("id"), Scalar)
        )
        repositories.append(Repository(url, rev if isinstance(rev, Scalar) else None, hooks, item.span))
    return PreCommit(source, document, tuple(repositories), document.errors)

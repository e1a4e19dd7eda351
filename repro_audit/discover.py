"""What there is to audit: walks a tree once and tells each file's kind. Called by the CLI; gives the facts their `Tree`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class File:
    """A file to audit.

    `path` is relative to the tree's root with `/`; `shown` is how reports name it (relative to where the user stands).
    `kind` is one of `dockerfile requirements constraints pyproject uv-lock poetry-lock pdm-lock pylock pipfile pipfile-lock
    conda compose devcontainer workflow action dockerignore pre-commit apptainer`.
    """

    path: str
    shown: str
    kind: str


class Tree:
    """The files under one root. `files` are those to audit; anything else can still be asked for by path."""

    root: str
    files: tuple[File, ...]

    def read(self, path: str) -> bytes:
        """The bytes of a file under the root (raises OSError); links that lead out of the root are not followed."""
        raise NotImplementedError

    def exists(self, path: str) -> bool:
        """Whether a file or folder stands at `path`, links out of the root counting as missing."""
        raise NotImplementedError

    def is_dir(self, path: str) -> bool:
        """Whether a folder stands at `path`."""
        raise NotImplementedError

    def listing(self, folder: str) -> tuple[str, ...]:
        """All paths (relative to the root) of files under `folder`, ignored ones included, `.git` given as one entry."""
        raise NotImplementedError

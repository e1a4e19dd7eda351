"""Inputs: what a build takes from outside. Every one has a `pin`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro_audit.facts.pin import Pin
from repro_audit.record import dataclass
from repro_audit.source import Source, Span

if TYPE_CHECKING:
    from repro_audit.facts.command import Command
    from repro_audit.facts.container import Container
    from repro_audit.facts.stage import Stage


@dataclass(slots=True, frozen=True, eq=False)
class ImageRef:
    """A container image that something is built from, copied from or run as.

    `text` is the reference as written, `image` with variables filled in as far as they are known. `registry`,
    `repository`, `tag` and `digest` are the parts of `image` (registry `docker.io` and `library/` are implied, not
    spelt out: `repository` is `python` for Docker Hub's official image). `where` is one of `from`, `copy-from`,
    `mount-from`, `compose`, `devcontainer`, `workflow`, `docker-run`, `apptainer`. `unknown` names the variables with
    no known value; `stage` is the stage it serves; `local` when it is a stage of the same file, `scratch`, or built
    here. `stage_names` are all stages of its Dockerfile, lower case.
    """

    source: Source
    span: Span
    text: str
    image: str
    registry: str | None
    repository: str
    tag: str | None
    digest: str | None
    where: str
    pin: Pin
    local: bool = False
    unknown: tuple[str, ...] = ()
    platform: str | None = None
    stage: Stage | None = None
    container: Container | None = None
    stage_names: frozenset[str] = frozenset()
    kind: str = "image"

    @property
    def name(self) -> str:
        """The name that `inputs` lists."""
        return self.image


@dataclass(slots=True, frozen=True, eq=False)
class Package:
    """A package of some ecosystem that a command installs or a manifest declares.

    `ecosystem` is `apt apk dnf yum microdnf zypper pacman pip conda npm yarn pnpm gem go cargo cran ...`. `name` is
    normalised as the ecosystem does it; `specifier` is what follows the name (`==1.2`, `=1.2-3`, `>=1,<2`, empty for
    nothing); `version` is set when that is exact. `url` is set for a direct reference (`git+https://...`, a wheel's
    address). `span` covers the requirement, `spec_span` the place of the specifier. `command` is the command that
    installs it (None when it stands in a file); `via` is a short word for where it stands: `command`, `requirements`,
    `constraints`, `pyproject`, `conda`, `lock`, `pipfile`. `locked` names the lock file that covers it, if any.
    `installed` is false for a manifest's package where no image of the project installs that manifest's project.
    """

    source: Source
    span: Span
    ecosystem: str
    name: str
    specifier: str
    version: str | None
    pin: Pin
    via: str
    spec_span: Span
    url: str | None = None
    hashes: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    marker: str | None = None
    command: Command | None = None
    stage: Stage | None = None
    locked: str | None = None
    installed: bool = True
    kind: str = "package"


@dataclass(slots=True, frozen=True, eq=False)
class Download:
    """Something fetched by address: a file, a git repository, a model, a dataset.

    `kind` is `download` (curl, wget, ADD URL, aria2c), `git`, `model` or `dataset`. `tool` is the program or function
    (`curl`, `ADD`, `git`, `from_pretrained`). `revision` is the commit, tag or branch asked for. `verified` tells
    whether its content is checked (`ADD --checksum`, `sha256sum -c` on it, `gpg --verify`, a commit). `cache_mount`
    is the target of the cache mount that its result is written under, if any. `use` is what becomes of the content: a
    `file` that is kept, a `script` handed straight to a shell, `text` that is only looked at, or a `key` that checks
    other downloads.
    """

    source: Source
    span: Span
    kind: str
    tool: str
    name: str
    url: str | None
    revision: str | None
    verified: bool
    pin: Pin
    command: Command | None = None
    stage: Stage | None = None
    cache_mount: str | None = None
    use: str = "file"


@dataclass(slots=True, frozen=True, eq=False)
class ActionRef:
    """A workflow's `uses:`, a reusable workflow, or a devcontainer feature (`kind` `action` or `feature`).

    `name` is the part before `@` (or the feature's tag), `ref` what follows.
    """

    source: Source
    span: Span
    name: str
    ref: str | None
    pin: Pin
    kind: str = "action"


Input = ImageRef | Package | Download | ActionRef
